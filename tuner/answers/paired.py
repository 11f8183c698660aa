"""What differences between pairs carry: a test, an interval, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

#: Up to so many sign flips all of them are tried; beyond, so many random ones.
_FLIPS = 9_999


def sign_flip_p(differences: Sequence[float]) -> float:
    """Returns the two-sided p-value of the hypothesis that differences scatter around 0.

    The sign-flip permutation test (Fisher 1935, The Design of Experiments, section 21): if the two
    of a pair were alike, each difference could have had the other sign. All 2 ** n flips are tried
    for n <= 13 pairs, so the smallest p-value is 2 / 2 ** n.
    """
    values = np.asarray(differences, dtype=float)
    if not values.any():
        return 1.0
    result = stats.permutation_test(
        (values, np.zeros_like(values)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_FLIPS,
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(result.pvalue))


def interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Returns a confidence interval of the mean difference.

    The bias-corrected and accelerated bootstrap (Efron 1987, Better bootstrap confidence intervals,
    as SciPy has it); the value itself where all differences are the same.
    """
    values = np.asarray(differences, dtype=float)
    if np.ptp(values) <= 1e-12 * max(1e-300, float(np.abs(values).max())):
        return float(values[0]), float(values[0])
    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        method="BCa",
        n_resamples=_FLIPS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    found = result.confidence_interval
    return float(found.low), float(found.high)


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
