"""What a difference must be to matter: a share of the error left, and of what is learned."""

from __future__ import annotations

import torch

from ...data import Dataset
from ...network.metrics import METRICS, Predicted


def trivial_score(metric: str, dataset: Dataset) -> float:
    """Returns what a network scores that knows the targets' distribution, and no input.

    Args:
        metric: as a study file names it.
        dataset: whose known rows have that distribution.
    """
    known = dataset.known
    y = torch.from_numpy(known.y.copy())
    weights = torch.ones(len(y)) if known.weights is None else torch.from_numpy(known.weights)
    weights = weights.double()
    weights = weights / weights.mean()
    if dataset.task == "classification":
        shares = torch.bincount(y, weights, minlength=len(dataset.classes)) / len(y)
        outputs = shares.log().expand(len(y), -1)  # of each class there are rows
    else:
        y = y.double()
        outputs = (y * weights.unsqueeze(1)).mean(0).expand(len(y), -1)
    rows, name = Predicted(outputs, y, weights, dataset.rarer), metric.removeprefix("val_")
    if name == "rmse":  # over all targets at once
        return float(rows.mean((y - outputs).square()).mean().sqrt())
    if name == "loss":
        if dataset.task == "regression":  # the squared error of standardized targets
            return 1.0
        name = "log_loss"
    return float(METRICS[dataset.task][name](rows))


def one_row(metric: str, dataset: Dataset) -> float:
    """Returns what a validation row is, at most, of a metric that counts rows; 0 of another one."""
    if metric != "val_accuracy":
        return 0.0
    weights = dataset.validation.weights
    if weights is None:
        return 1 / len(dataset.validation_rows)
    return float(weights.max() / weights.sum())


def margin(score: float, trivial: float, sign: int, share: float, least: float = 0.0) -> float:
    """Returns the difference in a metric that does not matter.

    It is a share of the error that is left: what a score lacks of 1, or a loss as it is; but at
    least what two scores can differ by. And it is no more than that share of what is learned, so
    that where nothing is learned nothing is "enough".

    Args:
        score: of the tuned config.
        trivial: as `trivial_score` returns it.
        sign: 1 where more is better, else -1.
        share: from 0 to 1.
        least: difference below which no two scores can be told apart.
    """
    error, learned = abs(score - (1.0 if sign > 0 else 0.0)), sign * (score - trivial)
    return min(max(least, share * error), share * max(0.0, learned))
