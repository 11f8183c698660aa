"""What the coordinator needs of a space, and what spaces share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ..network.config import Config, Scalar
from ..study.domains import Domain


class SearchSpace(Protocol):
    """The parameters of one study; every trial has every one, so that TPE samples them jointly."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Optuna's parameters, by name."""

    @property
    def domains(self) -> Mapping[str, Domain]:
        """What the study file, or a default, says of each value of a config."""

    def suggest(self, trial: optuna.Trial) -> Config:
        """Draws every parameter of a trial and returns the config that they mean."""

    def config(self, params: Mapping[str, Any]) -> Config:
        """Returns the config that a trial's parameters mean."""

    def final(self, params: Mapping[str, Any], epochs: int) -> Config:
        """Returns the config that a trial's parameters mean in a training of so many epochs."""

    def starting_points(self) -> Mapping[str, dict[str, Any]]:
        """Returns the parameters of the starting points, by the name of where they come from."""

    def presets(self, epochs: int) -> Mapping[str, Config]:
        """Returns the configs that whatever the search finds is compared with, by name.

        Args:
            epochs: that they are trained for.
        """

    def allowed_presets(self) -> Mapping[str, bool]:
        """Says of each preset whether a trial could have it: others cannot win."""

    def attributes(self, config: Config) -> dict[str, Any]:
        """Returns what to keep with a trial for people who look at it."""


def drawn(trial: optuna.Trial, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Draws every parameter of a trial."""
    params: dict[str, Any] = {}
    for name, distribution in distributions.items():
        match distribution:
            case CategoricalDistribution(choices=choices):
                params[name] = trial.suggest_categorical(name, choices)
            case IntDistribution(low=low, high=high, log=log):
                params[name] = trial.suggest_int(name, low, high, log=log)
            case FloatDistribution(low=low, high=high, log=log):
                params[name] = trial.suggest_float(name, low, high, log=log)
    return params


def within(distribution: IntDistribution | FloatDistribution, value: float) -> Scalar:
    """Returns the value of a range that comes nearest to a wish."""
    if isinstance(distribution, IntDistribution):
        return min(max(round(value), distribution.low), distribution.high)
    return float(min(max(value, distribution.low), distribution.high))
