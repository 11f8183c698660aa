"""What each ingredient of a search is worth: the error on new rows without it, over that with it.

Each table and seed is searched as it is, and once without each ingredient, as a study file can say
so, for the same time. What several networks are worth is seen beside the one in the same search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from . import tables
from .presets import Case, Figure, Figures, tune

#: What takes an ingredient away, by section of the study file.
WITHOUT = {
    "embedded numbers": {"search": 'numeric_embedding = "none"'},
    "the last training": {"confirm": "refit = false"},
    "the confirmation": {"confirm": "seeds = 0"},
    "folds": {"data": "folds = 1"},
    "the pruner": {"study": 'pruner = "none"'},
    "the range test": {"start": "rate_range = false"},
    "TPE": {"study": 'sampler = "random"'},
}


def searched(
    table: str, seed: int, seconds: float, without: str | None, figures: Figures
) -> tuple[float, float]:
    """Searches, unless that is known; returns the errors of the network, and of all of them.

    Each is that of half a test row at least, so that no ratio is one of zeros.

    Args:
        table: name of the table.
        seed: of the test rows and of the study.
        seconds: of the search.
        without: ingredient that is left out, if one is.
        figures: those that are known; it is added to them.
    """
    arm = "tune" if without is None else f"without {without}"
    found = figures.find(table, seed, arm, seconds)
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            more = None if without is None else WITHOUT[without]
            case = Case.written(table, seed, seconds, Path(folder), more)
            start = time.monotonic()
            error, details = tune(case)
            took, n_rows = time.monotonic() - start, len(case.dataset.test)
        found = Figure(table, seed, arm, seconds, error, took, n_rows, details)
        figures.keep(found)
    least = 0.5 / found.test_rows
    return max(least, found.error), max(least, found.details["ensemble"])


def main() -> None:
    """Prints, of each ingredient, the errors without it over those of the whole search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=tables.NAMES, default=tables.NAMES)
    parser.add_argument("--seconds", type=float, default=60, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--without", nargs="+", choices=WITHOUT, default=list(WITHOUT))
    parser.add_argument("--json", type=Path, help="file of figures, which are not measured again")
    args = parser.parse_args()
    console, figures = Console(), Figures(args.json)
    found = np.zeros((1 + len(args.without), len(args.tables), len(args.seeds), 2))
    for t, table in enumerate(args.tables):
        for s, seed in enumerate(args.seeds):
            for i, without in enumerate([None, *args.without]):
                found[i, t, s] = searched(table, seed, args.seconds, without, figures)
                told = "{:.4f}, {:.4f}".format(*found[i, t, s])
                console.print(f"{table}, seed {seed}, without {without or 'nothing'}: {told}")
    means = found.mean(2)
    ratios = means[1:] / means[:1]
    shown = Table("without", *args.tables, "one network", "all of them")
    for name, each in zip(args.without, ratios, strict=True):
        geometric = np.exp(np.log(each).mean(0))
        cells = (f"{one:.2f}, {all_of_them:.2f}" for one, all_of_them in each)
        shown.add_row(name, *cells, *(f"{mean:.3f}" for mean in geometric))
    alone = means[0, :, 0] / means[0, :, 1]
    cells = (f"{ratio:.2f}" for ratio in alone)
    shown.add_row("other networks", *cells, "", f"{np.exp(np.log(alone).mean()):.3f}")
    console.print(shown)


if __name__ == "__main__":
    main()
