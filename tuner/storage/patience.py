"""Waiting for a store that went away, and doing again what it may not have done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy

T = TypeVar("T")

#: Seconds between two tries: at first, and at most.
_FIRST, _LONGEST = 0.1, 2.0
#: Seconds between two looks at whether there is still time.
_TICK = 0.1


class Patience:
    """Tries what needs the store until it is there.

    Args:
        seconds: from the first failure on in which the store may come back.
        ensure: is called before each try.
        is_cut: says that no more time is to be lost.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        ensure: Callable[[], None] = lambda: None,
        is_cut: Callable[[], bool] = lambda: False,
    ) -> None:
        self._seconds, self._ensure, self._is_cut = seconds, ensure, is_cut

    def __call__(self, act: Callable[[bool], T]) -> T:
        """Does something in the store.

        Args:
            act: does it, once or again: it is told whether it was tried before, since a try that
                failed may have been done after all.

        Raises:
            Exception: what the last try raised.
        """
        pauses, end, is_again = self._pauses(), 0.0, False
        while True:
            try:
                self._ensure()
                return act(is_again)
            except Exception as error:
                if not is_gone(error) or self._is_cut():
                    raise
                end = end or time.monotonic() + self._seconds
                pause = next(pauses)
                if time.monotonic() + pause > end:
                    raise
            is_again = True
            begin = time.monotonic()
            while time.monotonic() < begin + pause and not self._is_cut():
                time.sleep(_TICK)

    @staticmethod
    def _pauses() -> Iterator[float]:
        pause = _FIRST
        while True:
            yield pause
            pause = min(2 * pause, _LONGEST)


def is_gone(error: BaseException | None) -> bool:
    """Says whether an error means that the store cannot be reached, rather than that it refuses."""
    while error is not None:
        if isinstance(error, ConnectionError | sqlalchemy.exc.OperationalError):
            return True
        if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False
