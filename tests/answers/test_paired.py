"""Tests and intervals on paired differences, against what is known of them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tuner.answers.paired import Side, holm, interval, p_value

RANDOM = np.random.default_rng(1)
SIDES: list[Side] = ["two-sided", "greater", "less"]


@pytest.mark.parametrize(("n", "side"), list(itertools.product([8, 12], SIDES)))
def test_without_an_overlap_it_is_the_t_test(n: int, side: Side) -> None:
    values = RANDOM.normal(0.4, 1, n).tolist()
    expected = stats.ttest_1samp(values, 0, alternative=side)
    assert p_value(values, overlap=0.0, side=side) == pytest.approx(expected.pvalue)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert interval(values, overlap=0.0, level=0.9) == pytest.approx((low, high))


@pytest.mark.parametrize("n_cuts", [8, 12, 40])
def test_rows_that_say_nothing_give_no_difference(n_cuts: int) -> None:
    """Else two networks that are alike differ, in whatever these rows happen to favour.

    Each row favours one of the two by chance; each pair validates on a fifth of the same rows.
    """
    random = np.random.default_rng(2)
    n, n_validation, n_data_sets = 200, 40, 400
    wrong, naive, covered = 0, 0, 0
    for _ in range(n_data_sets):
        rows = random.normal(size=n)
        cuts = [rows[random.permutation(n)[:n_validation]].mean() for _ in range(n_cuts)]
        overlap = n_validation / (n - n_validation)
        wrong += p_value(cuts, overlap=overlap) < 0.05
        naive += p_value(cuts, overlap=0.0) < 0.05
        low, high = interval(cuts, overlap=overlap)
        covered += low <= 0 <= high
    assert wrong / n_data_sets <= 0.075
    assert covered / n_data_sets >= 0.925
    assert naive / n_data_sets > 0.15  # what the correction is for


@pytest.mark.parametrize("value", [0.5, -0.5])
def test_equal_differences_carry_no_more_than_their_signs(value: float) -> None:
    """Else three scores that count rows, each better by one row, prove a rule for good."""
    assert p_value([value] * 3, overlap=0.25) == 0.25
    assert p_value([value] * 12, overlap=0.25) == 2 / 2**12
    assert p_value([1.4 * value] * 3, overlap=0.25) == 0.25  # whose mean is rounded
    better: Side = "greater" if value > 0 else "less"
    worse: Side = "less" if value > 0 else "greater"
    assert p_value([value] * 3, overlap=0.25, side=better) == 0.125
    assert p_value([value] * 3, overlap=0.25, side=worse) == 1.0
    assert interval([value] * 3, overlap=0.25) == (value, value)


def test_no_difference() -> None:
    assert p_value([0.0, 0.0, 0.0], overlap=0.25) == 1.0
    assert interval([0.0, 0.0], overlap=0.25) == (0.0, 0.0)


def test_holm() -> None:
    """Step down by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
