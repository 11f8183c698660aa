"""Confirms the best configs of a search again, with the presets among them as candidates.

What that costs is known before: the search has timed such networks. Candidates are many at first
and over few cuts; the better half goes on over more of them (successive halving, Jamieson and
Talwalkar 2016, arXiv:1502.07943), always compared over the cuts that they share.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from optuna.trial import FrozenTrial

from . import solo
from .config import Config, DataFacts, MLPConfig, ModuleConfig
from .data import Cut, Dataset
from .entrants import costs, entrants
from .last_training import LastTraining
from .progress import Observer
from .repeats import Repeats, seeds
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
    least,
)
from .storage import StudyStore
from .study import StudySpec
from .winner import Arm, Confirmation, Refit, choose
from .workers import rounded

#: Arms, presets among them, that the last rounds compare at least.
_LEAST_LEFT = 2
#: Share of what it may take that is kept for it in any case: of the smallest networks most of the
#: time goes into what surrounds a training, which their arithmetic does not tell.
_LEAST = 0.2


class Confirmer:
    """Confirms one study.

    Args:
        spec: the study file.
        metric: that it optimizes.
        store: of the study, owned.
        repeats: of the study.
        presets: that are trained beside them, by name.
        allowed: whether the study file allows each of them; others are compared and cannot win.
        confirmed: makes the config that a trial's parameters mean in a confirmation.
        handed_over: makes the config of an arm's training to the end; None epochs are all of them.
        folds: cuts that each trial was validated on.
        dataset: with the test part; None where a LightningDataModule of the user's brings it.
        facts: sizes of the data, if they are known.
        training: how modules of the user's are trained, if they are.
        observer: is told what happens.
    """

    def __init__(
        self,
        spec: StudySpec,
        metric: str,
        store: StudyStore,
        repeats: Repeats,
        presets: Mapping[str, Config],
        allowed: Mapping[str, bool],
        confirmed: Callable[[FrozenTrial], Config],
        handed_over: Callable[[Arm, int | None], Config],
        folds: int,
        dataset: Dataset | None,
        facts: DataFacts | None,
        training: solo.ModuleTraining | None,
        observer: Observer,
    ) -> None:
        self._store, self._repeats, self._observer = store, repeats, observer
        self._metric, self._direction = metric, spec.direction(metric)
        self._sign = 1 if self._direction == "maximize" else -1
        self._n_configs, self._n_seeds = spec.confirm.configs, spec.confirm.seeds
        self._seeds = seeds(spec.study.seed, "confirm", self._n_seeds)
        self._select = spec.confirm.select
        self._last: LastTraining | None = None
        if spec.confirm.refit and dataset is not None:
            self._last = LastTraining(
                repeats, store.trials, handed_over, dataset, facts, self._direction
            )
        self._network: bytes | None = None
        self._presets, self._allowed = presets, allowed
        self._config_of, self._folds = confirmed, folds
        self._dataset, self._facts, self._training = dataset, facts, training

    def needs(self, seconds: float, pace: float | None) -> float:
        """Returns the seconds that a confirmation of what was found so far needs.

        Args:
            seconds: that it may take; the least that is worth it takes what it takes.
            pace: seconds that a unit of work took in the search, if that is known.
        """
        found, presets = self._entrants()
        if not found and all(arm.trial is None for arm in presets):
            return 0.0
        configs = self._rows(found, pace)
        others = self._rows(self._likeliest_first(presets), pace)
        ending = self._ending(found, presets, pace, seconds)
        wanted, ending = fitting(configs, others, self._n_seeds, seconds, ending)
        needed = max(wanted.seconds, least(configs, others))
        return max(needed / PLANNED + ending, _LEAST * seconds)

    def run(self, seconds: float | None = None, pace: float | None = None) -> Confirmation | None:
        """Confirms the best configs as far as there is time; what ended before is not run again.

        Args:
            seconds: that there are, if they are limited.
            pace: seconds that a unit of work took in the search, if that is known.

        Returns:
            None if no trial is complete, if no config was trained over two seeds in time, or if
            all their trainings failed.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the store or the disk is gone.
        """
        began = time.monotonic()
        found, presets = self._entrants()
        if self._store.best() is None:
            return None
        end = math.inf if seconds is None else began + seconds
        rows = self._rows([*found, *presets], pace)
        wanted = self._ending(found, presets, pace, end - began)
        ending = kept(wanted, least(rows[: len(found)], rows[len(found) :]), end - began)
        arms = self._train(found, presets, pace, end, ending)
        confirmation = self._compared(arms, time.monotonic() - began)
        if confirmation is None:
            return None
        before = self._as_before(confirmation)
        if before is not None and (before.refit is not None or not self._refits(before)):
            return before
        if before is None:
            confirmation = self._tested(confirmation)
            self._store.keep_confirmation(confirmation)  # a cut of what follows loses nothing
        else:
            confirmation = before
        refitted = self._refitted(confirmation, pace, end, opens_test=before is not None)
        if refitted is not confirmation:
            self._store.keep_confirmation(refitted)
        return refitted

    def _entrants(self) -> tuple[list[Arm], list[Arm]]:
        return entrants(
            self._store.trials(),
            self._direction,
            self._n_configs,
            self._presets,
            self._allowed,
            self._config_of,
        )

    def _ending(
        self, found: list[Arm], presets: list[Arm], pace: float | None, seconds: float
    ) -> float:
        """Returns the seconds that are wanted for the last training, of those that there are.

        Before anything is confirmed it is taken to be of the best of the search or the likeliest
        preset. Another one that wins is trained for as long as there is time.
        """
        likeliest = self._likeliest_first(presets)[:1]
        return self._whole([*found[:1], *likeliest], pace, seconds)

    def _whole(self, arms: Sequence[Arm], pace: float | None, seconds: float) -> float:
        """Returns the seconds that are wanted for the last training, if one of these arms wins."""
        return 0.0 if self._last is None else self._last.seconds(arms, pace, seconds)

    def _rows(
        self, arms: Sequence[Arm], pace: float | None, slower: float = 1.0
    ) -> list[list[float]]:
        """Returns the seconds of each arm over each seed, 0 of what has ended.

        Args:
            arms: that are trained.
            pace: seconds that a unit of work took in the search, if that is known.
            slower: how much longer they take here.
        """
        trials, places = self._store.trials(), self._repeats.places
        each = costs(arms, trials, places, pace, self._facts)
        return [
            [0.0 if self._repeats.find(arm.config, seed) else slower * cost for seed in self._seeds]
            for arm, cost in zip(arms, each, strict=True)
        ]

    def _train(
        self,
        found: list[Arm],
        presets: list[Arm],
        pace: float | None,
        end: float,
        ending: float,
    ) -> list[Arm]:
        """Trains what there is time for, round by round; returns the arms with their scores.

        After the first seed it is known what a training really takes, and planned again; what the
        rounds leave of the time goes into more cuts of those that lasted. What cannot end in time
        is not begun.

        Args:
            found: configs of the search.
            presets: beside them.
            pace: seconds that a unit of work took in the search, if that is known.
            end: of the time, on the clock of `time.monotonic`.
            ending: seconds of it that are kept for the last training.
        """

        def planned(slower: float) -> tuple[Plan, list[Arm], float]:
            others = self._likeliest_first(presets)
            configs, beside = (self._rows(each, pace, slower) for each in (found, others))
            left = end - time.monotonic()
            fits, last = fitting(configs, beside, self._n_seeds, left, ending)
            return fits, [*found[: fits.n_configs], *others[: fits.n_presets]], end - last

        first, arms, until = planned(1.0)
        if FASTEST * first.seconds > until - time.monotonic():
            return []
        if first.seconds > 0:
            self._announce(first, len(found))
        expected = sum(row[0] for row in self._rows(arms, pace))
        begun = time.monotonic()
        self._run(arms, self._seeds[:1], pace, until)
        slower = (time.monotonic() - begun) / expected if expected > 0 else 1.0
        slower = max(FASTEST, slower)
        second, live, until = planned(slower)
        if second.n_configs > first.n_configs:
            self._announce(second, len(found))
        done: dict[str, Arm] = {}
        steps = deque(second.rounds)
        while steps:
            step = steps.popleft()
            live = self._best(live, step.n_configs, keep_presets=second.presets_stay or not done)
            in_time = self._run(live, self._seeds[: step.n_cuts], pace, until)
            live = [self._scored(arm, step.n_cuts) for arm in live]
            live = self._alike(live)
            done |= {arm.name: arm for arm in live}
            if not in_time:
                break
            if not steps:
                more, until = self._one_more(live, step, second, pace, slower, end)
                steps.extend(more)
        return list(done.values())

    def _one_more(
        self,
        live: list[Arm],
        step: Round,
        planned: Plan,
        pace: float | None,
        slower: float,
        end: float,
    ) -> tuple[list[Round], float]:
        """Returns a round over one more cut, if there is time for it, and when that has to end.

        It is for all that last, or for the best three. Who may win is known better by now, and so
        what the last training takes.

        Args:
            live: arms that last, with their scores.
            step: that ended.
            planned: what it was planned by.
            pace: seconds that a unit of work took in the search, if that is known.
            slower: how much longer trainings take here.
            end: of the time, on the clock of `time.monotonic`.
        """
        if step.n_cuts < self._n_seeds:
            for n in (step.n_configs, min(step.n_configs, LAST_CONFIGS)):
                last = self._best(live, n, keep_presets=planned.presets_stay)
                seconds = sum(row[step.n_cuts] for row in self._rows(last, pace, slower))
                left = end - time.monotonic()
                ending = slower * self._whole(last, pace, left)
                if step.n_cuts + 1 == TELLING:
                    ending *= ENOUGH
                if seconds <= PLANNED * (left - ending):
                    return [Round(n, step.n_cuts + 1)], end - ending
        return [], end

    def _likeliest_first(self, presets: list[Arm]) -> list[Arm]:
        """Orders presets by how likely they go on, as far as that is known.

        Those that can win come first; each by the first seed, or else by the search.
        """

        def expected(arm: Arm) -> tuple[bool, float]:
            repeat = self._repeats.find(arm.config, self._seeds[0])
            score = arm.search if repeat is None else repeat.metrics.get(self._metric)
            return arm.is_allowed, -math.inf if score is None else self._sign * score

        return sorted(presets, key=expected, reverse=True)

    def _best(self, arms: list[Arm], n: int, *, keep_presets: bool) -> list[Arm]:
        """Returns the best arms: n of the search and all presets, or the best n that can win.

        The best preset that can win always goes on: what a search has found is told beside what
        would have taken none.
        """
        ranked = sorted(arms, key=self._rank)
        alive = [arm for arm in ranked if not arm.reason]
        presets = [arm for arm in alive if arm.is_preset]
        if keep_presets:
            found = [arm for arm in alive if not arm.is_preset]
            return [*found[:n], *presets]
        best = [arm for arm in alive if arm.is_allowed][: max(n, _LEAST_LEFT)]
        allowed = [arm for arm in presets if arm.is_allowed]
        return best if any(arm.is_preset for arm in best) else [*best, *allowed[:1]]

    def _rank(self, arm: Arm) -> float:
        if arm.reason:
            return math.inf
        return -self._sign * fmean(arm.scores) if arm.scores else 0.0

    def _alike(self, arms: list[Arm]) -> list[Arm]:
        """Cuts the scores of arms to the seeds that all of them have, two at least."""
        known = [len(arm.scores) for arm in arms if len(arm.scores) >= 2]
        n = min(known, default=0)
        return [
            arm.model_copy(update={"scores": arm.scores[:n]})
            for arm in arms
            if len(arm.scores) >= 2 or arm.reason
        ]

    def _run(
        self, arms: Sequence[Arm], chosen: Sequence[int], pace: float | None, end: float
    ) -> bool:
        """Trains arms over seeds; returns whether all ended in time.

        Those that take longest begin, so that none is left to train alone while the others wait.
        """
        rows = zip(self._rows(arms, pace), arms, strict=True)
        longest_first = [arm for _, arm in sorted(rows, key=lambda row: -max(row[0]))]
        return self._repeats.run(
            [(arm.config, seed) for seed in chosen for arm in longest_first],
            networks="keep",
            end=None if math.isinf(end) else end,
            observer=self._observer,
        )

    def _compared(self, arms: Sequence[Arm], seconds: float) -> Confirmation | None:
        """Picks the winner, if there is one."""
        overlap, searched = self._overlap, self._searched
        winner = choose(arms, self._direction, self._select, overlap=overlap, searched=searched)
        best = self._store.best()
        if winner is None or best is None:
            return None
        ranked = sorted(arms, key=lambda arm: (-len(arm.scores), self._rank(arm)))
        return Confirmation(
            metric=self._metric,
            direction=self._direction,
            seeds=self._seeds[: len(winner.scores)],
            arms=tuple(ranked),
            winner=winner.name,
            search_best=best.number,
            seconds=seconds,
            select=self._select,
        )

    @property
    def _overlap(self) -> float:
        """Validation rows over training rows of each cut, as far as that is known."""
        if self._dataset is None:
            return 0.0
        return len(self._dataset.validation) / len(self._dataset.train)

    @property
    def _searched(self) -> float:
        """Share of the rows that trials were validated on, as far as that is known."""
        if self._dataset is None:
            return 1.0
        n, n_train = len(self._dataset.validation), len(self._dataset.train)
        return min(1.0, self._folds * n / (n + n_train))

    def network(self, confirmation: Confirmation, seed: int) -> bytes:
        """Returns the checkpoint of the winner for a seed; it is trained again if it is gone.

        It is the one that was trained on all rows but the test rows, if there is one.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            StoreLostError: the disk is full or gone.
        """
        config = confirmation.winning.config
        if confirmation.refit is not None:
            kept, self._network = self._network, None
            whole = kept or self._repeats.whole(confirmation.refit.config, seed)
            assert whole is not None, "it was trained before"
            return whole
        self._repeats.run([(config, seed)], networks="need", observer=self._observer)
        return self._repeats.network(config, seed)

    def _announce(self, planned: Plan, n_found: int) -> None:
        """Tells the plan, and by how much it is less than what was asked for."""
        n, n_presets, n_seeds = planned.n_configs, planned.n_presets, planned.n_seeds
        parts = (
            [f"{_of(n, n_found)} config{'' if n_found == 1 else 's'} of the search"] if n else []
        )
        parts += [f"{n_presets} preset{'' if n_presets == 1 else 's'}"] if n_presets else []
        self._observer.begin(
            f"confirming {' and '.join(parts)} over {_of(n_seeds, self._n_seeds)} seeds, "
            f"about {max(1, round(planned.seconds))} s"
        )

    def _scored(self, arm: Arm, n_cuts: int) -> Arm:
        """Gives an arm its scores over the first seeds, or the reason why it has none."""
        repeats = []
        for seed in self._seeds[:n_cuts]:
            repeat = self._repeats.find(arm.config, seed)
            if repeat is None:
                break
            repeats.append(repeat)
        n_parameters = max((repeat.n_parameters for repeat in repeats), default=0)
        failed = [repeat for repeat in repeats if repeat.reason]
        scores = () if failed else tuple(repeat.metrics[self._metric] for repeat in repeats)
        update = {
            "n_parameters": n_parameters,
            "scores": scores,
            "reason": failed[0].reason if failed else "",
        }
        return arm.model_copy(update=update)

    # The test part

    def _as_before(self, confirmation: Confirmation) -> Confirmation | None:
        """Returns the stored confirmation if this one says the same but for tests and time.

        Or less: with less time left, it may have been planned over fewer seeds than are known.
        """
        stored = self._store.confirmation
        if stored is None or stored.search_best != confirmation.search_best:
            return None
        if len(stored.seeds) > len(confirmation.seeds):
            return stored
        untested = tuple(arm.model_copy(update={"tests": ()}) for arm in stored.arms)
        is_same = (stored.seeds, untested) == (confirmation.seeds, confirmation.arms)
        return stored if is_same and stored.winner == confirmation.winner else None

    def _tested(self, confirmation: Confirmation) -> Confirmation:
        """Scores winner and presets on the test rows."""
        if not solo.has_test(confirmation.winning.config):
            return confirmation
        name = self._metric.replace("val", "test", 1)
        arms = {arm.name: arm for arm in (confirmation.winning, *confirmation.presets)}
        wanted = [arm for arm in arms.values() if arm.scores]
        tests = self._tests_before(wanted)
        openings = self._store.test_openings
        unknown = [arm for arm in wanted if arm.name not in tests]
        if unknown:
            pairs = [(arm.config, seed) for arm in unknown for seed in self._seeds_of(arm)]
            self._repeats.run(pairs, networks="need", observer=self._observer)
            openings = self._store.open_test()
        for arm in unknown:
            scores = [self._test(arm.config, seed).get(name) for seed in self._seeds_of(arm)]
            tests[arm.name] = tuple(score for score in scores if score is not None)
        if not all(tests[arm.name] for arm in wanted):
            name, tests = "", {}  # the module logs none of this name
        tested = tuple(
            arm.model_copy(update={"tests": tests[arm.name]}) if arm.name in tests else arm
            for arm in confirmation.arms
        )
        update = {"arms": tested, "test_metric": name, "test_openings": openings}
        return confirmation.model_copy(update=update)

    def _seeds_of(self, arm: Arm) -> tuple[int, ...]:
        return self._seeds[: len(arm.scores)]

    def _tests_before(self, wanted: Sequence[Arm]) -> dict[str, tuple[float, ...]]:
        """Returns what is known of the test rows over the same seeds, by name."""
        stored = self._store.confirmation
        if stored is None or stored.seeds != self._seeds[: len(stored.seeds)]:
            return {}
        known = {arm.config.to_json(): arm.tests for arm in stored.arms}
        return {
            arm.name: known[arm.config.to_json()]
            for arm in wanted
            if len(known.get(arm.config.to_json(), ())) == len(arm.scores)
        }

    # The network that is handed over

    def _refits(self, confirmation: Confirmation) -> bool:
        """Whether the winner is to be trained on all rows: those of a source, which are known."""
        return self._last is not None and isinstance(confirmation.winning.config, MLPConfig)

    def _refitted(
        self, confirmation: Confirmation, pace: float | None, end: float, *, opens_test: bool
    ) -> Confirmation:
        """Trains the winner on all rows but the test rows, as long as there is time for it.

        Args:
            confirmation: that it won.
            pace: seconds that a unit of work took in the search, if that is known.
            end: of the time, on the clock of `time.monotonic`.
            opens_test: its score on the test rows is an opening of its own, in a later call than
                those of the other networks.
        """
        if self._last is None or not self._refits(confirmation):
            return confirmation
        seed = self._seeds[0]
        trained = self._last.train(confirmation.winning, seed, pace, end, self._observer)
        if trained is None:
            return confirmation
        config, self._network = trained
        test = None
        if confirmation.test_metric:
            assert self._dataset is not None
            if opens_test:
                openings = self._store.open_test()
                confirmation = confirmation.model_copy(update={"test_openings": openings})
            tests = rounded(solo.test_mlp(self._network, self._dataset))
            test = tests.get(confirmation.test_metric)
        refit = Refit(config=config, seed=seed, test=test)
        return confirmation.model_copy(update={"refit": refit})

    def _test(self, config: Config, seed: int) -> Mapping[str, float]:
        """Scores one network on the test rows."""
        checkpoint = self._repeats.network(config, seed)
        if isinstance(config, MLPConfig):
            assert self._dataset is not None
            return rounded(solo.test_mlp(checkpoint, self._dataset))
        assert isinstance(config, ModuleConfig) and self._training is not None
        dataset = None if self._dataset is None else self._dataset.cut_anew(Cut(seed))
        return rounded(solo.test_module(checkpoint, config, dataset, self._training, seed=seed))


def _of(n: int, all_of_them: int) -> str:
    """Writes a number, and of how many.

    >>> _of(2, 2), _of(2, 3)
    ('2', '2 of 3')
    """
    return str(n) if n == all_of_them else f"{n} of {all_of_them}"
