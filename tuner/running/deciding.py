"""How the trials of a study are scored, decided once, by what the time holds."""

from __future__ import annotations

import time

from .. import heuristics
from ..network.config import MLPConfig, config_from_json
from ..space import MLPSpace
from ..storage import CONFIG, count
from ..study import BudgetSpec
from ..training.fleet import busy_with
from .evaluation import full_evaluation, planned
from .open_study import OpenStudy
from .progress import Observer
from .repeats import Repeats
from .trainings import WORKERS_SECONDS, seeds


def evaluated(
    open_study: OpenStudy, budget: BudgetSpec, repeats: Repeats, observer: Observer
) -> tuple[OpenStudy, float]:
    """Decides how trials are scored, if that is not decided yet, by what the time holds.

    Returns:
        The study, and the seconds that a unit of work takes; 0 if that is not known.
    """
    store, space, facts = open_study.store, open_study.space, open_study.facts
    evaluation, pace = open_study.evaluation, 0.0
    if store.evaluation is None or not count(store.trials()).finished:
        evaluation = full_evaluation(open_study.spec, facts)
        if budget.minutes is not None and isinstance(space, MLPSpace) and facts is not None:
            repeats.wait(WORKERS_SECONDS)
            began = time.monotonic()
            pace = repeats.pace(space.usual, facts, seeds(open_study.spec.study.seed, "timing", 1))
            store.spend(store.seconds + time.monotonic() - began)
            evaluation = planned(
                evaluation,
                open_study.spec,
                space.usual,
                facts,
                budget,
                pace=pace,
                at_once=min(repeats.side_by_side, busy_with()),
                least_rows=open_study.least_rows,
            )
        store.keep_evaluation(evaluation.model_dump_json())
        observer.begin(f"scoring each trial by {evaluation}")
    else:
        pace = earlier_pace(open_study)
    store.prune_by(open_study.spec.study.pruner, evaluation.epochs)
    return open_study.evaluated(evaluation), pace


def earlier_pace(open_study: OpenStudy) -> float:
    """Returns the seconds that a unit of work took in earlier calls; 0 if that is not known."""
    store, seen, work = open_study.store, open_study.seen, 0.0
    for trial in store.trials():
        config = config_from_json(trial.user_attrs[CONFIG]) if CONFIG in trial.user_attrs else None
        if isinstance(config, MLPConfig) and seen is not None:
            work += len(trial.intermediate_values) * heuristics.work(config, seen)
    return store.seconds / (open_study.evaluation.folds * work) if work else 0.0
