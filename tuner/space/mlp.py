"""The space of multi-layer perceptrons.

Three parameters are told on scales of their own, so that studies of different data can be compared
and one range means the same for all trials:

- `width_ratio`: width over the 2/3 rule (or the rule that the study names), on a log scale. The
  rule is a coordinate; how wide a network may be, `low` and `high` say.
- `base_learning_rate`: AdamW's rate at batch 128. The rate of a trial is
  `base * sqrt(batch / 128)` (S12), and ten times that for SGD, whose usual rates are larger
  by about that much.
- `total_decay`: how far weight decay alone would shrink a weight over a training at its initial
  rate, `exp(-total)`; see `tuner.heuristics.weight_decay`.

A value that the study file fixes is no parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from .. import heuristics
from ..heuristics import Preset
from ..network.config import Config, DataFacts, MLPConfig, Scalar
from ..study import MLPStudySpec
from ..study.domains import Around, Choices, Domain, Fixed, Range, named_values
from .base import drawn, within

_WIDTH_RATIO = "width_ratio"
_BASE_RATE = "base_learning_rate"
_TOTAL_DECAY = "total_decay"
#: Starting points that are compared with whatever the search finds.
_PRESETS: tuple[Preset, ...] = ("modern default", "note")
_WHOLE = ("depth", "normalization_batch_size", "batch_size", "drops")
#: Values of parameters that trials of an earlier version do not have.
_BEFORE = {"numeric_embedding": "none", "class_weight": "none"}


@dataclass(frozen=True)
class MLPSpace:
    """The parameters of one study.

    Attributes:
        domains: what the study file says of each field of `MLPConfig`.
        facts: sizes of the data.
        epochs: of one full trial.
        width_rule: hidden units that a width ratio of 1 means.
        distributions: Optuna's parameters, by name.
        domains_for: returns what the file says of each field for another number of epochs.
        history: what earlier studies found, which the recommendation starts from.
        rate: what a range test picked for the recommendation, if it did.
    """

    domains: dict[str, Domain]
    facts: DataFacts
    epochs: int
    width_rule: int
    distributions: dict[str, BaseDistribution]
    domains_for: Callable[[int], dict[str, Domain]]
    history: tuple[heuristics.Experience, ...] = ()
    rate: float | None = None

    @classmethod
    def of(
        cls,
        spec: MLPStudySpec,
        facts: DataFacts,
        epochs: int,
        history: Sequence[heuristics.Experience] = (),
    ) -> MLPSpace:
        """Makes the space of a study for data of these sizes.

        Args:
            spec: the study file.
            facts: sizes of the data.
            epochs: of one full trial.
            history: what earlier studies found.

        Raises:
            StudyFileError: the widths around the rule leave no room; label smoothing or class
                weights are searched in a regression; an embedding is, of no numbers.
        """
        left_out: dict[str, Domain] = {
            "numeric_embedding": _embedding(facts),
            "class_weight": Fixed(value="none"),
        }
        domains = left_out | spec.domains(epochs)
        if facts.task == "regression" and domains["class_weight"] != Fixed(value="none"):
            raise spec.error("search.class_weight", 'must be "none" in a regression')
        if not facts.n_numeric and "periodic" in named_values(domains["numeric_embedding"]):
            raise spec.error(
                "search.numeric_embedding",
                'must be "none": no input is a number of more than two values, pixels left out',
            )
        if facts.task == "regression" and domains["label_smoothing"] != Fixed(value=0.0):
            raise spec.error("search.label_smoothing", "must be 0 in a regression")
        width = domains["width"]
        name = width.around if isinstance(width, Around) else "two_thirds"
        rule = {"two_thirds": heuristics.two_thirds, "mean": heuristics.mean}[name](
            facts.n_inputs, facts.n_outputs
        )
        if isinstance(width, Around):
            domains["width"] = _widths(spec, width, name, rule)
        distributions = {}
        for field, domain in domains.items():
            if distribution := _distribution(field, domain, rule):
                distributions[_parameter(field, domain)] = distribution
        return cls(domains, facts, epochs, rule, distributions, spec.domains, tuple(history))

    def suggest(self, trial: optuna.Trial) -> MLPConfig:
        """Draws every parameter of a trial and returns the config that they mean."""
        return self.config(drawn(trial, self.distributions))

    def config(self, params: Mapping[str, Any]) -> MLPConfig:
        """Returns the config that a trial's parameters mean."""
        values: dict[str, Any] = {"epochs": self.epochs}
        for field, domain in self.domains.items():
            if isinstance(domain, Fixed):
                values[field] = domain.value
            else:
                name = _parameter(field, domain)
                values[field] = params[name] if name in params else _BEFORE[field]
        width = self.domains["width"]
        if isinstance(width, Range):
            units = round(values["width"] * self.width_rule)
            values["width"] = min(max(units, math.ceil(width.low)), math.floor(width.high))
        if isinstance(self.domains["learning_rate"], Range):
            values["learning_rate"] *= heuristics.rate_factor(
                values["optimizer"], values["batch_size"]
            )
        if isinstance(self.domains["weight_decay"], Range):
            values["weight_decay"] = heuristics.weight_decay(
                MLPConfig(**{**values, "weight_decay": 0.0}),
                values["weight_decay"],
                self.facts.n_rows,
            )
        return MLPConfig(**values)

    def params(self, config: MLPConfig) -> dict[str, Any]:
        """Returns the parameters that come nearest to a config, each inside its range."""
        values = config.model_dump()
        if isinstance(self.domains["width"], Range):
            values["width"] = config.width / self.width_rule
        if isinstance(self.domains["weight_decay"], Range):
            lasting = config.model_copy(update={"epochs": self.epochs})
            values["weight_decay"] = heuristics.total_decay(lasting, self.facts.n_rows)
        nearest: dict[str, Any] = {}
        for field, domain in self.domains.items():
            if not isinstance(domain, Fixed) and field != "learning_rate":
                name = _parameter(field, domain)
                nearest[field] = _nearest(self.distributions[name], values[field])
        rate = self.domains["learning_rate"]
        if not isinstance(rate, Fixed):
            value = config.learning_rate
            if isinstance(rate, Range):
                batch_size = self._value("batch_size", nearest)
                value /= heuristics.rate_factor(self._value("optimizer", nearest), batch_size)
            name = _parameter("learning_rate", rate)
            nearest["learning_rate"] = _nearest(self.distributions[name], value)
        return {_parameter(field, self.domains[field]): value for field, value in nearest.items()}

    def _value(self, field: str, nearest: dict[str, Any]) -> Any:
        domain = self.domains[field]
        return domain.value if isinstance(domain, Fixed) else nearest[field]

    def largest(self) -> MLPConfig:
        """Returns a config with every number at its upper end: the largest network of the space."""
        return self._extreme(max, "high", "periodic")

    def smallest(self) -> MLPConfig:
        """Returns the smallest network: every number at its lower end, or one layer more than none.

        Without a hidden layer each input has a weight for each output, which may be more.
        """
        first = self._extreme(min, "low", "none")
        deeper = self.params(first.model_copy(update={"depth": 1}))
        return min(first, self.config(deeper), key=lambda config: config.size(self.facts))

    def _extreme(self, chosen: Callable[..., Any], end: str, embedding: str) -> MLPConfig:
        params: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                choices = distribution.choices
                numbers = [choice for choice in choices if isinstance(choice, int | float)]
                params[name] = chosen(numbers, default=choices[0])
                if name == "numeric_embedding" and embedding in choices:
                    params[name] = embedding
            else:
                params[name] = getattr(distribution, end)
        return self.config(params)

    def allows(self, config: MLPConfig) -> bool:
        """Says whether a trial could have this config: each value lies in its domain.

        A decay below a range counts as its least: both are none.
        """
        values, nearest = config.model_dump(), self.config(self.params(config)).model_dump()
        for field, domain in self.domains.items():
            near, value = nearest[field], values[field]
            if isinstance(domain, Range) and field == "weight_decay" and value <= near:
                continue
            if isinstance(value, float) and not math.isclose(near, value, rel_tol=1e-3):
                return False
            if not isinstance(value, float) and near != value:
                return False
        return config.epochs == self.epochs

    def starting_points(self) -> dict[str, dict[str, Any]]:
        """Returns the parameters of the starting points, by the name of where they come from.

        They are in the order of `heuristics.starting_points`.
        """
        presets = heuristics.starting_points(self.facts, self.epochs, self.history)
        if self.rate is not None:
            update = {"learning_rate": self.rate}
            presets["recommendation"] = presets["recommendation"].model_copy(update=update)
        if "periodic" not in named_values(self.domains["numeric_embedding"]):
            presets.pop("periodic embedding", None)  # which would be the modern default again
        return {name: self.params(config) for name, config in presets.items()}

    @property
    def recommendation(self) -> MLPConfig:
        """What the rules and earlier studies recommend, as near as the ranges allow."""
        presets = heuristics.starting_points(self.facts, self.epochs, self.history)
        return self.config(self.params(presets["recommendation"]))

    def final(self, params: Mapping[str, Any], epochs: int) -> MLPConfig:
        """Returns the config that a trial's parameters mean in a training of so many epochs."""
        before, after = self.domains["final_ratio"], self.domains_for(epochs)["final_ratio"]
        if isinstance(before, Choices) and isinstance(after, Choices):
            # A ratio that was told per epoch is another one in another number of epochs.
            chosen = before.values.index(params["final_ratio"])
            params = {**params, "final_ratio": after.values[chosen]}
        domains = {**self.domains, "final_ratio": after}
        return replace(self, epochs=epochs, domains=domains).config(params)

    def presets(self, epochs: int) -> dict[str, Config]:
        """Returns what today's practice starts from, and the note's rules taken literally.

        One that the ranges of a file allow is as they allow it: as the trial that began there.

        Args:
            epochs: that they are trained for.
        """
        allowed, literal = self.allowed_presets(), heuristics.starting_points(self.facts, epochs)
        points = heuristics.starting_points(self.facts, self.epochs)
        return {
            name: self.final(self.params(points[name]), epochs) if allowed[name] else literal[name]
            for name in _PRESETS
        }

    def allowed_presets(self) -> dict[str, bool]:
        """Says of each preset whether a trial could have it."""
        presets = heuristics.starting_points(self.facts, self.epochs)
        return {name: self.allows(presets[name]) for name in _PRESETS}

    @property
    def usual(self) -> MLPConfig:
        """A network as large as most that are worth training, as the ranges allow it."""
        return self.config(self.params(heuristics.modern_default(self.facts, self.epochs)))

    def attributes(self, config: Config) -> dict[str, Any]:
        """Returns the values that stand behind ratios, and the size of the network."""
        assert isinstance(config, MLPConfig)
        return {
            "width": config.width,
            "learning_rate": config.learning_rate,
            "n_parameters": config.size(self.facts),
        }


