"""S12: how the best learning rate grows with the batch size, as an exponent with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, stdev

import numpy as np

from ...network.config import MLPConfig
from ...running.repeats import Repeats
from .found import Finding, Kind
from .verdicts import Evidence

#: Batch sizes and rates (over the tuned one at its batch) from which the exponent is read.
_BATCHES = (16, 32, 64, 128)
_FACTORS = tuple(float(factor) for factor in np.geomspace(1 / 32, 32, 13))
#: Exponents are told apart by half of what lies between two of 0, 1/2 and 1.
_MARGIN = 0.25
#: Share of the seeds that must tell an exponent.
_TOLD = 0.5
#: What is claimed of the exponent less a number: name, sentence, number and kind.
_CLAIMS: tuple[tuple[str, str, float, Kind], ...] = (
    ("rate grows with the batch", "The best learning rate grows with the batch.", 0.0, "better"),
    ("rate grows like the root", "It grows like the square root of the batch.", 0.5, "equal"),
    ("rate grows in proportion", "It grows in proportion to the batch.", 1.0, "equal"),
)
#: Tests that they make: two of those that are equal to a number.
N_TESTS = sum(2 if kind == "equal" else 1 for *_, kind in _CLAIMS)

Grid = dict[int, tuple[MLPConfig, ...]]


def grid(base: MLPConfig) -> Grid:
    """Returns the rates of each batch size, around the tuned one scaled with the batch's root."""
    found = {}
    for size in _BATCHES:
        start = base.learning_rate * math.sqrt(size / base.batch_size)
        found[size] = tuple(
            base.model_copy(update={"batch_size": size, "learning_rate": start * factor})
            for factor in _FACTORS
        )
    return found


def judged(
    found: Grid, repeats: Repeats, seeds: Sequence[int], overlap: float
) -> list[tuple[Finding, Evidence]]:
    """Returns the claims on the exponent, with one exponent for each seed to judge them by.

    A seed whose best rate is the smallest or the largest of those tried tells no exponent: that of
    the grid's own rates would come out. Where most do, there is nothing to judge.

    Args:
        found: the grid, all of which was trained over the seeds.
        repeats: that hold the scores.
        seeds: of the pairs.
        overlap: as `Evidence` has it.
    """
    slopes = []
    for seed in seeds:
        best = [_best_rate(row, repeats, seed) for row in found.values()]
        rates = [rate for rate in best if rate is not None]
        if len(rates) == len(best):
            slopes.append(float(np.polyfit(np.log(list(found)), np.log(rates), 1)[0]))
    if len(slopes) < max(2, _TOLD * len(seeds)):
        return []
    spread = stdev(slopes)
    begun = []
    for name, claim, exponent, kind in _CLAIMS:
        differences = tuple(slope - exponent for slope in slopes)
        finding = Finding(
            rule="S12",
            name=name,
            claim=claim,
            kind=kind,
            ours="exponent of the best rate",
            theirs=f"{exponent:g}",
            unit="exponent",
            deviations=float(np.mean(differences)) / spread if spread else None,
            margin=_MARGIN,
            n_pairs=len(slopes),
            remark=f"median {median(slopes):.2f} over batches of {min(found)} to {max(found)}",
        )
        begun.append((finding, Evidence(kind, differences, _MARGIN, overlap)))
    return begun


def _best_rate(row: Sequence[MLPConfig], repeats: Repeats, seed: int) -> float | None:
    """The rate of the lowest validation loss, by a parabola through it and its neighbours.

    None if it is at an end of the row.
    """
    losses = []
    for config in row:
        repeat = repeats.find(config, seed)
        failed = repeat is None or repeat.reason
        losses.append(math.inf if failed or repeat is None else repeat.metrics["val_loss"])
    best = int(np.argmin(losses))
    rates = [math.log(config.learning_rate) for config in row]
    near = slice(best - 1, best + 2)
    if best in (0, len(row) - 1):
        return None
    if not np.all(np.isfinite(losses[near])):
        return row[best].learning_rate
    a, b, _ = np.polyfit(rates[near], losses[near], 2)
    if a <= 0:
        return row[best].learning_rate
    return math.exp(float(np.clip(-b / (2 * a), rates[best - 1], rates[best + 1])))
