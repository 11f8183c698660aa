"""The sole right to the files of a study."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import IO

from ..errors import StoreLostError, StudyOwnedError
from ..system import paths


class FolderLock:
    """The sole right to the files of a study, given back by the system when the process ends.

    Raises:
        StudyOwnedError: another process has it; the message names it.
        StoreLostError: the folder cannot be written.
    """

    def __init__(self, name: str) -> None:
        path = paths.study_folder(name) / "owner"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+")
        except OSError as error:
            raise StoreLostError(f"{path}: taking the study failed: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise StudyOwnedError(f"study {name!r} is being tuned by {owner}") from error
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()

    def release(self) -> None:
        """Gives the right back."""
        self._file.truncate(0)
        self._file.close()
