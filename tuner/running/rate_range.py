"""A learning-rate range test: a few steps of many copies of a network that differ in their rate.

Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3.3,
raises the rate within one training. A fleet trains the rates side by side instead, so each has the
same steps, and no rate inherits what a larger one has broken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .. import heuristics
from ..data import Cut
from ..network.config import DataFacts, MLPConfig
from ..workers import Event, Failed, Finished, Job
from .progress import Observer
from .repeats import Repeats

#: The rates that are tried, from and to, and how many.
_LOW, _HIGH, _N = 1e-5, 10.0, 32
#: Optimizer steps of each rate, and at least where there is no time for so many.
_STEPS, _FEWEST_STEPS = 100, 10
#: Share of the best fall of the loss that a rate must reach to be in the range.
_ENOUGH = 0.5


class RateRange(BaseModel):
    """What a short training says of the learning rates of a network.

    Attributes:
        rates: that were tried, increasing.
        losses: validation loss after it; None where it diverged.
        epochs: 1 of as many rows as 100 steps take, or as there is time for; more of few rows.
        low: the smallest rate with half of the best fall of the loss: below it training stalls.
        high: the largest one: above it training diverges, or undoes what it learned.
        suggested: for a whole training: the geometric mean of `low` and the best rate of the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: Annotated[tuple[float, ...], Field(min_length=2)]
    losses: tuple[float | None, ...]
    epochs: Annotated[int, Field(ge=1)] = 1
    low: float
    high: float
    suggested: float

    @classmethod
    def of(
        cls, rates: Sequence[float], losses: Sequence[float | None], epochs: int = 1
    ) -> Self | None:
        """Reads a range off the losses; None where fewer than two of them are finite.

        Args:
            rates: increasing.
            losses: of each rate.
            epochs: that each rate was trained.
        """
        known = [(rate, loss) for rate, loss in zip(rates, losses, strict=True) if loss is not None]
        if len(known) < 2:
            return None
        start = known[0][1]  # at the smallest rate hardly anything has happened
        best_rate, best = min(known, key=lambda pair: pair[1])
        if best >= start:
            return None
        enough = [rate for rate, loss in known if start - loss >= _ENOUGH * (start - best)]
        low, high = min(enough), max(enough)
        return cls(
            rates=tuple(rates),
            losses=tuple(losses),
            epochs=epochs,
            low=low,
            high=high,
            suggested=math.sqrt(low * best_rate),
        )


class RangeTest:
    """Tries 32 learning rates from 1e-5 to 10, as jobs of whoever has a worker.

    Args:
        config: the network; its schedule is left out.
        facts: sizes of the data.
        first_job: number of the first of the jobs.
        seed: of the initial weights, the shuffles and the cut, the same for all.
        seconds: that it may take; with fewer, it takes fewer of the rows.
        pace: seconds that a unit of work (`heuristics.work`) takes.

    Attributes:
        epochs: of each job.
        work: of each job, as `heuristics.work` has it.
        jobs: one for each rate.
    """

    def __init__(
        self,
        config: MLPConfig,
        facts: DataFacts,
        *,
        first_job: int,
        seed: int,
        seconds: float = math.inf,
        pace: float = 0.0,
    ) -> None:
        size, n_rows = config.batch_size, facts.n_rows
        whole = _N * pace * heuristics.work(config, facts)
        affordable = n_rows * seconds / whole if whole else math.inf
        rows = int(min(_STEPS * size, max(_FEWEST_STEPS * size, affordable)))
        # Rows enough for an epoch of that length, or else more epochs of all of them.
        self.epochs = max(1, min(config.epochs, rows // n_rows))
        cut = Cut(seed, rows=rows if rows < n_rows else None)
        self.jobs = tuple(
            Job(first_job + number, member, seed, seed, cut)
            for number, member in enumerate(_members(config, self.epochs))
        )
        n_trained = min(rows, n_rows)
        self.work = self.epochs * heuristics.work(
            config, facts.model_copy(update={"n_rows": n_trained})
        )
        self._n_begun = 0
        self._losses: dict[int, float | None] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether there are jobs that have not begun."""
        return self._n_begun < len(self.jobs)

    @property
    def n_under_way(self) -> int:
        """Jobs that have begun and not ended."""
        return self._n_begun - len(self._losses)

    @property
    def is_over(self) -> bool:
        """Whether all jobs have ended."""
        return len(self._losses) == len(self.jobs)

    def begin(self) -> Job:
        """Returns the next job."""
        self._n_begun += 1
        return self.jobs[self._n_begun - 1]

    def takes(self, event: Event) -> bool:
        """Takes an event, if it is one of its jobs; says whether it is."""
        if not self.jobs[0].id <= event.job <= self.jobs[-1].id:
            return False
        if isinstance(event, Finished):
            self._losses[event.job] = event.metrics["val_loss"]
        elif isinstance(event, Failed):
            self._losses[event.job] = None
        return True

    @property
    def found(self) -> RateRange | None:
        """What the rates came to; None if no rate learned anything."""
        losses = [self._losses.get(job.id) for job in self.jobs]
        return RateRange.of(_rates(), losses, self.epochs)


def lr_range(
    config: MLPConfig,
    repeats: Repeats,
    *,
    n_rows: int,
    seed: int,
    observer: Observer,
    end: float | None = None,
) -> RateRange | None:
    """Tries the rates of a range test on all rows, as repetitions that are kept.

    Args:
        config: the network; its schedule is left out.
        n_rows: training rows; where an epoch of them has fewer than 100 steps, there are more of
            them, up to those of the config.
        repeats: of the study.
        seed: of the initial weights, the shuffles and the cut, the same for all.
        observer: is told of each that ends.
        end: of the time, on the clock of `time.monotonic`.

    Returns:
        None if no rate learned anything, or the time was over before all were tried.

    Raises:
        InterruptedStudyError: a signal came.
        StoreLostError: the disk is full or gone.
    """
    steps = math.ceil(n_rows / config.batch_size)
    epochs = min(config.epochs, math.ceil(_STEPS / steps))
    members = _members(config, epochs)
    if not repeats.run([(member, seed) for member in members], end=end, observer=observer):
        return None
    ended = [repeats.find(member, seed) for member in members]
    losses = [None if each is None else each.metrics.get("val_loss") for each in ended]
    return RateRange.of(_rates(), losses, epochs)


def _rates() -> list[float]:
    return [float(f"{rate:.4g}") for rate in np.geomspace(_LOW, _HIGH, _N)]


def _members(config: MLPConfig, epochs: int) -> list[MLPConfig]:
    """Returns the networks of a test, which differ in their rate."""
    changes = {"epochs": epochs, "schedule": "constant", "final_ratio": 1.0, "warmup": 0.0}
    return [config.model_copy(update={**changes, "learning_rate": rate}) for rate in _rates()]
