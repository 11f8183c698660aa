"""What a search tries next: the starting points whose turn it is, and what the sampler draws."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import optuna

from .. import heuristics
from ..errors import StudyFailedError
from ..network.config import Config, DataFacts, MLPConfig
from ..space import MLPSpace, SearchSpace
from ..storage import RETRY_OF, SOURCE, StudyStore
from .evaluation import Evaluation
from .limits import Limits
from .minutes import Minutes
from .rate_range import RateRange
from .under_way import UnderWay

#: Drawn trials in a row that may be declined because they would take too much of the time.
_MOST_DECLINED = 30
#: Draws in a row that may break a limit: there may be no network that keeps it.
_MOST_BROKEN = 1_000
#: After so many of them they are drawn at random, since a model may see nothing but its best guess.
_MOST_MODELLED = 10
#: Complete trials after which the starting points of `heuristics.LATE_POINTS` begin: by then the
#: default pruner can end them.
LATE_AFTER = 3


class Proposals:
    """Trials that have not begun.

    Args:
        study_seed: that trials have their seeds from.
        space: the searched parameters.
        evaluation: how trials are scored.
        facts: sizes of the data, if they are known.
        store: of the study, which asks the sampler.
        minutes: of the search.
        limits: that networks keep.

    Attributes:
        space: the searched parameters, once a rate is found with that as a starting point.
    """

    def __init__(
        self,
        study_seed: int,
        space: SearchSpace,
        evaluation: Evaluation,
        facts: DataFacts | None,
        store: StudyStore,
        minutes: Minutes,
        limits: Limits,
    ) -> None:
        self.space, self._limits = space, limits
        self._study_seed, self._evaluation, self._facts = study_seed, evaluation, facts
        self._store, self._minutes = store, minutes
        self._points: dict[str, dict[str, Any]] = {}  # to start from, that have not begun
        self._n_declined = self._n_broken = 0  # in a row

    def take_up(self) -> None:
        """Looks for the starting points that were not tried yet."""
        tried = {trial.user_attrs.get(SOURCE) for trial in self._store.trials()}
        points = self.space.starting_points()
        self._points = {
            source: params
            for source, params in points.items()
            if source not in tried and not self._limits.broken(self.space.config(params))
        }

    def begin_points(
        self, room: float, n_complete: int, seconds: float, *, is_testing: bool
    ) -> None:
        """Has the starting points tried whose turn it is, each once.

        Args:
            room: trials that may begin.
            n_complete: trials of the study that are complete.
            seconds: left of the search; a late one begins only if it would end by then.
            is_testing: a range test looks for a rate, which the recommendation waits for.
        """
        for source in list(self._points):
            waits = source == "recommendation" and is_testing
            if source in heuristics.LATE_POINTS:
                waits |= n_complete < LATE_AFTER or self._takes(source) > seconds
            if not waits and room > 0:
                self._store.enqueue(self._points.pop(source), source)
                room -= 1

    @property
    def has_recommendation(self) -> bool:
        """Whether the recommendation has not begun, and is to."""
        return "recommendation" in self._points

    def found(self, rates: RateRange) -> None:
        """Lets the recommendation begin at the rate that a range test picked."""
        self._store.keep_rate_range(rates.model_dump_json())
        if isinstance(self.space, MLPSpace):
            self.space = replace(self.space, rate=rates.suggested)
            if "recommendation" in self._points:
                self._points["recommendation"] = self.space.starting_points()["recommendation"]

    def ask(self) -> UnderWay | None:
        """Returns the next trial; None if what was drawn takes too much, of time or else.

        Raises:
            StudyFailedError: very many in a row broke a limit.
        """
        is_stuck = self._n_broken >= _MOST_MODELLED
        with self._store.drawing_at_random() if is_stuck else nullcontext():
            trial = self._store.ask()
            config = self.space.suggest(trial)
        reason = self._limits.broken(config)
        if not reason and self._is_too_long(trial, config):
            self._n_declined += 1
            reason = "it would take too much of the time"
        if reason:
            self._store.annotate(trial, **self.space.attributes(config), config=config.to_json())
            self._store.decline(trial, reason)
            self._n_broken += 1
            if self._n_broken >= _MOST_BROKEN:
                raise StudyFailedError(f"{self._n_broken:,} draws in a row broke a limit: {reason}")
            return None
        self._n_declined = self._n_broken = 0
        # A trial that runs again keeps the seed of its first try.
        seed = trial.user_attrs.get("seed", trial_seed(self._study_seed, trial.number))
        source = trial.user_attrs.get(SOURCE, "sampler")
        self._store.annotate(
            trial,
            **self.space.attributes(config),
            seed=seed,
            shuffle_seed=self._study_seed,
            source=source,
            config=config.to_json(),  # the last one: a trial that has it has all
        )
        return UnderWay(
            trial,
            source,
            config,
            seed=seed,
            shuffle_seed=self._study_seed,
            cuts=self._evaluation.cuts(self._study_seed),
            work=self._work_of(config) if isinstance(config, MLPConfig) else 0.0,
        )

    def _takes(self, source: str) -> float:
        """Returns the seconds that the trial of a starting point would take, if that is known."""
        config = self.space.config(self._points[source])
        return self._minutes.takes(self._work_of(config)) if isinstance(config, MLPConfig) else 0.0

    def _is_too_long(self, trial: optuna.Trial, config: Config) -> bool:
        """Says whether a drawn trial would take so much of the time that others lack it.

        What is known beforehand is its arithmetic. Starting points are tried whatever they take.
        Where even a usual network takes too much, that is the measure.
        """
        is_drawn = not {SOURCE, RETRY_OF} & trial.user_attrs.keys()
        if not is_drawn or self._n_declined >= _MOST_DECLINED:
            return False
        if not isinstance(config, MLPConfig) or not isinstance(self.space, MLPSpace):
            return False
        work, usual = self._work_of(config), self._work_of(self.space.usual)
        return work > usual and self._minutes.is_too_long(work)

    def _work_of(self, config: MLPConfig) -> float:
        """Returns the work of a whole trial."""
        assert self._facts is not None
        epoch = heuristics.work(config, self._evaluation.seen(self._facts))
        return self._evaluation.folds * config.epochs * epoch


def trial_seed(study_seed: int, trial: int) -> int:
    """Returns the seed of a trial's initial weights, in [0, 2 ** 31)."""
    return (study_seed * 1_000_003 + trial * 7919 + 1) % 2**31
