"""Where all studies live: a SQLite file, or a PostgreSQL database that a team shares.

A password is never part of what is shown: it is taken out of the URL at once, and goes to the
driver by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import optuna
import sqlalchemy
from sqlalchemy.engine import URL, make_url

from ..errors import InputError, StudyOwnedError
from ..system import paths
from ..system.extras import required
from . import making
from .inspection import inspect

#: Seconds that a write waits for another process's write to the same file.
_BUSY_SECONDS = 60
#: A server that does not answer for so long is gone: to connect; to answer a packet, in all.
_CONNECT_SECONDS, _SILENT_SECONDS = 10, 30
#: In the words of both sides: seconds until the first question, between two, and how many.
_KEEPALIVES = {
    "keepalives_idle": _SILENT_SECONDS // 3,
    "keepalives_interval": _SILENT_SECONDS // 6,
    "keepalives_count": 4,
}
_EXAMPLE = "postgresql://user@host/database"


class Location(Protocol):
    """Where all studies live; as text, without secrets."""

    def exists(self) -> bool:
        """Says whether a study may be there."""

    @property
    def address(self) -> str:
        """What Optuna's command line takes for it, without secrets."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written there, as far as that can be told without a server."""

    def connect(self, *, is_kept: bool) -> optuna.storages.RDBStorage:
        """Opens the store, and makes it where there is none.

        Args:
            is_kept: connections stay open between two uses, until the engine is disposed of.

        Raises:
            RuntimeError: its schema is one of another Optuna.
            OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError: it cannot be opened.
        """

    def own(self, study: str) -> Ownership:
        """Takes the sole right to write a study, among all who use this store.

        Raises:
            StudyOwnedError: another process has it; the message names that one.
        """

    @property
    def patience(self) -> float:
        """Seconds in which a store that went away may come back."""


class Ownership:
    """The sole right to write a study; this one is never lost."""

    def ensure(self) -> None:
        """Takes it again if it was lost.

        Raises:
            StudyOwnedError: another process took it meanwhile.
        """

    def release(self) -> None:
        """Gives it back."""


@dataclass(frozen=True)
class SQLiteFile:
    """A file of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Says whether the file is there."""
        return self.path.exists()

    @property
    def address(self) -> str:
        """What Optuna's command line takes for it."""
        return f"sqlite:///{self.path}"

    @property
    def is_empty(self) -> bool:
        """Whether the file is missing, or has no bytes."""
        return not self.exists() or self.path.stat().st_size == 0

    def connect(self, *, is_kept: bool) -> optuna.storages.RDBStorage:
        """Opens the file, with a write-ahead log, once it was looked at."""
        with self._one_at_a_time():
            if self.exists():
                inspect(self.path, thoroughly=is_kept)
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as file:
                file.execute("PRAGMA journal_mode=WAL")
                is_ready = making.has_known_tables(file)
            return _opened(
                URL.create("sqlite", database=str(self.path)),
                {"timeout": _BUSY_SECONDS},
                is_ready=is_ready,
            )

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keeps processes from opening the store at once, while one of them may be making it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def own(self, study: str) -> Ownership:
        """The lock of the study's folder is enough, which lies beside the file."""
        return Ownership()

    @property
    def patience(self) -> float:
        """None: what is wrong with a file stays wrong."""
        return 0.0


@dataclass(frozen=True)
class PostgreSQL:
    """A database of a server; needs the extra `postgres`.

    Attributes:
        url: without a password.
        password: if the URL held one; else the driver looks at PGPASSWORD and `.pgpass`.
    """

    url: URL
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.url.set(drivername="postgresql", query={}).render_as_string()

    def exists(self) -> bool:
        """A server is there, or connecting says why not."""
        return True

    @property
    def address(self) -> str:
        """What Optuna's command line takes for it, without the password."""
        return self.url.render_as_string()

    @property
    def is_empty(self) -> bool:
        """Only the server knows."""
        return False

    @property
    def _arguments(self) -> dict[str, Any]:
        secret = {} if self.password is None else {"password": self.password}
        return {
            "connect_timeout": _CONNECT_SECONDS,
            **_KEEPALIVES,
            "tcp_user_timeout": 1000 * _SILENT_SECONDS,
            **secret,
        }

    def connect(self, *, is_kept: bool) -> optuna.storages.RDBStorage:
        """Opens the database; the first one makes the tables."""
        required("psycopg", "postgres")
        with self.session("tuner") as session:
            # While one makes the tables the others wait.
            session.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": _key("")})
            if is_kept:
                return _opened(self.url, self._arguments, pool_pre_ping=True)
            return _opened(self.url, self._arguments, poolclass=sqlalchemy.NullPool)

    def session(self, name: str) -> sqlalchemy.Connection:
        """Opens a connection of its own, which the server knows by a name of 63 letters at most."""
        arguments = {**self._arguments, "application_name": name[:63]}
        engine = sqlalchemy.create_engine(
            self.url,
            connect_args=arguments,
            poolclass=sqlalchemy.NullPool,
            isolation_level="AUTOCOMMIT",
        )
        return engine.connect()

    def own(self, study: str) -> Ownership:
        """Takes a lock of the server, which frees it if this process dies."""
        required("psycopg", "postgres")
        return _Lock(self, study)

    @property
    def patience(self) -> float:
        """What TUNER_STORE_SECONDS says, or else two minutes.

        Raises:
            InputError: it is not a number of at least 0.
        """
        text = os.environ.get("TUNER_STORE_SECONDS") or "120"
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise InputError(f"TUNER_STORE_SECONDS must be a number >= 0, got {text!r}")
        return seconds


