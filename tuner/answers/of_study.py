"""The confirmation of a study that is open: its presets, its configs, what is handed over."""

from __future__ import annotations

from functools import partial

from ..network.config import Config, MLPConfig
from ..results.arms import Arm
from ..running.open_study import OpenStudy
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..study.domains import Range
from .confirmer import Confirmer


def confirmer_of(open_study: OpenStudy, repeats: Repeats, observer: Observer) -> Confirmer:
    """Returns what confirms a study.

    Args:
        open_study: that it is.
        repeats: of it.
        observer: is told what happens.
    """
    spec, limits = open_study.spec, open_study.limits
    presets = open_study.space.presets(open_study.evaluation.confirm_epochs)
    allowed = open_study.space.allowed_presets()
    if limits.are_there:  # of one network, so one is handed over
        spec = spec.model_copy(update={"confirm": spec.confirm.model_copy(update={"members": 1})})
        allowed = {name: allowed[name] and not limits.broken(presets[name]) for name in presets}
    return Confirmer(
        spec,
        open_study.metric,
        open_study.store,
        repeats,
        presets,
        allowed,
        lambda trial: open_study.space.final(trial.params, open_study.evaluation.confirm_epochs),
        partial(_handed_over, open_study),
        open_study.evaluation.folds,
        open_study.dataset,
        open_study.seen,
        open_study.training,
        open_study.identity,
        observer,
    )


def _handed_over(
    open_study: OpenStudy, arm: Arm, epochs: int | None, rows: int | None = None
) -> Config:
    """Returns the config of the training to the end of an arm of a confirmation.

    Args:
        open_study: whose search found it.
        arm: of the confirmation.
        epochs: of that training; None is as many as are worth it.
        rows: training rows of it; None is all of them.
    """
    space, epochs = open_study.space, epochs or open_study.evaluation.final_epochs
    if arm.is_preset:
        config = space.presets(epochs)[arm.name]
    else:
        trial = next(each for each in open_study.store.trials() if each.number == arm.trial)
        config = space.final(trial.params, epochs)
    seen, facts = open_study.evaluation.rows, open_study.facts
    if seen is None or facts is None or not isinstance(config, MLPConfig):
        return config
    if not isinstance(space.domains["weight_decay"], Range):  # of each step, as the file says
        return config
    # More rows are more steps: together they decay as much as those that were confirmed.
    decay = config.weight_decay * seen / (rows or facts.n_rows)
    return config.model_copy(update={"weight_decay": decay})
