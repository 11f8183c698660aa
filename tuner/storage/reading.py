"""How the Optuna studies are opened and read.

All studies share one store (`location.py`; one writer a study), so that the dashboard shows them
side by side. What is written into it is `study_store.py`'s part.
"""

from __future__ import annotations

import errno
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..errors import InputError, StoreLostError, StoreUnreadableError, TunerError
from .location import Location, locate

# Names of the attributes that a study and its trials keep in the store.
IDENTITY = "identity"
FACTS = "facts"
SECONDS = "seconds"
CONFIRMATION_SECONDS = "confirmation_seconds"
BUDGET_TRIALS = "budget_trials"
INTERRUPTED = "interrupted"
LOSSES = "losses"
RETRY_OF = "retry_of"
ABLATION = "ablation"
FRONT = "front"
AUDIT = "audit"
MACHINE = "machine"
N_PARAMETERS = "n_parameters"
RATE_RANGE = "rate_range"
CODE = "code"
CONFIG = "config"
DECLINED = "declined"
CONFIRMATION = "confirmation"
EPOCH_SECONDS = "epoch_seconds"
EVALUATION = "evaluation"
FOLD_SCORES = "fold_scores"
SOURCE = "source"
TEST_OPENINGS = "test_openings"

_STORE_ERRORS = (
    optuna.exceptions.StorageInternalError,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
    KeyError,  # Optuna's word for a study or trial that someone deleted
    optuna.exceptions.UpdateFinishedTrialError,  # ... or ended
    json.JSONDecodeError,  # its word for a row that is damaged
)


@contextmanager
def translated(location: Location, kind: type[TunerError], doing: str) -> Iterator[None]:
    """Raises the errors of Optuna, SQLAlchemy, SQLite and the system as one of ours."""
    try:
        yield
    except _STORE_ERRORS as error:
        if _is_full(error):
            kind = StoreLostError
        cause = error.__cause__ or error
        line = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise kind(f"{location}: {doing} failed: {line}") from error
    except OSError as error:
        if _is_full(error):
            kind = StoreLostError
        raise kind(f"{location}: {doing} failed: {error.strerror or error}") from error


def _is_full(error: BaseException | None) -> bool:
    """Says whether an error means that a disk has no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "database or disk is full" in str(error):
            return True
        error = error.__cause__
    return False


def open_storage(location: Location | None = None) -> optuna.storages.RDBStorage:
    """Opens the store of all studies, which must exist.

    Args:
        location: of the store; None is where `locate` finds it.

    Raises:
        StoreUnreadableError: it exists and cannot be read.
        InputError: there is none yet.
    """
    location = location or locate()
    if not location.exists():
        raise InputError(f"{location}: no study has been tuned here yet")
    return connect(location)


def connect(location: Location, *, is_kept: bool = False) -> optuna.storages.RDBStorage:
    """Opens the store, and makes it where there is none.

    Args:
        location: of the store.
        is_kept: connections stay open between two uses, until the engine is disposed of.

    Raises:
        StoreUnreadableError: it exists and cannot be read.
    """
    with translated(location, StoreUnreadableError, "opening the store"):
        try:
            return location.connect(is_kept=is_kept)
        except RuntimeError as error:  # the schema is one of another Optuna
            raise StoreUnreadableError(
                f"{location}: {_of_another_optuna(error, location)}"
            ) from error


def _of_another_optuna(error: RuntimeError, location: Location) -> str:
    """Says how a store whose schema is another one can be read."""
    made_by = re.search(r"set up by optuna ([\w.]+)", str(error))
    maker = "another Optuna" if made_by is None else f"Optuna {made_by[1]}"
    if "storage upgrade" in str(error):
        command = Path(sys.executable).with_name("optuna")
        return (
            f"made by {maker}, whose tables this one reads after `{command} storage upgrade "
            f"--storage {location.address}`"
        )
    return (
        f"made by {maker}, whose tables are not known here; a newer Optuna may read them: "
        f"`{sys.executable} -m pip install --upgrade optuna`"
    )


def read_study(name: str, location: Location | None = None) -> optuna.Study:
    """Opens one study to look at it.

    Args:
        name: of the study.
        location: of the store; None is where `locate` finds it.

    Raises:
        InputError: there is no such study.
        StoreUnreadableError: the store cannot be read.
    """
    location = location or locate()
    storage = open_storage(location)
    with translated(location, StoreUnreadableError, "reading the study"):
        try:
            return optuna.load_study(study_name=name, storage=storage)
        except KeyError as error:
            raise InputError(f"{location}: study {name!r} has not been tuned yet") from error


def stored_metric(name: str, location: Location) -> str:
    """Returns what a study optimizes; "" if there is none, or it does not say.

    Raises:
        StoreUnreadableError: the store cannot be read.
    """
    study = _stored(name, location)
    names = None if study is None else study.metric_names
    return names[0] if names else ""


def stored_fingerprint(name: str, location: Location) -> str:
    """Returns the fingerprint of a study's data; "" if there is none, or it does not say.

    Raises:
        StoreUnreadableError: the store cannot be read.
    """
    study = _stored(name, location)
    identity = {} if study is None else json.loads(study.user_attrs.get(IDENTITY, "{}"))
    return str(identity.get("data.fingerprint", ""))


def _stored(name: str, location: Location) -> optuna.Study | None:
    """Returns a study, if it is there."""
    if location.is_empty:
        return None
    try:
        return read_study(name, location)
    except InputError:
        return None


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
    pruned = TrialState.PRUNED
    declined = sum(DECLINED in trial.user_attrs for trial in trials if trial.state == pruned)
    return Counts(
        complete=states.count(TrialState.COMPLETE),
        pruned=states.count(TrialState.PRUNED) - declined,
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
        seconds: spent on its searches so far.
        confirmation_seconds: spent on its confirmations.
    """

    name: str
    metric: str
    counts: Counts
    budget: int | None
    best: float | None
    seconds: float
    confirmation_seconds: float = 0.0


def summaries(location: Location | None = None) -> list[StudySummary]:
    """Returns all studies in the store, by name; none if there is no store yet.

    Args:
        location: of the store; None is where `locate` finds it.

    Raises:
        StoreUnreadableError: the store cannot be read.
    """
    location = location or locate()
    if not location.exists():
        return []
    storage = connect(location)
    with translated(location, StoreUnreadableError, "reading the studies"):
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
        study.user_attrs.get(CONFIRMATION_SECONDS, 0.0),
    )


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Returns the best complete trial, the first of equals; pruned ones never win."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return None
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
