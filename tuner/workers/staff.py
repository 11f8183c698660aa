"""How many workers there are, and what each of them takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from ..config import MLPConfig, Precision
from ..data import Dataset
from ..fleet import processes_at_once
from .base import Worker
from .crew import Crew
from .fleet import FleetCrew
from .processes import ProcessWorkers
from .solo import SoloCrew
from .thread import ThreadWorker


def fleets(
    dataset: Dataset,
    *,
    largest: MLPConfig,
    members: int | None = None,
    workers: int | None = None,
    precision: Precision = "32-true",
) -> Worker:
    """Makes workers that are fleets.

    Args:
        dataset: rows that all jobs train and are scored on.
        largest: of the configs that will come.
        members: that train at once, in all, at least `workers`; None is as many as keep the
            machine busy and find room in its memory.
        workers: how many; one works in this process, more in processes of their own. None is one
            for each core, or one in all where there is a GPU.
        precision: Lightning's word for the numbers that jobs train with.
    """
    n = workers or min(processes_at_once(), members or sys.maxsize)
    shares = [None] * n if members is None else [(members + i) // n for i in range(n)]
    return _employed(
        [
            partial(
                FleetCrew,
                dataset,
                share,
                largest=largest,
                precision=precision,
                hands=None if n == 1 else 1,
                n_crews=n,
            )
            for share in shares
        ]
    )


def solos(
    dataset: Dataset, *, workers: int | None = None, precision: Precision = "32-true"
) -> Worker:
    """Makes workers that train one job at a time with Lightning's Trainer.

    Args:
        dataset: rows that all jobs train and are scored on.
        workers: how many; one, which None is too, works in this process.
        precision: Lightning's word for the numbers that jobs train with.
    """
    return _employed([partial(SoloCrew, dataset, precision=precision)] * (workers or 1))


def _employed(makes: Sequence[Callable[[], Crew]]) -> Worker:
    return ThreadWorker(makes[0]()) if len(makes) == 1 else ProcessWorkers(makes)
