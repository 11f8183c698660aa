"""The kinds of workers that tests try, and how to wait for what they do.

It loads no more than they need, for processes that are started for them.
"""

import time
from collections.abc import Callable
from functools import partial

import pytest

from tuner.data import Dataset
from tuner.network.config import MLPConfig
from tuner.workers import (
    Crew,
    Event,
    FleetCrew,
    Job,
    Pool,
    ProcessLauncher,
    Progress,
    RayLauncher,
    ThreadWorker,
    Worker,
)
from tuner.workers.process import LOAD_LIGHTNING

from . import crews

SHORT = MLPConfig(depth=1, width=4, batch_size=16, epochs=2)
LONG = SHORT.model_copy(update={"epochs": 10_000})
SECONDS = 60.0  # of silence that are borne


def fleet_here(dataset: Dataset, *, size: int = 1) -> Worker:
    return ThreadWorker(FleetCrew(dataset, 3, accelerator="cpu"), epoch_seconds=SECONDS)


def solo_here(dataset: Dataset, *, size: int = 1) -> Worker:
    from tuner.workers.solo import SoloCrew  # loads Lightning

    return ThreadWorker(SoloCrew(dataset), epoch_seconds=SECONDS)


def fleets_elsewhere(dataset: Dataset, *, size: int = 2) -> Pool:
    launcher = ProcessLauncher([partial(crews.fleet, 1, dataset)] * size)
    return Pool(launcher, epoch_seconds=SECONDS)


def solos_elsewhere(dataset: Dataset, *, size: int = 2) -> Pool:
    launcher = ProcessLauncher([partial(crews.solo, 1, dataset)] * size, load=LOAD_LIGHTNING)
    return Pool(launcher, epoch_seconds=SECONDS)


def on_ray(makes: list[Callable[[int], Crew]], size: int, seconds: float = SECONDS) -> Pool:
    """Starts actors on a cluster that all tests share, with places for more than one pool."""
    ray = pytest.importorskip("ray")
    if not ray.is_initialized():
        ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    return Pool(RayLauncher("ray", makes, size=size), epoch_seconds=seconds)


def fleets_on_ray(dataset: Dataset, *, size: int = 2) -> Pool:
    return on_ray([partial(crews.fleet, dataset=dataset)], size)


def ready(worker: Worker) -> Worker:
    """Waits until it takes jobs."""
    end = time.monotonic() + 300
    while not (worker.is_complete if isinstance(worker, Pool) else worker.capacity):
        assert time.monotonic() < end, "no worker has started"
        worker.events(0.1)
    return worker


def until(
    worker: Worker, enough: Callable[[list[Event]], bool], seconds: float = 300
) -> list[Event]:
    """Collects events until they are enough."""
    found: list[Event] = []
    end = time.monotonic() + seconds
    while not enough(found):
        assert time.monotonic() < end, f"only {found}"
        found += worker.events(0.05)
    return found


def ended(found: list[Event]) -> bool:
    return bool(found) and not isinstance(found[-1], Progress)


def jobs_of(count: int, epochs: int) -> list[Job]:
    config = SHORT.model_copy(update={"epochs": epochs})
    return [Job(number, config, seed=number, shuffle_seed=0) for number in range(count)]


def n_ended(found: list[Event]) -> int:
    return sum(not isinstance(event, Progress) for event in found)
