"""What is known of a study before its store is opened: its rows, its space, and who will train."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

import numpy as np

from .. import data, heuristics
from ..data import Dataset, Wanted
from ..errors import DataError, InputError
from ..network.config import DataFacts
from ..space import MLPSpace, ModuleSpace
from ..storage import Location
from ..storage.reading import stored_fingerprint, stored_metric
from ..storage.samplers import make_sampler
from ..storage.two_goals import check_two_goals
from ..study import AnyStudySpec, MLPStudySpec, ModuleStudySpec, StudySpec
from ..study.base import OF_TABLES
from ..study.classes import UserClasses
from ..study.mlp import extra_metric
from ..system import paths
from ..system.devices import Devices
from ..system.formats import SUFFIXES, is_table
from ..training.modules import ModuleTraining
from ..workers import Staff, Worker, fleets, shared, solos
from .arguments import Trainer, check_trainers
from .evaluation import LEAST_ROWS, Evaluation, full_evaluation
from .limits import Limits
from .progress import Observer

#: Training rows of the rarest class that a part of the rows has at least, about.
_OF_EACH_CLASS = 100


@dataclass(frozen=True)
class Prepared:
    """A study whose files have been read.

    Attributes:
        spec: the study file.
        metric: what is optimized.
        dataset: rows of a source; None where a LightningDataModule of the user's brings them.
        evaluation: how trials are scored where time is no matter, until it is decided.
        classes: of the user's, if they are.
        space: the searched parameters.
        training: how modules of the user's are trained, if they are.
        trainer: "fleet" or "solo".
        team: who will train.
        fleet: trials that train at once, if the user says so.
        limits: that networks keep.
    """

    spec: AnyStudySpec
    metric: str
    dataset: Dataset | None
    evaluation: Evaluation
    classes: UserClasses | None
    space: MLPSpace | ModuleSpace
    training: ModuleTraining | None
    trainer: Trainer
    team: Staff
    fleet: int | None
    limits: Limits

    @property
    def facts(self) -> DataFacts | None:
        """Sizes of the data, if they are known."""
        return None if self.dataset is None else self.dataset.facts

    @property
    def least_rows(self) -> int:
        """Training rows that a part of them has at least; all where they are told by group or time.

        Of each class about a hundred are left, or all.
        """
        if self.dataset is None:
            return 0
        n_rows = len(self.dataset.train_rows)
        if self.dataset.kin is not None:  # cuts of which begin and end where it says
            return n_rows
        rarest = 1.0
        if self.dataset.classes:
            n_classes = len(self.dataset.classes)
            rarest = np.bincount(self.dataset.known.y, minlength=n_classes).min() / len(
                self.dataset.known
            )
        return min(n_rows, max(LEAST_ROWS, math.ceil(_OF_EACH_CLASS / rarest)))

    def employ(self) -> Worker:
        """Starts who trains."""
        if self.training is not None:
            return solos(self.dataset, self.team, training=self.training)
        precision = self.spec.study.precision
        if self.trainer == "solo":
            return solos(self.dataset, self.team, precision=precision)
        assert isinstance(self.space, MLPSpace) and self.dataset is not None
        folds = self.evaluation.folds
        return fleets(
            self.dataset,
            self.team,
            largest=self.space.largest(),
            members=None if self.fleet is None else self.fleet * folds,
            least=folds,
            precision=precision,
        )


def usual_trainer(spec: AnyStudySpec) -> Trainer:
    """Returns who trains where the user does not say it."""
    return "solo" if isinstance(spec, ModuleStudySpec) else "fleet"


def prepared(
    spec: AnyStudySpec,
    *,
    trainer: Trainer | None = None,
    fleet: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    location: Location | None = None,
    at_most: int | None = None,
    observer: Observer,
) -> Prepared:
    """Reads all that a study names, and creates nothing.

    Args:
        spec: the study file.
        trainer: as `tune` takes it, like what follows.
        fleet: trials that train at once.
        workers: that train side by side.
        devices: to use.
        cluster: of Ray's, to use.
        location: of the store, where an earlier version may have read the rows otherwise; None
            begins anew.
        at_most: trainings that there will be, if that is known.
        observer: is told what is prepared.

    Raises:
        TunerError: as `tune` raises it.
    """
    check_trainers(spec, trainer, fleet, workers)
    try:
        sampler = make_sampler(spec.study.sampler, spec.study.seed, [spec.path.parent])
        if spec.objective.finds_sizes:
            check_two_goals(sampler)
    except InputError as error:
        raise spec.error("study.sampler", str(error)) from error
    classes = None
    if isinstance(spec, ModuleStudySpec):
        observer.begin(f"importing {spec.model.module}")
        classes = UserClasses.of(spec)
    if spec.data.source is not None:
        observer.begin(f"reading {spec.data.source}")
    dataset = _dataset(spec, location)
    for remark in () if dataset is None else dataset.remarks:
        observer.remark(remark)
    facts = None if dataset is None else dataset.facts
    metric = _metric(spec, dataset, location)
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
    space = space_of(spec, classes, facts, full.epochs)
    limits = Limits(spec, facts)
    limits.check(space)
    training = _training(spec, team) if isinstance(spec, ModuleStudySpec) else None
    if not team.in_this_process:
        observer.begin(f"starting {team}")
        if team.cluster is None:
            dataset = shared(dataset)
    return Prepared(
        spec,
        metric,
        dataset,
        full,
        classes,
        space,
        training,
        trainer or usual_trainer(spec),
        team,
        fleet,
        limits,
    )


def _metric(spec: AnyStudySpec, dataset: Dataset | None, location: Location | None) -> str:
    """Returns what is optimized: of a study that goes on without saying it, what was.

    Args:
        spec: the study file.
        dataset: rows of a source, if there is one.
        location: of the store, which is looked into only where it matters; None begins anew.
    """
    usual = spec.metric(None if dataset is None else dataset.task)
    if dataset is None or dataset.is_balanced or spec.objective.metric:
        return usual
    if spec.budget.target is not None:  # which was meant of the usual metric
        return usual
    if location is not None and stored_metric(spec.name, location) == usual:
        return usual
    return spec.metric(dataset.task, is_balanced=False)


def space_of(
    spec: AnyStudySpec, classes: UserClasses | None, facts: DataFacts | None, epochs: int
) -> MLPSpace | ModuleSpace:
    """Returns the searched parameters of a study, for trials of so many epochs."""
    if isinstance(spec, ModuleStudySpec):
        assert classes is not None
        return ModuleSpace.of(classes, facts)
    assert facts is not None
    known = heuristics.history() if spec.start.history else ()
    return MLPSpace.of(spec, facts, epochs, [each for each in known if each.study != spec.name])


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
