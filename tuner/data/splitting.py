"""From a table to its three parts: training, validation and test rows."""

from __future__ import annotations

import hashlib

import numpy as np

from ..errors import DataError
from ..network.config import Task
from .base import Dataset, Part, Table
from .checks import check_shapes, compact, constant, encode, inputs, targets, task_of
from .cuts import Index
from .rulers import Array, Ruler


def split(
    table: Table,
    *,
    validation: float = 0.2,
    test: float = 0.2,
    task: Task | None = None,
    seed: int = 0,
) -> Dataset:
    """Checks a table and splits it, stratified by class in a classification.

    Args:
        table: rows of a source.
        validation: share of the rows that are not test rows, in (0, 1).
        test: share of all rows, where the table has no test part, in (0, 1).
        task: overrules the kind of the targets.
        seed: decides which rows are validation rows, and which are test rows.

    Raises:
        DataError: the rows cannot be learned from; the message names row and column.
    """
    check_shapes(table)
    told = task or table.task
    task, remarks = (told, ()) if told is not None else task_of(table)
    pixels = table.x.ndim > 2 or table.x.dtype == np.uint8
    x = inputs(table, "x", table.x)
    x_test = None if table.x_test is None else inputs(table, "x_test", table.x_test)
    x, x_test = compact(x, x_test, pixels)
    y, classes = targets(table, task)
    whole = Part(x, y)
    fingerprint = _fingerprint(whole, classes)
    if x_test is not None and table.y_test is not None:
        kept = Part(x_test, encode(table, "y_test", table.y_test, classes))
        fingerprint = _fingerprint(kept, (fingerprint,))
        rest = whole
    else:
        cut, others = _cut(table, y, test, seed)
        kept, rest = whole.rows(cut), whole.rows(others)
    scores, train = _cut(table, rest.y, validation, seed)
    if len(scores) < 2:
        raise DataError(f"{table.name}: {len(scores)} validation row, expected at least 2")
    # Those that train first, so that neither they nor the others need be copied.
    known = Part(
        np.concatenate([rest.x[train], rest.x[scores]]),
        np.concatenate([rest.y[train], rest.y[scores]]),
    )
    rows = np.arange(len(known))
    train_rows, validation_rows = rows[: len(train)], rows[len(train) :]
    remarks += constant(table, known.x[: len(train)])
    ruler = None
    if x.dtype in (np.float64, np.int64):
        ruler = Ruler.of(known.x, is_shared=pixels)
    return Dataset(
        table.name,
        task,
        known,
        train_rows,
        validation_rows,
        kept,
        classes,
        pixels,
        fingerprint,
        ruler,
        remarks,
    )


def _cut(table: Table, y: Array, share: float, seed: int) -> tuple[Index, Index]:
    """Cuts `share` of some rows off; returns the numbers of those and of the rest, increasing."""
    from sklearn.model_selection import train_test_split

    try:
        rest, cut = train_test_split(
            np.arange(len(y)),
            test_size=share,
            random_state=seed,
            stratify=y if y.ndim == 1 else None,
        )
    except ValueError as error:
        raise DataError(
            f"{table.name}: {len(y)} rows are too few to cut {share:g} of them off ({error})"
        ) from error
    if len(rest) < 2:
        raise DataError(f"{table.name}: {len(rest)} training rows are left, expected at least 2")
    return np.sort(cut), np.sort(rest)


def _fingerprint(part: Part, words: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for array in (part.x, part.y):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]
