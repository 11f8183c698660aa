"""Files of JSON objects, one a line, which a crash or a bad disk may have damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import paths

#: Ending of the file beside that keeps lines which are not used any more.
ASIDE = ".aside"


def read_objects(path: Path) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Returns the objects of a file, and the lines that are none; none of a file that is missing.

    Raises:
        OSError: it cannot be read.
    """
    objects: list[dict[str, Any]] = []
    others: list[bytes] = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            try:
                found = json.loads(line.decode())
            except ValueError:  # no UTF-8, or no JSON
                found = None
            if isinstance(found, dict):
                objects.append(found)
            elif line.strip():
                others.append(line)
    return objects, others


def write_objects(path: Path, objects: Sequence[dict[str, Any]]) -> None:
    """Replaces a file by one of these objects.

    Raises:
        StoreLostError: the disk is full or gone.
    """
    paths.write(path, "".join(f"{json.dumps(each)}\n" for each in objects))


def put_aside(path: Path, lines: Sequence[bytes]) -> Path:
    """Adds lines to the file beside `path` that keeps what is not used any more; returns that file.

    Raises:
        StoreLostError: the disk is full or gone.
    """
    aside = path.with_name(path.name + ASIDE)
    before = aside.read_bytes() if aside.exists() else b""
    paths.write(aside, before + b"".join(line + b"\n" for line in lines))
    return aside
