"""The way of a study: spec -> dataset -> space -> store and worker -> coordinator -> result."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd  # noqa: F401  here, so that an interrupted search writes its table at once
from pydantic import ValidationError

from . import heuristics, paths
from .complaints import first_error
from .config import MLPConfig
from .confirmer import Confirmer
from .coordinator import Coordinator
from .domains import Fixed
from .errors import InputError
from .importance import importances
from .open_study import OpenStudy, Trainer, opened
from .progress import Observer
from .rate_range import lr_range
from .repeats import Repeats, seeds
from .results import Best
from .space import MLPSpace, ModuleSpace
from .storage import Counts
from .study import BudgetSpec, StudySpec, load_study
from .winner import Confirmation
from .workers import Devices


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
    spec = load_study(study)
    budget = _budget(spec, trials, minutes, target)
    with opened(
        spec,
        trainer=trainer,
        fleet=fleet,
        workers=workers,
        devices=devices,
        cluster=cluster,
        storage=storage,
        at_most=budget.trials,
        new=new,
        observer=observer,
    ) as open_study:
        confirms = confirm and spec.confirm.seeds > 0
        space = _with_first_rate(open_study, observer)
        search = Coordinator(
            spec,
            budget,
            1 - spec.confirm.share if confirms else 1.0,
            open_study.metric,
            open_study.facts,
            () if open_study.dataset is None else open_study.dataset.classes,
            space,
            open_study.store,
            open_study.worker,
            observer,
            open_study.interruption,
        )
        stopped = search.run()
        confirmation = None
        if confirms:
            spent = open_study.store.seconds + open_study.store.confirmation_seconds
            left = None if budget.minutes is None else 60 * budget.minutes - spent
            confirmation = _confirmed(open_study, search, left, observer)
        return TuneResult(
            study=spec.name,
            metric=open_study.metric,
            best=search.best if confirmation is None else search.confirmed(confirmation),
            counts=search.counts,
            confirmation=confirmation,
            importances=importances(open_study.store.study),
            folder=paths.study_folder(spec.name),
            stopped=stopped,
            ran=search.ran,
            seconds=open_study.store.seconds,
        )


def _with_first_rate(open_study: OpenStudy, observer: Observer) -> MLPSpace | ModuleSpace:
    """Lets a new study's recommendation start at the rate of a range test, if it may choose one."""
    space, store = open_study.space, open_study.store
    if (
        not isinstance(space, MLPSpace)
        or not open_study.spec.start.rate_range
        or isinstance(space.domains["learning_rate"], Fixed)
        or store.trials()
    ):
        return space
    began = time.monotonic()
    observer.begin("trying learning rates for an epoch")
    repeats = Repeats(
        paths.study_folder(open_study.spec.name), open_study.worker, open_study.interruption
    )
    (seed,) = seeds(open_study.spec.study.seed, "rate range", 1)
    found = lr_range(
        space.recommendation, repeats, n_rows=space.facts.n_rows, seed=seed, observer=observer
    )
    store.spend(store.seconds + time.monotonic() - began)
    if found is None:
        return space
    store.keep_rate_range(found.model_dump_json())
    return replace(space, rate=found.suggested)


def _confirmed(
    open_study: OpenStudy, search: Coordinator, seconds: float | None, observer: Observer
) -> Confirmation | None:
    """Confirms the best configs, and makes the winner the study's best."""
    repeats = Repeats(search.files.folder, open_study.worker, open_study.interruption)
    confirmer = Confirmer(
        open_study.spec,
        open_study.metric,
        open_study.store,
        repeats,
        open_study.space.presets(),
        open_study.dataset,
        open_study.training,
        observer,
    )
    began = time.monotonic()
    try:
        confirmation = confirmer.run(seconds)
    finally:
        open_study.store.spend_on_confirmation(time.monotonic() - began)
    if confirmation is not None:
        best = search.confirmed(confirmation)
        if not search.files.has(best):
            network = confirmer.network(confirmation, best.seed)
            search.files.crown(best, network, confirmation)
        _remember(open_study, confirmation)
    repeats.forget_networks()
    return confirmation


def _remember(open_study: OpenStudy, confirmation: Confirmation) -> None:
    """Keeps what the winner teaches for later studies."""
    config, confirmed = confirmation.winning.config, confirmation.winning.confirmed
    if not isinstance(config, MLPConfig) or open_study.facts is None or confirmed is None:
        return
    presets = {arm.name: arm for arm in confirmation.presets}
    gain = confirmation.gain(presets["note"]) if "note" in presets else None
    heuristics.remember(
        heuristics.Experience.of(
            open_study.spec.name,
            config,
            open_study.facts,
            metric=confirmation.metric,
            mean=confirmed.mean,
            standard_error=confirmed.standard_error,
            gain=None if gain is None else gain.mean,
        )
    )


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
