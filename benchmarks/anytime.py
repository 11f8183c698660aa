"""What a stock script and `tuner tune` have found after some time; the clock starts at the command.

Both search the same split, in turn, once for each seed; the stock script with two worker processes
on one store. Of stock it is the best score of a complete trial so far on the validation rows, and
what the network of that trial has on the test rows; one run tells all moments. `tuner tune` plans
by its time, so it is run for each moment, with the confirmation and all else in that time, and its
figure is its winner's: the config, trained on the same training rows and scored on the same
validation rows once the time is over. The table tells medians over the seeds, and where the time of
`tuner tune` went.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Table

import tuner
from tuner import storage
from tuner.network.config import MLPConfig
from tuner.running import prepared
from tuner.storage.reading import CONFIRMATION_SECONDS
from tuner.study import load_study

from .presets import network_error, outputs_of, trained
from .throughput import write_arrays

HERE = Path(__file__).parent
#: Wide enough for the table, wherever it is printed.
console = Console(width=150)


@dataclass(frozen=True)
class Found:
    """What one search had found.

    Attributes:
        study: its name.
        seed: of the search.
        arm: "stock" or "tuner".
        moment: seconds after the command.
        score: on the validation rows; None while there is none.
        wall: seconds until the command ended.
        test: mean score of the winner's networks on the test rows, if it was confirmed.
        network: score of the network that was handed over on the test rows; of stock, that of its
            best trial.
        ensemble: score of all networks together, where there are several.
        confirmed: configs that were confirmed over at least 3 seeds.
        trials: complete and pruned.
        epochs: that were trained in trials, over all folds.
        search: seconds of the search.
        confirmation: seconds of the confirmation.
        winner: where it is from.
        beside: seconds that were left for start and end.
    """

    study: str
    seed: int
    arm: str
    moment: float
    score: float | None
    wall: float
    test: float | None = None
    network: float | None = None
    ensemble: float | None = None
    confirmed: int = 0
    trials: tuple[int, int] = (0, 0)
    epochs: int = 0
    search: float = 0.0
    confirmation: float = 0.0
    winner: str = ""
    beside: float = 9.0


def main() -> None:
    """Runs both for each study and seed, and prints a table for each study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", nargs="+", default=["mnist_mlp"])
    parser.add_argument("--moments", type=float, nargs="+", default=[60, 120, 600])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="file of figures, which are not measured again")
    parser.add_argument(
        "--beside", type=float, default=9, help="seconds that start and end take on this machine"
    )
    args = parser.parse_args()
    if args.beside >= min(args.moments):
        parser.error("start and end take all of the first moment")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = read(args.json)
    for study in args.studies:
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                mine = [each for each in found if each.beside == args.beside]
                wanted = [moment for moment in args.moments if not has(mine, study, seed, moment)]
                if any(not has(found, study, seed, m, "stock") for m in args.moments):
                    keep(found, args.json, stock(study, Path(folder), args.moments, seed))
                for moment in wanted:
                    one = ours(study, Path(folder), moment, args.beside, seed)
                    keep(found, args.json, [one])
        console.print(table(study, [each for each in found if each.study == study], args.moments))


def read(path: Path | None) -> list[Found]:
    """Returns the figures of a file of JSON lines."""
    if path is None or not path.exists():
        return []
    return [Found(**json.loads(line)) for line in path.read_text().splitlines()]


def has(found: Sequence[Found], study: str, seed: int, moment: float, arm: str = "tuner") -> bool:
    """Says whether a figure is known."""
    key = (study, seed, arm, moment)
    return any((each.study, each.seed, each.arm, each.moment) == key for each in found)


def keep(found: list[Found], path: Path | None, more: Sequence[Found]) -> None:
    """Adds figures, also to the file."""
    for each in more:
        found.append(each)
        console.print(asdict(each))
        if path is not None:
            with path.open("a") as file:
                file.write(json.dumps(asdict(each)) + "\n")


