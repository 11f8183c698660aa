"""Studies from Python: rows in memory instead of a file."""

import re
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow
import pytest
from sklearn.datasets import load_wine

import tuner
from tuner.data import Cut, Wanted, table_in_memory
from tuner.data.kin import Times
from tuner.errors import ChangedStudyError, DataError, InputError, StudyFileError
from tuner.network.config import MLPConfig
from tuner.network.model import MLP
from tuner.running import open_study, prepared
from tuner.running.given import spec_of
from tuner.running.kept_repeats import KeptRepeats, Repeat
from tuner.running.open_study import opened
from tuner.running.progress import Observer
from tuner.running.trainings import seeds
from tuner.storage.identity import identity_of
from tuner.study import load_study
from tuner.system import paths

from ..conftest import SMALL, Write
from ..estimators.test_predictor import FILE, rows
from ..results.test_winner import confirmation_of_two

SECTIONS = {
    key: value for key, value in tomllib.loads(SMALL).items() if key not in ("data", "budget")
}
ALONE: dict[str, Any] = {"trials": 2, "workers": 1, "fleet": 1}


def scores(study: str) -> list[float]:
    return list(tuner.leaderboard(study)["value"])


def test_arrays_train_as_their_source_does(write_study: Write) -> None:
    write_study()
    tuner.tune("small", **ALONE)
    pair = load_wine(return_X_y=True)
    result = tuner.tune(pair, name="mine", data={"folds": 1}, **ALONE, **SECTIONS)
    assert (result.study, result.ran) == ("mine", 2)
    assert scores("mine") == scores("small")
    assert tuner.tune(pair, name="mine", data={"folds": 1}, **ALONE, **SECTIONS).ran == 0
    assert not Path("studies/mine.toml").exists()
    assert np.array_equal(tuner.predictor("mine").classes, [0, 1, 2])
    other = (pair[0] + 1.0, pair[1])
    with pytest.raises(ChangedStudyError, match="mine"):
        tuner.tune(other, name="mine", data={"folds": 1}, **ALONE, **SECTIONS)


def test_a_frame_trains_as_its_file_does(write_study: Write, project: Path) -> None:
    frame = rows().drop(columns="value")
    frame.to_csv(project / "rows.csv", index=False)
    write_study(FILE.format(label="churned"))
    tuner.tune("small", confirm=False, **ALONE)
    told = tomllib.loads(FILE)
    sections = {key: told[key] for key in ("objective", "start", "search", "confirm")}
    study = tuner.Study(frame, label="churned", data={"folds": 1}, **sections)
    assert re.fullmatch("rows-[0-9a-f]{8}", study.name)
    tuner.tune(study, confirm=False, **ALONE)
    assert scores(study.name) == scores("small")
    again = tuner.Study(frame.copy(), label="churned", data={"folds": 1}, **sections)
    assert tuner.tune(again, confirm=False, **ALONE).ran == 0
    assert list(tuner.predictor(study.name).predict(frame.head(3))) == list(
        tuner.predictor("small").predict(frame.head(3))
    )


def of_shops(n: int = 2_000) -> pd.DataFrame:
    """Rows of 100 shops, whose customers come back or don't: each shop has its own share."""
    generator = np.random.default_rng(0)
    shop = generator.permutation(np.arange(n) % 100)
    comes_back = generator.random(n) < np.where(generator.permutation(100) % 2, 0.95, 0.05)[shop]
    frame = pd.DataFrame({"shop": [f"shop {each}" for each in shop], "noise": generator.random(n)})
    return frame.assign(back=np.where(comes_back, "yes", "no"))


