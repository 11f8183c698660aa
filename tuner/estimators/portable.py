"""A predictor as one torch module that takes columns, without pandas and without this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..data.columns import Dates, Embedded, Encoding, Numbers, Values
from ..data.values import days
from ..network.ensemble import Ensemble

Array = np.ndarray[Any, np.dtype[Any]]

#: What stands for a value of a category that has no place, and for one that is missing.
OTHER, MISSING = -1, -2


class Portable(nn.Module):
    """Predicts for columns.

    A column of numbers is float64 `(rows, 1)`, NaN where it is missing; one of dates likewise, in
    days after 1970 (UTC); one of categories is int64 `(rows, 1)`: the place of the value among
    those that are named, or `OTHER`, or `MISSING`. Without an encoding there is one matrix of
    numbers `(rows, n_inputs)`.

    Args:
        ensemble: networks that predict together.
        encoding: how columns become inputs, if they do.
    """

    def __init__(self, ensemble: Ensemble, encoding: Encoding | None) -> None:
        super().__init__()
        self.ensemble, self._columns = ensemble, () if encoding is None else encoding.columns
        self._is_regression = ensemble.first.task == "regression"
        self.eval()

    def forward(self, *columns: Tensor) -> tuple[Tensor, Tensor] | Tensor:
        """Returns classes `(rows,)` and probabilities `(rows, classes)`, or values `(rows, n)`."""
        if self._columns:
            pairs = zip(self._columns, columns, strict=True)
            x = torch.cat([_inputs(column, values) for column, values in pairs], 1)
        else:
            (x,) = columns
        outputs: Tensor = self.ensemble(x)
        if self._is_regression:
            return outputs
        return outputs.argmax(1), functional.softmax(outputs, 1)


def _inputs(column: Any, values: Tensor) -> Tensor:
    """Returns the inputs of a column `(rows, inputs)` float32, as `Column.write` has them."""
    missing = values == MISSING if isinstance(column, Values) else values.isnan()
    match column:
        case Numbers():
            found = [((values - _exact(column.offset)) / _exact(column.unit)).clamp(-3e38, 3e38)]
        case Dates():
            found = [values - _exact(column.offset)]
            for length in map(_exact, column.rounds.values()):
                angle = _exact(2 * np.pi) * torch.remainder(values, length) / length
                found += [angle.sin(), angle.cos()]
        case Embedded():
            found = [values.clamp(min=OTHER) + 1]
        case _:
            found = [values == torch.arange(len(column.values))]
    parts = [each.float() for each in found]
    return torch.cat([*parts, missing.float()] if column.has_gaps else parts, 1)


def _exact(number: float) -> Tensor:
    """Returns a number as it is; ONNX rounds those of Python to float32."""
    return torch.tensor(number, dtype=torch.float64)


def made_up(ensemble: Ensemble, encoding: Encoding | None, n: int) -> tuple[Any, list[Array]]:
    """Makes rows up that lie where the training rows did, and some that are new or have gaps.

    Args:
        ensemble: knows middle and scale of each input.
        encoding: of the columns, if there are any.
        n: rows.

    Returns:
        A frame, or a matrix of numbers, as a predictor takes them; and the same as what ONNX takes:
        columns of numbers and days, float64 `(n, 1)`, and of text `(n, 1)`, "" where it is missing;
        or a matrix.
    """
    generator, first = np.random.default_rng(0), ensemble.first
    scale = first.input_scale.double().numpy()
    scale = np.where(np.isfinite(scale), scale, 0.0)
    x = first.input_mean.double().numpy() + 2 * scale * generator.standard_normal((n, len(scale)))
    if encoding is None:
        if first.input_offset is None or first.input_unit is None:
            x = x.astype(np.float32)
        else:
            x = x * first.input_unit.numpy() + first.input_offset.numpy()
        return x, [x]
    import pandas as pd

    frame: dict[str, pd.Series[Any]] = {}
    columns, at = [], 0
    for column in encoding.columns:
        gaps = generator.random(n) < 0.1
        if isinstance(column, Values):
            gaps &= "" not in column.values  # else the text of a gap is that of a value
            named = np.array([*column.values, "a value that is new"], object)
            texts = generator.choice(named, n)
            texts[gaps] = ""
            frame[column.name] = pd.Series(texts).where(~gaps)
            columns.append(texts[:, None])
        else:
            values = x[:, at].copy()
            if isinstance(column, Dates):
                since = (values + column.offset) * 86_400
                points = pd.to_datetime(np.clip(since, -5e9, 8e9).round(), unit="s")
                frame[column.name] = pd.Series(points).where(~gaps)
                values = days(frame[column.name], column.format)
            else:
                values = values * column.unit + column.offset
                values[gaps] = np.nan
                frame[column.name] = pd.Series(values)
            columns.append(values[:, None])
        at += len(column.inputs)
    return pd.DataFrame(frame), columns


def places_of(column: Values) -> dict[str, int]:
    """Returns what stands for each text of a column of categories that has a place, or is none."""
    return {"": MISSING} | column.place_of


def places(columns: Sequence[Array], encoding: Encoding | None) -> list[Tensor]:
    """Returns what ONNX takes as what `Portable` takes."""
    if encoding is None:
        return [torch.from_numpy(each) for each in columns]
    found = []
    for column, values in zip(encoding.columns, columns, strict=True):
        if isinstance(column, Values):
            place = places_of(column)
            codes = [place.get(value, OTHER) for value in values[:, 0]]
            found.append(torch.tensor(codes, dtype=torch.int64).unsqueeze(1))
        else:
            found.append(torch.from_numpy(values))
    return found
