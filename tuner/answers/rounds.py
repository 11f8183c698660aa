"""How much of a confirmation there is time for: many configs over few cuts, few over many.

Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943), over cuts instead of epochs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Share of the time that is planned for; the rest is for what the plan got wrong.
PLANNED = 0.9
#: Share of the expected time that trainings take at least, as far as what was timed is trusted.
FASTEST = 0.5
#: Cuts that all candidates are trained over, at least.
_FIRST_CUTS = 2
#: Candidates that are trained over all cuts, if there are so many.
LAST_CONFIGS = 3
#: Cuts from which on an error is told. For them a share of the last training's epochs is enough,
#: unless it has fewer than all in any case.
TELLING, ENOUGH = 3, 0.8
#: Seconds that pass while it is planned, at most.
_MOMENT = 0.2
#: Share of the time that is kept for the last training, if it could use more.
_LAST = 0.65


@dataclass(frozen=True)
class Round:
    """A part of a confirmation.

    Attributes:
        n_configs: that take part, the best of the round before.
        n_cuts: over which each of them is trained when it ends, earlier rounds included.
    """

    n_configs: int
    n_cuts: int


@dataclass(frozen=True)
class Plan:
    """How much of a confirmation there is time for.

    Attributes:
        rounds: each with fewer configs over more cuts.
        n_presets: that take part.
        presets_stay: all of them are trained over all cuts even if they fall behind; else one is.
        seconds: that it will take, about.
    """

    rounds: tuple[Round, ...]
    n_presets: int
    presets_stay: bool
    seconds: float

    @property
    def n_configs(self) -> int:
        """Configs of the search that take part."""
        return self.rounds[0].n_configs

    @property
    def n_seeds(self) -> int:
        """Cuts that the last of them are trained over."""
        return self.rounds[-1].n_cuts


def rounds(n_configs: int, n_seeds: int) -> tuple[Round, ...]:
    """Returns the rounds of so many configs over so many cuts in the end.

    >>> [(each.n_configs, each.n_cuts) for each in rounds(8, 5)]
    [(8, 2), (4, 3), (3, 5)]
    """
    found, n_cuts = [], min(_FIRST_CUTS, n_seeds)
    while True:
        found.append(Round(n_configs, n_cuts))
        if n_cuts == n_seeds:
            return tuple(found)
        n_configs = min(n_configs, max(LAST_CONFIGS, math.ceil(n_configs / 2)))
        n_cuts = min(n_seeds, math.ceil(1.5 * n_cuts))


def plan(
    configs: Sequence[Sequence[float]],
    presets: Sequence[Sequence[float]],
    n_seeds: int,
    seconds: float = math.inf,
    at_once: int = 1,
) -> Plan:
    """Plans what fits into some time: first with fewer configs, then with fewer seeds.

    An error is worth more than a third config: two are trained over three seeds before more over
    two.
    Presets are left out only where that is not enough: all but the first of them, and then that
    one, too. What comes last may take longer than there is time, but has at least one network over
    two cuts.

    Args:
        configs: seconds of the training over each seed, of each config of the search, the best
            first; 0 of those that have ended.
        presets: the same of each preset, the one first that is expected to go on alone.
        n_seeds: as many as are wanted.
        seconds: that there are.
        at_once: as `lasts` takes it.
    """

    def planned(
        others: Sequence[Sequence[float]], n: int, cuts: int, *, stay: bool = False
    ) -> Plan:
        return _planned(configs, others, n, min(cuts, n_seeds), at_once, stay=stay)

    most = len(configs)
    sizes = [(n, n_seeds) for n in range(most, min(most, LAST_CONFIGS + 1) - 1, -1)]
    for cuts in range(n_seeds, 1, -1):
        largest, least = 4 if cuts == n_seeds else 5, 2 if cuts == TELLING else 3
        sizes += [(min(n, most), cuts) for n in range(largest, least - 1, -1)]
    sizes += [(min(n, most), _FIRST_CUTS) for n in (2, 1)]
    plans = [planned(presets, *sizes[0], stay=True)]
    plans += [planned(presets, n, cuts) for n, cuts in sizes]
    plans.append(planned(presets[:1], min(1, most), _FIRST_CUTS))
    if configs:
        plans.append(planned((), 1, _FIRST_CUTS))
    return next((each for each in plans if each.seconds <= PLANNED * seconds), plans[-1])


def fitting(
    configs: Sequence[Sequence[float]],
    presets: Sequence[Sequence[float]],
    n_seeds: int,
    seconds: float,
    endings: tuple[float, float],
    at_once: int = 1,
) -> tuple[Plan, float]:
    """Plans what fits beside the last training; returns the seconds that are left for that, too.

    They are fewer than it wants, and still enough, where that makes three cuts of two.

    Args:
        configs: as `plan` takes them.
        presets: as `plan` takes them.
        n_seeds: as many as are wanted.
        seconds: that there are.
        endings: seconds of them that the last training wants, and that are enough for it.
        at_once: as `lasts` takes it.
    """
    ending, enough = endings
    fits = plan(configs, presets, n_seeds, max(0.0, seconds - ending), at_once)
    if fits.n_seeds < TELLING:
        telling = plan(configs, presets, n_seeds, max(0.0, seconds - enough), at_once)
        if telling.n_seeds >= TELLING:
            return telling, enough
    return fits, ending


def least(
    configs: Sequence[Sequence[float]], presets: Sequence[Sequence[float]], at_once: int = 1
) -> float:
    """Returns the seconds of the least that is worth it: two configs and the presets over two cuts.

    Args:
        configs: as `plan` takes them.
        presets: as `plan` takes them.
        at_once: as `lasts` takes it.
    """
    n_configs = min(2, len(configs))
    return _planned(configs, presets, n_configs, _FIRST_CUTS, at_once, stay=False).seconds


def lasts(trainings: Iterable[float], at_once: int) -> float:
    """Returns the seconds that trainings take together, the longest first.

    The last of them may leave a part of the machine idle, which is why few large ones take longer
    than their sum.

    Args:
        trainings: seconds that each adds to the time of a busy machine.
        at_once: how many make it busy; one alone is no faster than among so many.

    >>> lasts([4.0, 4.0, 1.0], 1), lasts([4.0, 4.0, 1.0], 2), lasts([4.0, 4.0, 1.0], 8)
    (9.0, 10.0, 32.0)
    """
    ends = [0.0] * at_once
    for seconds in sorted(trainings, reverse=True):
        heapq.heapreplace(ends, ends[0] + at_once * seconds)
    return max(ends)


def last(trainings: Sequence[tuple[float, float]], seconds: float, share: float = 1.0) -> float:
    """Returns the seconds that are kept for the last training, whichever arm wins.

    Args:
        trainings: of each arm that may win, the seconds of one as long as its others, and of one to
            the end, of which a share of the time is enough.
        seconds: that there are.
        share: of the epochs to the end that is enough, where there is time for so many.
    """
    return max(
        (max(short, min(share * whole, _LAST * seconds)) for short, whole in trainings),
        default=0.0,
    )


def kept(wanted: float, needed: float, seconds: float) -> float:
    """Returns the seconds that are kept for the last training beside the least that is confirmed.

    Args:
        wanted: seconds of that training, as `last` has them.
        needed: seconds of the least, which comes first.
        seconds: that there are.
    """
    return min(wanted, max(0.0, seconds - needed / PLANNED - _MOMENT))


def _planned(
    configs: Sequence[Sequence[float]],
    presets: Sequence[Sequence[float]],
    n_configs: int,
    n_seeds: int,
    at_once: int,
    *,
    stay: bool,
) -> Plan:
    """Adds up a plan, as if the first configs and the first preset were those that go on."""
    steps = rounds(n_configs, n_seeds)
    total, before = 0.0, 0
    for step in steps:
        others = presets if stay or before == 0 else presets[:1]
        rows = [*configs[: step.n_configs], *others]
        if before == 0:  # what a training really takes is seen before the second cut begins
            total += lasts((row[0] for row in rows), at_once)
            before = 1
        total += lasts((each for row in rows for each in row[before : step.n_cuts]), at_once)
        before = step.n_cuts
    return Plan(steps, len(presets), stay, total)
