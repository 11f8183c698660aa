"""The only place that knows where the Optuna study lives, and what is written into it.

All studies share one SQLite file (write-ahead log, one writer a study), so that the dashboard
shows them side by side. `StudyStore` is what the coordinator holds: it owns its study until
it is closed, and translates the errors of Optuna and SQLAlchemy into ours.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import save_note

from . import paths
from .config import DataFacts
from .errors import (
    ChangedStudyError,
    InputError,
    StoreLostError,
    StoreUnreadableError,
    StudyOwnedError,
    TunerError,
)
from .study import Metric, Pruner, StudySpec, direction

#: Seconds that a write waits for another process's write to the same file.
_BUSY_SECONDS = 60

# Names of the attributes that we keep in the store.
_IDENTITY = "identity"
_FACTS = "facts"
_SECONDS = "seconds"
_TRIALS = "budget_trials"
_INTERRUPTED = "interrupted"
_RETRY_OF = "retry_of"

_STORE_ERRORS = (
    optuna.exceptions.StorageInternalError,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
)


def store_path() -> Path:
    """Returns the file that holds all studies."""
    return paths.home() / "optuna.db"


@contextmanager
def _translated(kind: type[TunerError], doing: str) -> Iterator[None]:
    try:
        yield
    except _STORE_ERRORS as error:
        cause = error.__cause__ or error
        line = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise kind(f"{store_path()}: {doing} failed: {line}") from error
    except OSError as error:
        raise kind(f"{store_path()}: {doing} failed: {error.strerror or error}") from error


def open_storage() -> optuna.storages.RDBStorage:
    """Opens the store of all studies, which must exist.

    Raises:
        StoreUnreadableError: it exists and cannot be read.
        InputError: there is none yet.
    """
    path = store_path()
    if not path.exists():
        raise InputError(f"{path}: no study has been tuned here yet")
    return _connect(path)


def _connect(path: Path) -> optuna.storages.RDBStorage:
    with _translated(StoreUnreadableError, "opening the store"), _one_at_a_time(path):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        try:
            return optuna.storages.RDBStorage(
                f"sqlite:///{path}",
                engine_kwargs={"connect_args": {"timeout": _BUSY_SECONDS}},
            )
        except RuntimeError as error:  # the schema is one of another Optuna
            raise StoreUnreadableError(f"{path}: {error}") from error


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Keeps processes from opening the store at once, while one of them may be making it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_study(name: str) -> optuna.Study:
    """Opens one study to look at it.

    Raises:
        InputError: there is no such study.
        StoreUnreadableError: the store cannot be read.
    """
    storage = open_storage()
    with _translated(StoreUnreadableError, "reading the study"):
        try:
            return optuna.load_study(study_name=name, storage=storage)
        except KeyError as error:
            raise InputError(f"{store_path()}: study {name!r} has not been tuned yet") from error


@dataclass(frozen=True)
class Counts:
    """How many trials of a study there are.

    Attributes:
        complete: ran through all their epochs.
        pruned: ended early, the diverged ones among them.
        failed: raised an error.
        interrupted: cut by a signal, a crash or the end of the time; they run again.
        waiting: to be run next.
        running: under way.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    interrupted: int = 0
    waiting: int = 0
    running: int = 0

    @property
    def finished(self) -> int:
        """Trials that count against the budget: those that ended by themselves."""
        return self.complete + self.pruned + self.failed


def count(trials: list[FrozenTrial]) -> Counts:
    """Counts trials by how they ended."""
    states = [trial.state for trial in trials]
    interrupted = sum(_INTERRUPTED in trial.user_attrs for trial in trials if _is_failed(trial))
    return Counts(
        complete=states.count(TrialState.COMPLETE),
        pruned=states.count(TrialState.PRUNED),
        failed=states.count(TrialState.FAIL) - interrupted,
        interrupted=interrupted,
        waiting=states.count(TrialState.WAITING),
        running=states.count(TrialState.RUNNING),
    )


def _is_failed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL


@dataclass(frozen=True)
class StudySummary:
    """One study in the store.

    Attributes:
        name: of the study.
        metric: what is optimized.
        counts: its trials.
        budget: trials that it was last asked for, if a number was.
        best: best value of a complete trial, if there is one.
        seconds: spent on it so far.
    """

    name: str
    metric: str
    counts: Counts
    budget: int | None
    best: float | None
    seconds: float


def summaries() -> list[StudySummary]:
    """Returns all studies in the store, by name; none if there is no store yet.

    Raises:
        StoreUnreadableError: the store cannot be read.
    """
    if not store_path().exists():
        return []
    storage = open_storage()
    with _translated(StoreUnreadableError, "reading the studies"):
        names = sorted(optuna.get_all_study_names(storage=storage))
        return [_summary(optuna.load_study(study_name=name, storage=storage)) for name in names]