class _Lock(Ownership):
    """A lock that a connection holds as long as it lives."""

    def __init__(self, location: PostgreSQL, study: str) -> None:
        self._location, self._study, self._key = location, study, _key(study)
        self._me = f"process {os.getpid()} on {socket.gethostname()}"[:63]
        self._session: sqlalchemy.Connection | None = None
        self.ensure()

    def ensure(self) -> None:
        if self._session is not None:
            try:
                self._session.execute(sqlalchemy.text("SELECT 1"))
                return
            except sqlalchemy.exc.DBAPIError:  # the server, and the lock with it, went away
                self.release()
        session = self._location.session(self._me)
        try:
            # So that the server notices, too, when this machine is gone, and frees the lock.
            for setting, value in _KEEPALIVES.items():
                session.execute(sqlalchemy.text(f"SET tcp_{setting} = {value}"))
            taken = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
            if not session.execute(taken, {"key": self._key}).scalar_one():
                owner = _owner(session, self._key)
                if owner == self._me:  # the server has yet to notice that we were cut off
                    raise ConnectionError("the server still holds the lost connection")
                raise StudyOwnedError(
                    f"study {self._study!r} in {self._location} is being tuned by {owner}"
                )
        except BaseException:
            session.close()
            raise
        self._session = session

    def release(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
                session.close()


def _owner(session: sqlalchemy.Connection, key: int) -> str:
    """Names who has a lock, by what its connection is called."""
    found = session.execute(
        sqlalchemy.text(
            "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            " AND (l.classid::bigint << 32 | l.objid::bigint) = :key"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"key": key},
    ).scalar()
    return found or "another process"


def _key(study: str) -> int:
    """Returns the number of a study's lock, a signed 64-bit integer."""
    digest = hashlib.sha256(f"tuner/{study}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _opened(
    url: URL, arguments: Mapping[str, Any], *, is_ready: bool = False, **engine: Any
) -> optuna.storages.RDBStorage:
    # Optuna takes braces in a URL for a template of its own.
    text = re.sub(r"[{}]", lambda brace: 2 * brace[0], url.render_as_string())
    return optuna.storages.RDBStorage(
        text,
        engine_kwargs={"connect_args": dict(arguments), **engine},
        skip_compatibility_check=is_ready,
        skip_table_creation=is_ready,
    )


def locate(storage: str | None = None) -> Location:
    """Returns where all studies live.

    Args:
        storage: `postgresql://user@host:port/database`, without a password, since arguments are
            seen in the list of processes; None is what TUNER_STORAGE says, which may hold one
            (percent-encoded), or else the file `optuna.db` of the results' folder.

    Raises:
        InputError: it is no such URL, or holds a password.
    """
    if storage is not None:
        found = _parsed("storage", storage)
        if found.password is not None:
            raise InputError(
                "storage: no password here, where a list of processes shows it; "
                f"{paths.STORAGE}, PGPASSWORD and ~/.pgpass are places for it"
            )
        return found
    text = "" if paths.is_moved() else os.environ.get(paths.STORAGE)
    return _parsed(paths.STORAGE, text) if text else SQLiteFile(paths.home() / "optuna.db")


def _parsed(name: str, text: str) -> PostgreSQL:
    """Reads a URL; errors do not repeat it, since it may hold a password."""
    try:
        url = make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise InputError(f"{name} must be a URL such as {_EXAMPLE}") from error
    if url.drivername.split("+")[0] not in ("postgresql", "postgres") or not url.database:
        raise InputError(f"{name} must be a URL such as {_EXAMPLE}")
    query = dict(url.query)
    password = url.password if url.password is not None else query.pop("password", None)
    if not isinstance(password, str | None):
        raise InputError(f"{name} holds several passwords")
    url = URL.create(
        "postgresql+psycopg", url.username, None, url.host, url.port, url.database, query
    )
    return PostgreSQL(url, password)
