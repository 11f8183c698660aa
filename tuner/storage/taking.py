"""How one process takes a study: it alone, and only where the trials there are of the same.

What is wrong is found before anything is written.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import optuna
from optuna.exceptions import ExperimentalWarning

from ..errors import ChangedStudyError, StoreLostError, StoreUnreadableError
from ..network.config import DataFacts
from ..study import StudySpec
from ..system import paths
from ..system.folder_lock import FolderLock
from .aside import put_aside, standing
from .identity import Identity, changes, identity_of
from .ledger import Ledger
from .location import Location
from .mirror import MirroredStorage
from .patience import Patience
from .reading import FACTS, IDENTITY, connect, count, translated
from .reserve import Reserve
from .samplers import make_sampler
from .two_goals import for_two_goals
from .untold import Untold


@dataclass(frozen=True)
class Taken:
    """A study that is this process's own, until its resources are closed.

    Attributes:
        study: of Optuna, with its sampler.
        storage: that it is read and written through.
        location: of the store.
        identity: what its trials are made with.
        goes_on: trials had finished before, which are made with the same.
        untold: what a store that went away has yet to hear.
        ledger: what the study's folder knows of the store.
        reserve: of the disk.
        resources: to be given back.
    """

    study: optuna.Study
    storage: MirroredStorage
    location: Location
    identity: Identity
    goes_on: bool
    untold: Untold
    ledger: Ledger
    reserve: Reserve
    resources: ExitStack


def take(
    spec: StudySpec,
    *,
    metric: str,
    facts: DataFacts | None,
    fingerprint: str,
    new: bool,
    location: Location,
    is_cut: Callable[[], bool],
) -> Taken:
    """Takes a study, which is begun where there is none; as `StudyStore` does, with its errors."""
    identity, folder = identity_of(spec, metric, fingerprint), paths.study_folder(spec.name)
    untold = Untold(folder / "untold.jsonl", str(location))
    with ExitStack() as resources:
        resources.callback(FolderLock(spec.name).release)
        reserve = Reserve(folder / "reserve")
        ledger = Ledger(spec.name, str(location))
        if location.is_empty and not new:
            ledger.compare(0, None)
        disk = connect(location, is_kept=True)
        resources.callback(disk.engine.dispose)
        with translated(location, StoreUnreadableError, "taking the study"):
            resources.callback((ownership := location.own(spec.name)).release)
            if not new:
                ledger.compare(*standing(spec.name, disk))
            is_void = not new and _is_void(spec, identity, disk, location, untold)
        with translated(location, StoreLostError, "writing the study"):
            if new:
                put_aside(spec.name, disk)
            elif is_void:
                optuna.delete_study(study_name=spec.name, storage=disk)
            untold.tell(disk, spec.name)
            n_finished, _ = standing(spec.name, disk)
            patience = Patience(location.patience, ownership.ensure, is_cut)
            storage = MirroredStorage(disk, patience)
            study = _begun(spec, metric, facts, identity, storage)
            ledger.keep(n_finished, study._study_id)
        return Taken(
            study=study,
            storage=storage,
            location=location,
            identity=identity,
            goes_on=n_finished > 0,
            untold=untold,
            ledger=ledger,
            reserve=reserve,
            resources=resources.pop_all(),
        )


def _is_void(
    spec: StudySpec,
    identity: Identity,
    disk: optuna.storages.RDBStorage,
    location: Location,
    untold: Untold,
) -> bool:
    """Says whether a study of another file is there, of which nothing has finished.

    Raises:
        ChangedStudyError: trials of it have.
    """
    if spec.name not in optuna.get_all_study_names(storage=disk):
        return False
    study = optuna.load_study(study_name=spec.name, storage=disk)
    differences = changes(study, identity)
    if not differences:
        return False
    if not count(study.get_trials(deepcopy=False)).finished and untold.is_empty:
        return True
    raise ChangedStudyError(
        f"{spec.path}: differs from the study in {location}, whose trials it cannot go "
        "on with; --new puts them aside and begins anew\n" + "\n".join(differences)
    )


def _begun(
    spec: StudySpec,
    metric: str,
    facts: DataFacts | None,
    identity: Identity,
    storage: MirroredStorage,
) -> optuna.Study:
    """Returns the study of Optuna, with its sampler, and with what it is known by."""
    study = optuna.create_study(
        study_name=spec.name,
        storage=storage,
        direction=spec.direction(metric),
        load_if_exists=True,
    )
    # A sampler that resumes must not draw again what it drew at the start.
    n_trials = len(study.get_trials(deepcopy=False))
    seed = (spec.study.seed + 1_000_003 * n_trials) % 2**32
    sampler = make_sampler(spec.study.sampler, seed, [spec.path.parent])
    study.sampler = for_two_goals(sampler) if spec.objective.finds_sizes else sampler
    if IDENTITY not in study.user_attrs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([metric])
        if facts is not None:
            study.set_user_attr(FACTS, facts.model_dump())
        study.set_user_attr(IDENTITY, json.dumps(identity))
    return study
