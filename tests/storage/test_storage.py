"""The store: one owner, no lost trial, no silent change, errors of our own."""

import contextlib
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tuner import storage
from tuner.errors import (
    ChangedStudyError,
    InputError,
    StoreLostError,
    StoreUnreadableError,
    StudyOwnedError,
)
from tuner.network.config import DataFacts
from tuner.storage import StudyStore, best_trial, count, locate, tables
from tuner.storage.pruners import GainPruner
from tuner.storage.untold import Untold
from tuner.study import StudySpec, load_study
from tuner.system import paths

from ..commands import forks
from ..conftest import SMALL, Write

FACTS = DataFacts(n_inputs=13, n_outputs=3, n_rows=100)


def open_store(spec: StudySpec, fingerprint: str = "abc", new: bool = False) -> StudyStore:
    return StudyStore(spec, metric="val_loss", facts=FACTS, fingerprint=fingerprint, new=new)


@pytest.fixture
def spec(write_study: Write) -> StudySpec:
    return load_study(write_study())


@pytest.fixture
def store(spec: StudySpec) -> Iterator[StudyStore]:
    with open_store(spec) as store:
        yield store


def begin(store: StudyStore) -> optuna.Trial:
    trial = store.ask()
    trial.suggest_float("x", 0, 1)
    return trial


def test_trials_as_optuna_sees_them(store: StudyStore) -> None:
    done, pruned, failed = begin(store), begin(store), begin(store)
    store.annotate(done, width=7)
    assert store.report(done, 1, 0.5) is False
    store.complete(done, 0.25)
    store.report(pruned, 1, 0.75)
    store.prune(pruned, "too slow")
    store.fail(failed, "ValueError: no", "Traceback ...")
    # Read back through Optuna alone.
    url = f"sqlite:///{locate().path}"
    trials = optuna.load_study(study_name="small", storage=url).trials
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert [t.value for t in trials] == [0.25, 0.75, None]
    assert trials[0].intermediate_values == {1: 0.5}
    assert trials[0].user_attrs == {"width": 7}
    assert trials[1].user_attrs["reason"] == "too slow"
    assert trials[2].user_attrs["traceback"] == "Traceback ..."
    assert optuna.load_study(study_name="small", storage=url).metric_names == ["val_loss"]