def table(study: str, found: Sequence[Found], moments: Sequence[float]) -> Table:
    """Lays out medians over the seeds."""
    result = Table(
        "seconds", "stock", "its network", "tuner tune", "test", "network", "networks", "trials",
        "confirmed over 3 seeds", "search", "confirmation", "start and end",
        title=f"{study}: medians over the seeds",
    )  # fmt: skip
    for moment in moments:
        stocks = [each for each in found if (each.arm, each.moment) == ("stock", moment)]
        mine = [each for each in found if (each.arm, each.moment) == ("tuner", moment)]
        if not mine or not stocks:
            continue

        def of(name: str, arms: Sequence[Found] = mine) -> float:
            known = [getattr(each, name) for each in arms]
            return statistics.median(math.nan if each is None else each for each in known)

        together = [each.network if each.ensemble is None else each.ensemble for each in mine]
        shares = [each.wall - each.search - each.confirmation for each in mine]
        result.add_row(
            f"{moment:.0f}",
            f"{of('score', stocks):.4f}",
            f"{of('network', stocks):.4f}",
            f"{of('score'):.4f}",
            f"{of('test'):.4f}",
            f"{of('network'):.4f}",
            f"{statistics.median(math.nan if each is None else each for each in together):.4f}",
            ", ".join("/".join(map(str, each.trials)) for each in mine),
            f"{of('confirmed'):.0f}",
            f"{of('search'):.0f} s",
            f"{of('confirmation'):.0f} s",
            f"{statistics.median(shares):.0f} s",
        )
    return result


def stock(study: str, folder: Path, moments: Sequence[float], seed: int) -> list[Found]:
    """Runs two processes of the stock script on one store."""
    spec = load_study(study)
    dataset = prepared.load_data(spec)
    assert dataset is not None
    arrays = write_arrays(dataset, folder / "arrays.npz")
    url = f"sqlite:///{folder}/stock.db"
    # Two processes that make the tables at once get in each other's way.
    optuna.create_study(study_name="stock", storage=url, direction="maximize")
    logs = [folder / "log0", folder / "log1"]
    begin, last = time.time(), max(moments)
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.arm", str(arrays), str(log),
                "--threads", "1", "--seconds", str(last), "--seed", str(seed + 1000 * index),
                "--storage", url, "--epochs", "10",
            ],
            cwd=HERE.parent,
        )
        for index, log in enumerate(logs)
    ]  # fmt: skip
    while time.time() - begin < last and any(each.poll() is None for each in processes):
        time.sleep(1.0)
    for process in processes:  # what they find after the last moment counts for nothing
        process.kill()
        process.wait()
    entries = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    found = []
    for moment in moments:
        by_then = [each for each in entries if "score" in each and each["time"] - begin <= moment]
        ended = [each for each in by_then if each["last"]]
        best = max(ended, key=lambda each: each["score"], default={"score": None, "test": None})
        found.append(
            Found(
                study,
                seed,
                "stock",
                moment,
                best["score"],
                moment,
                network=best["test"],
                epochs=len(by_then),
            )
        )
    return found


def ours(study: str, folder: Path, moment: float, beside: float, seed: int) -> Found:
    """Runs the command line, on the study as it is shipped but for the seed."""
    path = folder / f"{study}.toml"
    path.write_text(f"{load_study(study).text}\n[study]\nseed = {seed}\n")
    os.environ["TUNER_HOME"] = str(folder / f"runs-{moment:.0f}")
    os.environ.pop("TUNER_STORAGE", None)
    command = [sys.executable, "-m", "tuner", "tune", str(path)]
    begin = time.monotonic()
    subprocess.run(
        [*command, "--minutes", str((moment - beside) / 60)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=HERE.parent,
    )
    wall = time.monotonic() - begin
    best, confirmation, stored = tuner.best(study), tuner.confirmation(study), None
    stored = storage.read_study(study)
    counts = storage.count(stored.get_trials(deepcopy=False))
    confirmed = best.confirmed
    arms = () if confirmation is None else confirmation.arms
    assert isinstance(best.config, MLPConfig)
    return Found(
        study,
        seed,
        "tuner",
        moment,
        scored(path, best.config, seed),
        wall,
        test=None if confirmed is None or confirmed.test is None else confirmed.test.mean,
        network=None if confirmed is None else confirmed.network_test,
        ensemble=None if confirmed is None else confirmed.ensemble_test,
        confirmed=sum(len(arm.scores) >= 3 for arm in arms),
        trials=(counts.complete, counts.pruned),
        epochs=sum(len(trial.intermediate_values) for trial in stored.trials),
        search=float(stored.user_attrs.get(storage.SECONDS, 0.0)),
        confirmation=float(stored.user_attrs.get(CONFIRMATION_SECONDS, 0.0)),
        winner=best.preset or f"trial {best.trial}",
        beside=beside,
    )


def scored(study: Path, config: MLPConfig, seed: int) -> float:
    """Trains a config on the training rows of a study, and scores it on the validation rows."""
    spec = load_study(study)
    dataset = prepared.load_data(spec)
    assert dataset is not None
    model, _ = trained(config, dataset, seed)
    part = dataset.validation
    return 1 - network_error(dataset, outputs_of(model, part.x), part)


if __name__ == "__main__":
    main()
