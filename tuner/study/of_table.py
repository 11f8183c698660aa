"""The study of a table for which there is no study file yet."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import StudyFileError
from ..system.formats import SUFFIXES
from .loading import AnyStudySpec, load_study, parse_study


def study_of_table(
    source: str, label: Sequence[str] = (), remarks: Sequence[str] = ()
) -> AnyStudySpec:
    """Returns the study of a table: that of `studies/`, or a new one, which is not written yet.

    Args:
        source: the file of the table.
        label: columns that are predicted; () where the study file says so.
        remarks: comments for a new file, a line each.

    Raises:
        StudyFileError: there is no such table, or a study file of this name is of other rows; no
            label is given for a new one.
    """
    table = Path(source)
    if not table.is_file():
        raise StudyFileError(f"{source}: no such file")
    ending = next(each for each in SUFFIXES if table.name.lower().endswith(each))
    stem = table.name[: -len(ending)] or "table"
    path = Path("studies") / f"{re.sub(r'[^A-Za-z0-9_-]', '_', stem)}.toml"
    if path.exists():
        spec = load_study(path)
        there = spec.data.source
        is_same = there is not None and (path.parent / there).resolve() == table.resolve()
        if not is_same or (label and tuple(label) != spec.data.label):
            raise StudyFileError(
                f"{path}: is of source {there!r} and label {', '.join(spec.data.label)!r} already; "
                f"tune it by its name, {path.stem}, or rename one of the two"
            )
        return spec
    if not label:
        raise StudyFileError(f"{source}: which column is predicted? --label names it")
    return parse_study(path, _text(table, path.parent, label, remarks))


def _text(table: Path, folder: Path, label: Sequence[str], remarks: Sequence[str]) -> str:
    source = table if table.is_absolute() else Path(os.path.relpath(table, folder))
    lines = [
        "[data]",
        f"source = {_quoted(source.as_posix())}",
        f"label = {_quoted(label[0]) if len(label) == 1 else _list(label)}",
        *(f"# {' '.join(remark.split())}" for remark in remarks),
    ]
    return "\n".join(lines) + "\n"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _quoted(text: str) -> str:
    """Returns a string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
