"""Who takes part in a confirmation, and what a training of each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from .. import heuristics
from ..network.config import Config, DataFacts, MLPConfig, config_from_json
from ..results.arms import Arm, Direction
from ..storage import CONFIG, EPOCH_SECONDS, SOURCE
from ..training.fleet import busy_with


def entrants(
    trials: Sequence[FrozenTrial],
    direction: Direction,
    n: int,
    presets: Mapping[str, Config],
    allowed: Mapping[str, bool] | None = None,
    config_of: Callable[[FrozenTrial], Config] | None = None,
) -> tuple[list[Arm], list[Arm]]:
    """Returns the best configs of a search, best first, and the presets; without scores yet.

    Of trials that score the same, the one with the lower validation loss comes first.

    Args:
        trials: of the study; only complete ones can be entered.
        direction: which way a score is better.
        n: configs of the search, at most; one that several trials had is entered once, and one that
            is a preset's is the preset.
        presets: by name.
        allowed: whether the study file allows each of them; None is all of them.
        config_of: makes the config that a trial's parameters mean in a confirmation; None is the
            trial's own.
    """
    sign = 1 if direction == "maximize" else -1
    scored = [
        (-sign * trial.value, trial.user_attrs.get("val_loss", 0.0), trial.number, trial)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    found: dict[str, Arm] = {}
    for *_, number, trial in sorted(scored, key=lambda entry: entry[:3]):
        own = config_from_json(trial.user_attrs[CONFIG])
        config = own if config_of is None else config_of(trial)
        found.setdefault(
            config.to_json(),
            Arm(
                name=f"trial {number}",
                trial=number,
                config=config,
                n_parameters=0,
                search=trial.value,
                search_epochs=own.epochs,
                scores=(),
            ),
        )
    others = []
    for name, config in presets.items():
        same = found.pop(config.to_json(), None)
        others.append(
            Arm(
                name=name,
                trial=None if same is None else same.trial,
                config=config,
                n_parameters=0,
                search=None if same is None else same.search,
                search_epochs=None if same is None else same.search_epochs,
                scores=(),
                is_preset=True,
                is_allowed=allowed is None or allowed[name],
            )
        )
    return list(found.values())[:n], others


def costs(
    arms: Sequence[Arm],
    trials: Sequence[FrozenTrial],
    side_by_side: int,
    pace: float | None = None,
    facts: DataFacts | None = None,
) -> tuple[float, ...]:
    """Estimates what one training of each arm adds to the time, where others train beside it.

    Of an MLP that is its work at the pace of the search. Else it is what its trial took for all its
    epochs, over how many train at once; a preset's trial is the one that started from it.

    Args:
        arms: whose configs are trained.
        trials: of the study, at least one of which is complete.
        side_by_side: how many train at once.
        pace: seconds that a unit of work (`heuristics.work`) took in the search, if that is known.
        facts: sizes of the data, if they are known.
    """
    known = {trial.number: trial.user_attrs.get(EPOCH_SECONDS) for trial in trials}
    of_source = {trial.user_attrs.get(SOURCE): trial.number for trial in trials}
    usual = median([seconds for seconds in known.values() if seconds] or [0.0])

    def cost(arm: Arm) -> float:
        if pace is not None and facts is not None and isinstance(arm.config, MLPConfig):
            return pace * heuristics.work(arm.config, facts) * arm.config.epochs
        number = of_source.get(arm.name, -1) if arm.trial is None else arm.trial
        epoch = float(known.get(number) or usual)
        return epoch * arm.config.epochs / max(1, side_by_side)

    return tuple(cost(arm) for arm in arms)


def sharing(
    trials: Sequence[FrozenTrial],
    side_by_side: int,
    pace: float | None = None,
    facts: DataFacts | None = None,
) -> float:
    """Returns how many trainings make the machine busy: one alone is no faster than among so many.

    No more than shared it in the search, which is what epochs took over what their work takes of a
    busy machine.

    Args:
        trials: of the study.
        side_by_side: how many train at once.
        pace: seconds that a unit of work (`heuristics.work`) took in the search, if that is known.
        facts: sizes of the data, if they are known.
    """
    most = float(min(side_by_side, busy_with()))
    if pace is None or facts is None:
        return most
    known = [
        (seconds, pace * heuristics.work(config, facts))
        for trial in trials
        if (seconds := trial.user_attrs.get(EPOCH_SECONDS)) is not None
        and isinstance(config := config_from_json(trial.user_attrs[CONFIG]), MLPConfig)
    ]
    took, busy = (sum(column) for column in zip(*known, strict=True)) if known else (0.0, 0.0)
    return min(most, max(1.0, took / busy)) if busy > 0 else most
