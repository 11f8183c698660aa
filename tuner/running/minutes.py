"""The time of a search: what of it is gone, what is left, and what is worth beginning."""

from __future__ import annotations

import math
import time
from statistics import median

#: Share of the time of a usual trial that must be left for another one to begin.
_WORTH_BEGINNING = 1.0
#: Share of the time that a drawn trial may take.
_MOST = 0.07
#: Share of the time like which networks that were timed beforehand count.
_TIMED_COUNTS = 0.2


class Minutes:
    """What a search does with its time. It runs between `start` and `stop`.

    Work is counted as `heuristics.work` has it: an epoch of a network by its arithmetic.

    Args:
        limit: minutes that search and confirmation have in all; None is no limit.
        timed: seconds that a unit of work took before the search, on a busy machine; 0 is unknown.
        earlier: seconds that earlier processes spent on the search.

    Attributes:
        reserved: seconds that are kept for the confirmation and what comes after it.
    """

    def __init__(self, limit: float | None, timed: float = 0.0, earlier: float = 0.0) -> None:
        self._limit = math.inf if limit is None else 60 * limit
        self.reserved = 0.0
        self._timed, self._earlier = timed, earlier
        self._before = 0.0
        self._began: float | None = None
        self._work = 0.0
        self._lengths, self._paces = list[float](), list[float]()

    def start(self) -> None:
        """Begins to count, unless it does."""
        if self._began is None:
            self._began = time.monotonic()

    def stop(self) -> None:
        """Counts no more until it is started again."""
        self._before, self._began = self.here, None

    @property
    def here(self) -> float:
        """Seconds spent on the search by this process."""
        run = 0.0 if self._began is None else time.monotonic() - self._began
        return self._before + run

    @property
    def spent(self) -> float:
        """Seconds spent on the search, by earlier processes too."""
        return self._earlier + self.here

    def did(self, work: float) -> None:
        """Counts work that was done."""
        self._work += work

    def completed(self, seconds: float, work: float = 0.0) -> None:
        """Counts a trial that was completed after so many seconds.

        Args:
            seconds: that it took beside others.
            work: of all its epochs; 0 if that is not known.
        """
        self._lengths.append(seconds)
        if work:
            self._paces.append(seconds / work)

    def takes(self, work: float) -> float:
        """Returns the seconds that a trial takes beside others, as complete ones did; 0 before.

        Args:
            work: of all its epochs.
        """
        return median(self._paces) * work if self._paces else 0.0

    @property
    def pace(self) -> float | None:
        """Seconds that a unit of work takes where the machine is busy with it, once it is known.

        The first epochs say less than what was timed before, which so counts like some seconds.
        """
        if self._timed:
            seconds = _TIMED_COUNTS * (60.0 if math.isinf(self._limit) else self._limit)
            return (seconds + self.here) / (seconds / self._timed + self._work)
        return self.here / self._work if self._work else None

    def left(self, confirmation: float) -> float:
        """Returns the seconds that the search may still take; infinity without a limit.

        Args:
            confirmation: seconds that were spent on confirmations.
        """
        return self._limit - self.spent - confirmation - self.reserved

    def is_worth_beginning(self, left: float) -> bool:
        """Says whether there is time for another trial, as long as they usually are.

        Args:
            left: seconds of the search.
        """
        if left <= 0:
            return False
        return not self._lengths or left >= _WORTH_BEGINNING * median(self._lengths)

    def trials(self, ran: int) -> float:
        """Returns how many trials there is time for; infinity while that is not known.

        Args:
            ran: trials that ended here.
        """
        if math.isinf(self._limit) or not self._lengths:
            return math.inf
        return self._limit * ran / max(self.here, 1e-9)

    def is_too_long(self, work: float) -> bool:
        """Says whether a trial would take so much of the time that others lack it.

        Args:
            work: of all its epochs.
        """
        pace = self._timed or self.pace
        return pace is not None and pace * work > _MOST * self._limit
