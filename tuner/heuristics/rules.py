"""The rules themselves: functions that name widths and rates, and each rule as an object."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from ..network.config import Activation, DataFacts, Schedule

#: The items of the note. An audit has a verdict on each, or a reason why it has none.
ITEMS = tuple(f"S{number}" for number in range(1, 25))
#: The batch size that base learning rates are stated for.
REFERENCE_BATCH_SIZE = 128

Value = bool | int | float | str


def two_thirds(n_inputs: int, n_outputs: int) -> int:
    """S24: hidden units = 2/3 of the inputs + the outputs, at least 1 (Petersen 2013)."""
    return max(1, round(2 * n_inputs / 3 + n_outputs))


def mean(n_inputs: int, n_outputs: int) -> int:
    """S20: hidden units = the mean of inputs and outputs, at least 1."""
    return max(1, round((n_inputs + n_outputs) / 2))


def between(n_inputs: int, n_outputs: int) -> tuple[int, int]:
    """S20: the smallest and largest number of hidden units between inputs and outputs."""
    return min(n_inputs, n_outputs), max(n_inputs, n_outputs)


def below_twice(n_inputs: int) -> int:
    """S24: the largest number of hidden units below twice the inputs (Petersen 2013)."""
    return 2 * n_inputs - 1


def scale_linear(
    learning_rate: float, batch_size: int, reference: int = REFERENCE_BATCH_SIZE
) -> float:
    """S12: the rate grows like the batch (Goyal et al. 2017, arXiv:1706.02677, section 2.1)."""
    return learning_rate * batch_size / reference


def scale_square_root(
    learning_rate: float, batch_size: int, reference: int = REFERENCE_BATCH_SIZE
) -> float:
    """S12: the rate grows like sqrt(batch) (Krizhevsky 2014, arXiv:1404.5997, section 5)."""
    return learning_rate * math.sqrt(batch_size / reference)


@dataclass(frozen=True)
class Rule:
    """One rule of thumb.

    Attributes:
        id: item of the note, S1 to S24; several rules may come from one item.
        name: unique name of the rule.
        parameter: the field of `MLPConfig` that it speaks of.
        claim: what it says, in one sentence.
        source: where it comes from.
        value: the value it recommends for some data, if it names one.
        bounds: the smallest and largest value it allows for some data, if it names them.
        choices: the values it allows, if it names them.
    """

    id: str
    name: str
    parameter: str
    claim: str
    source: str
    value: Callable[[DataFacts], Value] | None = None
    bounds: Callable[[DataFacts], tuple[float, float]] | None = None
    choices: tuple[Value, ...] | None = None

    def allows(self, value: Value, facts: DataFacts) -> bool:
        """Says whether this rule lets its parameter be `value` on such data."""
        if self.bounds is not None:
            low, high = self.bounds(facts)
            return not isinstance(value, str) and low <= value <= high
        if self.choices is not None:
            return value in self.choices
        return self.value is None or value == self.value(facts)


_PETERSEN = "Petersen 2013, quoted in the note"
_NOTE_LAYERS = "a source of 2011, quoted in the note with a warning that it may be one opinion"
_IOFFE = "Ioffe and Szegedy 2015, Batch Normalization, arXiv:1502.03167"
_WU = "Wu and Johnson 2021, Rethinking 'Batch' in BatchNorm, arXiv:2105.07576, section 4.1"

RULES: tuple[Rule, ...] = (
    Rule(
        "S2",
        "no squeezing activations",
        "activation",
        "Sigmoid and tanh squeeze their output and keep layers from learning.",
        "the note; Glorot and Bengio 2010, section 3",
        choices=tuple(name for name in get_args(Activation) if name not in ("sigmoid", "tanh")),
    ),
    Rule(
        "S3",
        "batch normalization",
        "batch_normalization",
        "Batch normalization is the direct remedy for vanishing and exploding gradients.",
        _IOFFE,
        value=lambda facts: True,
    ),
    Rule(
        "S7",
        "no dropout with batch normalization",
        "dropout",
        "Batch normalization regularises, so dropout is not needed.",
        f"{_IOFFE}, section 4.2.1",
        value=lambda facts: 0.0,
    ),
    Rule(
        "S10",
        "batch 32 to 128",
        "batch_size",
        "The batch size lies between 32 and 128.",
        _WU,
        bounds=lambda facts: (32, 128),
    ),
    Rule(
        "S10",
        "normalization batch 32 to 128",
        "normalization_batch_size",
        "The best validation error is found at a normalization batch size of 32 to 128.",
        _WU,
        bounds=lambda facts: (32, 128),
    ),
    Rule(
        "S11",
        "batch at most 32",
        "batch_size",
        "Friends do not let friends use batches above 32.",
        "LeCun 2018 on Masters and Luschi 2018, arXiv:1804.07612",
        value=lambda facts: 32,
        bounds=lambda facts: (1, 32),
    ),
    Rule(
        "S15",
        "decay the rate",
        "schedule",
        "The learning rate decays while training.",
        "the note; Robbins and Monro 1951 for the condition on the rates",
        choices=tuple(name for name in get_args(Schedule) if name != "constant"),
    ),
    Rule(
        "S17",
        "LambdaLR 0.95 ** epoch",
        "schedule",
        "LambdaLR with 0.95 ** epoch.",
        "the note, after the documentation of torch.optim.lr_scheduler.LambdaLR",
        value=lambda facts: "lambda",
    ),
    Rule(
        "S17",
        "SGD",
        "optimizer",
        "SGD, together with LambdaLR.",
        "the note",
        value=lambda facts: "sgd",
    ),
    Rule(
        "S17",
        "rate 0.001",
        "learning_rate",
        "SGD starts with a learning rate of 0.001.",
        "the note",
        value=lambda facts: 0.001,
    ),
    Rule(
        "S18",
        "also these schedules",
        "schedule",
        "StepLR, MultiStepLR, ExponentialLR (0.997) and ReduceLROnPlateau serve as well.",
        "the note, after the documentation of torch.optim.lr_scheduler",
        choices=("step", "multistep", "exponential", "plateau"),
    ),
    Rule(
        "S19",
        "one hidden layer",
        "depth",
        "One hidden layer is enough for the large majority of problems.",
        _NOTE_LAYERS,
        value=lambda facts: 1,
    ),
    Rule(
        "S20",
        "between",
        "width",
        "The number of hidden units lies between the sizes of the input and the output layer.",
        _NOTE_LAYERS,
        bounds=lambda facts: between(facts.n_inputs, facts.n_outputs),
    ),
    Rule(
        "S20",
        "mean",
        "width",
        "The number of hidden units is the mean of the sizes of the input and the output layer.",
        _NOTE_LAYERS,
        value=lambda facts: mean(facts.n_inputs, facts.n_outputs),
    ),
    Rule(
        "S21",
        "some hidden layer",
        "depth",
        "A network without a hidden layer represents only linearly separable functions.",
        "Minsky and Papert 1969, Perceptrons",
        bounds=lambda facts: (1, math.inf),
    ),
    Rule(
        "S24",
        "two thirds",
        "width",
        "Hidden units = 2/3 of the inputs + the outputs.",
        _PETERSEN,
        value=lambda facts: two_thirds(facts.n_inputs, facts.n_outputs),
    ),
    Rule(
        "S24",
        "below twice",
        "width",
        "Fewer hidden units than twice the inputs.",
        _PETERSEN,
        bounds=lambda facts: (1, below_twice(facts.n_inputs)),
    ),
)


@dataclass(frozen=True)
class ScalingRule:
    """A rule that ties the learning rate to the batch size (S12).

    Attributes:
        id: item of the note.
        name: unique name of the rule.
        exponent: the rate grows like batch ** exponent.
        claim: what it says, in one sentence.
        source: where it comes from.
        scale: from (rate, batch size, reference batch size) to the rate of that batch size.
    """

    id: str
    name: str
    exponent: float
    claim: str
    source: str
    scale: Callable[[float, int, int], float]


SCALING_RULES: tuple[ScalingRule, ...] = (
    ScalingRule(
        "S12",
        "rate grows like the batch",
        1.0,
        "Batch size and learning rate grow together, in proportion.",
        "Goyal et al. 2017, arXiv:1706.02677, section 2.1",
        scale_linear,
    ),
    ScalingRule(
        "S12",
        "rate grows like the root of the batch",
        0.5,
        "Batch size and learning rate grow together, the rate like the square root.",
        "Krizhevsky 2014, arXiv:1404.5997, section 5",
        scale_square_root,
    ),
)


def rule(name: str) -> Rule:
    """Returns the rule of this name.

    Raises:
        KeyError: there is none.
    """
    return {rule.name: rule for rule in RULES}[name]


@dataclass(frozen=True)
class Contradiction:
    """A rule whose value another rule forbids for some data.

    Attributes:
        rule: the one that names a value.
        forbidden_by: the one that does not allow it.
        text: both, with their numbers, in one sentence.
    """

    rule: Rule
    forbidden_by: Rule
    text: str


def contradictions(facts: DataFacts) -> tuple[Contradiction, ...]:
    """Finds the widths that one rule recommends and another forbids on such data.

    >>> [c.forbidden_by.name for c in contradictions(
    ...     DataFacts(n_inputs=4, n_outputs=8, n_rows=100))]
    ['between', 'below twice']
    """
    found = []
    for ours in (rule for rule in RULES if rule.parameter == "width" and rule.value):
        assert ours.value is not None
        value = ours.value(facts)
        for other in (rule for rule in RULES if rule.parameter == "width" and rule.bounds):
            assert other.bounds is not None
            if not other.allows(value, facts):
                low, high = other.bounds(facts)
                text = (
                    f"{ours.id} ({ours.name}) says {value} hidden units, "
                    f"{other.id} ({other.name}) allows {low:g} to {high:g}"
                )
                found.append(Contradiction(ours, other, text))
    return tuple(found)
