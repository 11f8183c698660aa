"""What kind each column of a table is, as far as its own values tell; the targets have no say."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import DataError
from .columns import AnyColumn, Categories, Dates, Embedded, Numbers
from .rulers import Array, Ruler, need_ruler
from .values import days, named, numbers

if TYPE_CHECKING:
    import pandas as pd

#: Values of a category that have an input of their own, at most, the most frequent ones.
MOST_VALUES = 64
#: Where more have so many rows each, and networks can embed them, these are, up to so many.
_MOST_EMBEDDED, _LEAST_ROWS = 4_096, 4
#: Share of a column's values that are numbers, from which on the others are mistakes.
_NUMBERS = 0.9
#: Share of the rows with a value of their own, from which on text is no category, but a name or a
#: text; and distinct values that it takes, at least.
_OWN, _LEAST_OWN = 0.9, 20
#: How dates are written, besides ISO 8601; the first one that all values of a column follow.
_DATES = (
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S"),
    *("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
)
#: Rounding to float32 may move a number by this share of the distance of the quartiles, and sizes
#: up to which it can square.
_ROUNDING, _FLOAT32 = 1e-3, 1e15
#: Numbers that all inputs of a table may be, before fewer values of categories have one.
_MOST_NUMBERS = 250_000_000
#: Of the values of a column, those that are looked at before all of them are.
_SOME = 50

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class Kinds:
    """What was found.

    Attributes:
        columns: that networks learn from.
        remarks: on those that they do not, and on what was guessed, in sentences.
    """

    columns: tuple[AnyColumn, ...]
    remarks: tuple[str, ...]


def kinds_of(
    frame: pd.DataFrame,
    name: str,
    categorical: Sequence[str],
    numeric: Sequence[str],
    *,
    embeds: bool = False,
) -> Kinds:
    """Decides what the columns of a table are.

    Args:
        frame: columns to learn from.
        name: of the table, for messages.
        categorical: columns that are categories, whatever their values.
        numeric: columns that are numbers.
        embeds: networks learn a vector for each value of a category that has many.

    Raises:
        DataError: a column holds numbers and something else; the message names the first such row.
    """
    columns: list[AnyColumn] = []
    remarks: list[str] = []
    dropped: dict[str, list[str]] = {}
    for label in frame.columns:
        values = frame[label]
        try:
            if label in categorical:
                found: AnyColumn | str = _categories(values, embeds=embeds)
            elif label in numeric:
                found = _numbers(values)
            elif re.fullmatch(r"(Unnamed: \d+)?", label) and _counts_rows(values):
                found = "no name, and the number of the row"
            else:
                found = _guess(values, embeds)
        except DataError as error:
            raise DataError(f"{name}: column {label!r} {error}") from error
        if isinstance(found, str):
            dropped.setdefault(found, []).append(label)
            continue
        columns.append(found)
        if isinstance(found, Numbers) and len(values) >= _LEAST_OWN and _counts_rows(values):
            told = f"column {label!r} counts the rows; if that says nothing, drop = [{label!r}]"
            remarks.append(f"{name}: {told}")
        if isinstance(found, Dates):
            remarks += ambiguous(found.format, f"{name}: dates of column {label!r}")
    for reason, labels in dropped.items():
        remarks.append(f"{name}: {_listed(labels)} left out: {reason}")
    if not columns:
        raise DataError(f"{name}: no column is left to learn from ({'; '.join(remarks)})")
    for most in (32, 16, 8):
        if len(frame) * sum(len(column.inputs) for column in columns) <= _MOST_NUMBERS:
            break
        columns = [_with_fewer(column, frame, most) for column in columns]
        remarks.append(
            f"{name}: the table is large: at most {most} values of a category have an input"
        )
    return Kinds(tuple(columns), tuple(remarks))


def _with_fewer(column: AnyColumn, frame: pd.DataFrame, most: int) -> AnyColumn:
    """Returns a column of which so many values have an input."""
    if not isinstance(column, Categories):
        return column
    found = _categories(frame[column.name], most)
    assert isinstance(found, Categories)
    return found


def ambiguous(format: str, what: str) -> tuple[str, ...]:
    """Returns what to say of dates whose day and month are told apart by their values alone."""
    if format[:5] not in ("%m/%d", "%d/%m"):
        return ()
    return (f"{what} are read as {'month/day' if format.startswith('%m') else 'day/month'}",)


def times(values: pd.Series[Any], name: str) -> tuple[Array, tuple[str, ...]]:
    """Returns numbers or points in time, by which rows can be told apart, `(rows,)` float64.

    And what was decided about them, in sentences.

    Args:
        values: of a column without gaps.
        name: of the table, for messages.

    Raises:
        DataError: they are neither.
    """
    import pandas as pd

    try:
        if pd.api.types.is_datetime64_any_dtype(values):
            return days(values, "ISO8601"), ()
        if pd.api.types.is_numeric_dtype(values):
            return numbers(values), ()
        format = _date_format(pd.Series(named(values)[1], dtype=object))
        if format is None:
            return numbers(values), ()
        return days(values, format), ambiguous(format, f"{name}: dates of column {values.name!r}")
    except DataError as error:
        raise DataError(f"{name}: column {str(values.name)!r} {error} or dates") from error


def _counts_rows(values: pd.Series[Any]) -> bool:
    """Says whether a column is the index that pandas has written beside the others."""
    import pandas as pd

    if not pd.api.types.is_integer_dtype(values) or values.isna().any():
        return False
    numbers = values.to_numpy(np.int64)
    return bool(numbers[0] in (0, 1) and np.all(np.diff(numbers) == 1))


def _listed(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return f"column {labels[0]!r} is"
    shown = [repr(label) for label in labels]
    return f"columns {', '.join(shown if len(shown) <= 4 else [*shown[:3], '...'])} are"


def _guess(values: pd.Series[Any], embeds: bool) -> AnyColumn | str:
    """Returns what a column is, or why there is nothing to learn from it."""
    import pandas as pd

    types = pd.api.types
    if types.is_datetime64_any_dtype(values):
        return _dates(values, "ISO8601")
    if types.is_bool_dtype(values):
        return _categories(values)
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return _numbers(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _categories(values, embeds=embeds)
    codes, names = named(values)
    if len(names) < 2:
        return _categories(values)
    distinct = pd.Series(names, dtype=object)
    are_numbers = pd.to_numeric(distinct, errors="coerce").notna().to_numpy()
    if are_numbers.mean() >= _NUMBERS:
        if not are_numbers.all():
            wrong = int(np.flatnonzero(~are_numbers)[0])
            raise DataError(
                f"has {names[wrong]!r} in row {int(np.argmax(codes == wrong))}, where nearly all "
                "others are numbers; mend it, list the column in data.categorical, or call it "
                f"a gap: read = {{ na_values = [{json.dumps(names[wrong], ensure_ascii=False)}] }}"
            )
        return _numbers(values)
    _refuse_other_numbers(names, codes)
    format = _date_format(distinct)
    if format is not None:
        return _dates(values, format)
    n_there = int(np.sum(codes >= 0))
    if len(names) >= _LEAST_OWN and len(names) > _OWN * n_there:
        return "text with nearly as many values as rows"
    return _categories(values, embeds=embeds)


def _refuse_other_numbers(names: Sequence[str], codes: Array) -> None:
    """Looks for numbers that are written with commas.

    Raises:
        DataError: all values are.
    """
    for pattern, told in ((_THOUSANDS, 'thousands = ","'), (_DECIMAL_COMMA, 'decimal = ","')):
        if any("," in each for each in names) and all(
            pattern.fullmatch(each) or each.lstrip("+-").isdigit() for each in names
        ):
            at = next(index for index, each in enumerate(names) if "," in each)
            raise DataError(
                f"has {names[at]!r} in row {int(np.argmax(codes == at))}; if that is a number, say "
                f"how it is written: read = {{ {told} }} in [data]"
            )


def _date_format(distinct: pd.Series[Any]) -> str | None:
    """Returns how the dates of a column are written; None if not all values are dates."""
    import pandas as pd

    for format in ("ISO8601", *_DATES):
        for part in (distinct.head(_SOME), distinct):
            if pd.to_datetime(part, format=format, errors="coerce", utc=True).isna().any():
                break
        else:
            return format
    return None


def _numbers(values: pd.Series[Any]) -> AnyColumn | str:
    found = numbers(values)
    there = found[~np.isnan(found)][:, None]
    has_gaps = len(there) < len(found)
    if not len(there):
        return "no value in any row"
    if there.min() == there.max() and not has_gaps:
        return "the same value in all rows"
    offset, unit = _ruler(there)
    return Numbers(name=str(values.name), has_gaps=has_gaps, offset=offset, unit=unit)


def _ruler(there: Array) -> tuple[float, float]:
    """Returns what numbers `(rows, 1)` are measured from, and in what unit, for float32 to do.

    Networks scale them by the distance of their quartiles, which outliers do not widen.
    """
    low, middle, high = np.quantile(there, [0.25, 0.5, 0.75])
    spread, largest = high - low, float(np.abs(there).max())
    if spread > 0 and (largest * 2.0**-24 > _ROUNDING * spread or largest > _FLOAT32):
        return float(middle), float(2.0 ** np.floor(np.log2(spread)))
    if need_ruler(there):
        ruler = Ruler.of(there)
        return float(ruler.offset[0]), float(ruler.unit[0])
    return 0.0, 1.0


def _categories(
    values: pd.Series[Any], most: int = MOST_VALUES, *, embeds: bool = False
) -> AnyColumn | str:
    import pandas as pd

    codes, names = named(values)
    found = pd.unique(values.dropna())
    has_gaps = bool(np.any(codes < 0))
    if not names:
        return "no value in any row"
    if len(names) == 1 and not has_gaps:
        return "the same value in all rows"
    counts: Counter[str] = Counter()
    for label, count in zip(names, np.bincount(codes[codes >= 0]), strict=True):
        counts[label] += int(count)
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    kept, kind = ordered[:most], cast(type[Categories | Embedded], Categories)
    if embeds:
        often = [label for label in ordered[:_MOST_EMBEDDED] if counts[label] >= _LEAST_ROWS]
        if len(often) > MOST_VALUES:
            kept, kind = often, Embedded
    return kind(
        name=str(values.name),
        has_gaps=has_gaps,
        values=tuple(sorted(kept)),
        is_text=all(isinstance(value, str) for value in found),
    )


def _dates(values: pd.Series[Any], format: str) -> AnyColumn | str:
    since = days(values, format)
    there = since[~np.isnan(since)]
    if not len(there):
        return "no value in any row"
    if there.min() == there.max() and len(there) == len(since):
        return "the same value in all rows"
    return Dates(
        name=str(values.name),
        has_gaps=len(there) < len(since),
        format=format,
        offset=float(np.floor(np.median(there))),
        has_times=bool(np.any(there % 1)),
    )
