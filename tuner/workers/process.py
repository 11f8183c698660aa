"""One process with a crew: the coordinator's side of it, and what runs in it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..errors import WorkerLostError
from .base import Event, Job, Progress
from .crew import Answered, Cancel, Command, Crew, Orders, Submit
from .parcel import Parcel, Slip

#: Seconds that `end` waits for a process to end by itself.
_END_SECONDS = 5.0
#: What keeps crews to their share of the cores, read when libraries load.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Lines of its output that are kept of a process that died.
_LINES = 40

_CHILD = "import sys; from tuner.workers.process import serve; serve(*map(int, sys.argv[1:]))"


@dataclass(frozen=True)
class Order:
    """What a process is started for.

    Attributes:
        makes: a parcel of functions that make crews.
        index: of this process's function.
        threads: that it may compute with.
    """

    makes: Parcel
    index: int
    threads: int


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

    reason: str
    traceback: str


class Process:
    """The coordinator's side of one process.

    Args:
        order: what it is started for.
        limit: of the jobs that it is given at once, if there is one.
        n_starts: how many times in a row one was started in this place, until there is a crew.

    Attributes:
        connection: closes when the process ends.
        capacity: jobs that it takes at once; 0 while there is no crew.
        jobs: those under way, by id.
        begun: ids of those that the crew has.
        told: epochs that were told of each job.

    Raises:
        WorkerLostError: the system starts no more processes.
    """

    def __init__(self, order: Order, limit: int | None = None, n_starts: int = 1) -> None:
        self.order, self.limit, self.n_starts = order, limit, n_starts
        self.capacity = 0
        self.jobs: dict[int, Job] = {}
        self.begun: set[int] = set()
        self.told: dict[int, int] = {}
        self._is_loading = True
        self._handed_out = 0
        self._owes_an_answer = False
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(order.threads))}
        # It finds modules where this process does; import, too, passes over what is no text.
        folders = [path or str(Path.cwd()) for path in sys.path if isinstance(path, str)]
        environment["PYTHONPATH"] = os.pathsep.join(folders)
        try:
            mine, its = socket.socketpair()
            self.connection = Connection(mine.detach())
            self._output = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
            with its:
                descriptors = [its.fileno(), order.makes.fileno()]
                self._child = subprocess.Popen(
                    [sys.executable, "-P", "-c", _CHILD, *map(str, descriptors)],
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=subprocess.STDOUT,
                    pass_fds=descriptors,
                    start_new_session=True,
                    env=environment,
                )
        except OSError as error:
            raise WorkerLostError(f"no worker process can be started ({error})") from error

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._child.pid

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
            if len(self.begun) >= self.capacity:
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
            self._send(Answered(self._handed_out))

    def heard(self, message: _Ready | _Batch | _Broken) -> list[Event]:
        """Takes a message; returns the events in it.

        Raises:
            WorkerLostError: the process cannot go on.
        """
        if isinstance(message, _Broken):
            error = WorkerLostError(f"a worker process failed: {message.reason}")
            error.add_note(message.traceback)
            raise error
        if self._is_loading:
            self._is_loading = False
            self._send((self.order.makes.slip, self.order.index))
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
        self._send(command)

    def _send(self, message: Command | tuple[Slip, int]) -> None:
        # If it died, the next look at its connection shows it.
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def dismiss(self) -> None:
        """Lets the process end; one without a crew would notice only when modules are loaded."""
        self.connection.close()
        if self.capacity == 0:
            self._child.kill()

    def end(self) -> tuple[int, str]:
        """Waits for the end of the process, or ends it.

        Returns:
            Its code, -n after signal n, and the last lines that it wrote.
        """
        self.connection.close()
        try:
            code = self._child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        if self._output.closed:
            return code, ""
        with self._output as output:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
        return code, "\n".join(lines[-_LINES:])


def serve(descriptor: int, parcel: int) -> None:
    """Runs a crew in this process; returns never.

    The crew works in a thread: what trains in a main thread, as Lightning's Trainer does, would
    have signal handlers there.

    Args:
        descriptor: of the connection to the coordinator.
        parcel: of the file of functions that make crews.
    """
    connection = Connection(descriptor)

    def tell(message: _Ready | _Batch | _Broken) -> None:
        try:
            connection.send(message)
        except OSError:
            os._exit(0)  # nobody is there to hear of it

    def work(make: Callable[[], Crew]) -> None:
        try:
            crew = make()
            orders.append(Orders(lambda events: tell(_Batch(events, crew.capacity))))
            tell(_Ready(crew.capacity))
            crew.work(orders[0])
        except Exception as error:
            reason = "".join(traceback.format_exception_only(error)).strip()
            tell(_Broken(reason, "".join(traceback.format_exception(error))))
        os._exit(0)

    orders: list[Orders] = []
    tell(_Ready())
    try:
        slip, index = connection.recv()
        makes: Sequence[Callable[[], Crew]] = slip.open(parcel)
        threading.Thread(target=work, args=(makes[index],), daemon=True).start()
        while True:
            command: Command = connection.recv()
            orders[0].give(command)
    except EOFError:
        os._exit(0)
