"""What a study's folder knows of its store, so that a store that lost trials is noticed.

A file that was deleted or cut, or whose write-ahead log is gone, is to SQLite a store of fewer
trials, or of none.
"""

from __future__ import annotations

import json

from ..errors import StoreUnreadableError
from ..system import paths


class Ledger:
    """The file.

    Args:
        study: name of the study.
        store: that this process writes to; what is known of another one says nothing of it.
    """

    def __init__(self, study: str, store: str) -> None:
        self._study, self._store = study, store
        self._path = paths.study_folder(study) / "ledger.json"
        self.finished = self._read()

    def _read(self) -> int:
        try:
            kept = json.loads(self._path.read_bytes())
            return int(kept["finished"]) if kept["store"] == self._store else 0
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or a damaged one
            return 0

    def compare(self, finished: int) -> None:
        """Looks whether a store holds all trials that finished.

        Args:
            finished: trials there.

        Raises:
            StoreUnreadableError: it holds fewer.
        """
        if finished >= self.finished:
            return
        raise StoreUnreadableError(
            f"{self._store}: {self.finished - finished} of {self.finished} finished trials of "
            f"study {self._study!r} are lost, as {self._path} knows; `rm {self._path}` and the "
            "same command go on with what is left, --new puts it aside and begins anew"
        )

    def keep(self, finished: int) -> None:
        """Notes how many trials have finished.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        if finished == self.finished:
            return
        self.finished = finished
        # The store has them durably; a crash that loses this line loses no trial.
        paths.write(
            self._path, json.dumps({"store": self._store, "finished": finished}), durable=False
        )
