"""What one coordinator costs: seconds of it for each trial, as trials and workers become many.

Its workers are simulated and train nothing: each job takes the epochs that it is told, at once. So
all that is measured is asking, reporting, pruning, telling, and the files.

`python -m benchmarks.scaling` prints one table; `--trials` and `--workers` set how far it goes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Table

from tuner.data import Dataset, load
from tuner.network.config import MLPConfig
from tuner.running.coordinator import Coordinator
from tuner.running.evaluation import full_evaluation
from tuner.running.limits import Limits
from tuner.running.minutes import Minutes
from tuner.running.progress import Ended, Observer
from tuner.space import MLPSpace
from tuner.storage import StudyStore
from tuner.study import BudgetSpec, MLPStudySpec, load_study
from tuner.system.closing import Closing
from tuner.system.interruption import Interruption
from tuner.workers import Event, Finished, Job, Pool, Progress, Worker

STUDY = """
[data]
source = "digits"
[objective]
metric = "val_loss"
epochs = 10
[study]
pruner = "{pruner}"
"""


class Simulated(Closing):
    """Workers that train nothing: one epoch of every job is done whenever someone asks.

    The loss falls with the epochs, and depends on depth, width and rate, so that pruner and sampler
    have something to tell apart.
    """

    is_complete = True

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._jobs: deque[tuple[Job, int]] = deque()
        self._cancelled: set[int] = set()

    def submit(self, job: Job) -> None:
        """Keeps a job."""
        self._jobs.append((job, 1))

    def cancel(self, job: int) -> None:
        """Forgets a job."""
        self._cancelled.add(job)

    def events(self, timeout: float) -> list[Event]:
        """Returns an epoch of each job."""
        events: list[Event] = []
        for _ in range(len(self._jobs)):
            job, epoch = self._jobs.popleft()
            if job.id in self._cancelled:
                continue
            metrics = {"val_loss": loss(job, epoch)}
            events.append(Progress(job.id, epoch, metrics, shuffle=epoch - 1))
            if epoch == job.config.epochs:
                events.append(Finished(job.id, metrics, b"weights", 1))
            else:
                self._jobs.append((job, epoch + 1))
        return events

    def close(self) -> None:
        """Has nothing to give back."""


def loss(job: Job, epoch: int) -> float:
    """Makes up a loss."""
    config = job.config
    assert isinstance(config, MLPConfig)
    far = abs(config.depth - 2) + abs(config.width - 200) / 500 + abs(config.dropout - 0.1)
    noise = (job.seed * 7919 % 1000) / 5000
    return 0.1 + (0.2 * far + noise) * (1 + 2 / epoch)


class Clock(Closing, Observer):
    """Stands before workers and notes what the coordinator waits for, and when each trial ended.

    Attributes:
        ends: of the trials, in seconds from the beginning.
        waited: seconds in which the coordinator waited for events.
        epochs: that were done.
        seconds: in all.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.began = time.perf_counter()
        self.ends: list[float] = []
        self.waited = self.seconds = 0.0
        self.epochs = 0

    @property
    def capacity(self) -> int:
        """Jobs that the workers take at once."""
        return self._worker.capacity

    def submit(self, job: Job) -> None:
        """Passes a job on."""
        self._worker.submit(job)

    @property
    def is_complete(self) -> bool:
        """Whether all workers have started."""
        return self._worker.is_complete

    def cancel(self, job: int) -> None:
        """Passes a job's end on."""
        self._worker.cancel(job)

    def events(self, timeout: float) -> list[Event]:
        """Waits for what the workers say."""
        begin = time.perf_counter()
        events = self._worker.events(timeout)
        self.waited += time.perf_counter() - begin
        self.epochs += sum(isinstance(event, Progress) for event in events)
        return events

    def close(self) -> None:
        """Leaves the workers to who made them."""

    def ended(self, trial: Ended) -> None:
        """Notes the time."""
        self.ends.append(time.perf_counter() - self.began)


def search(study: str, trials: int, employ: Callable[[Dataset], Worker]) -> Clock:
    """Runs a search for `val_loss` in the current folder.

    Args:
        study: text of the study file.
        trials: to be finished.
        employ: makes the workers, which are waited for before the clock starts.
    """
    Path("studies").mkdir(exist_ok=True)
    path = Path("studies/scaling.toml")
    path.write_text(study)
    spec = load_study(path)
    assert isinstance(spec, MLPStudySpec) and spec.data.source is not None
    dataset = load(spec.data.source, Path())
    evaluation = full_evaluation(spec, dataset.facts)
    with (
        Interruption() as interruption,
        employ(dataset) as worker,
        StudyStore(
            spec, metric="val_loss", facts=dataset.facts, fingerprint=dataset.fingerprint, new=True
        ) as store,
    ):
        while isinstance(worker, Pool) and not worker.is_complete:
            worker.events(0.1)
        clock = Clock(worker)
        Coordinator(
            spec,
            BudgetSpec(trials=trials),
            evaluation,
            "val_loss",
            dataset.facts,
            dataset.classes,
            MLPSpace.of(spec, dataset.facts, evaluation.epochs),
            store,
            clock,
            clock,
            interruption,
            minutes=Minutes(None),
            limits=Limits(spec, dataset.facts),
        ).run()
        clock.seconds = time.perf_counter() - clock.began
    return clock


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--pruner", default="hyperband")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    marks = [n for n in (100, 250, 500, 1_000, 2_000, 5_000, 10_000) if n <= arguments.trials]
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNER_HOME"] = f"{folder}/runs"
        os.chdir(folder)
        study = STUDY.format(pruner=arguments.pruner)
        ends = search(study, arguments.trials, lambda _: Simulated(arguments.workers)).ends
    table = Table(
        "trials",
        "ms a trial, around there",
        "seconds in all",
        title=f"coordinator, {arguments.workers} simulated workers, {arguments.pruner}",
    )
    for n in marks:
        first = max(1, n - 100)
        around = (ends[n - 1] - ends[first - 1]) / (n - first)
        table.add_row(f"{n:,}", f"{1000 * around:.1f}", f"{ends[n - 1]:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
