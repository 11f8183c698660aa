"""What the trainings of a confirmation are expected to take, by what the search has timed."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from ..network.config import DataFacts
from ..results.arms import Arm
from ..running.repeats import Repeats
from .entrants import costs, sharing
from .last_training import LastTraining
from .rounds import ENOUGH, last


class Expected:
    """What trainings take, from now on.

    Args:
        seeds: that arms are trained over.
        repeats: of the study, which trains them.
        ending: the training that time is kept for, if there is one.
        trials: of the study, at least one of which is complete.
        facts: sizes of the data, if they are known.
        pace: seconds that a unit of work (`heuristics.work`) took in the search, if that is known.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        repeats: Repeats,
        ending: LastTraining | None,
        trials: Sequence[FrozenTrial],
        facts: DataFacts | None,
        pace: float | None,
    ) -> None:
        self._seeds, self._repeats, self._ending = seeds, repeats, ending
        self._trials, self._facts, self._pace = trials, facts, pace

    @property
    def at_once(self) -> int:
        """How many trainings make the machine busy, with the workers that there are by now."""
        return round(sharing(self._trials, self._repeats.places, self._pace, self._facts))

    def rows(self, arms: Sequence[Arm], slower: float = 1.0) -> list[list[float]]:
        """Returns the seconds of each arm over each seed, 0 of what has ended.

        Args:
            arms: that are trained.
            slower: how much longer they take here.
        """
        each = costs(arms, self._trials, self._repeats.places, self._pace, self._facts)
        return [
            [0.0 if self._repeats.find(arm.config, seed) else slower * cost for seed in self._seeds]
            for arm, cost in zip(arms, each, strict=True)
        ]

    def endings(self, likely: Sequence[Arm], seconds: float) -> tuple[float, float]:
        """Returns the seconds that the last training wants of those that there are, and the least.

        Args:
            likely: arms that may win. Another one that wins is trained as long as there is time.
            seconds: that there are.
        """
        return self.ending(likely, seconds), self.ending(likely, seconds, ENOUGH)

    def ending(
        self, arms: Sequence[Arm], seconds: float, share: float = 1.0, slower: float = 1.0
    ) -> float:
        """Returns the seconds that are kept for the last training.

        Args:
            arms: that may win.
            seconds: that there were in all.
            share: of its epochs that is enough.
            slower: how much longer trainings take here.
        """
        if self._ending is None:
            return 0.0
        return last(self._ending.trainings(arms, self._pace, slower), seconds, share)

    def time_ending(self, arms: Sequence[Arm], left: float, slower: float = 1.0) -> bool:
        """Times the longest last training there may be, as `LastTraining.time_longest` does."""
        if self._ending is None:
            return False
        return self._ending.time_longest(arms, self._pace, slower, left)
