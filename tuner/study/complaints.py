"""What pydantic finds wrong, in one line: `budget.trials must be >= 1, got 0`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .domains import Around, PerEpoch, Range


def first_error(
    error: ValidationError, root: type[BaseModel], raw: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Says the first error of what a user gave as `key must ..., got ...`.

    Args:
        error: what pydantic found.
        root: the model that it was looking at.
        raw: the study file it found it in, to name the keys that it could have.
    """
    errors = error.errors()
    unknown = [details for details in errors if details["type"] == "extra_forbidden"]
    details = (unknown or errors)[0]
    *above, last = details["loc"]
    loc = [part for part in above if _is_key(part)]
    if details["type"] == "extra_forbidden" or _is_key(last):
        loc.append(last)
    key = ".".join(str(part) for part in loc)
    if details["type"] == "extra_forbidden":
        fields = _model_at(root, loc[:-1], raw).model_fields
        return unknown_key(key, [name for name, field in fields.items() if not field.exclude])
    if details["type"] == "missing":
        return f"{key} is missing"
    return f"{key} {requirement(details)}"


def _is_key(part: int | str) -> bool:
    """Leaves out the names of union members that pydantic puts into a location."""
    return isinstance(part, int) or not re.fullmatch(
        r"Fixed|Choices|Range|Around|PerEpoch|float|values|(function-|literal\[|tuple\[|union\[).*",
        part,
    )


def _model_at(
    root: type[BaseModel], loc: list[int | str], raw: Mapping[str, Any]
) -> type[BaseModel]:
    """Returns the section at a location, to know the names that it takes.

    Where any of several kinds may stand, what is written shows which is meant.
    """
    found: Any = root
    for part in loc:
        field = getattr(found, "model_fields", {}).get(str(part))
        found = None if field is None else field.annotation
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found
    written = raw[str(loc[0])][str(loc[1])]
    if isinstance(written, list):
        return PerEpoch
    takes_around = "width" in getattr(root.model_fields["search"].annotation, "model_fields", {})
    if takes_around and loc[1] == "width" and {"around", "factor"} & set(written):
        return Around
    return PerEpoch if "per_epoch" in written else Range


def unknown_key(key: str, names: Iterable[str]) -> str:
    """Says that a key is unknown, and which one it may have meant."""
    last, names = key.rsplit(".", 1)[-1], list(names)
    near = difflib.get_close_matches(last, names, 1)
    known = f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
    return f"{key} is an unknown key; {known}"


_REQUIREMENTS = {
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
    "too_short": "must name at least one value",
    "string_too_short": "must not be empty",
    "model_type": "must be a table",
    "dict_type": "must be a table",
}


def requirement(details: ErrorDetails) -> str:
    """Says what a value must be, and what it is."""
    got = details["input"]
    if details["type"] == "value_error":
        return details["msg"].removeprefix("Value error, ")
    wanted = _REQUIREMENTS.get(details["type"])
    if wanted is not None:
        limits = {
            name: f"{limit:g}" if isinstance(limit, float) else limit
            for name, limit in details.get("ctx", {}).items()
        }
        return f"{wanted.format(**limits)}, got {got!r}"
    return f"{details['msg'].replace('Input should', 'must')}, got {got!r}"
