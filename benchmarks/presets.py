"""Test errors of what `tuner tune` leaves, and of what takes no search or another model.

On each table and seed, which decides the test rows and the study's seed, a study file that says
nothing but the data, the minutes and the seed is tuned on the command line; of what it leaves both
the one network (`load_model`) and all of them (`load_ensemble`) are scored. Beside it: the presets
of the rules, each trained once; the better of them on five cuts, averaged; and, for the same time,
scikit-learn's boosted trees, tuned, its networks, searched at random, and RealMLP. An error is the
share of wrong classes, or the RMSE over the standard deviation of the test targets.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

import tuner
from tuner import heuristics, storage
from tuner.data import Cut, Dataset, Part
from tuner.data.rulers import Array
from tuner.network.config import DataFacts, MLPConfig
from tuner.network.model import MLP
from tuner.running import prepared
from tuner.storage.reading import CONFIRMATION_SECONDS
from tuner.study import load_study
from tuner.training.solo import train_mlp

from . import rivals, tables

#: Threads of the arms that train in this process; networks that a bag averages.
THREADS, BAG = 2, 5
console = Console()


@dataclass(frozen=True)
class Case:
    """One table and seed, as a study file in a folder of its own.

    Attributes:
        table: name of the table.
        seed: of the test rows and of the study.
        budget: seconds that a search gets.
        study: path of the study file.
        dataset: rows as the study splits them.
    """

    table: str
    seed: int
    budget: float
    study: Path
    dataset: Dataset

    @classmethod
    def written(
        cls,
        table: str,
        seed: int,
        budget: float,
        folder: Path,
        more: Mapping[str, str] | None = None,
    ) -> Case:
        """Writes the table and the study file into a folder.

        Args:
            table: name of the table.
            seed: of the test rows and of the study.
            budget: seconds that a search gets.
            folder: where they are written.
            more: lines of the study file, by section.
        """
        tables.write(table, folder / f"{table}.npz", seed)
        study = folder / "bench.toml"
        _, _, kind = tables.read(table)
        task = 'task = "regression"\n' if kind == "regression" else ""
        sections = {
            "data": f'source = "{table}.npz"\n{task}',
            "budget": f"minutes = {budget / 60}\n",
            "study": f"seed = {seed}\n",
        }
        for name, lines in (more or {}).items():
            sections[name] = f"{sections.get(name, '')}{lines}\n"
        study.write_text("".join(f"[{name}]\n{lines}" for name, lines in sections.items()))
        dataset = prepared.load_data(load_study(study))
        assert dataset is not None
        return cls(table, seed, budget, study, dataset)

    @property
    def has_classes(self) -> bool:
        """Whether it is a classification."""
        return bool(self.dataset.classes)

    @property
    def known(self) -> Part:
        """All rows but the test rows."""
        train, validation = self.dataset.train, self.dataset.validation
        return Part(
            np.concatenate([train.x, validation.x]), np.concatenate([train.y, validation.y])
        )


@dataclass(frozen=True)
class Figure:
    """What one arm reached on one table and seed.

    Attributes:
        table: name of the table.
        seed: of the test rows and of the study.
        arm: what was measured.
        budget: seconds that its search got; None where there is no search.
        error: on the test rows.
        seconds: that it took.
        test_rows: rows that the error is of.
        details: whatever else is known of it, for a reader of the file.
    """

    table: str
    seed: int
    arm: str
    budget: float | None
    error: float
    seconds: float
    test_rows: int
    details: dict[str, Any] = field(default_factory=dict)


def error_of(answers: Array, y: Array) -> float:
    """Returns the share of wrong classes `(rows,)`, or the RMSE over the targets' deviation."""
    if y.dtype.kind == "i":
        return float(np.mean(answers != y))
    return float(np.sqrt(np.mean((answers - y) ** 2)) / np.std(y))


def outputs_of(model: torch.nn.Module, x: Array) -> Array:
    """Returns class scores `(rows, classes)`, or predictions `(rows, 1)`."""
    with torch.no_grad():
        outputs: Array = model.eval()(torch.from_numpy(x)).numpy()
    return outputs


