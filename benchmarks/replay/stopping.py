"""When to stop a training, and what more time would bring a search, on the recorded curves.

A training may be stopped where it was best, or early, once its score no longer falls; that is worth
something only if the same epoch is good on rows that did not choose it, so one cut chooses the
config and the epoch, and the other one scores them. Of a search it is asked how far the best score
will fall in so much more time: the bound that holds in nine of ten searches of the other data sets
is held to those of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from tuner.data.rulers import Array

from .curves import FOLDER, Curves, complete
from .regret import TRAININGS, policies
from .simulated import CORES, searched
from .world import World

#: Configs that one is chosen from, and how often they are drawn.
_CONFIGS, _DRAWS = 40, 600
#: Epochs that a smooth curve is averaged over.
_SMOOTH = 5
#: Shares of a budget that are searched, and times of that which come after.
_SHARES, _MORE = (0.25, 0.35, 0.5, 0.7, 1.0, 1.5), (0.25, 0.5, 1.0)
#: Best complete trials whose distances from one another tell how far the next one may be.
_BEST = 6
_CERTAIN = 0.9


def stopped(curves: Curves, rng: np.random.Generator) -> dict[str, float]:
    """Returns the mean error on rows that chose nothing, by where trainings are stopped."""
    errors = np.where(np.isfinite(curves.errors), curves.errors, 1e3)
    found: list[dict[str, float]] = []
    for draw in range(_DRAWS):
        some = errors[rng.choice(len(errors), _CONFIGS, replace=False)]
        chooses, scores = some[:, draw % 2], some[:, 1 - draw % 2]
        smooth = _smoothed(chooses)
        last = int(chooses[:, -1].argmin())
        best, calm = (divmod(int(each.argmin()), each.shape[1]) for each in (chooses, smooth))
        found.append(
            {
                "last epoch": scores[last, -1],
                "best epoch": scores[best],
                "best epoch, smoothed": scores[calm],
                "the same config, its best epoch": scores[last, chooses[last].argmin()],
            }
        )
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _smoothed(curves: Array) -> Array:
    """Averages `(configs, epochs)` over neighbouring epochs."""
    sides = np.pad(curves, ((0, 0), (_SMOOTH // 2, _SMOOTH // 2)), mode="edge")
    found: Array = np.lib.stride_tricks.sliding_window_view(sides, _SMOOTH, axis=1).mean(-1)
    return found


@dataclass(frozen=True)
class Outlook:
    """How far the best error fell in more time, and what was known before.

    Attributes:
        more: time that was added, in times of what was searched before.
        spacing: mean distance of the best errors to the worst of them.
        gain: by which the best error fell.
    """

    more: float
    spacing: float
    gain: float

    @property
    def scale(self) -> float:
        """What a bound of the gain is a multiple of.

        The best of k times as many further draws with an exponential tail is better than the best
        so far by `spacing * log(1 + 9 * k)` in one case of ten at most.
        """
        return self.spacing * float(np.log1p(9 * self.more))


def outlooks(name: str, seed: int, folder: Path) -> list[Outlook]:
    """Returns what each of a search's stages led to."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    world = World(Curves.read(name, folder))
    seconds = TRAININGS * world.usual_seconds / CORES
    whole = max(_SHARES) * (1 + max(_MORE)) * seconds
    ended = searched(world, policies(folder)["shipped"], seed, whole)
    found = []
    for share in _SHARES:
        known = sorted(each.error for each in ended if each.time <= share * seconds)
        if len(known) < _BEST:
            continue
        *best, worst = known[:_BEST]
        for more in _MORE:
            end = (1 + more) * share * seconds
            reached = min(each.error for each in ended if each.time <= end)
            found.append(Outlook(more, worst - float(np.mean(best)), known[0] - reached))
    return found


def coverage(by_set: Sequence[Sequence[Outlook]]) -> list[tuple[float, float, float]]:
    """Returns of each data set how often a bound held, its mean, and the mean gain."""
    found = []
    for index, own in enumerate(by_set):
        others = [each for i, some in enumerate(by_set) for each in some if i != index]
        ratios = [each.gain / max(each.scale, 1e-12) for each in others]
        factor = float(np.quantile(ratios, _CERTAIN))
        bounds = np.array([factor * each.scale for each in own])
        gains = np.array([each.gain for each in own])
        found.append((float(np.mean(gains <= bounds)), float(bounds.mean()), float(gains.mean())))
    return found


def main() -> None:
    """Prints the one table or the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("trainings", "searches"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, default=10, help="of the searches")
    args = parser.parse_args()
    there = complete(args.folder)
    made = of_trainings if args.what == "trainings" else partial(of_searches, n_seeds=args.seeds)
    Console().print(made(there, args.folder))


def of_trainings(names: Sequence[str], folder: Path) -> Table:
    """Says of each data set what another epoch than the last one would have been worth."""
    errors = {name: stopped(Curves.read(name, folder), np.random.default_rng(0)) for name in names}
    stops = list(next(iter(errors.values())))
    table = Table("data set", *stops)
    for name, each in errors.items():
        first, *others = (each[stop] for stop in stops)
        table.add_row(name, f"{first:.4f}", *(f"{other / first:.3f}" for other in others))
    ratios = [[each[stop] / each[stops[0]] for stop in stops] for each in errors.values()]
    table.add_row("geometric mean", *(f"{x:.3f}" for x in np.exp(np.log(ratios).mean(0))))
    return table


def of_searches(names: Sequence[str], folder: Path, *, n_seeds: int) -> Table:
    """Says of each data set how often a bound of the gain held, and how large it was."""
    jobs = [(name, seed) for name in names for seed in range(n_seeds)]
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        each_search = list(pool.map(outlooks, *zip(*jobs, strict=True), repeat(folder)))
    by_set: dict[str, list[Outlook]] = {name: [] for name in names}
    for (name, _), found in zip(jobs, each_search, strict=True):
        by_set[name] += found
    table = Table("data set", "the bound held", "mean bound", "mean gain")
    for name, (held, bound, gain) in zip(names, coverage([*by_set.values()]), strict=True):
        table.add_row(name, f"{held:.0%}", f"{bound:.4f}", f"{gain:.4f}")
    return table


if __name__ == "__main__":
    main()
