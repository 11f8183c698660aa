"""The coordinator's side of one crew that works elsewhere, and what it says to the other side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import WorkerLostError
from .base import Event, Job, Progress
from .crew import Answered, Cancel, Command, Submit
from .silence import Silence


@dataclass(frozen=True)
class Ready:
    """The crew is made.

    Attributes:
        capacity: jobs that it takes at once.
        pid: number of its process.
    """

    capacity: int
    pid: int


@dataclass(frozen=True)
class Batch:
    """What an epoch brought, and how many jobs the crew takes from now on."""

    events: list[Event]
    capacity: int


@dataclass(frozen=True)
class Broken:
    """The crew could not be made, or ended with an error that is no job's."""

    reason: str
    traceback: str


@dataclass(frozen=True)
class Lost:
    """The crew is gone, and what it had with it.

    Attributes:
        how: in a few words, such as "SIGKILL".
        output: the last lines that it wrote.
        is_broken: it ended by itself, so that another one will do the same.
    """

    how: str
    output: str = ""
    is_broken: bool = False


Message = Ready | Batch | Broken | Lost


class Link(Protocol):
    """A connection to a crew elsewhere; what comes from there goes into the launcher's inbox."""

    def send(self, commands: list[Command], *, is_awaited: bool) -> None:
        """Gives the crew commands.

        Args:
            commands: in their order.
            is_awaited: a batch of events will follow, since the crew has jobs.
        """

    def dismiss(self) -> None:
        """Lets the crew end; returns at once."""

    def kill(self) -> None:
        """Ends the crew at once, whatever it does."""

    def end(self) -> None:
        """Waits until the crew has ended, or ends it; nothing comes from it any more."""


#: Takes what comes over a link.
Inbox = Callable[[Link, Message], None]


class Launcher(Protocol):
    """Starts crews elsewhere."""

    @property
    def size(self) -> int:
        """How many crews there shall be by now."""

    def start(self, index: int, inbox: Inbox) -> Link:
        """Starts a crew; returns at once.

        Args:
            index: number of its place, from 0.
            inbox: takes its messages, from any thread.

        Raises:
            WorkerLostError: the system starts no more.
        """

    def close(self) -> None:
        """Gives back what crews share."""


class Remote:
    """One crew that works elsewhere.

    Args:
        link: leads to it.
        silence: that is borne.
        limit: of the jobs that it is given at once, if there is one.
        n_starts: how many times in a row one was started in this place, until there is a crew.

    Attributes:
        capacity: jobs that it takes at once; 0 while there is no crew.
        jobs: those under way, by id.
        begun: ids of those that the crew has.
        told: epochs that were told of each job.
        pid: number of its process on its machine; 0 while there is no crew.
        silence: since it last said something, was answered, or was given a job after a rest.
    """

    def __init__(
        self, link: Link, silence: Silence, limit: int | None = None, n_starts: int = 1
    ) -> None:
        self.link, self.limit, self.n_starts = link, limit, n_starts
        self.capacity = self.pid = 0
        self.jobs: dict[int, Job] = {}
        self.begun: set[int] = set()
        self.told: dict[int, int] = {}
        self.silence = silence
        self._commands: list[Submit | Cancel] = []
        self._n_batches = 0
        self._owes_an_answer = False

    @property
    def n_free(self) -> int:
        """Places for jobs."""
        return self.capacity - len(self.jobs)

    def submit(self, job: Job, told: int = 0) -> None:
        """Gives a job, or keeps it until there is a place for it."""
        self.jobs[job.id], self.told[job.id] = job, told
        self._begin()

    def take_back(self, number: int) -> tuple[Job, int]:
        """Gives up a job that has not begun; returns it and the epochs that were told of it."""
        assert number not in self.begun
        return self.jobs.pop(number), self.told.pop(number)

    def cancel(self, number: int) -> None:
        """Ends a job; unknown ids are fine."""
        if number in self.begun:
            self._commands.append(Cancel(number))
        self._forget(number)
        self._begin()

    def flush(self) -> None:
        """Sends what was said since the last time, and lets the crew go on with it."""
        if self._commands or self._owes_an_answer:
            if self._owes_an_answer:
                self.silence.begin()  # until now it waited for us
            commands = [*self._commands, Answered(self._n_batches)]
            self._commands, self._owes_an_answer = [], False
            self.link.send(commands, is_awaited=bool(self.begun))

    def take(self, message: Ready | Batch | Broken) -> list[Event]:
        """Takes a message; returns the events in it.

        Raises:
            WorkerLostError: the crew cannot go on.
        """
        if isinstance(message, Broken):
            error = WorkerLostError(f"a worker failed: {message.reason}")
            error.add_note(message.traceback)
            raise error
        self.silence.begin()
        self.capacity = min(message.capacity, self.limit or message.capacity)
        events: list[Event] = []
        if isinstance(message, Ready):
            self.pid = message.pid
        if isinstance(message, Batch):
            self._n_batches += 1
            self._owes_an_answer = True
            events = [event for event in message.events if self._is_news(event)]
        self._begin()
        return events

    def _begin(self) -> None:
        """Gives the crew as many jobs as it takes."""
        for number, job in self.jobs.items():
            if len(self.begun) >= self.capacity:
                break
            if number not in self.begun:
                if not self.begun:
                    self.silence.begin()
                self.begun.add(number)
                self._commands.append(Submit(job))

    def _is_news(self, event: Event) -> bool:
        """Says whether an event is to be told, and keeps that it was."""
        number = event.job
        if number not in self.jobs:  # cancelled
            return False
        if not isinstance(event, Progress):
            self._forget(number)
            return True
        if event.epoch <= self.told[number]:  # by a crew that was lost
            return False
        self.told[number] = event.epoch
        return True

    def _forget(self, number: int) -> None:
        self.jobs.pop(number, None)
        self.told.pop(number, None)
        self.begun.discard(number)
