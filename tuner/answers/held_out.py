"""The test part of a confirmation: each look at it is counted before it happens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ..data import Dataset
from ..network.config import Config, MLPConfig, ModuleConfig
from ..results.arms import Arm
from ..results.winner import Confirmation
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..storage import StudyStore
from ..training.modules import ModuleTraining
from ..training.scoring import Tested, test_mlp
from ..workers import rounded


class HeldOut:
    """The test rows of one study.

    Args:
        metric: that the study optimizes.
        seeds: of a confirmation.
        repeats: of the study.
        store: of the study, which counts the looks.
        dataset: with the test part; None where a LightningDataModule of the user's brings it.
        training: how modules of the user's are trained, if they are.
        observer: is told what is trained again for it.
    """

    def __init__(
        self,
        metric: str,
        seeds: Sequence[int],
        repeats: Repeats,
        store: StudyStore,
        dataset: Dataset | None,
        training: ModuleTraining | None,
        observer: Observer,
    ) -> None:
        self._metric, self._seeds = metric, tuple(seeds)
        self._repeats, self._store, self._observer = repeats, store, observer
        self._dataset, self._training = dataset, training

    def tested(self, confirmation: Confirmation, before: Confirmation | None) -> Confirmation:
        """Scores winner and presets on the test rows.

        Args:
            confirmation: of which they are.
            before: what was confirmed earlier, whose scores are facts; None if nothing was.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            StoreLostError: the store or the disk is gone.
            WorkerLostError: a network could not be trained again; the test part was not opened.
        """
        config = confirmation.winning.config
        if self._dataset is not None and not len(self._dataset.test):
            return confirmation
        if isinstance(config, ModuleConfig):
            from ..training.solo import has_test  # loads Lightning, which MLPs do without

            if not has_test(config):
                return confirmation
        name = self._metric.replace("val", "test", 1)
        arms = {arm.name: arm for arm in (confirmation.winning, *confirmation.presets)}
        wanted = [arm for arm in arms.values() if arm.scores]
        tests = self._tests_before(wanted, before)
        openings = self._store.test_openings
        unknown = [arm for arm in wanted if arm.name not in tests]
        if unknown:
            pairs = [(arm.config, seed) for arm in unknown for seed in self._seeds_of(arm)]
            self._repeats.run(pairs, networks="need", observer=self._observer)
            openings = self._store.open_test()
        for arm in unknown:
            found = [self._test(arm.config, seed) for seed in self._seeds_of(arm)]
            scores = [each.scores.get(name, math.nan) for each in found]
            if not all(map(math.isfinite, scores)):
                scores = []  # the module logs none of this name, or no number
            known = [each.errors[name] for each in found if name in each.errors]
            errors = [error for error in known if math.isfinite(error)]
            tests[arm.name] = {
                "tests": tuple(scores),
                "rows_error": float(f"{fmean(errors):.4g}") if errors else None,
            }
        if not all(tests[arm.name]["tests"] for arm in wanted):
            name, tests = "", {}
        tested = tuple(arm.model_copy(update=tests.get(arm.name, {})) for arm in confirmation.arms)
        update = {"arms": tested, "test_metric": name, "test_openings": openings}
        return confirmation.model_copy(update=update)

    def _seeds_of(self, arm: Arm) -> tuple[int, ...]:
        return self._seeds[: len(arm.scores)]

    def _tests_before(
        self, wanted: Sequence[Arm], stored: Confirmation | None
    ) -> dict[str, dict[str, Any]]:
        """Returns what is known of the test rows over the same seeds, by name."""
        if stored is None or stored.seeds != self._seeds[: len(stored.seeds)]:
            return {}
        known = {arm.config.to_json(): arm for arm in stored.arms}
        return {
            arm.name: {"tests": same.tests, "rows_error": same.rows_error}
            for arm in wanted
            if (same := known.get(arm.config.to_json())) is not None
            if len(same.tests) == len(arm.scores)
        }

    def _test(self, config: Config, seed: int) -> Tested:
        """Scores one network on the test rows."""
        checkpoint = self._repeats.network(config, seed)
        if isinstance(config, MLPConfig):
            assert self._dataset is not None
            tested = test_mlp(checkpoint, self._dataset)
            return Tested(rounded(tested.scores), tested.errors)
        assert isinstance(config, ModuleConfig) and self._training is not None
        from ..training.solo import test_module

        dataset = None if self._dataset is None else self._dataset.cut_anew(self._repeats.cut(seed))
        scores = rounded(test_module(checkpoint, config, dataset, self._training, seed=seed))
        return Tested(scores, {})
