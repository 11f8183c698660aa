"""Confirms the best configs of a search again, with the presets among them as candidates.

They are trained over fresh seeds and cuts, one is picked, scored on the test rows, and trained once
more, to be handed over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from ..data import Dataset
from ..network.config import Config, DataFacts
from ..results.arms import Arm
from ..results.choice import choose
from ..results.files import ResultFiles
from ..results.winner import Confirmation
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..running.trainings import seeds
from ..storage import StudyStore
from ..study import StudySpec
from ..training.modules import ModuleTraining
from .halving import Halving
from .handing_over import HandingOver
from .held_out import HeldOut
from .last_training import LastTraining

#: Metrics that look at each class.
_OF_EACH_CLASS = ("val_balanced_accuracy", "val_f1", "val_roc_auc")


def shared_by_folds(overlap: float, n: int) -> float:
    """Returns what n folds share of the rows, as `choose` takes the overlap of drawn cuts.

    Scores of folds vary as those of other rows do. With more of them than there are parts of the
    rows, rows are validated on again: the error is that of as many folds as there are parts.

    Args:
        overlap: validation rows over training rows of each, above 0.
        n: folds, at least 1.
    """
    n_parts = max(2, round((1 + overlap) / overlap))
    return max(0.0, 1 / n_parts - 1 / n)


class Confirmer:
    """Confirms one study.

    Args:
        spec: the study file.
        metric: that it optimizes.
        store: of the study, owned.
        repeats: of the study.
        presets: that are trained beside them, by name.
        allowed: whether the study file allows each of them; others are compared and cannot win.
        confirmed: makes the config that a trial's parameters mean in a confirmation.
        handed_over: makes the config of an arm's training to the end; None epochs are all of them.
        folds: cuts that each trial was validated on.
        dataset: with the test part; None where a LightningDataModule of the user's brings it.
        facts: sizes of what its trainings see of the data, if they are known.
        training: how modules of the user's are trained, if they are.
        identity: all besides configs and seeds that scores follow from, as a hash.
        observer: is told what happens.
    """

    def __init__(
        self,
        spec: StudySpec,
        metric: str,
        store: StudyStore,
        repeats: Repeats,
        presets: Mapping[str, Config],
        allowed: Mapping[str, bool],
        confirmed: Callable[[FrozenTrial], Config],
        handed_over: Callable[..., Config],
        folds: int,
        dataset: Dataset | None,
        facts: DataFacts | None,
        training: ModuleTraining | None,
        identity: str,
        observer: Observer,
    ) -> None:
        self._store, self._repeats, self._observer = store, repeats, observer
        self._identity = identity
        self._metric, self._direction = metric, spec.direction(metric)
        self._seeds = repeats.confirming[: spec.confirm.seeds]
        self._select = spec.confirm.select
        last: LastTraining | None = None
        self._handing_over: HandingOver | None = None
        if spec.confirm.refit and dataset is not None:
            own = seeds(spec.study.seed, "ensemble", spec.confirm.members - 1)
            last = LastTraining(
                repeats, store.trials, handed_over, dataset, facts, (*self._seeds[:1], *own)
            )
            files = ResultFiles(spec.name)
            self._handing_over = HandingOver(last, files, store, dataset, observer)
        self._halving = Halving(
            spec.confirm,
            metric,
            self._direction,
            self._seeds,
            store.trials,
            presets,
            allowed,
            confirmed,
            repeats,
            last,
            facts,
            observer,
        )
        self._folds, self._dataset = folds, dataset
        self._held_out = HeldOut(metric, self._seeds, repeats, store, dataset, training, observer)

    def needs(self, seconds: float, pace: float | None) -> float:
        """Returns the seconds that a confirmation of what was found so far needs.

        Args:
            seconds: that it may take; the least that is worth it takes what it takes.
            pace: seconds that a unit of work took in the search, if that is known.
        """
        return self._halving.needs(seconds, pace)

    def run(self, seconds: float | None = None, pace: float | None = None) -> Confirmation | None:
        """Confirms the best configs as far as there is time; what ended before is not run again.

        Args:
            seconds: that there are, if they are limited.
            pace: seconds that a unit of work took in the search, if that is known.

        Returns:
            None if no trial is complete, if no config was trained over two seeds in time, or if
            all their trainings failed.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the store or the disk is gone.
            WorkerLostError: a network that the test rows need could not be trained again.
        """
        began = time.monotonic()
        if self._store.best() is None:
            return None
        end = math.inf if seconds is None else began + seconds
        arms = self._halving.run(end, pace)
        confirmation = self._compared(arms, time.monotonic() - began)
        if confirmation is None:
            return self._known
        before = self._as_before(confirmation)
        stored, openings = self._stored if before is None else before, self._store.test_openings
        if before is None:
            confirmation = self._held_out.tested(confirmation, stored)
            if self._handing_over is not None and stored is not None:
                confirmation = self._handing_over.taken_over(stored, confirmation)
            # A cut of what follows loses nothing.
            self._store.keep_confirmation(confirmation.model_dump_json())
        else:
            confirmation = before
        if self._handing_over is None:
            return confirmation
        is_open = self._store.test_openings > openings
        found = self._handing_over.run(confirmation, stored, pace, end, is_open=is_open)
        if found is not confirmation:
            self._store.keep_confirmation(found.model_dump_json())
        return found

    def _compared(self, arms: Sequence[Arm], seconds: float) -> Confirmation | None:
        """Picks the winner, if there is one."""
        overlap, searched = self._overlap, self._searched
        shared = overlap
        if overlap and self._repeats.cut(self._seeds[0]).fold is not None:
            n = max((len(arm.scores) for arm in arms if arm.is_allowed), default=0)
            shared = shared_by_folds(overlap, max(1, n))
        winner = choose(arms, self._direction, self._select, overlap=shared, searched=searched)
        best = self._store.best()
        if winner is None or best is None:
            return None
        ranked = sorted(arms, key=lambda arm: (-len(arm.scores), self._halving.ranking.rank(arm)))
        return Confirmation(
            metric=self._metric,
            direction=self._direction,
            seeds=self._seeds[: len(winner.scores)],
            arms=tuple(ranked),
            winner=winner.name,
            search_best=best.number,
            seconds=seconds,
            select=self._select,
            overlap=overlap,
            n_rows=math.ceil(self._seen * self._n_rows),
            rows=self._repeats.rows,
            identity=self._identity,
        )

    @property
    def _overlap(self) -> float:
        """Validation rows over training rows of each cut, as far as that is known."""
        if self._dataset is None:
            return 0.0
        return len(self._dataset.validation) / len(self._dataset.train)

    @property
    def _n_rows(self) -> int:
        """Rows that a share is known from, of those that cuts are of; 0 where that is not known.

        Of a metric that looks at each class they are as many as the rarest has.
        """
        if self._dataset is None:
            return 0
        n_classes = len(self._dataset.classes)
        if self._metric not in _OF_EACH_CLASS:
            return len(self._dataset.known)
        return int(np.bincount(self._dataset.known.y, minlength=n_classes).min())

    @property
    def _searched(self) -> float:
        """Share of the rows that trials were validated on, as far as that is known."""
        if self._dataset is None:
            return 1.0
        n, n_train = len(self._dataset.validation), len(self._dataset.train)
        return min(1.0, self._seen * self._folds * n / (n + n_train))

    @property
    def _seen(self) -> float:
        """Share of the rows that a trial and a training of the confirmation see."""
        rows = self._repeats.rows
        return (
            1.0 if rows is None or self._dataset is None else rows / len(self._dataset.train_rows)
        )

    def network(self, confirmation: Confirmation, seed: int) -> bytes:
        """Returns the checkpoint of the winner for a seed; it is trained again if it is gone.

        It is the one that was trained on all rows but the test rows, if there is one.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            StoreLostError: the disk is full or gone.
            WorkerLostError: it could not be trained again.
        """
        config = confirmation.winning.config
        if confirmation.refit is not None:
            assert self._handing_over is not None
            return self._handing_over.network(confirmation.refit)
        self._repeats.run([(config, seed)], networks="need", observer=self._observer)
        return self._repeats.network(config, seed)

    # What was confirmed before

    @property
    def _known(self) -> Confirmation | None:
        """The stored confirmation, if it is of the best that there still is."""
        stored, best = self._stored, self._store.best()
        is_current = stored is not None and best is not None and stored.search_best == best.number
        return stored if is_current else None

    @property
    def _stored(self) -> Confirmation | None:
        """The stored confirmation, if its scores follow from what those of today do.

        One of an earlier version, which did not keep that, is completed; a last training is left
        out where the study file wants none any more.
        """
        stored, update = Confirmation.kept(self._store.confirmation), dict[str, object]()
        if stored is None:
            return None
        if stored.identity != self._identity:
            if stored.identity or not self._store.goes_on:
                return None
            update |= {
                "identity": self._identity,
                "overlap": self._overlap,
                "n_rows": self._n_rows,
            }
        if stored.refit is not None and self._handing_over is None:
            update["refit"] = None
        if not update:
            return stored
        completed = stored.model_copy(update=update)
        self._store.keep_confirmation(completed.model_dump_json())
        return completed

    def _as_before(self, confirmation: Confirmation) -> Confirmation | None:
        """Returns the stored confirmation if this one says the same but for tests and time.

        Or less: with less time left, it may have been planned over fewer seeds than are known, and
        have compared nothing else over them.
        """
        stored = self._known
        if stored is None:
            return None
        n = len(confirmation.seeds)
        if len(stored.seeds) > n and stored.seeds[:n] == confirmation.seeds:
            known = {arm.config.to_json() for arm in stored.arms}
            lasted = {arm.config.to_json() for arm in confirmation.arms if len(arm.scores) == n}
            return stored if stored.select == confirmation.select and lasted <= known else None
        nothing = {"tests": (), "rows_error": None}
        untested = tuple(arm.model_copy(update=nothing) for arm in stored.arms)
        is_same = (stored.seeds, untested) == (confirmation.seeds, confirmation.arms)
        return stored if is_same and stored.winner == confirmation.winner else None
