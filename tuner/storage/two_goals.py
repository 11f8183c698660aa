"""Draws for two goals, the score and few parameters, in a study that has one."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
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

from ..errors import InputError
from .reading import DECLINED, N_PARAMETERS

#: Samplers that look at no score, and so draw the same for any goals; a subclass may look.
_BLIND = (optuna.samplers.RandomSampler, optuna.samplers.QMCSampler)


def for_two_goals(sampler: optuna.samplers.BaseSampler) -> optuna.samplers.BaseSampler:
    """Returns what has a sampler draw networks that are good for their size.

    Args:
        sampler: of Optuna's kind, for several goals.
    """
    return sampler if type(sampler) in _BLIND else SizeSampler(sampler)


def check_two_goals(sampler: optuna.samplers.BaseSampler) -> None:
    """Looks whether a sampler draws for several goals; it is of no use afterwards.

    Raises:
        InputError: it does not.
    """
    try:
        with _quiet():
            tried = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
            for _ in range(2):
                trial = tried.ask()
                value = trial.suggest_float("x", 0, 1)
                tried.tell(trial, [value, -value])
    except Exception as error:  # it may be the user's code
        raise InputError(f"does not draw for several goals ({error})") from error


class SizeSampler(optuna.samplers.BaseSampler):
    """Draws networks that are good for their size, in a study whose one goal is the score.

    Another sampler of Optuna's is asked in a study in memory that has both goals: the score, and
    the logarithm of the number of parameters, so that each order of magnitude counts alike. That
    study knows each trial of the first one, those under way among them: a complete one by its
    score, one that was pruned by its last, one that had none as worse than all. It begins anew with
    each process; what a sampler keeps with trials besides their values is lost then.

    Args:
        sampler: that draws for several goals, as "tpe" does (MOTPE, Ozaki et al. 2020,
            doi:10.1145/3377930.3389817).
    """

    def __init__(self, sampler: optuna.samplers.BaseSampler) -> None:
        self._sampler = sampler
        self._twin: optuna.Study | None = None
        self._twins: dict[int, int] = {}  # numbers there, of trials that are under way
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
            with _quiet():
                twin = self._told_of(study, besides=trial.number)
                self._asked = trial.number, twin.ask()
            self._twins[trial.number] = self._asked[1].number
        _, asked = self._asked
        with _quiet():
            match param_distribution:
                case CategoricalDistribution(choices=choices):
                    return asked.suggest_categorical(param_name, choices)
                case IntDistribution(low=low, high=high, log=log, step=step):
                    return asked.suggest_int(param_name, low, high, log=log, step=step)
                case FloatDistribution(low=low, high=high, log=log, step=step):
                    return asked.suggest_float(param_name, low, high, log=log, step=step)
        raise AssertionError(f"unknown distribution {param_distribution}")

    def _told_of(self, study: optuna.Study, *, besides: int) -> optuna.Study:
        """Returns the study of two goals, which knows what became of all trials but one."""
        if self._twin is None:
            directions = [study.direction, StudyDirection.MINIMIZE]
            self._twin = optuna.create_study(directions=directions, sampler=self._sampler)
        twin = self._twin
        trials = [
            trial
            for trial in study.get_trials(deepcopy=False)
            if trial.number not in self._told
            and trial.number != besides
            and trial.state != TrialState.WAITING
        ]
        worst = _worst(study)
        for trial in trials:
            if trial.state == TrialState.FAIL:
                self._told.add(trial.number)
                if trial.number in self._twins:
                    twin.tell(self._twins.pop(trial.number), state=TrialState.FAIL)
            elif trial.state == TrialState.RUNNING:
                if trial.number not in self._twins and trial.params:
                    twin.add_trial(_copy(trial, None))
                    self._twins[trial.number] = len(twin.get_trials(deepcopy=False)) - 1
            elif worst is not None and N_PARAMETERS in trial.user_attrs:
                self._told.add(trial.number)
                score = _score(trial)
                size = math.log(trial.user_attrs[N_PARAMETERS])
                values = worst if score is None else [score, size]
                if trial.number in self._twins:
                    twin.tell(self._twins.pop(trial.number), values)
                else:
                    twin.add_trial(_copy(trial, values))
        return twin


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _copy(trial: FrozenTrial, values: list[float] | None) -> FrozenTrial:
    """Returns a trial of two goals: complete with these values, or under way without."""
    return create_trial(
        state=TrialState.RUNNING if values is None else TrialState.COMPLETE,
        params=trial.params,
        distributions=trial.distributions,
        values=values,
    )


def _worst(study: optuna.Study) -> list[float] | None:
    """Returns the worst score and the largest size of all; None before there is a score."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    scores = [score for trial in ended if (score := _score(trial)) is not None]
    if not scores:
        return None
    sizes = [trial.user_attrs[N_PARAMETERS] for trial in ended if N_PARAMETERS in trial.user_attrs]
    worst = min if study.direction == StudyDirection.MAXIMIZE else max
    return [worst(scores), math.log(max(sizes, default=1))]


def _score(trial: FrozenTrial) -> float | None:
    """Returns the last score of a trial; None if it has none, or was not begun."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    if DECLINED in trial.user_attrs or trial.last_step is None:
        return None
    last = trial.intermediate_values[trial.last_step]
    return last if math.isfinite(last) else None
