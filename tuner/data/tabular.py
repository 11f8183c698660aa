"""From a table with named columns to a `Table` of numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from .base import Table
from .checks import called
from .columns import Encoding
from .frames import give_back_memory, of_format, of_layout, read_frame
from .kin import Groups, Kin, Times
from .kinds import kinds_of, times
from .rulers import Array
from .values import check_there, named, numbers

if TYPE_CHECKING:
    import pandas as pd

#: The largest weight of a row over the smallest, at most: beyond it a row counts nothing.
_WEIGHTS_APART = 1e12


@dataclass(frozen=True)
class Wanted:
    """What of a table is learned, and from what.

    Attributes:
        label: the column that is predicted; several in a regression.
        drop: columns that nothing is learned from.
        categorical: columns that are categories, whatever their values.
        numeric: columns that are numbers.
        weight: column that says what each row counts; "" lets all count alike.
        group: column whose rows of one value lie on one side of every cut; "" has no groups.
        time: column by which rows are cut, the last ones off; "" cuts them as they come.
        test_source: file with the test rows; "" cuts them off.
        read: options of pandas' reader.
        embeds: networks learn a vector for each value of a category that has many.
    """

    label: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    weight: str = ""
    group: str = ""
    time: str = ""
    test_source: str = ""
    read: Mapping[str, Any] = field(default_factory=dict)
    embeds: bool = False

    @classmethod
    def of(cls, label: object, **columns: Any) -> Wanted:
        """Returns what is wanted, where names are given as one writes them: one, or a list.

        Args:
            label: as the attribute; a number where columns have no names, as in what follows.
            columns: the other attributes.

        Raises:
            DataError: there is no such key, or a column is named for two purposes.
        """
        known = {each.name for each in fields(cls)} - {"embeds"}
        if unknown := sorted(columns.keys() - known):
            raise DataError(
                f"{unknown[0]!r} is no key of a table; there are {', '.join(sorted(known))}"
            )
        told = {"label": label, **columns}
        for key in ("label", "drop", "categorical", "numeric"):
            names = told.get(key, ())
            if names is None:
                raise DataError(f"{key} must name columns, got None")
            is_one = isinstance(names, str) or not isinstance(names, Iterable)
            told[key] = (str(names),) if is_one else tuple(map(str, names))
        for key in ("weight", "group", "time"):
            name = told.get(key)
            told[key] = "" if name is None else str(name)
        if told.get("group") and told.get("time"):
            raise DataError("a table has group or time, not both")
        apart = [told[key] for key in ("weight", "group", "time") if told.get(key)]
        named_for = [*told["label"], *told["drop"], *told["categorical"], *told["numeric"], *apart]
        if twice := [name for name in named_for if named_for.count(name) > 1]:
            raise DataError(f"column {twice[0]!r} is named for two purposes")
        return cls(**told)


def read_table(source: str, folder: Path, wanted: Wanted) -> Table:
    """Reads a table from a file.

    Args:
        source: the file, relative to the folder.
        folder: which files are relative to.
        wanted: what is learned.

    Raises:
        DataError: it cannot be read or learned from; the message names file, column and row.
    """
    path = _tidy(folder / source)
    frame = read_frame(path, wanted.read, wanted.categorical)
    if not wanted.test_source:
        table = table_of(frame, str(path), wanted)
        del frame
        give_back_memory()
        return table
    beside = _tidy(folder / wanted.test_source)
    if not beside.is_file():
        raise DataError(f"{beside}: no such file")

    def read_test(as_text: tuple[str, ...]) -> pd.DataFrame:
        return read_frame(beside, wanted.read, as_text)

    return table_of(frame, str(path), wanted, read_test, str(beside))


def _tidy(path: Path) -> Path:
    """Returns a path as one would write it: without `studies/..` in it."""
    return Path(os.path.normpath(path))


def table_of(
    frame: pd.DataFrame,
    name: str,
    wanted: Wanted,
    test: Callable[[tuple[str, ...]], pd.DataFrame] | None = None,
    test_name: str = "",
    *,
    is_apart: bool = False,
    weights: Array | None = None,
) -> Table:
    """Returns the rows of a table as numbers, and how they became so.

    Rows of weight 0 are left out, whatever is in them.

    Args:
        frame: the rows.
        name: of the table, for messages.
        wanted: what is learned.
        test: reads the rows of the test part, if it is not cut off, with columns whose values stay
            as they are written.
        test_name: where those are from.
        is_apart: the label came apart from the columns, none of which it is by mistake.
        weights: `(rows,)`, what each row counts, where no column says it.

    Raises:
        DataError: it cannot be learned from; the message names table, column and row.
    """
    apart = tuple(each for each in (wanted.weight, wanted.group, wanted.time) if each)
    kinds_told = (*wanted.categorical, *wanted.numeric)
    check_there((*wanted.label, *wanted.drop, *kinds_told, *apart), frame, name)
    if weights is None:
        weights = _weights(frame, wanted.weight, name)
    frame, weights, remarks = _counted(frame, weights, name)
    name = f"{name} (rows of weight 0 left out)" if remarks else name
    y = _targets(frame, wanted.label, name)
    learned = frame.drop(columns=[*{*wanted.label, *wanted.drop, *apart}])
    if not is_apart and len(wanted.label) == 1:
        copies = _copies(learned, frame[wanted.label[0]], name)
        learned = learned.drop(columns=copies)
        remarks += [
            f"{name}: column {column!r} is left out: it is {wanted.label[0]!r} again"
            for column in copies
        ]
    if not len(learned.columns):
        raise DataError(f"{name}: no column is left to learn from; {', '.join(remarks)}")
    kinds = kinds_of(learned, name, wanted.categorical, wanted.numeric, embeds=wanted.embeds)
    encoding = Encoding(
        columns=kinds.columns,
        targets=wanted.label,
        read=of_format(wanted.read),
        layout=of_layout(wanted.read),
    )
    x_test = y_test = test_weights = None
    if test is not None:
        texts = tuple(
            each
            for each in wanted.label
            if all(isinstance(value, str) for value in frame[each].unique())
        )
        rows = test((*encoding.as_text, *texts))
        x_test, y_test, test_weights, more = _test_part(rows, wanted, encoding, test_name)
        remarks += more
    kin, of_kin = _kin(frame, wanted, name)
    return Table(
        name,
        encoding.encode(learned, name).x,
        y,
        x_test,
        y_test,
        weights,
        test_weights,
        columns=encoding.inputs,
        target=repr(wanted.label[0]) if len(wanted.label) == 1 else "y",
        encoding=encoding,
        remarks=(*remarks, *kinds.remarks, *of_kin),
        kin=kin,
        called=called(frame[wanted.label[0]]) if len(wanted.label) == 1 else "",
    )


def _test_part(
    rows: pd.DataFrame, wanted: Wanted, encoding: Encoding, name: str
) -> tuple[Array, Array, Array | None, list[str]]:
    """Returns inputs, targets and weights of test rows of their own, and what to say of them."""
    rows, weights, remarks = _counted(rows, _weights(rows, wanted.weight, name), name)
    name = f"{name} (rows of weight 0 left out)" if remarks else name
    encoded = encoding.encode(rows, name)
    remarks += [
        f"{name}: column {column!r} has values in {n} rows that are rare or not there in the others"
        for column, n in encoded.unknown.items()
    ]
    return encoded.x, _targets(rows, wanted.label, name), weights, remarks


def _targets(frame: pd.DataFrame, label: tuple[str, ...], name: str) -> Array:
    """Returns numbers `(rows,)` or `(rows, targets)`, or classes `(rows,)` as text.

    Raises:
        DataError: one is missing, or of another kind than the others.
    """
    import pandas as pd

    check_there(label, frame, name)
    for column in label:
        if len(gaps := np.flatnonzero(frame[column].isna())):
            more = f" ({len(gaps)} such rows in all)" if len(gaps) > 1 else ""
            raise DataError(f"{name}: column {column!r} has no value in row {gaps[0]}{more}")
    types = pd.api.types
    values = frame[label[0]]
    is_number = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    if len(label) == 1 and not is_number:
        codes, names = named(values)
        return np.array(names, object)[codes]
    try:
        columns = [
            frame[column].to_numpy(_whole(frame[column].dtype))
            if types.is_integer_dtype(frame[column].dtype)
            else numbers(frame[column])
            for column in label
        ]
    except DataError as error:
        raise DataError(f"{name}: column {column!r} {error}") from error
    return columns[0] if len(columns) == 1 else np.stack(columns, 1).astype(np.float64)


def _weights(frame: pd.DataFrame, column: str, name: str) -> Array | None:
    """Returns what each row counts, `(rows,)`; None if all count alike.

    Raises:
        DataError: a weight is missing, or no number of at least 0, or no row counts.
    """
    if not column:
        return None
    check_there((column,), frame, name)
    try:
        found = numbers(frame[column])
    except DataError as error:
        raise DataError(f"{name}: column {column!r} {error}") from error
    check_weights(found, f"{name}: column {column!r}")
    return found


def _counted(
    frame: pd.DataFrame, weights: Array | None, name: str
) -> tuple[pd.DataFrame, Array | None, list[str]]:
    """Returns the rows that count, what each counts, and what to say of it."""
    if weights is None or weights.all():
        return frame, weights, []
    there = weights > 0
    return frame[there].reset_index(drop=True), weights[there], [left_out(there, name)]


def left_out(there: Array, name: str) -> str:
    """Says how many rows do not count."""
    return f"{name}: {np.sum(~there)} rows of weight 0 are left out"


def check_weights(weights: Array, name: str) -> None:
    """Looks whether rows can count so much.

    Raises:
        DataError: a weight is missing, infinite or below 0, none is above, or they are too far
            apart.
    """
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        what = "no value" if np.isnan(weights[wrong[0]]) else f"{weights[wrong[0]]:g}"
        raise DataError(f"{name} has {what} in row {wrong[0]}, expected weights from 0 up")
    if not weights.any():
        raise DataError(f"{name} is 0 in every row: no row counts")
    least, most = weights[weights > 0].min(), weights.max()
    if least < most / _WEIGHTS_APART:
        raise DataError(f"{name} has weights from {least:g} to {most:g}, which are too far apart")


def _whole(dtype: Any) -> Any:
    """Returns numpy's kind of whole numbers for pandas' own, which know gaps."""
    return getattr(dtype, "numpy_dtype", dtype)


def _kin(frame: pd.DataFrame, wanted: Wanted, name: str) -> tuple[Kin | None, tuple[str, ...]]:
    """Returns what rows have to do with each other, by group or time, and what to say of it.

    Raises:
        DataError: a row has none, or a time that is none.
    """
    column = wanted.group or wanted.time
    if not column:
        return None, ()
    values = frame[column]
    if len(gaps := np.flatnonzero(values.isna())):
        raise DataError(f"{name}: column {column!r} has no value in row {gaps[0]}")
    if wanted.group:
        return Groups(named(values)[0]), ()
    at, remarks = times(values, name)
    return Times(at), remarks


def _copies(frame: pd.DataFrame, label: pd.Series[Any], name: str) -> list[str]:
    """Returns the columns that have the label's value in each row."""
    found = []
    for column in frame.columns:
        try:
            if _says_the_same(frame[column], label):
                found.append(column)
        except DataError as error:
            raise DataError(f"{name}: column {column!r} {error}") from error
    return found


def _says_the_same(values: pd.Series[Any], label: pd.Series[Any]) -> bool:
    """Says whether a column has the label's value in each row."""
    if not _are_alike(values.head(100), label.head(100)):
        return False
    return _are_alike(values, label)


def _are_alike(values: pd.Series[Any], label: pd.Series[Any]) -> bool:
    (codes, names), (others, labels) = named(values), named(label)
    if (codes < 0).any() or len(names) != len(labels):
        return False
    texts, of_labels = np.array(names, object)[codes], np.array(labels, object)[others]
    return bool((texts == of_labels).all())
