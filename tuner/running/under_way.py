"""A trial that workers have: a training for each fold, told as one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, median, median_low

import optuna

from ..data import Cut
from ..network.config import Config
from ..workers import Finished, Job, Progress, rounded
from .progress import Epoch, Running


class UnderWay:
    """One trial, trained over its folds side by side; its metrics are their means.

    Args:
        trial: of Optuna.
        source: where its parameters come from.
        config: the network and its training.
        seed: of the initial weights.
        shuffle_seed: of the order of the rows.
        cuts: of the rows, one for each fold; None takes the parts of the data as they are.
        work: of all its epochs and folds (`heuristics.work`); 0 if that is not known.

    Attributes:
        jobs: one for each fold, in their order.
        view: what others see of it.
        first_shuffle: number of the shuffle of its first epoch; 0 of folds.
    """

    def __init__(
        self,
        trial: optuna.Trial,
        source: str,
        config: Config,
        *,
        seed: int,
        shuffle_seed: int,
        cuts: Sequence[Cut | None],
        work: float = 0.0,
    ) -> None:
        self.trial, self.began, self.work = trial, time.monotonic(), work
        self.view = Running(trial.number, source, config)
        self.jobs = tuple(
            Job(trial.number * len(cuts) + fold, config, seed, shuffle_seed, cut)
            for fold, cut in enumerate(cuts)
        )
        self.first_shuffle: int | None = None
        self._epochs: dict[int, dict[int, Mapping[str, float]]] = {job.id: {} for job in self.jobs}
        self._ends: dict[int, list[float]] = {job.id: [] for job in self.jobs}
        self._finished: dict[int, Finished] = {}

    def progressed(self, event: Progress, metric: str) -> Iterator[Epoch]:
        """Takes what a fold says of an epoch; gives the epochs that all folds have now.

        Args:
            event: of one of the jobs.
            metric: the score is the mean of this one.
        """
        first = event.shuffle - event.epoch + 1
        if first != self.first_shuffle or event.epoch == 1:  # it began, or began anew
            self.first_shuffle = first
            self._ends[event.job].clear()
        self._ends[event.job].append(time.monotonic())
        self._epochs[event.job][event.epoch] = event.metrics
        common = set.intersection(*(set(epochs) for epochs in self._epochs.values()))
        for epoch in sorted(epoch for epoch in common if epoch > self.view.epoch):
            metrics = self._mean([epochs[epoch] for epochs in self._epochs.values()])
            self.view = replace(self.view, epoch=epoch, score=metrics[metric])
            yield Epoch(self.view, metrics)

    def finished(self, event: Finished) -> bool:
        """Takes the end of a fold; says whether all of them have ended."""
        self._finished[event.job] = event
        return len(self._finished) == len(self.jobs)

    @property
    def metrics(self) -> Mapping[str, float]:
        """Means of the folds that ended."""
        return self._mean([end.metrics for end in self._finished.values()])

    def fold_scores(self, metric: str) -> list[float]:
        """Returns the score of each fold, in their order."""
        return [self._finished[job.id].metrics[metric] for job in self.jobs]

    def network(self, metric: str) -> Finished:
        """Returns the end of the fold with the median score, whose network stands for the trial."""
        scores = self.fold_scores(metric)
        return self._finished[self.jobs[scores.index(median_low(scores))].id]

    @property
    def epoch_seconds(self) -> float | None:
        """How long an epoch took among others, the first left out, in the median; if known."""
        # The first one may have waited for workers to start.
        spans = [end - begin for ends in self._ends.values() for begin, end in pairwise(ends)]
        return round(median(spans), 4) if spans else None

    @staticmethod
    def _mean(folds: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        if len(folds) == 1:
            return folds[0]
        names = [name for name in folds[0] if all(name in fold for fold in folds)]
        return rounded({name: fmean(fold[name] for fold in folds) for name in names})