def _summary(study: optuna.Study) -> StudySummary:
    trials = study.get_trials(deepcopy=False)
    best = best_trial(study)
    return StudySummary(
        study.study_name,
        (study.metric_names or ["value"])[0],
        count(trials),
        study.user_attrs.get(_TRIALS),
        None if best is None else best.value,
        study.user_attrs.get(_SECONDS, 0.0),
    )


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Returns the best complete trial, the first of equals; pruned ones never win."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return None
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def facts_of(study: optuna.Study) -> DataFacts:
    """Returns the sizes of the data that a study was tuned on."""
    return DataFacts.model_validate(study.user_attrs[_FACTS])


class _Ownership:
    """The exclusive right to tune one study, given back by the system when the process ends."""

    def __init__(self, name: str) -> None:
        path = paths.study_folder(name) / "owner"
        with _translated(StoreLostError, "taking the study"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise StudyOwnedError(f"study {name!r} is being tuned by {owner}") from error
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()


class StudyStore:
    """One study, owned: the coordinator asks, reports and tells through it alone.

    Args:
        spec: the study file.
        metric: what is optimized.
        facts: sizes of the data.
        fingerprint: of the data, so that other data are noticed.
        new: put an earlier study of this name aside and begin anew.

    Raises:
        StudyOwnedError: another process is tuning the study.
        ChangedStudyError: its stored trials were made with another file or other data.
        StoreUnreadableError: the store cannot be read.
    """

    def __init__(
        self,
        spec: StudySpec,
        *,
        metric: Metric,
        facts: DataFacts,
        fingerprint: str,
        new: bool = False,
    ) -> None:
        identity = _identity(spec, metric, fingerprint)
        if store_path().exists() and not new:
            _refuse_changes(spec, identity)
        self._ownership = _Ownership(spec.name)
        try:
            self._storage = _connect(store_path())
            with _translated(StoreLostError, "writing the study"):
                if new:
                    _put_aside(spec.name, self._storage)
                self.study = optuna.create_study(
                    study_name=spec.name,
                    storage=self._storage,
                    direction=direction(metric),
                    load_if_exists=True,
                    pruner=make_pruner(spec.study.pruner, spec.objective.epochs),
                )
                # A sampler that resumes must not draw again what it drew at the start.
                n_trials = len(self.study.get_trials(deepcopy=False))
                self.study.sampler = optuna.samplers.TPESampler(
                    seed=(spec.study.seed + 1_000_003 * n_trials) % 2**32
                )
                if _IDENTITY not in self.study.user_attrs:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", ExperimentalWarning)
                        self.study.set_metric_names([metric])
                    save_note(self.study, f"`{spec.path.name}`\n\n```toml\n{spec.text}\n```\n")
                    self.study.set_user_attr(_FACTS, facts.model_dump())
                    self.study.set_user_attr(_IDENTITY, json.dumps(identity))
        except BaseException:
            self._ownership.release()
            raise

    def close(self) -> None:
        """Gives the study back."""
        self._storage.remove_session()
        self._storage.engine.dispose()
        self._ownership.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def trials(self) -> list[FrozenTrial]:
        """Returns all trials, in their order; not to be changed."""
        with _translated(StoreLostError, "reading the trials"):
            return self.study.get_trials(deepcopy=False)

    def enqueue(self, params: dict[str, Any], source: str) -> None:
        """Has these parameters tried next, unless they were tried or wait already."""
        with _translated(StoreLostError, "adding a trial"):
            self.study.enqueue_trial(params, user_attrs={"source": source}, skip_if_exists=True)

    def recover(self) -> int:
        """Ends what a process that is gone left running, to be run again; returns how many."""
        left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
        for trial in left:
            self.interrupt(trial, "the process was gone")
        return len(left)

    def ask(self) -> optuna.Trial:
        """Begins the next trial: one that waits, else one that the sampler draws."""
        with _translated(StoreLostError, "beginning a trial"):
            return self.study.ask()

    def annotate(self, trial: optuna.Trial, **attributes: Any) -> None:
        """Keeps attributes with a trial that is under way."""
        with _translated(StoreLostError, "annotating a trial"):
            for name, value in attributes.items():
                trial.set_user_attr(name, value)

    def report(self, trial: optuna.Trial, epoch: int, value: float) -> bool:
        """Keeps the value after an epoch, and says whether the trial is to be pruned."""
        with _translated(StoreLostError, "reporting a value"):
            trial.report(value, epoch)
            return trial.should_prune()

    def complete(self, trial: optuna.Trial, value: float) -> None:
        """Ends a trial with its value."""
        with _translated(StoreLostError, "ending a trial"):
            self.study.tell(trial, value)

    def prune(self, trial: optuna.Trial, reason: str) -> None:
        """Ends a trial before its last epoch, and keeps why."""
        self.annotate(trial, reason=reason)
        with _translated(StoreLostError, "ending a trial"):
            self.study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, reason: str, traceback: str) -> None:
        """Ends a trial that raised an error, and keeps which and where."""
        self.annotate(trial, reason=reason, traceback=traceback)
        with _translated(StoreLostError, "ending a trial"):
            self.study.tell(trial, state=TrialState.FAIL)

    def interrupt(self, trial: optuna.Trial | FrozenTrial, reason: str) -> None:
        """Ends a trial that was cut, and has the same one run again, with the same seeds.

        The copy is enqueued before the trial is told, and once only, so that a crash in
        between neither loses nor doubles it.
        """
        with _translated(StoreLostError, "ending a trial"):
            retries = {other.user_attrs.get(_RETRY_OF) for other in self.trials()}
            if trial.params and trial.number not in retries:
                kept = {name: trial.user_attrs.get(name) for name in ("seed", "source")}
                kept = {name: value for name, value in kept.items() if value is not None}
                self.study.enqueue_trial(trial.params, user_attrs={**kept, _RETRY_OF: trial.number})
            trial_id = trial._trial_id
            self._storage.set_trial_user_attr(trial_id, "reason", reason)
            self._storage.set_trial_user_attr(trial_id, _INTERRUPTED, True)
            self.study.tell(trial.number, state=TrialState.FAIL)

    @property
    def seconds(self) -> float:
        """Seconds spent on the study so far, by all processes that tuned it."""
        with _translated(StoreLostError, "reading the time"):
            return float(self.study.user_attrs.get(_SECONDS, 0.0))

    def spend(self, seconds: float) -> None:
        """Keeps how many seconds have been spent in all."""
        with _translated(StoreLostError, "keeping the time"):
            self.study.set_user_attr(_SECONDS, round(seconds, 3))

    def set_budget(self, trials: int | None) -> None:
        """Keeps the number of trials that the study was last asked for."""
        with _translated(StoreLostError, "keeping the budget"):
            if self.study.user_attrs.get(_TRIALS) != trials:
                self.study.set_user_attr(_TRIALS, trials)


