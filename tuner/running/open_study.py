"""A study opened: its file read, its data loaded, its workers started, its store taken."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .. import data, heuristics
from ..data import Cut, Dataset, Wanted
from ..errors import DataError, InputError
from ..network.config import DataFacts
from ..results.winner import Confirmation
from ..space import MLPSpace, ModuleSpace
from ..storage import Location, StudyStore, locate
from ..storage.reading import stored_fingerprint, stored_metric
from ..storage.samplers import make_sampler
from ..study import AnyStudySpec, MLPStudySpec, ModuleStudySpec, StudySpec
from ..study.base import OF_TABLES
from ..study.classes import UserClasses
from ..study.mlp import extra_metric
from ..system import paths
from ..system.devices import Devices
from ..system.folder_lock import refuse_owned
from ..system.formats import SUFFIXES, is_table
from ..system.interruption import Interruption
from ..training import NUMBERS
from ..training.modules import ModuleTraining
from ..workers import Staff, Worker, fleets, shared, solos
from .arguments import Trainer, check_trainers
from .evaluation import Evaluation, full_evaluation
from .kept_repeats import KeptRepeats
from .progress import Observer
from .repeats import Repeats, seeds

#: Seeds of a confirmation that cuts are known of, at least: it may have had more than it has now.
_MOST_SEEDS = 1_000


@dataclass(frozen=True)
class OpenStudy:
    """All that belongs to a study while one process owns it.

    Attributes:
        spec: the study file.
        metric: what is optimized.
        dataset: rows of a source; None where a LightningDataModule of the user's brings them.
        facts: sizes of the data, if they are known.
        evaluation: how trials are scored: as it was decided, else as where time is no matter.
        classes: of the user's, if they are.
        space: the searched parameters.
        training: how modules of the user's are trained, if they are.
        worker: trains.
        store: of the study, owned.
        interruption: notes signals.
        identity: all besides config and seed that a score follows from, as a hash.
        adopts: what an earlier version trained for it follows from the same.
    """

    spec: AnyStudySpec
    metric: str
    dataset: Dataset | None
    facts: DataFacts | None
    evaluation: Evaluation
    classes: UserClasses | None
    space: MLPSpace | ModuleSpace
    training: ModuleTraining | None
    worker: Worker
    store: StudyStore
    interruption: Interruption
    identity: str
    adopts: bool

    def repeats(self, observer: Observer) -> Repeats:
        """Returns the repetitions of configs of this study, with those that ended earlier."""
        folder = paths.study_folder(self.spec.name)
        kept = KeptRepeats(folder, self.identity, observer, adopts=self.adopts)
        n, seed = max(_MOST_SEEDS, self.spec.confirm.seeds), self.spec.study.seed
        drawn = seeds(seed, "confirm", n)
        confirmed = Confirmation.kept(self.store.confirmation)
        # An earlier version began to confirm, and goes on so.
        began = kept.has_seed(drawn[0]) or (
            confirmed is not None and confirmed.seeds[:1] == drawn[:1]
        )
        kin = None if self.dataset is None else self.dataset.kin
        if began or (kin is not None and not kin.has_folds):
            return Repeats(kept, self.worker, self.interruption, drawn)
        folds = seeds(seed, "confirm by folds", n)
        cuts = {each: Cut(folds[0], n, by_target=False) for n, each in enumerate(folds)}
        return Repeats(kept, self.worker, self.interruption, folds, cuts)

    def evaluated(self, evaluation: Evaluation) -> OpenStudy:
        """Returns the study with its trials scored in this way."""
        if evaluation == self.evaluation:
            return self
        space = _space(self.spec, self.classes, self.facts, evaluation.epochs)
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
    check_trainers(spec, trainer, fleet, workers)
    refuse_owned(spec.name)
    try:
        make_sampler(spec.study.sampler, spec.study.seed, [spec.path.parent])
    except InputError as error:
        raise spec.error("study.sampler", str(error)) from error
    usual: Trainer = "solo" if isinstance(spec, ModuleStudySpec) else "fleet"
    trainer = trainer or usual
    location = locate(storage)
    classes = None
    if isinstance(spec, ModuleStudySpec):
        observer.begin(f"importing {spec.model.module}")
        classes = UserClasses.of(spec)
    if spec.data.source is not None:
        observer.begin(f"reading {spec.data.source}")
    dataset = _dataset(spec, None if new else location)
    for remark in () if dataset is None else dataset.remarks:
        observer.remark(remark)
    facts = None if dataset is None else dataset.facts
    metric = _metric(spec, dataset, None if new else location)
    if dataset is not None and isinstance(spec, MLPStudySpec):
        dataset = replace(dataset, metric=extra_metric(metric))
        if metric != spec.metric(dataset.task):
            observer.remark(
                f"the classes are not balanced: {metric} is optimized, which sees rare ones too; "
                "objective.metric says otherwise"
            )
    full = full_evaluation(spec, facts)
    team = Staff.choose(
        workers=workers,
        devices=devices,
        cluster=cluster,
        at_most=full.folds * min(at_most or sys.maxsize, fleet or sys.maxsize),
        epoch_seconds=60 * spec.study.epoch_minutes,
    )
    space = _space(spec, classes, facts, full.epochs)
    training = _training(spec, team) if isinstance(spec, ModuleStudySpec) else None
    if not team.in_this_process:
        observer.begin(f"starting {team}")
        if team.cluster is None:
            dataset = shared(dataset)
    with (
        Interruption() as interruption,
        _worker(spec, dataset, space, trainer, fleet, full.folds, team, training) as worker,
        StudyStore(
            spec,
            metric=metric,
            facts=facts,
            fingerprint="" if dataset is None else dataset.fingerprint,
            new=new,
            location=location,
            is_cut=lambda: interruption.signal is not None,
        ) as store,
    ):
        is_same_code = classes is None or store.has_code(classes.digest)
        found = OpenStudy(
            spec,
            metric,
            dataset,
            facts,
            full,
            classes,
            space,
            training,
            worker,
            store,
            interruption,
            _identity(store, trainer, classes),
            adopts=store.goes_on and is_same_code and trainer == usual,
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


def _metric(spec: AnyStudySpec, dataset: Dataset | None, location: Location | None) -> str:
    """Returns what is optimized: of a study that goes on without saying it, what was.

    Args:
        spec: the study file.
        dataset: rows of a source, if there is one.
        location: of the store, which is looked into only where it matters; None begins anew.
    """
    usual = spec.metric(None if dataset is None else dataset.task)
    if dataset is None or dataset.is_balanced or spec.objective.metric is not None:
        return usual
    if spec.budget.target is not None:  # which was meant of the usual metric
        return usual
    if location is not None and stored_metric(spec.name, location) == usual:
        return usual
    return spec.metric(dataset.task, is_balanced=False)


def _identity(store: StudyStore, trainer: Trainer, classes: UserClasses | None) -> str:
    code = "" if classes is None else classes.digest
    # What is not said is left out, so that a setting that comes later changes nothing; and who
    # draws trials changes no training.
    told = {key: value for key, value in store.identity.items() if value is not None}
    told.pop("study.sampler", None)
    whole = {**told, "trainer": trainer, "numbers": NUMBERS, "code": code}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _space(
    spec: AnyStudySpec, classes: UserClasses | None, facts: DataFacts | None, epochs: int
) -> MLPSpace | ModuleSpace:
    if isinstance(spec, ModuleStudySpec):
        assert classes is not None
        return ModuleSpace.of(classes, facts)
    assert facts is not None
    known = heuristics.history() if spec.start.history else ()
    return MLPSpace.of(spec, facts, epochs, [each for each in known if each.study != spec.name])


def _worker(
    spec: AnyStudySpec,
    dataset: Dataset | None,
    space: MLPSpace | ModuleSpace,
    trainer: Trainer,
    fleet: int | None,
    folds: int,
    team: Staff,
    training: ModuleTraining | None,
) -> Worker:
    precision = spec.study.precision
    if training is not None:
        return solos(dataset, team, training=training)
    if trainer == "solo":
        return solos(dataset, team, precision=precision)
    assert isinstance(space, MLPSpace) and dataset is not None
    return fleets(
        dataset,
        team,
        largest=space.largest(),
        members=None if fleet is None else fleet * folds,
        least=folds,
        precision=precision,
    )


def _training(spec: ModuleStudySpec, team: Staff) -> ModuleTraining:
    return ModuleTraining(
        metric=spec.objective.metric,
        arguments={**spec.trainer_arguments, **({"accelerator": "cpu"} if team.on_cpu else {})},
        loggers=spec.loggers,
        folder=paths.study_folder(spec.name).resolve(),
    )


def _dataset(spec: AnyStudySpec, location: Location | None) -> Dataset | None:
    """Loads the rows as `load_data` does; of a study that goes on as they were read for it.

    Args:
        spec: the study file.
        location: of the store; None begins anew.
    """
    dataset = load_data(spec)
    if dataset is None or location is None:
        return dataset
    if not dataset.facts.categories and (dataset.encoding is not None or not dataset.quartiles):
        return dataset  # which all versions read alike
    stored = stored_fingerprint(spec.name, location)
    if stored in ("", dataset.fingerprint):
        return dataset
    earlier = load_data(spec, as_before=True)
    return earlier if earlier is not None and earlier.fingerprint == stored else dataset


def load_data(spec: StudySpec, *, as_before: bool = False) -> Dataset | None:
    """Loads and splits the rows of a study's source; None if a LightningDataModule brings them.

    Args:
        spec: the study file.
        as_before: arrays are scaled by mean and deviation, and categories have an input for each
            value, as in earlier versions. Modules of the user's have that in any case.

    Raises:
        DataError: they cannot be had or learned from; the message names the study file.
    """
    source, as_before = spec.data.source, as_before or not isinstance(spec, MLPStudySpec)
    wanted = Wanted(
        label=spec.data.label,
        drop=spec.data.drop,
        categorical=spec.data.categorical,
        numeric=spec.data.numeric,
        weight=spec.data.weight,
        group=spec.data.group,
        time=spec.data.time,
        test_source=spec.data.test_source,
        read=spec.data.read,
        embeds=not as_before,
    )
    if spec.rows is None:
        told = [key for key in OF_TABLES if getattr(spec.data, key)]
        if told and (source is None or not is_table(source)):
            raise spec.error(f"data.{told[0]}", f"belongs to a table ({', '.join(SUFFIXES)})")
        if source is None:
            return None
        if is_table(source) and not spec.data.label:
            raise spec.error("data.label", "is missing: the name of the column that is predicted")
    try:
        if spec.rows is not None:
            table = data.table_in_memory(spec.rows, spec.name, wanted)
        else:
            assert source is not None
            table = data.read(source, spec.path.parent, wanted)
        return data.split(
            table,
            validation=spec.data.validation,
            test=spec.data.test,
            task=spec.data.task,
            seed=spec.study.seed,
            quartiles=not as_before,
        )
    except DataError as error:
        if spec.rows is not None or not spec.path.exists():  # no file says where they are from
            raise
        raise type(error)(f"{spec.path}: data.source: {error}") from error
