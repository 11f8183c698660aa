"""Middle and scale of inputs and targets, found in the training rows of each cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .rulers import Array, Index

#: Training rows, evenly chosen, that quartiles are of, at most.
_QUARTILE_ROWS = 100_000


@dataclass(frozen=True)
class Standardization:
    """Middle and scale of the training rows, of inputs as they are measured.

    Attributes:
        input_mean: `(n_inputs,)` float32.
        input_scale: `(n_inputs,)` float32; where an input is constant 1, or infinite, so that it
            never moves.
        target_mean: `(n_outputs,)` float32; 0 in a classification.
        target_scale: `(n_outputs,)` float32; 1 in a classification.
        input_limit: scales from the middle that each input smoothly tends to, and no further, gaps
            being at the middle; `(n_inputs,)` float32, infinite where inputs stay as they are; None
            leaves all of them so.
        codes: numbers of categories that stand for themselves, one column after the other, and 0 in
            place of those that no training row has; `(codes,)` int64. None without such inputs.
    """

    input_mean: Array
    input_scale: Array
    target_mean: Array
    target_scale: Array
    input_limit: Array | None = None
    codes: Array | None = None


def mean_and_scale(blocks: Callable[[], Iterator[Array]], axis: int | None) -> tuple[Array, Array]:
    """Returns the mean, and the standard deviation, of float64 blocks `(rows, columns)`.

    The latter is 1 where it is nothing beside the values' own rounding.

    Args:
        blocks: gives them, as often as it is called.
        axis: 0 looks at each column by itself, None at all numbers alike.
    """
    n, total, largest = 0, 0.0, 0.0
    for block in blocks():
        n += len(block) if axis == 0 else block.size
        total = total + block.sum(axis)
        largest = np.maximum(largest, np.abs(block).max(axis))
    mean = np.asarray(total / n)
    squares = sum(np.square(block - mean).sum(axis) for block in blocks())
    deviation = np.sqrt(np.asarray(squares) / n)
    return mean, np.where(deviation > 1e-6 * largest, deviation, 1.0)


def middle_and_scale(x: Array, rows: Index, columns: Index) -> tuple[Array, Array]:
    """Returns the median of columns, and the distance of their quartiles (arXiv:2407.04491, B.1).

    Half the distance of the ends where the quartiles are the same, infinite where the ends are, as
    for a category that none of the rows has.

    Args:
        x: `(all rows, columns)` float32; NaN is a gap.
        rows: which of them count.
        columns: which are looked at.
    """
    n = len(columns)
    middle, scale = np.zeros(n), np.full(n, np.inf)
    some = rows[:: max(1, len(rows) // _QUARTILE_ROWS)]
    for at, column in enumerate(columns):
        values, there = x[rows, column], x[some, column]
        values, there = values[~np.isnan(values)], there[~np.isnan(there)]
        if not len(there):
            continue
        low, middle[at], high = np.quantile(there.astype(np.float64), [0.25, 0.5, 0.75])
        ends = float(values.max()) - float(values.min())
        if high > low:
            scale[at] = high - low
        elif ends > 0:
            scale[at] = ends / 2
    return middle, scale
