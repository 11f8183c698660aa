"""The only place that knows where the Optuna studies live, and how they are opened and read.

All studies share one SQLite file (write-ahead log, one writer a study), so that the dashboard
shows them side by side. What is written into it is `tuner.study_store`'s part.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL

from . import paths
from .errors import InputError, StoreUnreadableError, TunerError

#: Seconds that a write waits for another process's write to the same file.
_BUSY_SECONDS = 60

# Names of the attributes that a study and its trials keep in the store.
IDENTITY = "identity"
FACTS = "facts"
SECONDS = "seconds"
BUDGET_TRIALS = "budget_trials"
INTERRUPTED = "interrupted"
RETRY_OF = "retry_of"
CONFIG = "config"

_STORE_ERRORS = (
    optuna.exceptions.StorageInternalError,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
    KeyError,  # Optuna's word for a study or trial that someone deleted
    optuna.exceptions.UpdateFinishedTrialError,  # ... or ended
)


def store_path() -> Path:
    """Returns the file that holds all studies."""
    return paths.home() / "optuna.db"


@contextmanager
def translated(kind: type[TunerError], doing: str) -> Iterator[None]:
    """Raises the errors of Optuna, SQLAlchemy, SQLite and the system as one of ours."""
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
    return connect(path)


def connect(path: Path) -> optuna.storages.RDBStorage:
    """Opens the store, and makes it where there is none.

    Raises:
        StoreUnreadableError: it exists and cannot be read.
    """
    with translated(StoreUnreadableError, "opening the store"), _one_at_a_time(path):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        try:
            return optuna.storages.RDBStorage(
                URL.create("sqlite", database=str(path)).render_as_string(),
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
    with translated(StoreUnreadableError, "reading the study"):
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
    interrupted = sum(INTERRUPTED in trial.user_attrs for trial in trials if _is_failed(trial))
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
    with translated(StoreUnreadableError, "reading the studies"):
        names = sorted(optuna.get_all_study_names(storage=storage))
        return [_summary(optuna.load_study(study_name=name, storage=storage)) for name in names]


def _summary(study: optuna.Study) -> StudySummary:
    trials = study.get_trials(deepcopy=False)
    best = best_trial(study)
    return StudySummary(
        study.study_name,
        (study.metric_names or ["value"])[0],
        count(trials),
        study.user_attrs.get(BUDGET_TRIALS),
        None if best is None else best.value,
        study.user_attrs.get(SECONDS, 0.0),
    )


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Returns the best complete trial, the first of equals; pruned ones never win."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return None
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
