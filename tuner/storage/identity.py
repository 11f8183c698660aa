"""What the trials of a study were made with: all of its file and data that decides a score."""

from __future__ import annotations

import json
from typing import Any

import optuna

from ..study import StudySection, StudySpec
from .reading import FACTS, IDENTITY

#: What the data are for, which may be left to the kind of the targets.
_TASK = "data.task"
#: Each value by its section and key, as `data.validation`.
Identity = dict[str, Any]


def identity_of(spec: StudySpec, metric: str, fingerprint: str) -> Identity:
    """Returns all that decides the scores of a search: most of its file, and the data.

    Budgets, loggers, what a failing search waits for, and what is done before and after the search
    may change.

    Args:
        spec: the study file.
        metric: what is optimized.
        fingerprint: of the data; "" if they are not known.
    """
    excluded: dict[str, Any] = {
        "budget": True,
        "confirm": True,
        "start": True,
        "log": True,
        "study": {"max_failures", "epoch_minutes"},
        "trainer": {"logger"},
    }
    whole = spec.model_dump(mode="json", exclude=excluded)
    whole["objective"]["metric"] = metric
    limits = whole["objective"].pop("limits")
    whole["limits"] = {key: value for key, value in limits.items() if value is not None}
    # Of a table, what is not said is left out, as in studies that were made before there were any.
    whole["data"] = {
        key: value for key, value in whole["data"].items() if value not in ("", [], {})
    }
    whole["data"]["fingerprint"] = fingerprint
    if "search" in whole:  # what came later, and is left to the data
        whole["search"] = {
            key: _without(value, "when") if isinstance(value, dict) else value
            for key, value in whole["search"].items()
            if value is not None
        }
    return _flat(whole)


def changes(study: optuna.Study, identity: Identity) -> list[str]:
    """Returns a line for each value that differs from the one the stored trials were made with."""
    stored = json.loads(study.user_attrs.get(IDENTITY, "null"))
    if stored is None:
        return []
    # A setting that came after the study was stored had its default there.
    defaults = _flat({"study": StudySection().model_dump(mode="json"), "data": {"folds": None}})
    stored = {key: defaults[key] for key in defaults.keys() & identity.keys()} | stored
    facts = study.user_attrs.get(FACTS)
    if stored.get(_TASK) is None and facts is not None and identity.get(_TASK) == facts["task"]:
        stored[_TASK] = facts["task"]  # which it was decided to be, and now is said
    return [
        f"  {key}: {json.dumps(stored.get(key))} -> {json.dumps(identity.get(key))}"
        for key in sorted(stored.keys() | identity.keys())
        if stored.get(key) != identity.get(key)
    ]


def _without(value: dict[str, Any], later: str) -> dict[str, Any]:
    """Returns a domain without a key that came later, where it says nothing."""
    return {key: each for key, each in value.items() if key != later or each is not None}


def _flat(value: dict[str, Any]) -> Identity:
    return {
        f"{section}.{key}": entry for section, keys in value.items() for key, entry in keys.items()
    }
