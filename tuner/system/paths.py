"""Where the files of a project live."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from ..errors import StoreLostError

#: Ending of files that are still being written.
UNFINISHED = ".part"
#: The variable that names the store of all studies; it may hold a password.
STORAGE = "TUNER_STORAGE"


_home: ContextVar[Path | None] = ContextVar("home", default=None)


@contextmanager
def results_in(folder: Path) -> Iterator[None]:
    """Has all results of the calls in this block, and of this thread, in a folder."""
    token = _home.set(folder)
    try:
        yield
    finally:
        _home.reset(token)


def is_moved() -> bool:
    """Says whether results are in the folder of `results_in`, and so nowhere else."""
    return _home.get() is not None


def home() -> Path:
    """Returns the folder of all results: `runs/` here, or what `TUNER_HOME` names."""
    return _home.get() or Path(os.environ.get("TUNER_HOME") or "runs")


def cache() -> Path:
    """Returns the folder of downloaded data, shared by all projects of this user."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tuner"


def study_folder(study: str) -> Path:
    """Returns the folder that holds the files of one study (it need not exist)."""
    return home() / study


def write(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Writes a file beside and renames it into place.

    Args:
        path: of the file.
        content: of the file.
        durable: it stays through a loss of power, too.

    Raises:
        StoreLostError: the disk is full or gone.
    """
    try:
        with replacing(path, durable=durable) as beside:
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise StoreLostError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it over `path` at the end.

    A reader sees the old file or the new one and never a part of either. When the block
    raises, `path` stays as it was. Unless it need not be `durable`, that holds for a loss of power,
    too: what was written reaches the disk before its name does, and both before this ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        yield beside
        if durable:
            _sync(beside)
        beside.replace(path)
        if durable:
            with suppress(OSError):  # which some file systems refuse for a folder
                _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Has the disk keep a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
