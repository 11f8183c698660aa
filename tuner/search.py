"""The way of a study: spec -> dataset -> space -> store and worker -> coordinator -> result."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import optuna
import pandas as pd  # noqa: F401  here, so that an interrupted search writes its table at once
from pydantic import ValidationError

from . import data, paths
from .complaints import first_error
from .config import DataFacts
from .confirmer import Confirmer
from .coordinator import Coordinator
from .data import Dataset
from .errors import DataError, InputError
from .interruption import Interruption
from .modules import UserClasses
from .progress import Observer
from .repeats import Repeats
from .results import Best
from .solo import ModuleTraining
from .space import MLPSpace, ModuleSpace
from .storage import Counts, StudyStore, locate
from .study import AnyStudySpec, BudgetSpec, ModuleStudySpec, StudySpec, load_study
from .winner import Confirmation
from .workers import Devices, Staff, Worker, fleets, solos

Trainer = Literal["fleet", "solo"]

#: Complete trials from which on importances are told.
ENOUGH_FOR_IMPORTANCES = 20


@dataclass(frozen=True)
class TuneResult:
    """How a search ended.

    Attributes:
        study: name of the study.
        metric: what was optimized.
        best: the confirmed winner, or else the best complete trial, if there is one.
        counts: trials by how they ended.
        confirmation: the best configs over fresh seeds; None if nothing was confirmed.
        importances: share of each parameter in the spread of the scores (fANOVA), the largest
            first; {} with fewer than 20 complete trials.
        folder: where the files are.
        stopped: what ended the search, in words.
        ran: trials that this call finished.
        seconds: spent on the study, by earlier calls too.
    """

    study: str
    metric: str
    best: Best | None
    counts: Counts
    confirmation: Confirmation | None
    importances: dict[str, float]
    folder: Path
    stopped: str
    ran: int
    seconds: float


def tune(
    study: str | Path,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    target: float | None = None,
    new: bool = False,
    trainer: Trainer | None = None,
    fleet: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    confirm: bool = True,
    observer: Observer | None = None,
) -> TuneResult:
    """Tunes a study until its budget is used; goes on where an earlier call ended.

    Args:
        study: name of a file in `studies/`, or the path of one.
        trials: finished trials in all, with those of earlier calls.
        minutes: spent in all, with those of earlier calls.
        target: value of the metric that is good enough.
        new: put an earlier study of this name aside and begin anew.
        trainer: "fleet" trains many MLPs at once, "solo" one trial at a time with Lightning's
            Trainer. None is a fleet for MLPs, and solo for a LightningModule of the user's.
        fleet: how many trials fleets train at once, in all; None is two for each worker that has
            one core, four for each core of a worker that has more, 64 for one on a GPU, and fewer
            if half of the free memory holds fewer of the largest network.
        workers: how many train side by side, each a fleet or a Trainer; 1 trains in this process,
            unless `devices` names a GPU. None is a process for each GPU, or for each core where
            there is none, and never more than `trials`.
        devices: numbers of the GPUs to use, or "cpu" for none of them; None is all. A worker is
            pinned to one of them.
        cluster: "ray" trains in actors of the Ray cluster that runs on this machine, or that
            RAY_ADDRESS names, or of a new one of this machine alone; "ray://host:port" is a
            cluster elsewhere. None trains on this machine, without Ray.
        storage: `postgresql://user@host:port/database` of all studies, without a password. None is
            what TUNER_STORAGE says, or else a file in the results' folder.
        confirm: train the best configs again over fresh seeds, as `[confirm]` of the study file
            says, and pick the winner by those scores. A share of the minutes is kept for it.
        observer: is told what happens.

    A LightningModule of the user's, and its data, are imported, which runs their files.

    If `trials` or `minutes` is given, the arguments replace the budget of the study file; a
    `target` alone is added to it. Where nothing limits a study, it ends after 100 trials.

    Raises:
        InputError: an argument is out of its range.
        StudyFileError: the study file is wrong, or the module that it names cannot be used.
        DataError: the data cannot be had or learned from.
        ChangedStudyError: the file differs from the one that the stored trials were made with.
        StudyFailedError: too many trials failed in a row.
        StudyOwnedError: another process is tuning this study.
        StoreUnreadableError: the store cannot be read.
        StoreLostError: the store cannot be written any more.
        WorkerLostError: a process that trains could not start or go on.
        InterruptedStudyError: a signal came.

    With `workers=1` and a number of trials for `fleet`, one seed gives the same trials and scores
    again on the same machine.
    """
    observer = observer or Observer()
    _check(trainer, fleet, workers)
    spec = load_study(study)
    is_module = isinstance(spec, ModuleStudySpec)
    if is_module and (trainer == "fleet" or fleet is not None):
        raise InputError(f"{spec.path}: fleets train MLPs, and [model] names another network")
    trainer = trainer or ("solo" if is_module else "fleet")
    budget = _budget(spec, trials, minutes, target)
    location = locate(storage)
    team = Staff.choose(
        workers=workers,
        devices=devices,
        cluster=cluster,
        at_most=min(budget.trials or sys.maxsize, fleet or sys.maxsize),
        epoch_seconds=60 * spec.study.epoch_minutes,
    )
    classes = None
    if isinstance(spec, ModuleStudySpec):
        observer.begin(f"importing {spec.model.module}")
        classes = UserClasses.of(spec)
    if spec.data.source is not None:
        observer.begin(f"reading {spec.data.source}")
    dataset = load_data(spec)
    facts = None if dataset is None else dataset.facts
    space = _space(spec, classes, facts)
    metric = spec.metric(None if facts is None else facts.task)
    if not team.in_this_process:
        observer.begin(f"starting {team}")
    with (
        Interruption() as interruption,
        _worker(spec, dataset, space, trainer, fleet, team) as worker,
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
        names = () if dataset is None else dataset.classes
        confirms = confirm and spec.confirm.seeds > 0
        ours = _for_the_search(budget, spec) if confirms else budget
        search = Coordinator(
            spec, ours, metric, facts, names, space, store, worker, observer, interruption
        )
        stopped = search.run()
        best, confirmation = search.best, None
        if confirms:
            repeats = Repeats(search.files.folder, worker, interruption)
            training = _training(spec, team) if isinstance(spec, ModuleStudySpec) else None
            confirmer = Confirmer(
                spec, metric, store, repeats, space.presets(), dataset, training, observer
            )
            left = None if budget.minutes is None else 60 * budget.minutes - store.seconds
            confirmation = confirmer.run(left)
            if confirmation is not None:
                best = _crowned(search, confirmer, confirmation)
            repeats.forget_networks()
        return TuneResult(
            study=spec.name,
            metric=metric,
            best=best,
            counts=search.counts,
            confirmation=confirmation,
            importances=importances(store.study),
            folder=paths.study_folder(spec.name),
            stopped=stopped,
            ran=search.ran,
            seconds=store.seconds,
        )


def _check(trainer: Trainer | None, fleet: int | None, workers: int | None) -> None:
    if trainer is not None and trainer not in get_args(Trainer):
        raise InputError(f"trainer must be one of {get_args(Trainer)}, got {trainer!r}")
    for name, value in {"fleet": fleet, "workers": workers}.items():
        if value is not None and value < 1:
            raise InputError(f"{name} must be >= 1, got {value}")
    if fleet is not None and trainer == "solo":
        raise InputError("fleet says how many trials train at once, and solo trains one")
    if fleet is not None and workers is not None and workers > fleet:
        raise InputError(f"{workers} workers are too many for {fleet} trials at once")


def _space(
    spec: AnyStudySpec, classes: UserClasses | None, facts: DataFacts | None
) -> MLPSpace | ModuleSpace:
    if isinstance(spec, ModuleStudySpec):
        assert classes is not None
        return ModuleSpace.of(classes, facts)
    assert facts is not None
    return MLPSpace.of(spec, facts)


def _worker(
    spec: AnyStudySpec,
    dataset: Dataset | None,
    space: MLPSpace | ModuleSpace,
    trainer: Trainer,
    fleet: int | None,
    team: Staff,
) -> Worker:
    precision = spec.study.precision
    if isinstance(spec, ModuleStudySpec):
        return solos(dataset, team, training=_training(spec, team))
    if trainer == "solo":
        return solos(dataset, team, precision=precision)
    assert isinstance(space, MLPSpace) and dataset is not None
    return fleets(dataset, team, largest=space.largest(), members=fleet, precision=precision)


def _crowned(search: Coordinator, confirmer: Confirmer, confirmation: Confirmation) -> Best:
    """Makes the winner of a confirmation the study's best."""
    best = search.confirmed(confirmation)
    if not search.files.has(best):
        search.files.crown(best, confirmer.network(confirmation, best.seed), confirmation)
    return best


