"""Whole studies of LightningModules: searched, pruned, resumed, loaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import TrialState

import tuner
from tuner import storage
from tuner.data import TableDataModule, load
from tuner.data.loading import StandardizedRowsDataModule
from tuner.errors import (
    ChangedStudyError,
    DataError,
    InputError,
    StudyFailedError,
    StudyFileError,
)
from tuner.storage.reading import IDENTITY
from tuner.system.quiet import quiet

from .commands import run
from .conftest import SMALL, Write
from .estimators.test_predictor import rows
from .networks import Net, Wine
from .study.test_modules import MODULE, ROWS
from .test_search import Recorder, trials

ROOT = Path(__file__).parent.parent
SEARCH = (
    "[search]\nwidth = { low = 2, high = 16, log = true }\n"
    "learning_rate = { low = 1e-4, high = 1e-1, log = true }\nbatch_size = [16, 32]\n"
)
BUDGET = "[budget]\ntrials = 4\n[confirm]\nseeds = 0\n"


def text(head: str = MODULE, epochs: int = 3, more: str = "") -> str:
    return head + f"epochs = {epochs}\n" + BUDGET + more + SEARCH


def val_loss(model: Any, data: Any) -> float:
    with torch.no_grad():
        x, y = next(iter(data.val_dataloader()))
        return float(torch.nn.functional.cross_entropy(model.layers(x), y))


@pytest.mark.slow
@pytest.mark.parametrize("head", [MODULE, ROWS], ids=["data module", "source"])
def test_a_whole_study(write_study: Write, project: Path, head: str) -> None:
    write_study(text(head))
    recorder = Recorder()
    result = tuner.tune("small", observer=recorder)
    assert result.stopped == "4 of 4 trials are finished"
    assert (result.counts.finished, len(recorder.ends)) == (4, 4)
    assert result.best is not None
    assert result.best.value == min(t.value for t in trials() if t.state == TrialState.COMPLETE)
    assert [trial.user_attrs["source"] for trial in trials()] == ["defaults"] + ["sampler"] * 3
    first = trials()[0].params
    assert first == {
        "width": 8,
        "learning_rate": 0.01,
        "batch_size": 16 if head == MODULE else 32,  # of 16 and 32, as near to 64 as can be
    }
    best = tuner.best("small")
    assert best == result.best
    assert (best.facts is None, best.classes == ()) == ((head == MODULE,) * 2)
    assert {path.name for path in project.iterdir()} == {"runs", "studies"}
    names = {path.name for path in (project / "runs" / "small").iterdir()}
    own = {"ledger.json", "owner", "reserve", "small.toml"}
    assert names == {"best.ckpt", "best.json", "trials.csv"} | own


@pytest.mark.parametrize("head", [MODULE, ROWS], ids=["data module", "source"])
def test_the_loaded_winner_scores_what_was_promised(write_study: Write, head: str) -> None:
    path = write_study(text(head))
    tuner.tune("small")
    best = tuner.best("small")
    data: Any = Wine() if head == MODULE else StandardizedRowsDataModule(load("wine", Path()), 64)
    data.setup("fit")
    for name in ("small", path):
        model = tuner.load_model(name)
        assert isinstance(model, Net)
        assert not model.training
        assert val_loss(model, data) == pytest.approx(best.value, rel=1e-5)
    other = Net.load_from_checkpoint("runs/small/best.ckpt", weights_only=True)
    assert val_loss(other.eval(), data) == pytest.approx(best.value, rel=1e-5)
    config = tuner.best_config("small")
    assert isinstance(config, tuner.ModuleConfig)
    built = config.build()
    assert built.hparams["width"] == model.hparams["width"] == config.values["width"]
    assert best.n_parameters == sum(each.numel() for each in model.parameters())


def test_the_leaderboard_and_names_that_are_ours(write_study: Write) -> None:
    """The module logs "seed" and "trial", which stay what they are."""
    write_study(text(more="[study]\npruner = 'none'\n"))
    tuner.tune("small")
    frame = tuner.leaderboard("small")
    assert {"width", "learning_rate", "batch_size", "val_accuracy", "late"} <= set(frame.columns)
    sizes = [13 * width + width + 3 * width + 3 for width in frame["width"]]
    assert frame["n_parameters"].tolist() == sizes
    assert sorted(frame["trial"]) == [0, 1, 2, 3]
    assert (frame["seed"] > 0).all()
    written = pd.read_csv("runs/small/trials.csv")
    assert written["n_parameters"].tolist() == frame["n_parameters"].tolist()


@pytest.mark.slow
def test_pruning(write_study: Write) -> None:
    write_study(text(epochs=9))
    result = tuner.tune("small", trials=15)
    assert result.counts.pruned > 0
    assert result.best is not None
    assert trials()[result.best.trial].state == TrialState.COMPLETE
    for trial in trials():
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["reason"] == f"pruned after epoch {trial.last_step}"


@pytest.mark.slow
def test_goes_on_and_gives_the_same_again(write_study: Write) -> None:
    write_study(text(more="[study]\npruner = 'none'\n"))
    tuner.tune("small", trials=2)
    before = [trial.value for trial in trials()]
    assert tuner.tune("small", trials=5).ran == 3
    assert [trial.value for trial in trials()[:2]] == before
    tuner.tune("small", trials=2, new=True)
    assert [trial.value for trial in trials()] == before


@pytest.mark.process
def test_several_processes(write_study: Write) -> None:
    # Long enough that the second process has started before the first one did all of them.
    write_study(text(epochs=30, more="[study]\npruner = 'none'\n"))
    recorder = Recorder()
    result = tuner.tune("small", trials=6, workers=2, observer=recorder)
    assert (result.counts.complete, len(trials())) == (6, 6)
    assert max(len(snapshot.running) for snapshot in recorder.snapshots) == 2
    value = trials()[0].value
    tuner.tune("small", trials=1, new=True)
    assert trials()[0].value == pytest.approx(value, rel=1e-5)


def test_what_changes_a_study_and_what_does_not(write_study: Write) -> None:
    write_study(text())
    tuner.tune("small", trials=1)
    write_study(text(more="[trainer]\nlogger = 'csv'\n"))
    assert tuner.tune("small", trials=2).ran == 1
    assert list(Path("runs/small/logs").glob("version_*/metrics.csv"))
    for changed, message in (
        (text(more="[trainer]\ngradient_clip_val = 0.5\n"), "trainer.gradient_clip_val: null -> 0"),
        (text().replace("low = 2", "low = 3"), "search.width: .*2.* -> .*3"),
        (text().replace(":Net", ":Open"), "model.module: .*Net.* -> .*Open"),
        (text(ROWS), 'data.source: null -> "wine"'),
        (SMALL, "model.module: .* -> null"),
    ):
        write_study(changed)
        with pytest.raises(ChangedStudyError, match=message):
            tuner.tune("small", trials=3)


def test_an_mlp_study_from_before_whole_numbers_were_kept_goes_on(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1)
    study = optuna.load_study(study_name="small", storage="sqlite:///runs/optuna.db")
    identity = json.loads(study.user_attrs[IDENTITY])
    assert identity["search.depth"] == {"low": 1, "high": 2, "log": False}
    identity["search.depth"] = {"low": 1.0, "high": 2.0, "log": False}
    study.set_user_attr(IDENTITY, json.dumps(identity))
    assert tuner.tune("small", trials=2).ran == 1


def test_a_missing_metric_ends_the_study_and_spends_no_trial(write_study: Write) -> None:
    path = write_study(text().replace("'val_loss'", "'val_los'"))
    with pytest.raises(StudyFileError, match="objective.metric must be a metric that the mod") as e:
        tuner.tune("small")
    assert "got 'val_los'; it logs drawn, late, seed, train_loss, trial, val_acc" in str(e.value)
    assert str(e.value).startswith(str(path.relative_to(path.parent.parent)))
    assert e.value.exit_code == 2
    (summary,) = storage.summaries()
    assert (summary.counts.finished, summary.counts.interrupted) == (0, 1)


@pytest.mark.process
def test_once_the_module_logs_it_the_same_command_goes_on(
    write_study: Write, project: Path
) -> None:
    """In new processes, which see what was put right."""
    code = (ROOT / "tests" / "networks.py").read_text()
    (project / "put_right.py").write_text(code.replace('self.log("val_loss"', 'self.log("loss"'))
    write_study(text().replace("tests.networks", "put_right"))
    words = ("tune", "small", "--workers", "1")
    told = run(*words, code=2)
    assert "objective.metric must be a metric that the module logs" in told.stderr
    (project / "put_right.py").write_text(code)
    run(*words)
    assert storage.summaries()[0].counts.finished == 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [("constructor", "ValueError: no such network"), ("exit", "SystemExit: 3")],
)
def test_modules_that_always_fail(write_study: Write, fault: str, message: str) -> None:
    write_study(text(more="[study]\nmax_failures = 2\n") + f"fault = '{fault}'\n")
    with pytest.raises(StudyFailedError, match=f"2 trials failed in a row, the .*{message}"):
        tuner.tune("small")
    assert "networks.py" in trials()[0].user_attrs["traceback"]


@pytest.mark.slow
def test_modules_that_sometimes_diverge(write_study: Write) -> None:
    write_study(text() + "fault = ['', 'diverge', 'bad metric']\n")
    result = tuner.tune("small", trials=9)
    assert result.counts.failed == 0
    reasons = [trial.user_attrs.get("reason", "") for trial in trials()]
    assert any(reason == "diverged: training loss is nan in epoch 1" for reason in reasons)


@pytest.mark.parametrize("arguments", [{"trainer": "fleet"}, {"fleet": 3}])
def test_fleets_are_for_mlps(write_study: Write, arguments: Any) -> None:
    write_study(text())
    with pytest.raises(InputError, match=r"fleets train MLPs, and \[model\] names another"):
        tuner.tune("small", **arguments)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (text().replace(":Net", ":Nett"), "model.module names no class"),
        (text() + "widht = 3\n", "search.widht is no argument"),
        (text(ROWS).replace("'wine'", "'whine'"), "data.source: unknown source 'whine'"),
        (text(more="[trainer]\nmax_epochs = 3\n"), "trainer.max_epochs cannot be set"),
    ],
)
def test_wrong_input_creates_nothing(write_study: Write, wrong: str, message: str) -> None:
    path = write_study(wrong)
    with pytest.raises(InputError, match=message) as caught:
        tuner.tune("small")
    assert str(caught.value).startswith(str(path.relative_to(path.parent.parent)))
    assert not Path("runs").exists()


def test_a_winner_whose_class_is_gone(write_study: Write, project: Path) -> None:
    shutil.copy(ROOT / "tests" / "networks.py", project / "soon_gone.py")
    write_study(text().replace("tests.networks", "soon_gone"))
    tuner.tune("small", trials=1)
    with pytest.raises(InputError, match="best.ckpt: holds a module of your own"):
        tuner.load_ensemble("small")
    (project / "soon_gone.py").unlink()
    del sys.modules["soon_gone"]
    with pytest.raises(InputError, match="best.ckpt: its class names no module: there is no 'soon"):
        tuner.load_model("small")
    assert tuner.best_config("small").epochs == 3  # needs no class


@pytest.mark.slow
def test_the_example_on_the_command_line(project: Path) -> None:
    """With the installed script, which does not have the current folder on its path."""
    shutil.copytree(ROOT / "examples", project / "examples")
    study = (ROOT / "studies" / "digits_cnn.toml").read_text()
    (project / "studies" / "digits_cnn.toml").write_text(
        study.replace("epochs = 12", "epochs = 4") + "[confirm]\nconfigs = 1\nseeds = 2\n"
    )
    script = [str(Path(sys.executable).with_name("tuner"))]

    def installed(*words: str) -> str:
        return subprocess.run(
            [*script, *words],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "150"},
        ).stdout

    told = installed("tune", "digits_cnn", "--trials", "2")
    assert "starting 2 worker processes" in told or "workers" not in told
    assert "channels 16, dropout 0.1" in told
    assert "(defaults)" in told
    assert "examples.digits_cnn:Digits" in run("best", "digits_cnn").stdout
    best = json.loads(run("best", "digits_cnn", "--json").stdout)
    assert best["config"]["module"] == "examples.digits_cnn:ConvNet"
    assert best["value"] < 0.3
    assert "2 of 2" in run("tune", "digits_cnn", "--trials", "2").stdout
    assert "val_loss" in run("studies").stdout
    frame = tuner.leaderboard("digits_cnn")
    assert frame["val_accuracy"].max() >= 0.95
    assert {path.name for path in project.iterdir()} == {"examples", "runs", "studies"}


def test_a_table(write_study: Write, project: Path) -> None:
    """Its columns come to a module of the user's as numbers, scaled as its training rows are."""
    rows().drop(columns="value").to_csv(project / "rows.csv", index=False)
    write_study(text(ROWS).replace("source = 'wine'", "source = '../rows.csv'\nlabel = 'churned'"))
    result = tuner.tune("small", trials=2)
    assert result.counts.complete == 2
    data = TableDataModule(project / "rows.csv", "churned", batch_size=16)
    model: Any = tuner.load_model("small")
    assert result.best is not None and result.best.facts is not None
    assert result.best.facts.n_inputs == data.n_inputs and data.classes == ("no", "yes")
    assert val_loss(model, data) == pytest.approx(result.best.value, rel=1e-5)
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with quiet():  # Lightning calls what torch has deprecated
        trainer.fit(tuner.MLPConfig(depth=1, width=8).build(data.n_inputs, data.n_outputs), data)
    assert np.isfinite(float(trainer.callback_metrics["val_loss"]))
    frame = pd.DataFrame({0: range(40), 1: list("xy") * 20, 2: [0, 1, 2, 3] * 10, 3: 1.0})
    numbered = TableDataModule(frame, label=1, drop=[0], weight=3)
    assert (numbered.n_inputs, numbered.classes) == (1, ("x", "y"))
    with pytest.raises(DataError, match="'lable' is no key of a table"):
        TableDataModule(project / "rows.csv", "churned", lable="x")
    for wrong, message in (
        ({"group": "age", "time": "city"}, "not both"),
        ({"drop": "age", "numeric": ["age"]}, "'age' is named for two purposes"),
        ({"validation": 1.5}, "validation must be a share"),
        ({"drop": "ages"}, "did you mean 'age'"),
    ):
        with pytest.raises(DataError, match=message):
            TableDataModule(project / "rows.csv", "churned", **wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="did you mean 'churned'"):
        TableDataModule(project / "rows.csv", "churnd")