def _embedding(facts: DataFacts) -> Domain:
    """Returns what a search tries where its file does not say: embeddings where they may pay."""
    if heuristics.embeds(facts):
        return Choices(values=("none", "periodic"))
    return Fixed(value="none")


def _parameter(field: str, domain: Domain) -> str:
    """Names the parameter of a field: ratios and base rates have names of their own."""
    if isinstance(domain, Range):
        names = {"width": _WIDTH_RATIO, "learning_rate": _BASE_RATE, "weight_decay": _TOTAL_DECAY}
        return names.get(field, field)
    return field


def _widths(spec: MLPStudySpec, width: Around, name: str, rule: int) -> Range:
    """Returns the widths that a file allows.

    Raises:
        StudyFileError: a factor around the rule leaves none.
    """
    factor = width.factor or math.inf
    low, high = max(width.low, rule / factor), min(width.high, rule * factor)
    if low > high:
        raise spec.error(
            "search.width",
            f"leaves no width: {name} says {rule}, factor {factor:g} allows "
            f"{rule / factor:g} to {rule * factor:g}, "
            f"low and high allow {width.low} to {width.high}",
        )
    return Range(low=low, high=high, log=True)


def _distribution(field: str, domain: Domain, width_rule: int) -> BaseDistribution | None:
    match domain:
        case Choices(values=values):
            return CategoricalDistribution(values)
        case Range(low=low, high=high) if field == "width":
            return FloatDistribution(low / width_rule, high / width_rule, log=True)
        case Range(low=low, high=high, log=log) if field in _WHOLE:
            return IntDistribution(int(low), int(high), log=log)
        case Range(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
    return None


def _nearest(distribution: BaseDistribution, value: Any) -> Scalar:
    """Returns the value of a parameter that comes nearest to a wish."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            choice: Scalar = _nearest_choice(choices, value)
            return choice
        case IntDistribution(high=high) | FloatDistribution(high=high):
            return within(distribution, value) if value is not None else high
    raise AssertionError(f"unknown distribution {distribution}")


def _nearest_choice(choices: tuple[Any, ...], value: Any) -> Any:
    """The same value, else the nearest number, else the same curve, else the first."""
    if value in choices:
        return value
    if not isinstance(value, bool | str | None):
        return min(choices, key=lambda choice: abs(choice - value))
    twin = {"lambda": "exponential", "exponential": "lambda"}.get(str(value))
    return twin if twin in choices else choices[0]
