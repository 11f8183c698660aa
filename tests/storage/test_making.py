"""A store that we make is one that Optuna makes."""

import contextlib
import sqlite3
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
    assert storage.get_current_version() == storage.get_head_version() == tables.SCHEMA
    assert making.is_known()
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
    optuna.create_study(storage=storage)
    storage.engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM studies")
        connection.execute("DELETE FROM study_directions")
    assert [line for line in dumped(path) if "sqlite_sequence" not in line] == whole


def test_a_newer_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes its own tables, and a store of another version is refused as it refuses it."""
    path = tmp_path / "store.db"
    monkeypatch.setattr(making, "SCHEMA", "v3.1.0.a")
    making.is_known.cache_clear()
    try:
        assert not making.is_known()
        SQLiteFile(path).connect(is_kept=True).engine.dispose()
    finally:
        making.is_known.cache_clear()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    with pytest.raises(RuntimeError, match="no longer compatible"):
        SQLiteFile(path).connect(is_kept=True)
