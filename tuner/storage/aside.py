"""A study that is there before one is opened: how far it got, and how it is put aside."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from ..system import paths
from . import tables
from .reading import INTERRUPTED, count

#: Files of a study's folder that belong to whoever tunes it.
_STAY = ("owner", "reserve")


def standing(study: str, storage: optuna.storages.BaseStorage) -> tuple[int, int | None]:
    """Returns how many trials of a study have finished, and its number; None if there is none."""
    if study not in optuna.get_all_study_names(storage=storage):
        return 0, None
    number = storage.get_study_id_from_name(study)
    return count(storage.get_all_trials(number)).finished, number


def put_aside(name: str, storage: optuna.storages.RDBStorage) -> None:
    """Renames a study and its files to `<name>.<n>`, the first n that is free.

    The files go first: a crash on the way loses nothing, though files and trials may have numbers
    of their own then, and trials of another schema may be there twice.
    """
    names = optuna.get_all_study_names(storage=storage)
    files = [file for file in paths.study_folder(name).iterdir() if file.name not in _STAY]
    n = 1
    while f"{name}.{n}" in names or paths.study_folder(f"{name}.{n}").exists():
        n += 1
    aside = f"{name}.{n}"
    kept = paths.study_folder(aside)
    for file in files:
        kept.mkdir(parents=True, exist_ok=True)
        file.rename(kept / file.name)
    if name not in names:  # a store that was lost
        return
    study = optuna.load_study(study_name=name, storage=storage)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        study.tell(trial.number, state=TrialState.FAIL)
    tables.rename(storage, name, aside)
