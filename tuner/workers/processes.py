"""A worker of several processes, each with a crew like the others.

Python runs one thread at a time, so crews that are to use several cores each need a process. The
processes are started as fresh interpreters, in sessions of their own: a user's script needs no
`if __name__ == "__main__"`, and Ctrl-C comes to the coordinator alone. They end when the
connection to the coordinator does, whatever ended it.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from ..errors import WorkerLostError
from .base import Event, Failed, Job
from .crew import Crew
from .parcel import Parcel
from .process import Order, Process

#: Times that a job begins anew after its process died, before it is given up; and that a process is
#: started anew that a signal killed before it had a crew.
_RETRIES = 2


class ProcessWorkers:
    """Lets crews work in processes, each for itself.

    Args:
        makes: a function for each process, pickled, that makes its crew.
        threads: that each may compute with.

    Raises:
        WorkerLostError: the system starts no more processes.
    """

    def __init__(self, makes: Sequence[Callable[[], Crew]], *, threads: int = 1) -> None:
        self._makes = Parcel(list(makes))
        self._processes: list[Process] = []
        self._deaths: Counter[int] = Counter()  # for each job
        self._error: WorkerLostError | None = None
        try:
            for index in range(len(makes)):
                self._processes.append(Process(Order(self._makes, index, threads)))
        except WorkerLostError:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once; 0 until the first process has its crew."""
        return sum(process.capacity for process in self._processes)

    @property
    def is_complete(self) -> bool:
        """Whether all processes have their crews."""
        return all(process.capacity for process in self._processes)

    def submit(self, job: Job) -> None:
        """Gives a job to the process with most free places."""
        max(self._processes, key=lambda process: process.n_free).submit(job)

    def cancel(self, job: int) -> None:
        """Ends a job before the next epoch of its process."""
        for process in self._processes:
            process.cancel(job)

    def events(self, timeout: float) -> list[Event]:
        """Returns what happened since the last call, after waiting at most so many seconds.

        Raises:
            WorkerLostError: a process did not get as far as its crew, or its crew ended with an
                error that is no job's.
        """
        if self._error is not None:  # after the last events
            raise self._error
        for process in self._processes:
            process.answer()
        events: list[Event] = []
        by_connection: dict[Any, Process] = {each.connection: each for each in self._processes}
        for connection in wait(list(by_connection), timeout):
            try:
                events += self._hear(by_connection[connection])
            except WorkerLostError as error:
                self._error = error
        return events

    def _hear(self, process: Process) -> list[Event]:
        try:
            message = process.connection.recv()
        except (EOFError, OSError):
            return self._replace(process)
        return process.heard(message)

    def _replace(self, process: Process) -> list[Event]:
        """Starts another process in the place of one that died, with its jobs.

        It may have died because memory ran out, or of one of its jobs. So the next one takes half
        as many at once, until a job that is to blame is alone.

        Raises:
            WorkerLostError: it got no crew, and not because a signal killed it once or twice; or
                the system starts no more processes.
        """
        code, output = process.end()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        limit, n_starts = process.limit, process.n_starts + 1
        if process.capacity:
            limit, n_starts = max(1, process.capacity // 2), 1
        elif code >= 0 or n_starts > 1 + _RETRIES:
            last = f": {output.splitlines()[-1]}" if output else ""
            raise WorkerLostError(f"a worker process ended with {how} while it started{last}")
        successor = Process(process.order, limit, n_starts)
        self._processes[self._processes.index(process)] = successor
        failed: list[Event] = []
        for number, job in process.jobs.items():
            if process.begun == {number}:
                self._deaths[number] += 1
            if self._deaths[number] > _RETRIES:
                reason = f"its process died {_RETRIES + 1} times, the last time with {how}"
                failed.append(Failed(number, reason, output))
            else:
                successor.submit(job, process.told[number])
        return failed

    def close(self) -> None:
        """Ends all jobs and processes."""
        for process in self._processes:
            process.dismiss()
        for process in self._processes:
            process.end()
        self._makes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
