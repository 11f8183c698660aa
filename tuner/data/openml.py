"""Data sets of openml.org, through scikit-learn's reader and cache."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml

from ..errors import DataError
from ..system import paths
from .base import Table

#: Seconds without an answer after which the server counts as out of reach.
TIMEOUT = 30


@contextmanager
def _impatient() -> Iterator[None]:
    """Gives sockets a time limit, which fetch_openml sets none of."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def fetch(name: str, **options: Any) -> Any:
    """Calls scikit-learn's `fetch_openml` with our cache, and translates its errors.

    Raises:
        DataError: there is no such data set, or the server is out of reach.
    """
    try:
        with _impatient(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A network error occurred", UserWarning)
            return fetch_openml(
                name, data_home=str(paths.cache()), parser="liac-arff", n_retries=1, **options
            )
    except (OSError, ValueError, HTTPException) as error:
        raise DataError(f"openml:{name}: cannot be fetched ({error})") from error


def read_openml(name: str) -> Table:
    """Reads the active version of a data set; its categories become one input each.

    Raises:
        DataError: there is no such data set, the server is out of reach, the set names no
            target, or an input is text.
    """
    bunch = fetch(name, as_frame=True)
    if bunch.target is None:
        raise DataError(f"openml:{name}: the data set names no target column")
    frame = pd.DataFrame(bunch.data)
    categories = frame.select_dtypes("category").columns
    for column in categories:
        if frame[column].isna().any():
            row = int(frame[column].isna().to_numpy().argmax())
            raise DataError(f"openml:{name}: x has no value in row {row}, column {column!r}")
    frame = pd.get_dummies(frame, columns=list(categories))
    text = [column for column in frame.columns if not pd.api.types.is_numeric_dtype(frame[column])]
    if text:
        raise DataError(
            f"openml:{name}: column {text[0]!r} is text, expected numbers or categories"
        )
    is_class = isinstance(bunch.target, pd.Series) and not pd.api.types.is_numeric_dtype(
        bunch.target
    )
    y = np.asarray(bunch.target, dtype=object if is_class else np.float64)
    return Table(
        f"openml:{name}",
        frame.to_numpy(np.float64),
        y,
        task="classification" if is_class else "regression",
        columns=tuple(str(column) for column in frame.columns),
    )
