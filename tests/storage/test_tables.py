"""Rows that are written past Optuna's storage are what it would have written."""

import math
import time
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError

from tuner.storage import tables
from tuner.storage.mirror import MirroredStorage
from tuner.storage.tables import Row

VALUES = {1: 0.25, 2: math.inf, 3: -math.inf, 4: math.nan, 5: -0.0}
PARAMETERS = {
    "rate": (0.001, FloatDistribution(1e-4, 1.0, log=True)),
    "depth": (2, IntDistribution(1, 3)),
    "activation": (1, CategoricalDistribution(["relu", "gelu"])),
}


def rows(trial: optuna.Trial) -> list[Row]:
    number = trial._trial_id
    return [
        *(tables.parameter(number, name, *each) for name, each in PARAMETERS.items()),
        *(tables.intermediate(number, step, value) for step, value in VALUES.items()),
        tables.user_attribute(number, "config", {"width": [1, 2]}),
        tables.system_attribute(number, "mine", "x" * 5000),
        tables.study_attribute(trial.study._study_id, "seconds", 3.5),
    ]


def as_told(study: optuna.Study) -> tuple[object, ...]:
    """What Optuna reads back; nan as a text, which is equal to itself."""
    (trial,) = study.get_trials()
    values = {step: repr(value) for step, value in trial.intermediate_values.items()}
    told = (trial.params, trial.distributions, values, trial.user_attrs, trial.system_attrs)
    return (*told, study.user_attrs)


@pytest.mark.parametrize("schema", [tables.SCHEMA, "another"])
def test_as_optuna_has_it(disk: RDBStorage, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the dashboard shows other trials than ran, or a newer Optuna cannot be installed."""
    monkeypatch.setattr(tables, "SCHEMA", schema)
    study = optuna.create_study(study_name="ours", storage=disk)
    trial = study.ask()
    tables.write(disk, rows(trial))
    tables.write(disk, rows(trial)[3:])  # of the same key: replaced
    theirs = optuna.create_study(study_name="theirs", storage=disk)
    other = theirs.ask()
    for name, (value, distribution) in PARAMETERS.items():
        disk.set_trial_param(other._trial_id, name, value, distribution)
    for step, value in VALUES.items():
        disk.set_trial_intermediate_value(other._trial_id, step, value)
    other.set_user_attr("config", {"width": [1, 2]})
    disk.set_trial_system_attr(other._trial_id, "mine", "x" * 5000)
    theirs.set_user_attr("seconds", 3.5)
    assert as_told(study) == as_told(theirs)


@pytest.mark.parametrize("schema", [tables.SCHEMA, "another"])
def test_another_name(disk: RDBStorage, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `--new` loses a part of what an earlier search found, or takes another's name."""
    monkeypatch.setattr(tables, "SCHEMA", schema)
    optuna.create_study(study_name="other", storage=disk)
    study = optuna.create_study(study_name="ours", storage=disk)
    trial = study.ask()
    tables.write(disk, rows(trial))
    study.tell(trial, 0.5)
    before = as_told(study)
    tables.rename(disk, "ours", "ours.1")
    assert sorted(optuna.get_all_study_names(storage=disk)) == ["other", "ours.1"]
    renamed = optuna.load_study(study_name="ours.1", storage=disk)
    assert as_told(renamed) == before
    assert renamed.best_value == 0.5
    with pytest.raises((IntegrityError, DuplicatedStudyError)):
        tables.rename(disk, "ours.1", "other")
    assert as_told(optuna.load_study(study_name="ours.1", storage=disk)) == before


def test_the_schema_is_that_of_the_optuna_that_is_tested(disk: RDBStorage) -> None:
    """Else every row is written by itself, and a fleet waits for its store, unnoticed."""
    assert disk.get_head_version() == disk.get_current_version() == tables.SCHEMA


@pytest.mark.parametrize("schema", [tables.SCHEMA, "another"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_others_ended_is_not_written(
    disk: RDBStorage, schema: str, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SCHEMA", schema)
    study = optuna.create_study(storage=disk)
    trial = study.ask()
    found = rows(trial)
    if gone:
        optuna.delete_study(study_name=study.study_name, storage=disk)
    else:
        study.tell(trial, 1.0)
    error: type[Exception] = KeyError if gone else optuna.exceptions.UpdateFinishedTrialError
    with pytest.raises(error):
        tables.write(disk, found)


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on the other side of the world."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("schema", [tables.SCHEMA, "another"])
def test_times_are_those_of_this_machine(
    disk: RDBStorage, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else best.json says another time of the day after each resuming."""
    monkeypatch.setattr(tables, "SCHEMA", schema)
    mirrored = MirroredStorage(disk)
    study = optuna.create_study(study_name="one", storage=mirrored)
    study.tell(study.ask(), 1.0)
    (ours,) = study.get_trials()
    (theirs,) = optuna.load_study(study_name="one", storage=disk).get_trials()
    times: Callable[[FrozenTrial], tuple[object, ...]] = lambda trial: (  # noqa: E731
        trial.state,
        trial.datetime_start,
        trial.datetime_complete,
    )
    assert times(ours) == times(theirs)
    assert ours.state == TrialState.COMPLETE
    mirrored.remove_session()
