"""Rows of Optuna's tables, many of them written in one transaction.

Optuna's own storage takes a transaction for each parameter, attribute and value: about 30 for a
trial, of some 3 ms each, and of the processor time that training could have had. The tables are
those of the schema `SCHEMA`; a store of another one is written by Optuna's own storage, row by row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import DateTime, Float, Integer, Text, column, table
from sqlalchemy.dialects import postgresql, sqlite

#: Version of Optuna's schema that these tables are of, as `RDBStorage.get_current_version` says it.
SCHEMA = "v3.2.0.a"

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_FINITE = "FINITE"
#: What stands in place of values that databases cannot hold.
_WORDS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_KIND = sqlalchemy.Enum(_FINITE, *_WORDS, name="trialintermediatevaluetype")

_STUDIES = table("studies", column("study_name", Text))
_TRIALS = table(
    "trials",
    column("trial_id", Integer),
    column("number", Integer),
    column("state", sqlalchemy.Enum(TrialState)),
    column("datetime_start", DateTime),
    column("datetime_complete", DateTime),
)


def _table(name: str, **columns: Any) -> tuple[str, sqlalchemy.TableClause]:
    return name, table(name, *(column(each, kind) for each, kind in columns.items()))


#: Those that rows are written to.
_TABLES = dict(
    (
        _table(
            "trial_params",
            trial_id=Integer,
            param_name=Text,
            param_value=Float,
            distribution_json=Text,
        ),
        _table("trial_user_attributes", trial_id=Integer, key=Text, value_json=Text),
        _table("trial_system_attributes", trial_id=Integer, key=Text, value_json=Text),
        _table(
            "trial_intermediate_values",
            trial_id=Integer,
            step=Integer,
            intermediate_value=Float,
            intermediate_value_type=_KIND,
        ),
        _table("study_user_attributes", study_id=Integer, key=Text, value_json=Text),
    )
)
#: Schemas of the stores that were asked.
_schemas: WeakKeyDictionary[RDBStorage, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class Row:
    """One row, which replaces the one of the same key.

    Attributes:
        table: what the database calls the table.
        key: columns that no other row has the same values in.
        rest: the other columns.
    """

    table: str
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
    return Row("trial_params", {"trial_id": trial_id, "param_name": name}, rest)


def user_attribute(trial_id: int, key: str, value: Any) -> Row:
    """Returns the row of a user attribute of a trial."""
    keys = {"trial_id": trial_id, "key": key}
    return Row("trial_user_attributes", keys, {"value_json": json.dumps(value)})


def system_attribute(trial_id: int, key: str, value: Any) -> Row:
    """Returns the row of an attribute of Optuna's of a trial."""
    keys = {"trial_id": trial_id, "key": key}
    return Row("trial_system_attributes", keys, {"value_json": json.dumps(value)})


def study_attribute(study_id: int, key: str, value: Any) -> Row:
    """Returns the row of a user attribute of a study."""
    keys = {"study_id": study_id, "key": key}
    return Row("study_user_attributes", keys, {"value_json": json.dumps(value)})


def intermediate(trial_id: int, step: int, value: float) -> Row:
    """Returns the row of a value after a step, which may be infinite or no number."""
    word = "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"
    stored, kind = (value, _FINITE) if math.isfinite(value) else (None, word)
    rest = {"intermediate_value": stored, "intermediate_value_type": kind}
    return Row("trial_intermediate_values", {"trial_id": trial_id, "step": step}, rest)


def fits(storage: RDBStorage) -> bool:
    """Says whether a store has the tables that rows are made for."""
    if storage not in _schemas:
        _schemas[storage] = storage.get_current_version()
    return _schemas[storage] == SCHEMA


def write(storage: RDBStorage, rows: Sequence[Row]) -> None:
    """Writes rows, all of them or none; those of another schema one by one.

    Raises:
        KeyError: someone deleted one of the trials.
        UpdateFinishedTrialError: someone ended one.
        sqlalchemy.exc.SQLAlchemyError: the store cannot be written.
    """
    if fits(storage):
        _write_at_once(storage.engine, rows)
    else:
        for row in rows:
            tell(storage, row)


