"""A crew that trains many MLPs at once."""

from __future__ import annotations

import traceback
from collections import deque
from contextlib import suppress

import torch

from ..data import Dataset
from ..network.checkpoints import n_parameters, to_checkpoint
from ..network.config import MLPConfig, Precision
from ..training.fleet import Fleet, Outcome, StoppedError, cores_of_a_step
from .base import Event, Failed, Finished, Job, Progress, rounded
from .crew import Cancel, DismissedError, Orders, Submit
from .crew import loaded as loaded


class FleetCrew:
    """Trains jobs on a data set, many at once.

    Args:
        dataset: rows that all jobs train and are scored on.
        capacity: how many jobs train at once, at least 1; None is what keeps the device busy, as
            far as its memory holds jobs like `largest`.
        least: jobs that train at once, if memory holds them, where there is no capacity.
        largest: of the configs that will come; needed if there is no capacity.
        precision: Lightning's word for the numbers that jobs train with.
        hands: threads that train side by side on the CPU; None is one for each core.
        accelerator: Lightning's word for the device.
        n_crews: how many like this one share the device's memory.
        shares_steps: a job that is alone may compute with several cores of the machine.
    """

    def __init__(
        self,
        dataset: Dataset,
        capacity: int | None = None,
        *,
        least: int = 1,
        largest: MLPConfig | None = None,
        precision: Precision = "32-true",
        hands: int | None = None,
        accelerator: str = "auto",
        n_crews: int = 1,
        shares_steps: bool = True,
    ) -> None:
        self._fleet = Fleet(
            dataset, accelerator=accelerator, precision=precision, hands=hands, n_fleets=n_crews
        )
        if capacity is None:
            if largest is None:
                raise ValueError("a fleet needs a capacity, or the largest config to come")
            capacity = self._fleet.room(largest, least)
        self.capacity = capacity
        dataset.prepare()
        self._facts, self._shares_steps = dataset.facts, shares_steps
        self._meaning = dataset.meaning.model_dump_json()
        self._jobs: dict[int, Job] = {}
        self._told: dict[int, int] = {}  # epochs that were told of each job
        self._waiting: deque[Job] = deque()  # for a place
        self._failed: list[Event] = []  # to be told with the next batch

    def work(self, orders: Orders) -> None:
        """Trains an epoch of all jobs after the other; returns when it is dismissed."""
        with suppress(DismissedError, StoppedError), self._fleet:
            while True:
                self._follow(orders.take(is_idle=not self._jobs))
                orders.tell(self._train())

    def stop(self) -> None:
        """Ends the epoch under way at its next step."""
        self._fleet.stop()

    # Commands

    def _follow(self, commands: list[Submit | Cancel]) -> None:
        for command in commands:
            if isinstance(command, Cancel):
                self._forget(command.job)
            else:
                job = command.job
                self._jobs[job.id], self._told[job.id] = job, 0
                self._waiting.append(job)
        while self._waiting and len(self._fleet) < self.capacity:
            self._join(self._waiting.popleft())

    def _join(self, job: Job) -> None:
        try:
            if not isinstance(job.config, MLPConfig):
                raise TypeError(f"a fleet trains MLPs, not {job.config.module}")
            seeds = {"seed": job.seed, "shuffle_seed": job.shuffle_seed}
            is_shared = job.is_alone and self._shares_steps
            n_cores = cores_of_a_step(job.config, self._facts) if is_shared else 1
            self._fleet.join(job.id, job.config, cut=job.cut, n_cores=n_cores, **seeds)
        except Exception as error:
            self._failed += self._fail(job.id, error)

    def _forget(self, number: int) -> None:
        self._fleet.drop(number)
        self._waiting = deque(job for job in self._waiting if job.id != number)
        self._jobs.pop(number, None)

    # Events

    def _train(self) -> list[Event]:
        """Trains an epoch; returns what happened since the last one."""
        events, self._failed = self._failed, []
        n_members = len(self._fleet)
        errors: list[Exception] = []
        for outcome in self._run_epoch() if n_members else []:
            error = outcome.error
            if error is None:
                try:
                    events += self._events(outcome)
                except Exception as raised:
                    error = raised
            if error is not None:
                events += self._fail(outcome.key, error, n_members)
                errors.append(error)
        for each in errors:
            each.__traceback__ = None  # its frames hold a member's memory
        return events

    def _run_epoch(self) -> list[Outcome]:
        """Runs an epoch; an error that is no member's own becomes every member's."""
        try:
            return self._fleet.run_epoch()
        except StoppedError:
            raise
        except Exception as error:
            return [Outcome(key, 0, 0, {}, error) for key in self._fleet.keys]

    def _events(self, outcome: Outcome) -> list[Event]:
        """Says how an epoch of a job went."""
        number = outcome.key
        if outcome.diverged:
            self._forget(number)
            return [Failed(number, outcome.diverged, diverged=True)]
        metrics = rounded(outcome.metrics)
        events: list[Event] = []
        if outcome.epoch > self._told[number]:  # not told before memory ran out
            self._told[number] = outcome.epoch
            events.append(Progress(number, outcome.epoch, metrics, outcome.shuffle))
        if outcome.epoch == self._jobs[number].config.epochs:
            model = self._fleet.leave(number)
            checkpoint = to_checkpoint(model, self._meaning)
            self._forget(number)
            events.append(Finished(number, metrics, checkpoint, n_parameters(model)))
        return events

    def _fail(self, number: int, error: Exception, n_members: int = 1) -> list[Event]:
        """Tells of an error; but if memory ran out, the job waits and begins anew later."""
        reason = "".join(traceback.format_exception_only(error)).strip()
        text = "".join(traceback.format_exception(error))
        job = self._jobs[number]
        self._forget(number)
        n_others = max(n_members, len(self._fleet) + 1) - 1
        if _is_out_of_memory(error) and n_others > 0:
            self.capacity = min(self.capacity, (n_others + 1) // 2)
            self._jobs[number] = job
            self._waiting.append(job)
            return []
        return [Failed(number, reason, text)]


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in said or "CUDA error: out of memory" in said
    )
