"""What the claims compare of a config, over the seeds of the pairs."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from ...network.config import MLPConfig
from ...running.kept_repeats import Repeat
from ...running.repeats import Repeats
from .claims import Claim


class Quantities:
    """Reads off what was trained.

    Args:
        repeats: that hold the trainings.
        seeds: of the pairs.
        metric: that is the score.
        sign: 1 where more of it is better, else -1.
        trained: all trainings of this audit, whose worst score counts for those that failed.
    """

    def __init__(
        self,
        repeats: Repeats,
        seeds: Sequence[int],
        metric: str,
        sign: int,
        trained: Collection[tuple[MLPConfig, int]],
    ) -> None:
        self._repeats, self._seeds, self._trained = repeats, seeds, trained
        self._metric, self._sign = metric, sign

    def of(self, claim: Claim, config: MLPConfig) -> list[float]:
        """Returns what a claim compares, of one config over the seeds."""
        match claim.quantity:
            case "gap":
                return self._gaps(config)
            case "seconds":
                return self._seconds(config)
            case _:
                return self.scores(config)

    def scores(self, config: MLPConfig) -> list[float]:
        """Returns the scores over the seeds; a training that failed has the worst of the audit."""
        found = [self._repeats.find(config, seed) for seed in self._seeds]
        return [
            self._worst if each is None or each.reason else each.metrics[self._metric]
            for each in found
        ]

    @property
    def _worst(self) -> float:
        """The worst score of all that this audit trained, whatever else was trained before."""
        known = [each.metrics[self._metric] for each in self._succeeded]
        known = [score for score in known if math.isfinite(score)]
        return min(known) if self._sign > 0 else max(known)

    def _gaps(self, config: MLPConfig) -> list[float]:
        """Returns the gaps over the seeds; a training that failed has the widest of the audit."""
        found = [self._repeats.find(config, seed) for seed in self._seeds]
        widest = max(filter(math.isfinite, map(_gap, self._succeeded)), default=0.0)
        return [widest if each is None or each.reason else _gap(each) for each in found]

    @property
    def _succeeded(self) -> list[Repeat]:
        """All that this audit trained, but for what failed."""
        found = [self._repeats.find(*pair) for pair in self._trained]
        return [each for each in found if each is not None and not each.reason]

    def _seconds(self, config: MLPConfig) -> list[float]:
        """Seconds of an epoch of a network that trains alone."""
        return [self._repeats.epoch_seconds(config, [seed]) for seed in self._seeds]

    def remark(self, ours: MLPConfig, theirs: MLPConfig) -> str:
        """Says how many trainings of two configs failed, if any did."""
        n_failed = [
            sum(
                (each := self._repeats.find(config, seed)) is not None and each.reason != ""
                for seed in self._seeds
            )
            for config in (ours, theirs)
        ]
        if not any(n_failed):
            return ""
        return f"trainings that failed: {n_failed[0]} of ours, {n_failed[1]} of theirs"


def _gap(repeat: Repeat) -> float:
    return repeat.metrics["val_loss"] - repeat.metrics["train_loss"]
