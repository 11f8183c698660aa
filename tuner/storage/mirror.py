"""A store's trials in memory, for the one process that writes them.

Optuna reads a trial back from its store at every step: each epoch of a trial cost 5 ms of queries,
in which a fleet waited for its answer. Where one process alone writes a study, what it wrote is
what there is, so all reads of trials come from memory, and a thread writes behind.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from . import tables
from .patience import Patience
from .tables import End, Row

T = TypeVar("T")


class MirroredStorage(BaseStorage):
    """Optuna's storage interface in front of a store whose trials no one else writes.

    When a trial begins or ends, its state and all that was written before are in the store once
    the call returns. Everything else follows within moments, in order; after an error in it nothing
    more is written, and each later call that writes raises it. Only what was said of trials under
    way can be lost with the process, and those run again.

    A store that goes away is waited for. What was under way then is done again only where the store
    does not have it. When `patience` ends, its error is raised; then `go_on_beside` keeps what is
    still said, for `left`.

    Args:
        disk: the store. Other processes may read it, and write other studies.
        patience: with a store that cannot be reached.
    """

    def __init__(self, disk: RDBStorage, patience: Patience | None = None) -> None:
        self._disk, self._patience = disk, patience or Patience()
        self._trials: dict[int, dict[int, FrozenTrial]] = {}  # of each study, by number
        self._places: dict[int, tuple[int, int]] = {}  # study and number of each trial id
        self._ids: dict[str, int] = {}  # of studies, by name
        self._directions: dict[int, list[StudyDirection]] = {}
        self._distributions: dict[tuple[int, str], BaseDistribution] = {}
        self._lock = threading.RLock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="tuner-store")
        self._rows: list[Row] = []  # to be written
        self._rows_lock = threading.Lock()
        self._error: BaseException | None = None  # of a write behind: none comes after it
        self._is_beside = False
        self._left: list[Row] = []
        self._ends: list[End] = []

    def __reduce__(self) -> tuple[Any, ...]:
        self.flush()
        return type(self), (self._disk,)

    # Writing behind

    def _later(self, row: Row) -> None:
        if self._error is not None and not self._is_beside:
            raise self._error
        with self._rows_lock:
            self._rows.append(row)
            if len(self._rows) == 1:  # else a call that takes them all is on its way
                self._writer.submit(self._behind)

    def _behind(self) -> None:
        with self._rows_lock:
            found, self._rows = self._rows, []
        if not found:
            return
        if self._error is None:
            try:
                self._patience(lambda _: tables.write(self._disk, found))
                return
            except BaseException as error:
                self._error = error
        self._left += found

    def _now(self, act: Callable[[bool], T]) -> T:
        """Acts once all before is written; `act` is told whether it was tried before."""
        return self._writer.submit(self._after_all, act).result()

    def _after_all(self, act: Callable[[bool], T]) -> T:
        self._behind()
        if self._error is not None:
            raise self._error
        return self._patience(act)

    def flush(self) -> None:
        """Waits until everything is in the store; raises what went wrong there."""
        if not self._is_beside:
            self._now(lambda _: None)

    @property
    def has_known_tables(self) -> bool:
        """Whether many rows are written at once; else each by Optuna's own storage."""
        return self._now(lambda _: tables.fits(self._disk))

    def go_on_beside(self, error: Exception) -> None:
        """From now on keeps what is said in memory alone, but for new trials, which it refuses.

        Args:
            error: why the store is given up; it is not waited for again.
        """
        self._is_beside = True
        self._error = self._error or error

    def left(self) -> tuple[list[Row], list[End]]:
        """Returns what the store does not have: rows, and then ends of trials."""
        self._writer.submit(self._behind).result()
        return self._left, self._ends

    def remove_session(self) -> None:
        """Writes what is left, and closes the connections to the store."""
        try:
            self.flush()
        finally:
            self._writer.submit(self._disk.remove_session).result()
            self._disk.remove_session()

    # Studies: as the store has them

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Makes a study; returns its id."""
        with self._lock:
            if study_name is None:
                return self._now(lambda _: self._disk.create_new_study(directions))

            def create(is_again: bool) -> int:
                if is_again and study_name in optuna.get_all_study_names(storage=self._disk):
                    return self._disk.get_study_id_from_name(study_name)
                return self._disk.create_new_study(directions, study_name)

            return self._now(create)

    def delete_study(self, study_id: int) -> None:
        """Deletes a study."""
        with self._lock:
            self._now(lambda _: self._disk.delete_study(study_id))
            self._directions.pop(study_id, None)
            self._ids = {name: number for name, number in self._ids.items() if number != study_id}
            for trial in self._trials.pop(study_id, {}).values():
                del self._places[trial._trial_id]

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keeps a user attribute."""
        with self._lock:
            self.get_study_directions(study_id)  # raises what it should if there is none
            self._later(tables.study_attribute(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keeps an attribute of Optuna's."""
        with self._lock:
            self._now(lambda _: self._disk.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        """Returns the id of a study."""
        with self._lock:
            if study_name not in self._ids:
                self._ids[study_name] = self._now(
                    lambda _: self._disk.get_study_id_from_name(study_name)
                )
            return self._ids[study_name]

    def get_study_name_from_id(self, study_id: int) -> str:
        """Returns the name of a study."""
        return self._now(lambda _: self._disk.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Returns which way each objective is better."""
        if study_id not in self._directions:  # they never change
            self._directions[study_id] = self._now(
                lambda _: self._disk.get_study_directions(study_id)
            )
        return self._directions[study_id]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Returns the user attributes."""
        return self._now(lambda _: self._disk.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Returns Optuna's attributes."""
        return self._now(lambda _: self._disk.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[optuna.study._frozen.FrozenStudy]:
        """Returns all studies of the store."""
        return self._now(lambda _: self._disk.get_all_studies())

    # Trials: as memory has them

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begins a trial, or adds one; returns its id."""
        with self._lock:
            known = len(self._of(study_id))

            def create(is_again: bool) -> FrozenTrial:
                found = self._disk.get_all_trials(study_id)[known:] if is_again else []
                if found:  # it was made, and we were not told
                    return found[0]
                trial_id = self._disk.create_new_trial(study_id, template_trial)
                return self._disk.get_trial(trial_id) if template_trial else self._begun(trial_id)

            trial = self._now(create)
            if trial.number > len(self._of(study_id)):  # someone else added trials after all
                del self._trials[study_id]
            self._keep(study_id, trial)
            return trial._trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Keeps a parameter; its distribution must go with those of the trials before."""
        with self._lock:
            trial, study_id = self._updatable(trial_id)
            known = self._distributions.get((study_id, param_name))
            if known is not None:
                check_distribution_compatibility(known, distribution)
            trial.params = {
                **trial.params,
                param_name: distribution.to_external_repr(param_value_internal),
            }
            trial.distributions = {**trial.distributions, param_name: distribution}
            self._keep(study_id, trial)
            self._later(tables.parameter(trial_id, param_name, param_value_internal, distribution))

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Begins a waiting trial or ends one; says whether this call did it."""
        with self._lock:
            trial, study_id = self._updatable(trial_id)
            trial.state = state
            if values is not None:
                trial.values = list(values)
            if self._is_beside:
                trial.datetime_complete = datetime.now()
                self._ends.append(End(trial_id, state, trial.values))
                self._keep(study_id, trial)
                return True

            def change(is_again: bool) -> bool:
                if is_again and tables.read(self._disk, trial_id).state == state:
                    return True  # it was changed, and we were not told
                return self._disk.set_trial_state_values(trial_id, state, values)

            changed = self._now(change)
            if changed:
                written = self._now(lambda _: tables.read(self._disk, trial_id))
                trial.datetime_start, trial.datetime_complete = written.began, written.ended
            else:  # someone else did
                trial = self._now(lambda _: self._disk.get_trial(trial_id))
            self._keep(study_id, trial)
            return changed

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Keeps a value of a trial under way."""
        with self._lock:
            trial, study_id = self._updatable(trial_id)
            trial.intermediate_values = {**trial.intermediate_values, step: intermediate_value}
            self._keep(study_id, trial)
            self._later(tables.intermediate(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keeps a user attribute of a trial under way."""
        with self._lock:
            trial, study_id = self._updatable(trial_id)
            trial.user_attrs = {**trial.user_attrs, key: value}
            self._keep(study_id, trial)
            self._later(tables.user_attribute(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keeps an attribute of Optuna's of a trial under way."""
        with self._lock:
            trial, study_id = self._updatable(trial_id)
            trial.system_attrs = {**trial.system_attrs, key: value}
            self._keep(study_id, trial)
            self._later(tables.system_attribute(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Returns a trial; not to be changed."""
        with self._lock:
            if trial_id not in self._places:
                return self._now(lambda _: self._disk.get_trial(trial_id))
            study_id, number = self._places[trial_id]
            return self._trials[study_id][number]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Returns the trials of a study in these states, by number."""
        with self._lock:
            trials = list(self._of(study_id).values())
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _begun(self, trial_id: int) -> FrozenTrial:
        """Returns a trial that just began, with nothing in it."""
        written = tables.read(self._disk, trial_id)
        return FrozenTrial(
            number=written.number,
            trial_id=trial_id,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=written.began,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )

    def _of(self, study_id: int) -> dict[int, FrozenTrial]:
        """Returns the trials of a study by number, read from the store at the first time."""
        if study_id not in self._trials:
            found = self._now(lambda _: self._disk.get_all_trials(study_id, deepcopy=False))
            self._trials[study_id] = {}
            for trial in sorted(found, key=lambda trial: trial.number):
                self._keep(study_id, trial)
        return self._trials[study_id]

    def _keep(self, study_id: int, trial: FrozenTrial) -> None:
        self._of(study_id)[trial.number] = trial
        self._places[trial._trial_id] = (study_id, trial.number)
        for name, distribution in trial.distributions.items():
            self._distributions.setdefault((study_id, name), distribution)

    def _updatable(self, trial_id: int) -> tuple[FrozenTrial, int]:
        """Returns a copy of a trial that is not finished, and the id of its study."""
        trial = self.get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        if trial_id not in self._places:
            raise KeyError(f"no study that was read has a trial with id {trial_id}")
        return copy.copy(trial), self._places[trial_id][0]
