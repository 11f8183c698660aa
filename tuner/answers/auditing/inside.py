"""What goes on inside the networks of S2 and S3, by layer: the cause behind their verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from ...data import Cut, Dataset
from ...network.config import MLPConfig

#: Rules whose sides are looked into.
RULES = ("S2", "S3")
#: Epochs that are looked at, and training rows of each, at most.
_EPOCHS, _ROWS = 3, 2_048

#: What `Inside.told` tells, in a few words.
COLUMNS = (
    "network",
    "gradient, first over last hidden layer",
    "spread, first to last",
    "saturated units, first to last epoch",
)

#: Of each seed, for each epoch: a number for each layer.
Layers = tuple[tuple[tuple[float, ...], ...], ...]


class Inside(BaseModel):
    """What went on inside one side of a claim in its first epochs, over a few seeds.

    Attributes:
        side: in a few words.
        config: its network, with the rate that it was tuned to.
        n_rows: training rows of an epoch.
        gradients: root mean squares of the gradient by the weights of each hidden layer and of
            the output layer, means over the steps of an epoch.
        spreads: standard deviations of what the activation of each hidden layer takes.
        saturated: shares of the units of each hidden layer whose activation is less than a
            twentieth as steep as it can be, for 95% of a minibatch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: str
    config: MLPConfig
    n_rows: int
    gradients: Layers
    spreads: Layers
    saturated: Layers

    def by_layer(self, found: Layers, epoch: int) -> list[tuple[float, float, float]]:
        """Returns mean, least and most over the seeds for each layer.

        Args:
            found: one of the attributes.
            epoch: from 0. Seeds that diverged before its end are left out.
        """
        seeds = [epochs[epoch] for epochs in found if epoch < len(epochs)]
        return [(fmean(each), min(each), max(each)) for each in zip(*seeds, strict=True)]

    @property
    def n_epochs(self) -> int:
        """Epochs that some seed came to the end of."""
        return max(map(len, self.gradients), default=0)

    @property
    def reach(self) -> tuple[float, float, float] | None:
        """The gradient of the first hidden layer over that of the last one, in the first epoch.

        Geometric mean, least and most over the seeds; None of fewer than two hidden layers, and
        where a seed has no gradient at all.
        """
        firsts = [epochs[0] for epochs in self.gradients if epochs]
        pairs = [(layers[0], layers[self.config.depth - 1]) for layers in firsts]
        if self.config.depth < 2 or not pairs or min(map(min, pairs)) <= 0:
            return None
        logs = [math.log(first / last) for first, last in pairs]
        return math.exp(fmean(logs)), math.exp(min(logs)), math.exp(max(logs))

    def most_saturated(self, epoch: int) -> float | None:
        """Returns the mean share of saturated units of the layer that has most; None of no seed."""
        return max((mean for mean, *_ in self.by_layer(self.saturated, epoch)), default=None)

    @property
    def told(self) -> tuple[str, str, str, str]:
        """It in the words of a table with `COLUMNS`: ranges are over the seeds."""
        name, n = f"{self.side}, {self.config.depth} x {self.config.width}", len(self.gradients)
        lost = sum(len(epochs) < self.n_epochs for epochs in self.gradients)
        if not self.n_epochs:
            return name, "not trained", "", ""
        if lost:
            name += f" ({lost} of {n} seeds not trained)"
        reach = "-"
        if self.reach is not None:
            mean, least, most = self.reach
            reach = f"{mean:.2g} ({least:.2g} to {most:.2g})"
        spreads = [mean for mean, *_ in self.by_layer(self.spreads, 0)]
        shares = [self.most_saturated(epoch) or 0.0 for epoch in (0, self.n_epochs - 1)]
        return (
            name,
            reach,
            f"{spreads[0]:.2g} to {spreads[-1]:.2g}" if len(spreads) > 1 else f"{spreads[0]:.2g}",
            f"{shares[0]:.0%} to {shares[1]:.0%}",
        )


def look_into(
    sides: Mapping[str, MLPConfig],
    dataset: Dataset,
    cuts: Mapping[int, Cut],
    end: float,
    look_for_signals: Callable[[], None],
) -> tuple[Inside, ...]:
    """Trains the first epochs of networks once more, and watches their layers.

    Args:
        sides: their configs, by what they are called.
        dataset: whose training rows they train on, 2,048 of them at most.
        cuts: how each seed cuts the rows.
        end: of the time, on the clock of `time.monotonic`, after which no side begins.
        look_for_signals: is called between trainings; what it raises comes out of here.

    Returns:
        One for each side with a hidden layer, in their order.
    """
    from ...training.inside import Inside as Looked
    from ...training.inside import look_inside  # loads the fleet

    anew = {seed: dataset.cut_anew(cut) for seed, cut in cuts.items()}
    n_rows = min((len(rows.train_rows) for rows in anew.values()), default=0)
    found = []
    for name, config in sides.items():
        if config.depth == 0:
            continue
        if time.monotonic() >= end:
            break
        looked = []
        for seed, rows in anew.items():
            look_for_signals()
            try:
                once = look_inside(config, rows, seed=seed, epochs=_EPOCHS, most_rows=_ROWS)
            except ValueError:  # batches of one row, which batch normalization does not take
                once = Looked((), (), ())
            looked.append(once)
        found.append(
            Inside(
                side=name,
                config=config,
                n_rows=min(n_rows, _ROWS),
                gradients=tuple(each.gradients for each in looked),
                spreads=tuple(each.spreads for each in looked),
                saturated=tuple(each.saturated for each in looked),
            )
        )
    return tuple(found)