def network_error(dataset: Dataset, outputs: Array, part: Part) -> float:
    """Returns the error of outputs on a part of the rows."""
    return error_of(outputs.argmax(1) if dataset.classes else outputs, part.y)


def tune(case: Case) -> tuple[float, dict[str, Any]]:
    """Runs the command line, and scores the network that it leaves."""
    os.environ["TUNER_HOME"] = str(case.study.parent / "runs")
    os.environ.pop("TUNER_STORAGE", None)
    command = [sys.executable, "-m", "tuner", "tune", str(case.study)]
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    test, name = case.dataset.test, case.study.stem
    single, ensemble = tuner.load_model(name), tuner.load_ensemble(name)
    outputs = outputs_of(single, test.x)
    found = storage.read_study(name)
    details = {
        "wall": seconds,
        "members": len(ensemble.members),
        "ensemble": network_error(case.dataset, outputs_of(ensemble, test.x), test),
        "trials": dict(Counter(trial.state.name.lower() for trial in found.trials)),
        "epochs": sum(len(trial.intermediate_values) for trial in found.trials),
        "search": found.user_attrs.get(storage.SECONDS),
        "confirmation": found.user_attrs.get(CONFIRMATION_SECONDS),
        "config": json.loads(tuner.best_config(name).to_json()),
        **confirmed(case),
    }
    return network_error(case.dataset, outputs, test), details


def confirmed(case: Case) -> dict[str, Any]:
    """Returns the winner's name, the mean error of its networks, and what it was compared with.

    The mean is None if it has but one network; of each arm there are the scores over the cuts, and
    over the test rows, where they were looked at.
    """
    found = tuner.confirmation(case.study.stem)
    if found is None:
        return {"winner": f"trial {tuner.best(case.study.stem).trial}", "confirmed": None}
    train, test = case.dataset.train.y.std(), case.dataset.test.y.std()
    errors: dict[str, Callable[[float], float]] = {
        "test_accuracy": lambda score: 1 - score,
        "test_rmse": lambda score: score / test,
        "test_r2": lambda score: math.sqrt(1 - score),
        # The squared error of targets that each network standardized as its own training rows.
        "test_loss": lambda score: math.sqrt(score) * train / test,
    }
    scores = [float(errors[found.test_metric](score)) for score in found.winning.tests]
    return {
        "winner": found.winner,
        "cuts": len(scores),
        "confirmed": statistics.fmean(scores) if scores else None,
        "arms": {arm.name: [arm.scores, arm.tests] for arm in found.arms},
    }


def presets_of(facts: DataFacts) -> dict[str, MLPConfig]:
    """Returns the presets of the rules by name, each with its own number of epochs."""
    points = heuristics.starting_points(facts)
    return {"note": points["note"], "modern default": points["modern default"]}


def cuts_of(dataset: Dataset, seed: int) -> list[Dataset]:
    """Returns the same rows with other validation rows, several times."""
    return [dataset.cut_anew(Cut(BAG * seed + index)) for index in range(BAG)]


def trained(config: MLPConfig, dataset: Dataset, seed: int) -> tuple[MLP, float]:
    """Trains one network; returns it with its last validation loss."""
    losses: list[float] = []
    model = train_mlp(
        config,
        dataset,
        seed=seed,
        shuffle_seed=seed,
        accelerator="cpu",
        on_epoch=lambda _, metrics: losses.append(metrics["val_loss"]),
        cancelled=lambda: False,
    )
    return model, losses[-1]


def presets(case: Case) -> tuple[float, dict[str, Any]]:
    """Trains each preset once, and picks the better one on the validation rows."""
    dataset, each = case.dataset, {}
    for name, config in presets_of(dataset.facts).items():
        start = time.monotonic()
        model, loss = trained(config, dataset, case.seed)
        seconds = time.monotonic() - start
        validation, test = (
            network_error(dataset, outputs_of(model, part.x), part)
            for part in (dataset.validation, dataset.test)
        )
        each[name] = {
            "error": test, "validation": validation, "loss": loss, "seconds": seconds,
            "epochs": config.epochs,
        }  # fmt: skip
    # The loss decides between equally many wrong classes.
    best = min(each, key=lambda name: (each[name]["validation"], each[name]["loss"]))
    return each[best]["error"], {"best": best, "presets": each}


