"""Trains the best configs of a search again, with the presets of the rules beside them.

What that costs is known before: the search has timed each of these networks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from . import solo
from .config import Config, MLPConfig, ModuleConfig, config_from_json
from .data import Dataset
from .progress import Observer
from .repeats import Repeats, seeds
from .storage import CONFIG, EPOCH_SECONDS, StudyStore
from .study import StudySpec
from .winner import Arm, Confirmation, Direction, choose
from .workers import rounded

#: Share of the time that is planned for; the rest is for what the plan got wrong.
_PLANNED = 0.9


@dataclass(frozen=True)
class Plan:
    """How much of a confirmation there is time for.

    Attributes:
        n_configs: of the search, at least 1.
        n_seeds: at least 2.
        seconds: that it will take, about.
    """

    n_configs: int
    n_seeds: int
    seconds: float


def plan(
    configs: Sequence[Sequence[float]],
    presets: Sequence[Sequence[float]],
    n_seeds: int,
    seconds: float = math.inf,
) -> Plan:
    """Plans what fits into some time: first with fewer configs, then with fewer seeds.

    Args:
        configs: seconds of the training over each seed, of each config of the search, the best
            first; 0 of those that have ended.
        presets: the same of each preset; none of them is left out.
        n_seeds: as many as are wanted.
        seconds: that there are.
    """
    sizes = [(n, n_seeds) for n in range(len(configs), 1, -1)]
    sizes += [(min(2, len(configs)), n) for n in range(n_seeds, 2, -1)]
    sizes += [(1, n) for n in range(min(3, n_seeds), 1, -1)]
    plans = [
        Plan(n_configs, n, sum(sum(row[:n]) for row in (*configs[:n_configs], *presets)))
        for n_configs, n in sizes
    ]
    return next((each for each in plans if each.seconds <= _PLANNED * seconds), plans[-1])


def entrants(
    trials: Sequence[FrozenTrial], direction: Direction, n: int, presets: Mapping[str, Config]
) -> tuple[list[Arm], list[Arm]]:
    """Returns the best configs of a search, best first, and the presets; without scores yet.

    Args:
        trials: of the study; only complete ones can be entered.
        direction: which way a score is better.
        n: configs of the search, at most; one that several trials had is entered once.
        presets: by name.
    """
    sign = 1 if direction == "maximize" else -1
    scored = [
        (-sign * trial.value, trial.number, trial)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    found: dict[str, Arm] = {}
    for _, number, trial in sorted(scored, key=lambda entry: entry[:2]):
        text = trial.user_attrs[CONFIG]
        if text not in found and len(found) < n:
            found[text] = Arm(
                name=f"trial {number}",
                trial=number,
                config=config_from_json(text),
                n_parameters=0,
                search=trial.value,
                scores=(),
            )
    others = [
        Arm(name=name, trial=None, config=config, n_parameters=0, search=None, scores=())
        for name, config in presets.items()
    ]
    return list(found.values()), others


def costs(
    arms: Sequence[Arm], trials: Sequence[FrozenTrial], side_by_side: int
) -> tuple[float, ...]:
    """Estimates what one training of each arm adds to the time, where others train beside it.

    That is what its trial took for all its epochs, over how many train at once. A preset's trial is
    the one that started from it.

    Args:
        arms: whose configs are trained.
        trials: of the study, at least one of which is complete.
        side_by_side: how many train at once.
    """
    known = {trial.number: trial.user_attrs.get(EPOCH_SECONDS) for trial in trials}
    of_source = {trial.user_attrs.get("source"): trial.number for trial in trials}
    usual = median([seconds for seconds in known.values() if seconds] or [0.0])
    numbers = [of_source.get(arm.name) if arm.trial is None else arm.trial for arm in arms]
    return tuple(
        (known.get(number if number is not None else -1) or usual)
        * arm.config.epochs
        / side_by_side
        for number, arm in zip(numbers, arms, strict=True)
    )


class Confirmer:
    """Confirms one study.

    Args:
        spec: the study file.
        metric: that it optimizes.
        store: of the study, owned.
        repeats: of the study.
        presets: that are trained beside them, by name.
        dataset: with the test part; None where a LightningDataModule of the user's brings it.
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
        dataset: Dataset | None,
        training: solo.ModuleTraining | None,
        observer: Observer,
    ) -> None:
        self._store, self._repeats, self._observer = store, repeats, observer
        self._metric, self._direction = metric, spec.direction(metric)
        self._study_seed = spec.study.seed
        self._n_configs, self._n_seeds = spec.confirm.configs, spec.confirm.seeds
        self._presets = presets
        self._dataset, self._training = dataset, training

    def run(self, seconds: float | None = None) -> Confirmation | None:
        """Confirms the best configs as far as there is time; what ended before is not run again.

        Args:
            seconds: that there are, if they are limited.

        Returns:
            None if no trial is complete, if no config was trained over two seeds in time, or if
            all their trainings failed.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the store or the disk is gone.
        """
        began = time.monotonic()
        trials = self._store.trials()
        found, presets = entrants(trials, self._direction, self._n_configs, self._presets)
        if not found:
            return None
        end = math.inf if seconds is None else began + seconds
        found, chosen = self._train(found, presets, trials, end)
        # Seeds for which all of them ended in time.
        chosen = tuple(
            seed
            for seed in chosen
            if all(self._repeats.find(arm.config, seed) for arm in (*found, *presets))
        )
        if len(chosen) < 2:
            return None
        confirmation = self._compared(found, presets, chosen, time.monotonic() - began)
        if confirmation is None:
            return None
        return self._as_before(confirmation) or self._tested(confirmation)

    def _train(
        self, found: list[Arm], presets: list[Arm], trials: Sequence[FrozenTrial], end: float
    ) -> tuple[list[Arm], tuple[int, ...]]:
        """Trains what there is time for; returns the configs of the search, and the seeds.

        After the first seed it is known what a training really takes, and planned again.
        """
        chosen = seeds(self._study_seed, "confirm", self._n_seeds)
        each = costs([*found, *presets], trials, self._repeats.side_by_side)

        def planned(n: int, pace: float) -> Plan:
            rows = [
                [0.0 if self._repeats.find(arm.config, seed) else pace * cost for seed in chosen]
                for arm, cost in zip((*found, *presets), each, strict=True)
            ]
            limit = max(0.0, end - time.monotonic())
            return plan(rows[:n], rows[len(found) :], self._n_seeds, limit)

        first = planned(len(found), pace=1.0)
        arms = [*found[: first.n_configs], *presets]
        if first.seconds > 0 or not all(self._repeats.find(arm.config, chosen[0]) for arm in arms):
            is_whole = (first.n_configs, first.n_seeds) == (len(found), self._n_seeds)
            self._announce(len(presets), first, is_whole)
        begun = time.monotonic()
        expected = sum(
            cost
            for arm, cost in zip((*found, *presets), each, strict=True)
            if arm in arms and not self._repeats.find(arm.config, chosen[0])
        )
        self._run(arms, chosen[:1], end)
        pace = (time.monotonic() - begun) / expected if expected > 0 else 1.0
        second = planned(first.n_configs, max(1.0, pace))
        found = found[: second.n_configs]
        chosen = chosen[: second.n_seeds]
        self._run([*found, *presets], chosen, end)
        return found, chosen

    def _run(self, arms: Sequence[Arm], chosen: Sequence[int], end: float) -> None:
        self._repeats.run(
            [(arm.config, seed) for seed in chosen for arm in arms],
            networks="keep",
            end=None if math.isinf(end) else end,
            observer=self._observer,
        )

    def _compared(
        self, found: Sequence[Arm], presets: Sequence[Arm], chosen: tuple[int, ...], seconds: float
    ) -> Confirmation | None:
        """Scores all arms and picks the winner, if there is one."""
        scored = [self._scored(arm, chosen) for arm in found]
        winner = choose(scored, self._direction)
        best = self._store.best()
        if winner is None or best is None:
            return None
        sign = 1 if self._direction == "maximize" else -1
        scored.sort(key=lambda arm: -sign * arm.confirmed.mean if arm.confirmed else math.inf)
        return Confirmation(
            metric=self._metric,
            direction=self._direction,
            seeds=chosen,
            arms=(*scored, *(self._scored(arm, chosen) for arm in presets)),
            winner=winner.name,
            search_best=best.number,
            seconds=seconds,
        )

    def network(self, confirmation: Confirmation, seed: int) -> bytes:
        """Returns the checkpoint of the winner for a seed; it is trained again if it is gone.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            StoreLostError: the disk is full or gone.
        """
        config = confirmation.winning.config
        self._repeats.run([(config, seed)], networks="need", observer=self._observer)
        return self._repeats.network(config, seed)

    def _announce(self, n_presets: int, planned: Plan, is_whole: bool) -> None:
        n = planned.n_configs
        what = f"{n} config{'s' if n > 1 else ''} of the search"
        what += f" and {n_presets} preset{'s' if n_presets > 1 else ''}" if n_presets else ""
        asked = f" ({self._n_configs} over {self._n_seeds} would take longer than there is time)"
        self._observer.begin(
            f"confirming {what} over {planned.n_seeds} seeds{'' if is_whole else asked}, "
            f"about {max(1, round(planned.seconds))} s"
        )

    def _scored(self, arm: Arm, chosen: Sequence[int]) -> Arm:
        """Gives an arm its scores, or the reason why it has none."""
        ended = [self._repeats.find(arm.config, seed) for seed in chosen]
        repeats = [repeat for repeat in ended if repeat is not None]
        update = {"n_parameters": max(repeat.n_parameters for repeat in repeats)}
        failed = [repeat for repeat in repeats if repeat.reason]
        if failed:
            return arm.model_copy(update={**update, "reason": failed[0].reason})
        scores = tuple(repeat.metrics[self._metric] for repeat in repeats)
        return arm.model_copy(update={**update, "scores": scores})

    # The test part

    def _as_before(self, confirmation: Confirmation) -> Confirmation | None:
        """Returns the stored confirmation if this one says the same but for tests and time."""
        stored = self._store.confirmation
        if stored is None or stored.search_best != confirmation.search_best:
            return None
        untested = tuple(arm.model_copy(update={"tests": ()}) for arm in stored.arms)
        is_same = (stored.seeds, untested) == (confirmation.seeds, confirmation.arms)
        return stored if is_same and stored.winner == confirmation.winner else None

    def _tested(self, confirmation: Confirmation) -> Confirmation:
        """Scores winner and presets on the test rows, and keeps the confirmation in the store."""
        if not solo.has_test(confirmation.winning.config):
            self._store.keep_confirmation(confirmation)
            return confirmation
        name = self._metric.replace("val", "test", 1)
        wanted = [arm for arm in (confirmation.winning, *confirmation.presets) if arm.scores]
        tests = self._tests_before(confirmation.seeds)
        openings = self._store.test_openings
        unknown = [arm for arm in wanted if arm.config.to_json() not in tests]
        if unknown:
            pairs = [(arm.config, seed) for arm in unknown for seed in confirmation.seeds]
            self._repeats.run(pairs, networks="need", observer=self._observer)
            openings = self._store.open_test()
        for arm in unknown:
            scores = [self._test(arm.config, seed).get(name) for seed in confirmation.seeds]
            tests[arm.config.to_json()] = tuple(score for score in scores if score is not None)
        if not all(tests[arm.config.to_json()] for arm in wanted):
            name, wanted = "", []  # the module logs none of this name
        names = {arm.name for arm in wanted}
        arms = tuple(
            arm.model_copy(update={"tests": tests[arm.config.to_json()]})
            if arm.name in names
            else arm
            for arm in confirmation.arms
        )
        update = {"arms": arms, "test_metric": name, "test_openings": openings}
        confirmation = confirmation.model_copy(update=update)
        self._store.keep_confirmation(confirmation)
        return confirmation

    def _tests_before(self, seeds: tuple[int, ...]) -> dict[str, tuple[float, ...]]:
        """Returns what is known of the test rows over the same seeds, by config."""
        stored = self._store.confirmation
        if stored is None or stored.seeds != seeds:
            return {}
        return {arm.config.to_json(): arm.tests for arm in stored.arms if arm.tests}

    def _test(self, config: Config, seed: int) -> Mapping[str, float]:
        """Scores one network on the test rows."""
        checkpoint = self._repeats.network(config, seed)
        if isinstance(config, MLPConfig):
            assert self._dataset is not None
            return rounded(solo.test_mlp(checkpoint, self._dataset))
        assert isinstance(config, ModuleConfig) and self._training is not None
        dataset = None if self._dataset is None else self._dataset.cut_anew(seed)
        return rounded(solo.test_module(checkpoint, config, dataset, self._training, seed=seed))
