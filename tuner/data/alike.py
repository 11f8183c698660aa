"""New rows in files: laid out as those that were learned from, or below a line of names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from .columns import Encoding
from .frames import is_text, peek, read_frame

if TYPE_CHECKING:
    import pandas as pd

#: What a name may be, and a value, too.
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+")


def read_alike(path: Path, encoding: Encoding) -> pd.DataFrame:
    """Reads new rows, with or without the targets.

    A line of names, where there is one, says which column is which; else the order of the columns
    that were learned from does.

    Args:
        path: as `read_frame` takes it.
        encoding: of the rows that were learned from.

    Raises:
        DataError: it cannot be read, or nothing says which column is which.
    """
    layout = {key: value for key, value in encoding.layout.items() if key != "usecols"}
    if not layout or not is_text(path) or _has_names(path, encoding):
        return read_frame(path, encoding.read, encoding.as_text)
    if "names" in layout:
        layout["names"] = _names(path, encoding)
    return read_frame(path, {**encoding.read, **layout}, encoding.as_text)


def _has_names(path: Path, encoding: Encoding) -> bool:
    """Says whether the first line is one of names: it has all that are needed, or most are known.

    Of these one may be wrong, which is then told as a column that is missing. Where names are
    numbers a row of values may look alike: then they must be all of them, in their order.
    """
    values = [str(value) for value in peek(path, encoding.read).to_numpy()[0]]
    needed, names = [column.name for column in encoding.columns], _all_names(encoding)
    if all(_NUMBER.fullmatch(name) for name in (*needed, *names)):
        return values in (needed, names, [name for name in names if name not in encoding.targets])
    known, first = {*needed, *encoding.targets, *names}, {*values}
    return {*needed} <= first or 2 * len(first & known) > len(first)


def _all_names(encoding: Encoding) -> list[str]:
    """Returns the names that the study file gave to columns; [] where it gave none."""
    return [str(name) for name in encoding.layout.get("names", ())]


def _names(path: Path, encoding: Encoding) -> list[str]:
    """Returns the names of columns that have none in the file, by how many there are.

    Raises:
        DataError: they are neither all, nor all but the targets.
    """
    layout, names = dict(encoding.layout), _all_names(encoding)
    del layout["names"]
    others = [name for name in names if name not in encoding.targets]
    if layout.pop("usecols", None) is not None:
        raise DataError(f"{path}: needs a line of names, since read.usecols has chosen columns")
    n = len(peek(path, {**encoding.read, **layout}).columns)
    if n not in (len(names), len(others)):
        raise DataError(
            f"{path}: has {n} columns without a line of names; expected the {len(names)} of "
            f"read.names, or the {len(others)} of them that are not predicted"
        )
    return names if n == len(names) else others
