"""The way of a study: spec -> dataset -> space -> store and worker -> coordinator -> result."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd  # noqa: F401  here, so that an interrupted search writes its table at once

from . import heuristics
from .answers.confirmer import Confirmer
from .answers.of_study import confirmer_of
from .answers.sizes import front_of
from .errors import StopSearch
from .network.config import MLPConfig
from .results.front import Front
from .results.importance import importances
from .results.result import TuneResult
from .results.winner import Confirmation
from .running.arguments import Trainer, budget_of
from .running.coordinator import Coordinator
from .running.deciding import evaluated
from .running.evaluation import for_sizes
from .running.given import spec_of
from .running.logs import logged
from .running.minutes import Minutes
from .running.open_study import OpenStudy, opened
from .running.progress import Observer
from .running.rate_range import RangeTest, RateRange
from .running.repeats import Repeats
from .running.trainings import seeds
from .running.watching import watched
from .space import MLPSpace
from .study import BudgetSpec
from .study.domains import Fixed
from .system import paths
from .system.devices import Devices

#: Share of the time that a range test may take.
_RANGE_TEST = 0.05
#: Number of the first job of a range test: far from those of trials and of repetitions.
_RANGE_TEST_JOB = 2_000_000


def tune(
    study: object,
    *,
    label: str | Sequence[str] | None = None,
    name: str | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    target: float | None = None,
    patience: int | None = None,
    new: bool = False,
    trainer: Trainer | None = None,
    fleet: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    confirm: bool | Mapping[str, Any] = True,
    progress: bool | None = None,
    observer: Observer | None = None,
    **sections: Mapping[str, Any],
) -> TuneResult:
    """Tunes a study until its budget is used; goes on where an earlier call ended.

    Args:
        study: name of a file in `studies/`, or the path of one; the path of a table; a `Study`; a
            frame; or a pair `(x, y)` of inputs and targets, or `(x, y, weights)`.
        label: column of a table or frame that is predicted; several in a regression.
        name: of the study of a frame or a pair; if left out, a hash of the rows is part of it.
        trials: finished trials in all, with those of earlier calls.
        minutes: spent in all, with those of earlier calls; the start of workers does not count. How
            long trials are follows from them where the study file leaves it out.
        target: value of the metric that is good enough; where winners are confirmed, it is their
            confirmed mean that must reach it.
        patience: trials in a row, complete or pruned, none of them better than the best before,
            after which none begins; the search ends with those that are under way.
        new: put an earlier study of this name aside and begin anew.
        trainer: "fleet" trains many MLPs at once, "solo" one trial at a time with Lightning's
            Trainer. None is a fleet for MLPs, and solo for a LightningModule of the user's.
        fleet: how many trials fleets train at once, in all, each over all its folds. None is a
            fifth of the trials that there will be (as far as patience goes, where nothing else
            limits them), at least 5, as far as they find places: for two
            networks for each worker that has one core, four for each core of a worker that has
            more, 32 for one on a GPU, as many as there are folds in any case, and fewer if half of
            the free memory holds fewer of the largest network.
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
            says, and pick the winner by those scores. A share of the minutes is kept for it. A
            mapping is that section of a frame or a pair.
        progress: shows the search as it goes on; None does where standard output is a terminal, and
            in a notebook, unless there is an observer.
        observer: is told what happens, instead of showing it; it may end the search (`Observer`).
        sections: tables of a study file for a frame or a pair, such as `search={"depth": 1}`.

    A LightningModule of the user's, and its data, are imported, which runs their files.

    If `trials` or `minutes` is given, the arguments replace the budget of the study file; a
    `target` and a `patience` alone are added to it. Where none of trials, minutes and patience
    limits a study, it ends after 100 trials.

    Raises:
        InputError: an argument is out of its range.
        StudyFileError: the study file is wrong, or the module that it names cannot be used.
        DataError: the data cannot be had or learned from.
        ChangedStudyError: the file differs from the one that the stored trials were made with.
        StudyFailedError: too many trials failed in a row, or all that ended diverged or failed.
        StudyOwnedError: another process is tuning this study.
        StoreUnreadableError: the store cannot be read.
        StoreLostError: the store cannot be written any more.
        WorkerLostError: a process that trains could not start or go on.
        InterruptedStudyError: a signal came.

    With `workers=1` and a number of trials for `fleet`, one seed gives the same trials and scores
    again on the same machine.
    """
    if isinstance(confirm, Mapping):
        sections, confirm = {**sections, "confirm": confirm}, True
    spec = spec_of(study, label=label, name=name, **sections)
    budget = budget_of(spec, trials, minutes, target, patience)
    spec = spec.model_copy(update={"budget": budget})
    with (
        watched(progress, observer) as observer,
        logged(spec, observer) as observer,
        opened(
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
        ) as open_study,
    ):
        return _tuned(open_study, budget, fleet, observer, confirm=confirm)


def _tuned(
    open_study: OpenStudy,
    budget: BudgetSpec,
    fleet: int | None,
    observer: Observer,
    *,
    confirm: bool,
) -> TuneResult:
    """Searches until the budget is used, and confirms what was found."""
    spec = open_study.spec
    spec.save()
    repeats = open_study.repeats(observer)
    open_study, pace = evaluated(open_study, budget, repeats, observer)
    repeats.rows = open_study.evaluation.rows
    confirmer = confirmer_of(open_study, repeats, observer)
    confirms = confirm and spec.confirm.seeds > 0
    search = _coordinator(
        open_study, budget, confirmer if confirms else None, pace, fleet, observer
    )
    confirmation: Confirmation | None = None
    front: Front | None = None
    told = open_study.store.confirmation
    try:
        while True:
            stopped = search.run()
            if confirms:
                confirmation = _confirmed(open_study, search, confirmer, repeats)
            if confirmation is not None and open_study.store.confirmation != told:
                told = open_study.store.confirmation
                observer.confirmed(confirmation)
            if not search.misses(confirmation):
                break
        if spec.objective.finds_sizes:
            if confirmation is None:
                observer.remark("networks of each size are told once a winner is confirmed")
            else:
                front = _sizes(open_study, confirmation, repeats, budget, observer)
    except StopSearch as stop:
        stopped = str(stop) or "an observer ended it"
        confirmation = search.kept_confirmation
        front = Front.kept(open_study.store.front)
        front = front if front is not None and front.is_of(confirmation) else None
    standing = search.standing
    best = standing.best if confirmation is None else standing.confirmed(confirmation)
    return TuneResult(
        study=spec.name,
        metric=open_study.metric,
        best=None if best is None else search.files.sealed(best),
        counts=standing.counts,
        confirmation=confirmation,
        importances=importances(open_study.store.study),
        folder=paths.study_folder(spec.name),
        stopped=stopped,
        ran=search.allowance.ran,
        seconds=open_study.store.seconds,
        front=front,
    )


def _coordinator(
    open_study: OpenStudy,
    budget: BudgetSpec,
    confirmer: Confirmer | None,
    pace: float,
    fleet: int | None,
    observer: Observer,
) -> Coordinator:
    space, kept = open_study.space, open_study.store.rate_range
    if isinstance(space, MLPSpace) and kept is not None:
        space = replace(space, rate=RateRange.model_validate_json(kept).suggested)
    share = 0.0 if budget.minutes is None else 60 * budget.minutes * open_study.spec.confirm.share
    minutes = Minutes(budget.minutes, pace, open_study.store.seconds)

    def reserve(pace: float | None) -> float:
        if confirmer is None or open_study.store.best() is None:
            return 0.0
        return confirmer.needs(share, pace) + for_sizes(open_study.spec, budget)

    return Coordinator(
        open_study.spec,
        budget,
        open_study.evaluation,
        open_study.metric,
        open_study.facts,
        () if open_study.dataset is None else open_study.dataset.classes,
        space,
        open_study.store,
        open_study.worker,
        observer,
        open_study.interruption,
        minutes=minutes,
        limits=open_study.limits,
        reserve=reserve,
        range_test=_range_test(open_study, budget, pace),
        fleet=fleet,
        fills_places=open_study.trainer == "solo",
    )


def _range_test(open_study: OpenStudy, budget: BudgetSpec, pace: float) -> RangeTest | None:
    """Returns the range test of a new study's recommendation, if it may choose a rate."""
    space, spec = open_study.space, open_study.spec
    if (
        not isinstance(space, MLPSpace)
        or not spec.start.rate_range
        or isinstance(space.domains["learning_rate"], Fixed)
        or open_study.store.trials()
        or open_study.limits.broken(space.recommendation)
    ):
        return None
    (seed,) = seeds(spec.study.seed, "rate range", 1)
    return RangeTest(
        space.recommendation,
        space.facts,
        first_job=_RANGE_TEST_JOB,
        seed=seed,
        seconds=math.inf if budget.minutes is None else _RANGE_TEST * 60 * budget.minutes,
        pace=pace,
    )


