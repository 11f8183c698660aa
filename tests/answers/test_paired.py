"""Tests and intervals on paired differences, against what is known of them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tuner.answers.paired import holm, interval, sign_flip_p

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_every_flip_is_tried(n: int) -> None:
    """As counting by hand does it."""
    values = RANDOM.normal(0.4, 1, n)
    observed = abs(values.mean())
    flips = [np.mean(np.multiply(signs, values)) for signs in itertools.product((1, -1), repeat=n)]
    share = np.mean([abs(flip) >= observed - 1e-12 for flip in flips])
    assert sign_flip_p(values.tolist()) == pytest.approx(share)


def test_the_smallest_p_value() -> None:
    for n in (4, 8, 12):
        assert sign_flip_p([1.0 + i for i in range(n)]) == pytest.approx(2 / 2**n)
        assert sign_flip_p([-1.0 - i for i in range(n)]) == pytest.approx(2 / 2**n)


def test_no_difference() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([0.0, 0.0]) == (0.0, 0.0)


def test_many_pairs_come_near_the_t_test() -> None:
    values = RANDOM.normal(0.2, 1, 60).tolist()
    assert sign_flip_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_an_interval_covers_what_it_says() -> None:
    """Of 12 pairs, as an audit has them; the bootstrap is a little short there."""
    random = np.random.default_rng(2)
    found = [interval(random.normal(0.3, 1, 12).tolist()) for _ in range(200)]
    covered = [low <= 0.3 <= high for low, high in found]
    assert 0.86 <= np.mean(covered) <= 0.98


def test_holm() -> None:
    """Step down by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
