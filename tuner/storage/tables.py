"""Rows of Optuna's tables, many of them written in one transaction.

Optuna's own storage takes a transaction for each parameter, attribute and value: about 30 for a
trial, of some 3 ms each, and of the processor time that training could have had.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_TRIALS: Any = models.TrialModel.__table__

#: Those that rows are written to.
TABLES: tuple[Any, ...] = (
    models.TrialParamModel,
    models.TrialUserAttributeModel,
    models.TrialSystemAttributeModel,
    models.TrialIntermediateValueModel,
    models.StudyUserAttributeModel,
)


@dataclass(frozen=True)
class Row:
    """One row, which replaces the one of the same key.

    Attributes:
        table: Optuna's model of the table.
        key: columns that no other row has the same values in.
        rest: the other columns.
    """

    table: Any
    key: dict[str, Any]
    rest: dict[str, Any]


@dataclass(frozen=True)
class End:
    """The end of a trial.

    Attributes:
        trial_id: its id.
        state: that it ended in.
        values: that it ended with.
    """

    trial_id: int
    state: TrialState
    values: Sequence[float] | None


def parameter(trial_id: int, name: str, value: float, distribution: BaseDistribution) -> Row:
    """Returns the row of a parameter; `value` is Optuna's internal one."""
    rest = {"param_value": value, "distribution_json": distribution_to_json(distribution)}
    return Row(models.TrialParamModel, {"trial_id": trial_id, "param_name": name}, rest)


def user_attribute(trial_id: int, key: str, value: Any) -> Row:
    """Returns the row of a user attribute of a trial."""
    keys = {"trial_id": trial_id, "key": key}
    return Row(models.TrialUserAttributeModel, keys, {"value_json": json.dumps(value)})


def system_attribute(trial_id: int, key: str, value: Any) -> Row:
    """Returns the row of an attribute of Optuna's of a trial."""
    keys = {"trial_id": trial_id, "key": key}
    return Row(models.TrialSystemAttributeModel, keys, {"value_json": json.dumps(value)})


def study_attribute(study_id: int, key: str, value: Any) -> Row:
    """Returns the row of a user attribute of a study."""
    keys = {"study_id": study_id, "key": key}
    return Row(models.StudyUserAttributeModel, keys, {"value_json": json.dumps(value)})


def intermediate(trial_id: int, step: int, value: float) -> Row:
    """Returns the row of a value after a step, which may be infinite or no number."""
    model = models.TrialIntermediateValueModel
    stored, kind = model.intermediate_value_to_stored_repr(value)
    rest = {"intermediate_value": stored, "intermediate_value_type": kind}
    return Row(model, {"trial_id": trial_id, "step": step}, rest)


def name(table: Any) -> str:
    """Returns what the database calls a table."""
    return str(table.__tablename__)


def write(engine: sqlalchemy.Engine, rows: Sequence[Row]) -> None:
    """Writes rows, all of them or none.

    Raises:
        KeyError: someone deleted one of the trials.
        UpdateFinishedTrialError: someone ended one.
        sqlalchemy.exc.SQLAlchemyError: the store cannot be written.
    """
    by_table: dict[Any, list[Row]] = {}
    for row in rows:
        by_table.setdefault(row.table, []).append(row)
    with engine.begin() as connection:
        _check(connection, {row.key["trial_id"] for row in rows if "trial_id" in row.key})
        for table, group in by_table.items():
            insert = _INSERTS[engine.name](table.__table__)
            statement = insert.on_conflict_do_update(
                index_elements=list(group[0].key),
                set_={name: insert.excluded[name] for name in group[0].rest},
            )
            connection.execute(statement, [row.key | row.rest for row in group])


def _check(connection: sqlalchemy.Connection, trial_ids: set[int]) -> None:
    of_trial = _TRIALS.c
    wanted = sqlalchemy.select(of_trial.trial_id, of_trial.state)
    found = connection.execute(wanted.where(of_trial.trial_id.in_(trial_ids)))
    states: dict[int, TrialState] = {row.trial_id: row.state for row in found}
    for trial_id in trial_ids:
        if trial_id not in states:
            raise KeyError(f"there is no trial with id {trial_id} any more")
        if states[trial_id].is_finished():
            raise UpdateFinishedTrialError(f"someone ended the trial with id {trial_id}")


@dataclass(frozen=True)
class Written:
    """What the store decided about a trial.

    Attributes:
        number: within its study.
        state: of it.
        began: when, if it did.
        ended: when, if it did.
    """

    number: int
    state: TrialState
    began: datetime | None
    ended: datetime | None


def read(engine: sqlalchemy.Engine, trial_id: int) -> Written:
    """Reads what the store decided about a trial.

    Raises:
        KeyError: someone deleted it.
    """
    of_trial = _TRIALS.c
    wanted = sqlalchemy.select(
        of_trial.number, of_trial.state, of_trial.datetime_start, of_trial.datetime_complete
    ).where(of_trial.trial_id == trial_id)
    with engine.connect() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        raise KeyError(f"there is no trial with id {trial_id} any more")
    return Written(*row)
