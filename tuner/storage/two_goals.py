"""Draws for two goals, the score and few parameters, in a study that has one."""

from __future__ import annotations

import math
import warnings
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from .reading import DECLINED, N_PARAMETERS

#: What a trial ends with that is not to be drawn again.
_TOLD = (TrialState.COMPLETE, TrialState.PRUNED)


class SizeSampler(optuna.samplers.BaseSampler):
    """Draws networks that are good for their size.

    A study keeps the score as its one goal, by which Optuna prunes trials and tells importances.
    Another sampler of Optuna's is asked in a study in memory that has both goals: the score, and
    the logarithm of the number of parameters, so that each order of magnitude counts alike. It
    knows each trial of the first one: a complete one by its score, one that was pruned by its last,
    one that had none by the worst of all.

    Args:
        sampler: that draws for several goals, as "tpe" does (MOTPE, Ozaki et al. 2020,
            doi:10.1145/3377930.3389817).
    """

    def __init__(self, sampler: optuna.samplers.BaseSampler) -> None:
        self._sampler = sampler
        self._twin: optuna.Study | None = None
        self._told: set[int] = set()
        self._asked: tuple[int, optuna.Trial] | None = None  # with the number of its original

    def reseed_rng(self) -> None:
        """Draws otherwise from here on."""
        self._sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns nothing: the other sampler knows what it draws together."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns what the other sampler draws for this trial."""
        if self._asked is None or self._asked[0] != trial.number:
            self._asked = trial.number, self._ask(study)
        _, asked = self._asked
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return asked.suggest_categorical(param_name, choices)
            case IntDistribution(low=low, high=high, log=log, step=step):
                return asked.suggest_int(param_name, low, high, log=log, step=step)
            case FloatDistribution(low=low, high=high, log=log, step=step):
                return asked.suggest_float(param_name, low, high, log=log, step=step)
        raise AssertionError(f"unknown distribution {param_distribution}")

    def _ask(self, study: optuna.Study) -> optuna.Trial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if self._twin is None:
                directions = [study.direction, StudyDirection.MINIMIZE]
                self._twin = optuna.create_study(directions=directions, sampler=self._sampler)
            elif self._asked is not None:  # by now it is told, if at all, with its values
                self._twin.tell(self._asked[1], state=TrialState.FAIL)
            self._tell(study, self._twin)
            return self._twin.ask()

    def _tell(self, study: optuna.Study, twin: optuna.Study) -> None:
        """Has the study of two goals know what has ended since it was asked last."""
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        ended = study.get_trials(deepcopy=False, states=_TOLD)
        scores = {trial.number: score for trial in ended if (score := _score(trial)) is not None}
        if not scores:
            return
        worst = sign * min(sign * score for score in scores.values())
        for trial in ended:
            size = trial.user_attrs.get(N_PARAMETERS)
            if trial.number in self._told or size is None:
                continue
            self._told.add(trial.number)
            twin.add_trial(
                create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    values=[scores.get(trial.number, worst), math.log(size)],
                )
            )


def _score(trial: FrozenTrial) -> float | None:
    """Returns the last score of a trial; None if it has none, or was not begun."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    if DECLINED in trial.user_attrs or trial.last_step is None:
        return None
    last = trial.intermediate_values[trial.last_step]
    return last if math.isfinite(last) else None
