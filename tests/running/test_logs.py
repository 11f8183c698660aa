"""Trials as loggers have them: what a team sees of a search, and who may end one."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tuner
from tuner.errors import InputError, StudyFileError
from tuner.running import logs
from tuner.running.progress import Ended, Epoch, Repeated, Snapshot

from ..conftest import SMALL, Write

CONFIRMED = SMALL.replace("seeds = 0\nmembers = 2", "configs = 1\nseeds = 2\nmembers = 1")


class Recorder(tuner.Observer):
    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.ends: list[Ended] = []
        self.remarks: list[str] = []
        self.winners: list[str] = []

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)

    def ended(self, trial: Ended) -> None:
        self.ends.append(trial)

    def remark(self, message: str) -> None:
        self.remarks.append(message)

    def confirmed(self, confirmation: Any) -> None:
        self.winners.append(confirmation.winning.name)


@pytest.mark.process
@pytest.mark.filterwarnings("ignore")  # of MLflow's own models, as they load
def test_runs_of_a_search(write_study: Write, project: Path) -> None:
    """Each trial is a run with its config and the metrics of its epochs, and so is the winner."""
    from mlflow import MlflowClient  # which takes a second of each process that collects tests
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_study(CONFIRMED + '[log]\nloggers = ["csv", "tensorboard", "mlflow"]\n')
    recorder = Recorder()
    result = tuner.tune("small", trials=3, workers=1, observer=recorder)
    assert result.best is not None and result.best.confirmed is not None
    folder = project / "runs" / "small" / "logs"
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "small"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"trial_0", "trial_1", "trial_2", "winner"}
    for end in recorder.ends:
        name = f"trial_{end.trial.number}"
        scores = [
            (each.trial.epoch, each.metrics["val_loss"])
            for each in recorder.epochs
            if each.trial.number == end.trial.number
        ]
        assert len(scores) == end.trial.epoch
        table = pd.read_csv(folder / "csv" / name / "metrics.csv")
        steps, values = ([*each] for each in zip(*scores, strict=True))
        assert table["step"].tolist() == steps
        assert table["val_loss"].tolist() == pytest.approx(values)
        events = EventAccumulator(str(folder / "tensorboard" / name)).Reload()
        drawn = [(each.step, each.value) for each in events.Scalars("val_loss")]
        assert drawn == [pytest.approx(each) for each in scores]
        kept = client.get_metric_history(runs[name].info.run_id, "val_loss")
        assert sorted((each.step, each.value) for each in kept) == scores
        assert runs[name].data.params["width"] == str(end.trial.config.width)
        assert runs[name].info.status == ("FINISHED" if end.state == "complete" else "KILLED")
    mean = result.best.confirmed.validation.mean
    assert runs["winner"].data.metrics["confirmed_val_loss"] == pytest.approx(mean)


def test_a_logger_that_fails_ends_nothing(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that is away loses a night of training."""
    make, made = logs._logger, list[str]()

    def failing(kind: Any, study: str, name: str, folder: Path) -> Any:
        made.append(name)
        run = make(kind, study, name, folder)
        if name == "trial_1":
            monkeypatch.setattr(run, "log_metrics", lambda *_, **__: 1 / 0)
        return run

    monkeypatch.setattr(logs, "_logger", failing)
    write_study(SMALL + '[log]\nloggers = "csv"\n')
    recorder = Recorder()
    assert tuner.tune("small", trials=4, fleet=1, workers=1, observer=recorder).counts.finished == 4
    assert recorder.remarks == ["csv is told no more: ZeroDivisionError: division by zero"]
    assert made == ["trial_0", "trial_1"]


