"""What becomes of a trial: its scores and its end are kept in store and files, and told."""

from __future__ import annotations

import time

from ..results.files import ResultFiles
from ..storage import (
    CONFIG,
    DECLINED,
    EPOCH_SECONDS,
    FOLD_SCORES,
    INTERRUPTED,
    LOSSES,
    N_PARAMETERS,
    RETRY_OF,
    StudyStore,
)
from ..workers import Progress
from .allowance import Allowance
from .in_hand import InHand
from .progress import Ended, Observer
from .standing import Standing
from .under_way import UnderWay

#: Attributes of a trial that a metric of the same name must not overwrite.
_ATTRIBUTES = (
    CONFIG,
    DECLINED,
    EPOCH_SECONDS,
    FOLD_SCORES,
    INTERRUPTED,
    LOSSES,
    N_PARAMETERS,
    RETRY_OF,
    "reason",
    "traceback",
)


class Outcomes:
    """Keeps what trials of one study come to.

    Args:
        metric: what is optimized.
        folds: trainings of a trial.
        store: of the study.
        files: of its results.
        standing: the trials that ended.
        in_hand: those that began.
        allowance: of the search.
        observer: is told.
    """

    def __init__(
        self,
        metric: str,
        folds: int,
        store: StudyStore,
        files: ResultFiles,
        standing: Standing,
        in_hand: InHand,
        allowance: Allowance,
        observer: Observer,
    ) -> None:
        self._metric, self._folds = metric, folds
        self._store, self._files = store, files
        self._standing, self._in_hand, self._allowance = standing, in_hand, allowance
        self._observer = observer

    def progressed(self, way: UnderWay, event: Progress) -> None:
        """Keeps and tells the scores of epochs that all trainings of a trial have behind them.

        Raises:
            StoreLostError: the store cannot be written any more.
        """
        before = way.first_shuffle
        for done in way.progressed(event, self._metric):
            epoch, score = done.trial.epoch, done.metrics[self._metric]
            # The last epoch ends in a Finished: there is nothing left to prune.
            ends = self._store.report(way.trial, epoch, score) and epoch < way.view.config.epochs
            self._observer.epoch(done)
            if ends:
                self.cut(way, "pruned", f"pruned after epoch {epoch}")
                return
        if way.first_shuffle != before:
            self._store.annotate(way.trial, first_shuffle=way.first_shuffle)

    def complete(self, way: UnderWay) -> None:
        """Keeps a trial whose trainings have all ended, and its network if it is the best now.

        The observer is not told yet: `tell` does.

        Raises:
            StoreLostError: the store cannot be written any more.
        """
        metrics, number = way.metrics, way.trial.number
        value, network = metrics[self._metric], way.network(self._metric)
        taken = {self._metric, *_ATTRIBUTES, *way.trial.user_attrs}
        others = {name: figure for name, figure in metrics.items() if name not in taken}
        kept: dict[str, object] = {}
        if way.epoch_seconds is not None:
            kept[EPOCH_SECONDS] = way.epoch_seconds
        if self._folds > 1:
            kept[FOLD_SCORES] = way.fold_scores(self._metric)
        self._store.annotate(way.trial, n_parameters=network.n_parameters, **kept, **others)
        if self._standing.would_be_best(value):
            self._files.stage(number, network.checkpoint)
        self._store.complete(way.trial, value)
        for job in way.jobs:  # which have all ended
            self._in_hand.ended(job.id)
        self._allowance.minutes.completed(time.monotonic() - way.began, way.work)
        self._count(way)
        if self._standing.best is not None and self._standing.best.trial == number:
            self._files.promote(self._standing.best)
        else:  # as good as the best, which came before
            self._files.unstage(number)

    def cut(self, way: UnderWay, state: str, reason: str, traceback: str = "") -> None:
        """Ends a trial before its last epoch, and tells it.

        Args:
            way: the trial.
            state: "pruned" or "failed".
            reason: why.
            traceback: of what it failed with.

        Raises:
            StoreLostError: the store cannot be written any more.
        """
        if state == "pruned":
            self._store.prune(way.trial, reason)
        else:
            self._store.fail(way.trial, reason, traceback)
        self._count(way)
        self.tell(way, state, reason)

    def tell(self, way: UnderWay, state: str, reason: str = "") -> None:
        """Tells the observer of an end, last of all: it may end the search."""
        best = self._standing.best
        is_best = best is not None and best.trial == way.trial.number
        self._observer.ended(Ended(way.view, state, reason, is_best))

    def _count(self, way: UnderWay) -> None:
        self._in_hand.cancel(way)
        self._allowance.ran += 1
        self._store.spend(self._allowance.minutes.spent)
        self._standing.recount()
        self._store.note_finished(self._standing.counts.finished)