def bag(case: Case, best: str) -> tuple[float, dict[str, Any]]:
    """Trains the better preset on several cuts, and averages what the networks say."""
    config, test, outputs = presets_of(case.dataset.facts)[best], case.dataset.test, []
    for index, cut in enumerate(cuts_of(case.dataset, case.seed)):
        model, _ = trained(config, cut, BAG * case.seed + index)
        said = torch.from_numpy(outputs_of(model, test.x))
        outputs.append((said.softmax(1) if case.dataset.classes else said).numpy())
    return network_error(case.dataset, np.mean(outputs, 0), test), {"preset": best}


def trees_default(case: Case) -> tuple[float, dict[str, Any]]:
    """Fits boosted trees at their defaults."""
    known, test = case.known, case.dataset.test
    model = rivals.trees(case.has_classes, case.seed).fit(known.x, known.y.ravel())
    return error_of(model.predict(test.x), test.y.ravel()), {"iterations": model.n_iter_}


def trees_tuned(case: Case) -> tuple[float, dict[str, Any]]:
    """Tunes boosted trees for the time of a search, and fits the best ones on all known rows."""
    return _searched(case, rivals.tuned_trees)


def networks_searched(case: Case) -> tuple[float, dict[str, Any]]:
    """Searches scikit-learn's networks at random for the time of a search."""
    return _searched(case, rivals.searched_networks)


def _searched(case: Case, search: Callable[..., Any]) -> tuple[float, dict[str, Any]]:
    data = case.dataset
    parts = (data.train, data.validation, case.known, data.test.x)
    predicted, told = search(*parts, case.seed, case.budget, case.has_classes)
    return error_of(predicted, data.test.y.ravel()), told


def realmlp(case: Case) -> tuple[float, dict[str, Any]]:
    """Trains RealMLP with tuned defaults for the time of a search."""
    test = case.dataset.test
    predicted, told = rivals.realmlp(
        case.known, test.x, case.seed, case.budget, case.has_classes, THREADS
    )
    return error_of(predicted, test.y.ravel()), told


#: The arms, in the order of the table, and whether the seconds of a search matter to them.
ARMS = {
    "tune": True,
    "ensemble": True,
    "preset": False,
    "bag": False,
    "trees": False,
    "trees-tuned": True,
    "sklearn": True,
    "realmlp": True,
}
#: Those that `tuner tune` leaves: one network, and all of them together.
OURS = ("tune", "ensemble")


