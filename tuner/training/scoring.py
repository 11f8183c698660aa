"""How a trained MLP does on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ..data import EVALUATION_ROWS, Dataset
from ..network.checkpoints import ensemble_of, from_checkpoint
from ..network.config import Extra
from ..network.ensemble import Ensemble
from ..network.metrics import METRICS, Predicted, extra_score
from ..network.perceptron import Perceptron
from ..network.scores import scores

#: Variance of standardized targets that is none but of rounding.
_ROUNDING = 1e-12
#: Times that rows are drawn again for the error of a metric, which is then known within 10%, and
#: rows that are drawn from at most.
_RESAMPLES, _DRAWN_ROWS = 50, 5_000
#: Bins of a calibration curve, as scikit-learn has them, and test rows that a report shows at most.
_BINS, _SHOWN = 10, 500


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
    test = dataset.test
    x, y = torch.from_numpy(test.x), torch.from_numpy(test.y)
    weights = None if test.weights is None else torch.from_numpy(test.weights)
    outputs = torch.cat([predictor.outputs(rows) for rows in torch.split(x, EVALUATION_ROWS)])
    found = scores(model, outputs, y, weights, dataset.extra)
    errors = _errors(model, outputs, y, weights, dataset.extra)
    return Tested(
        {f"test_{name}": float(value) for name, value in found.items()},
        {f"test_{name}": error for name, error in errors.items()},
    )


@dataclass(frozen=True)
class Measured:
    """How good predictions for the test rows are, by all usual metrics.

    Attributes:
        metrics: by their names, without spaces; see `measure`.
        confusion: `(classes, classes)` rows of each class by the class that was predicted, in the
            order of the classes; () in a regression.
        calibration: for each tenth of the range of probabilities that has rows, their mean, the
            share of rows that it was true of, and how many rows: of the second class of two, of the
            most likely class of more; () in a regression.
        agreement: true and predicted value of some rows, of the first target; () in a
            classification.
    """

    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()
    calibration: tuple[tuple[float, float, int], ...] = ()
    agreement: tuple[tuple[float, float], ...] = ()


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
    ensemble, test = ensemble_of(checkpoint).eval(), dataset.test
    x, y = torch.from_numpy(test.x), torch.from_numpy(test.y)
    outputs = torch.cat([ensemble(rows) for rows in torch.split(x, EVALUATION_ROWS)]).double()
    weights = torch.ones(len(y)) if test.weights is None else torch.from_numpy(test.weights)
    if dataset.task == "regression":
        y = y.double()
    rows = Predicted(outputs, y, weights.double(), dataset.rarer)
    found = {name: float(metric(rows)) for name, metric in METRICS[dataset.task].items()}
    if dataset.task == "regression":
        some = slice(None, None, -(-len(y) // _SHOWN))
        pairs = torch.stack([rows.y.view(len(y), -1)[some, 0], outputs[some, 0]], 1)
        return Measured(found, agreement=tuple((float(a), float(b)) for a, b in pairs))
    n = len(dataset.classes)
    counts = torch.bincount(n * y + outputs.argmax(1), minlength=n * n).view(n, n)
    if not (counts.sum(1) > 0).all():
        del found["roc_auc"]
    return Measured(found, tuple(tuple(row) for row in counts.tolist()), _calibration(rows))


def _calibration(rows: Predicted) -> tuple[tuple[float, float, int], ...]:
    """Returns mean probability, share of rows, and number of rows of each bin that has rows."""
    shares = rows.shares
    if shares.shape[1] == 2:
        said, so = shares[:, 1], rows.y == 1
    else:
        said, likely = shares.max(1)
        so = likely == rows.y
    bins = (said * _BINS).long().clamp(max=_BINS - 1)
    found = []
    for number in range(_BINS):
        there = bins == number
        if not there.any():
            continue
        counted = rows.weights * there
        of = [float((counted * each).sum() / counted.sum()) for each in (said, so)]
        found.append((round(of[0], 4), round(of[1], 4), int(there.sum())))
    return tuple(found)


def _errors(
    model: Perceptron, outputs: Tensor, y: Tensor, weights: Tensor | None, extra: Extra | None
) -> dict[str, float]:
    """Returns the standard error of each score that comes from the rows being a sample.

    Of a mean over rows it is the standard deviation of its terms over the root of their number. The
    others are functions of such means, by the delta method: their terms are replaced by the
    influence of each row. That of an extra metric is the bootstrap's.

    Args:
        model: decides the task and the targets' unit.
        outputs: `(rows, n_outputs)`, logits or standardized predictions.
        y: `(rows,)` classes, or targets in their own unit.
        weights: `(rows,)`, of the rows, if not all count alike.
        extra: metric beside the usual ones, if there is one.
    """
    if len(y) < 2:  # which says nothing of others
        return {}
    w = outputs.new_ones(len(y)).double() if weights is None else weights.double()
    w = w / w.mean()
    found = {} if extra is None else {extra.name: _bootstrapped(model, outputs, y, w, extra)}
    outputs = outputs.double()
    if model.task == "classification":
        losses = functional.cross_entropy(outputs, y, reduction="none")
        right = (outputs.argmax(1) == y).double()
        return {"loss": _of_mean(losses, w), "accuracy": _of_share(right, w), **found}
    scale, mean = model.target_scale.double(), model.target_mean.double()
    targets = (y.double().view_as(outputs) - mean) / scale
    squares = (outputs - targets).square()
    unit = scale.max()
    own = ((scale / unit).square() * squares).mean(1)  # of the largest deviation, squared

    def mean_of(terms: Tensor) -> Tensor:
        return (terms * w.unsqueeze(1)).mean(0)

    distances = (targets - mean_of(targets)).square()
    varies = mean_of(distances) > _ROUNDING  # of the others R2 is what it is by convention
    spread = torch.where(varies, mean_of(distances), 1.0)
    unexplained = mean_of(squares) / spread
    influence = torch.where(varies, (squares - unexplained * distances) / spread, 0.0).mean(1)
    rmse = (own * w).mean().sqrt()
    return {
        "loss": _of_mean(squares.mean(1), w),
        "rmse": _of_mean(own, w) / float(2 * rmse) * float(unit) if rmse > 0 else 0.0,
        "r2": _of_mean(influence, w),
        **found,
    }


def _bootstrapped(
    model: Perceptron, outputs: Tensor, y: Tensor, weights: Tensor, extra: Extra
) -> float:
    """Returns the standard error of a metric, from rows drawn again (Efron 1979).

    Of many rows some are drawn from; the error goes by the root of how many there are.
    """
    generator, n = torch.Generator().manual_seed(0), min(len(y), _DRAWN_ROWS)
    some = torch.randperm(len(y), generator=generator)[:n]
    y, weights = y[some], weights[some]
    if model.task == "regression":
        y = model.standardized(y, outputs[some])
    rows = Predicted(outputs[some], y, weights)
    found = []
    for _ in range(_RESAMPLES):
        drawn = torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n)
        resampled = replace(rows, weights=drawn * weights)
        found.append(extra_score(extra, resampled, model.target_scale))
    known = torch.stack(found).double()
    return float(known[known.isfinite()].std() * (n / len(outputs)) ** 0.5)


def _of_mean(terms: Tensor, weights: Tensor) -> float:
    """Returns the standard error of the weighted mean of `(rows,)`, two at least.

    Args:
        terms: of the rows.
        weights: of the rows, 1 in the mean.
    """
    return float((weights * (terms - (weights * terms).mean())).std() / len(terms) ** 0.5)


def _of_share(right: Tensor, weights: Tensor) -> float:
    """Returns the standard error of the share of rows `(rows,)` that are 1 and not 0.

    Two rows that are right and two that are wrong are added first (Agresti and Coull 1998,
    Approximate is better than "exact"), since otherwise a share of 1 would be sure, however few the
    rows.
    """
    added = right.new_tensor([1.0, 1.0, 0.0, 0.0])
    weights = torch.cat([weights, torch.ones_like(added)])
    return _of_mean(torch.cat([right, added]), weights / weights.mean())
