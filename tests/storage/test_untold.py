"""What could not be told is told later, to the store and the study that it belongs to."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from tuner.storage import tables
from tuner.storage.tables import End
from tuner.storage.untold import Untold


@pytest.fixture
def study(disk: RDBStorage) -> optuna.Study:
    return optuna.create_study(study_name="one", storage=disk)


def keep(path: Path, trial: optuna.Trial, store: str = "here") -> None:
    number = trial._trial_id
    rows = [
        tables.parameter(number, "x", 0.5, optuna.distributions.FloatDistribution(0, 1)),
        tables.user_attribute(number, "seed", 7),
        tables.system_attribute(number, "mine", [1]),
        tables.intermediate(number, 1, math.inf),
        tables.intermediate(number, 2, 0.25),
        tables.study_attribute(trial.study._study_id, "seconds", 3.5),
    ]
    Untold(path, store).keep(rows, [End(number, TrialState.COMPLETE, [0.25])])


def test_is_told(disk: RDBStorage, study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "untold.jsonl"
    keep(path, study.ask())
    assert len(path.read_text().splitlines()) == 7
    Untold(path, "here").tell(disk, "one")
    (trial,) = study.trials
    assert (trial.state, trial.value, trial.params) == (TrialState.COMPLETE, 0.25, {"x": 0.5})
    assert trial.user_attrs == {"seed": 7}
    assert trial.system_attrs == {"mine": [1]}
    assert trial.intermediate_values == {1: math.inf, 2: 0.25}
    assert study.user_attrs == {"seconds": 3.5}
    assert not path.exists()


def test_waits_for_its_store(disk: RDBStorage, study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "untold.jsonl"
    here, there = study.ask(), study.ask()
    keep(path, here)
    keep(path, there, "there")
    Untold(path, "here").tell(disk, "one")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.RUNNING]
    Untold(path, "there").tell(disk, "one")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert not path.exists()


def test_what_is_told_already_stays(disk: RDBStorage, study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "untold.jsonl"
    trial = study.ask()
    keep(path, trial)
    study.tell(trial, 1.0)
    Untold(path, "here").tell(disk, "one")
    assert study.trials[0].value == 1.0
    assert not path.exists()


def test_of_a_study_that_is_gone(disk: RDBStorage, study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "untold.jsonl"
    keep(path, study.ask())
    optuna.delete_study(study_name="one", storage=disk)
    other = optuna.create_study(study_name="two", storage=disk)
    other.ask()
    Untold(path, "here").tell(disk, "one")
    assert other.trials[0].state == TrialState.RUNNING
    assert not path.exists()
