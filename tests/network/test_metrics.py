"""Each metric against scikit-learn's, with and without weights, ties and classes not there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

from tuner.network.config import Extra, MLPConfig
from tuner.network.metrics import METRICS, Predicted
from tuner.network.perceptron import Perceptron
from tuner.network.scores import scores

Expected = Callable[..., float]


def predicted(n_classes: int, *, weighed: bool, n: int = 200) -> Predicted:
    """Predictions that are right more often than not, many of them tied."""
    generator = torch.Generator().manual_seed(n_classes)
    y = torch.randint(n_classes, (n,), generator=generator)
    y[: n_classes - 1] = torch.arange(n_classes - 1)
    outputs = torch.randn(n, n_classes, generator=generator).double().mul(2).round()
    outputs[torch.arange(n), y] += torch.randint(0, 3, (n,), generator=generator)
    weights = torch.rand(n, generator=generator) if weighed else torch.ones(n)
    return Predicted(outputs, y, weights.double(), rarer=1 if n_classes == 2 else None)


def of_classes(rows: Predicted) -> dict[str, Expected]:
    """What scikit-learn computes."""
    n_classes = rows.outputs.shape[1]
    shares, y = rows.shares.numpy(), rows.y.numpy()
    likely, weights = rows.outputs.argmax(1).numpy(), rows.weights.numpy()
    if n_classes == 2:
        f1 = partial(metrics.f1_score, pos_label=1)
        area = partial(metrics.roc_auc_score, y, shares[:, 1])
    else:
        f1 = partial(metrics.f1_score, average="macro")
        area = partial(metrics.roc_auc_score, y, shares, multi_class="ovr")
    brier = partial(metrics.brier_score_loss, labels=np.arange(n_classes))
    return {
        "accuracy": lambda: metrics.accuracy_score(y, likely, sample_weight=weights),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(
            y, likely, sample_weight=weights
        ),
        "f1": lambda: f1(y, likely, sample_weight=weights),
        "roc_auc": lambda: area(sample_weight=weights),
        "log_loss": lambda: metrics.log_loss(y, shares, sample_weight=weights),
        "brier": lambda: brier(y, shares if n_classes > 2 else shares[:, 1], sample_weight=weights),
    }


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", list(METRICS["classification"]))
def test_metrics_of_classes(name: str, n_classes: int, weighed: bool) -> None:
    rows = predicted(n_classes, weighed=weighed)
    found = float(METRICS["classification"][name](rows))
    assert found == pytest.approx(of_classes(rows)[name](), rel=1e-6)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("n_rows", [40, 41])
@pytest.mark.parametrize("name", list(METRICS["regression"]))
def test_metrics_of_numbers(name: str, n_rows: int, weighed: bool) -> None:
    generator = torch.Generator().manual_seed(n_rows)
    y = torch.randn(n_rows, 3, generator=generator).double() * torch.tensor([1.0, 10.0, 0.1])
    outputs = y + torch.randn(n_rows, 3, generator=generator).double()
    weights = torch.rand(n_rows, generator=generator) if weighed else torch.ones(n_rows)
    rows = Predicted(outputs, y, weights.double())
    expected: dict[str, Any] = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "median_absolute_error": metrics.median_absolute_error,
        "r2": metrics.r2_score,
    }
    found = float(METRICS["regression"][name](rows))
    scored = expected[name](y, outputs, sample_weight=weights.double().numpy())
    assert found == pytest.approx(scored, rel=1e-6)


def test_a_class_that_no_row_has() -> None:
    """Else its share is a number that no one can explain, or none."""
    rows = predicted(3, weighed=False)
    there = rows.y != 2
    some = Predicted(rows.outputs[there], rows.y[there], rows.weights[there])
    found = {name: float(metric(some)) for name, metric in METRICS["classification"].items()}
    assert np.isfinite(list(found.values())).all()
    likely = some.outputs.argmax(1)
    assert found["f1"] == pytest.approx(metrics.f1_score(some.y, likely, average="macro"))
    areas = [metrics.roc_auc_score(some.y == each, some.shares[:, each]) for each in (0, 1)]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))


def test_errors_are_told_in_the_unit_of_the_targets() -> None:
    model = Perceptron(MLPConfig(depth=0), 2, 1, "regression")
    unit, mean = torch.tensor([50.0]), torch.tensor([100.0])
    model.standardize(torch.zeros(2), torch.ones(2), mean, unit)
    outputs, y = torch.randn(30, 1), 100 + 50 * torch.randn(30, 1)
    extra = Extra(name="mae", task="regression")
    found = scores(model, outputs, y, extra=extra)["mae"]
    assert float(found) == pytest.approx(
        metrics.mean_absolute_error(y, outputs * unit + mean), rel=1e-5
    )
