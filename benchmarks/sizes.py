"""Networks of each size: a search that looks for small ones, beside one that does not.

Both have the same time in all. The one has `metric = [..., "n_parameters"]`; the other searches for
nine tenths of it and then asks `tuner front` for the rest, which finds what its trials and its
winner made narrower have. The score at a size is that of the best network of so many parameters or
fewer, over the seeds of its confirmation; the losses of both are set in relation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import tuner
from tuner.results.front import Front

from . import tables

#: Parameters, at most.
SIZES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)
TABLES = ("phoneme", "satimage", "spambase", "letter")
console = Console()


def found(table: str, seed: int, minutes: float, folder: Path, *, two_goals: bool) -> Front:
    """Returns the front of one search; losses are shares of wrong classes."""
    tables.write(table, folder / f"{table}.npz", seed)
    name = f"{table}-{seed}-{'two' if two_goals else 'one'}"
    metric = '["val_accuracy", "n_parameters"]' if two_goals else '"val_accuracy"'
    study = folder / f"{name}.toml"
    study.write_text(
        f'[data]\nsource = "{table}.npz"\n[objective]\nmetric = {metric}\n'
        f"[budget]\nminutes = {minutes if two_goals else 0.9 * minutes}\n[study]\nseed = {seed}\n"
    )
    result = tuner.tune(study, progress=False)
    if result.front is not None:
        return result.front
    return tuner.front(study, minutes=0.1 * minutes, progress=False)


def losses(front: Front) -> dict[int, float]:
    """Returns the least loss at each size, where there is a network as small."""
    least = front.points[0].arm.n_parameters
    return {size: 1 - front.at(size).score.mean for size in SIZES if size >= least}


def told(ratios: Sequence[float]) -> str:
    """Says how two losses relate, in the geometric mean and at worst."""
    if not ratios:
        return ""
    return f"{statistics.geometric_mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Prints the losses of both at each size, and their ratio over all searches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    shown = Table("table", "seed", "goals", *(f"{size:,}" for size in SIZES))
    ratios: dict[int, list[float]] = {size: [] for size in SIZES}
    for name in options.tables:
        for seed in options.seeds:
            of: dict[bool, dict[int, float]] = {}
            for two_goals in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    front = found(name, seed, options.minutes, Path(folder), two_goals=two_goals)
                of[two_goals] = losses(front)
                words = [
                    f"{of[two_goals][size]:.4f}" if size in of[two_goals] else "" for size in SIZES
                ]
                shown.add_row(name, str(seed), "two" if two_goals else "one", *words)
                console.print(name, seed, two_goals, len(front.points), *words)
            for size in of[False].keys() & of[True].keys():
                if of[False][size] > 0 and of[True][size] > 0:
                    ratios[size].append(of[True][size] / of[False][size])
    shown.add_row("two / one", "", "", *(told(ratios[size]) for size in SIZES))
    console.print(shown)


if __name__ == "__main__":
    main()
