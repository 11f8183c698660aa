"""A learning-rate range test: an epoch of many copies of a network that differ in their rate.

Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3.3,
raises the rate within one training. A fleet trains the rates side by side instead, so each has the
same epoch, and no rate inherits what a larger one has broken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .config import MLPConfig
from .progress import Observer
from .repeats import Repeats

#: The rates that are tried, from and to, and how many.
_LOW, _HIGH, _N = 1e-5, 10.0, 32
#: Optimizer steps of each rate, at least: an epoch of few rows says little.
_STEPS = 100
#: Share of the best fall of the loss that a rate must reach to be in the range.
_ENOUGH = 0.5


class RateRange(BaseModel):
    """What an epoch says of the learning rates of a network.

    Attributes:
        rates: that were tried, increasing.
        losses: validation loss after it; None where it diverged.
        epochs: 1, or where that has fewer than 100 steps as many as have.
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


def lr_range(
    config: MLPConfig, repeats: Repeats, *, n_rows: int, seed: int, observer: Observer
) -> RateRange | None:
    """Tries 32 learning rates from 1e-5 to 10 for an epoch each, side by side.

    Args:
        config: the network; its schedule is left out.
        n_rows: training rows; where an epoch of them has fewer than 100 steps, there are more of
            them, up to those of the config.
        repeats: of the study.
        seed: of the initial weights, the shuffles and the cut, the same for all.
        observer: is told of each that ends.

    Returns:
        None if no rate learned anything in an epoch.

    Raises:
        InterruptedStudyError: a signal came.
        StoreLostError: the disk is full or gone.
    """
    rates = [float(f"{rate:.4g}") for rate in np.geomspace(_LOW, _HIGH, _N)]
    steps = math.ceil(n_rows / config.batch_size)
    epochs = min(config.epochs, math.ceil(_STEPS / steps))
    changes = {"epochs": epochs, "schedule": "constant", "final_ratio": 1.0, "warmup": 0.0}
    members = [config.model_copy(update={**changes, "learning_rate": rate}) for rate in rates]
    repeats.run([(member, seed) for member in members], observer=observer)
    ended = [repeats.find(member, seed) for member in members]
    losses = [None if each is None else each.metrics.get("val_loss") for each in ended]
    return RateRange.of(rates, losses, epochs)
