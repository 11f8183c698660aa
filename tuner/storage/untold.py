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

from ..system import paths
from . import tables
from .tables import End, Row


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
        return all(json.loads(line)["store"] != self._store for line in self._lines())

    def keep(self, rows: Sequence[Row], ends: Sequence[End]) -> None:
        """Adds lines to the file."""
        if not rows and not ends:
            return
        entries: list[Row | End] = [*rows, *ends]
        lines = [json.dumps(self._line(entry)) for entry in entries]
        self._write([*self._lines(), *lines])

    def tell(self, storage: optuna.storages.RDBStorage, study: str) -> None:
        """Writes the lines of this store into it, and takes them out of the file.

        Those of trials that are not under way any more, and of a study that someone deleted, go.
        """
        entries = [(line, json.loads(line)) for line in self._lines()]
        ours = [entry for _, entry in entries if entry["store"] == self._store]
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
        self._write([line for line, entry in entries if entry["store"] != self._store])

    def _line(self, entry: Row | End) -> dict[str, Any]:
        if isinstance(entry, Row):
            told: dict[str, Any] = {"table": entry.table, "key": entry.key, "rest": entry.rest}
        else:
            values = None if entry.values is None else list(entry.values)
            told = {"trial_id": entry.trial_id, "state": entry.state.name, "values": values}
        return {"store": self._store} | told

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def _write(self, lines: list[str]) -> None:
        if not lines:
            self.path.unlink()
            return
        with paths.replacing(self.path) as beside:
            beside.write_text("".join(f"{line}\n" for line in lines))
