"""`make bench`: tuner beside a stock script on MNIST, in one run on one machine.

Two tables. Speed: the same configs trained for the same epochs, by the stock script with two
worker processes (or one with two threads, whichever is faster) and by solo training; the arms
take turns. Search: both search for the same time, one after the other, and the best score of a
complete trial is told over time. Both begin to count when their data are loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from tuner import search, storage
from tuner.config import MLPConfig
from tuner.data import Dataset
from tuner.solo import train_mlp
from tuner.study import load_study

HERE = Path(__file__).parent
console = Console()


def main() -> None:
    """Runs both comparisons and prints their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=int, default=8, help="of the speed table; 0 for none")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each arm")
    parser.add_argument("--seconds", type=float, default=300, help="of each search; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset = search.load_data(load_study("mnist_mlp"))
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_arrays(dataset, Path(folder) / "mnist.npz")
        if args.configs:
            speed(dataset, arrays, args.configs, args.rounds, args.seed)
        if args.seconds:
            anytime(arrays, args.seconds, args.seed)


def write_arrays(dataset: Dataset, path: Path) -> Path:
    """Writes the same split, standardized, for the stock script."""
    norm = dataset.standardization
    parts = {}
    for suffix, part in (("", dataset.train), ("_val", dataset.validation)):
        parts[f"x{suffix}"] = (part.x.astype(np.float32) - norm.input_mean) / norm.input_scale
        parts[f"y{suffix}"] = part.y
    np.savez(path, **parts)
    return path


def stock(arrays: Path, logs: list[Path], threads: int, *options: str) -> None:
    """Runs one stock process for each log, all at once."""
    command = [sys.executable, "-m", "benchmarks.stock", str(arrays)]
    processes = []
    for index, log in enumerate(logs):
        share = ["--threads", str(threads), "--share", str(index), str(len(logs))]
        words = [*command, str(log), *share, *options]
        processes.append(subprocess.Popen(words, cwd=HERE.parent))
    for process in processes:
        if process.wait() != 0:
            raise SystemExit("the stock script failed")


def entries(logs: list[Path]) -> list[dict[str, Any]]:
    """Reads the lines of all logs, in the order of their times."""
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return sorted(lines, key=lambda entry: entry["time"])


def drawn(n: int, seed: int) -> list[MLPConfig]:
    """Draws configs that both sides can train, sizes and rates as the study spans them."""
    random = np.random.default_rng(seed)
    return [
        MLPConfig(
            depth=int(random.integers(1, 4)),
            width=round(float(np.exp(random.uniform(np.log(16), np.log(1024))))),
            activation=str(random.choice(["relu", "gelu", "silu"])),
            batch_normalization=bool(random.integers(2)),
            dropout=float(random.uniform(0, 0.5)),
            optimizer=str(random.choice(["adamw", "sgd"])),
            learning_rate=float(np.exp(random.uniform(np.log(1e-4), np.log(1e-2)))),
            weight_decay=0.01,
            batch_size=int(random.choice([32, 64, 128])),
            epochs=1,
            schedule="constant",
        )
        for _ in range(n)
    ]


def speed(dataset: Dataset, arrays: Path, n_configs: int, rounds: int, seed: int) -> None:
    """Times the same configs, one epoch each, in turn."""
    configs = drawn(n_configs, seed)
    folder = arrays.parent
    listed = folder / "configs.json"
    listed.write_text(json.dumps([config.model_dump() for config in configs]))

    def stock_arm(processes: int, threads: int) -> float:
        logs = [folder / f"log{index}" for index in range(processes)]
        stock(arrays, logs, threads, "--configs", str(listed), "--epochs", "1")
        found = entries(logs)
        return found[-1]["time"] - found[0]["time"]

    def solo_arm() -> float:
        begin = time.monotonic()
        for index, config in enumerate(configs):
            train_mlp(
                config,
                dataset,
                seed=index,
                shuffle_seed=0,
                on_epoch=lambda epoch, metrics: None,
                cancelled=lambda: False,
            )
        return time.monotonic() - begin

    arms = {
        "stock, 2 processes x 1 thread": lambda: stock_arm(2, 1),
        "stock, 1 process x 2 threads": lambda: stock_arm(1, 2),
        "tuner solo, 2 threads": solo_arm,
    }
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            seconds[name].append(arm())
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    best_stock = min(value for name, value in medians.items() if name.startswith("stock"))
    table = Table(
        "arm",
        "epochs/s",
        "samples/s",
        "x stock",
        "min..max s",
        title=f"MNIST, {n_configs} configs x 1 epoch, median of {rounds}, {os.cpu_count()} cores",
    )
    for name, value in medians.items():
        rate = n_configs / value
        spread = f"{min(seconds[name]):.1f}..{max(seconds[name]):.1f}"
        samples = f"{rate * len(dataset.train):,.0f}"
        table.add_row(name, f"{rate:.2f}", samples, f"{best_stock / value:.2f}", spread)
    console.print(table)


def anytime(arrays: Path, seconds: float, seed: int) -> None:
    """Searches with both, for the same time, one after the other."""
    folder = arrays.parent
    logs = [folder / "search0", folder / "search1"]
    options = ["--seconds", str(seconds), "--seed", str(seed)]
    storage_url = f"sqlite:///{folder}/stock.db"
    # Two processes that make the tables at once get in each other's way.
    optuna.create_study(study_name="stock", storage=storage_url, direction="maximize")
    stock(arrays, logs, 1, *options, "--storage", storage_url)
    found = entries(logs)
    scored = [entry for entry in found if "score" in entry]
    scored = [entry for entry in scored if entry["time"] - found[0]["time"] <= seconds]
    points, best = [], 0.0
    for entry in scored:
        if entry["last"] and entry["score"] > best:
            best = entry["score"]
            points.append((entry["time"] - found[0]["time"], best))
    ours, our_epochs = tuner_search(folder, seconds, seed)
    table = Table(
        "search", "epochs/s", *[f"best at {share:.0f} s" for share in moments(seconds)],
        "0.985 after", title=f"MNIST, {seconds:.0f} s of search each, seed {seed}",
    )  # fmt: skip
    for name, epochs, its in (
        ("stock, 2 processes", len(scored), points),
        ("tuner tune", our_epochs, ours),
    ):
        reached = next((f"{at:.0f} s" for at, score in its if score >= 0.985), "-")
        scores = [
            max((score for at, score in its if at <= moment), default=None)
            for moment in moments(seconds)
        ]
        cells = ["-" if score is None else f"{score:.4f}" for score in scores]
        table.add_row(name, f"{epochs / seconds:.2f}", *cells, reached)
    console.print(table)


def tuner_search(folder: Path, seconds: float, seed: int) -> tuple[list[tuple[float, float]], int]:
    """Runs the command line; returns its best scores over time, and the epochs it trained."""
    os.environ["TUNER_HOME"] = str(folder / "runs")
    command = [sys.executable, "-m", "tuner", "tune", str(write_study(folder, seed))]
    subprocess.run(
        [*command, "--minutes", str(seconds / 60)], check=True, stdout=subprocess.DEVNULL
    )
    trials = storage.read_study("mnist_mlp").trials
    begin = min(trial.datetime_start for trial in trials if trial.datetime_start)
    points: list[tuple[float, float]] = []
    complete = (trial for trial in trials if trial.state.name == "COMPLETE")
    for trial in sorted(complete, key=lambda trial: trial.datetime_complete):
        if not points or trial.value > points[-1][1]:
            points.append(((trial.datetime_complete - begin).total_seconds(), trial.value))
    return points, sum(len(trial.intermediate_values) for trial in trials)


def moments(seconds: float) -> list[float]:
    """Returns the times at which the best scores are told."""
    return [seconds / 10, seconds / 3, seconds]


def write_study(folder: Path, seed: int) -> Path:
    """Writes the shipped study with another seed."""
    path = folder / "mnist_mlp.toml"
    text = load_study("mnist_mlp").text
    path.write_text(f"{text}\n[study]\nseed = {seed}\n")
    return path


if __name__ == "__main__":
    main()
