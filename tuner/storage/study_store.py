"""One study, owned by one process: all that is written into the store is written here.

`StudyStore` is what the coordinator holds. Errors of Optuna and SQLAlchemy come out of it as
ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..errors import StoreLostError
from ..network.config import DataFacts
from ..study import Pruner, StudySpec
from .kept import Kept
from .location import Location, locate
from .pruners import make_pruner
from .reading import (
    CONFIG,
    DECLINED,
    INTERRUPTED,
    LOSSES,
    RETRY_OF,
    SOURCE,
    best_trial,
    translated,
)
from .taking import take

#: Workers lost with a trial, each alone with it, after which it has failed.
_LOSSES = 2
#: Why a trial was cut when the time of a search was over: it need not run again within that time.
TIME_OVER = "the search ended"
#: Attributes of a study that hold what optuna-dashboard shows as its note.
_NOTE = "dashboard:note_str:"


class StudyStore(Kept):
    """One study, owned: the coordinator asks, reports and tells through it alone.

    Attributes:
        study: of Optuna.
        untold: what a store that went away has yet to hear.
        is_beside: it went away, and what is told goes there.
        identity: what its trials are made with.
        goes_on: trials had finished before it was opened, which are made with the same.

    Args:
        spec: the study file.
        metric: what is optimized.
        facts: sizes of the data, if they are known.
        fingerprint: of the data, so that other data are noticed; "" if they are not known.
        new: put an earlier study of this name aside and begin anew.
        location: of the store of all studies; None is where `locate` finds it.
        is_cut: says that no more time is to be lost, as after a signal.

    Raises:
        StudyOwnedError: another process is tuning the study.
        ChangedStudyError: its stored trials were made with another file or other data.
        StoreUnreadableError: the store cannot be read.
    """

    def __init__(
        self,
        spec: StudySpec,
        *,
        metric: str,
        facts: DataFacts | None,
        fingerprint: str,
        new: bool = False,
        location: Location | None = None,
        is_cut: Callable[[], bool] = lambda: False,
    ) -> None:
        taken = take(
            spec,
            metric=metric,
            facts=facts,
            fingerprint=fingerprint,
            new=new,
            location=location or locate(),
            is_cut=is_cut,
        )
        self.study, self.identity, self.goes_on = taken.study, taken.identity, taken.goes_on
        self.untold, self.is_beside = taken.untold, False
        self._spec, self._location, self._storage = spec, taken.location, taken.storage
        self._ledger, self._reserve, self._resources = taken.ledger, taken.reserve, taken.resources
        self._loading: Thread | None = None  # of what writes the note
        self._is_described = False

    def close(self) -> None:
        """Writes what is left, and gives the study back.

        Raises:
            StoreLostError: it cannot be written.
        """
        with self._resources, translated(self._location, StoreLostError, "writing the study"):
            if self.is_beside:
                self._keep_untold()
            self._storage.remove_session()

    def _keep_untold(self) -> None:
        left = self._storage.left()
        try:
            self.untold.keep(*left)
        except StoreLostError:  # the disk is full
            self._reserve.release()
            self.untold.keep(*left)

    @property
    def has_known_tables(self) -> bool:
        """Whether many rows of it are written at once; else each by Optuna's own storage."""
        with translated(self._location, StoreLostError, "reading the study"):
            return self._storage.has_known_tables

    def describe(self, *, waits: bool = False) -> None:
        """Has the dashboard show the study file, once what writes it is loaded.

        That takes a second, in a thread: no one is to wait for it while workers train.

        Args:
            waits: until then; else it is to be called again.
        """
        if self._is_described:
            return
        if self._loading is None:
            self._loading = Thread(target=import_module, args=("optuna_dashboard",), daemon=True)
            self._loading.start()
        if waits:
            self._loading.join()
        if self._loading.is_alive():
            return
        self._is_described = True
        from optuna_dashboard import save_note

        spec = self._spec
        with translated(self._location, StoreLostError, "writing the study"):
            known = self._storage.get_study_system_attrs(self.study._study_id)
            if not any(key.startswith(_NOTE) for key in known):
                save_note(self.study, f"`{spec.path.name}`\n\n```toml\n{spec.text}\n```\n")

    def note_finished(self, finished: int) -> None:
        """Has the study's folder know how many trials have finished.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        if not self.is_beside:  # what is told later is not there yet
            self._ledger.keep(finished, self.study._study_id)

    def go_on_beside(self, error: Exception) -> None:
        """Keeps what is still told in a file, from which the next process tells it to the store.

        Args:
            error: why the store is given up.
        """
        self.is_beside = True
        self._storage.go_on_beside(error)

    def prune_by(self, pruner: Pruner, epochs: int) -> None:
        """Decides who ends trials early, which are of so many epochs."""
        sizes = self._spec.objective.finds_sizes
        self.study.pruner = make_pruner(pruner, epochs, of_each_size=sizes)

    def trials(self) -> list[FrozenTrial]:
        """Returns all trials, in their order; not to be changed."""
        with translated(self._location, StoreLostError, "reading the trials"):
            return self.study.get_trials(deepcopy=False)

    def best(self) -> FrozenTrial | None:
        """Returns the best complete trial, the first of equals."""
        with translated(self._location, StoreLostError, "reading the trials"):
            return best_trial(self.study)

    def enqueue(self, params: dict[str, Any], source: str) -> None:
        """Has these parameters tried next, unless they, or this source, were tried or wait."""
        with translated(self._location, StoreLostError, "adding a trial"):
            known = self.trials()
            if any(trial.user_attrs.get(SOURCE) == source for trial in known):
                return
            # Optuna's own `skip_if_exists` says so on the terminal.
            if all(_params_to_repeat(trial) != params for trial in known):
                self.study.enqueue_trial(params, user_attrs={SOURCE: source})

    def is_owed(self, trial: optuna.Trial | FrozenTrial) -> bool:
        """Says whether a trial repeats one that was cut, and not by the end of the time."""
        number = trial.user_attrs.get(RETRY_OF)
        return number is not None and self.trials()[number].user_attrs.get("reason") != TIME_OVER

    @property
    def owes(self) -> bool:
        """Whether such a trial waits."""
        return bool(self._owed())

    @property
    def has_waiting(self) -> bool:
        """Whether a trial waits to begin."""
        return bool(self._waiting())

    def _owed(self) -> list[FrozenTrial]:
        return [trial for trial in self._waiting() if self.is_owed(trial)]

    def _waiting(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials() if trial.state == TrialState.WAITING]

    @contextmanager
    def drawing_at_random(self) -> Iterator[None]:
        """Has trials drawn at random meanwhile, each in its own way."""
        usual = self.study.sampler
        self.study.sampler = optuna.samplers.RandomSampler(
            seed=(self._spec.study.seed + len(self.trials())) % 2**32
        )
        try:
            yield
        finally:
            self.study.sampler = usual

    def recover(self) -> int:
        """Ends what a process that is gone left running, to be run again; returns how many."""
        left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
        for trial in left:
            if DECLINED in trial.user_attrs:
                with translated(self._location, StoreLostError, "ending a trial"):
                    self.study.tell(trial.number, state=TrialState.PRUNED)
            else:
                self.interrupt(trial, "the process was gone")
        return len(left)

    def ask(self) -> optuna.Trial:
        """Begins the next trial: one that is owed, else one that waits, else one that is drawn."""
        with translated(self._location, StoreLostError, "beginning a trial"):
            for trial in self._owed():
                if self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    return optuna.Trial(self.study, trial._trial_id)
            return self.study.ask()

    def annotate(self, trial: optuna.Trial, /, **attributes: Any) -> None:
        """Keeps attributes with a trial that is under way."""
        with translated(self._location, StoreLostError, "annotating a trial"):
            for name, value in attributes.items():
                trial.set_user_attr(name, value)

    def report(self, trial: optuna.Trial, epoch: int, value: float) -> bool:
        """Keeps the value after an epoch, and says whether the trial is to be pruned."""
        with translated(self._location, StoreLostError, "reporting a value"):
            trial.report(value, epoch)
            return trial.should_prune()

    def complete(self, trial: optuna.Trial, value: float) -> None:
        """Ends a trial with its value."""
        with translated(self._location, StoreLostError, "ending a trial"):
            self.study.tell(trial, value)

    def prune(self, trial: optuna.Trial, reason: str) -> None:
        """Ends a trial before its last epoch, and keeps why."""
        self.annotate(trial, reason=reason)
        with translated(self._location, StoreLostError, "ending a trial"):
            self.study.tell(trial, state=TrialState.PRUNED)

    def decline(self, trial: optuna.Trial, reason: str) -> None:
        """Ends a trial that is not begun, and keeps why; it counts against no budget.

        TPE takes it as one of the worst, and so draws fewer like it; other samplers do not see it.
        """
        self.annotate(trial, **{DECLINED: True})
        self.prune(trial, reason)

    def fail(self, trial: optuna.Trial, reason: str, traceback: str) -> None:
        """Ends a trial that raised an error, and keeps which and where."""
        self.annotate(trial, reason=reason, traceback=traceback)
        with translated(self._location, StoreLostError, "ending a trial"):
            self.study.tell(trial, state=TrialState.FAIL)

    def interrupt(
        self, trial: optuna.Trial | FrozenTrial, reason: str, *, is_loss: bool = False
    ) -> None:
        """Ends a trial that was cut, and has the same one run again, with the same seeds.

        The copy is enqueued before the trial is told, and once only, so that a crash in
        between neither loses nor doubles it.

        Args:
            trial: that is under way.
            reason: why it was cut.
            is_loss: it took its worker with it. The second time it has failed.
        """
        with translated(self._location, StoreLostError, "ending a trial"):
            retries = {other.user_attrs.get(RETRY_OF) for other in self.trials()}
            trial_id = trial._trial_id
            cut = self._storage.get_trial(trial_id)
            losses = cut.user_attrs.get(LOSSES, 0) + is_loss
            if losses >= _LOSSES:
                self._storage.set_trial_user_attr(trial_id, "reason", reason)
                self.study.tell(cut.number, state=TrialState.FAIL)
                return
            params = _params_to_repeat(cut)
            if params is not None and cut.number not in retries:
                kept: dict[str, Any] = {RETRY_OF: cut.number}
                if losses:
                    kept[LOSSES] = losses
                for name in ("seed", SOURCE):
                    if name in cut.user_attrs:
                        kept[name] = cut.user_attrs[name]
                self.study.enqueue_trial(params, user_attrs=kept)
            self._storage.set_trial_user_attr(trial_id, "reason", reason)
            self._storage.set_trial_user_attr(trial_id, INTERRUPTED, True)
            self.study.tell(cut.number, state=TrialState.FAIL)


def _params_to_repeat(trial: FrozenTrial) -> dict[str, Any] | None:
    """Returns all parameters of a trial that was cut; None if it was cut while they were drawn.

    A point that was enqueued has them from the start.
    """
    if CONFIG in trial.user_attrs:
        return trial.params
    enqueued: dict[str, Any] | None = trial.system_attrs.get("fixed_params")
    return enqueued
