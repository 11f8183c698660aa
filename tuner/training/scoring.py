"""How a trained MLP does on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
