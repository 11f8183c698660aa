"""Predictions for new rows: what a user does with what was found."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tuner
from tuner.data import Meaning
from tuner.data.memory import table_in_memory
from tuner.data.rulers import Ruler
from tuner.data.splitting import split
from tuner.data.tabular import Wanted, table_of
from tuner.errors import DataError, InputError
from tuner.estimators import Predictor
from tuner.network.checkpoints import to_checkpoint
from tuner.network.config import MLPConfig
from tuner.network.ensemble import Ensemble
from tuner.network.perceptron import Perceptron

from ..commands import run
from ..conftest import Write

FILE = """
[data]
source = "../rows.csv"
label = "{label}"
folds = 1

[objective]
epochs = 20

[budget]
trials = 2

[confirm]
configs = 1
seeds = 2
members = 2

[start]
rate_range = false

[search]
depth = 1
width = 16
optimizer = "adamw"
learning_rate = 0.01
"""


def rows(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Two columns decide the class, and the value; gaps are everywhere."""
    generator = np.random.default_rng(seed)
    age, city = generator.integers(18, 80, n).astype(float), generator.choice(["a", "b", "c"], n)
    value = age / 30 + 2 * (city == "b")
    frame = pd.DataFrame({"age": age, "city": city, "value": value})
    frame["churned"] = np.where(value > 2.2, "yes", "no")
    frame.loc[generator.random(n) < 0.05, "age"] = np.nan
    frame.loc[generator.random(n) < 0.05, "city"] = None
    return frame


@pytest.fixture
def tuned(write_study: Write, project: Path) -> pd.DataFrame:
    rows().drop(columns="value").to_csv(project / "rows.csv", index=False)
    write_study(FILE.format(label="churned"))
    tuner.tune("small", workers=1)
    (project / "rows.csv").unlink()
    (project / "studies" / "small.toml").unlink()
    return rows(seed=1)


def test_classes_of_a_table(tuned: pd.DataFrame) -> None:
    """From the study's folder alone."""
    asked = tuner.predictor("small")
    assert (asked.task, asked.columns, asked.targets) == (
        "classification",
        ("age", "city"),
        ("churned",),
    )
    assert list(asked.classes) == ["no", "yes"]
    known = tuned.dropna()
    found = asked.predict(known)
    assert np.mean(found == known["churned"]) > 0.9
    probabilities = asked.predict_proba(known)
    assert probabilities.sum(1) == pytest.approx(1)
    assert np.array_equal(asked.classes[probabilities.argmax(1)], found)
    turned = known[["city", "churned", "age"]]
    assert np.array_equal(asked.predict_proba(turned), probabilities)
    assert np.array_equal(asked.predict_proba(known[["age", "city"]].to_numpy()), probabilities)


@pytest.mark.process
def test_one_network_alone(tuned: pd.DataFrame) -> None:
    """It predicts as the ensemble of itself does; all of them, as the mean of each."""
    every, one = tuner.predictor("small"), tuner.predictor("small", single=True)
    n = len(every.ensemble.members)
    assert n > 1 and len(one.ensemble.members) == 1
    alone = [
        Predictor("small", Ensemble([member]), every.meaning).predict_proba(tuned.dropna())
        for member in every.ensemble.members
    ]
    assert np.array_equal(one.predict_proba(tuned.dropna()), alone[0])
    assert every.predict_proba(tuned.dropna()) == pytest.approx(np.mean(alone, 0), abs=1e-6)
    assert not np.array_equal(alone[0], alone[1])
    first, taken = tuner.load_model("small").state_dict(), one.ensemble.first.state_dict()
    assert all(torch.equal(first[name], taken[name]) for name in taken)
    tuned.dropna().to_csv("new.csv", index=False)
    told = pd.read_csv(io.StringIO(run("predict", "small", "new.csv", "--single").stdout))
    assert told["probability of yes"].to_numpy() == pytest.approx(alone[0][:, 1], abs=1e-12)


def test_rows_beside_change_nothing(tuned: pd.DataFrame) -> None:
    """Else the same row is predicted otherwise in a batch than by itself."""
    asked = tuner.predictor("small")
    whole = asked.predict_proba(pd.concat([tuned] * 5))
    for first, n in ((0, 1), (7, 3), (600, 513)):
        part = pd.concat([tuned] * 5).iloc[first : first + n]
        assert np.array_equal(asked.predict_proba(part), whole[first : first + n])
    assert asked.predict(tuned.head(0)).shape == (0,)


