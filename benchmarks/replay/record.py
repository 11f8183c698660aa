"""Trains many configs of the default space on each data set, and keeps what they score.

The time may be cut; the same command goes on where it ended. Of a large data set a sample of the
rows is taken; its other rows are test rows. Each config is trained twice, from other weights and
over other validation rows, side by side with others in a fleet, and scored after every epoch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from rich.console import Console
from sklearn.model_selection import train_test_split

from tuner import heuristics
from tuner.data import Cut, Dataset
from tuner.data import read as read_source
from tuner.data.rulers import Array
from tuner.network.config import MLPConfig, Task
from tuner.running import prepared
from tuner.space import MLPSpace
from tuner.study import load_study
from tuner.training.fleet import Fleet

from .. import presets, tables
from .curves import FOLDER, Curves, is_small_enough, names, space_of

#: Data sets: those of the tables, and those that everyone knows.
NAMES = (
    "wine", "digits", "breast_cancer", "diabetes", "phoneme", "ames", "satimage", "diamonds",
    "mnist", "spambase", "letter",
)  # fmt: skip
#: Rows that train and validate at most, and test rows at most.
_KNOWN_ROWS, _TEST_ROWS = 3_000, 10_000
#: Epochs of a training at most: as a search shortens them to hold fifteen trials in a minute.
_MOST_EPOCHS = 36
#: Cuts that each config is trained over, and configs that train side by side.
_CUTS, _GROUP = 2, 12
console = Console()


def rows_of(name: str) -> tuple[Array, Array, Task]:
    """Returns inputs `(rows, inputs)`, targets `(rows,)` and the task of a data set."""
    if name in tables.NAMES:
        return tables.read(name)
    table = read_source(name, Path())
    y = table.y
    if table.y_test is not None and table.x_test is not None:
        x, y = np.concatenate([table.x, table.x_test]), np.concatenate([y, table.y_test])
    else:
        x = table.x
    y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    return x.reshape(len(x), -1).astype(np.float32), y, "classification"


def dataset_of(name: str, folder: Path) -> Dataset:
    """Writes the rows and a study file that names nothing else; returns its data."""
    x, y, task = rows_of(name)
    n_known = min(round(0.75 * len(x)), _KNOWN_ROWS)
    known, test = train_test_split(
        np.arange(len(x)),
        train_size=n_known,
        test_size=min(len(x) - n_known, _TEST_ROWS),
        random_state=0,
        stratify=y if task == "classification" else None,
    )
    np.savez(
        folder / f"{name}.npz", x_train=x[known], y_train=y[known], x_test=x[test], y_test=y[test]
    )
    path = folder / f"{name}.toml"
    words = 'task = "regression"\n' if task == "regression" else ""
    path.write_text(f'[data]\nsource = "{name}.npz"\n{words}')
    dataset = prepared.load_data(load_study(path))
    assert dataset is not None
    return dataset


class _Alike(optuna.samplers.RandomSampler):
    """Draws the same trials for each data set: a value follows from its name and the trial."""

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        seed = zlib.crc32(f"{trial.number} {param_name}".encode())
        one = optuna.samplers.RandomSampler(seed)
        return one.sample_independent(study, trial, param_name, param_distribution)


def drawn(space: MLPSpace, n_configs: int) -> Curves:
    """Returns the starting points, and so many configs that are drawn, without scores."""
    points = space.starting_points()
    params, sources = list(points.values()), list(points)
    study = optuna.create_study(sampler=_Alike())
    for _ in range(n_configs):
        trial = study.ask()
        if is_small_enough(space.suggest(trial), space.facts):
            params.append(trial.params)
            sources.append(f"draw {trial.number}")
    shape = (0, _CUTS, space.epochs)
    none = np.zeros(0)
    return Curves(
        "", space.facts, tuple(params), tuple(sources),
        np.zeros(shape), np.zeros(shape), none.reshape(0, _CUTS), none, len(params),
    )  # fmt: skip


def trained(
    space: MLPSpace, dataset: Dataset, configs: list[MLPConfig], first: int
) -> tuple[Array, ...]:
    """Trains a group of configs; returns their errors, losses, test errors and seconds.

    Shapes are those of `Curves`. The seconds of an epoch are those of the processor that all
    members took, which are the same beside other work, divided by the members' arithmetic.
    """
    shape = (len(configs), _CUTS, space.epochs)
    errors, losses = np.full(shape, np.inf), np.full(shape, np.inf)
    tests = np.full(shape[:2], np.inf)
    work = np.array([heuristics.work(config, dataset.facts) for config in configs])
    spent, n_epochs = np.zeros(len(configs)), np.zeros(len(configs))
    deviations = [float(dataset.cut_anew(Cut(cut)).validation.y.std()) for cut in range(_CUTS)]
    with Fleet(dataset, accelerator="cpu") as fleet:
        for index, config in enumerate(configs):
            for cut in range(_CUTS):
                key, seed = index * _CUTS + cut, (first + index) * _CUTS + cut
                fleet.join(key, config, seed=seed, shuffle_seed=cut, cut=Cut(cut))
        for epoch in range(space.epochs):
            begin, at_work = time.process_time(), list(fleet.keys)
            outcomes = fleet.run_epoch()
            took = time.process_time() - begin
            for outcome in outcomes:
                index, cut = divmod(outcome.key, _CUTS)
                if outcome.error is not None:
                    raise outcome.error
                if outcome.diverged:
                    fleet.drop(outcome.key)
                    continue
                losses[index, cut, epoch] = outcome.metrics["val_loss"]
                errors[index, cut, epoch] = _error(outcome.metrics, deviations[cut])
            members = np.bincount([key // _CUTS for key in at_work], minlength=len(configs))
            spent += took * members * work / (members * work).sum()
            n_epochs += members
            if not len(fleet):
                break
        for key in list(fleet.keys):
            index, cut = divmod(key, _CUTS)
            outputs = presets.outputs_of(fleet.leave(key), dataset.test.x)
            tests[index, cut] = presets.network_error(dataset, outputs, dataset.test)
    return errors, losses, tests, spent / n_epochs


def _error(metrics: Mapping[str, float], deviation: float) -> float:
    if "val_accuracy" in metrics:
        return 1 - metrics["val_accuracy"]
    return metrics["val_rmse"] / deviation


def record(name: str, n_configs: int, folder: Path, end: float) -> bool:
    """Records a data set, or goes on with it; says whether it is complete."""
    with tempfile.TemporaryDirectory() as files:
        dataset = dataset_of(name, Path(files))
        epochs = min(heuristics.full_epochs(dataset.facts.n_rows), _MOST_EPOCHS)
        space = space_of(dataset.facts, epochs)
        wanted = replace(drawn(space, n_configs), name=name)
        kept = Curves.read(name, folder) if name in names(folder) else None
        done = 0 if kept is None else len(kept)
        same = min(done, len(wanted))
        if kept is not None and kept.params[:same] != wanted.params[:same]:
            raise SystemExit(f"{name}: {folder} has other configs; --folder names another one")
        while done < len(wanted):
            if time.monotonic() > end:
                return False
            params = wanted.params[done : done + _GROUP]
            begin = time.monotonic()
            found = trained(space, dataset, [space.config(each) for each in params], done)
            before = (
                (wanted.errors, wanted.losses, wanted.tests, wanted.seconds)
                if kept is None
                else (kept.errors, kept.losses, kept.tests, kept.seconds)
            )
            done += len(params)
            kept = replace(wanted, params=wanted.params[:done], sources=wanted.sources[:done])
            parts = [np.concatenate(both) for both in zip(before, found, strict=True)]
            kept = replace(kept, errors=parts[0], losses=parts[1], tests=parts[2], seconds=parts[3])
            kept.write(folder)
            console.print(
                f"{name}: {done} of {len(wanted)} configs, "
                f"{time.monotonic() - begin:.0f} s for the last {len(params)}",
                highlight=False,
            )
    return True


def main() -> None:
    """Records data sets until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--configs", type=int, default=215, help="drawn; the largest are left out")
    parser.add_argument("--minutes", type=float, default=180.0)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    end = time.monotonic() + 60 * args.minutes
    for name in args.names:
        if not record(name, args.configs, args.folder, end):
            console.print("the time is over; the same command goes on")
            return


if __name__ == "__main__":
    main()
