"""Room on the disk that is kept for what ended while the disk was full."""

from __future__ import annotations

import os
from pathlib import Path

from ..system import paths

#: Bytes: enough for the ends of all trials under way, with their attributes and values.
_BYTES = 256 * 1024


class Reserve:
    """A file of no use but its size.

    Args:
        path: of the file.

    Raises:
        StoreLostError: there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists() or path.stat().st_size < _BYTES:
            paths.write(path, os.urandom(_BYTES))  # which no file system makes smaller

    def release(self) -> None:
        """Gives the room back to the disk."""
        self._path.unlink(missing_ok=True)
