"""A table of a million rows in little time: what `tuner tune` leaves, beside boosted trees.

The rows are drawn: 30 normal inputs, of which ten make a score out of products, waves and steps, to
which noise is added; the class is whether it is above the middle. The command runs with nothing but
the data and the minutes in its study file. Trees are scikit-learn's, as they are by default; they
take what they take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

import tuner
from tuner.data.rulers import Array

#: Rows that no arm sees before the end.
N_TEST = 50_000


def rows(n: int, seed: int) -> tuple[Array, Array]:
    """Draws inputs `(n, 30)` float32 and classes `(n,)`, 0 or 1."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 30)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + np.maximum(x[:, 3], x[:, 4]) * x[:, 5]
    score += np.abs(x[:, 6]) - (x[:, 7] > 0) * x[:, 8] + 0.5 * x[:, 9] ** 2
    score += 0.5 * generator.normal(size=n)
    return x, (score > 1.3).astype(np.int64)  # about half of them


def tuned(folder: Path, minutes: float, seed: int) -> tuple[str, str]:
    """Runs the command; returns the error on the test rows in per cent, and how it is known."""
    study = folder / f"large_{minutes:g}_{seed}.toml"
    study.write_text(f'[data]\nsource = "large.npz"\n[study]\nseed = {seed}\n')
    command = [sys.executable, "-m", "tuner", "tune", study.name, "--minutes", f"{minutes:g}"]
    began = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    took = f"{time.monotonic() - began:.0f} s"
    best = tuner.best(study)
    with np.load(folder / "large.npz") as arrays:
        predicted = tuner.predictor(study).predict(arrays["x_test"]).astype(str)
        wrong = predicted != arrays["y_test"].astype(str)
    if best.confirmed is None:
        return f"{100 * wrong.mean():.2f}", f"{took}, not confirmed"
    of = "all rows" if best.confirmed.rows is None else f"{best.confirmed.rows:,} rows"
    last = "all" if best.confirmed.refit_rows is None else f"{best.confirmed.refit_rows:,}"
    return f"{100 * wrong.mean():.2f}", f"{took}, confirmed on {of}, handed over trained on {last}"


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.5, 1.0, 3.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-trees", action="store_true")
    args = parser.parse_args()
    x, y = rows(args.rows + N_TEST, 0)
    known, test = slice(0, args.rows), slice(args.rows, None)
    table = Table("arm", "error, %", "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "large.npz", x=x[known], y=y[known], x_test=x[test], y_test=y[test])
        os.environ["TUNER_HOME"] = str(folder / "runs")
        for minutes in args.minutes:
            for seed in args.seeds:
                table.add_row(f"tuner tune, {minutes:g} min", *tuned(folder, minutes, seed))
    if not args.no_trees:
        began = time.monotonic()
        trees = HistGradientBoostingClassifier(random_state=0).fit(x[known], y[known])
        wrong = 100 * (trees.predict(x[test]) != y[test]).mean()
        table.add_row("boosted trees", f"{wrong:.2f}", f"{time.monotonic() - began:.0f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
