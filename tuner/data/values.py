"""Values of the columns of a frame, as they are in files and in memory: numbers, dates, names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from .rulers import Array

if TYPE_CHECKING:
    import pandas as pd

#: Larger numbers are no measurements, and their squares are no numbers.
_LARGEST = 1e150
#: In a day.
_MICROSECONDS = 86_400_000_000


def check_there(names: Sequence[str], frame: pd.DataFrame, where: str) -> None:
    """Looks whether a table has columns.

    Raises:
        DataError: one is missing.
    """
    there = [str(column) for column in frame.columns]
    known = set(there)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, there, 1)
            some = ", ".join(there if len(there) <= 8 else [*there[:8], "..."])
            hint = f"did you mean {near[0]!r}?" if near else f"there are {some}"
            raise DataError(f"{where}: column {name!r} is missing; {hint}")


def named(values: pd.Series[Any]) -> tuple[Array, list[str]]:
    """Returns the number of each row's value, -1 where it is missing, and the values as text.

    Whole numbers are written as such, also where gaps have made them decimals.

    Raises:
        DataError: values are lists or the like.
    """
    import pandas as pd

    try:
        codes, found = pd.factorize(values, use_na_sentinel=True)
    except TypeError as error:  # of values that cannot be compared
        raise DataError("holds lists or other objects, expected numbers, text or dates") from error
    return codes, [text_of(value) for value in found]


def text_of(value: object) -> str:
    """Returns a value of a category, or a class, as text."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def numbers(values: pd.Series[Any]) -> Array:
    """Returns numbers as float64, NaN where they are missing.

    Raises:
        DataError: a value is no number, or none that can be learned from.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        found = values.to_numpy(np.float64, na_value=np.nan)
    else:
        found = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
        wrong = np.flatnonzero(np.isnan(found) & values.notna().to_numpy())
        if len(wrong):
            raise DataError(f"has {values.iloc[wrong[0]]!r} in row {wrong[0]}, expected numbers")
    with np.errstate(invalid="ignore"):
        wild = np.flatnonzero(np.abs(found) > _LARGEST)
    if len(wild):
        raise DataError(
            f"has {found[wild[0]]:g} in row {wild[0]}, expected numbers of at most {_LARGEST:g}"
        )
    return found


def days(values: pd.Series[Any], format: str) -> Array:
    """Returns points in time as days after 1970 (UTC), float64, NaN where they are missing.

    Raises:
        DataError: a value is not written so.
    """
    import pandas as pd

    points = pd.to_datetime(values, format=format, errors="coerce", utc=True)
    wrong = np.flatnonzero((points.isna() & values.notna()).to_numpy())
    if len(wrong):
        raise DataError(f"has {values.iloc[wrong[0]]!r} in row {wrong[0]}, expected dates")
    since = points.dt.tz_localize(None).to_numpy("datetime64[us]")
    found = since.astype(np.int64) / _MICROSECONDS
    found[np.isnat(since)] = np.nan
    return found
