"""The protocol between the one coordinator and its workers: commands down, events up.

A worker knows configs and data, and nothing of Optuna. The coordinator submits at most
`capacity` jobs at a time. Of each job it hears any number of `Progress`, one for each epoch
in order (of a module of the user's, for each one with a validation), and then exactly one
`Finished` or `Failed`; or, after `cancel`, nothing more, and the place is free at once. A
training whose numbers become NaN or infinite ends with a `Failed` that says `diverged`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from ..data import Cut
from ..network.config import Config


@dataclass(frozen=True)
class Job:
    """One training to be done.

    Attributes:
        id: unique among the jobs of a worker.
        config: the network and its training.
        seed: of the initial weights and the dropout; of all that is random in a module of the
            user's.
        shuffle_seed: of the order of the rows, together with the number of a shuffle.
        cut: None trains and scores on the parts of the data as they are. Else training and
            validation rows are cut anew (`Dataset.cut_anew`), and shuffled from 0 on, so that the
            scores follow from config, seeds and cut alone. A LightningDataModule of the user's
            cuts its own rows, from the seed if it draws them.
        is_alone: no other job is under way on any worker, so that cores may share its steps.
    """

    id: int
    config: Config
    seed: int
    shuffle_seed: int
    cut: Cut | None = None
    is_alone: bool = False


@dataclass(frozen=True)
class Progress:
    """An epoch of a job is done.

    Attributes:
        job: id of the job.
        epoch: number of the epoch, from 1.
        metrics: what was measured after it, all finite, by name.
        shuffle: number that decided, with `shuffle_seed`, the order of the rows in it.
    """

    job: int
    epoch: int
    metrics: Mapping[str, float]
    shuffle: int


@dataclass(frozen=True)
class Finished:
    """A job has run through all its epochs.

    Attributes:
        job: id of the job.
        metrics: those of the last epoch.
        checkpoint: the trained network, as the bytes of a checkpoint file.
        n_parameters: trainable numbers of the network.
    """

    job: int
    metrics: Mapping[str, float]
    checkpoint: bytes = field(repr=False)
    n_parameters: int


@dataclass(frozen=True)
class Failed:
    """A job ended before its last epoch.

    Attributes:
        job: id of the job.
        reason: type and text of the error, or what diverged, in one line.
        traceback: where it was raised, as Python prints it; "" if it diverged.
        diverged: a number became NaN or infinite; the config is at fault.
        hopeless: what the user wrote is at fault, so no other job can fare better; the reason is
            the text of an `InputError`.
    """

    job: int
    reason: str
    traceback: str = field(default="", repr=False)
    diverged: bool = False
    hopeless: bool = False


Event = Progress | Finished | Failed


def rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns metrics with the seven digits that float32 holds: 0.985, not 0.9850000143."""
    return {name: float(f"{value:.7g}") for name, value in metrics.items()}


class Worker(Protocol):
    """Runs jobs somewhere; a context manager that leaves nothing running."""

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once."""

    @property
    def is_complete(self) -> bool:
        """Whether all that will train have started."""

    def submit(self, job: Job) -> None:
        """Starts a job; returns at once."""

    def cancel(self, job: int) -> None:
        """Ends a job; no event of it comes from now on. Unknown ids are fine."""

    def events(self, timeout: float) -> list[Event]:
        """Returns what happened since the last call, after waiting at most so many seconds."""

    def close(self) -> None:
        """Ends all jobs and gives back what the worker holds; returns within seconds."""

    def __enter__(self) -> Self:
        """Returns the worker."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the worker."""
