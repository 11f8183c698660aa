"""What an audit takes, told before it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import heuristics
from ...network.config import DataFacts, MLPConfig
from .claims import Claim, Side, claims
from .exponents import grid

#: Seeds that sides are tuned over.
SELECTION = 3


def wanted(
    base: MLPConfig, facts: DataFacts, range_rate: float | None, is_wanted: Callable[[str], bool]
) -> list[Claim]:
    """Returns the claims that are tested where some rules are to be judged.

    Args:
        base: around which.
        facts: sizes of the data.
        range_rate: what a range test recommends, if it does.
        is_wanted: says whether a rule is to be judged.
    """
    return [
        claim
        for claim in claims(base, facts, range_rate)
        if is_wanted(claim.rule) or (claim.rule == "S8" and is_wanted("S9"))
    ]


def trainings(
    base: MLPConfig, facts: DataFacts, n_pairs: int, is_wanted: Callable[[str], bool]
) -> list[MLPConfig]:
    """Returns the config of each training of an audit.

    Args:
        base: around which rules are judged.
        facts: sizes of the data.
        n_pairs: of seeds for each comparison.
        is_wanted: says whether a rule is to be judged.
    """
    judged = wanted(base, facts, 1e-3, is_wanted)
    sides = {side for claim in judged for side in (claim.ours, claim.theirs)}
    sides.add(Side("the base config", (base,)))
    found = []
    for side in sides:
        if side.is_tuned:
            found += [each for each in side.candidates for _ in range(SELECTION)]
        found += [side.variants[0]] * n_pairs
    if is_wanted("S12"):
        found += [each for row in grid(base).values() for each in row for _ in range(n_pairs)]
    return found


def seconds(
    trained: Sequence[MLPConfig], base: MLPConfig, facts: DataFacts, base_epoch: float
) -> float:
    """Estimates how long trainings take, in proportion to their parameters and steps.

    Args:
        trained: their configs.
        base: a config whose time is known.
        facts: sizes of the data.
        base_epoch: seconds that an epoch of it adds where others train beside it.
    """

    def work(config: MLPConfig) -> float:
        return heuristics.work(config, facts) * config.epochs

    return base_epoch * base.epochs * sum(map(work, trained)) / work(base)
