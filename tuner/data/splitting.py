"""From a table to its three parts: training, validation and test rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError
from ..network.config import Task
from .base import Dataset, Part, Table
from .checks import (
    called,
    check_shapes,
    compact,
    constant,
    encode,
    inputs,
    targets,
    task_of,
)
from .draws import drawn
from .kin import Kin
from .meaning import Called
from .rulers import Array, Index, Ruler


def split(
    table: Table,
    *,
    validation: float = 0.2,
    test: float = 0.2,
    task: Task | None = None,
    seed: int = 0,
    quartiles: bool = True,
) -> Dataset:
    """Checks a table and splits it, stratified by class in a classification.

    Args:
        table: rows of a source.
        validation: share of the rows that are not test rows, in (0, 1).
        test: share of all rows, where the table has no test part, in [0, 1).
        task: overrules the kind of the targets.
        seed: decides which rows are validation rows, and which are test rows.
        quartiles: numbers that are no pixels are scaled by them, those of arrays, too.

    Raises:
        DataError: the rows cannot be learned from; the message names row and column.
    """
    least = 3 if test and table.x_test is None else 2
    checked = _checked(table, task, least, quartiles=quartiles)
    y, whole, fingerprint = checked.y, checked.whole, checked.fingerprint
    kin = table.kin
    if checked.x_test is not None and table.y_test is not None:
        y_test = encode(table, "y_test", table.y_test, checked.classes)
        kept = Part(checked.x_test, y_test, _weights(table.test_weights))
        fingerprint = _fingerprint(kept, (fingerprint,))
        others = np.arange(len(y))
    elif test == 0:
        kept, others = whole.rows(np.arange(0)), np.arange(len(y))
    else:
        cut, others = _cut(table, y, test, seed, kin)
        kept = whole.rows(cut)
        kin = None if kin is None else kin.rows(others)
    scores, train = _cut(table, y[others], validation, seed, kin)
    if len(scores) < 2:
        raise DataError(f"{table.name}: {len(scores)} validation row, expected at least 2")
    # Those that train first, so that neither they nor the others need be copied.
    order = np.concatenate([train, scores])
    known = whole.taken(others[order])
    kin = None if kin is None else kin.rows(order)
    rows = np.arange(len(known))
    train_rows, validation_rows = rows[: len(train)], rows[len(train) :]
    remarks = (*checked.remarks, *constant(table, known.x[: len(train)]))
    return Dataset(
        table.name,
        checked.task,
        known,
        train_rows,
        validation_rows,
        kept,
        checked.classes,
        checked.pixels,
        fingerprint,
        checked.quartiles,
        checked.ruler(known),
        table.encoding,
        remarks,
        kin,
        called=checked.called,
    )


def uncut(table: Table, *, task: Task | None = None) -> Dataset:
    """Checks a table all of whose rows train, and validate, too, which says nothing.

    Args:
        table: rows of a source.
        task: overrules the kind of the targets.

    Raises:
        DataError: the rows cannot be learned from; the message names row and column.
    """
    checked = _checked(table, task, least=1)
    known, rows = checked.whole, np.arange(len(checked.y))
    return Dataset(
        table.name,
        checked.task,
        known,
        rows,
        rows,
        known.rows(np.arange(0)),
        checked.classes,
        checked.pixels,
        checked.fingerprint,
        checked.quartiles,
        checked.ruler(known),
        table.encoding,
        (*checked.remarks, *constant(table, known.x)),
        called=checked.called,
    )


def merged(dataset: Dataset) -> Dataset:
    """Returns a dataset that is not cut with rows that are the same as one (`Part.merged`).

    As it is where that would leave a single row.
    """
    known = dataset.known.merged()
    if len(known) < 2:
        return dataset
    rows = np.arange(len(known))
    return replace(dataset, known=known, train_rows=rows, validation_rows=rows)


@dataclass(frozen=True)
class _Checked:
    """Rows of a table that can be learned from, before any is cut off."""

    task: Task
    x: Array
    y: Array
    weights: Array | None
    x_test: Array | None
    classes: tuple[str, ...]
    pixels: bool
    quartiles: bool
    fingerprint: str
    remarks: tuple[str, ...]
    called: Called

    @property
    def whole(self) -> Part:
        """All rows, but those of a test part of its own."""
        return Part(self.x, self.y, self.weights)

    def ruler(self, known: Part) -> Ruler | None:
        """Returns what inputs are measured by that float32 cannot tell apart, if there are some."""
        if not _needs_ruler(self.x):
            return None
        return Ruler.of(known.x, is_shared=self.pixels)


def _needs_ruler(x: Array) -> bool:
    return x.dtype in (np.float64, np.int64)


def _checked(table: Table, task: Task | None, least: int, *, quartiles: bool = True) -> _Checked:
    """Checks a table, whose classes must have so many rows each."""
    check_shapes(table)
    told = task or table.task
    task, remarks = (told, ()) if told is not None else task_of(table)
    pixels = table.x.ndim > 2 or table.x.dtype == np.uint8
    x = inputs(table, "x", table.x)
    x_test = None if table.x_test is None else inputs(table, "x_test", table.x_test)
    if table.encoding is None:
        x, x_test = compact(x, x_test, pixels)
    y, classes = targets(table, task, least)
    words: tuple[str, ...]
    if table.encoding is not None:
        quartiles, words = True, (table.encoding.fingerprint,)
    else:
        quartiles = quartiles and not pixels and not _needs_ruler(x)
        words = ("quartiles",) if quartiles else ()
    kin = () if table.kin is None else (table.kin.fingerprint,)
    weights = _weights(table.weights)
    told_as = called(table.y) if table.called is None else table.called
    return _Checked(
        task,
        x,
        y,
        weights,
        x_test,
        classes,
        pixels,
        quartiles,
        _fingerprint(Part(x, y, weights), (*classes, *words, *kin)),
        (*table.remarks, *remarks),
        told_as,
    )


def _cut(table: Table, y: Array, share: float, seed: int, kin: Kin | None) -> tuple[Index, Index]:
    """Cuts `share` of some rows off; returns the numbers of those and of the rest, increasing."""
    try:
        if kin is not None:
            rest, cut = kin.cut_last(y, max(1, round(share * len(y))), seed)
        else:
            rest, cut = drawn(y, share, seed)
    except ValueError as error:
        raise DataError(
            f"{table.name}: {len(y)} rows are too few to cut {share:g} of them off ({error})"
        ) from error
    if len(rest) < 2:
        raise DataError(f"{table.name}: {len(rest)} training rows are left, expected at least 2")
    return np.sort(cut), np.sort(rest)


def _weights(weights: Array | None) -> Array | None:
    """Returns what rows count as float32, 1 in the mean."""
    if weights is None:
        return None
    shares = weights / weights.max()
    found: Array = (shares / shares.mean()).astype(np.float32)
    return found


def _fingerprint(part: Part, words: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for array in (part.x, part.y, *(() if part.weights is None else (part.weights,))):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]
