"""Compares policies by the regret of searches in simulated time, over all recorded data sets.

A budget is the time of 40 trainings of a median config on one core. What a policy has learned from
recorded data sets, its starting points, it learns from the others only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from tuner import heuristics
from tuner.data.rulers import Array
from tuner.storage.pruners import GainPruner, make_pruner
from tuner.storage.samplers import make_sampler
from tuner.storage.two_goals import SizeSampler

from . import portfolio
from .curves import FOLDER, Curves, complete, digest
from .simulated import CORES, MakePruner, MakeSampler, Policy, regrets, searched
from .world import World

#: The policy that those after it are compared with, on the same data sets and seeds.
_BESIDE = "shipped"
#: Trainings of a budget, and the shares of it at which regret is measured.
TRAININGS, SHARES = 40, (0.1, 0.25, 0.5, 1.0)


def _named(*wanted: str) -> Callable[[World], list[Mapping[str, Any]]]:
    """Takes starting points of the product's by name."""

    def points(world: World) -> list[Mapping[str, Any]]:
        there = world.space.starting_points()
        return [there[name] for name in wanted if name in there]

    return points


def first_points(world: World) -> list[Mapping[str, Any]]:
    """Returns the starting points that a search begins with."""
    there = world.space.starting_points()
    return [params for name, params in there.items() if name not in heuristics.LATE_POINTS]


def late_points(world: World) -> list[Mapping[str, Any]]:
    """Returns those that it begins once they can be pruned."""
    there = world.space.starting_points()
    return [params for name, params in there.items() if name in heuristics.LATE_POINTS]


def _none(world: World) -> list[Mapping[str, Any]]:
    return []


def _tpe(n: int) -> MakeSampler:
    return lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=n)


def _sampler(name: str) -> MakeSampler:
    return lambda seed: make_sampler(name, seed)


def _pruner(name: Any) -> MakePruner:
    return lambda epochs: make_pruner(name, epochs)


def _two_goals(seed: int) -> optuna.samplers.BaseSampler:
    return SizeSampler(make_sampler("tpe", seed))


def _each_size(epochs: int) -> optuna.pruners.BasePruner:
    return make_pruner("gain", epochs, of_each_size=True)


def _two_rungs(epochs: int) -> optuna.pruners.BasePruner:
    """Ours as it was."""
    return GainPruner(epochs, quantile=0.9, rungs=(1 / 3, 2 / 3), n_complete=3)


def _asha(_: int) -> optuna.pruners.BasePruner:
    return optuna.pruners.SuccessiveHalvingPruner()


_THREE = _named("modern default", "recommendation", "note")
_DEFAULT, _EMBEDDED, _SMOOTH = "modern default", "periodic embedding", "without normalization"
#: As versions before had them, and without some.
_FORMER = _named(_DEFAULT, _EMBEDDED, _SMOOTH, "wide", "shallow", "recommendation", "note")
_NOT_WIDE = _named(_DEFAULT, "shallow", _EMBEDDED, _SMOOTH, "recommendation", "note")
_NONE_LATE = _named(_DEFAULT, "shallow", _EMBEDDED, _SMOOTH, "wide", "recommendation", "note")
_FOUR = _named(_DEFAULT, "shallow", _EMBEDDED, _SMOOTH)
_EMBEDDED_THIRD = _named(_DEFAULT, "shallow", _EMBEDDED, _SMOOTH, "recommendation")
_SHIPPED = Policy(_BESIDE, _sampler("tpe"), _pruner("gain"), first_points, later=late_points)


