"""Whether rows can be learned from, and as what: kinds of numbers, targets, classes.

What cannot is told with its row and column, before anything is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from ..network.config import Task
from .base import Table
from .meaning import Called
from .rulers import Array, exact, need_ruler

if TYPE_CHECKING:
    import pandas as pd

#: Larger numbers are no measurements, and their squares are no numbers.
_LARGEST_INPUT = 1e150
#: Targets are learned in float32: largest of them, and what rounding may take of their spread.
_LARGEST_TARGET, _ROUNDING = 1e30, 1e-3


def task_of(table: Table) -> tuple[Task, tuple[str, ...]]:
    """Decides what targets are for, as scikit-learn's `type_of_target` does, where that is sure.

    Returns:
        The task, and what to say about it.

    Raises:
        DataError: whole numbers may be classes or amounts.
    """
    y = table.y
    if y.ndim > 1 and y.shape[1] > 1:
        return ("regression" if y.dtype.kind == "f" else "classification"), ()
    if y.dtype.kind not in "uif":
        return "classification", ()
    values = np.unique(y)
    if y.dtype.kind == "f":  # from 2 ** 53 on all are whole; what is no number is told later
        are_whole = (values == np.round(values)) & (np.abs(values) < 2.0**53)
        if not np.all(are_whole):
            return "regression", ()
    n, told = len(values), 'say which: task = "classification" or "regression" in [data]'
    if n > 2 and y.dtype.kind == "f":
        raise DataError(
            f"{table.name}: {table.target} holds {n} whole numbers written as decimals "
            f"({_some(values)}), which may be classes or amounts; {told}"
        )
    if n > 2 and n > len(y) / 10:
        raise DataError(
            f"{table.name}: {table.target} holds {n} whole numbers ({_some(values)}) in {len(y)} "
            f"rows, which may be classes or amounts; {told}"
        )
    return "classification", (
        f"{table.name}: a classification of {n} classes ({_some(values)}); "
        'task = "regression" in [data] overrules',
    )


def called(y: Array | pd.Series) -> Called:
    """Returns what classes were told as: "text", "switch", or "" for numbers and anything else."""
    kind = getattr(y.dtype, "kind", "O")
    if kind == "O":
        import pandas as pd

        if isinstance(y.dtype, pd.CategoricalDtype):
            y = pd.Series(y.dtype.categories)
        found = pd.api.types.infer_dtype(y)
        kind = {"boolean": "b", "string": "U"}.get(found, "")
    return "switch" if kind == "b" else "text" if kind in ("U", "S") else ""


def _some(values: Array) -> str:
    """Writes sorted values, the middle left out where they are many."""
    shown = [f"{value:g}" if value.dtype.kind == "f" else str(value) for value in values]
    return ", ".join(shown if len(shown) <= 4 else [*shown[:2], "...", shown[-1]])


def constant(table: Table, x: Array) -> tuple[str, ...]:
    """Returns what to say of inputs that are the same in all training rows."""
    if x.dtype == np.uint8 or table.x.ndim > 2 or table.encoding is not None:
        return ()  # pixels at the border, and values that are rare
    same = np.flatnonzero(x.min(0) == x.max(0))
    if not len(same):
        return ()
    names = [table.columns[i] if table.columns else str(i) for i in same]
    shown = ", ".join(names if len(names) <= 4 else [*names[:3], "..."])
    columns = "column" if len(same) == 1 else "columns"
    return (
        f"{table.name}: {len(same)} of {x.shape[1]} inputs are the same in all training rows, and "
        f"teach nothing ({columns} {shown})",
    )


def check_shapes(table: Table) -> None:
    """Looks whether inputs and targets have rows, and as many.

    Raises:
        DataError: they have not.
    """
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


def inputs(table: Table, name: str, x: Array) -> Array:
    """Returns inputs as `(rows, n_inputs)`: bytes, or without loss as float32, float64 or int64.

    Those of columns that were encoded are float32, and have been looked at.
    """
    if table.encoding is not None:
        return x
    if x.dtype.kind not in "buif":
        raise DataError(f"{table.name}: {name} must hold numbers, got {x.dtype}")
    x = x.reshape(len(x), -1)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.itemsize <= 2 or x.dtype == np.float32:
        numbers: Array | None = np.ascontiguousarray(x, dtype=np.float32)
    else:
        numbers = exact(x)
    if numbers is None:
        row, column = (int(at) for at in np.argwhere(x > np.iinfo(np.int64).max)[0])
        raise DataError(
            f"{table.name}: {name} has {x[row, column]} in row {row}"
            f"{_column(table, name, column)}; expected whole numbers below 2 ** 63"
        )
    _check_finite(table, name, numbers, _LARGEST_INPUT)
    return numbers


def compact(x: Array, x_test: Array | None, pixels: bool) -> tuple[Array, Array | None]:
    """Returns inputs as float32 where that tells the rows apart as well; both parts alike."""
    if x.dtype == np.uint8 and (x_test is None or x_test.dtype == np.uint8):
        return x, x_test
    kind: type[np.generic] = np.float32
    if x.dtype != np.uint8 and need_ruler(x, is_shared=pixels):
        kinds = {x.dtype} if x_test is None else {x.dtype, x_test.dtype}
        kind = np.int64 if kinds == {np.dtype(np.int64)} else np.float64
    parts = [None if part is None else np.ascontiguousarray(part, kind) for part in (x, x_test)]
    assert parts[0] is not None
    return parts[0], parts[1]


def _check_finite(table: Table, name: str, values: Array, largest: float) -> None:
    """Looks for a number that is none, or is beyond what can be squared.

    Raises:
        DataError: there is one; the message names row and column.
    """
    if values.dtype.kind == "f":
        largest = min(largest, float(np.finfo(values.dtype).max))
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~(np.abs(values) <= largest))
    if not len(bad):
        return
    row = int(bad[0][0])
    where = _column(table, name, int(bad[0][-1])) if values.ndim > 1 else ""
    more = f" ({len(bad)} such values in all)" if len(bad) > 1 else ""
    value = values[tuple(bad[0])]
    expected = f"expected numbers of at most {largest:g}"
    if not np.isfinite(value):
        expected = "expected finite numbers (fill missing values first)"
    raise DataError(f"{table.name}: {name} has {value} in row {row}{where}{more}; {expected}")


def _column(table: Table, name: str, column: int) -> str:
    if name.startswith("x") and table.columns:
        return f", column {table.columns[column]!r}"
    return f", column {column}"


def targets(table: Table, task: Task, least: int) -> tuple[Array, tuple[str, ...]]:
    """Returns class numbers `(rows,)` and the names of the classes, or targets `(rows, n_outputs)`.

    Args:
        table: rows of a source.
        task: what the targets are for.
        least: rows that each class must have: one for each part that is cut from these rows.

    Raises:
        DataError: there is nothing to learn, or a value is missing.
    """
    if task == "regression":
        return encode(table, "y", table.y, ()), ()
    y = table.y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{table.name}: y of a classification must be one column, got {y.shape}")
    if y.dtype.kind == "f":
        _check_finite(table, "y", y, np.finfo(np.float64).max)
        y = _whole(y)
    elif y.dtype.kind == "O":
        import pandas as pd

        missing = np.flatnonzero(pd.isna(y))
        if len(missing):
            raise DataError(f"{table.name}: y has no value in row {missing[0]}")
        y = y.astype(str)
    values, counts = np.unique(y, return_counts=True)
    if len(values) < 2:
        raise DataError(
            f"{table.name}: {table.target} has one class only, {values[0]}; expected at least 2"
        )
    if counts.min() < least:
        rare = values[counts.argmin()]
        parts = "one to train, one to validate and one to test on"
        parts = parts if least > 2 else "one to train and one to validate"
        raise DataError(
            f"{table.name}: class {rare} of {table.target} has {counts.min()} row(s), expected at "
            f'least {least}: {parts} (for a regression: task = "regression")'
        )
    classes = tuple(str(value) for value in values)
    return np.searchsorted(values, y).astype(np.int64), classes


def encode(table: Table, name: str, y: Array, classes: tuple[str, ...]) -> Array:
    """Returns class numbers `(rows,)`, or targets `(rows, n_outputs)` where classes is ()."""
    if classes:
        number = {label: index for index, label in enumerate(classes)}
        flat = _whole(y.reshape(-1))
        unknown = [row for row, label in enumerate(flat) if str(label) not in number]
        if unknown:
            label = flat[unknown[0]]
            raise DataError(
                f"{table.name}: {name} has class {label} in row {unknown[0]}, {table.target} has "
                "not"
            )
        return np.array([number[str(label)] for label in flat], np.int64)
    if y.dtype.kind not in "buif":
        raise DataError(f"{table.name}: {name} of a regression must hold numbers, got {y.dtype}")
    numbers = y.reshape(len(y), -1).astype(np.float64)
    _check_finite(table, name, numbers, _LARGEST_TARGET)
    if name == "y":
        _check_spread(table, numbers)
    return np.ascontiguousarray(numbers, np.float32)


def _check_spread(table: Table, y: Array) -> None:
    """Looks for targets of a regression `(rows, targets)` that cannot be learned.

    Raises:
        DataError: they are all the same, or differ by less than float32 tells apart.
    """
    for column, values in enumerate(y.T):
        which = f"column {column} of y" if y.shape[1] > 1 else table.target
        deviation, largest = values.std(), np.abs(values).max()
        if np.ptp(values) == 0:
            if np.all(np.ptp(y, 0) == 0):
                raise DataError(f"{table.name}: {which} is {values[0]:g} in all rows")
            continue  # harmless beside others that vary
        if largest * 2.0**-24 > _ROUNDING * deviation or deviation < 1 / _LARGEST_TARGET:
            raise DataError(
                f"{table.name}: {which} has a standard deviation of {deviation:.3g} around "
                f"{values.mean():.10g}, which networks of float32 cannot tell apart; subtract a "
                "constant from it, or change its unit"
            )


def _whole(labels: Array) -> Array:
    """Returns class labels such as 1.0 as whole numbers, so that they are class 1."""
    if labels.dtype.kind == "f" and np.all(labels == np.round(labels)):
        return labels.astype(np.int64)
    return labels
