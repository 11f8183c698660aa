"""The claims that the rules make of a user's data, and the arms that test them.

An arm is a side of a comparison: one or more variants of the base config. Each variant of an arm
that is tuned gets the same learning rates to be tuned with, so that none loses for lack of tuning.
An arm that is not tuned is taken as the rule states it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import heuristics
from ...network.config import DataFacts, MLPConfig, decay_ratio
from .found import Kind

#: Learning rates that each variant of a tuned arm is tried with, over that of the base config.
FACTORS = (0.16, 0.4, 1.0, 2.5, 6.25)
#: What "much larger" and "much smaller" rates are, over the tuned one.
_FAR = 30.0
#: Widest layer that an arm trains.
_WIDEST = 2048


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: in a few words.
        variants: of the base config.
        is_tuned: its learning rate, and which variant, are tuned; else it has one variant.
    """

    name: str
    variants: tuple[MLPConfig, ...]
    is_tuned: bool = True

    @property
    def candidates(self) -> tuple[MLPConfig, ...]:
        """What it is tuned among; the variant itself if it is not."""
        if not self.is_tuned:
            return self.variants
        return tuple(
            _changed(variant, learning_rate=variant.learning_rate * factor)
            for variant in self.variants
            for factor in FACTORS
        )


@dataclass(frozen=True)
class Claim:
    """What a rule says, as a comparison.

    Attributes:
        rule: id, S1 to S24.
        name: unique.
        text: in one sentence.
        kind: what is claimed of ours less theirs.
        ours: the side of the rule.
        theirs: the other side.
        quantity: what is compared: the score, the gap between training and validation loss
            (theirs less ours), or seconds of an epoch (theirs less ours).
    """

    rule: str
    name: str
    text: str
    kind: Kind
    ours: Side
    theirs: Side
    quantity: str = "score"


def _changed(config: MLPConfig, **changes: Any) -> MLPConfig:
    values = {**config.model_dump(), **changes}
    if values["schedule"] == "plateau":
        values["warmup"] = 0.0
    return MLPConfig.model_validate(values)


def _hidden(base: MLPConfig) -> MLPConfig:
    """Returns a config that has a hidden layer, without which there is nothing to normalize."""
    return _changed(base, depth=max(1, base.depth))


def claims(base: MLPConfig, facts: DataFacts, range_rate: float | None) -> list[Claim]:
    """Returns the claims that can be tested around a config.

    Args:
        base: tuned on the data.
        facts: sizes of the data.
        range_rate: what a learning-rate range test recommends for it, if it recommends one.
    """
    tuned = Side("the tuned config", (base,), is_tuned=False)
    return [
        *_normalization(base),
        *_batches(base, facts),
        *_rates(base, tuned, range_rate),
        *_schedules(base, tuned),
        *_sizes(base, facts, tuned),
        Claim(
            "S23",
            "experiments over rules",
            "Systematic experiments find better settings than the rules taken together.",
            "better",
            tuned,
            Side("all rules together", (heuristics.note(facts, base.epochs),), is_tuned=False),
        ),
    ]


def _normalization(base: MLPConfig) -> list[Claim]:
    deep: dict[str, Any] = {"depth": max(3, base.depth), "dropout": 0.0}
    plain = {**deep, "batch_normalization": False, "normalization_batch_size": None}
    bare = {
        name: Side(f"{name}, no BN", (_changed(base, activation=name, **plain),))
        for name in ("relu", "sigmoid", "tanh")
    }
    found = []
    for name in ("sigmoid", "tanh"):
        found.append(
            Claim(
                "S2",
                f"{name} squeezes",
                f"Layers of {name} without batch normalization learn worse than those of relu.",
                "better",
                bare["relu"],
                bare[name],
            )
        )
        normalized = _changed(base, activation=name, batch_normalization=True, **deep)
        found.append(
            Claim(
                "S3",
                f"BN rescues {name}",
                f"Batch normalization is the remedy where {name} keeps layers from learning.",
                "better",
                Side(f"{name} with BN", (normalized,)),
                bare[name],
            )
        )
    hidden = _hidden(base)
    with_bn = _changed(hidden, batch_normalization=True)
    found.append(
        Claim(
            "S3",
            "BN helps",
            "Batch normalization makes the network better.",
            "better",
            Side("with BN", (with_bn,)),
            Side("without BN", (_changed(hidden, batch_normalization=False),)),
        )
    )
    found.append(
        Claim(
            "S7",
            "no dropout with BN",
            "With batch normalization dropout is not needed.",
            "enough",
            Side("BN without dropout", (_changed(with_bn, dropout=0.0),)),
            Side("BN with dropout", tuple(_changed(with_bn, dropout=p) for p in (0.1, 0.25, 0.5))),
        )
    )
    return found


