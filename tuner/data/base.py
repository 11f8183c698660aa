"""What every source gives (`Table`) and what training takes (`Dataset`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from ..network.config import DataFacts, Task
from .cuts import Cut

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Table:
    """Rows as a source has them.

    Attributes:
        name: the source, for messages.
        x: inputs, `(rows, ...)`; any numbers, any shape after the first axis.
        y: targets, `(rows,)`, or `(rows, targets)` in a regression.
        x_test: inputs of the test part, if the source has one.
        y_test: targets of the test part, if the source has one.
        task: what the targets are for, if the source knows.
        columns: names of the inputs, if the source has them.
    """

    name: str
    x: Array
    y: Array
    x_test: Array | None = None
    y_test: Array | None = None
    task: Task | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Some rows of a data set.

    Attributes:
        x: `(rows, n_inputs)`, bytes or float32, not standardized.
        y: `(rows,)` class numbers as int64, or `(rows, n_outputs)` targets as float32.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Array) -> Part:
        """Returns the rows of this index."""
        return Part(self.x[index], self.y[index])


@dataclass(frozen=True)
class Standardization:
    """Mean and scale of the training rows.

    Attributes:
        input_mean: `(n_inputs,)` float32.
        input_scale: `(n_inputs,)` float32, 1 where an input is constant.
        target_mean: `(n_outputs,)` float32; 0 in a classification.
        target_scale: `(n_outputs,)` float32; 1 in a classification.
    """

    input_mean: Array
    input_scale: Array
    target_mean: Array
    target_scale: Array


@dataclass(frozen=True)
class Dataset:
    """Checked rows in three parts; the search sees `train` and `validation` only.

    Attributes:
        name: the source.
        task: what is learned.
        train: rows that networks train on.
        validation: rows that score them.
        test: rows that a search never sees.
        classes: names of the classes, in the order of the class numbers; () in a regression.
        pixels: inputs share one unit, and so one mean and one scale.
        fingerprint: hash of all rows before the split.
    """

    name: str
    task: Task
    train: Part
    validation: Part
    test: Part
    classes: tuple[str, ...]
    pixels: bool
    fingerprint: str = field(repr=False)

    @cached_property
    def facts(self) -> DataFacts:
        """The sizes that the rules of thumb speak of."""
        n_outputs = len(self.classes) if self.classes else self.train.y.shape[1]
        return DataFacts(
            n_inputs=self.train.x.shape[1],
            n_outputs=n_outputs,
            n_rows=len(self.train),
            task=self.task,
        )

    @cached_property
    def standardization(self) -> Standardization:
        """Mean and scale of the training rows, per input or, for pixels, over all inputs."""
        x = self.train.x
        axis = None if self.pixels else 0
        n_inputs, n_outputs = self.facts.n_inputs, self.facts.n_outputs
        targets = self.train.y if self.task == "regression" else np.zeros((1, n_outputs))
        return Standardization(
            input_mean=np.full(n_inputs, x.mean(axis, dtype=np.float64), np.float32),
            input_scale=np.full(n_inputs, _scale(x, axis), np.float32),
            target_mean=targets.mean(0, dtype=np.float64).astype(np.float32),
            target_scale=_scale(targets, 0).astype(np.float32),
        )

    def cut_anew(self, cut: Cut) -> Dataset:
        """Returns the same rows with training and validation cut anew.

        The test part stays. In a classification each class keeps its share.

        Args:
            cut: says which rows go where; one that is drawn has parts of the same sizes as now.
        """
        x = np.concatenate([self.train.x, self.validation.x])
        y = np.concatenate([self.train.y, self.validation.y])
        train, validation = cut.rows_of(y, len(self.validation))
        whole = Part(x, y)
        return replace(self, train=whole.rows(train), validation=whole.rows(validation))


def _scale(values: Array, axis: int | None) -> Array:
    """Standard deviation, or 1 where it is nothing beside the values' own rounding."""
    scale = np.asarray(values.std(axis, dtype=np.float64))
    return np.where(scale > 1e-6 * np.abs(values).max(axis), scale, 1.0)


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
    task = task or table.task or _task_of(table.y)
    _check_shapes(table)
    pixels = table.x.ndim > 2 or table.x.dtype == np.uint8
    x = _inputs(table, "x", table.x)
    y, classes = _targets(table, task)
    whole = Part(x, y)
    fingerprint = _fingerprint(whole, classes)
    if table.x_test is not None and table.y_test is not None:
        kept = Part(
            _inputs(table, "x_test", table.x_test), _encode(table, "y_test", table.y_test, classes)
        )
        fingerprint = _fingerprint(kept, (fingerprint,))
        rest = whole
    else:
        kept, rest = _cut(table, whole, test, seed)
    scores, train = _cut(table, rest, validation, seed)
    if len(scores) < 2:
        raise DataError(f"{table.name}: {len(scores)} validation row, expected at least 2")
    return Dataset(table.name, task, train, scores, kept, classes, pixels, fingerprint)


