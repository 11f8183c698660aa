"""Which of the configs that were trained again is the winner."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from .arms import Arm, Direction, difference

Select = Literal["proven", "best", "one_se"]

#: Errors by which a trial must be better than a preset to be proven so, where the search has chosen
#: it by all the rows that confirm it: 95% of one side of a normal distribution.
_PROOF = 1.645


def is_near(best: Arm, arm: Arm, direction: Direction) -> bool:
    """Says whether an arm is at most one standard error of the difference worse than the best."""
    found = difference(best, arm, direction)
    return found is not None and found.mean <= found.standard_error


def usual_error(arms: Sequence[Arm], overlap: float = 0.0) -> float:
    """Returns the standard error of the difference between two arms, for other rows of the kind.

    It is the median over all pairs, since the few seeds of one pair may differ by the same for no
    reason. Cuts of the same rows overlap, so that their differences are alike and scatter less than
    those of new rows would: therefore it is larger by `sqrt(1 + n * overlap)` (Nadeau and Bengio
    2003, Inference for the generalization error, section 3).

    Args:
        arms: two at least, over the same seeds.
        overlap: validation rows over training rows of each cut; 0 takes the error as it is.
    """
    found = [difference(a, b, "maximize") for a, b in combinations(arms, 2)]
    errors = [each.standard_error for each in found if each is not None]
    return statistics.median(errors) * math.sqrt(1 + len(arms[0].scores) * overlap)


def choose(
    arms: Sequence[Arm],
    direction: Direction,
    select: Select = "best",
    *,
    overlap: float = 0.0,
    searched: float = 1.0,
) -> Arm | None:
    """Picks the winner among the arms that were trained over most seeds.

    "best" is the best mean; of equal ones the smallest. "proven" is the best mean, too, unless a
    preset may be as good, which was not searched for, and so is nobody's luck: one within 1.645
    errors of it (95% of one side) if the search has chosen by all the rows that confirm it, and
    within less if it has chosen by some. "one_se" is the smallest of the arms within one standard
    error of it (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Errors
    are those of the differences seed by seed: the cuts differ by more than networks do.

    Args:
        arms: candidates; those without scores, and those that the study file does not allow,
            cannot win.
        direction: which way a score is better.
        select: how to pick.
        overlap: validation rows over training rows of each cut, which makes the error of "proven"
            that of other rows; see `usual_error`.
        searched: share of the rows that the search validated on, from 0 to 1.
    """
    sign = 1 if direction == "maximize" else -1
    most = max((len(arm.scores) for arm in arms if arm.is_allowed), default=0)
    lasted = [arm for arm in arms if arm.scores and len(arm.scores) == most]
    scored = [arm for arm in lasted if arm.is_allowed]
    if not scored:
        return None
    best = max(scored, key=lambda arm: (sign * statistics.fmean(arm.scores), -arm.n_parameters))
    if select == "best" or (select == "proven" and best.is_preset):
        return best
    if select == "proven":
        presets = [arm for arm in scored if arm.is_preset]
        if not presets:
            return best
        error = _PROOF * searched * usual_error(lasted, overlap)
        preset = max(presets, key=lambda arm: sign * statistics.fmean(arm.scores))
        gain = sign * (statistics.fmean(best.scores) - statistics.fmean(preset.scores))
        return preset if gain <= error else best
    near = [arm for arm in scored if arm is best or is_near(best, arm, direction)]
    return min(near, key=lambda arm: (arm.n_parameters, -sign * statistics.fmean(arm.scores)))