def _batches(base: MLPConfig, facts: DataFacts) -> list[Claim]:
    large = 256 if facts.n_rows >= 2560 else 128

    def normalized(sizes: Sequence[int]) -> tuple[MLPConfig, ...]:
        fixed = _of_batch(_changed(_hidden(base), batch_normalization=True), large)
        return tuple(_changed(fixed, normalization_batch_size=size) for size in sizes)

    inside, outside = (32, 64, 128), (4, 8, 16) if large == 128 else (8, 16, large)
    small, big = _of_batch(base, 32), _of_batch(base, 128)
    # A gap follows the rate at first order, where a tuned score does not: that a side was tuned to
    # twice the rate of the other by a few noisy scores would decide it.
    pair = (
        Side("batch 32, its rate by the root", (small,), is_tuned=False),
        Side("batch 128, its rate by the root", (big,), is_tuned=False),
    )
    return [
        Claim(
            "S10",
            "normalization batch 32 to 128",
            f"At SGD batches of {large}, normalization batches of 32 to 128 are the best.",
            "better",
            Side("32, 64, 128", normalized(inside)),
            Side(", ".join(map(str, outside)), normalized(outside)),
        ),
        Claim(
            "S11",
            "batch at most 32",
            "Batches of at most 32 are better than larger ones, at the same number of epochs.",
            "better",
            Side("16, 32", (_of_batch(base, 16), small)),
            Side("64, 128", (_of_batch(base, 64), big)),
        ),
        Claim(
            "S8",
            "large batches overfit",
            "Larger batches have a larger gap between validation and training loss.",
            "better",
            *pair,
            quantity="gap",
        ),
        Claim(
            "S8",
            "large batches are faster",
            "An epoch of larger batches takes less time.",
            "better",
            pair[1],
            pair[0],
            quantity="seconds",
        ),
    ]


def _of_batch(config: MLPConfig, batch_size: int) -> MLPConfig:
    """Changes the batch size, and the rate with its square root (S12) to start tuning from."""
    rate = heuristics.scale_square_root(config.learning_rate, batch_size, config.batch_size)
    return _changed(config, batch_size=batch_size, learning_rate=rate)


def _rates(base: MLPConfig, tuned: Side, range_rate: float | None) -> list[Claim]:
    def at(rate: float) -> tuple[MLPConfig, ...]:
        return (_changed(base, learning_rate=rate),)

    found = [
        Claim(
            "S13",
            "large rates overshoot",
            f"A rate {_FAR:g} times the tuned one overshoots.",
            "better",
            tuned,
            Side(f"rate x {_FAR:g}", at(base.learning_rate * _FAR), is_tuned=False),
        ),
        Claim(
            "S14",
            "small rates get stuck",
            f"A rate {_FAR:g} times smaller than the tuned one gets stuck.",
            "better",
            tuned,
            Side(f"rate / {_FAR:g}", at(base.learning_rate / _FAR), is_tuned=False),
        ),
    ]
    if range_rate is not None:
        found.append(
            Claim(
                "S16",
                "no perfect first rate",
                "The rate that a range test of one epoch picks is worse than the tuned one.",
                "better",
                tuned,
                Side(f"rate {range_rate:.2g} of a range test", at(range_rate), is_tuned=False),
            )
        )
    return found