def test_one_that_fails_takes_no_other_along(
    write_study: Write, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = logs._logger

    def away(kind: Any, study: str, name: str, folder: Path) -> Any:
        if kind == "tensorboard":
            raise ConnectionError("away")
        return make(kind, study, name, folder)

    monkeypatch.setattr(logs, "_logger", away)
    write_study(SMALL + '[log]\nloggers = ["tensorboard", "csv"]\n')
    tuner.tune("small", trials=2, workers=1)
    written = {path.name for path in (project / "runs" / "small" / "logs" / "csv").iterdir()}
    assert written == {"trial_0", "trial_1"}


def test_the_trial_that_ends_a_search_is_logged_as_complete(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = list[str]()
    make = logs._logger

    def noted(kind: Any, study: str, name: str, folder: Path) -> Any:
        run = make(kind, study, name, folder)
        monkeypatch.setattr(run, "finalize", ends.append)
        return run

    monkeypatch.setattr(logs, "_logger", noted)
    write_study(SMALL + '[log]\nloggers = "csv"\n')
    tuner.tune("small", workers=1, fleet=1, observer=Ends("ended", tuner.StopSearch("enough")))
    assert ends == ["success"]


def test_wrong_loggers(write_study: Write, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is created."""
    for text, message in (
        ('"tensorbord"', "log.loggers"),
        ('["csv", "csv"]', "must not name a logger twice"),
    ):
        write_study(SMALL + f"[log]\nloggers = {text}\n")
        with pytest.raises(StudyFileError, match=message):
            tuner.tune("small")
    monkeypatch.setitem(sys.modules, "wandb", None)
    write_study(SMALL + '[log]\nloggers = "wandb"\n')
    with pytest.raises(InputError, match=r"wandb is not installed: .*\[wandb\]"):
        tuner.tune("small")
    assert not (project / "runs").exists()


def test_loggers_may_change(write_study: Write) -> None:
    """A study goes on with others: no score depends on who is told of it."""
    write_study()
    tuner.tune("small", trials=1, workers=1)
    write_study(SMALL + '[log]\nloggers = "csv"\n')
    assert tuner.tune("small", trials=2, workers=1).ran == 1


class Ends(Recorder):
    """Ends a search with a word, at a moment."""

    def __init__(self, at: str, error: Exception) -> None:
        super().__init__()
        self.at, self.error = at, error

    def _end(self, moment: str) -> None:
        if moment == self.at:
            raise self.error

    def update(self, snapshot: Snapshot) -> None:
        if snapshot.counts.complete:
            self._end("update")

    def epoch(self, epoch: Epoch) -> None:
        if self.ends:
            self._end("epoch")

    def ended(self, trial: Ended) -> None:
        super().ended(trial)
        self._end("ended")

    def repeated(self, training: Repeated) -> None:
        self._end("repeated")


@pytest.mark.slow
@pytest.mark.parametrize("at", ["epoch", "ended", "repeated"])
def test_an_observer_ends_a_search(write_study: Write, at: str) -> None:
    """What finished is kept, and the same call goes on, to the same winner."""
    write_study(CONFIRMED)
    result = tuner.tune("small", workers=1, fleet=1, observer=Ends(at, tuner.StopSearch("enough")))
    assert result.stopped == "enough" and result.confirmation is None
    assert result.best is not None and result.counts.complete >= 1
    assert result.counts.finished < 4 or at == "repeated"
    assert tuner.best("small") == result.best
    recorder = Recorder()
    whole = tuner.tune("small", workers=1, fleet=1, observer=recorder)
    assert whole.counts.finished == 4 and whole.confirmation is not None
    tuner.tune("small", workers=1, observer=recorder)  # nothing is left to do
    assert recorder.winners == [whole.confirmation.winner]
    ends = Ends("update", tuner.StopSearch())
    again = tuner.tune("small", trials=6, workers=1, observer=ends)
    assert (again.stopped, again.ran) == ("an observer ended it", 0)
    assert (again.best, again.confirmation) == (whole.best, whole.confirmation)


def test_an_error_of_an_observer_is_its_own(write_study: Write) -> None:
    """It is not taken for a failure of a trial, and loses none."""
    write_study()
    with pytest.raises(KeyError, match="mine"):
        tuner.tune("small", workers=1, observer=Ends("ended", KeyError("mine")))
    assert tuner.tune("small", workers=1).counts.finished == 4
