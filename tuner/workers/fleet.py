"""A worker in this process: many trainings at once, as a fleet, in a thread of its own.

What there is to say of an epoch goes up as one batch, which `events` hands out whole; the next
call of `events` means that the batch has been answered, by the `submit` and `cancel` calls in
between. The fleet goes on when its last batch has been answered, with what was submitted until
then. So no member trains an epoch too many, and who trains beside whom does not depend on how fast
either side is.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch

from ..config import MLPConfig, Precision
from ..data import Dataset
from ..fleet import Fleet, Outcome, StoppedError
from ..model import to_checkpoint
from .base import Event, Failed, Finished, Job, Progress, rounded

#: Seconds that `close` waits for the step under way.
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class _Submit:
    job: Job


@dataclass(frozen=True)
class _Cancel:
    job: int


@dataclass(frozen=True)
class _Answered:
    """All batches of events up to this number have been answered."""

    batch: int


_Command = _Submit | _Cancel | _Answered


class FleetWorker:
    """Trains jobs on a data set, many at once.

    Args:
        dataset: rows that all jobs train and are scored on.
        capacity: how many jobs train at once, at least 1; None is what keeps the device busy, as
            far as its memory holds jobs like `largest`.
        largest: of the configs that will come; needed if there is no capacity.
        precision: Lightning's word for the numbers that jobs train with.
        hands: threads that train side by side; None is one for each core.
        accelerator: Lightning's word for the device.
    """

    def __init__(
        self,
        dataset: Dataset,
        capacity: int | None = None,
        *,
        largest: MLPConfig | None = None,
        precision: Precision = "32-true",
        hands: int | None = None,
        accelerator: str = "auto",
    ) -> None:
        self._commands: queue.SimpleQueue[_Command | None] = queue.SimpleQueue()
        self._batches: queue.SimpleQueue[list[Event] | Exception] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._handed_out = 0
        fleet = Fleet(dataset, accelerator=accelerator, precision=precision, hands=hands)
        if capacity is None:
            if largest is None:
                raise ValueError("a fleet needs a capacity, or the largest config to come")
            capacity = fleet.room(largest)
        self._crew = _Crew(fleet, capacity, self._commands, self._batches)
        self._thread = threading.Thread(target=self._crew.work, name="tuner-fleet", daemon=True)
        self._thread.start()

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once; halved whenever memory runs out."""
        return self._crew.capacity

    def submit(self, job: Job) -> None:
        """Starts a job with the next epoch."""
        self._commands.put(_Submit(job))

    def cancel(self, job: int) -> None:
        """Ends a job before the next epoch."""
        self._cancelled.add(job)
        self._commands.put(_Cancel(job))

    def events(self, timeout: float) -> list[Event]:
        """Returns what one epoch brought, after waiting at most so many seconds.

        Raises:
            Exception: what ended the thread, if it was no job's error.
        """
        self._commands.put(_Answered(self._handed_out))
        try:
            batch = self._batches.get(timeout=timeout)
        except queue.Empty:
            return []
        if isinstance(batch, Exception):
            raise batch
        self._handed_out += 1
        return [event for event in batch if event.job not in self._cancelled]

    def close(self) -> None:
        """Ends all jobs and the threads."""
        self._crew.fleet.stop()
        self._commands.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Crew:
    """The thread's side: takes commands, runs epochs, puts batches of events."""

    def __init__(
        self,
        fleet: Fleet,
        capacity: int,
        commands: queue.SimpleQueue[_Command | None],
        batches: queue.SimpleQueue[list[Event] | Exception],
    ) -> None:
        self.fleet, self.capacity = fleet, capacity
        self._commands, self._batches = commands, batches
        self._jobs: dict[int, Job] = {}
        self._told: dict[int, int] = {}  # epochs that were told of each job
        self._waiting: deque[Job] = deque()  # for a place
        self._put = 0  # batches so far
        self._failed: list[Event] = []  # to be told with the next batch

    def work(self) -> None:
        """Runs until the commands end."""
        try:
            with self.fleet:
                while True:
                    self._take(self._put)
                    events = self._failed
                    self._failed = []
                    if len(self.fleet):
                        n_members = len(self.fleet)
                        for outcome in self._run_epoch():
                            try:
                                events += self._events(outcome)
                            except Exception as error:
                                events += self._fail(outcome.key, error, n_members)
                    if events:
                        self._put += 1
                        self._batches.put(events)
        except StoppedError:
            pass
        except Exception as error:
            self._batches.put(error)

    def _run_epoch(self) -> list[Outcome]:
        """Runs an epoch; an error that is no member's own becomes every member's."""
        try:
            return self.fleet.run_epoch()
        except StoppedError:
            raise
        except Exception as error:
            return [Outcome(key, 0, 0, {}, error) for key in self.fleet.keys]

    # Commands

    def _take(self, batch: int) -> None:
        """Follows the commands up to the answer to this batch.

        Raises:
            StoppedError: the commands ended.
        """
        while True:
            match self._commands.get():
                case _Submit(job=job):
                    self._jobs[job.id], self._told[job.id] = job, 0
                    self._waiting.append(job)
                case _Cancel(job=number):
                    self._forget(number)
                case _Answered(batch=answered) if answered >= batch:
                    break
                case None:
                    raise StoppedError
        while self._waiting and len(self.fleet) < self.capacity:
            self._join(self._waiting.popleft())

    def _join(self, job: Job) -> None:
        try:
            self.fleet.join(job.id, job.config, seed=job.seed, shuffle_seed=job.shuffle_seed)
        except Exception as error:
            self._failed += self._fail(job.id, error)

    def _forget(self, number: int) -> None:
        self.fleet.drop(number)
        self._waiting = deque(job for job in self._waiting if job.id != number)
        self._jobs.pop(number, None)

    # Events

    def _events(self, outcome: Outcome) -> list[Event]:
        """Says how an epoch of a job went; raises its error."""
        number = outcome.key
        if outcome.error is not None:
            raise outcome.error
        if outcome.diverged:
            self._forget(number)
            return [Failed(number, outcome.diverged, diverged=True)]
        metrics = rounded(outcome.metrics)
        events: list[Event] = []
        if outcome.epoch > self._told[number]:  # not told before memory ran out
            self._told[number] = outcome.epoch
            events.append(Progress(number, outcome.epoch, metrics, outcome.shuffle))
        if outcome.epoch == self._jobs[number].config.epochs:
            checkpoint = to_checkpoint(self.fleet.leave(number))
            self._forget(number)
            events.append(Finished(number, metrics, checkpoint))
        return events

    def _fail(self, number: int, error: Exception, n_members: int = 1) -> list[Event]:
        """Tells of an error; but if memory ran out, the job waits and begins anew later."""
        reason = "".join(traceback.format_exception_only(error)).strip()
        text = "".join(traceback.format_exception(error))
        error.__traceback__ = None  # its frames hold the member's memory
        job = self._jobs[number]
        self._forget(number)
        n_others = max(n_members, len(self.fleet) + 1) - 1
        if _is_out_of_memory(error) and n_others > 0:
            self.capacity = min(self.capacity, (n_others + 1) // 2)
            self._jobs[number] = job
            self._waiting.append(job)
            return []
        return [Failed(number, reason, text)]


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
