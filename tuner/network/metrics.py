"""Metrics of predictions, as scikit-learn defines them, computed where the predictions lie.

Each takes what a network puts out, and targets, of whole parts of the data, and nothing in it asks
the device for a number, so that a GPU's graph can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from .config import Extra, Task


@dataclass(frozen=True)
class Predicted:
    """What a network says of rows, and what is true.

    Attributes:
        outputs: `(rows, classes)` logits, or `(rows, targets)` values in their own unit.
        y: `(rows,)` classes, or targets as the outputs.
        weights: `(rows,)`, at least 0, of the rows; their sum is above 0.
        rarer: of two classes, the one that there is less of; None of more.
    """

    outputs: Tensor
    y: Tensor
    weights: Tensor
    rarer: int | None = None

    def mean(self, of_rows: Tensor) -> Tensor:
        """Returns the weighted mean of `(rows, ...)` over the rows."""
        weights = self.weights.view(-1, *[1] * (of_rows.ndim - 1))
        return (of_rows * weights).sum(0) / self.weights.sum()

    @property
    def shares(self) -> Tensor:
        """Probabilities of the classes, `(rows, classes)`."""
        return functional.softmax(self.outputs, 1)

    @property
    def truth(self) -> Tensor:
        """The classes one-hot, `(rows, classes)`."""
        return functional.one_hot(self.y, self.outputs.shape[1]).to(self.outputs.dtype)

    @property
    def answers(self) -> Tensor:
        """The most likely classes one-hot, `(rows, classes)`."""
        n = self.outputs.shape[1]
        return functional.one_hot(self.outputs.argmax(1), n).to(self.outputs.dtype)


def accuracy(rows: Predicted) -> Tensor:
    """Share of the rows whose most likely class is the true one."""
    return rows.mean((rows.outputs.argmax(1) == rows.y).to(rows.outputs.dtype))


def balanced_accuracy(rows: Predicted) -> Tensor:
    """The mean share over the classes that there are."""
    there, right = rows.mean(rows.truth), rows.mean(rows.truth * rows.answers)
    return _mean_where(there > 0, right / there)


def f1(rows: Predicted) -> Tensor:
    """F1 of the rarer class of two; else its mean over the classes that are true or predicted."""
    truth, answers = rows.truth, rows.answers
    both, either = rows.mean(truth * answers), rows.mean(truth + answers)
    of_classes = torch.where(either > 0, 2 * both / either, 0.0)
    return _mean_where(either > 0, of_classes) if rows.rarer is None else of_classes[rows.rarer]


def roc_auc(rows: Predicted) -> Tensor:
    """The area under the ROC curve, of more than two classes the mean of each against the others.

    Classes that no row or every row has do not count; without any it is what a coin has, 0.5.
    """
    shares, truth = _exact(rows.shares), _exact(rows.truth)
    if rows.outputs.shape[1] == 2:
        shares, truth = shares[:, 1:], truth[:, 1:]
    weights = _exact(rows.weights).unsqueeze(1)
    of_class, of_others = (truth * weights).t(), ((1 - truth) * weights).t()
    ordered, order = shares.t().contiguous().sort(1)
    below = functional.pad(of_others.gather(1, order).cumsum(1), (1, 0))
    places = (torch.searchsorted(ordered, ordered, right=right) for right in (False, True))
    # A pair of the same probability counts half.
    beaten = sum(below.gather(1, each) for each in places) / 2
    won = (of_class.gather(1, order) * beaten).sum(1)
    pairs = of_class.sum(1) * of_others.sum(1)
    return torch.where((pairs > 0).any(), _mean_where(pairs > 0, won / pairs), 0.5)


def log_loss(rows: Predicted) -> Tensor:
    """The mean of minus the logarithm of the true class's probability."""
    return rows.mean(functional.cross_entropy(rows.outputs, rows.y, reduction="none"))


def brier(rows: Predicted) -> Tensor:
    """The mean squared distance of the probabilities (Brier 1950): of the one of two, or of all."""
    squares = (rows.shares - rows.truth).square().sum(1)
    return rows.mean(squares / 2 if rows.outputs.shape[1] == 2 else squares)


def rmse(rows: Predicted) -> Tensor:
    """The root of the mean square of the errors, the mean over the targets."""
    return rows.mean((rows.outputs - rows.y).square()).sqrt().mean()


def mae(rows: Predicted) -> Tensor:
    """The mean of the absolute errors."""
    return rows.mean((rows.outputs - rows.y).abs()).mean()


def median_absolute_error(rows: Predicted) -> Tensor:
    """The median of the absolute errors, of several targets their mean."""
    ordered, order = (rows.outputs - rows.y).abs().sort(0)
    reached = _exact(rows.weights)[order].cumsum(0)
    half = reached[-1] / 2
    lower = (reached < half).sum(0, keepdim=True).clamp(max=len(ordered) - 1)
    upper = (reached <= half).sum(0, keepdim=True).clamp(max=len(ordered) - 1)
    return ((ordered.gather(0, lower) + ordered.gather(0, upper)) / 2).mean()


def r2(rows: Predicted) -> Tensor:
    """The share of the variance that is explained, the mean over the targets.

    Of a target that is constant 1 if it is met, else 0.
    """
    residual = rows.mean((rows.outputs - rows.y).square())
    spread = rows.mean((rows.y - rows.mean(rows.y)).square())
    constant = torch.where(residual == 0, 1.0, 0 * residual)
    return torch.where(spread > 0, 1 - residual / spread, constant).mean()


def _exact(values: Tensor) -> Tensor:
    """Returns numbers of which many can be added up; Apple's GPUs have no longer ones."""
    return values if values.device.type == "mps" else values.double()


def _mean_where(counts: Tensor, values: Tensor) -> Tensor:
    """Returns the mean of those values `(n,)` that count."""
    return torch.where(counts, values, 0.0).sum() / counts.sum()


#: Metrics of each task, by their names.
METRICS: Mapping[Task, Mapping[str, Callable[[Predicted], Tensor]]] = {
    "classification": {
        each.__name__: each for each in (accuracy, balanced_accuracy, f1, roc_auc, log_loss, brier)
    },
    "regression": {each.__name__: each for each in (rmse, mae, median_absolute_error, r2)},
}


#: Which of them depend on the unit of the targets, and go with it.
_IN_UNITS = ("rmse", "mae", "median_absolute_error")


def extra_score(extra: Extra, rows: Predicted, unit: Tensor) -> Tensor:
    """Computes the metric that is scored beside the usual ones, of shape ().

    Args:
        extra: the metric.
        rows: of a regression, in standardized targets.
        unit: `(targets,)`, of the standardized targets in their own unit.
    """
    rows = replace(rows, rarer=extra.rarer)
    if extra.name in _IN_UNITS:
        rows = replace(rows, outputs=rows.outputs * unit, y=rows.y * unit)
    return METRICS[extra.task][extra.name](rows)
