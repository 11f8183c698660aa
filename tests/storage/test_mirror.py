"""Memory in front of a store: Optuna's own tests of a storage, and that the store follows."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from tuner.storage.mirror import MirroredStorage


@pytest.fixture
def storage(disk: RDBStorage) -> Iterator[BaseStorage]:
    mirrored = MirroredStorage(disk)
    yield mirrored
    mirrored.remove_session()


@pytest.mark.slow
class TestAsOptunaTestsItsOwn(StorageTestCase):
    pass


def search(storage: BaseStorage, n_trials: int) -> optuna.Study:
    """Runs a study with everything that a search of ours uses."""
    study = optuna.create_study(
        study_name="one",
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.HyperbandPruner(1, 9),
        load_if_exists=True,
    )
    study.enqueue_trial({"x": 0.5, "kind": "b"}, skip_if_exists=True)
    for _ in range(n_trials):
        trial = study.ask()
        x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", ["a", "b"])
        trial.set_user_attr("seed", trial.number)
        for epoch in range(1, 10):
            trial.report(x + (kind == "b") / epoch, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, x)
    return study


def test_a_search_is_the_same_and_the_store_has_all_of_it(
    storage: MirroredStorage, disk: RDBStorage
) -> None:
    plain = search(optuna.storages.InMemoryStorage(), 30)
    mirrored = search(storage, 30)
    storage.flush()
    assert disk.get_all_trials(mirrored._study_id) == mirrored.trials
    for one, other in zip(plain.trials, mirrored.trials, strict=True):
        assert (one.state, one.params, one.intermediate_values) == (
            other.state,
            other.params,
            other.intermediate_values,
        )


def test_goes_on_with_what_the_store_has(disk: RDBStorage) -> None:
    first = MirroredStorage(disk)
    search(first, 5)
    first.remove_session()
    second = MirroredStorage(disk)
    study = search(second, 5)
    second.remove_session()
    assert [trial.number for trial in study.trials] == list(range(10))
    assert study.trials == disk.get_all_trials(study._study_id)


def test_an_end_is_in_the_store_at_once(storage: MirroredStorage, disk: RDBStorage) -> None:
    """With all that was said of the trial before."""
    study = optuna.create_study(storage=storage)
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    for epoch in range(100):
        trial.report(epoch, epoch)
    study.tell(trial, 1.0)
    (stored,) = disk.get_all_trials(study._study_id)
    assert stored.value == 1.0
    assert stored.params == trial.params
    assert len(stored.intermediate_values) == 100


def test_after_an_error_behind_nothing_more_is_written(disk: RDBStorage) -> None:
    """So a trial that lacks a part of itself is never complete."""
    storage = MirroredStorage(disk)
    study = optuna.create_study(storage=storage)
    trial, other = study.ask(), study.ask()
    disk.set_trial_state_values(other._trial_id, TrialState.FAIL)  # as the dashboard may
    trial.set_user_attr("x", 1)
    other.set_user_attr("x", 1)
    for _ in range(2):
        with pytest.raises(UpdateFinishedTrialError):
            study.tell(trial, 1.0)
    with pytest.raises(UpdateFinishedTrialError):
        study.ask()
    with pytest.raises(UpdateFinishedTrialError):
        trial.report(1.0, 1)
    with pytest.raises(UpdateFinishedTrialError):
        storage.remove_session()
    stored, _ = disk.get_all_trials(study._study_id)
    assert stored.state == TrialState.RUNNING


def test_a_study_that_someone_deleted(disk: RDBStorage) -> None:
    storage = MirroredStorage(disk)
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    disk.delete_study(study._study_id)
    trial.set_user_attr("x", 1)
    with pytest.raises(KeyError):
        storage.flush()
    with pytest.raises(KeyError):
        storage.remove_session()


def test_what_cannot_be_written_is_refused_at_once(storage: MirroredStorage) -> None:
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with pytest.raises(TypeError):
        trial.set_user_attr("x", object())
    study.tell(trial, 1.0)
    assert study.best_value == 1.0


def test_a_key_that_is_written_again(storage: MirroredStorage, disk: RDBStorage) -> None:
    """Within one transaction, too, the last value is kept."""
    study = optuna.create_study(study_name="one", storage=storage)
    trial = study.ask()
    for value in range(100):
        trial.set_user_attr("x", value)
        study.set_user_attr("y", value)
    study.tell(trial, 1.0)
    stored = optuna.load_study(study_name="one", storage=disk)
    assert (stored.trials[0].user_attrs["x"], stored.user_attrs["y"]) == (99, 99)


def test_trials_that_someone_else_added_after_all(
    storage: MirroredStorage, disk: RDBStorage
) -> None:
    study = search(storage, 2)
    optuna.load_study(study_name="one", storage=disk).enqueue_trial({"x": 0.25, "kind": "a"})
    study = search(storage, 3)
    assert [trial.number for trial in study.trials] == list(range(5))
    assert any(trial.params["x"] == 0.25 for trial in study.trials)