def make_pruner(name: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """Makes the pruner of this name for trials of so many epochs."""
    match name:
        case "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
        case "median":
            return optuna.pruners.MedianPruner()
        case "none":
            return optuna.pruners.NopPruner()


def _identity(spec: StudySpec, metric: Metric, fingerprint: str) -> dict[str, Any]:
    """All that makes scores comparable: the whole file but the budget, and the data."""
    whole = spec.model_dump(mode="json", exclude={"budget"})
    whole["objective"]["metric"] = metric
    whole["data"]["fingerprint"] = fingerprint
    return _flat(whole)


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    """Names each value by section and key."""
    return {
        f"{section}.{key}": entry for section, keys in value.items() for key, entry in keys.items()
    }


def _refuse_changes(spec: StudySpec, identity: dict[str, Any]) -> None:
    """Compares the study file with the stored one.

    Raises:
        ChangedStudyError: they differ; the message holds the differences.
    """
    try:
        study = read_study(spec.name)
    except StoreUnreadableError:
        raise
    except InputError:
        return
    stored = json.loads(study.user_attrs.get(_IDENTITY, "null"))
    if stored is None or stored == identity:
        return
    lines = [
        f"  {key}: {json.dumps(stored.get(key))} -> {json.dumps(identity.get(key))}"
        for key in sorted(stored.keys() | identity.keys())
        if stored.get(key) != identity.get(key)
    ]
    raise ChangedStudyError(
        f"{spec.path}: differs from the study in {store_path()}, whose trials it cannot go on "
        "with; --new puts them aside and begins anew\n" + "\n".join(lines)
    )


def _put_aside(name: str, storage: optuna.storages.RDBStorage) -> None:
    """Renames a study and its files to `<name>.<n>`, the first n that is free."""
    names = optuna.get_all_study_names(storage=storage)
    if name not in names:
        return
    n = 1
    while f"{name}.{n}" in names or paths.study_folder(f"{name}.{n}").exists():
        n += 1
    aside = f"{name}.{n}"
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=aside
    )
    optuna.delete_study(study_name=name, storage=storage)
    folder, kept = paths.study_folder(name), paths.study_folder(aside)
    kept.mkdir(parents=True)
    for file in folder.iterdir():
        if file.name != "owner":
            file.rename(kept / file.name)
