"""Trains the candidates of a confirmation: many at first over few cuts, the better half over more.

That is successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943). What it costs is known
before, since the search has timed such networks; candidates are compared over the cuts that they
share.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from ..network.config import Config, DataFacts
from ..results.arms import Arm, Direction
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..study import ConfirmSection
from .entrants import entrants
from .expected import Expected
from .last_training import LastTraining
from .ranking import Ranking
from .rounds import (
    ENOUGH,
    FASTEST,
    LAST_CONFIGS,
    PLANNED,
    TELLING,
    Plan,
    Round,
    fitting,
    kept,
    lasts,
    least,
)

#: Share of what it may take that is kept for it in any case: of the smallest networks most of the
#: time goes into what surrounds a training, which their arithmetic does not tell.
_LEAST = 0.2
#: Share of what it may take that it takes where that makes three cuts of two, and of all time.
_MORE, _MOST = 1.3, 0.8
#: Complete trials from which on a third cut is worth more than further ones.
_ENOUGH_TRIALS = 10
#: Share of the time of a round by which it may end late, if it does end then, as far as the last
#: training can spare that: else what is under way would be lost.
_LATE = 0.15


class Halving:
    """Trains the candidates of one study.

    Attributes:
        ranking: of the candidates.

    Args:
        spec: how many configs of the search, over how many seeds.
        metric: that they are scored by.
        direction: which way it is better.
        seeds: of the trainings; each has validation rows of its own.
        trials: returns those of the study.
        presets: that are candidates beside them, by name.
        allowed: whether the study file allows each of them; others are compared and cannot win.
        confirmed: makes the config that a trial's parameters mean in a confirmation.
        repeats: of the study, which trains them.
        last: the training that time is kept for, if there is one.
        facts: sizes of the data, if they are known.
        observer: is told what happens.
    """

    def __init__(
        self,
        spec: ConfirmSection,
        metric: str,
        direction: Direction,
        seeds: Sequence[int],
        trials: Callable[[], Sequence[FrozenTrial]],
        presets: Mapping[str, Config],
        allowed: Mapping[str, bool],
        confirmed: Callable[[FrozenTrial], Config],
        repeats: Repeats,
        last: LastTraining | None,
        facts: DataFacts | None,
        observer: Observer,
    ) -> None:
        self._n_configs, self._n_seeds, self._seeds = spec.configs, spec.seeds, seeds
        self._direction, self._share = direction, spec.share
        self.ranking = Ranking(metric, direction, seeds, repeats)
        self._trials, self._presets, self._allowed = trials, presets, allowed
        self._config_of, self._repeats, self._last = confirmed, repeats, last
        self._facts, self._observer = facts, observer

    def needs(self, seconds: float, pace: float | None) -> float:
        """Returns the seconds that a confirmation of what was found so far needs.

        Args:
            seconds: that it may take. The least that is worth it takes what it takes, and three
                cuts, from which on an error is told, may take a little more once ten trials are
                complete.
            pace: seconds that a unit of work took in the search, if that is known.
        """
        found, presets = self._entrants()
        if not found and all(arm.trial is None for arm in presets):
            return 0.0
        expected = self._expected(pace)
        configs = expected.rows(found)
        others = expected.rows(self.ranking.likeliest_first(presets))
        likely = self._likely(found, presets)

        def within(may_take: float) -> tuple[Plan, float]:
            endings = expected.endings(likely, may_take)
            return fitting(configs, others, self._n_seeds, may_take, endings, expected.at_once)

        wanted, ending = within(seconds)
        n_complete = sum(each.state == TrialState.COMPLETE for each in self._trials())
        if wanted.n_seeds < TELLING and n_complete >= _ENOUGH_TRIALS:
            more, its_ending = within(min(_MORE, max(1.0, _MOST / self._share)) * seconds)
            if more.n_seeds >= TELLING:
                wanted, ending = more, its_ending
        needed = max(wanted.seconds, least(configs, others, expected.at_once))
        return max(needed / PLANNED + ending, _LEAST * seconds)

    def run(self, end: float, pace: float | None) -> list[Arm]:
        """Trains what there is time for, beside the last training; what ended is not run again.

        Args:
            end: of the time, on the clock of `time.monotonic`.
            pace: seconds that a unit of work took in the search, if that is known.

        Returns:
            The arms that were trained over two cuts or more, with their scores.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
        """
        found, presets = self._entrants()
        seconds = end - time.monotonic()
        expected, likely = self._expected(pace), self._likely(found, presets)
        configs = expected.rows(found)
        others = expected.rows(self.ranking.likeliest_first(presets))
        at_once = expected.at_once

        def endings() -> tuple[float, float]:
            wanted, enough = expected.endings(likely, seconds)
            ending = kept(wanted, least(configs, others, at_once), seconds)
            return ending, min(ending, enough)

        def n_cuts(share: float) -> int:
            ending, enough = endings()
            wanted = share * ending, share * enough
            return fitting(configs, others, self._n_seeds, seconds, wanted, at_once)[0].n_seeds

        # What the last training takes alone is less than is thought, and may leave time for cuts.
        while n_cuts(1.0) < min(TELLING, n_cuts(FASTEST)):
            if not expected.time_ending(likely, seconds):
                break
        return self._train(found, presets, expected, end, seconds, endings())

    def _entrants(self) -> tuple[list[Arm], list[Arm]]:
        return entrants(
            self._trials(),
            self._direction,
            self._n_configs,
            self._presets,
            self._allowed,
            self._config_of,
        )

    def _expected(self, pace: float | None) -> Expected:
        trials = self._trials()
        return Expected(self._seeds, self._repeats, self._last, trials, self._facts, pace)

    def _likely(self, found: list[Arm], presets: list[Arm]) -> list[Arm]:
        """Returns who may win, before that is known: the best found and the likeliest preset."""
        return [*found[:1], *self.ranking.likeliest_first(presets)[:1]]

    def _train(
        self,
        found: list[Arm],
        presets: list[Arm],
        expected: Expected,
        end: float,
        seconds: float,
        endings: tuple[float, float],
    ) -> list[Arm]:
        """Trains what there is time for, round by round; returns the arms with their scores.

        After the first seed it is known what a training really takes, and planned again: where
        that is more than was thought, the last training leaves the time for two arms over two
        cuts. What the rounds leave of the time goes into more cuts of those that lasted. What
        cannot end in time is not begun.

        Args:
            found: configs of the search.
            presets: beside them.
            expected: what trainings take.
            end: of the time, on the clock of `time.monotonic`.
            seconds: that there are in all.
            endings: of which so many are kept for the last training; as `fitting` takes them.
        """
        at_once = expected.at_once

        def planned(slower: float) -> tuple[Plan, list[Arm], float]:
            others = self.ranking.likeliest_first(presets)
            configs, beside = (expected.rows(each, slower) for each in (found, others))
            left = end - time.monotonic()
            needed = least(configs[:1], beside[:1], at_once)
            wanted, enough = (kept(each, needed, left) for each in endings)
            fits, ending = fitting(configs, beside, self._n_seeds, left, (wanted, enough), at_once)
            return fits, [*found[: fits.n_configs], *others[: fits.n_presets]], end - ending

        first, arms, until = planned(1.0)
        if first.seconds > 0:
            if FASTEST * first.seconds > until - time.monotonic():
                return []
            self._announce(first, len(found))
        takes = lasts((row[0] for row in expected.rows(arms)), at_once)
        begun = time.monotonic()
        self._run(arms, self._seeds[:1], expected, until, end)
        slower = (time.monotonic() - begun) / takes if takes > 0 else 1.0
        slower = max(FASTEST, slower)
        second, live, until = planned(slower)
        if second.n_configs > first.n_configs:
            self._announce(second, len(found))
        done: dict[str, Arm] = {}
        steps = deque(second.rounds)
        while steps:
            step = steps.popleft()
            live = self.ranking.best(
                live, step.n_configs, keep_presets=second.presets_stay or not done
            )
            in_time = self._run(live, self._seeds[: step.n_cuts], expected, until, end)
            live = [self.ranking.scored(arm, step.n_cuts) for arm in live]
            live = self.ranking.alike(live)
            done |= {arm.name: arm for arm in live}
            if not in_time:
                break
            if not steps:
                more, until = self._one_more(live, step, second, expected, slower, end, seconds)
                steps.extend(more)
        return list(done.values())

    def _one_more(
        self,
        live: list[Arm],
        step: Round,
        planned: Plan,
        expected: Expected,
        slower: float,
        end: float,
        in_all: float,
    ) -> tuple[list[Round], float]:
        """Returns a round over one more cut, if there is time for it, and when that has to end.

        It is for all that last, or for the best three. Who may win is known better by now, and so
        what the last training takes.

        Args:
            live: arms that last, with their scores.
            step: that ended.
            planned: what it was planned by.
            expected: what trainings take.
            slower: how much longer trainings take here.
            end: of the time, on the clock of `time.monotonic`.
            in_all: seconds that there were; the last training has its share of all of them.
        """
        if step.n_cuts < self._n_seeds:
            for n in (step.n_configs, min(step.n_configs, LAST_CONFIGS)):
                going = self.ranking.best(live, n, keep_presets=planned.presets_stay)
                rows = expected.rows(going, slower)
                seconds = lasts((row[step.n_cuts] for row in rows), expected.at_once)
                share = ENOUGH if step.n_cuts + 1 == TELLING else 1.0
                ending = _ending_beside(seconds, going, share, expected, slower, end, in_all)
                if ending is not None:
                    return [Round(n, step.n_cuts + 1)], end - ending
        return [], end

    def _run(
        self,
        arms: Sequence[Arm],
        chosen: Sequence[int],
        expected: Expected,
        until: float,
        end: float,
    ) -> bool:
        """Trains arms over seeds; returns whether all ended in time.

        Those that take longest begin, so that none is left to train alone while the others wait.

        Args:
            arms: to train.
            chosen: seeds, in their order.
            expected: what trainings take.
            until: when to stop, on the clock of `time.monotonic`.
            end: of all the time; what is between is the last training's.
        """
        rows = zip(expected.rows(arms), arms, strict=True)
        longest_first = [arm for _, arm in sorted(rows, key=lambda row: -max(row[0]))]
        late = 0.0
        if math.isfinite(until):
            late = min(_LATE * max(0.0, until - time.monotonic()), (1 - ENOUGH) * (end - until))
        return self._repeats.run(
            [(arm.config, seed) for seed in chosen for arm in longest_first],
            networks="keep",
            end=None if math.isinf(until) else until,
            late=late,
            observer=self._observer,
        )

    def _announce(self, planned: Plan, n_found: int) -> None:
        """Tells the plan, and by how much it is less than what was asked for."""
        n, n_presets, n_seeds = planned.n_configs, planned.n_presets, planned.n_seeds
        parts = []
        if n:
            parts.append(f"{_of(n, n_found)} config{'' if n_found == 1 else 's'} of the search")
        if n_presets:
            parts.append(f"{n_presets} preset{'' if n_presets == 1 else 's'}")
        self._observer.begin(
            f"confirming {' and '.join(parts)} over {_of(n_seeds, self._n_seeds)} seeds, "
            f"about {max(1, round(planned.seconds))} s"
        )


def _ending_beside(
    seconds: float,
    arms: Sequence[Arm],
    share: float,
    expected: Expected,
    slower: float,
    end: float,
    in_all: float,
) -> float | None:
    """Returns the seconds that are kept for the last training beside a round, if both fit.

    What it takes alone is less than the search lets expect, by what cores share, so it is timed
    where that decides.

    Args:
        seconds: of the round.
        arms: that may win.
        share: of the last training's epochs that is enough.
        expected: what trainings take.
        slower: how much longer they take here.
        end: of the time, on the clock of `time.monotonic`.
        in_all: seconds that there were.
    """
    while True:
        left = end - time.monotonic()
        ending = expected.ending(arms, in_all, share, slower)
        if seconds <= PLANNED * (left - ending):
            return ending
        if seconds > PLANNED * (left - FASTEST * ending):
            return None
        if not expected.time_ending(arms, left, slower):
            return None


def _of(n: int, all_of_them: int) -> str:
    """Writes a number, and of how many.

    >>> _of(2, 2), _of(2, 3)
    ('2', '2 of 3')
    """
    return str(n) if n == all_of_them else f"{n} of {all_of_them}"
