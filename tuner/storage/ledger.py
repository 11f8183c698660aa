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
        self.finished, self._number = self._read()

    def _read(self) -> tuple[int, int | None]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["store"] == self._store:
                return int(kept["finished"]), kept["study"]
        except (OSError, ValueError, TypeError, KeyError):
            pass  # none yet, or a damaged one
        return 0, None

    def compare(self, finished: int, number: int | None) -> None:
        """Looks whether a store holds all trials that finished.

        Args:
            finished: trials there.
            number: of the study there, if there is one. Another number is another study, as after a
                --new of someone who shares the store.

        Raises:
            StoreUnreadableError: it holds fewer.
        """
        if finished >= self.finished or number not in (None, self._number):
            return
        raise StoreUnreadableError(
            f"{self._store}: {self.finished - finished} of {self.finished} finished trials of "
            f"study {self._study!r} are lost, as {self._path} knows; `rm {self._path}` and the "
            "same command go on with what is left, --new puts it aside and begins anew"
        )

    def keep(self, finished: int, number: int) -> None:
        """Notes how many trials of a study of this number have finished.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        if (finished, number) == (self.finished, self._number):
            return
        self.finished, self._number = finished, number
        # The store has them durably; a crash that loses this line loses no trial.
        told = {"store": self._store, "study": number, "finished": finished}
        paths.write(self._path, json.dumps(told), durable=False)
