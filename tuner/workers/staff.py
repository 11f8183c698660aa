"""How many workers there are, and what each of them takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from ..config import MLPConfig, Precision
from ..data import Dataset
from ..fleet import cores, processes_at_once
from ..solo import ModuleTraining
from .base import Worker
from .crew import Crew
from .fleet import FleetCrew
from .processes import ProcessWorkers
from .solo import SoloCrew
from .thread import ThreadWorker


def fleets_at_once(members: int | None) -> int:
    """Returns how many fleets train side by side where no one says: one a core, or one on a GPU.

    Args:
        members: that train at once, in all, if that is said.
    """
    return min(processes_at_once(), members or sys.maxsize)


def fleets(
    dataset: Dataset,
    *,
    workers: int,
    largest: MLPConfig,
    members: int | None = None,
    precision: Precision = "32-true",
) -> Worker:
    """Makes workers that are fleets.

    Args:
        dataset: rows that all jobs train and are scored on.
        workers: how many; one works in this process, more in processes of their own.
        largest: of the configs that will come.
        members: that train at once, in all, at least `workers`; None is as many as keep the
            machine busy and find room in its memory.
        precision: Lightning's word for the numbers that jobs train with.
    """
    shares = [None if members is None else (members + i) // workers for i in range(workers)]
    return _employed(
        [
            partial(
                FleetCrew,
                dataset,
                share,
                largest=largest,
                precision=precision,
                hands=None if workers == 1 else _cores_each(workers),
                n_crews=workers,
            )
            for share in shares
        ]
    )


def solos(
    dataset: Dataset | None,
    *,
    workers: int,
    precision: Precision = "32-true",
    training: ModuleTraining | None = None,
) -> Worker:
    """Makes workers that train one job at a time with Lightning's Trainer.

    Args:
        dataset: rows that all jobs train and are scored on; None if the jobs bring theirs.
        workers: how many; one works in this process, more in processes of their own.
        precision: Lightning's word for the numbers that MLPs train with.
        training: how modules of the user's are trained, if those will come.
    """
    make = partial(SoloCrew, dataset, precision=precision, training=training)
    return _employed([make] * workers)


def _employed(makes: Sequence[Callable[[], Crew]]) -> Worker:
    if len(makes) == 1:
        return ThreadWorker(makes[0]())
    return ProcessWorkers(makes, threads=_cores_each(len(makes)))


def _cores_each(workers: int) -> int:
    return max(1, cores() // workers)