@pytest.mark.slow
def test_shops_beyond_the_most_frequent_are_told_apart(project: Path) -> None:
    """Else a third of them, those without an input of their own, are guessed at: 0.8."""
    frame = of_shops(4_000)
    search = {"depth": 1, "width": 32, "numeric_embedding": "none"}
    sections: dict[str, Any] = {"objective": {"epochs": 15}, "search": search}
    sections["data"] = {"folds": 1}
    confirm = {"configs": 1, "seeds": 2, "members": 2}
    tuner.tune(frame, label="back", name="shops", confirm=confirm, **ALONE, **sections)
    found = tuner.confirmation("shops")
    assert found is not None and len(found.winning.tests) == 2
    assert np.mean(found.winning.tests) > 0.86
    predictor = tuner.predictor("shops")
    chances = predictor.predict_proba(frame)
    alone = predictor.predict_proba(frame.iloc[[7]])
    assert np.array_equal(alone, chances[[7]])
    with pytest.warns(UserWarning, match="column 'shop' has values in 4000 rows that are rare"):
        new = predictor.predict_proba(frame.assign(shop="a new one"))
    gone = predictor.predict_proba(frame.assign(shop=None))
    assert np.array_equal(new, gone)
    assert np.abs(chances[:, 1] - 0.5).mean() > 0.35
    model = tuner.load_model("shops")
    assert isinstance(model, MLP) and model.codes == ((0, 101),)


