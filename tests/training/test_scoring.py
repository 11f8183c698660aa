"""How sure a test score is, by itself: against the bootstrap, which resamples the rows."""

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import calibration_curve
from sklearn.metrics import check_scoring, confusion_matrix, f1_score, make_scorer

from tuner.data import Dataset, Part, load
from tuner.network.checkpoints import to_checkpoint
from tuner.network.config import MLPConfig
from tuner.network.perceptron import Perceptron
from tuner.network.scores import scores
from tuner.results.arms import share_error
from tuner.training import scoring
from tuner.training.scoring import measure
from tuner.training.scoring import test_mlp as scored


def network(source: str) -> Perceptron:
    """A network of initial weights, which scores badly, and differently on each row."""
    dataset = load(source, Path())
    facts, norm = dataset.facts, dataset.standardization
    torch.manual_seed(0)
    model = Perceptron(MLPConfig(width=16), facts.n_inputs, facts.n_outputs, facts.task)
    columns = (norm.input_mean, norm.input_scale, norm.target_mean, norm.target_scale)
    model.standardize(*map(torch.from_numpy, columns))
    return model.eval()


def check(
    model: Perceptron, dataset: Dataset, found: scoring.Tested, metric: str, rel: float
) -> None:
    """Compares a test score and its error with those of the bootstrap."""
    x, y = torch.from_numpy(dataset.test.x), torch.from_numpy(dataset.test.y)
    with torch.no_grad():
        outputs = model.outputs(x)

    def score(index: np.ndarray) -> float:  # type: ignore[type-arg]
        rows = torch.from_numpy(index)
        return float(scores(model, outputs[rows], y[rows], extra=dataset.extra)[metric])

    resampled = stats.bootstrap(
        (np.arange(len(y)),), score, vectorized=False, n_resamples=600, method="percentile",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    error = found.errors[f"test_{metric}"]
    assert error == pytest.approx(resampled.standard_error, rel=rel)
    assert found.scores[f"test_{metric}"] == pytest.approx(score(np.arange(len(y))), rel=1e-5)


@pytest.mark.parametrize(
    ("source", "metric"),
    [
        ("digits", "accuracy"),
        ("digits", "loss"),
        ("diabetes", "rmse"),
        ("diabetes", "r2"),
        ("diabetes", "loss"),
    ],
)
def test_the_error_of_other_rows_is_that_of_the_bootstrap(source: str, metric: str) -> None:
    """Else the error bar of a test score is one of something else."""
    model, dataset = network(source), load(source, Path())
    found = scored(to_checkpoint(model), dataset)
    check(model, dataset, found, metric, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "metric"),
    [("breast_cancer", "f1"), ("digits", "roc_auc"), ("diabetes", "mae")],
)
@pytest.mark.parametrize("many", [False, True])
def test_the_error_of_another_metric(
    source: str, metric: str, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many rows it is that of some of them, less by the root of how many there are."""
    model, dataset = network(source), replace(load(source, Path()), metric=metric)
    if many:
        monkeypatch.setattr(scoring, "_DRAWN_ROWS", 60)
    monkeypatch.setattr(scoring, "_RESAMPLES", 400)
    found = scored(to_checkpoint(model), dataset)
    check(model, dataset, found, metric, rel=0.4 if many else 0.2)


def test_rows_count_in_the_error_of_a_score() -> None:
    """A row of weight 2 is as two rows to the mean, and a tenth of the weight is as few rows."""
    model, dataset = network("digits"), load("digits", Path())
    weights = np.full(len(dataset.test), 0.01, np.float32)
    weights[:40] = 1.0
    heavy = replace(dataset, test=replace(dataset.test, weights=weights))
    few = replace(dataset, test=dataset.test.rows(np.arange(40)))
    one, other = (scored(to_checkpoint(model), each) for each in (heavy, few))
    for name in ("test_loss", "test_accuracy"):
        assert one.scores[name] == pytest.approx(other.scores[name], rel=0.1)
        assert one.errors[name] == pytest.approx(other.errors[name], rel=0.25)


def test_rows_that_say_nothing_of_others_have_no_error() -> None:
    """Else an error of 0 is told, or one that is no number keeps best.json from being read."""
    model, dataset = network("diabetes"), load("diabetes", Path())
    one = replace(dataset, test=dataset.test.rows(np.arange(1)))
    assert scored(to_checkpoint(model), one).errors == {}
    flat = Part(dataset.test.x, np.full_like(dataset.test.y, 150.0))
    errors = scored(to_checkpoint(model), replace(dataset, test=flat)).errors
    assert errors["test_r2"] == 0.0
    assert np.isfinite(list(errors.values())).all()


def test_a_network_that_is_right_on_all_test_rows_is_not_sure() -> None:
    """Else its score is told with an error of 0, however few the rows."""
    model, dataset = network("digits"), load("digits", Path())
    with torch.no_grad():
        answers = model.outputs(torch.from_numpy(dataset.test.x)).argmax(1).numpy()
    agreed = replace(dataset, test=Part(dataset.test.x, answers.astype(dataset.test.y.dtype)))
    found = scored(to_checkpoint(model), agreed)
    assert found.scores["test_accuracy"] == 1.0
    n = len(answers)
    expected = share_error(1.0, n)
    assert found.errors["test_accuracy"] == pytest.approx(expected, rel=0.01)
    assert 1 / n < expected < 2 / n


@pytest.mark.parametrize("source", ["digits", "breast_cancer"])
def test_all_metrics_of_a_classification(source: str) -> None:
    """Those of scikit-learn's scorers for a classifier that predicts the same."""
    model, dataset = network(source), load(source, Path())
    found = measure(to_checkpoint(model), dataset)
    x, y = dataset.test.x, dataset.test.y

    class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(len(dataset.classes))

        def fit(self, x: object, y: object) -> Self:
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            with torch.no_grad():
                return model(torch.from_numpy(x)).double().softmax(1).numpy()

        def predict(self, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return self.predict_proba(x).argmax(1)

    two = len(dataset.classes) == 2
    rarer = make_scorer(f1_score, pos_label=int(np.bincount(dataset.known.y).argmin()))
    scorers: dict[str, object] = {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced_accuracy",
        "roc_auc": "roc_auc" if two else "roc_auc_ovr",
        "log_loss": "neg_log_loss",
        "f1": rarer if two else "f1_macro",
        **({"brier": "neg_brier_score"} if two else {}),
    }
    classifier = Classifier().fit(x, y)
    for name, scorer in scorers.items():
        expected = abs(check_scoring(classifier, scorer)(classifier, x, y))
        assert found.metrics[name] == pytest.approx(expected, rel=1e-5), name
    assert np.array_equal(found.confusion, confusion_matrix(y, classifier.predict(x)))
    assert set(found.metrics) == {*scorers, "brier"}
    shares = classifier.predict_proba(x)
    said, so = (shares[:, 1], y) if two else (shares.max(1), shares.argmax(1) == y)
    true, mean = calibration_curve(so, said, n_bins=10)
    assert [each[0] for each in found.calibration] == pytest.approx(list(mean), abs=1e-4)
    assert [each[1] for each in found.calibration] == pytest.approx(list(true), abs=1e-4)
    assert sum(each[2] for each in found.calibration) == len(y)


def test_all_metrics_of_a_regression() -> None:
    model, dataset = network("diabetes"), load("diabetes", Path())
    found = measure(to_checkpoint(model), dataset)
    with torch.no_grad():
        predicted = model(torch.from_numpy(dataset.test.x)).double().numpy()[:, 0]
    errors = np.abs(predicted - dataset.test.y[:, 0].astype(np.float64))
    deviation = dataset.test.y.astype(np.float64).std()
    assert found.confusion == ()
    assert [each[1] for each in found.agreement] == pytest.approx(list(predicted), rel=1e-5)
    assert [each[0] for each in found.agreement] == pytest.approx(list(dataset.test.y[:, 0]))
    assert found.metrics == pytest.approx(
        {
            "rmse": np.sqrt(np.mean(errors**2)),
            "mae": errors.mean(),
            "median_absolute_error": np.median(errors),
            "r2": 1 - np.mean(errors**2) / deviation**2,
        },
        rel=1e-5,
    )


def test_a_class_that_no_test_row_has() -> None:
    """Its share of the mean is left out, and no area under a curve is made up."""
    model, dataset = network("breast_cancer"), load("breast_cancer", Path())
    rows = np.flatnonzero(dataset.test.y == 0)
    found = measure(to_checkpoint(model), replace(dataset, test=dataset.test.rows(rows)))
    assert "roc_auc" not in found.metrics
    assert found.metrics["balanced_accuracy"] == found.metrics["accuracy"]
