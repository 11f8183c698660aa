"""Who of a confirmation's candidates goes on, by the scores that are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from ..results.arms import Arm, Direction
from ..running.repeats import Repeats
from .rounds import LAST_CONFIGS


class Ranking:
    """Compares the candidates of one study.

    Args:
        metric: that they are scored by.
        direction: which way it is better.
        seeds: of the trainings, in their order.
        repeats: of the study, with those that ended.
    """

    def __init__(
        self, metric: str, direction: Direction, seeds: Sequence[int], repeats: Repeats
    ) -> None:
        self._metric, self._seeds, self._repeats = metric, seeds, repeats
        self._sign = 1 if direction == "maximize" else -1

    def scored(self, arm: Arm, n_cuts: int) -> Arm:
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

    def likeliest_first(self, presets: list[Arm]) -> list[Arm]:
        """Orders presets by how likely they go on, as far as that is known.

        Those that can win come first; each by the first seed, or else by the search.
        """

        def likelihood(arm: Arm) -> tuple[bool, float]:
            repeat = self._repeats.find(arm.config, self._seeds[0])
            score = arm.search if repeat is None else repeat.metrics.get(self._metric)
            return arm.is_allowed, -math.inf if score is None else self._sign * score

        return sorted(presets, key=likelihood, reverse=True)

    def best(self, arms: list[Arm], n: int, *, keep_presets: bool) -> list[Arm]:
        """Returns the best arms: n of the search and all presets, or the best n that can win.

        The best preset that can win always goes on: what a search has found is told beside what
        would have taken none. Three go on at least, if there are so many.
        """
        ranked = sorted(arms, key=self.rank)
        alive = [arm for arm in ranked if not arm.reason]
        presets = [arm for arm in alive if arm.is_preset]
        if keep_presets:
            found = [arm for arm in alive if not arm.is_preset]
            return [*found[:n], *presets]
        allowed = [arm for arm in alive if arm.is_allowed]
        best, others = allowed[:n], allowed[n:]
        if not any(arm.is_preset for arm in best):
            best += [arm for arm in others if arm.is_preset][:1]
        others = [arm for arm in others if arm not in best]
        return [*best, *others[: max(0, LAST_CONFIGS - len(best))]]

    def rank(self, arm: Arm) -> float:
        """Returns what arms are sorted by, the best mean first and what failed last."""
        if arm.reason:
            return math.inf
        return -self._sign * fmean(arm.scores) if arm.scores else 0.0

    def alike(self, arms: list[Arm]) -> list[Arm]:
        """Cuts the scores of arms to the seeds that all of them have, two at least."""
        known = [len(arm.scores) for arm in arms if len(arm.scores) >= 2]
        n = min(known, default=0)
        return [
            arm.model_copy(update={"scores": arm.scores[:n]})
            for arm in arms
            if len(arm.scores) >= 2 or arm.reason
        ]
