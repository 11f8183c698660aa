"""What is logged of a network after each epoch: its loss and its metrics on a part of the data."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .config import Extra
from .metrics import Predicted, accuracy, extra_score, r2
from .perceptron import Perceptron


def scores(
    model: Perceptron,
    outputs: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    extra: Extra | None = None,
) -> dict[str, Tensor]:
    """Computes at once what is logged of a model for a whole part of the data.

    Args:
        model: decides the task and the targets' unit.
        outputs: `(rows, n_outputs)`, logits or standardized predictions.
        y: `(rows,)` classes, or targets in their own unit.
        weights: `(rows,)`, at least 0, of the rows.
        extra: metric that is logged beside the usual ones.

    Returns:
        `loss`, `accuracy` or `r2` and `rmse`, and the extra one, each of shape ().
    """
    if weights is not None:
        weights = weights.to(outputs.dtype)
        weights = weights / weights.mean()
    loss = model.loss(outputs, y, weights=weights)
    found = {"loss": loss}
    rows = Predicted(outputs, y, torch.ones_like(outputs[:, 0]) if weights is None else weights)
    if model.task == "classification":
        found["accuracy"] = accuracy(rows)
    else:
        # In the deviation of each target, in which squares are neither infinite nor 0.
        rows = replace(rows, y=model.standardized(y, outputs))
        unit = model.target_scale.max()
        share = (model.target_scale / unit).square()
        squares = rows.mean((outputs - rows.y).square())
        found |= {"r2": r2(rows), "rmse": (squares * share).mean().sqrt() * unit}
    if extra is not None:
        found[extra.name] = extra_score(extra, rows, model.target_scale)
    return found
