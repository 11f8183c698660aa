"""What an audit takes, told before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from ... import heuristics
from ...network.config import DataFacts, MLPConfig
from .claims import Claim, Side
from .exponents import grid

#: Seeds that sides are tuned over.
SELECTION = 3


def trainings(
    claims: Sequence[Claim], base: MLPConfig, n_pairs: int, *, with_exponents: bool
) -> list[MLPConfig]:
    """Returns the config of each training of an audit.

    Args:
        claims: that are judged.
        base: around which.
        n_pairs: of seeds for each comparison.
        with_exponents: S12 is judged, too.
    """
    sides = {side for claim in claims for side in (claim.ours, claim.theirs)}
    sides.add(Side("the base config", (base,)))
    found = []
    for side in sides:
        if side.is_tuned:
            found += [each for each in side.candidates for _ in range(SELECTION)]
        found += [side.variants[0]] * n_pairs
    if with_exponents:
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
