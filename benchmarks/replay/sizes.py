"""Regret at each size: the best network of so many parameters or fewer that a search leaves.

Candidates are nearly those of `tuner front`: the complete trials that no smaller one beat, by the
rows that the search chose by, and the best trial made narrower, as far as the space reaches. Among
them the choice is by the regret itself, so that it is of what was there to be chosen.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from tuner.answers.sizes import narrower
from tuner.storage.pruners import make_pruner
from tuner.storage.samplers import make_sampler
from tuner.storage.two_goals import SizeSampler

from .curves import FOLDER, Curves, complete
from .regret import TRAININGS, first_points, late_points
from .simulated import CORES, Ended, MakePruner, MakeSampler, Policy, searched
from .world import World

#: Where sizes lie between the smallest network and the modern default, by the logarithm, and the
#: regret where no network is as small.
_SIZES, _NONE = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0), 1.5


def _one_by_one(seed: int) -> optuna.samplers.BaseSampler:
    """Draws each value alone, as Optuna does by default for several goals."""
    alone = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5, multivariate=False)
    return SizeSampler(alone)


def policies() -> dict[str, Policy]:
    """Returns what is compared, by name."""

    def each_size(epochs: int) -> optuna.pruners.BasePruner:
        return make_pruner("gain", epochs, of_each_size=True)

    every: list[tuple[str, MakeSampler, MakePruner]] = [
        ("one goal", partial(make_sampler, "tpe"), partial(make_pruner, "gain")),
        ("two goals", lambda seed: SizeSampler(make_sampler("tpe", seed)), each_size),
        ("two goals, each value alone", _one_by_one, each_size),
    ]
    return {
        name: Policy(name, sampler, pruner, first_points, later=late_points)
        for name, sampler, pruner in every
    }


def regrets(world: World, ended: Sequence[Ended], view: int) -> list[float]:
    """Returns the regret at each size.

    Args:
        world: the data set.
        ended: complete trials of a search.
        view: cut that it chose by.
    """
    facts, space = world.space.facts, world.space
    known = sorted(
        ((space.config(each.params).size(facts), each.error, each) for each in ended),
        key=lambda known: known[:2],
    )
    front, least = list[tuple[int, float]](), math.inf
    for size, error, each in known:
        if error < least:
            least = error
            front.append((size, each.regret))
    best = min(ended, key=lambda each: each.error)
    low = space.distributions["width_ratio"].low  # type: ignore[attr-defined]
    for config in narrower(space.config(best.params)):
        ratio = config.width / space.width_rule
        if ratio >= low:
            params = {**best.params, "width_ratio": ratio}
            front.append((config.size(facts), world.regret(world.trained(params), view)))
    ends = [math.log(each.size(facts)) for each in (space.smallest(), space.usual)]
    limits = [math.exp(ends[0] + share * (ends[1] - ends[0])) for share in _SIZES]
    return [
        min((regret for size, regret in front if size <= limit), default=_NONE) for limit in limits
    ]


@cache
def _world(name: str) -> World:
    return World(Curves.read(name, FOLDER))


def measured(policy: str, seed: int, *, name: str) -> list[float]:
    """Returns the regrets of one search, at each size."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    world = _world(name)
    ended = searched(world, policies()[policy], seed, TRAININGS * world.usual_seconds / CORES)
    return regrets(world, ended, seed % world.curves.errors.shape[1])


def main() -> None:
    """Prints the mean regret of each policy at each size, and its difference to one goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    table = Table("policy", *(f"{share:.0%}" for share in _SIZES), "beside one goal")
    first = None
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        for policy in policies():
            found = np.array(
                [
                    list(pool.map(partial(measured, policy, name=name), range(options.seeds)))
                    for name in complete(FOLDER)
                ]
            )
            first = found if first is None else first
            beside = (found - first).mean((1, 2))
            error = beside.std(ddof=1) / math.sqrt(len(beside))
            told = [f"{mean:.2f}" for mean in found.mean((0, 1))]
            told.append(f"{beside.mean():.2f} ± {error:.2f}")
            table.add_row(policy, *told)
            Console().print(policy, *told, highlight=False)
    Console().print(table)


if __name__ == "__main__":
    main()