def test_the_file_is_in_wal_mode(store: StudyStore) -> None:
    connection = sqlite3.connect(locate().path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_an_interrupted_trial_runs_again_once(spec: StudySpec) -> None:
    with open_store(spec) as store:
        cut = begin(store)
        store.annotate(cut, seed=42, source="note", config="{}")
        store.interrupt(cut, "a signal")
        counts = count(store.trials())
        assert (counts.finished, counts.interrupted, counts.waiting) == (0, 1, 1)
        again = begin(store)
        assert again.params == cut.params
        assert again.user_attrs == {"seed": 42, "source": "note", "retry_of": 0}


def test_recovers_what_a_dead_process_left(spec: StudySpec) -> None:
    with open_store(spec) as store:
        store.annotate(begin(store), config="{}")
    with open_store(spec) as store:
        assert store.recover() == 1
        assert store.recover() == 0
        assert count(store.trials()).running == 0
        assert count(store.trials()).waiting == 1


def test_recovery_cut_between_its_steps_neither_loses_nor_doubles(spec: StudySpec) -> None:
    """A crash after the copy is enqueued, before the cut trial is told."""
    with open_store(spec) as store:
        cut = begin(store)
        store.annotate(cut, config="{}")
        store.study.enqueue_trial(cut.params, user_attrs={"retry_of": cut.number})
    with open_store(spec) as store:
        store.recover()
        assert count(store.trials()).waiting == 1


def test_a_trial_that_was_cut_while_it_was_drawn(spec: StudySpec) -> None:
    """One of the sampler's is dropped; an enqueued one, which names all its values, runs again."""
    with open_store(spec) as store:
        store.enqueue({"x": 0.5, "y": 0.25}, "note")
        for _ in range(2):
            begin(store)
    with open_store(spec) as store:
        assert store.recover() == 2
        counts = count(store.trials())
        assert (counts.waiting, counts.running, counts.finished) == (1, 0, 0)
        again = store.ask()
        assert (again.suggest_float("x", 0, 1), again.suggest_float("y", 0, 1)) == (0.5, 0.25)


def test_a_starting_point_is_enqueued_once(store: StudyStore) -> None:
    for _ in range(2):
        store.enqueue({"x": 0.5}, "note")
    assert count(store.trials()).waiting == 1
    assert begin(store).user_attrs["source"] == "note"


def test_the_best_is_complete(store: StudyStore) -> None:
    assert best_trial(store.study) is None
    pruned, good, twin = begin(store), begin(store), begin(store)
    store.report(pruned, 1, 0.0)
    store.prune(pruned, "pruned")
    store.complete(good, 0.5)
    store.complete(twin, 0.5)
    best = best_trial(store.study)
    assert best is not None
    assert best.number == good.number


def test_only_one_owner(spec: StudySpec) -> None:
    with open_store(spec):
        with pytest.raises(StudyOwnedError, match=r"'small' is being tuned by process \d+ on "):
            open_store(spec)
    open_store(spec).close()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("epochs = 3", "epochs = 4", "  objective.epochs: 3 -> 4"),
        ("high = 2 }", "high = 3 }", '  search.depth: {"low": 1, "high": 2'),
        ("[budget]", "[study]\nseed = 9\n[budget]", "  study.seed: 0 -> 9"),
        ('"wine"', '"iris"', '  data.source: "wine" -> "iris"'),
    ],
)
def test_a_changed_file_is_refused_with_a_diff(
    spec: StudySpec, write_study: Write, old: str, new: str, line: str
) -> None:
    with open_store(spec) as store:
        store.complete(begin(store), 0.5)
    changed = load_study(write_study(SMALL.replace(old, new)))
    with pytest.raises(ChangedStudyError) as caught:
        open_store(changed)
    assert line in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_changed_file_is_fine_while_nothing_has_finished(
    spec: StudySpec, write_study: Write
) -> None:
    with open_store(spec) as store:
        store.enqueue({"x": 0.5}, "rule")
        begin(store)
    changed = load_study(write_study(SMALL.replace("epochs = 3", "epochs = 4")))
    with open_store(changed) as store:
        assert store.trials() == []
        store.prune(begin(store), "worse")
    assert [summary.name for summary in storage.summaries()] == ["small"]
    with pytest.raises(ChangedStudyError, match="objective.epochs: 4 -> 3"):
        open_store(spec)


def test_a_changed_file_is_refused_while_something_is_untold(
    spec: StudySpec, write_study: Write
) -> None:
    with open_store(spec) as store:
        store.untold.keep([tables.user_attribute(1, "seed", 7)], [])
    changed = load_study(write_study(SMALL.replace("epochs = 3", "epochs = 4")))
    with pytest.raises(ChangedStudyError, match="objective.epochs: 3 -> 4"):
        open_store(changed)
    elsewhere = Untold(store.untold.path, "elsewhere")
    assert elsewhere.is_empty and not store.untold.is_empty


def test_other_data_or_metric_are_refused(spec: StudySpec) -> None:
    with open_store(spec) as store:
        store.complete(begin(store), 0.5)
    with pytest.raises(ChangedStudyError, match='data.fingerprint: "abc" -> "xyz"'):
        open_store(spec, fingerprint="xyz")
    with pytest.raises(ChangedStudyError, match='objective.metric: "val_loss" -> "val_accuracy"'):
        StudyStore(spec, metric="val_accuracy", facts=FACTS, fingerprint="abc")


