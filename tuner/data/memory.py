"""Rows in memory: frames, arrays, and pairs of inputs and targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from .base import Table
from .frames import check_names
from .rulers import Array
from .tabular import Wanted, check_weights, left_out, table_of

if TYPE_CHECKING:
    import pandas as pd

#: What targets are called that come without a name.
_TARGET = "target"


def table_in_memory(rows: object, name: str, wanted: Wanted) -> Table:
    """Returns rows in memory as a table.

    Args:
        rows: a frame with the label among its columns; or a pair of inputs (a frame, or an array
            `(rows, ...)` of numbers) and targets (`(rows,)` or `(rows, targets)`), with what each
            row counts, `(rows,)`, as a third where they don't count alike.
        name: of the study, for messages.
        wanted: what is learned; of a pair without label.

    Raises:
        DataError: they cannot be learned from; the message names column and row.
    """
    if not isinstance(rows, tuple | list):
        if not wanted.label:
            raise DataError(f"{name}: which column is predicted? label names it")
        _refuse(wanted, name, ("test_source", "read"), "belongs to a file")
        return table_of(_some(frame_of(rows, name), name), name, wanted)
    if len(rows) not in (2, 3):
        raise DataError(
            f"{name}: expected a frame, a pair (x, y) or (x, y, weights), got {len(rows)} things"
        )
    if wanted.label:
        raise DataError(f"{name}: label names a column of a frame, and y is given beside x")
    x, y = rows[0], rows[1]
    weights = _weights(rows[2], name) if len(rows) == 3 else None
    if weights is not None and wanted.weight:
        raise DataError(f"{name}: data.weight names a column, and weights are given beside x")
    _refuse(wanted, name, ("test_source", "read"), "belongs to a file")
    targets = _targets(y)
    if is_frame(x):
        frame = _some(frame_of(x, name), name)
        _check_lengths(len(frame), targets, weights, name)
        return _of_frame(frame, y, targets, weights, name, wanted)
    of_frames = ("drop", "categorical", "numeric", "weight", "group", "time")
    _refuse(wanted, name, of_frames, "names columns, which x has none of; give a frame")
    array = np.asarray(x)
    if array.ndim < 1:
        raise DataError(f"{name}: expected a pair (x, y) of rows, got a single number")
    _check_lengths(len(array), targets, weights, name)
    if weights is None or weights.all():
        return Table(name, array, targets, weights=weights)
    there = weights > 0
    remarks = (left_out(there, name),)
    return Table(name, array[there], targets[there], weights=weights[there], remarks=remarks)


def _of_frame(
    frame: pd.DataFrame,
    y: object,
    targets: Array,
    weights: Array | None,
    name: str,
    wanted: Wanted,
) -> Table:
    """Returns a frame beside its targets as a table."""
    columns = targets[:, None] if targets.ndim == 1 else targets
    label = tuple(_free(frame, y, index, columns.shape[1]) for index in range(columns.shape[1]))
    frame = frame.assign(**{label[i]: columns[:, i] for i in range(len(label))})
    wanted = replace(wanted, label=label)
    return table_of(frame, name, wanted, is_apart=True, weights=weights)


def _weights(given: object, name: str) -> Array:
    """Returns what each row counts, `(rows,)`.

    Raises:
        DataError: these are no weights.
    """
    try:
        weights = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: weights must be numbers ({error})") from error
    if weights.ndim != 1 or not len(weights):
        raise DataError(f"{name}: weights have the shape {weights.shape}, expected (rows,)")
    check_weights(weights, f"{name}: weights")
    return weights


def _check_lengths(n_rows: int, targets: Array, weights: Array | None, name: str) -> None:
    """Looks whether there are as many targets, and weights, as rows.

    Raises:
        DataError: there are not.
    """
    for what, given in (("y", targets), ("weights", weights)):
        if given is not None and given.shape[:1] != (n_rows,):
            n = given.shape[0] if given.ndim else "no"
            raise DataError(f"{name}: x has {n_rows} rows, {what} has {n}")


def _refuse(wanted: Wanted, name: str, keys: tuple[str, ...], message: str) -> None:
    """Refuses what these rows cannot have.

    Raises:
        DataError: it is asked for.
    """
    for key in keys:
        if getattr(wanted, key):
            raise DataError(f"{name}: data.{key} {message}")


def is_frame(rows: object) -> bool:
    """Says whether rows are a frame, of pandas or of another library."""
    ways = ("__dataframe__", "to_pandas")  # polars has only the latter by now
    return hasattr(rows, "columns") and any(hasattr(rows, way) for way in ways)


def frame_of(rows: object, name: str) -> pd.DataFrame:
    """Returns rows as a frame of pandas, whose columns have names.

    Raises:
        DataError: they are no frame, or two columns share a name.
    """
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        frame = rows.reset_index(drop=True)
    elif hasattr(rows, "to_pandas"):
        frame = rows.to_pandas()
    elif is_frame(rows):
        frame = pd.api.interchange.from_dataframe(rows)
    else:
        raise DataError(f"{name}: expected a frame, or a pair (x, y), got {type(rows).__name__}")
    frame.columns = [str(column) for column in frame.columns]
    check_names(name, list(frame.columns))
    return frame


def _some(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if not len(frame):
        raise DataError(f"{name}: has no rows")
    return frame


def _targets(y: Any) -> Array:
    values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _free(frame: pd.DataFrame, y: object, index: int, n: int) -> str:
    """Returns a name for a target that no column has."""
    names = getattr(y, "columns", None)
    own = getattr(y, "name", None) if names is None else names[index]
    name = str(own) if own is not None else _TARGET if n == 1 else f"{_TARGET} {index}"
    while name in frame.columns:
        name = f"{name}_"
    return name
