"""A study opened: its file read, its data loaded, its workers started, its store taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..data import Cut
from ..network.config import DataFacts
from ..results.winner import Confirmation
from ..storage import StudyStore, locate
from ..study import AnyStudySpec
from ..study.classes import UserClasses
from ..system import paths
from ..system.devices import Devices
from ..system.folder_lock import refuse_owned
from ..system.interruption import Interruption
from ..training import NUMBERS
from ..workers import Worker
from .arguments import Trainer
from .evaluation import Evaluation
from .kept_repeats import KeptRepeats
from .prepared import Prepared, prepared, space_of, usual_trainer
from .progress import Observer
from .repeats import Repeats
from .trainings import seeds

#: Seeds of a confirmation that cuts are known of, at least: it may have had more than it has now.
_MOST_SEEDS = 1_000


@dataclass(frozen=True)
class OpenStudy(Prepared):
    """All that belongs to a study while one process owns it.

    Attributes:
        worker: trains.
        store: of the study, owned.
        interruption: notes signals.
        identity: all besides config and seed that a score follows from, as a hash.
        adopts: what an earlier version trained for it follows from the same.
    """

    worker: Worker
    store: StudyStore
    interruption: Interruption
    identity: str
    adopts: bool

    @property
    def seen(self) -> DataFacts | None:
        """Sizes of what a trial sees of the data, if they are known."""
        return None if self.facts is None else self.evaluation.seen(self.facts)

    def repeats(self, observer: Observer) -> Repeats:
        """Returns the repetitions of configs of this study, with those that ended earlier."""
        folder = paths.study_folder(self.spec.name)
        kept = KeptRepeats(folder, self.identity, observer, adopts=self.adopts)
        n, seed = max(_MOST_SEEDS, self.spec.confirm.seeds), self.spec.study.seed
        rows = self.evaluation.rows
        drawn = seeds(seed, "confirm", n)
        confirmed = Confirmation.kept(self.store.confirmation)
        # An earlier version began to confirm, and goes on so.
        began = kept.has_seed(drawn[0]) or (
            confirmed is not None and confirmed.seeds[:1] == drawn[:1]
        )
        kin = None if self.dataset is None else self.dataset.kin
        if began or (kin is not None and not kin.has_folds):
            return Repeats(kept, self.worker, self.interruption, drawn, rows=rows)
        folds = seeds(seed, "confirm by folds", n)
        cuts = {each: Cut(folds[0], n, by_target=False) for n, each in enumerate(folds)}
        return Repeats(kept, self.worker, self.interruption, folds, cuts, rows)

    def evaluated(self, evaluation: Evaluation) -> OpenStudy:
        """Returns the study with its trials scored in this way."""
        if evaluation == self.evaluation:
            return self
        # Decay and the like are told by the steps of a training.
        seen = None if self.facts is None else evaluation.seen(self.facts)
        space = space_of(self.spec, self.classes, seen, evaluation.epochs)
        return replace(self, evaluation=evaluation, space=space)


@contextmanager
def opened(
    spec: AnyStudySpec,
    *,
    trainer: Trainer | None = None,
    fleet: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    at_most: int | None = None,
    new: bool = False,
    observer: Observer,
) -> Iterator[OpenStudy]:
    """Opens a study; all is given back at the end of the block.

    Args:
        spec: the study file.
        trainer: as `tune` takes it, like what follows.
        fleet: trials that train at once.
        workers: that train side by side.
        devices: to use.
        cluster: of Ray's, to use.
        storage: of all studies.
        at_most: trainings that there will be, if that is known.
        new: put an earlier study of this name aside and begin anew.
        observer: is told what is prepared.

    Raises:
        TunerError: as `tune` raises it.
    """
    refuse_owned(spec.name)
    location = locate(storage)
    ready = prepared(
        spec,
        trainer=trainer,
        fleet=fleet,
        workers=workers,
        devices=devices,
        cluster=cluster,
        location=None if new else location,
        at_most=at_most,
        observer=observer,
    )
    dataset, classes = ready.dataset, ready.classes
    with (
        Interruption() as interruption,
        ready.employ() as worker,
        StudyStore(
            spec,
            metric=ready.metric,
            facts=ready.facts,
            fingerprint="" if dataset is None else dataset.fingerprint,
            new=new,
            location=location,
            is_cut=lambda: interruption.signal is not None,
        ) as store,
    ):
        is_same_code = classes is None or store.has_code(classes.digest)
        found = OpenStudy(
            **vars(ready),
            worker=worker,
            store=store,
            interruption=interruption,
            identity=_identity(store, ready.trainer, classes),
            adopts=store.goes_on and is_same_code and ready.trainer == usual_trainer(spec),
        )
        if not is_same_code:
            observer.remark(
                f"{spec.path}: the file of a class has changed since the first trials, whose "
                "scores are those of what it was"
            )
        if not store.has_known_tables:
            observer.begin("Optuna's tables are not those known here: writing one row at a time")
        kept = store.evaluation
        yield found if kept is None else found.evaluated(Evaluation.model_validate_json(kept))


def _identity(store: StudyStore, trainer: Trainer, classes: UserClasses | None) -> str:
    code = "" if classes is None else classes.digest
    # What is not said is left out, so that a setting that comes later changes nothing; and who
    # draws trials changes no training.
    told = {key: value for key, value in store.identity.items() if value is not None}
    told.pop("study.sampler", None)
    whole = {**told, "trainer": trainer, "numbers": NUMBERS, "code": code}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