def rename(storage: RDBStorage, name: str, new_name: str) -> None:
    """Gives a study another name: at once, where Optuna itself would copy it trial by trial.

    Args:
        storage: that has it, whose other schema is left to Optuna: it copies, then deletes.
        name: that it has.
        new_name: that no other study has.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the store cannot be written, or has that name already.
        optuna.exceptions.DuplicatedStudyError: it has that name, and another schema.
    """
    if not fits(storage):
        optuna.copy_study(
            from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=new_name
        )
        optuna.delete_study(study_name=name, storage=storage)
        return
    of_name = _STUDIES.c.study_name
    with storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.update(_STUDIES).where(of_name == name).values(study_name=new_name)
        )


def _write_at_once(engine: sqlalchemy.Engine, rows: Sequence[Row]) -> None:
    by_table: dict[str, list[Row]] = {}
    for row in rows:
        by_table.setdefault(row.table, []).append(row)
    with engine.begin() as connection:
        _check(connection, {row.key["trial_id"] for row in rows if "trial_id" in row.key})
        for name, group in by_table.items():
            insert = _INSERTS[engine.name](_TABLES[name])
            statement = insert.on_conflict_do_update(
                index_elements=list(group[0].key),
                set_={each: insert.excluded[each] for each in group[0].rest},
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


def tell(storage: RDBStorage, row: Row) -> None:
    """Has Optuna's own storage write a row.

    Raises:
        KeyError: someone deleted the trial.
        UpdateFinishedTrialError: someone ended it.
        sqlalchemy.exc.SQLAlchemyError: the store cannot be written.
    """
    key, rest = row.key, row.rest
    match row.table:
        case "trial_params":
            distribution = json_to_distribution(rest["distribution_json"])
            name, value = key["param_name"], rest["param_value"]
            storage.set_trial_param(key["trial_id"], name, value, distribution)
        case "trial_user_attributes":
            storage.set_trial_user_attr(key["trial_id"], key["key"], json.loads(rest["value_json"]))
        case "trial_system_attributes":
            value = json.loads(rest["value_json"])
            storage.set_trial_system_attr(key["trial_id"], key["key"], value)
        case "trial_intermediate_values":
            kind, value = rest["intermediate_value_type"], rest["intermediate_value"]
            value = value if kind == _FINITE else _WORDS[kind]
            storage.set_trial_intermediate_value(key["trial_id"], key["step"], value)
        case "study_user_attributes":
            storage.set_study_user_attr(key["study_id"], key["key"], json.loads(rest["value_json"]))
        case _:
            raise ValueError(f"no row is of {row.table}")


@dataclass(frozen=True)
class Written:
    """What the store decided about a trial.

    Attributes:
        number: within its study.
        state: of it.
        began: when, if it did, in local time as Optuna has it.
        ended: when, if it did.
    """

    number: int
    state: TrialState
    began: datetime | None
    ended: datetime | None


def read(storage: RDBStorage, trial_id: int) -> Written:
    """Reads what the store decided about a trial.

    Raises:
        KeyError: someone deleted it.
    """
    if not fits(storage):
        trial = storage.get_trial(trial_id)
        return Written(trial.number, trial.state, trial.datetime_start, trial.datetime_complete)
    of_trial = _TRIALS.c
    wanted = sqlalchemy.select(
        of_trial.number, of_trial.state, of_trial.datetime_start, of_trial.datetime_complete
    ).where(of_trial.trial_id == trial_id)
    with storage.engine.connect() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        raise KeyError(f"there is no trial with id {trial_id} any more")
    number, state, began, ended = row
    return Written(number, state, _local(began), _local(ended))


def _local(stored: datetime | None) -> datetime | None:
    """Returns a time as Optuna gives it; it is stored as one of UTC."""
    if stored is None:
        return None
    return stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