def _confirmed(
    open_study: OpenStudy, search: Coordinator, confirmer: Confirmer, repeats: Repeats
) -> Confirmation | None:
    """Confirms the best configs, and makes the winner the study's best."""
    store, left = open_study.store, _seconds_left(open_study, search.allowance.budget)
    if left is not None:
        left -= for_sizes(open_study.spec, search.allowance.budget)
    began = time.monotonic()
    try:
        confirmation = confirmer.run(left, search.allowance.minutes.pace)
    finally:
        store.spend_on_confirmation(time.monotonic() - began)
    if confirmation is not None:
        best = search.standing.confirmed(confirmation)
        if search.files.has(best):
            search.files.tell(best)
        else:
            network = confirmer.network(confirmation, best.seed)
            search.files.crown(best, network, confirmation)
        search.files.keep(confirmation)
        _remember(open_study, confirmation)
    repeats.forget_networks()
    return confirmation


def _seconds_left(open_study: OpenStudy, budget: BudgetSpec) -> float | None:
    """Returns what is left of the minutes, if they are limited; less than 0 where none is."""
    spent = open_study.store.seconds + open_study.store.confirmation_seconds
    return None if budget.minutes is None else 60 * budget.minutes - spent


def _sizes(
    open_study: OpenStudy,
    confirmation: Confirmation,
    repeats: Repeats,
    budget: BudgetSpec,
    observer: Observer,
) -> Front | None:
    """Confirms the best networks of each size, as far as there is time."""
    began, left = time.monotonic(), _seconds_left(open_study, budget)
    try:
        return front_of(open_study, confirmation, repeats, left, observer)
    finally:
        open_study.store.spend_on_confirmation(time.monotonic() - began)


def _remember(open_study: OpenStudy, confirmation: Confirmation) -> None:
    """Keeps what the winner teaches for later studies."""
    config = confirmation.winning.config
    confirmed = confirmation.estimate(confirmation.winning)
    seen = open_study.seen
    if not isinstance(config, MLPConfig) or seen is None or confirmed is None:
        return
    presets = {arm.name: arm for arm in confirmation.presets}
    gain = confirmation.gain(presets["note"]) if "note" in presets else None
    heuristics.remember(
        heuristics.Experience.of(
            open_study.spec.name,
            config,
            seen,
            metric=confirmation.metric,
            mean=confirmed.mean,
            standard_error=confirmed.standard_error,
            gain=None if gain is None else gain.mean,
        )
    )
