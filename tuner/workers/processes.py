"""A worker of several processes, each with a crew like the others.

Python runs one thread at a time, so crews that are to use several cores each need a process. The
processes are started as fresh interpreters, in sessions of their own: a user's script needs no
`if __name__ == "__main__"`, and Ctrl-C comes to the coordinator alone. They end when the
connection to the coordinator does, whatever ended it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import WorkerLostError
from .base import Event, Failed, Job, Progress
from .crew import Answered, Cancel, Command, Crew, Orders, Submit

#: Times that a job begins anew after its process died, before it is given up; and that a process is
#: started anew that a signal killed before it had a crew.
_RETRIES = 2
#: Seconds that `close` waits for a process to end by itself.
_CLOSE_SECONDS = 5.0
#: What stops crews from using more than their share of the cores, read when libraries load.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_CHILD = "import sys; from tuner.workers.processes import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True)
class _Ready:
    """Modules are loaded (no capacity yet), and then the crew is made."""

    capacity: int = 0


@dataclass(frozen=True)
class _Batch:
    """What an epoch brought, and how many jobs the crew takes from now on."""

    events: list[Event]
    capacity: int


@dataclass(frozen=True)
class _Broken:
    """The crew could not be made, or ended with an error that is no job's."""

    traceback: str


class ProcessWorkers:
    """Lets crews work in processes, each for itself.

    Args:
        makes: a function for each process, pickled, that makes its crew.
        threads: that each may compute with.
    """

    def __init__(self, makes: Sequence[Callable[[], Crew]], *, threads: int = 1) -> None:
        self._processes = [_Process(pickle.dumps(make), threads) for make in makes]
        self._deaths: Counter[int] = Counter()  # for each job
        self._error: WorkerLostError | None = None

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
        by_connection = {process.connection: process for process in self._processes}
        for connection in wait(list(by_connection), timeout):
            process = by_connection[connection]  # type: ignore[index]
            try:
                events += self._hear(process)
            except WorkerLostError as error:
                self._error = error
        return events

    def _hear(self, process: _Process) -> list[Event]:
        try:
            message = process.connection.recv()
        except (EOFError, OSError):
            return self._replace(process)
        return process.heard(message)

    def _replace(self, process: _Process) -> list[Event]:
        """Starts another process in the place of one that died, with its jobs.

        It may have died because memory ran out, or of one of its jobs. So the next one takes half
        as many at once, until a job that is to blame is alone.

        Raises:
            WorkerLostError: it got no crew, and not because a signal killed it once or twice.
        """
        code = process.end()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        limit, n_starts = process.limit, process.n_starts + 1
        if process.capacity:
            limit, n_starts = max(1, process.capacity // 2), 1
        elif code >= 0 or n_starts > 1 + _RETRIES:
            raise WorkerLostError(f"a worker process ended with {how} while it started")
        successor = _Process(process.make, process.threads, limit, n_starts)
        self._processes[self._processes.index(process)] = successor
        failed: list[Event] = []
        for number, job in process.jobs.items():
            if process.begun == {number}:
                self._deaths[number] += 1
            if self._deaths[number] > _RETRIES:
                reason = f"its process died {_RETRIES + 1} times, the last time with {how}"
                failed.append(Failed(number, reason))
            else:
                successor.submit(job, process.told[number])
        return failed

    def close(self) -> None:
        """Ends all jobs and processes."""
        for process in self._processes:
            process.dismiss()
        for process in self._processes:
            process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Process:
    """The coordinator's side of one process.

    Args:
        make: pickled, makes the crew.
        threads: that it may compute with.
        limit: of the jobs that it is given at once, if there is one.
        n_starts: how many times in a row one was started in this place, until there is a crew.

    Attributes:
        connection: closes when the process ends.
        capacity: jobs that it takes at once; 0 while there is no crew.
        jobs: those under way, by id.
        begun: ids of those that the crew has.
        told: epochs that were told of each job.
    """

    def __init__(
        self, make: bytes, threads: int, limit: int | None = None, n_starts: int = 1
    ) -> None:
        self.make, self.threads, self.limit, self.n_starts = make, threads, limit, n_starts
        self.capacity = 0
        self.jobs: dict[int, Job] = {}
        self.begun: set[int] = set()
        self.told: dict[int, int] = {}
        self._is_loading = True
        self._handed_out = 0
        self._owes_an_answer = False
        mine, its = socket.socketpair()
        self.connection = Connection(mine.detach())
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
        # It finds modules where this process does.
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        with its:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,
                pass_fds=[its.fileno()],
                start_new_session=True,
                env=environment,
            )

    @property
    def n_free(self) -> int:
        """Places for jobs."""
        return self.capacity - len(self.jobs)

    def submit(self, job: Job, told: int = 0) -> None:
        """Gives a job, or keeps it until there is a place for it."""
        self.jobs[job.id], self.told[job.id] = job, told
        self._begin()

    def _begin(self) -> None:
        """Gives the crew as many jobs as it takes."""
        for number, job in self.jobs.items():
            if len(self.begun) == self.capacity:
                break
            if number not in self.begun:
                self.begun.add(number)
                self._give(Submit(job))

    def cancel(self, number: int) -> None:
        """Ends a job; unknown ids are fine."""
        if number in self.begun:
            self._give(Cancel(number))
        self._forget(number)
        self._begin()

    def _forget(self, number: int) -> None:
        self.jobs.pop(number, None)
        self.told.pop(number, None)
        self.begun.discard(number)

    def answer(self) -> None:
        """Lets the crew go on, if it was told something or told us."""
        if self._owes_an_answer:
            self._owes_an_answer = False
            self._send(pickle.dumps(Answered(self._handed_out)))

    def heard(self, message: _Ready | _Batch | _Broken) -> list[Event]:
        """Takes a message; returns the events in it.

        Raises:
            WorkerLostError: the process cannot go on.
        """
        if isinstance(message, _Broken):
            raise WorkerLostError(f"a worker process failed:\n{message.traceback}")
        if self._is_loading:
            self._is_loading = False
            self._send(self.make)
            return []
        self.capacity = min(message.capacity, self.limit or message.capacity)
        events: list[Event] = []
        if isinstance(message, _Batch):
            self._handed_out += 1
            self._owes_an_answer = True
            events = [event for event in message.events if self._is_news(event)]
        self._begin()
        return events

    def _is_news(self, event: Event) -> bool:
        """Says whether an event is to be told, and keeps that it was."""
        number = event.job
        if number not in self.jobs:  # cancelled
            return False
        if not isinstance(event, Progress):
            self._forget(number)
            return True
        if event.epoch <= self.told[number]:  # by a process that died
            return False
        self.told[number] = event.epoch
        return True

    def _give(self, command: Command) -> None:
        self._owes_an_answer = True
        self._send(pickle.dumps(command))

    def _send(self, message: bytes) -> None:
        # If it died, the next look at its connection shows it.
        with contextlib.suppress(OSError):
            self.connection.send_bytes(message)

    def dismiss(self) -> None:
        """Lets the process end; one without a crew would notice only when modules are loaded."""
        self.connection.close()
        if self.capacity == 0:
            self._child.kill()

    def end(self) -> int:
        """Waits for the end of the process, or ends it; returns its code, -n after signal n."""
        self.connection.close()
        try:
            return self._child.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()


def serve(descriptor: int) -> None:
    """Runs a crew in this process: asks for what makes it, and lets it work to the end.

    Args:
        descriptor: of the connection to the coordinator.
    """
    connection = Connection(descriptor)

    def listen(orders: Orders) -> None:
        try:
            while True:
                orders.give(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # nobody is there to hear of the rest of the epoch

    try:
        connection.send(_Ready())
        make: Callable[[], Crew] = connection.recv()
        crew = make()
        connection.send(_Ready(crew.capacity))
        orders = Orders(lambda events: connection.send(_Batch(events, crew.capacity)))
        threading.Thread(target=listen, args=(orders,), daemon=True).start()
        crew.work(orders)
    except (EOFError, OSError):
        os._exit(0)
    except Exception as error:
        connection.send(_Broken("".join(traceback.format_exception(error))))
