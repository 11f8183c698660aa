"""The data sets that scikit-learn ships: nothing to download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from ..network.config import Task
from .base import Table

#: The data sets by name, with what their targets are for.
BUNDLED: dict[str, tuple[Callable[[], Any], Task]] = {
    "digits": (datasets.load_digits, "classification"),
    "iris": (datasets.load_iris, "classification"),
    "wine": (datasets.load_wine, "classification"),
    "breast_cancer": (datasets.load_breast_cancer, "classification"),
    "diabetes": (datasets.load_diabetes, "regression"),
}


def read_bundled(name: str) -> Table:
    """Reads one of `BUNDLED`; images keep their shape, so that their pixels share a scale."""
    loader, task = BUNDLED[name]
    bunch = loader()
    x = np.asarray(bunch["images"] if "images" in bunch else bunch["data"])
    columns = tuple(str(column) for column in bunch["feature_names"])
    y = np.asarray(bunch["target"])
    if task == "classification":
        y = np.asarray([str(label) for label in bunch["target_names"]])[y]
    return Table(name, x, y, task=task, columns=columns)
