"""Configs to start from, chosen so that the best of the first few is good on all data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.data.rulers import Array

from .world import World

#: Always the first one: today's practice, which all else is compared with.
_FIRST = "modern default"


def chosen(worlds: Sequence[World], n: int, world: World) -> list[Mapping[str, Any]]:
    """Chooses configs greedily, and says what they are on one data set.

    Args:
        worlds: data sets that are learned from.
        n: configs, the modern default among them.
        world: data set for which they are; whether it was learned from is the caller's choice.
    """
    there = dict(zip(world.curves.sources, world.curves.params, strict=True))
    return [there[source] for source in sources(worlds, n, set(there))]


def sources(worlds: Sequence[World], n: int, allowed: set[str]) -> list[str]:
    """Returns the sources of the chosen configs, in the order in which they were chosen.

    Each lowers the mean regret of the best of those before it by as much as can be, where the best
    one is chosen by the validation rows of one cut and judged by the test rows.

    Args:
        worlds: data sets that are learned from.
        n: configs.
        allowed: sources that may be chosen.
    """
    common = set.intersection(allowed, *(set(world.curves.sources) for world in worlds))
    names = [_FIRST, *sorted(common - {_FIRST})]
    scores = [_scores(world, names) for world in worlds]
    taken = [0]
    while len(taken) < min(n, len(names)):
        left = [index for index in range(len(names)) if index not in taken]
        taken.append(min(left, key=lambda index: _regret(scores, [*taken, index])))
    return [names[index] for index in taken]


def _scores(world: World, names: Sequence[str]) -> tuple[Array, Array]:
    """Returns validation errors and regrets, both `(configs, cuts)`, of these configs."""
    curves = world.curves
    at = [curves.sources.index(name) for name in names]
    regrets = [
        [
            world.regret(world.trained(curves.params[index]), view)
            for view in range(curves.errors.shape[1])
        ]
        for index in at
    ]
    return curves.errors[at, :, -1], np.array(regrets)


def _regret(scores: Sequence[tuple[Array, Array]], taken: Sequence[int]) -> float:
    """Returns the mean regret of the best of some configs."""
    found = []
    for errors, regrets in scores:
        best = np.array(taken)[errors[list(taken)].argmin(0)]
        found.append(float(regrets[best, np.arange(len(best))].mean()))
    return float(np.mean(found))
