"""What differences between pairs carry: a test, an interval, and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from scipy import special  # `scipy.stats` takes most of a second to load

from ..results.arms import Estimate

Side = Literal["two-sided", "greater", "less"]


def p_value(differences: Sequence[float], *, overlap: float, side: Side = "two-sided") -> float:
    """Returns the p-value of the hypothesis that differences scatter around 0.

    The corrected resampled t-test (Nadeau and Bengio 2003, Inference for the generalization error,
    section 3; Bouckaert and Frank 2004, Evaluating the replicability of significance tests): cuts
    of the same rows share what is peculiar to these rows, so that their differences may all have
    one sign where other rows of the same kind would give another. Without an overlap it is the
    t-test of pairs.

    It is at least what the sign test can say, 2 / 2 ** n: n equal differences carry no more.

    Args:
        differences: two at least.
        overlap: validation rows over training rows, where each pair has a cut of its own; 0 where
            the pairs are independent.
        side: where the alternative lies: the mean is not 0, above it, or below it.
    """
    found = Estimate.of(differences, overlap=overlap)
    if found.mean == 0:
        return 1.0
    toward = {"two-sided": abs(found.mean), "greater": found.mean, "less": -found.mean}[side]
    t = math.copysign(math.inf, toward)
    if found.standard_error > 0:
        t = toward / found.standard_error
    p = max(2.0**-found.n, float(special.stdtr(found.n - 1, -t)))
    return 2 * p if side == "two-sided" else p


def interval(
    differences: Sequence[float], *, overlap: float, level: float = 0.95
) -> tuple[float, float]:
    """Returns the confidence interval of the mean difference that belongs to `p_value`.

    The value itself where all differences are the same.

    Args:
        differences: two at least.
        overlap: as `p_value` takes it.
        level: probability of covering the difference on other rows of the same kind.
    """
    found = Estimate.of(differences, overlap=overlap)
    half = -float(special.stdtrit(found.n - 1, (1 - level) / 2)) * found.standard_error
    return found.mean - half, found.mean + half


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusts p-values so that those below 5% are all right in 95% of all families of tests.

    Holm 1979, A simple sequentially rejective multiple test procedure.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