class Figures:
    """All figures so far; each is appended to a file of JSON lines at once.

    Args:
        path: of the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        read = (Figure(**json.loads(line)) for line in lines)
        # A search of a version that left one network has no figure for all of them.
        self._all = [each for each in read if each.arm != "tune" or "ensemble" in each.details]

    def find(self, table: str, seed: int, arm: str, budget: float) -> Figure | None:
        """Returns a figure if it is known; the last one that was kept."""
        key = (table, seed, arm, budget if ARMS.get(arm, True) else None)
        found = [
            each for each in self._all if key == (each.table, each.seed, each.arm, each.budget)
        ]
        return found[-1] if found else None

    def keep(self, figure: Figure) -> None:
        """Adds a figure."""
        self._all.append(figure)
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(figure)) + "\n")


def measure(case: Case, arm: str, figures: Figures) -> Figure:
    """Runs one arm, unless its figure is known."""
    known = figures.find(case.table, case.seed, arm, case.budget)
    if known is not None:
        return known
    # The preset that a bag is of.
    best = measure(case, "preset", figures).details["best"] if arm == "bag" else ""
    runs: dict[str, Callable[[], tuple[float, dict[str, Any]]]] = {
        "tune": lambda: tune(case),
        "preset": lambda: presets(case),
        "ensemble": lambda: (measure(case, "tune", figures).details["ensemble"], {}),
        "bag": lambda: bag(case, best),
        "trees": lambda: trees_default(case),
        "trees-tuned": lambda: trees_tuned(case),
        "sklearn": lambda: networks_searched(case),
        "realmlp": lambda: realmlp(case),
    }
    start = time.monotonic()
    error, details = runs[arm]()
    seconds, budget = time.monotonic() - start, case.budget if ARMS[arm] else None
    n_rows = len(case.dataset.test)
    figure = Figure(case.table, case.seed, arm, budget, error, seconds, n_rows, details)
    figures.keep(figure)
    console.print(f"{case.table}, seed {case.seed}, {arm}: {error:.4f} in {seconds:.1f} s")
    return figure


def report(figures: Figures, names: Sequence[str], seeds: Sequence[int], budget: float) -> None:
    """Prints mean errors of each table, and how the network of `tuner tune` compares."""
    found = [
        figure
        for name in names
        for seed in seeds
        for arm in ARMS
        if (figure := figures.find(name, seed, arm, budget))
    ]
    frame = pd.DataFrame([asdict(figure) for figure in found])
    # At least half a test row, so that no ratio is one of zeros.
    frame["floored"] = frame["error"].clip(lower=0.5 / frame["test_rows"])
    shown, errors = (
        frame.pivot(index=["table", "seed"], columns="arm", values=value).reindex(
            columns=list(ARMS)
        )
        for value in ("error", "floored")
    )
    others = [arm for arm in ARMS if arm not in OURS]
    over = {(mine, arm): errors[[mine, arm]].dropna() for mine in OURS for arm in others}
    means = {pair: both.groupby("table").mean() for pair, both in over.items()}
    ratios = {pair: mean[pair[0]] / mean[pair[1]] for pair, mean in means.items()}
    there = [arm for arm in ARMS if shown[arm].notna().any()]
    compared = [mine for mine in OURS if ratios[mine, "preset"].notna().any()]
    result = Table(
        "table", *there, *[f"{mine} / preset" for mine in compared],
        title=f"mean test errors, {budget:g} s of search",
    )  # fmt: skip
    for name, row in shown[there].groupby("table", sort=False).mean().iterrows():
        cells = [*row, *[ratios[mine, "preset"].get(name, np.nan) for mine in compared]]
        result.add_row(str(name), *["-" if np.isnan(cell) else f"{cell:.4f}" for cell in cells])
    console.print(result)
    for mine in OURS:
        geometric = {
            arm: np.exp(np.log(ratio).mean()) for (own, arm), ratio in ratios.items() if own == mine
        }
        known = {arm: mean for arm, mean in geometric.items() if np.isfinite(mean)}
        said = ", ".join(f"{mean:.3f} over {arm}" for arm, mean in known.items())
        console.print(f"{mine}, geometric means of ratios: {said or 'none'}")
        worse = over[mine, "preset"][mine] > over[mine, "preset"]["preset"]
        console.print(f"{mine} worse than the better preset: {worse.sum()} of {len(worse)}")
    complete = errors.dropna(axis=1, how="all").dropna()
    if len(complete) and len(complete.columns) > 1:
        ranks = complete.rank(axis=1).mean().sort_values()
        best = complete.div(complete.min(axis=1), axis=0).mean()
        said = ", ".join(f"{arm} {rank:.2f} ({best[str(arm)]:.3f})" for arm, rank in ranks.items())
        console.print(f"mean ranks over {len(complete)} (mean error over the best one's): {said}")


def main() -> None:
    """Runs the arms on each table and seed, and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=tables.NAMES, default=tables.NAMES)
    parser.add_argument("--seconds", type=float, default=60, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="file of figures, which are not measured again")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(THREADS)
    figures = Figures(args.json)
    for name in args.tables:
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                case = Case.written(name, seed, args.seconds, Path(folder))
                for arm in args.only:
                    measure(case, arm, figures)
    report(figures, args.tables, args.seeds, args.seconds)


if __name__ == "__main__":
    main()
