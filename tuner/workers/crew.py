"""The side of a worker that trains: commands come down a queue, events go up in batches.

A batch is what there is to say of one epoch. A crew goes on when its last batch has been answered,
with what was submitted and cancelled until then. So no job trains an epoch too many, and who trains
beside whom does not depend on how fast either side is.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .base import Event, Job


@dataclass(frozen=True)
class Submit:
    """A job is to begin with the next epoch."""

    job: Job


@dataclass(frozen=True)
class Cancel:
    """A job is to end before the next epoch; unknown ids are fine."""

    job: int


@dataclass(frozen=True)
class Answered:
    """The batches of events up to this number, from 1, have been answered."""

    batch: int


Command = Submit | Cancel | Answered


def loaded() -> None:
    """Does nothing: to find it by the name of a module that has it is to load that module."""


class DismissedError(Exception):
    """The crew is to end."""


class Orders:
    """What a crew is told, and whom it tells.

    Args:
        put: takes a batch of events.
    """

    def __init__(self, put: Callable[[list[Event]], None]) -> None:
        self._put, self._n_put, self._n_answered = put, 0, 0
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()

    def give(self, command: Command | None) -> None:
        """Tells the crew something, or with None to end; called from another thread."""
        self._commands.put(command)

    def take(self, *, is_idle: bool) -> list[Submit | Cancel]:
        """Waits until the last batch is answered; returns what to do now.

        Args:
            is_idle: wait for something to do, too.

        Raises:
            DismissedError: the crew is to end.
        """
        taken: list[Submit | Cancel] = []
        while self._n_answered < self._n_put or (is_idle and not taken):
            while True:
                match self._commands.get():
                    case Answered(batch=batch):
                        self._n_answered = batch
                        break
                    case None:
                        raise DismissedError
                    case command:
                        taken.append(command)
        return taken

    def tell(self, events: list[Event]) -> None:
        """Tells what happened, if something did."""
        if events:
            self._n_put += 1
            self._put(events)


class Crew(Protocol):
    """Trains jobs until it is told to end."""

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once."""

    def work(self, orders: Orders) -> None:
        """Trains, taking orders before each epoch; returns when it is dismissed."""

    def stop(self) -> None:
        """Ends the epoch under way at its next step; called from another thread."""
