"""Hands networks over: the winner's, trained to the end, scored on the test rows, and kept."""

from __future__ import annotations

from ..data import Dataset
from ..network.config import MLPConfig
from ..results.files import ResultFiles
from ..results.winner import Confirmation, Refit
from ..running.progress import Observer
from ..storage import StudyStore
from ..training.scoring import Measured, measure, test_ensemble, test_mlp
from ..workers import rounded
from .last_training import LastTraining, Trained, is_same


class HandingOver:
    """Makes the networks of one study's winner.

    Args:
        last: trains them.
        files: of the study, with the networks that there are.
        store: of the study, which counts how often the test part is opened.
        dataset: with the test part.
        observer: is told what happens.
    """

    def __init__(
        self,
        last: LastTraining,
        files: ResultFiles,
        store: StudyStore,
        dataset: Dataset,
        observer: Observer,
    ) -> None:
        self._last, self._files, self._store = last, files, store
        self._dataset, self._observer = dataset, observer
        self._made: bytes | None = None

    def taken_over(self, stored: Confirmation, confirmation: Confirmation) -> Confirmation:
        """Returns a confirmation with the networks of an earlier one, if its winner is the same.

        As far as they are there.

        Args:
            stored: the earlier one.
            confirmation: without networks of its own.
        """
        refit = stored.refit
        if refit is None or stored.winning.config != confirmation.winning.config:
            return confirmation
        if self._files.networks(refit) is None:
            return confirmation
        return confirmation.model_copy(update={"refit": refit})

    def run(
        self,
        confirmation: Confirmation,
        stored: Confirmation | None,
        pace: float | None,
        end: float,
        *,
        is_open: bool,
    ) -> Confirmation:
        """Trains the winner on all rows but the test rows, as long as there is time for it.

        Once more where it was, if there is time for more networks, or longer ones, or if the study
        file wants fewer.

        Args:
            confirmation: that it won.
            stored: the last one that was kept before, if there is one.
            pace: seconds that a unit of work took in the search, if that is known.
            end: of the time, on the clock of `time.monotonic`.
            is_open: the test part was opened in this call, and counted.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            WorkerLostError: networks that are lost could not be trained again.
        """
        if not isinstance(confirmation.winning.config, MLPConfig):
            return confirmation
        before, n = confirmation.refit, self._last.n_wanted
        is_less = before is not None and len(before.seeds) > n
        kept = before.first(n) if before is not None and is_less else before
        trained = self._last.train(confirmation.winning, pace, end, self._observer, kept)
        if trained is None and before is not None and is_less:
            trained = self._last.first(before, self._files.networks(before))
        if trained is None:
            return confirmation
        self._made = trained.checkpoint
        known = None if stored is None else stored.refit
        if known is not None and is_same(trained, known):  # its scores are facts
            refit = known.model_copy(update={"failed": trained.failed})
            return confirmation.model_copy(update={"refit": refit})
        if confirmation.test_metric and not is_open:
            openings = self._store.open_test()
            confirmation = confirmation.model_copy(update={"test_openings": openings})
        refit = self._scored(trained, confirmation.test_metric)
        return confirmation.model_copy(update={"refit": refit})

    def network(self, refit: Refit) -> bytes:
        """Returns the checkpoint of networks; they are trained again if they are nowhere.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            WorkerLostError: they could not be trained again.
        """
        made, self._made = self._made, None
        return made or self._files.networks(refit) or self._last.again(refit)

    def _scored(self, trained: Trained, metric: str) -> Refit:
        """Scores networks on the test rows.

        Args:
            trained: the networks.
            metric: of the test rows; "" where those stay closed.
        """
        (seed, *others), networks = trained.seeds, trained.checkpoint
        test, ensemble_test, measured = None, None, Measured({})
        if metric:
            test = rounded(test_mlp(networks, self._dataset).scores).get(metric)
            if others:
                scored = test_ensemble(networks, self._dataset)
                ensemble_test = rounded(scored.scores).get(metric)
            measured = measure(networks, self._dataset)
        return Refit(
            config=trained.config,
            seed=seed,
            test=test,
            others=tuple(others),
            ensemble_test=ensemble_test,
            metrics=rounded(measured.metrics),
            confusion=measured.confusion,
            calibration=measured.calibration,
            agreement=measured.agreement,
            rows=trained.rows,
            failed=trained.failed,
        )
