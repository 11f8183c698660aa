"""SIGINT and SIGTERM, noted for a loop to see."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

#: Signals after which a process that cannot end gracefully ends all the same.
_PATIENCE = 3


class Interruption:
    """Notes SIGINT and SIGTERM instead of raising at a random place; a context manager.

    The third one ends the process at once. Outside the main thread, which alone can have
    handlers, it notes nothing.

    Attributes:
        signal: the last one that came, if one did.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._came = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for kind in (signal.SIGINT, signal.SIGTERM):
                self._before[kind] = signal.signal(kind, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        self._came += 1
        if self._came >= _PATIENCE:
            os._exit(128 + number)
