"""Rows drawn at random, in a classification with the same share of each class.

They are the rows that scikit-learn's `train_test_split` draws, row for row; but each worker process
would have to load it, which takes longer than most trainings.
"""

from __future__ import annotations

import math

import numpy as np

from .rulers import Array, Index


def drawn(y: Array, size: int | float, seed: int) -> tuple[Index, Index]:
    """Draws rows to cut off.

    Args:
        y: `(rows,)` class numbers, each of which keeps its share, or `(rows, targets)`.
        size: rows to cut off, or their share, which is rounded up.
        seed: in [0, 2 ** 32).

    Returns:
        The numbers of the others and of those that are cut off, each increasing.

    Raises:
        ValueError: one side would be empty, or have fewer rows than there are classes; or a class
            has one row.
    """
    n = math.ceil(size * len(y)) if isinstance(size, float) else size
    if not 0 < n < len(y):
        raise ValueError(f"{n} of {len(y)} rows leave none")
    generator = np.random.RandomState(seed)
    if y.ndim > 1:
        order = generator.permutation(len(y))
        return np.sort(order[n:]), np.sort(order[:n])
    _, numbers, sizes = np.unique(y, return_inverse=True, return_counts=True)
    if sizes.min() < 2:
        raise ValueError("a class has one row, which cannot be on both sides")
    if min(n, len(y) - n) < len(sizes):
        raise ValueError(f"one side has {min(n, len(y) - n)} rows, for {len(sizes)} classes")
    n_stay = _shares(sizes, len(y) - n, generator)
    n_cut = _shares(sizes - n_stay, n, generator)
    classes = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
    stay, cut = [], []
    for rows, first, second in zip(classes, n_stay, n_cut, strict=True):
        mixed = rows[generator.permutation(len(rows))]
        stay.append(mixed[:first])
        cut.append(mixed[first : first + second])
    return np.sort(np.concatenate(stay)), np.sort(np.concatenate(cut))


def _shares(sizes: Index, n: int, generator: np.random.RandomState) -> Index:
    """Returns how many of `n` rows are of each class: those with the largest rest are rounded up.

    Among equal rests chance decides.
    """
    exact = sizes / sizes.sum() * n
    found = np.floor(exact)
    rests, missing = exact - found, int(n - found.sum())
    for rest in np.unique(rests)[::-1]:
        if missing == 0:
            break
        (equal,) = np.nonzero(rests == rest)
        up = generator.choice(equal, min(len(equal), missing), replace=False)
        found[up] += 1
        missing -= len(up)
    return np.asarray(found, np.intp)
