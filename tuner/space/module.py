"""The space of a LightningModule of the user's: what the study file declares, as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ..network.config import Config, DataFacts, ModuleConfig, Scalar
from ..study.classes import UserClasses
from ..study.domains import Choices, Domain, Fixed, Range
from .base import drawn, within


@dataclass(frozen=True)
class ModuleSpace:
    """The parameters of one study.

    Attributes:
        classes: of the user's, which know what goes to which constructor.
        facts: sizes of the data, if they are known.
        distributions: Optuna's parameters, by name.
    """

    classes: UserClasses
    facts: DataFacts | None
    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def of(cls, classes: UserClasses, facts: DataFacts | None) -> ModuleSpace:
        """Makes the space of a study.

        Args:
            classes: of the user's.
            facts: sizes of the data; None where they are a LightningDataModule's.
        """
        domains = classes.spec.search
        graph = {name: set(classes.spec.conditions.get(name, ())) for name in domains}
        # What others depend on comes first.
        found = {
            name: _distribution(domains[name]) for name in TopologicalSorter(graph).static_order()
        }
        return cls(classes, facts, {name: each for name, each in found.items() if each is not None})

    @property
    def domains(self) -> Mapping[str, Domain]:
        """What the study file says of each argument that it names."""
        return self.classes.spec.search

    def suggest(self, trial: optuna.Trial) -> ModuleConfig:
        """Draws every parameter of a trial and returns the config that they mean."""
        params: dict[str, Scalar] = {}
        for name, distribution in self.distributions.items():
            if self._means_something(name, params):
                params |= drawn(trial, {name: distribution})
        return self.config(params)

    def _means_something(self, name: str, params: Mapping[str, Scalar]) -> bool:
        """Says whether a value is drawn where others, which came before, are these."""
        domains = self.classes.spec.search

        def is_so(other: str, value: Scalar) -> bool:
            domain = domains[other]
            return (domain.value if isinstance(domain, Fixed) else params.get(other)) == value

        return all(is_so(*each) for each in self.classes.spec.conditions.get(name, {}).items())

    def config(self, params: Mapping[str, Scalar]) -> ModuleConfig:
        """Returns the config that a trial's parameters mean."""
        values = {
            name: domain.value if isinstance(domain, Fixed) else params[name]
            for name, domain in self.classes.spec.search.items()
            if isinstance(domain, Fixed) or name in params
        }
        return self.classes.config(values, self.facts)  # type: ignore[arg-type]  # a file has no None

    def starting_points(self) -> dict[str, dict[str, Any]]:
        """Returns the constructors' own defaults, if every searched name has one.

        A number outside its range, or none of a list, gives way to the nearest.
        """
        defaults = self.classes.defaults()
        point: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            if not self._means_something(name, point):
                continue
            nearest = _nearest(distribution, defaults.get(name))
            if nearest is None:
                return {}
            point[name] = nearest
        return {"defaults": point} if point else {}

    def final(self, params: Mapping[str, Any], epochs: int) -> ModuleConfig:
        """Returns the config that a trial's parameters mean; its epochs are always the file's."""
        return self.config(params)

    def presets(self, epochs: int) -> dict[str, Config]:
        """Returns the constructors' own defaults, if every searched name has one."""
        return {name: self.config(point) for name, point in self.starting_points().items()}

    def allowed_presets(self) -> dict[str, bool]:
        """Says that each preset is as near to the defaults as a trial can be."""
        return dict.fromkeys(self.starting_points(), True)

    def attributes(self, config: Config) -> dict[str, Any]:
        """Returns nothing: the parameters are the values."""
        return {}


def _distribution(domain: Domain) -> BaseDistribution | None:
    match domain:
        case Choices(values=values):
            return CategoricalDistribution(values)
        case Range(low=int(low), high=int(high), log=log):
            return IntDistribution(low, high, log=log)
        case Range(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
    return None


def _nearest(distribution: BaseDistribution, value: Scalar | None) -> Scalar | None:
    """Returns the value of a parameter that comes nearest to a default; None if none does."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match distribution:
        case CategoricalDistribution(choices=choices):
            same = [each for each in choices if each == value and type(each) is type(value)]
            if same:
                return value
            numbers = [each for each in choices if isinstance(each, int | float)]
            if not is_number or len(numbers) < len(choices):
                return None
            return min(numbers, key=lambda number: abs(number - value))  # type: ignore[operator]  # a number
        case IntDistribution() | FloatDistribution() if is_number:
            return within(distribution, value)  # type: ignore[arg-type]  # a number
    return None
