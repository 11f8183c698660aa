"""What is asked for beside the study file, checked before anything heavy is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import ValidationError

from ..errors import InputError
from ..heuristics import ITEMS
from ..study import AnyStudySpec, BudgetSpec, ModuleStudySpec
from ..study.complaints import first_error

Trainer = Literal["fleet", "solo"]

#: Trials after which a study ends that nothing limits.
_TRIALS = 100


def check_trainers(
    spec: AnyStudySpec, trainer: Trainer | None, fleet: int | None, workers: int | None
) -> None:
    """Looks whether a study can be trained as it is asked for.

    Args:
        spec: the study file.
        trainer: as `tune` takes it, like what follows.
        fleet: trials that train at once.
        workers: that train side by side.

    Raises:
        InputError: it cannot.
    """
    if trainer is not None and trainer not in get_args(Trainer):
        raise InputError(f"trainer must be one of {get_args(Trainer)}, got {trainer!r}")
    for name, value in {"fleet": fleet, "workers": workers}.items():
        if value is not None and value < 1:
            raise InputError(f"{name} must be >= 1, got {value}")
    if fleet is not None and trainer == "solo":
        raise InputError("fleet says how many trials train at once, and solo trains one")
    if fleet is not None and workers is not None and workers > fleet:
        raise InputError(f"{workers} workers are too many for {fleet} trials at once")
    if isinstance(spec, ModuleStudySpec) and (trainer == "fleet" or fleet is not None):
        raise InputError(f"{spec.path}: fleets train MLPs, and [model] names another network")


def budget_of(
    spec: AnyStudySpec,
    trials: int | None,
    minutes: float | None,
    target: float | None = None,
    patience: int | None = None,
) -> BudgetSpec:
    """Returns where a search ends: as its arguments say, or else its study file.

    Args:
        spec: the study file.
        trials: as `tune` takes it, like what follows.
        minutes: spent in all.
        target: that is good enough.
        patience: trials in a row, complete or pruned, that are no better.

    Raises:
        InputError: an argument is out of its range, or patience looks at one goal of two.
    """
    try:
        given = BudgetSpec(trials=trials, minutes=minutes, target=target, patience=patience)
    except ValidationError as error:
        raise InputError(first_error(error, BudgetSpec)) from error
    if trials is None and minutes is None:
        told = {"target": target, "patience": patience}
        update = {name: value for name, value in told.items() if value is not None}
        given = spec.budget.model_copy(update=update)
    if given.patience is not None and spec.objective.finds_sizes:
        reason = "looks at the score alone, and size is a goal, too; trials or minutes end it"
        if patience is not None:
            raise InputError(f"patience {reason}")
        raise spec.error("budget.patience", reason)
    if given.trials is None and given.minutes is None and given.patience is None:
        return given.model_copy(update={"trials": _TRIALS})
    return given


def check_audit(
    spec: AnyStudySpec,
    rules: Sequence[str],
    pairs: int,
    seed: int,
    tolerance: float | None,
    margin: float,
    minutes: float | None = None,
) -> None:
    """Looks whether the rules can be judged as it is asked for.

    Args:
        spec: the study file.
        rules: as `audit` takes it, like what follows.
        pairs: seeds of each comparison.
        seed: of the audit.
        tolerance: difference that does not matter.
        margin: share of the error left that does not matter.
        minutes: that it may take.

    Raises:
        InputError: they cannot.
    """
    if isinstance(spec, ModuleStudySpec):
        raise InputError(f"{spec.path}: the rules speak of MLPs, and [model] names another network")
    unknown = [rule for rule in rules if rule not in ITEMS]
    if unknown:
        raise InputError(f"rules must be among {ITEMS[0]} to {ITEMS[-1]}, got {unknown[0]!r}")
    allowed = 0.0 if tolerance is None else tolerance
    for name, value, least in (("pairs", pairs, 2), ("seed", seed, 0), ("tolerance", allowed, 0)):
        if not value >= least:
            raise InputError(f"{name} must be >= {least}, got {value}")
    if not 0 <= margin <= 1:
        raise InputError(f"margin must be a share from 0 to 1, got {margin}")
    check_minutes(minutes)


def check_minutes(minutes: float | None) -> None:
    """Looks whether an answer has time.

    Raises:
        InputError: it has none.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"minutes must be > 0, got {minutes}")
