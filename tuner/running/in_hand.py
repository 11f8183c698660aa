"""The trainings that the worker has, and those that wait for a place there."""

from __future__ import annotations

from collections import deque

from ..workers import Job, Worker
from .under_way import UnderWay


class InHand:
    """Trials under way, found by their numbers and by the ids of their jobs.

    Args:
        worker: trains.

    Attributes:
        trials: under way, by number.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.trials: dict[int, UnderWay] = {}
        self._ways: dict[int, UnderWay] = {}  # the same, by job
        self._line: deque[Job] = deque()  # of them, for which there was no place yet
        #: Of each trial that was in hand: why it failed, or None.
        self._fates: dict[int, str | None] = {}

    @property
    def n_begun(self) -> int:
        """Jobs that the worker has."""
        return len(self._ways) - len(self._line)

    @property
    def n_at_work(self) -> int:
        """Trials of which the worker has a job."""
        waiting = {job.id for job in self._line}
        return len({way.trial.number for job, way in self._ways.items() if job not in waiting})

    @property
    def has_waiting(self) -> bool:
        """Whether a job waits for a place."""
        return bool(self._line)

    @property
    def had_any(self) -> bool:
        """Whether a trial was ever in hand."""
        return bool(self._fates)

    def add(self, way: UnderWay) -> None:
        """Puts a trial's jobs in line."""
        self.trials[way.trial.number] = way
        self._ways |= {job.id: way for job in way.jobs}
        self._line += way.jobs
        self._fates[way.trial.number] = None

    def begin_next(self) -> None:
        """Gives the worker the job that has waited longest."""
        self._worker.submit(self._line.popleft())

    def trial_of(self, job: int) -> UnderWay | None:
        """Returns the trial that a job is of, if that has not ended."""
        return self._ways.get(job)

    def ended(self, job: int) -> None:
        """Notes that a job ended by itself."""
        self._ways.pop(job, None)

    def cancel(self, way: UnderWay) -> None:
        """Ends what is left of a trial's trainings."""
        for job in way.jobs:
            if job in self._line:
                self._line.remove(job)
            elif job.id in self._ways:
                self._worker.cancel(job.id)
            self._ways.pop(job.id, None)
        self.trials.pop(way.trial.number, None)

    def failed(self, way: UnderWay, reason: str) -> None:
        """Notes why a trial failed."""
        self._fates[way.trial.number] = reason

    def failures_in_a_row(self) -> list[str]:
        """Returns the reasons of the last trials, by number, as far as they all failed.

        Failing is quick, so a trial under way breaks the row as soon as an epoch of it is done.
        """
        reasons: list[str] = []
        for number in sorted(self._fates, reverse=True):
            reason = self._fates[number]
            if reason is not None:
                reasons.append(reason)
            elif number not in self.trials or self.trials[number].view.epoch > 0:
                break
        return reasons[::-1]
