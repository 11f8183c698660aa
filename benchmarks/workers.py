"""The same search with each kind of worker: here, in processes, on Ray; one of them, and two.

`python -m benchmarks.workers` prints how many epochs a second were finished and which share of the
time the coordinator was at work, the clock running from workers that are ready to the last trial.
Each arm is a process of its own, and the arms take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import optuna
from rich.console import Console
from rich.table import Table

from tuner.data import Dataset
from tuner.network.config import MLPConfig
from tuner.workers import Staff, Worker, fleets

from .scaling import search

STUDY = """
[data]
source = "{source}"
[objective]
metric = "val_loss"
epochs = {epochs}
[study]
pruner = "{pruner}"
[search]
width = {{ low = 16, high = 256, log = true }}
"""
ARMS = {
    "inline": Staff(1, 3600, in_this_process=True, on_cpu=True),
    "processes, 1": Staff(1, 3600, on_cpu=True),
    "processes, 2": Staff(2, 3600, on_cpu=True),
    "Ray, 1": Staff(1, 3600, on_cpu=True, cluster="ray"),
    "Ray, 2": Staff(2, 3600, on_cpu=True, cluster="ray"),
}
#: The largest network of the space above.
LARGEST = MLPConfig(depth=3, width=256)


def run(arm: str, study: str, trials: int) -> dict[str, float]:
    """Runs the search with one kind of worker."""

    def employ(dataset: Dataset) -> Worker:
        return fleets(dataset, ARMS[arm], largest=LARGEST)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNER_HOME"] = f"{folder}/runs"
        os.chdir(folder)
        clock = search(study, trials, employ)
        os.chdir("/")
    return {
        "epochs": clock.epochs / clock.seconds,
        "share": 1 - clock.waited / clock.seconds,
        "each": 1000 * (clock.seconds - clock.waited) / trials,
    }


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="digits")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pruner", default="hyperband")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arm", choices=ARMS, help="print the figures of this one, as JSON")
    args = parser.parse_args()
    if args.arm:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = STUDY.format(source=args.source, epochs=args.epochs, pruner=args.pruner)
        print(json.dumps(run(args.arm, study, args.trials)))
        return
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for _ in range(args.rounds):
        for arm, runs in found.items():
            words = [sys.executable, "-m", "benchmarks.workers", *sys.argv[1:], "--arm", arm]
            told = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
            runs.append(json.loads(told.splitlines()[-1]))
    table = Table(
        "workers",
        "epochs/s",
        "over inline",
        "coordinator, % of the time",
        "ms a trial",
        title=f"{args.source}, {args.trials} trials, medians of {args.rounds} runs",
    )
    inline = statistics.median(run["epochs"] for run in found["inline"])
    for arm, runs in found.items():
        epochs, share, each = (
            statistics.median(run[name] for run in runs) for name in ("epochs", "share", "each")
        )
        table.add_row(
            arm, f"{epochs:.0f}", f"{epochs / inline:.2f}", f"{100 * share:.1f}", f"{each:.1f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
