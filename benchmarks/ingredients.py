"""What each ingredient of a search is worth: the error on new rows without it, over that with it.

Each table and seed is searched as it is, and once without each ingredient, as a study file can say
so, for the same time. What several networks are worth is seen beside the one in the same search.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tuner.system import paths

from . import tables
from .presets import Case, tune

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
#: The search as it is.
_WHOLE = "nothing"


def errors(table: str, seed: int, seconds: float, without: str) -> tuple[float, float, int]:
    """Searches; returns the errors of the network, and of all of them, and the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        more = WITHOUT.get(without, {})
        case = Case.written(table, seed, seconds, Path(folder), more)
        single, details = tune(case)
        return single, details["ensemble"], len(case.dataset.test)


def main() -> None:
    """Prints, of each ingredient, the errors without it over those of the whole search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=tables.NAMES, default=tables.NAMES)
    parser.add_argument("--seconds", type=float, default=60, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--without", nargs="+", choices=WITHOUT, default=list(WITHOUT))
    parser.add_argument("--json", type=Path, required=True, help="file that keeps the errors")
    args = parser.parse_args()
    console = Console()
    kept = json.loads(args.json.read_text()) if args.json.exists() else {}
    found = np.zeros((1 + len(args.without), len(args.tables), len(args.seeds), 2))
    for t, table in enumerate(args.tables):
        for s, seed in enumerate(args.seeds):
            for i, without in enumerate([_WHOLE, *args.without]):
                key = f"{table}/{seed}/{args.seconds:g}/{without}"
                if key not in kept:
                    kept[key] = errors(table, seed, args.seconds, without)
                    paths.write(args.json, json.dumps(kept))
                single, ensemble, rows = kept[key]
                console.print(f"{key}: {single:.4f}, {ensemble:.4f}", highlight=False)
                # At least half a test row, so that no ratio is one of zeros.
                found[i, t, s] = np.maximum((single, ensemble), 0.5 / rows)
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
