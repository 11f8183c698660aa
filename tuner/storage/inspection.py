"""What a file of studies is, looked at before anything is written into it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from optuna.storages._rdb.models import BaseModel

#: Bytes of the smallest database: a page.
_SMALLEST = 512
#: Tables that every store of Optuna's has.
_OPTUNAS = {"studies", "trials", "version_info"}
#: The table that is not among Optuna's models.
_VERSION = "alembic_version"


def inspect(path: Path, *, thoroughly: bool) -> None:
    """Looks at a file that is there.

    Args:
        path: of the file; one of no bytes is a database that has not been made yet.
        thoroughly: all of its pages.

    Raises:
        sqlite3.DatabaseError: it is no database, is damaged, or belongs to another program.
        OSError: it cannot be read.
    """
    # By its size, and else by SQLite alone: who opens and closes the file by other means takes away
    # all locks that this process has on it, and lets others write in the middle of a write.
    size = path.stat().st_size
    if not size:
        return
    if size < _SMALLEST:
        raise sqlite3.DatabaseError(f"this is no SQLite database; {_aside(path)}")
    # As a URI, a path can say that it is only to be read.
    address = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        try:
            if thoroughly:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise sqlite3.DatabaseError(found)
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = {name for (name,) in rows}
        except sqlite3.OperationalError:
            raise  # it is locked, or may not be read
        except sqlite3.DatabaseError as error:
            what = f"the file is damaged ({' '.join(str(error).split())})"
            if "not a database" in str(error):
                what = "this is no SQLite database"
            # Without the cause, which would be told instead.
            raise sqlite3.DatabaseError(f"{what}; {_aside(path)}") from None
    # One whose making was cut has some of the tables.
    if not names <= {*BaseModel.metadata.tables, _VERSION} and not names >= _OPTUNAS:
        raise sqlite3.DatabaseError(
            f"this is a database of something else (tables {', '.join(sorted(names)[:3])}); "
            f"{_aside(path)}"
        )


def _aside(path: Path) -> str:
    folder = path.with_name("aside")
    return f"`mkdir {folder} && mv {path}* {folder}` puts it aside, and --new then begins anew"
