"""The sole right to the files of a study."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

from ..errors import StoreLostError, StudyOwnedError
from . import paths

#: Seconds that a look at an owner takes at most.
_LOOK = 0.05


class FolderLock:
    """The sole right to the files of a study, given back by the system when the process ends.

    Raises:
        StudyOwnedError: another process has it; the message names it.
        StoreLostError: the folder cannot be written.
    """

    def __init__(self, name: str) -> None:
        path = _path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+")
        except OSError as error:
            raise StoreLostError(f"{path}: taking the study failed: {error.strerror}") from error
        try:
            self._take()
        except BlockingIOError as error:
            with self._file:
                raise _owned(name, self._file) from error
        try:
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # what it could not write, it tries again
                self._file.close()
            raise StoreLostError(f"{path}: taking the study failed: {error.strerror}") from error

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # maybe of someone who only looks, in `refuse_owned`
            time.sleep(_LOOK)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Gives the right back."""
        with contextlib.suppress(OSError):  # the system frees the lock in any case
            self._file.truncate(0)
        self._file.close()


def refuse_owned(name: str) -> None:
    """Looks whether a study of this machine is free, before time goes into preparing its tuning.

    Raises:
        StudyOwnedError: another process has it; the message names it.
    """
    with contextlib.suppress(OSError), _path(name).open() as file:
        # Only a file that names an owner is tried: one who takes the study must not meet us.
        if not file.read().strip():
            return
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _owned(name, file) from error


def _path(name: str) -> Path:
    return paths.study_folder(name) / "owner"


def _owned(name: str, file: IO[str]) -> StudyOwnedError:
    file.seek(0)
    owner = file.read().strip() or "another process"
    return StudyOwnedError(f"study {name!r} is being tuned by {owner}")
