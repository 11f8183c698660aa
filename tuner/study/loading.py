"""Reading a study file: which kind it is, and that it says what can be."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from ..errors import StudyFileError
from .complaints import first_error, unknown_key
from .mlp import Metric, MLPStudySpec, direction
from .module import ModuleStudySpec

AnyStudySpec = MLPStudySpec | ModuleStudySpec

#: Letters of a name at most: what belongs to a study has it in its own name.
_LONGEST_NAME = 200
#: What lies beside the folders of the studies.
_TAKEN = ("optuna.db", "optuna.lock", "heuristics.json", "heuristics.lock")

_TABLES = (
    *("data", "objective", "budget", "study", "start", "confirm", "log", "search", "model"),
    "trainer",
)


def find_study(study: str | Path) -> Path:
    """Returns the file of a study: the path itself, or `studies/<name>.toml` here.

    Raises:
        StudyFileError: there is no such file.
    """
    path = Path(study)
    if path.suffix != ".toml":
        if path.name != str(study):
            raise StudyFileError(f"{study}: a study file must end in .toml")
        path = Path("studies") / f"{study}.toml"
    try:
        is_there = path.is_file()
    except OSError as error:  # a name longer than the system takes
        raise StudyFileError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_there:
        known = sorted(file.stem for file in Path("studies").glob("*.toml"))
        near = difflib.get_close_matches(path.stem, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        there = f" (there are {', '.join(known)})" if known and not near else ""
        raise StudyFileError(f"{path}: no such study file{hint}{there}")
    return path


def load_study(study: str | Path) -> AnyStudySpec:
    """Reads and checks a study file.

    Args:
        study: a path that ends in `.toml`, or the name of a file in `studies/`.

    Raises:
        StudyFileError: the file is missing, is not TOML, or a key in it is unknown or wrong;
            the message names the file and the key.
    """
    path = find_study(study)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyFileError(f"{path}: not UTF-8 text ({error})") from error
    except OSError as error:
        raise StudyFileError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_study(path, text)


def parse_study(path: Path, text: str) -> AnyStudySpec:
    """Checks what a study file says.

    Args:
        path: of the file, which need not be there.
        text: that it holds.

    Raises:
        StudyFileError: it is not TOML, or a key in it is unknown or wrong; the message names the
            file and the key.
    """
    check_name(path, path.stem)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{path}: not valid TOML: {error}") from error
    for key in raw:
        if key not in _TABLES:
            raise StudyFileError(f"{path}: {unknown_key(key, _TABLES)}")
    kind: type[AnyStudySpec] = ModuleStudySpec
    if "model" not in raw:
        kind = MLPStudySpec
        _refuse_what_needs_a_model(path, raw)
    try:
        spec = kind.model_validate({**raw, "name": path.stem, "path": path, "text": text})
    except ValidationError as error:
        raise StudyFileError(f"{path}: {first_error(error, kind, raw)}") from error
    spec.check()
    return spec


def check_name(path: Path, name: str) -> None:
    """Looks whether a study may have a name.

    Args:
        path: of its file, for messages.
        name: of the study.

    Raises:
        StudyFileError: it may not.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise StudyFileError(
            f"{path}: the name of a study is made of letters, digits, '_', '-' and '.'"
        )
    if len(name) > _LONGEST_NAME:
        raise StudyFileError(
            f"{path}: the name of a study has at most {_LONGEST_NAME} letters, got {len(name)}"
        )
    if name.startswith(_TAKEN):
        raise StudyFileError(f"{path}: {name!r} is the name of a file in the folder of all results")


def _refuse_what_needs_a_model(path: Path, raw: dict[str, Any]) -> None:
    """Names what belongs to `[model]`, and is there without it.

    Raises:
        StudyFileError: there is such a key.
    """
    need = {"trainer": "trainer" in raw, "data.module": "module" in _table(raw, "data")}
    for key, is_there in need.items():
        if is_there:
            raise StudyFileError(f"{path}: {key} belongs to a study with a [model]")
    objective = _table(raw, "objective")
    if "direction" in objective:
        metric: Any = objective.get("metric")
        written = objective.pop("direction")
        if isinstance(metric, list) and metric:
            metric = metric[0]
        if metric is None:
            raise StudyFileError(f"{path}: objective.direction needs objective.metric")
        if metric in get_args(Metric) and written != direction(metric):
            raise StudyFileError(
                f"{path}: objective.direction must be {direction(metric)!r} for {metric}, "
                f"got {written!r}"
            )


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    table = raw.get(name, {})
    return table if isinstance(table, dict) else {}
