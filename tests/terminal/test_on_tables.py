"""A table on the command line: from a file to predictions, as a new user does it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuner.study import load_study

from ..commands import run
from ..estimators.test_predictor import rows

pytestmark = pytest.mark.process


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for two files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNER_HOME", raising=False)
    known = rows().drop(columns="value")
    known["signed up"] = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(len(known)))
    known["id"] = [f"c{i}" for i in range(len(known))]
    known.to_csv("my customers.csv", index=False)
    known.drop(columns="churned").head(9).assign(city="z").to_csv("new.csv", index=False)
    return tmp_path


def test_from_a_table_to_predictions(folder: Path) -> None:
    short = ("--trials", "2", "--workers", "1")
    told = run("tune", "my customers.csv", "--label", "churned", *short, "--no-confirm").stdout
    assert "column 'id' is left out" in told
    assert "tuner predict my_customers" in told
    spec = load_study("my_customers")
    assert spec.data.source == "../my customers.csv" and spec.data.label == ("churned",)
    assert {path.name for path in folder.iterdir()} == {
        *("my customers.csv", "new.csv", "runs", "studies"),
    }
    again = run("tune", "my customers.csv", "--label", "churned", *short, "--no-confirm").stdout
    assert "Nothing was left to do" in again
    done = run("predict", "my_customers", "new.csv", "--out", "predictions.csv")
    assert "written: predictions.csv, 9 rows" in done.stdout
    assert "'city' has values in 9 of 9 rows that are rare" in done.stderr
    frame = pd.read_csv("predictions.csv")
    assert list(frame.columns) == ["churned", "probability of no", "probability of yes"]
    assert set(frame["churned"]) <= {"no", "yes"} and len(frame) == 9
    printed = run("predict", "my_customers", "new.csv").stdout
    assert printed == Path("predictions.csv").read_text()
    exported = run("export", "my_customers").stdout
    assert "written: my_customers.onnx, 1 network" in exported and "outputs: class" in exported
    assert Path("my_customers.onnx").stat().st_size > 1_000


def test_the_study_file_of_a_table(folder: Path) -> None:
    told = run("init", "my customers.csv", "--label", "churned").stdout
    assert "# age: numbers, with gaps" in told and "# signed up: dates" in told
    assert Path("studies/my_customers.toml").read_text() in told
    for label, message in (("churned", "is there already"), ("age", "label 'churned' already")):
        assert message in run("init", "my customers.csv", "--label", label, code=2).stderr
    assert load_study("my_customers").data.label == ("churned",)


def test_rows_without_a_line_of_names(folder: Path) -> None:
    """Else who tuned on such a file cannot predict for one that is like it."""
    known = pd.read_csv("my customers.csv")[["age", "city", "churned"]]
    known.to_csv("rows.csv", index=False, header=False)
    Path("x.toml").write_text(
        "[data]\nsource = 'rows.csv'\nlabel = 'churned'\n"
        "read = { names = ['age', 'city', 'churned'] }\n"
    )
    run("tune", "x.toml", "--trials", "1", "--workers", "1", "--no-confirm")
    found = run("predict", "x", "rows.csv").stdout
    assert len(found.splitlines()) == 1 + len(known)
    known.drop(columns="churned").to_csv("new.csv", index=False, header=False)
    assert run("predict", "x", "new.csv").stdout == found
    known[["age"]].to_csv("new.csv", index=False, header=False)
    assert "new.csv: has 1 columns" in run("predict", "x", "new.csv", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tune", "my customers.csv"), "which column is predicted? --label names it"),
        (("tune", "none.csv", "--label", "x"), "none.csv: no such file"),
        (("tune", "my customers.csv", "--label", "chrned"), "did you mean 'churned'?"),
        (("tune", "small", "--label", "x"), "small: --label belongs to a table"),
        (("init", "my customers.csv", "--label", "agee"), "did you mean 'age'?"),
        (("init", "small.toml", "--label", "x"), "small.toml: is no table"),
        (("predict", "nothing", "new.csv"), "has no trained network"),
        (("predict", "nothing", "none.csv"), "none.csv: no such file"),
        (("predict", "nothing", "new.csv", "--out", "x.txt"), "--out must end in .csv"),
        (("export", "nothing"), "has no trained network"),
        (("export", "nothing", "--out", "x.h5"), "x.h5: must end in .onnx or .pt2"),
        (("export", "nothing", "--format", "h5"), "format must be one of onnx, torch"),
    ],
)
def test_wrong_input_creates_nothing(words: tuple[str, ...], message: str, folder: Path) -> None:
    alone = ("--workers", "1") if words[0] == "tune" else ()
    assert message in run(*words, *alone, code=2).stderr
    assert {path.name for path in folder.iterdir()} == {"my customers.csv", "new.csv"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("drop = ['churned']", "data drop names 'churned', which label does, too"),
        ("label = 3", "data.label must be the name of a column"),
        ("drop = ['id', 'id']", "data.drop must not name a column twice"),
        ("source = 'wine'", "data.label belongs to a table"),
        ("label = []", "data.label is missing"),
        ("test_source = 'none.csv'", "none.csv: no such file"),
    ],
)
def test_wrong_study_files(more: str, message: str, folder: Path) -> None:
    keys = {"source": "'my customers.csv'", "label": "'churned'"}
    key, _, value = more.partition(" = ")
    keys[key] = value
    text = "\n".join(f"{key} = {value}" for key, value in keys.items())
    Path("x.toml").write_text(f"[data]\n{text}\n")
    assert message in run("tune", "x.toml", "--workers", "1", code=2).stderr
    assert not Path("runs").exists()
