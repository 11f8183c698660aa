"""Whether a search should draw how long a training is.

The starting points and some drawn configs are trained to horizons of several lengths, each with its
schedule stretched over it, over two cuts of the rows. One cut chooses a config and its horizon, the
rows of the other and the test rows score it; beside it stands what is chosen among trainings of one
length. That is in favour of choosing, which has all lengths where the others have one: in a search
they would share the time.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from tuner import heuristics
from tuner.data.rulers import Array

from .curves import space_of
from .record import NAMES, dataset_of, drawn, trained
from .simulated import CORES

#: Epochs of a training over those that the rows say (`heuristics.full_epochs`).
SHARES = (0.25, 0.5, 1.0, 1.5)
#: What is taken for no error at all, in logarithms: one row of a few thousands.
_FLOOR = 1e-3


def errors(name: str, n_configs: int) -> tuple[Array, Array]:
    """Trains on one data set.

    Returns:
        Errors `(shares, configs, cuts)` on the validation rows and on the test rows.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        dataset = dataset_of(name, Path(folder))
    full = heuristics.full_epochs(dataset.facts.n_rows)
    wanted = drawn(space_of(dataset.facts, full), n_configs)
    validation, test = [], []
    for share in SHARES:
        space = space_of(dataset.facts, max(2, round(share * full)))
        configs = [space.config(each) for each in wanted.params]
        found, _, tests, _ = trained(space, dataset, configs, 0)
        validation.append(found[..., -1])
        test.append(tests)
    return np.array(validation), np.array(test)


def chosen(validation: Array, test: Array) -> Mapping[str, float]:
    """Returns the geometric mean error of what either cut chooses, by the lengths it chose from.

    Args:
        validation: `(shares, configs, cuts)`.
        test: the same.
    """
    logs = {name: _logs(each) for name, each in (("rows", validation), ("test", test))}
    found: dict[str, list[float]] = {}
    for cut in range(validation.shape[-1]):
        other = np.delete(logs["rows"], cut, axis=-1).mean(-1)
        scored = (other + logs["test"][..., cut]) / 2
        for index, share in enumerate(SHARES):
            best = validation[index, :, cut].argmin()
            found.setdefault(f"{share:g}", []).append(scored[index, best])
        free = int(validation[..., cut].argmin())
        found.setdefault("chosen", []).append(scored.flat[free])
    return {name: float(np.exp(np.mean(each))) - _FLOOR for name, each in found.items()}


def _logs(found: Array) -> Array:
    """Returns logarithms of errors; what diverged is as bad as the worst."""
    ended = np.isfinite(found)
    logs: Array = np.log(np.where(ended, found, found[ended].max()) + _FLOOR)
    return logs


def main() -> None:
    """Prints the errors of each data set over those of trainings as long as the rows say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--configs", type=int, default=6, help="drawn, beside the starting points")
    args = parser.parse_args()
    Console().print(table(args.names, args.configs))


def table(names: Sequence[str], n_configs: int) -> Table:
    """Trains on each data set, and tells what came of it."""
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(errors, n_configs=n_configs), names))
    by_set = {name: chosen(*each) for name, each in zip(names, found, strict=True)}
    columns = [*next(iter(by_set.values()))]
    told = Table("data set", "error", *(f"{each} / 1" for each in columns if each != "1"))
    ratios = []
    for name, each in by_set.items():
        own = [each[column] / each["1"] for column in columns if column != "1"]
        told.add_row(name, f"{each['1']:.4f}", *(f"{ratio:.3f}" for ratio in own))
        ratios.append(own)
    means = np.exp(np.log(ratios).mean(0))
    told.add_row("geometric mean", "", *(f"{mean:.3f}" for mean in means))
    return told


if __name__ == "__main__":
    main()
