"""Arrays in an `.npz` file, as `numpy.savez` writes them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError
from .base import Table
from .rulers import Array

#: What numpy raises for a file that is damaged.
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path) -> Table:
    """Reads `x` and `y`, or `x_train` and `y_train`; `x_test` and `y_test` where they are.

    Raises:
        DataError: the file is missing or no `.npz`, or an array is missing or not plain.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = set(arrays.files)
            prefix = "_train" if "x_train" in names or "y_train" in names else ""
            x, y = _array(path, arrays, f"x{prefix}"), _array(path, arrays, f"y{prefix}")
            if not names & {"x_test", "y_test"}:
                return Table(str(path), x, y)
            x_test, y_test = _array(path, arrays, "x_test"), _array(path, arrays, "y_test")
            return Table(str(path), x, y, x_test, y_test)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (*UNREADABLE, AttributeError, TypeError) as error:
        raise DataError(f"{path}: not an .npz file of arrays ({error})") from error


def read_inputs(path: Path) -> Array:
    """Reads `x` of an `.npz` file.

    Raises:
        DataError: the file is no `.npz`, or the array is missing or not plain.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _array(path, arrays, "x")
    except (*UNREADABLE, AttributeError, TypeError) as error:
        raise DataError(f"{path}: not an .npz file of arrays ({error})") from error


def _array(path: Path, arrays: np.lib.npyio.NpzFile, name: str) -> Array:
    if name not in arrays.files:
        there = ", ".join(arrays.files) or "none"
        raise DataError(f"{path}: array {name!r} is missing (there are: {there})")
    try:
        array: Array = arrays[name]
    except ValueError as error:
        raise DataError(f"{path}: array {name!r} holds Python objects, expected numbers") from error
    return array
