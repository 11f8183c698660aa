"""Predictions of a study's winner for new rows: its networks, and what their inputs mean."""

from __future__ import annotations

import copy
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import Meaning, frame_of, is_frame
from ..data.rulers import exact
from ..errors import InputError
from ..network.ensemble import Ensemble
from ..results.best import ensemble_and_meaning, study_name

if TYPE_CHECKING:
    import pandas as pd

    Rows = pd.DataFrame | np.ndarray[Any, Any]

Array = np.ndarray[Any, np.dtype[Any]]

#: Numbers that networks take as they are; others become what they do where networks train.
_TAKEN = (
    *(np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64),
    *(np.float16, np.float32, np.float64),
)
#: Rows that networks take at once, always as many: what they predict for a row does not depend on
#: those beside it.
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class Answers:
    """Predictions for some rows.

    Attributes:
        values: classes `(rows,)`, or numbers `(rows,)`, or `(rows, targets)` for several targets.
        probabilities: of each class `(rows, classes)` float64; None in a regression.
        unknown: of each column that has them, rows with a value that training did not have.
    """

    values: Array
    probabilities: Array | None
    unknown: dict[str, int]


def predictor(study: str | Path, *, single: bool = False) -> Predictor:
    """Returns what predicts with the winner of a study; it needs the study's folder only.

    All networks that were handed over predict together (see `load_ensemble`).

    Args:
        study: its name or its file.
        single: the one network of `load_model` predicts, which takes less time and memory.

    Raises:
        InputError: no trial of it is complete yet, its checkpoint is missing or damaged or of an
            earlier version, or it is a module of the user's.
    """
    ensemble, told = ensemble_and_meaning(study)
    if not told:
        raise InputError(
            f"study {study_name(study)!r} was tuned by an earlier version, whose networks do not "
            f"say what they predict; tuner tune {study} --new makes others, and load_ensemble "
            "loads these"
        )
    found = Predictor(study_name(study), ensemble, Meaning.model_validate_json(told))
    return found.single if single else found


