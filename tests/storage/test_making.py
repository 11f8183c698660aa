"""A store that we make is one that Optuna makes."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from tuner.storage import SQLiteFile, making, tables


def dumped(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return sorted("".join(line.split()) for line in connection.iterdump())


def test_as_optuna_makes_it(tmp_path: Path) -> None:
    """Else a newer Optuna cannot migrate it, or its dashboard not open it."""
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    storage = SQLiteFile(ours).connect(is_kept=True)
    assert storage.skip_compatibility_check
    assert storage.get_current_version() == storage.get_head_version() == tables.SCHEMA
    RDBStorage(f"sqlite:///{theirs}").engine.dispose()
    storage.engine.dispose()
    assert dumped(ours) == dumped(theirs)


@pytest.mark.parametrize(
    "spoil",
    ["DROP TABLE alembic_version", "DELETE FROM alembic_version", "DROP TABLE version_info"],
)
def test_one_whose_making_was_cut(tmp_path: Path, spoil: str) -> None:
    """By an earlier version, or by Optuna: it is finished."""
    path = tmp_path / "cut.db"
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    whole = dumped(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(spoil)
    storage = SQLiteFile(path).connect(is_kept=True)
    assert not storage.skip_compatibility_check
    optuna.create_study(storage=storage)
    storage.engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM studies")
        connection.execute("DELETE FROM study_directions")
    assert [line for line in dumped(path) if "sqlite_sequence" not in line] == whole


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An Optuna whose tables are not those that are known."""
    with monkeypatch.context() as before:
        before.setattr(making, "SCHEMA", "v3.1.0.a")
        making.is_known.cache_clear()
        yield
    making.is_known.cache_clear()


@pytest.mark.usefixtures("newer")
def test_a_newer_optuna_makes_its_own(tmp_path: Path) -> None:
    storage = SQLiteFile(tmp_path / "store.db").connect(is_kept=True)
    assert not storage.skip_compatibility_check
    storage.engine.dispose()


def test_another_makes_them_at_the_same_moment(tmp_path: Path) -> None:
    """Else who opens the dashboard beside the first search ends it."""
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert making._is_empty(connection)
        RDBStorage(f"sqlite:///{path}").engine.dispose()
        making.make(connection)
        assert making.has_known_tables(connection)


def test_a_store_of_another_version(tmp_path: Path) -> None:
    """It is refused as Optuna refuses it."""
    path = tmp_path / "store.db"
    SQLiteFile(path).connect(is_kept=True).engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    with pytest.raises(RuntimeError, match="no longer compatible"):
        SQLiteFile(path).connect(is_kept=True)
