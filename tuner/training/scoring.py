"""How a trained MLP does on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import EVALUATION_ROWS, Dataset
from ..network.checkpoints import ensemble_of, from_checkpoint
from ..network.ensemble import Ensemble
from ..network.perceptron import Perceptron, scores

#: Variance of standardized targets that is none but of rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Tested:
    """What one network scored on the test rows.

    Attributes:
        scores: `test_loss`, and `test_accuracy`, or `test_rmse` and `test_r2`, as Lightning logs
            them.
        errors: standard error of each for other rows of the same kind.
    """

    scores: Mapping[str, float]
    errors: Mapping[str, float]


def test_mlp(checkpoint: bytes, dataset: Dataset) -> Tested:
    """Scores a trained MLP on the test rows.

    Args:
        checkpoint: of the network, which holds the standardization of its own training rows.
        dataset: with the test rows.
    """
    model = from_checkpoint(checkpoint)
    return _tested(model, model, dataset)


def test_ensemble(checkpoint: bytes, dataset: Dataset) -> Tested:
    """Scores the networks of a file on the test rows, their predictions averaged.

    Args:
        checkpoint: of networks whose training rows were the same.
        dataset: with the test rows.
    """
    ensemble = ensemble_of(checkpoint)
    return _tested(ensemble, ensemble.first, dataset)


@torch.no_grad()
def _tested(predictor: Perceptron | Ensemble, model: Perceptron, dataset: Dataset) -> Tested:
    """Scores what predicts, whose task and unit a model knows."""
    predictor.eval()
    x, y = (torch.from_numpy(values) for values in (dataset.test.x, dataset.test.y))
    outputs = torch.cat([predictor.outputs(rows) for rows in torch.split(x, EVALUATION_ROWS)])
    found = scores(model, outputs, y)
    return Tested(
        {f"test_{name}": float(value) for name, value in found.items()},
        {f"test_{name}": error for name, error in _errors(model, outputs, y).items()},
    )


@dataclass(frozen=True)
class Measured:
    """How good predictions for the test rows are, by all usual metrics.

    Attributes:
        metrics: by their names, without spaces; see `measure`.
        confusion: `(classes, classes)` rows of each class by the class that was predicted, in the
            order of the classes; () in a regression.
    """

    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]


@torch.no_grad()
def measure(checkpoint: bytes, dataset: Dataset) -> Measured:
    """Measures what the networks of a file predict together for the test rows.

    In a classification `accuracy`, `balanced_accuracy`, `f1` (of the rarer class of two, else the
    mean over the classes), `roc_auc` (one class against the rest; left out if the test rows lack
    one), `log_loss` and `brier` (Brier 1950: the mean square of two classes, the sum over more); in
    a regression `rmse`, `mae`, `median_absolute_error` and `r2`, the means over several targets.

    Args:
        checkpoint: of networks whose training rows were the same.
        dataset: with the test rows, two at least.
    """
    from sklearn import metrics

    ensemble = ensemble_of(checkpoint).eval()
    x, y = torch.from_numpy(dataset.test.x), dataset.test.y
    outputs = torch.cat([ensemble(rows) for rows in torch.split(x, EVALUATION_ROWS)]).double()
    if dataset.task == "regression":
        found, y = outputs.numpy(), y.astype(np.float64)
        return Measured(
            {
                "rmse": float(metrics.root_mean_squared_error(y, found)),
                "mae": float(metrics.mean_absolute_error(y, found)),
                "median_absolute_error": float(metrics.median_absolute_error(y, found)),
                "r2": float(metrics.r2_score(y, found)),
            },
            (),
        )
    shares = functional.softmax(outputs, 1).numpy()
    likely, labels = shares.argmax(1), np.arange(len(dataset.classes))
    counts = metrics.confusion_matrix(y, likely, labels=labels)
    there = counts.sum(1) > 0
    squares = np.square(shares - np.eye(len(labels))[y]).sum(1).mean()
    told = {
        "accuracy": float(np.mean(likely == y)),
        "balanced_accuracy": float((counts.diagonal()[there] / counts.sum(1)[there]).mean()),
        "f1": _f1(dataset, y, likely),
        "log_loss": float(metrics.log_loss(y, shares, labels=labels)),
        "brier": float(squares / 2 if len(labels) == 2 else squares),
    }
    if there.all():
        sides = shares[:, 1] if len(labels) == 2 else shares
        told["roc_auc"] = float(metrics.roc_auc_score(y, sides, multi_class="ovr"))
    return Measured(told, tuple(tuple(int(n) for n in row) for row in counts))


def _f1(dataset: Dataset, y: np.ndarray[Any, Any], likely: np.ndarray[Any, Any]) -> float:
    from sklearn.metrics import f1_score

    if len(dataset.classes) == 2:
        rarer = int(np.bincount(dataset.known.y, minlength=2).argmin())
        return float(f1_score(y, likely, pos_label=rarer, zero_division=0))
    return float(f1_score(y, likely, average="macro", zero_division=0))


def _errors(model: Perceptron, outputs: Tensor, y: Tensor) -> dict[str, float]:
    """Returns the standard error of each score that comes from the rows being a sample.

    Of a mean over rows it is the standard deviation of its terms over the root of their number. The
    others are functions of such means, by the delta method: their terms are replaced by the
    influence of each row.

    Args:
        model: decides the task and the targets' unit.
        outputs: `(rows, n_outputs)`, logits or standardized predictions.
        y: `(rows,)` classes, or targets in their own unit.
    """
    if len(y) < 2:  # which says nothing of others
        return {}
    outputs = outputs.double()
    if model.task == "classification":
        losses = functional.cross_entropy(outputs, y, reduction="none")
        right = (outputs.argmax(1) == y).double()
        return {"loss": _of_mean(losses), "accuracy": _of_share(right)}
    scale, mean = model.target_scale.double(), model.target_mean.double()
    targets = (y.double().view_as(outputs) - mean) / scale
    squares = (outputs - targets).square()
    unit = scale.max()
    own = ((scale / unit).square() * squares).mean(1)  # of the largest deviation, squared
    distances = (targets - targets.mean(0)).square()
    varies = distances.mean(0) > _ROUNDING  # of the others R2 is what it is by convention
    spread = torch.where(varies, distances.mean(0), 1.0)
    unexplained = squares.mean(0) / spread
    influence = torch.where(varies, (squares - unexplained * distances) / spread, 0.0).mean(1)
    rmse = own.mean().sqrt()
    return {
        "loss": _of_mean(squares.mean(1)),
        "rmse": _of_mean(own) / float(2 * rmse) * float(unit) if rmse > 0 else 0.0,
        "r2": _of_mean(influence),
    }


def _of_mean(terms: Tensor) -> float:
    """Returns the standard error of the mean of `(rows,)`, two at least."""
    return float(terms.std() / len(terms) ** 0.5)


def _of_share(right: Tensor) -> float:
    """Returns the standard error of the share of rows `(rows,)` that are 1 and not 0.

    Two rows that are right and two that are wrong are added first (Agresti and Coull 1998,
    Approximate is better than "exact"), since otherwise a share of 1 would be sure, however few the
    rows.
    """
    return _of_mean(torch.cat([right, right.new_tensor([1.0, 1.0, 0.0, 0.0])]))
