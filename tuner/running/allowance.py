"""What of a budget is left: trials and minutes, how many trials at once, and what ends a search."""

from __future__ import annotations

import math

from ..storage import STARTUP_TRIALS, StudyStore
from ..study import BudgetSpec
from .in_hand import InHand
from .minutes import Minutes
from .standing import Standing

#: Share of a budget's trials that are under way at once, at most: the sampler learns from the rest.
_AT_ONCE = 0.2


class Allowance:
    """What one search may still do.

    Args:
        budget: where it ends.
        minutes: what is done with the time.
        fleet: trials under way at once, if the user says so.
        fills_places: no place of a worker is to stand idle, as where each place is a worker.
        standing: the trials that ended.
        in_hand: those that began.
        store: of the study.

    Attributes:
        budget: where it ends.
        minutes: what is done with the time.
        ran: trials that ended in this process.
    """

    def __init__(
        self,
        budget: BudgetSpec,
        minutes: Minutes,
        fleet: int | None,
        fills_places: bool,
        standing: Standing,
        in_hand: InHand,
        store: StudyStore,
    ) -> None:
        self.budget, self.minutes, self.ran = budget, minutes, 0
        self._fleet, self._fills_places = fleet, fills_places
        self._standing, self._in_hand, self._store = standing, in_hand, store
        self._owed: set[int] = set()  # trials that run whatever the time

    def owe(self, trial: int) -> None:
        """Lets a trial that began run, whatever the time."""
        self._owed.add(trial)

    @property
    def seconds(self) -> float:
        """Seconds left of the search: of all minutes, until there is a trial to keep some for."""
        if self.budget.minutes is None:
            return math.inf
        return self.minutes.left(self._store.confirmation_seconds)

    @property
    def trials(self) -> float:
        """Trials of the budget that have not begun; none once patience has run out."""
        if self._is_out_of_patience:
            return 0
        if self.budget.trials is None:
            return math.inf
        return self.budget.trials - self._standing.counts.finished - len(self._in_hand.trials)

    @property
    def has_time(self) -> bool:
        """Whether a usual trial that began now would end in time."""
        return self.minutes.is_worth_beginning(self.seconds)

    def at_once(self, capacity: int) -> int:
        """Returns how many trials are under way at once: a share, unless the user says so.

        Args:
            capacity: places of the worker.
        """
        if self._fleet is not None:
            return self._fleet
        expected = min(float(self.budget.trials or math.inf), self.minutes.trials(self.ran))
        if math.isinf(expected) and self.budget.patience is not None:
            expected = self._standing.counts.finished + self.budget.patience
        wanted = STARTUP_TRIALS
        if math.isfinite(expected):
            wanted = max(wanted, int(_AT_ONCE * expected))
        return max(wanted, capacity) if self._fills_places else wanted

    def end(self) -> str:
        """Says what ends the search, or "" to go on."""
        trials, target, counts = self.budget.trials, self.budget.target, self._standing.counts
        if target is not None and self._standing.reaches(target):
            return f"the target {target:g} is reached"
        if trials is not None and counts.finished >= trials:
            return f"{counts.finished} of {trials} trials are finished"
        # What is under way may still be better.
        if self._is_out_of_patience and not self._in_hand.trials:
            return f"{self._standing.since_best} trials in a row were no better"
        if self._is_over:
            return f"the {self.budget.minutes:g} minutes are over"
        return ""

    @property
    def _is_out_of_patience(self) -> bool:
        patience = self.budget.patience
        return patience is not None and self._standing.since_best >= patience

    @property
    def _is_over(self) -> bool:
        """Whether the time is; not while there are trials that a signal or a fault cut.

        Earlier calls may have used all of the time; then this one takes as much again at most.
        """
        if self.has_time or (self.seconds > 0 and self._in_hand.trials):
            return False
        minutes = self.budget.minutes
        if minutes is None or self.minutes.here >= 60 * minutes:
            return True
        return not (self._owed & self._in_hand.trials.keys() or self._store.owes)

    def eta(self) -> tuple[float | None, float | None]:
        """Returns the seconds left by the minutes, and until the search ends, as far as known."""
        left = None if self.budget.minutes is None else max(0.0, self.seconds)
        if self.budget.trials is None or not self.ran:
            return left, left
        each = self.minutes.here / self.ran
        needed = each * max(0, self.budget.trials - self._standing.counts.finished)
        return left, needed if left is None else min(needed, left)
