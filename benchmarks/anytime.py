"""Best validation score over time: a stock script and `tuner tune`, one after the other.

Both search the same split for the same time, once for each seed; the stock script with two worker
processes on one store. A score counts when its trial is complete. Both clocks start when modules
and data are loaded. The table tells medians over the seeds, the plot every search.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import optuna
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.console import Console
from rich.table import Table

from tuner import open_study, storage
from tuner.study import load_study

from .throughput import write_arrays

HERE = Path(__file__).parent
COLORS = {"stock, 2 processes": "#d55e00", "tuner tune": "#0072b2"}
console = Console()


@dataclass(frozen=True)
class Search:
    """One search: when it bettered its best score, in seconds; epochs it trained; its length."""

    points: list[tuple[float, float]]
    epochs: int
    seconds: float

    def best(self, moment: float) -> float:
        """Returns the best score so far, NaN while there is none."""
        return max((score for at, score in self.points if at <= moment), default=float("nan"))

    def reaches(self, score: float) -> float:
        """Returns the second at which a score was reached, infinity if it never was."""
        return next((at for at, found in self.points if found >= score), float("inf"))


def main() -> None:
    """Runs both searches for each study and seed, and prints a table for each study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", nargs="+", default=["mnist_mlp", "digits_mlp"])
    parser.add_argument("--seconds", type=float, default=600, help="of the stock search")
    parser.add_argument("--ours", type=float, help="seconds of ours, if it gets fewer")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--plot", type=Path, help="write a plot there, as HTML")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figure = empty_plot(args.studies)
    for column, study in enumerate(args.studies, 1):
        found: dict[str, list[Search]] = {name: [] for name in COLORS}
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                found["stock, 2 processes"].append(
                    stock_search(study, Path(folder), args.seconds, seed)
                )
                ours = args.ours or args.seconds
                found["tuner tune"].append(tuner_search(study, Path(folder), ours, seed))
        console.print(table(study, found, args.seconds))
        draw(figure, column, found)
    if args.plot:
        figure.write_html(args.plot)


def table(study: str, found: dict[str, list[Search]], seconds: float) -> Table:
    """Lays out medians over the seeds."""
    moments = [seconds / 10, seconds / 3, seconds]
    stock = found["stock, 2 processes"]
    result = Table(
        "search", "epochs/s", *[f"best at {moment:.0f} s" for moment in moments],
        "stock's last best after",
        title=f"{study}: {seconds:.0f} s of search, medians of {len(stock)} seeds",
    )  # fmt: skip
    for name, searches in found.items():
        goals = [each.best(seconds) for each in stock]
        times = [each.reaches(goal) for each, goal in zip(searches, goals, strict=True)]
        result.add_row(
            name,
            f"{statistics.median(each.epochs / each.seconds for each in searches):.2f}",
            *[
                f"{statistics.median(each.best(moment) for each in searches):.4f}"
                for moment in moments
            ],
            f"{statistics.median(times):.0f} s",
        )
    return result


def empty_plot(studies: list[str]) -> go.Figure:
    """Makes a plot of errors over time, a panel for each study, both axes logarithmic."""
    figure = make_subplots(1, len(studies), subplot_titles=studies)
    figure.update_xaxes(type="log", title="seconds of search")
    figure.update_yaxes(type="log", title="lowest validation error, %", minor_ticks="outside")
    figure.update_layout(template="plotly_white", legend={"orientation": "h", "y": -0.25})
    return figure


def draw(figure: go.Figure, column: int, found: dict[str, list[Search]]) -> None:
    """Adds every search as a line of steps; it begins where the first trial is complete."""
    for name, searches in found.items():
        for index, each in enumerate(searches):
            points = [*each.points, (each.seconds, each.best(each.seconds))]
            figure.add_scatter(
                x=[at for at, _ in points],
                y=[100 * (1 - score) for _, score in points],
                name=name,
                legendgroup=name,
                showlegend=index == 0 and column == 1,
                line={"shape": "hv", "color": COLORS[name]},
                row=1,
                col=column,
            )


def stock_search(study: str, folder: Path, seconds: float, seed: int) -> Search:
    """Runs two processes of the stock script on one store."""
    spec = load_study(study)
    arrays = write_arrays(open_study.load_data(spec), folder / "arrays.npz")
    url = f"sqlite:///{folder}/stock.db"
    # Two processes that make the tables at once get in each other's way.
    optuna.create_study(study_name="stock", storage=url, direction="maximize")
    logs = [folder / "log0", folder / "log1"]
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.stock", str(arrays), str(log),
                "--threads", "1", "--seconds", str(seconds), "--seed", str(seed + 1000 * index),
                "--storage", url, "--epochs", str(spec.objective.epochs),
            ],
            cwd=HERE.parent,
        )
        for index, log in enumerate(logs)
    ]  # fmt: skip
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit("the stock script failed")
    entries = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    begin = min(entry["time"] for entry in entries)
    scored = sorted(
        (entry["time"] - begin, entry["score"], entry["last"])
        for entry in entries
        if "score" in entry and entry["time"] - begin <= seconds
    )
    return Search(rising((at, score) for at, score, last in scored if last), len(scored), seconds)


def tuner_search(study: str, folder: Path, seconds: float, seed: int) -> Search:
    """Runs the command line, on the study as it is shipped but for the seed."""
    path = folder / f"{study}.toml"
    path.write_text(f"{load_study(study).text}\n[study]\nseed = {seed}\n")
    os.environ["TUNER_HOME"] = str(folder / "runs")
    command = [sys.executable, "-m", "tuner", "tune", str(path)]
    subprocess.run(
        [*command, "--minutes", str(seconds / 60)], check=True, stdout=subprocess.DEVNULL
    )
    trials = storage.read_study(study).trials
    begin = min(trial.datetime_start for trial in trials if trial.datetime_start)
    complete = sorted(
        ((trial.datetime_complete - begin).total_seconds(), float(trial.value))
        for trial in trials
        if trial.state.name == "COMPLETE"
    )
    epochs = sum(len(trial.intermediate_values) for trial in trials)
    return Search(rising(complete), epochs, seconds)


def rising(scores: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keeps the times and scores that are better than all before."""
    points: list[tuple[float, float]] = []
    for at, score in scores:
        if not points or score > points[-1][1]:
            points.append((at, score))
    return points


if __name__ == "__main__":
    main()