class Predictor:
    """Predicts for rows as people have them.

    Args:
        name: of the study, for messages.
        ensemble: networks that predict together.
        meaning: of their inputs and outputs.

    Attributes:
        study: name of the study.
        task: "classification" or "regression".
        ensemble: as given.
        meaning: as given.
    """

    def __init__(self, name: str, ensemble: Ensemble, meaning: Meaning) -> None:
        self.study, self.task = name, meaning.task
        self.ensemble, self.meaning = ensemble.eval(), meaning

    @property
    def single(self) -> Predictor:
        """What predicts with its first network alone."""
        return Predictor(self.study, Ensemble([self.ensemble.first]), self.meaning)

    @cached_property
    def _exact(self) -> Ensemble:
        """The networks in float64, in which they predict."""
        return copy.deepcopy(self.ensemble).double()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_exact"}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a table that it needs; () where rows are numbers alone."""
        encoding = self.meaning.encoding
        return () if encoding is None else tuple(column.name for column in encoding.columns)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns that it predicts; () where rows are numbers alone."""
        return () if self.meaning.encoding is None else self.meaning.encoding.targets

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.meaning.classes

    @property
    def classes(self) -> Array:
        """The classes `(classes,)`, in the order of the probabilities; empty in a regression.

        As the study's own were: text, True and False, or whole numbers.
        """
        names, called = self.meaning.classes, self.meaning.called
        if called == "switch":
            return np.array([name == "True" for name in names])
        if names and not called and all(re.fullmatch("0|-?[1-9][0-9]*", name) for name in names):
            return np.array([int(name) for name in names])
        return np.array(names, object)

    def predict(self, rows: Rows) -> Array:
        """Returns the most likely class of each row `(rows,)`, or its value or values.

        Args:
            rows: a frame with `columns`, in any order and beside others; or numbers `(rows, ...)`
                as the study's own.

        Raises:
            DataError: a column is missing, or holds values of another kind.
            InputError: rows have another number of inputs.

        Warns:
            UserWarning: rows have a category that training did not have.
        """
        return self._warned(self.answer(rows)).values

    def predict_proba(self, rows: Rows) -> Array:
        """Returns the probability of each class, `(rows, classes)` float64.

        As `predict`, otherwise.

        Raises:
            InputError: it is a regression.
        """
        if self.task == "regression":
            raise InputError(f"study {self.study!r} is a regression, which has no classes")
        probabilities = self._warned(self.answer(rows)).probabilities
        assert probabilities is not None
        return probabilities

    def answer(self, rows: Rows, name: str = "rows") -> Answers:
        """Returns all that is predicted, and how much in the rows was new.

        Args:
            rows: as `predict` takes them.
            name: where they are from, for messages.
        """
        x, unknown = self._inputs(rows, name)
        outputs = self._outputs(x)
        if self.task == "regression":
            return Answers(outputs[:, 0] if outputs.shape[1] == 1 else outputs, None, unknown)
        probabilities = functional.softmax(torch.from_numpy(outputs).double(), 1).numpy()
        return Answers(self.classes[probabilities.argmax(1)], probabilities, unknown)

    def _warned(self, answers: Answers) -> Answers:
        for column, n in answers.unknown.items():
            warnings.warn(
                f"column {column!r} has values in {n} rows that are rare in the training rows or "
                "not there",
                stacklevel=3,
            )
        return answers

    def _inputs(self, rows: Rows, name: str) -> tuple[Array, dict[str, int]]:
        encoding, n_inputs = self.meaning.encoding, self.ensemble.first.n_inputs
        if encoding is not None:
            import pandas as pd

            if is_frame(rows):
                frame = frame_of(rows, name)
            else:
                rows = np.asarray(rows)
                if rows.ndim != 2 or rows.shape[1] != len(self.columns):
                    raise InputError(
                        f"{name}: must have the columns {', '.join(self.columns)}, got the shape "
                        f"{rows.shape}"
                    )
                frame = pd.DataFrame(rows, columns=list(self.columns)).infer_objects()
            encoded = encoding.encode(frame, name)
            return encoded.x, encoded.unknown
        x = np.asarray(rows)
        if x.dtype.kind not in "buif":
            raise InputError(f"{name}: must hold numbers, got {x.dtype}")
        if x.ndim < 2 or int(np.prod(x.shape[1:])) != n_inputs:
            raise InputError(f"{name}: must have {n_inputs} inputs a row, got the shape {x.shape}")
        if x.dtype not in _TAKEN:
            numbers = exact(x)
            if numbers is None:
                row = int(np.argwhere(x > np.iinfo(np.int64).max)[0][0])
                raise InputError(f"{name}: has a whole number of 2 ** 63 or more in row {row}")
            x = numbers
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            row = int(np.argwhere(~np.isfinite(x))[0][0])
            raise InputError(f"{name}: has a value that is not finite in row {row}")
        return x.reshape(len(x), -1), {}

    @torch.inference_mode()
    def _outputs(self, x: Array) -> Array:
        """Returns logits, or targets in their own unit: `(rows, n_outputs)` float32.

        They are computed in float64 and then rounded: the order in which a product is summed may
        depend on where a row stands in its block, as with MKL on processors without AVX-512, and
        what is left of that is far below the last digit of a float32.
        """
        found: list[Tensor] = []
        for first in range(0, len(x), _BLOCK_ROWS):
            block = x[first : first + _BLOCK_ROWS]
            whole = np.zeros((_BLOCK_ROWS, *x.shape[1:]), x.dtype)
            whole[: len(block)] = block
            found.append(self._exact(torch.from_numpy(whole))[: len(block)].float())
        empty = torch.empty(0, self.ensemble.first.n_outputs)
        return torch.cat([empty, *found]).numpy()