def test_what_is_new_or_wrong_is_told(tuned: pd.DataFrame) -> None:
    asked = tuner.predictor("small")
    with pytest.warns(UserWarning, match="column 'city' has values in 2 rows"):
        asked.predict(tuned.head(4).assign(city=["x", "a", "y", None]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked.predict(tuned)
    with pytest.raises(DataError, match="column 'city' is missing; there are age, value"):
        asked.predict(tuned.drop(columns=["city", "churned"]))
    with pytest.raises(DataError, match="column 'age' has 'old' in row 2, expected numbers"):
        asked.predict(tuned.head(3).assign(age=[1, 2, "old"]))
    with pytest.raises(
        InputError, match=r"must have the columns age, city, got the shape \(3, 5\)"
    ):
        asked.predict(np.zeros((3, 5)))


@pytest.mark.slow
def test_values_of_a_table(write_study: Write, project: Path) -> None:
    rows().drop(columns="churned").to_csv(project / "rows.csv", index=False)
    write_study(FILE.format(label="value"))
    tuner.tune("small", workers=1)
    asked, known = tuner.predictor("small"), rows(seed=1).dropna()
    found = asked.predict(known)
    assert found.shape == (len(known),)
    assert np.sqrt(np.mean((found - known["value"]) ** 2)) < 0.5 * known["value"].std()
    assert list(asked.classes) == []
    with pytest.raises(InputError, match="is a regression"):
        asked.predict_proba(known)


def test_rows_of_numbers(write_study: Write) -> None:
    write_study()
    tuner.tune("small", workers=1)
    asked = tuner.predictor("small")
    x = np.random.default_rng(0).normal(size=(5, 13))
    assert asked.columns == () and len(asked.classes) == 3
    outputs = tuner.load_ensemble("small")(torch.from_numpy(x)).softmax(1)
    assert asked.predict_proba(x) == pytest.approx(outputs.detach().numpy(), abs=1e-5)
    for wrong, message in (
        (x[:, :4], "must have 13 inputs a row"),
        (x.astype(str), "must hold numbers"),
        (np.where(x > 10, x, np.nan), "not finite in row 0"),
    ):
        with pytest.raises(InputError, match=message):
            asked.predict(wrong)


def test_networks_of_an_earlier_version(write_study: Write, project: Path) -> None:
    write_study()
    tuner.tune("small", workers=1)
    path = project / "runs" / "small" / "best.ckpt"
    path.write_bytes(to_checkpoint(tuner.load_ensemble("small").first))
    best: Any = tuner.best("small").model_copy(update={"checkpoint": ""})
    (path.parent / "best.json").write_text(best.model_dump_json())
    with pytest.raises(InputError, match="tuned by an earlier version"):
        tuner.predictor("small")


@pytest.mark.slow
def test_noise_with_many_categories_is_noise(project: Path) -> None:
    """10,000 values in each of three columns, which say nothing: scores are at chance."""
    generator = np.random.default_rng(0)
    n = 8_000
    frame = pd.DataFrame({name: generator.integers(0, 10_000, n).astype(str) for name in "abc"})
    frame["y"] = generator.integers(0, 2, n)
    result = tuner.tune(
        frame,
        label="y",
        data={"categorical": ["a", "b", "c"]},
        objective={"epochs": 2},
        confirm={"configs": 1, "seeds": 2},
        search={"width": 64, "depth": 1},
        start={"rate_range": False},
        trials=2,
        workers=1,
    )
    assert result.best is not None and result.best.confirmed is not None
    confirmed = result.best.confirmed
    assert confirmed.test is not None
    for estimate, rows_scored in ((confirmed.validation, 2 * 1_280), (confirmed.test, 1_600)):
        assert abs(estimate.mean - 0.5) < 4 * 0.5 / np.sqrt(rows_scored)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("-1", "0", "12"), [-1, 0, 12]), (("--5", "5"), ["--5", "5"]), (("2²", "1"), ["2²", "1"])],
)
def test_classes_are_numbers_where_all_are(names: tuple[str, ...], expected: list[Any]) -> None:
    network = Perceptron(MLPConfig(), 2, len(names))
    asked = Predictor("x", Ensemble([network]), Meaning(task="classification", classes=names))
    assert list(asked.classes) == expected


@pytest.mark.parametrize(
    "labels",
    [
        np.array([True, False]), np.array(["1", "0"]), np.array(["1", "0"], object),
        np.array([7, -3]), np.array([True, False], object), np.array([1.0, 2.0]),
        pd.array([True, False], "boolean"), pd.array([1, 0], "Int8"),
        pd.array(["5", "4"], "string"), pd.Categorical(["0", "9"]), pd.Categorical([3, 4]),
    ],
    ids=lambda labels: str(labels.dtype),
)  # fmt: skip
@pytest.mark.parametrize("as_frame", [True, False], ids=["frame", "arrays"])
def test_classes_are_what_they_were_told_as(labels: Any, as_frame: bool) -> None:
    """Else no prediction equals its label, or the text "False" counts as true."""
    y = pd.Series(labels).repeat(20).reset_index(drop=True)
    x = np.arange(40.0)
    if as_frame:
        table = table_of(pd.DataFrame({"x": x, "y": y}), "t", Wanted(label=("y",)))
    else:
        table = table_in_memory((x[:, None], y), "t", Wanted())
    dataset = split(table, task="classification")
    asked = Predictor("x", Ensemble([Perceptron(MLPConfig(), 1, 2)]), dataset.meaning)
    assert set(asked.classes.tolist()) == set(pd.Series(labels).tolist())
    assert (asked.classes.dtype == bool) == isinstance(pd.Series(labels).tolist()[0], bool)
    told = dataset.meaning.model_dump_json()
    assert Meaning.model_validate_json(told) == dataset.meaning


@pytest.mark.parametrize("kind", ["<u2", "<u4", "<u8", ">i2", ">i8", ">f4", ">f8", "g"])
def test_numbers_of_any_kind_that_training_takes(kind: str) -> None:
    """Else a file that a study was tuned on ends its predictions with a traceback."""
    torch.manual_seed(0)
    network = Perceptron(MLPConfig(), 2, 2)
    x = np.arange(10).reshape(5, 2) % 3
    if kind == "<u8":
        x += 2**60
        ruler = Ruler.of(x)
        network.measure(ruler.offset, ruler.unit)
    meaning = Meaning(task="classification", classes=("a", "b"))
    asked = Predictor("x", Ensemble([network]), meaning)
    assert np.array_equal(asked.predict_proba(x.astype(kind)), asked.predict_proba(x))
    large = np.array([[0, 0], [0, 2**63]], np.uint64)
    with pytest.raises(InputError, match=r"rows: has a whole number of 2 \*\* 63 or more in row 1"):
        asked.predict(large)
