"""The estimators as scikit-learn's users use them, held to scikit-learn's own checks."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tuner
from tuner import MLPConfig, TunedMLPClassifier, TunedMLPRegressor

from .test_predictor import rows

CONFIG = MLPConfig(
    depth=1, width=32, batch_size=32, epochs=15, learning_rate=0.04, batch_normalization=False
)
GIVEN: dict[str, Any] = {"config": CONFIG, "workers": 1}


@parametrize_with_checks([TunedMLPClassifier(**GIVEN), TunedMLPRegressor(**GIVEN)])
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    """Without an expected failure."""
    check(estimator)


def searching(kind: type[Any] = TunedMLPClassifier, **more: Any) -> Any:
    """One that searches for as short as can be."""
    search = {"depth": 1, "width": [16, 32], "optimizer": "adamw", "learning_rate": 0.01}
    return kind(**{"trials": 2, "workers": 1, "random_state": 0, "search": search, **more})


@pytest.fixture(scope="module")
def wine() -> Any:
    return train_test_split(*load_wine(return_X_y=True), random_state=0)


@pytest.mark.slow
def test_a_search_inside_fit(wine: Any, project: Path) -> None:
    """Nothing is left on the disk, and the same random state gives the same again."""
    x, x_new, y, y_new = wine
    found = searching().fit(x, y)
    assert found.score(x_new, y_new) > 0.9
    assert found.best_config_.width in (16, 32)
    assert found.best_.confirmed.validation.mean > 0.9
    assert found.best_.confirmed.test is None  # no row was kept back
    assert found.study_ is None
    assert list(project.iterdir()) == [project / "studies"]
    again = searching().fit(x, y)
    assert again.best_config_ == found.best_config_
    assert np.array_equal(again.predict_proba(x_new), found.predict_proba(x_new))
    with pytest.raises(ValueError, match="name it, study="):
        found.report()


@pytest.mark.slow
def test_a_search_that_is_kept(wine: Any, project: Path) -> None:
    x, _, y, _ = wine
    y = np.array(["two", "ten", "one"])[y]
    found = searching(study="wines", random_state=None).fit(x, y)
    assert found.study_ == "wines"
    assert len(tuner.leaderboard("wines")) == 2
    searching(study="wines", random_state=None).fit(x, y)  # goes on, with nothing left to do
    assert len(tuner.leaderboard("wines")) == 2
    assert list(tuner.predictor("wines").predict(pd.DataFrame(x))) == list(found.predict(x))
    assert found.report() == Path("runs/wines/report.html")
    with pytest.raises(ValueError, match="wines"):
        searching(study="wines", random_state=None).fit(x[:100], y[:100])  # other rows


@pytest.mark.slow
def test_no_report_of_another_fit(wine: Any, project: Path) -> None:
    """Else a report shows a search that has nothing to do with the network that predicts."""
    x, _, y, _ = wine
    found = searching(study="wines", trials=1).fit(x, y)
    found.set_params(config=CONFIG).fit(x, y)
    with pytest.raises(ValueError, match="a config that is given, and few rows, are not searched"):
        found.report()


@pytest.mark.slow
def test_a_shared_database_is_for_what_is_kept(wine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_STORAGE", "postgresql://nobody@127.0.0.1:9/nothing")
    x, _, y, _ = wine
    assert searching(trials=1).fit(x, y).best_ is not None


def test_columns_that_are_numbered(wine: Any) -> None:
    x, _, y, _ = wine
    frame = pd.DataFrame(x, columns=range(10, 23))
    found = TunedMLPClassifier(**GIVEN).fit(frame, y)
    assert np.array_equal(found.predict(x), found.predict(frame))


@pytest.mark.parametrize("labels", [(10, 9, 2), (-1, 0, 3), (0.0, 1.0, 2.0), ("b", "c", "a")])
def test_labels_of_any_kind(labels: tuple[Any, ...], wine: Any) -> None:
    """Sorted as numpy does it, as `classes_` says."""
    x, _, y, _ = wine
    y = np.array(labels)[y]
    found = TunedMLPClassifier(**GIVEN).fit(x, y)
    assert list(found.classes_) == sorted(labels)
    assert found.score(x, y) > 0.95


def test_frames_with_categories_and_gaps() -> None:
    frame, new = rows(), rows(seed=1)
    x, y = frame[["age", "city"]], frame["churned"]
    found = TunedMLPClassifier(**GIVEN).fit(x, y)
    assert list(found.feature_names_in_) == ["age", "city"]
    assert list(found.classes_) == ["no", "yes"]
    known = new.dropna()
    assert found.score(known[["age", "city"]], known["churned"]) > 0.9
    assert np.isfinite(found.predict_proba(new[["age", "city"]])).all()
    values = TunedMLPRegressor(**GIVEN).fit(x, frame["value"])
    assert values.score(known[["age", "city"]], known["value"]) > 0.8


@pytest.mark.slow
def test_it_is_one_of_scikit_learns(wine: Any, tmp_path: Path) -> None:
    """Cloned, kept, in pipelines, in searches over its arguments and in cross-validations."""
    x, x_new, y, _ = wine
    each = TunedMLPClassifier(**GIVEN, random_state=0)
    found = clone(each).fit(x, y)
    joblib.dump(found, tmp_path / "kept")
    for kept in (pickle.loads(pickle.dumps(found)), joblib.load(tmp_path / "kept")):
        assert np.array_equal(kept.predict_proba(x_new), found.predict_proba(x_new))
    line = make_pipeline(StandardScaler().set_output(transform="pandas"), each).fit(x, y)
    assert line.score(x, y) > 0.9
    assert cross_val_score(each, x, y, cv=2).mean() > 0.8
    short = CONFIG.model_copy(update={"epochs": 1})
    grid = GridSearchCV(each, {"config": [short, CONFIG]}, cv=2).fit(x, y)
    assert grid.best_params_ == {"config": CONFIG}


def test_few_rows_are_not_searched() -> None:
    x, y = load_diabetes(return_X_y=True)
    found = searching(TunedMLPRegressor).fit(x[:20], y[:20])
    assert found.best_ is None
    assert found.predict(x[20:25]).shape == (5,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"search": {"dept": 1}}, "search.dept is an unknown key"),
        ({"metric": "r2"}, "objective.metric must be one of"),
        ({"trials": 0}, "trials must be >= 1"),
        ({"study": "a/b"}, "the name of a study is made of letters"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], message: str, wine: Any) -> None:
    x, _, y, _ = wine
    with pytest.raises(ValueError, match=message):
        searching(**arguments).fit(x, y)