def test_another_budget_is_fine(spec: StudySpec, write_study: Write) -> None:
    open_store(spec).close()
    open_store(load_study(write_study(SMALL.replace("trials = 4", "trials = 9")))).close()


def test_new_puts_the_old_one_aside(spec: StudySpec) -> None:
    for value in (0.5, 0.25):
        with open_store(spec, fingerprint=str(value), new=True) as store:
            store.complete(begin(store), value)
            (paths.study_folder("small") / "best.json").write_text(str(value))
    with open_store(spec, fingerprint="third", new=True) as store:
        assert store.trials() == []
    assert [summary.name for summary in storage.summaries()] == ["small", "small.1", "small.2"]
    assert [summary.best for summary in storage.summaries()] == [None, 0.5, 0.25]
    assert (paths.study_folder("small.2") / "best.json").read_text() == "0.25"


def test_new_leaves_no_trial_running(spec: StudySpec) -> None:
    with open_store(spec) as store:
        store.annotate(begin(store), config="{}")
    open_store(spec, new=True).close()
    assert [summary.counts.running for summary in storage.summaries()] == [0, 0]


def test_no_store_yet(project: Path) -> None:
    assert storage.summaries() == []
    with pytest.raises(InputError, match="no study has been tuned here yet"):
        storage.open_storage()
    assert not paths.home().exists()


def test_unknown_study(store: StudyStore) -> None:
    with pytest.raises(InputError, match="study 'nope' has not been tuned yet"):
        storage.read_study("nope")


def test_a_store_that_is_no_database(spec: StudySpec) -> None:
    paths.home().mkdir()
    locate().path.write_bytes(b"this is not a database, " * 100)
    with pytest.raises(StoreUnreadableError, match="failed: this is no SQLite da"):
        open_store(spec)
    with pytest.raises(StoreUnreadableError):
        storage.summaries()


def fill_up(spec: StudySpec, home: str) -> None:
    """Writes until the file may not grow, and exits with the error's own code."""
    os.environ["TUNER_HOME"] = home  # a fork has the variables with which its server began
    os.environ.pop("TUNER_STORAGE", None)
    try:
        with open_store(spec) as store:
            largest = max(path.stat().st_size for path in paths.home().glob("optuna.db*"))
            room = largest + 500_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            for _ in range(10_000):
                trial = begin(store)
                store.annotate(trial, filling="x" * 4000)
                store.complete(trial, 1.0)
    except StoreLostError as error:  # by a write, or by the close after it
        raise SystemExit(error.exit_code) from error


@pytest.mark.process
def test_a_full_disk_loses_nothing_that_finished(spec: StudySpec) -> None:
    process = forks().Process(target=fill_up, args=(spec, str(paths.home().absolute())))
    process.start()
    process.join(120)
    assert process.exitcode == 5
    with open_store(spec) as store:
        store.recover()
        counts = count(store.trials())
        assert counts.complete > 0
        assert counts.running == 0


def test_a_home_with_odd_characters(spec: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_HOME", "a b?c#d%20{x}")
    with open_store(spec) as store:
        store.complete(begin(store), 1.0)
    assert Path("a b?c#d%20{x}", "optuna.db").exists()
    assert [summary.best for summary in storage.summaries()] == [1.0]


def test_two_goals_decide_who_draws_and_who_prunes(write_study: Write) -> None:
    for metric, kind, of_each_size in (
        ('"val_loss"', "TPESampler", False),
        ('["val_loss", "n_parameters"]', "SizeSampler", True),
    ):
        path = write_study(SMALL.replace("seeds = 0", "seeds = 2").replace('"val_loss"', metric))
        with contextlib.closing(
            StudyStore(load_study(path), metric="val_loss", facts=FACTS, fingerprint="abc")
        ) as store:
            store.prune_by("gain", 9)
            assert type(store.study.sampler).__name__ == kind
            assert isinstance(store.study.pruner, GainPruner)
            assert store.study.pruner.of_each_size == of_each_size
