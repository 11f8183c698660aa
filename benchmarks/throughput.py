"""`make bench`: the same configs trained by a stock script, by a plain loop and by a fleet.

All arms train the same networks, drawn from the default space with a fixed seed, for the same
epochs, without pruning, and take turns in one run. Stock and loop run as one process with two
threads and as two processes with one; the faster of the two is what the fleet is compared with.
A clock runs from loaded data to the last score. The one schedule that stock lacks, plateau, is a
constant rate there.

Most of the arithmetic of such a list is in its few largest networks. So each data set has a second
table: the list by thirds, its smallest networks, the middle and its largest, each third in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table
from sklearn.datasets import make_classification

from tuner import heuristics
from tuner.data import Dataset, load
from tuner.network.config import MLPConfig
from tuner.space import MLPSpace
from tuner.study import MLPStudySpec, load_study

HERE = Path(__file__).parent
#: Epochs that make an arm take long enough on each data set.
EPOCHS = {"mnist": 3, "digits": 20, "synthetic": 3}
console = Console()


@dataclass(frozen=True)
class Run:
    """What one arm did once: seconds, and the bytes that its processes held at most."""

    seconds: float
    peak: float


def main() -> None:
    """Runs all arms on the data sets and prints their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--configs", type=int, default=48)
    parser.add_argument("--epochs", type=int, help="of each config")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each arm")
    parser.add_argument("--thirds", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in args.data:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(name, Path(folder), args.configs, args.epochs or EPOCHS[name], args.seed)
            bench.compare(args.rounds)
            if args.thirds:
                bench.by_thirds()
            bench.grow(args.growth)


class Bench:
    """The arms on one data set.

    Args:
        name: of the data set.
        folder: for files that the arms read and write.
        n_configs: networks to train.
        epochs: of each.
        seed: of the draw.
    """

    def __init__(self, name: str, folder: Path, n_configs: int, epochs: int, seed: int) -> None:
        self.name, self.folder, self.epochs = name, folder, epochs
        self.source = synthetic(folder) if name == "synthetic" else name
        self.dataset = load(self.source, folder)
        self.arrays = write_arrays(self.dataset, folder / "arrays.npz")
        self.configs = drawn(self.dataset, folder, n_configs, seed)
        self.listed = folder / "configs.json"
        self.train(self.configs, self.epochs)

    def train(self, configs: list[MLPConfig], epochs: int) -> None:
        """Has the arms train these configs for so many epochs from now on."""
        self.listed.write_text(json.dumps([config.model_dump() for config in configs]))
        self.n_epochs = epochs
        self.n_samples = len(configs) * epochs * len(self.dataset.train)

    def compare(self, rounds: int) -> None:
        """Prints the table of the arms."""
        arms: dict[str, Callable[[], Run]] = {
            f"{kind}, {processes} x {threads}": partial(self.stock, kind, processes, threads)
            for kind in ("stock", "loop")
            for processes, threads in ((2, 1), (1, 2))
        }
        arms["fleet"] = self.fleet
        arms["fleet, bf16-mixed"] = partial(self.fleet, precision="bf16-mixed")
        runs: dict[str, list[Run]] = {name: [] for name in arms}
        for _ in range(rounds):
            for name, arm in arms.items():
                runs[name].append(arm())
        seconds = {
            name: statistics.median(run.seconds for run in its) for name, its in runs.items()
        }
        stock, loop = (
            min(value for name, value in seconds.items() if name.startswith(kind))
            for kind in ("stock", "loop")
        )
        table = Table(
            "arm (processes x threads)", "samples/s", "x stock", "x loop", "GFLOP/s",
            "peak MB", "min..max s",
            title=f"{self.name}: {len(self.configs)} configs x {self.epochs} epochs of "
            f"{len(self.dataset.train):,} rows, median of {rounds}, {os.cpu_count()} cores",
        )  # fmt: skip
        work = self.n_samples * statistics.mean(map(self.operations, self.configs))
        for name, value in seconds.items():
            its = [run.seconds for run in runs[name]]
            table.add_row(
                name,
                f"{self.n_samples / value:,.0f}",
                f"{stock / value:.2f}",
                f"{loop / value:.2f}",
                f"{work / value / 1e9:.0f}",
                f"{max(run.peak for run in runs[name]) / 2**20:,.0f}",
                f"{min(its):.1f}..{max(its):.1f}",
            )
        console.print(table)

    def by_thirds(self) -> None:
        """Prints the rates of the smallest networks, the middle ones and the largest."""
        table = Table(
            "networks", "MFLOP a sample", "stock", "loop", "fleet", "x stock", "x loop",
            title=f"{self.name}: samples/s by the size of the networks, stock and loop as 2 x 1",
        )  # fmt: skip
        ordered = sorted(self.configs, key=self.operations)
        cuts = [round(len(ordered) * share / 3) for share in range(4)]
        for name, begin, end in zip(
            ("smallest", "middle", "largest"), cuts, cuts[1:], strict=False
        ):
            third = ordered[begin:end]
            # The small ones take a fraction of the time, and so train for longer.
            self.train(third[::-1], self.epochs * {"smallest": 8, "middle": 2}.get(name, 1))
            seconds = [
                self.stock("stock", 2, 1).seconds,
                self.stock("loop", 2, 1).seconds,
                self.fleet().seconds,
            ]
            table.add_row(
                f"{name} {len(third)}",
                f"{statistics.mean(map(self.operations, third)) / 1e6:.2f}",
                *[f"{self.n_samples / value:,.0f}" for value in seconds],
                *[f"{value / seconds[2]:.2f}" for value in seconds[:2]],
            )
        self.train(self.configs, self.epochs)
        console.print(table)

    def operations(self, config: MLPConfig) -> float:
        """Returns the additions and multiplications of the matrix products of one row."""
        facts = self.dataset.facts
        weights = config.n_parameters(facts.n_inputs, facts.n_outputs)
        return 6.0 * weights - 2.0 * facts.n_inputs * config.width

    def grow(self, members: list[int]) -> None:
        """Prints how the fleet's rate grows with its members."""
        table = Table("members at once", "samples/s", "peak MB", title=f"{self.name}: the fleet")
        for n in members:
            run = self.fleet(n)
            table.add_row(
                str(n), f"{self.n_samples / run.seconds:,.0f}", f"{run.peak / 2**20:,.0f}"
            )
        if members:
            console.print(table)

    def stock(self, kind: str, processes: int, threads: int) -> Run:
        """Trains all configs with the stock script or the plain loop."""
        claims = tempfile.mkdtemp(dir=self.folder)
        commands = [
            [
                "benchmarks.arm", str(self.arrays), str(self.folder / f"log{index}"),
                "--threads", str(threads), "--claims", claims,
                "--configs", str(self.listed), "--epochs", str(self.n_epochs),
                *(["--loop"] if kind == "loop" else []),
            ]
            for index in range(processes)
        ]  # fmt: skip
        return self.run(commands)

    def fleet(self, members: int | None = None, precision: str = "32-true") -> Run:
        """Trains all configs as a fleet."""
        source = self.source if self.name != "synthetic" else str(self.folder / self.source)
        command = [
            "benchmarks.fleet", source, str(self.folder / "log0"),
            "--configs", str(self.listed), "--epochs", str(self.n_epochs),
            "--precision", precision, *(["--members", str(members)] if members else []),
        ]  # fmt: skip
        return self.run([command])

    def run(self, commands: list[list[str]]) -> Run:
        """Runs commands side by side, and reads what they noted."""
        processes = [
            subprocess.Popen([sys.executable, "-m", *words], cwd=HERE.parent) for words in commands
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise SystemExit(f"{commands[0][0]} failed")
        logs = [(self.folder / f"log{index}").read_text() for index in range(len(commands))]
        entries = [json.loads(line) for log in logs for line in log.splitlines()]
        times = [entry["time"] for entry in entries]
        return Run(max(times) - min(times), sum(entry.get("peak", 0) for entry in entries))


def synthetic(folder: Path) -> str:
    """Writes a table of 20,000 rows, 30 columns and 2 classes."""
    x, y = make_classification(20_000, 30, n_informative=15, random_state=0)
    np.savez(folder / "synthetic.npz", x=x.astype(np.float32), y=y)
    return "synthetic.npz"


def drawn(dataset: Dataset, folder: Path, n: int, seed: int) -> list[MLPConfig]:
    """Draws configs from the default space, which a study without `[search]` has."""
    study = folder / "default.toml"
    study.write_text(f'[data]\nsource = "{dataset.name}"\n')
    spec = load_study(study)
    assert isinstance(spec, MLPStudySpec)
    space = MLPSpace.of(spec, dataset.facts, heuristics.full_epochs(dataset.facts.n_rows))
    trials = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.suggest(trials.ask()) for _ in range(n)]


def write_arrays(dataset: Dataset, path: Path) -> Path:
    """Writes the same split, standardized, for the stock script."""
    norm = dataset.standardization
    parts = {}
    named = {"": dataset.train, "_val": dataset.validation, "_test": dataset.test}
    for suffix, part in named.items():
        x = part.x.reshape(len(part.x), -1).astype(np.float32)
        parts[f"x{suffix}"] = (x - norm.input_mean) / norm.input_scale
        parts[f"y{suffix}"] = part.y
    np.savez(path, allow_pickle=False, **parts)
    return path


if __name__ == "__main__":
    main()
