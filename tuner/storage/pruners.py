"""Who ends a trial early: pruners of Optuna's, and one of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..study import Pruner
from .reading import N_PARAMETERS

#: Shares of a full trial after which `GainPruner` looks at it. The first saves the time of what is
#: far behind; past two thirds there is little left to save (docs/benchmarks.md).
_RUNGS = (1 / 9, 1 / 3, 2 / 3)


class GainPruner(optuna.pruners.BasePruner):
    """Ends a trial that even a large gain would not lift over the best one.

    A gain is what a complete trial won from an epoch to its end. If a high quantile of these gains,
    added to a trial's score after the same epoch, stays below the best score, it is pruned.
    So a schedule that gains most at its end is not ended for looking bad half way.

    Args:
        epochs: of a full trial.
        quantile: of the gains that a trial is granted, in [0, 1].
        rungs: shares of a full trial after which it is looked at.
        n_complete: trials that must be complete before any is pruned, at least 1.
        of_each_size: the best one is that of the trials whose network is no larger, so that a trial
            goes on that may be the best of its size.
    """

    def __init__(
        self,
        epochs: int,
        *,
        quantile: float = 0.75,
        rungs: Sequence[float] = _RUNGS,
        n_complete: int = 2,
        of_each_size: bool = False,
    ) -> None:
        self.of_each_size = of_each_size
        at = {math.floor(epochs * share) for share in rungs}
        self.rungs = tuple(sorted(epoch for epoch in at if epoch >= 2))
        self._quantile, self._n_complete = quantile, n_complete

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Says whether a trial is to end after the epoch that it reported last."""
        epoch = trial.last_step
        if epoch is None or not self._is_at_a_rung(trial, epoch):
            return False
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        ended = [
            (sign * other.value, sign * other.intermediate_values[epoch], other)
            for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if other.value is not None and epoch in other.intermediate_values
        ]
        if len(ended) < self._n_complete:
            return False
        gain = float(np.quantile([last - then for last, then, _ in ended], self._quantile))
        rivals = (last for last, _, other in ended if self._is_rival(other, trial))
        best = max(rivals, default=-math.inf)
        return sign * trial.intermediate_values[epoch] + gain < best

    def _is_rival(self, other: FrozenTrial, trial: FrozenTrial) -> bool:
        """Says whether a trial is to be better than another one."""
        if not self.of_each_size:
            return True
        sizes = [each.user_attrs.get(N_PARAMETERS, math.inf) for each in (other, trial)]
        return bool(sizes[0] <= sizes[1])

    def _is_at_a_rung(self, trial: FrozenTrial, epoch: int) -> bool:
        """Says whether an epoch is the first one reported from a rung on, and no later rung's."""
        before = max((step for step in trial.intermediate_values if step < epoch), default=0)
        return any(before < rung <= epoch for rung in self.rungs)


def make_pruner(
    name: Pruner, epochs: int, *, of_each_size: bool = False
) -> optuna.pruners.BasePruner:
    """Makes the pruner of this name for trials of so many epochs.

    Args:
        name: of a study file; "gain" and "none" know sizes.
        epochs: of a full trial.
        of_each_size: the best network of each size is looked for.
    """
    match name:
        case "gain":
            return GainPruner(epochs, of_each_size=of_each_size)
        case "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
        case "median":
            return optuna.pruners.MedianPruner()
        case "none":
            return optuna.pruners.NopPruner()
