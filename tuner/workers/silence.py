"""How long a crew that has jobs may say nothing."""

from __future__ import annotations

import time

#: Seconds between two looks from which on no one listened: this process was stopped, or busy.
_ABSENCE_SECONDS = 5.0


class Silence:
    """Measures how long a crew has been silent while it was listened to.

    Args:
        limit: seconds of silence that are borne.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._began = self._listened = time.monotonic()

    def begin(self) -> None:
        """Something was said, or answered; the silence begins anew."""
        self._began = time.monotonic()

    def listen(self) -> None:
        """Someone listens, and does so again soon."""
        before, self._listened = self._listened, time.monotonic()
        if (absence := self._listened - before) > _ABSENCE_SECONDS:
            self._began += absence

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._began

    @property
    def is_too_long(self) -> bool:
        """Whether the crew is to be given up."""
        return self.seconds > self.limit

    def __str__(self) -> str:
        return f"silent for {self.limit / 60:g} minutes"