def _cut(table: Table, part: Part, share: float, seed: int) -> tuple[Part, Part]:
    """Cuts `share` of the rows off a part; returns them and the rest, in the file's order."""
    from sklearn.model_selection import train_test_split

    stratify = part.y if part.y.ndim == 1 else None
    try:
        rest, cut = train_test_split(
            np.arange(len(part)), test_size=share, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise DataError(
            f"{table.name}: {len(part)} rows are too few to cut {share:g} of them off ({error})"
        ) from error
    if len(rest) < 2:
        raise DataError(f"{table.name}: {len(rest)} training rows are left, expected at least 2")
    return part.rows(np.sort(cut)), part.rows(np.sort(rest))


def _task_of(y: Array) -> Task:
    return "regression" if y.dtype.kind == "f" else "classification"


def _check_shapes(table: Table) -> None:
    parts = [("x", table.x, "y", table.y)]
    if table.x_test is not None and table.y_test is not None:
        parts.append(("x_test", table.x_test, "y_test", table.y_test))
        if table.x_test.shape[1:] != table.x.shape[1:]:
            raise DataError(
                f"{table.name}: rows of x_test have the shape {table.x_test.shape[1:]}, "
                f"expected {table.x.shape[1:]} as in x"
            )
    for x_name, x, y_name, y in parts:
        if x.ndim < 2:
            raise DataError(f"{table.name}: {x_name} must have rows and columns, got {x.shape}")
        if y.ndim < 1:
            raise DataError(f"{table.name}: {y_name} must have rows, got a single value")
        if len(x) != len(y):
            raise DataError(f"{table.name}: {x_name} has {len(x)} rows, {y_name} has {len(y)}")
        if len(x) == 0 or x[0].size == 0:
            raise DataError(f"{table.name}: {x_name} is empty, its shape is {x.shape}")


def _inputs(table: Table, name: str, x: Array) -> Array:
    """Returns inputs as `(rows, n_inputs)`: bytes as they are, all else as float32."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{table.name}: {name} must hold numbers, got {x.dtype}")
    x = x.reshape(len(x), -1)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(x, dtype=np.float32)
    _check_finite(table, name, numbers)
    return numbers


def _check_finite(table: Table, name: str, values: Array) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = int(bad[0][0]), int(bad[0][-1])
        where = f", column {column}" if values.ndim > 1 else ""
        if name.startswith("x") and table.columns:
            where = f", column {table.columns[column]!r}"
        more = f" ({len(bad)} such values in all)" if len(bad) > 1 else ""
        value = values[tuple(bad[0])]
        raise DataError(
            f"{table.name}: {name} has {value} in row {row}{where}{more}; "
            "expected finite numbers (fill missing values first)"
        )


def _targets(table: Table, task: Task) -> tuple[Array, tuple[str, ...]]:
    if task == "regression":
        return _encode(table, "y", table.y, ()), ()
    y = table.y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{table.name}: y of a classification must be one column, got {y.shape}")
    if y.dtype.kind == "f":
        _check_finite(table, "y", y)
        y = _whole(y)
    elif y.dtype.kind == "O":
        missing = [row for row, value in enumerate(y) if value is None or value != value]
        if missing:
            raise DataError(f"{table.name}: y has no value in row {missing[0]}")
        y = y.astype(str)
    values, counts = np.unique(y, return_counts=True)
    if len(values) < 2:
        raise DataError(f"{table.name}: y has one class only, {values[0]}; expected at least 2")
    if counts.min() < 3 and not (table.x_test is not None and counts.min() == 2):
        rare = values[counts.argmin()]
        raise DataError(
            f"{table.name}: class {rare} of y has {counts.min()} row(s), expected at least 3: one "
            'to train, one to validate and one to test on (for a regression: task = "regression")'
        )
    classes = tuple(str(value) for value in values)
    return np.searchsorted(values, y).astype(np.int64), classes


def _encode(table: Table, name: str, y: Array, classes: tuple[str, ...]) -> Array:
    """Returns class numbers `(rows,)`, or targets `(rows, n_outputs)` where classes is ()."""
    if classes:
        number = {label: index for index, label in enumerate(classes)}
        flat = _whole(y.reshape(-1))
        unknown = [row for row, label in enumerate(flat) if str(label) not in number]
        if unknown:
            label = flat[unknown[0]]
            raise DataError(
                f"{table.name}: {name} has class {label} in row {unknown[0]}, y has not"
            )
        return np.array([number[str(label)] for label in flat], np.int64)
    if y.dtype.kind not in "buif":
        raise DataError(f"{table.name}: {name} of a regression must hold numbers, got {y.dtype}")
    numbers = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)
    _check_finite(table, name, numbers)
    return numbers


def _whole(labels: Array) -> Array:
    """Returns class labels such as 1.0 as whole numbers, so that they are class 1."""
    if labels.dtype.kind == "f" and np.all(labels == np.round(labels)):
        return labels.astype(np.int64)
    return labels


def _fingerprint(part: Part, words: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for array in (part.x, part.y):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]