def policies(folder: Path) -> dict[str, Policy]:
    """Returns what is compared, by name, which may learn from the recordings of a folder."""
    every = [
        _SHIPPED,
        replace(_SHIPPED, name="embedded third", points=_EMBEDDED_THIRD),
        Policy("none late", _sampler("tpe"), _pruner("gain"), _NONE_LATE),
        Policy("none late, pruned later", _sampler("tpe"), _two_rungs, _NONE_LATE),
        Policy("TPE, Hyperband, three points", _tpe(10), _pruner("hyperband"), _THREE),
        Policy("TPE, no pruner, three points", _tpe(10), _pruner("none"), _THREE),
        Policy("TPE, median, three points", _tpe(10), _pruner("median"), _THREE),
        Policy("TPE, ASHA, three points", _tpe(10), _asha, _THREE),
        Policy("TPE, gain, three points", _tpe(10), _pruner("gain"), _THREE),
        Policy("TPE of 5, gain, three points", _tpe(5), _pruner("gain"), _THREE),
        Policy("TPE of 5, gain, no points", _tpe(5), _pruner("gain"), _none),
        Policy("none late, cheap one fifth", _sampler("tpe"), _pruner("gain"), _FORMER),
        Policy("none late, without wide", _sampler("tpe"), _pruner("gain"), _NOT_WIDE),
        Policy("four points", _sampler("tpe"), _pruner("gain"), _FOUR),
        replace(_SHIPPED, name="shipped, TPE of 10", sampler=_tpe(10)),
        replace(_SHIPPED, name="shipped, no pruner", pruner=_pruner("none")),
        Policy("four points, Hyperband", _sampler("tpe"), _pruner("hyperband"), _FOUR),
        replace(_SHIPPED, name="shipped, Hyperband", pruner=_pruner("hyperband")),
        replace(_SHIPPED, name="shipped, random", sampler=_sampler("random")),
        replace(_SHIPPED, name="shipped, GP", sampler=_sampler("gp")),
        replace(_SHIPPED, name="shipped, two goals", sampler=_two_goals, pruner=_each_size),
        replace(_SHIPPED, name="shipped, two goals, gain", sampler=_two_goals),
        replace(_SHIPPED, name="shipped, QMC", sampler=_sampler("qmc")),
        replace(_SHIPPED, name="shipped, 4 in flight", in_flight=4),
        replace(_SHIPPED, name="shipped, 8 in flight", in_flight=8),
        *(
            Policy(f"portfolio of {n}", _sampler("tpe"), _pruner("gain"), _portfolio(n, folder))
            for n in (4, 6, 8)
        ),
        Policy(
            "portfolio of 6, no pruner", _sampler("tpe"), _pruner("none"), _portfolio(6, folder)
        ),
    ]
    return {each.name: each for each in every}


def _portfolio(n: int, folder: Path) -> Callable[[World], Sequence[Mapping[str, Any]]]:
    def points(world: World) -> Sequence[Mapping[str, Any]]:
        others = [_world(name, folder) for name in complete(folder) if name != world.curves.name]
        return portfolio.chosen(others, n, world)

    return points


@cache
def _world(name: str, folder: Path) -> World:
    return World(Curves.read(name, folder))


def measured(policy: str, seed: int, *, name: str, folder: Path) -> list[float]:
    """Returns the regrets of one search, at each share of the budget."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    world = _world(name, folder)
    seconds = TRAININGS * world.usual_seconds / CORES
    ended = searched(world, policies(folder)[policy], seed, seconds)
    return regrets(ended, [share * seconds for share in SHARES])


def main() -> None:
    """Prints mean and standard error of each policy's regret, and keeps all of them in a file."""
    known = list(policies(FOLDER))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--policies", nargs="+", choices=known, default=known)
    parser.add_argument("--json", type=Path, help="file that keeps the regrets")
    args = parser.parse_args()
    kept = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    there = complete(args.folder)
    if not there:
        parser.error(
            f"{args.folder} has no complete recording; benchmarks.replay.record makes them"
        )
    table = Table("policy", *(f"{share:.0%}" for share in SHARES), "beside shipped, 100%")
    beside: Array | None = None
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        for policy in args.policies:
            found = []
            for name in there:
                key = f"{policy}/{name} {digest(name, args.folder)}/{seeds.start}-{seeds[-1]}"
                if key not in kept:
                    one = partial(measured, policy, name=name, folder=args.folder)
                    kept[key] = list(pool.map(one, seeds))
                    if args.json:
                        args.json.write_text(json.dumps(kept))
                found.append(kept[key])
            regrets_of = np.array(found)
            told = _told(regrets_of)
            if policy == _BESIDE:
                beside = regrets_of
            if beside is not None and policy != _BESIDE:
                told += _told(regrets_of[..., -1:] - beside[..., -1:])
            table.add_row(policy, *told)
            Console().print(policy, *told, highlight=False)
    Console().print(table)


def _told(found: Array) -> list[str]:
    """Returns means and standard errors of `(data sets, seeds, shares)`, seeds in data sets."""
    mean, sets = found.mean((0, 1)), found.mean(1)
    error = sets.std(0, ddof=1) / np.sqrt(len(sets)) if len(sets) > 1 else np.zeros_like(mean)
    return [f"{m:.2f} +- {e:.2f}" for m, e in zip(mean, error, strict=True)]


if __name__ == "__main__":
    main()