def _training(spec: ModuleStudySpec, team: Staff) -> ModuleTraining:
    return ModuleTraining(
        metric=spec.objective.metric,
        arguments={**spec.trainer_arguments, **({"accelerator": "cpu"} if team.on_cpu else {})},
        loggers=spec.loggers,
        folder=paths.study_folder(spec.name).resolve(),
    )


def _for_the_search(budget: BudgetSpec, spec: AnyStudySpec) -> BudgetSpec:
    """Returns the budget less the time that is kept for the confirmation."""
    if budget.minutes is None:
        return budget
    return budget.model_copy(update={"minutes": budget.minutes * (1 - spec.confirm.share)})


def load_data(spec: StudySpec) -> Dataset | None:
    """Loads and splits the rows of a study's source; None if a LightningDataModule brings them.

    Raises:
        DataError: they cannot be had or learned from; the message names the study file.
    """
    source = spec.data.source
    if source is None:
        return None
    try:
        return data.load(
            source,
            spec.path.parent,
            validation=spec.data.validation,
            test=spec.data.test,
            task=spec.data.task,
            seed=spec.study.seed,
        )
    except DataError as error:
        raise type(error)(f"{spec.path}: data.source: {error}") from error


def _budget(
    spec: StudySpec, trials: int | None, minutes: float | None, target: float | None
) -> BudgetSpec:
    try:
        given = BudgetSpec(trials=trials, minutes=minutes, target=target)
    except ValidationError as error:
        raise InputError(first_error(error, BudgetSpec)) from error
    if trials is None and minutes is None:
        given = spec.budget if target is None else spec.budget.model_copy(update={"target": target})
    if given.trials is None and given.minutes is None:
        return given.model_copy(update={"trials": 100})
    return given


def importances(study: optuna.Study) -> dict[str, float]:
    """Returns each parameter's share in the spread of the scores (Hutter et al. 2014, fANOVA).

    The largest comes first; {} where there are too few complete trials, or all score the same.
    """
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < ENOUGH_FOR_IMPORTANCES or not complete[0].params:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except RuntimeError:  # Optuna's word for scores that are all the same
        return {}
