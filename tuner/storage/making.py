"""Optuna's tables in a SQLite file: made in one transaction, and known again at sight.

Optuna asks Alembic, which reads all its migrations, each time that a store is opened: a tenth of a
second and more. Where the installed Optuna's tables are those of `tables.SCHEMA`, what a store of
that schema says of itself is enough.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path

import optuna
from optuna.storages._rdb import models
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from .tables import SCHEMA

#: Where Optuna keeps its migrations, one file for each version of the schema.
_MIGRATIONS = Path(models.__file__).parent / "alembic" / "versions"
#: What Alembic makes to tell the version.
_VERSION = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


@cache
def is_known() -> bool:
    """Says whether the installed Optuna's tables are those of `SCHEMA`."""
    versions = sorted(path.stem.rstrip("_") for path in _MIGRATIONS.glob("v*.py"))
    return versions[-1:] == [SCHEMA]


def has_known_tables(connection: sqlite3.Connection) -> bool:
    """Makes the tables in a file that has none, if they are known; says whether it has those.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    if not is_known():
        return False
    if _is_empty(connection):
        make(connection)
    try:
        found = connection.execute("SELECT version_num FROM alembic_version, version_info")
    except sqlite3.OperationalError:  # its making was cut
        return False
    return bool(found.fetchone() == (SCHEMA,))


def make(connection: sqlite3.Connection) -> None:
    """Makes the tables in a file that has none, all of them or none.

    Where another program does so at the same moment, they are its tables.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    dialect = sqlite.dialect()
    made = models.BaseModel.metadata.sorted_tables
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in made]
    statements += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in made
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if not _is_empty(connection):
            return
        for statement in (*statements, _VERSION):
            connection.execute(statement)
        about = (1, models.SCHEMA_VERSION, optuna.__version__)
        connection.execute("INSERT INTO version_info VALUES (?, ?, ?)", about)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (SCHEMA,))


def _is_empty(connection: sqlite3.Connection) -> bool:
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(n_tables == 0)
