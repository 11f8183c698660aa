"""What could not be told to a store that went away, kept in a file until it is back.

Each line is a row of one of Optuna's tables, or the end of a trial, with the store it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from ..system import lines
from . import tables
from .tables import End, Row

#: What may have been told of the end of a trial.
_STATES = {state.name for state in TrialState}


class Untold:
    """The file.

    Args:
        path: of the file, which is there only while something is untold.
        store: that this process writes to; lines of other stores stay.
    """

    def __init__(self, path: Path, store: str) -> None:
        self.path, self._store = path, store

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be told to this store."""
        return all(entry["store"] != self._store for entry in self._entries())

    def keep(self, rows: Sequence[Row], ends: Sequence[End]) -> None:
        """Adds lines to the file."""
        if not rows and not ends:
            return
        more: list[Row | End] = [*rows, *ends]
        self._write([*self._entries(), *(self._line(entry) for entry in more)])

    def tell(self, storage: optuna.storages.RDBStorage, study: str) -> None:
        """Writes the lines of this store into it, and takes them out of the file.

        Those of trials that are not under way any more, and of a study that someone deleted, go.
        """
        entries = self._entries()
        ours = [entry for entry in entries if entry["store"] == self._store]
        if not ours:
            return
        under_way, studies = set[int](), set[int]()
        if study in optuna.get_all_study_names(storage=storage):
            study_id = storage.get_study_id_from_name(study)
            studies = {study_id}
            running = storage.get_all_trials(study_id, states=(TrialState.RUNNING,))
            under_way = {trial._trial_id for trial in running}
        rows = [
            Row(entry["table"], entry["key"], entry["rest"])
            for entry in ours
            if "table" in entry
            if entry["key"].get("trial_id") in under_way or entry["key"].get("study_id") in studies
        ]
        tables.write(storage, rows)
        for entry in ours:
            if entry.get("trial_id") in under_way:
                state = TrialState[entry["state"]]
                storage.set_trial_state_values(entry["trial_id"], state, entry["values"])
        self._write([entry for entry in entries if entry["store"] != self._store])

    def _line(self, entry: Row | End) -> dict[str, Any]:
        if isinstance(entry, Row):
            told: dict[str, Any] = {"table": entry.table, "key": entry.key, "rest": entry.rest}
        else:
            values = None if entry.values is None else list(entry.values)
            told = {"trial_id": entry.trial_id, "state": entry.state.name, "values": values}
        return {"store": self._store} | told

    def _entries(self) -> list[dict[str, Any]]:
        """Reads the file; a line that cannot be read is put aside, and its trial runs again."""
        objects, others = lines.read_objects(self.path)
        whole = [entry for entry in objects if _is_whole(entry)]
        others += [json.dumps(entry).encode() for entry in objects if not _is_whole(entry)]
        if others:
            lines.put_aside(self.path, others)
            self._write(whole)
        return whole

    def _write(self, entries: list[dict[str, Any]]) -> None:
        if entries:
            lines.write_objects(self.path, entries)
        else:
            self.path.unlink(missing_ok=True)


def _is_whole(entry: dict[str, Any]) -> bool:
    """Says whether an entry is a row of a table, or the end of a trial."""
    is_row = isinstance(entry.get("key"), dict) and isinstance(entry.get("rest"), dict)
    is_row &= isinstance(entry.get("table"), str)
    is_end = isinstance(entry.get("trial_id"), int) and entry.get("state") in _STATES
    is_end &= "values" in entry
    return isinstance(entry.get("store"), str) and (is_row or is_end)