def _schedules(base: MLPConfig, tuned: Side) -> list[Claim]:
    def of(schedule: str, ratio: float, **more: Any) -> MLPConfig:
        return _changed(base, schedule=schedule, final_ratio=ratio, warmup=0.0, **more)

    epochs = base.epochs
    literal = of(
        "lambda", decay_ratio(0.95, epochs), optimizer="sgd", learning_rate=0.001, momentum=0.9
    )
    others = (of("step", 0.1), of("multistep", 0.1), of("plateau", 0.1))
    slow = of("exponential", decay_ratio(0.997, epochs))
    return [
        Claim(
            "S15",
            "decay beats constant",
            "A rate that decays is better than a constant one.",
            "better",
            Side("cosine or exponential", (of("cosine", 0.01), of("exponential", 0.1))),
            Side("constant", (of("constant", 1.0),)),
        ),
        Claim(
            "S17",
            "LambdaLR 0.95 ** epoch, SGD 0.001",
            "SGD at 0.001 with LambdaLR 0.95 ** epoch is as good as the tuned schedule.",
            "enough",
            Side("SGD 0.001, 0.95 ** epoch", (literal,), is_tuned=False),
            tuned,
        ),
        Claim(
            "S18",
            "the other schedules",
            "StepLR, MultiStepLR and ReduceLROnPlateau serve as well as the tuned schedule.",
            "enough",
            Side("step, multistep or plateau", others),
            tuned,
        ),
        Claim(
            "S18",
            "ExponentialLR 0.997",
            "ExponentialLR with 0.997 serves as well as the tuned schedule.",
            "enough",
            Side("exponential 0.997", (slow,)),
            tuned,
        ),
    ]


def _sizes(base: MLPConfig, facts: DataFacts, tuned: Side) -> list[Claim]:
    n_inputs, n_outputs = facts.n_inputs, facts.n_outputs
    _, between = heuristics.between(n_inputs, n_outputs)
    hidden = _hidden(base)

    def wide(*widths: int) -> tuple[MLPConfig, ...]:
        sizes = dict.fromkeys(min(width, _WIDEST) for width in widths)
        return tuple(_changed(hidden, width=width) for width in sizes)

    wider = Side(f"{2 * between} and up", wide(2 * between, 4 * between))
    mean, thirds = heuristics.mean(n_inputs, n_outputs), heuristics.two_thirds(n_inputs, n_outputs)
    below = heuristics.below_twice(n_inputs)
    found = [
        Claim(
            "S19",
            "one hidden layer",
            "One hidden layer is enough.",
            "enough",
            Side("1 hidden layer", (_changed(base, depth=1),)),
            Side("2 or 3", (_changed(base, depth=2), _changed(base, depth=3))),
        ),
        Claim(
            "S21",
            "some hidden layer",
            "Without a hidden layer only linearly separable functions can be learned.",
            "better",
            tuned if base.depth else Side("1 hidden layer", (hidden,)),
            Side("no hidden layer", (_changed(base, depth=0),)),
        ),
    ]
    widths = (
        ("S20", "between", wide(mean, between), "between inputs and outputs", wider),
        ("S20", "mean", wide(mean), f"the mean, {mean}", wider),
        ("S24", "two thirds", wide(thirds), f"2/3 inputs + outputs, {thirds}", wider),
        (
            "S24",
            "below twice",
            wide(below),
            f"below twice the inputs, {below}",
            Side(f"{4 * n_inputs} and up", wide(4 * n_inputs, 8 * n_inputs)),
        ),
    )
    for rule, name, variants, words, other in widths:
        if variants[-1].width >= other.variants[0].width:
            continue
        found.append(
            Claim(
                rule,
                name,
                f"{heuristics.rule(name).claim} More is not needed.",
                "enough",
                Side(words, variants),
                other,
            )
        )
    return found


#: Why a rule has no verdict: that of some no comparison of trained networks can judge it; of the
#: others only where nothing was found to compare.
NOT_TESTABLE = {
    "S1": "it speaks of gradients while training; its remedy is judged as S3",
    "S4": "it is why layers before batch normalization have no bias, which is built in",
    "S5": "it says how batch normalization works; there is nothing to compare",
    "S6": "it speaks of the cause; its effect is judged as S3",
    "S12": "the best rates are at the ends of those that were tried, which tell no exponent",
    "S16": "no rate learned anything in an epoch",
    "S20": "the widths that it names are as large as those that it would be compared with",
    "S24": "the widths that it names are as large as those that it would be compared with",
    "S22": "it depends, as it says itself; depth is judged as S19",
}