@pytest.mark.slow
def test_a_study_goes_on_with_its_columns_as_they_were(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all that was trained before there were vectors of categories is of other data."""
    frame, search = of_shops(600), {"depth": 1, "width": 16}
    sections: dict[str, Any] = {"objective": {"epochs": 2}, "search": search}
    options: dict[str, Any] = {"label": "back", "name": "shops", "workers": 1, "fleet": 1}
    with monkeypatch.context() as before:
        before.setattr(prepared, "load_data", partial(prepared.load_data, as_before=True))
        tuner.tune(frame, trials=2, confirm=False, **options, **sections)
    assert tuner.tune(frame, trials=3, confirm=False, **options, **sections).ran == 1
    assert tuner.load_model("shops").n_inputs == 64 + 1
    with pytest.raises(ChangedStudyError):
        tuner.tune(frame.head(500), trials=4, **options, **sections)


def test_trainings_are_those_that_they_were(write_study: Write) -> None:
    """Else all that an earlier version trained to confirm or to judge is trained again."""
    spec = load_study(
        write_study(
            '[data]\nsource = "wine"\nfolds = 1\n[objective]\nmetric = "val_loss"\nepochs = 3\n'
            "[search]\ndepth = 1\n"
        )
    )
    store = SimpleNamespace(identity=identity_of(spec, "val_loss", "0123"))
    assert open_study._identity(cast(Any, store), "fleet", None) == "ac92efc372d2e6a4"


@pytest.mark.parametrize("kept", ["a training", "the confirmation"])
def test_a_confirmation_goes_on_over_the_cuts_that_it_began_with(
    kept: str, write_study: Write
) -> None:
    """Else a winner of an earlier version is confirmed anew, and the test rows opened again."""
    write_study()
    spec, cut = load_study("small"), Cut(seeds(0, "confirm", 1)[0])
    with opened(spec, workers=1, observer=Observer()) as found:
        repeats = found.repeats(Observer())
        folds = [repeats.cut(seed) for seed in repeats.confirming[:5]]
        assert [(each.fold, each.by_target) for each in folds] == [(n, False) for n in range(5)]
        assert found.dataset is not None
        timed = replace(found.dataset, kin=Times(np.arange(len(found.dataset.known) + 0.0)))
        later = replace(found, dataset=timed).repeats(Observer())
        assert later.cut(later.confirming[1]).fold is None  # they are those of the search
        if kept == "a training":
            one = Repeat(MLPConfig(), cut.seed, {"val_loss": 1.0}, 1)
            KeptRepeats(paths.study_folder("small"), found.identity, Observer()).add(one, None)
        else:
            confirmation = confirmation_of_two().model_copy(update={"seeds": (cut.seed, 2)})
            found.store.keep_confirmation(confirmation.model_dump_json())
        again = found.repeats(Observer())
        assert again.cut(again.confirming[0]) == cut


def test_it_says_itself_as_a_study_file() -> None:
    study = tuner.Study(rows(), label="churned", name="x", search={"depth": [1, 2]})
    told = tomllib.loads(study.to_toml())
    assert told == {
        "data": {"source": "in memory", "label": "churned"},
        "search": {"depth": [1, 2]},
    }


def test_one_of_a_file(write_study: Write) -> None:
    path = write_study()
    assert tuner.Study("small").to_toml() == path.read_text()
    assert spec_of(tuner.Study(path)).text == spec_of("small").text
    with pytest.raises(InputError, match="a study file says all itself"):
        tuner.Study("small", search={"depth": 1})


@pytest.mark.slow
def test_a_table_by_its_path(project: Path) -> None:
    rows().to_csv(project / "rows.csv", index=False)
    tuner.tune("rows.csv", label="churned", confirm=False, trials=1, workers=1)
    assert tuner.Study("rows").to_toml() == '[data]\nsource = "../rows.csv"\nlabel = "churned"\n'


def test_tables_of_two_years_are_two_studies(project: Path) -> None:
    """Else the second year's is told to be the first one's."""
    for name in ("sales.2024.csv", "sales.2025.csv.gz"):
        rows(30).to_csv(project / name, index=False)
        assert spec_of(name, label="churned").name == name.split(".csv")[0].replace(".", "_")


@pytest.mark.parametrize(
    ("given", "options", "kind", "message"),
    [
        (rows(), {}, DataError, "which column is predicted"),
        (rows(), {"label": "chrned"}, DataError, "did you mean 'churned'"),
        (([[1.0]], [1], [2], [3]), {}, DataError, "or .x, y, weights., got 4 things"),
        (([[1.0], [2.0]], [0, 1], [1]), {}, DataError, "x has 2 rows, weights has 1"),
        (([[1.0], [2.0]], [0, 1], ["a", 1]), {}, DataError, "weights must be numbers"),
        (([[1.0], [2.0]], [0, 1], [1e-9, 1e9]), {}, DataError, "which are too far apart"),
        ((3.0, [0, 1]), {}, InputError, "rows must be a frame, or a pair"),
        (([[1.0], [2.0]], [0, 1], [1, -1]), {}, DataError, "weights has -1 in row 1"),
        (([[1.0], [2.0]], [0, 1], [0, 0]), {}, DataError, "is 0 in every row"),
        ((np.zeros((3, 2)), [0, 1]), {}, DataError, "x has 3 rows, y has 2"),
        (({"a": 1}, [0, 1]), {}, InputError, "rows must be a frame, or a pair"),
        (3, {}, InputError, "rows must be a frame"),
        (rows(), {"label": "churned", "search": {"dept": 1}}, StudyFileError, "search.dept is an"),
        (rows(), {"label": "churned", "serch": {"depth": 1}}, StudyFileError, "serch is an unk"),
        (rows(), {"label": "churned", "data": {"source": "wine"}}, InputError, "in memory"),
        (([[1.0], [2.0]], [0, 1]), {"data": {"group": "g"}}, DataError, "group names columns"),
        (
            rows(),
            {"label": "churned", "data": {"test_source": "x"}},
            DataError,
            "belongs to a file",
        ),
        (rows(), {"label": "churned", "search": {"depth": print}}, StudyFileError, "plain values"),
    ],
)
def test_what_is_wrong_is_told(
    given: Any, options: dict[str, Any], kind: type[Exception], message: str, project: Path
) -> None:
    with pytest.raises(kind, match=message):
        tuner.tune(given, **ALONE, **options)
    assert not Path("runs").exists()


def test_columns_that_are_numbered(project: Path) -> None:
    """Else a label as the frame has it ends with a traceback; only its text is taken."""
    frame = pd.DataFrame(np.arange(120).reshape(40, 3))
    cases: list[tuple[Any, tuple[str, ...]]] = [
        *((2, ("2",)), (np.int64(2), ("2",)), ([0, 2], ("0", "2"))),
    ]
    for label, names in cases:
        study = tuner.Study(frame, label=label)
        assert study.spec.data.label == names
        table = table_in_memory(frame, "t", Wanted(label=study.spec.data.label))
        assert table.columns == tuple(each for each in "012" if each not in names)
    frame.to_csv("rows.csv", index=False)
    assert spec_of("rows.csv", label=0).data.label == ("0",)


def test_a_frame_beside_its_targets() -> None:
    frame = rows(60)
    x, y = frame[["age", "city"]], frame["churned"]
    table = table_in_memory((x, y), "t", Wanted())
    assert table.encoding is not None and table.encoding.targets == ("churned",)
    assert [column.name for column in table.encoding.columns] == ["age", "city"]
    named = table_in_memory((x, y.to_numpy()), "t", Wanted())
    assert named.encoding is not None and named.encoding.targets == ("target",)
    two = table_in_memory((x, frame[["value", "value"]].to_numpy()), "t", Wanted())
    assert two.y.shape == (60, 2)
    turned = table_in_memory((x.set_index(pd.Index(range(60, 0, -1))), y), "t", Wanted())
    assert np.array_equal(turned.x, table.x, equal_nan=True)


def test_a_frame_of_another_library(project: Path) -> None:
    """pyarrow's, which has the interchange protocol, and one that has `to_pandas`, as polars."""
    frame = rows().drop(columns="value")
    sections = {key: SECTIONS[key] for key in ("objective", "start", "search")}
    for name, given in {"pandas": frame, "arrow": pyarrow.Table.from_pandas(frame)}.items():
        study = tuner.Study(given, label="churned", name=name, **sections)
        tuner.tune(study, confirm=False, **ALONE)
    assert scores("pandas") == scores("arrow")
    new = frame.drop(columns="churned").head(3)
    other = SimpleNamespace(columns=list(new.columns), shape=new.shape, to_pandas=new.copy)
    asked = tuner.predictor("pandas")
    assert list(asked.predict(other)) == list(asked.predict(new))


def weighed(n: int = 120) -> tuple[pd.DataFrame, Any, Any]:
    """Rows that count more or less, of two classes, one of them rare."""
    generator = np.random.default_rng(0)
    x = pd.DataFrame({"a": generator.normal(size=n), "b": generator.normal(size=n)})
    y = np.where(x["a"] + generator.normal(size=n) / 2 > 1.6, "rare", "common")
    return x, y, generator.uniform(0.5, 2, n)


@pytest.mark.slow
def test_rows_of_weight_0_are_as_if_they_were_not_there(project: Path) -> None:
    """Else what does not count has a say in scales, cuts or scores."""
    x, y, weights = weighed()
    wild = pd.DataFrame({"a": [1e6] * 20, "b": [-1e6, np.nan] * 10})
    more = (
        pd.concat([x, wild], ignore_index=True),
        np.append(y, ["never"] * 20),
        np.append(weights, np.zeros(20)),
    )
    short: dict[str, Any] = {"confirm": False, **ALONE}
    sections = {key: SECTIONS[key] for key in ("objective", "start", "search")}
    tuner.tune(tuner.Study((x, y, weights), name="one", **sections), **short)
    tuner.tune(tuner.Study(more, name="other", **sections), **short)
    assert scores("one") == scores("other")
    frame = more[0].assign(y=more[1], w=more[2])
    sections["data"] = {"weight": "w"}
    tuner.tune(tuner.Study(frame, label="y", name="named", **sections), **short)
    assert scores("named") == scores("one")
    sections.pop("data")
    tuner.tune(tuner.Study((x, y, weights**3), name="heavier", **sections), **short)
    assert scores("heavier") != scores("one")


@pytest.mark.slow
def test_rare_classes(project: Path) -> None:
    """They are searched by the loss, unless another metric is written, which is confirmed."""
    x, y, weights = weighed()
    assert np.mean(y == "rare") < 1 / 6
    sections = {
        "objective": {"epochs": 4},
        "start": SECTIONS["start"],
        "search": {"depth": 1, "width": 16, "class_weight": ["none", "balanced"]},
        "confirm": {"configs": 2, "seeds": 2, "members": 1},
    }
    found = tuner.tune((x, y), name="left", **ALONE, **sections)
    assert found.best is not None and found.best.metric == "val_loss"
    # A target that is told without a metric is an accuracy, and a study keeps its metric.
    for aim in ({"target": 0.99}, {}):
        found = tuner.tune((x, y), name="aimed", **aim, **ALONE, **sections)
        assert found.best is not None and found.best.metric == "val_accuracy"
    sections["objective"]["metric"] = "val_f1"
    found = tuner.tune((x, y, weights), name="told", **ALONE, **sections)
    assert found.best is not None and found.best.metric == "val_f1"
    confirmed = tuner.confirmation("told")
    assert confirmed is not None and confirmed.test_metric == "test_f1"
    assert all(0 <= score <= 1 for score in confirmed.winning.tests)
    assert confirmed.winning.rows_error is not None and confirmed.winning.rows_error >= 0
