"""Rows that are the same as one: what an estimator trains on where each step sees all rows."""

from typing import Any

import numpy as np
import pytest

from tuner.data import Part

X = np.array([[1, 2], [3, 4], [1, 2], [0, 9], [3, 4], [1, 2]])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("targets", [1, 2])
def test_rows_count_as_often_as_they_are_there(dtype: Any, targets: int) -> None:
    x, y = X.astype(dtype), np.array([0, 1, 0, 1, 0, 0])  # of [3, 4] there are both
    found = Part(x, y if targets == 1 else np.stack([y, y], 1).astype(np.float32)).merged()
    assert found.x.dtype == dtype and found.weights is not None
    counted = {
        (tuple(row), int(np.max(target))): weight
        for row, target, weight in zip(
            found.x.tolist(), found.y.reshape(len(found), -1), found.weights, strict=True
        )
    }
    assert counted == {((1, 2), 0): 3, ((3, 4), 0): 1, ((3, 4), 1): 1, ((0, 9), 1): 1}


def test_neither_order_nor_who_was_repeated_matters() -> None:
    """Weights are summed, gaps are values like others, and equal counts are none."""
    x = np.array([[1, np.nan], [2, 5], [3, 7]], np.float32)
    y, weights = np.array([0, 1, 0]), np.array([2, 1, 3], np.float32)
    once = Part(x, y, weights).merged()
    index = np.array([2, 0, 2, 1, 0, 2])
    again = Part(x[index], y[index]).merged()
    assert np.array_equal(once.x, again.x, equal_nan=True) and np.array_equal(once.y, again.y)
    assert once.weights is not None and np.array_equal(once.weights, again.weights)
    assert Part(x, y).merged().weights is None
    assert len(Part(x[[1, 1]], y[[1, 1]]).merged()) == 1
