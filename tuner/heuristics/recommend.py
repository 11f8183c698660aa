"""Whole configs from the rules: where a search starts, and what `recommend` says and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from ..network.config import DataFacts, MLPConfig, Task, decay_ratio
from .history import Experience, rate_factor
from .rules import (
    REFERENCE_BATCH_SIZE,
    SCALING_RULES,
    Contradiction,
    contradictions,
    rule,
    scale_square_root,
    two_thirds,
)
from .training import embeds, full_epochs, weight_decay

Preset = Literal[
    "modern default",
    "periodic embedding",
    "without normalization",
    "wide",
    "shallow",
    "recommendation",
    "note",
]
#: Starting points that promise little for their time, so that a search begins them once it can
#: prune them: a network that takes four times as long as the others, and the note's rules.
LATE_POINTS: tuple[Preset, ...] = ("wide", "note")


@dataclass(frozen=True)
class Reason:
    """Why one value of a recommended config is what it is.

    Attributes:
        parameter: field of `MLPConfig`.
        rule_id: item of the note, or "" where the note says nothing.
        text: the claim behind it.
        source: where the claim comes from.
    """

    parameter: str
    rule_id: str
    text: str
    source: str


class Recommendation(MLPConfig):
    """An `MLPConfig` that knows why; its JSON is that of the config alone.

    Attributes:
        reasons: one for each value that was chosen.
        contradictions: where the rules disagree on such data.
    """

    reasons: Annotated[tuple[Reason, ...], Field(exclude=True, repr=False)] = ()
    contradictions: Annotated[tuple[Contradiction, ...], Field(exclude=True, repr=False)] = ()


def note(facts: DataFacts, epochs: int | None = None) -> MLPConfig:
    """The note's rules taken literally: S3, S7, S11, S17, S19 and S24.

    Batch 32 is the one size that S10 and S11 both allow; SGD has the usual momentum of 0.9.

    Args:
        facts: sizes of the data.
        epochs: length of one training; None follows from the rows.
    """
    epochs = epochs or full_epochs(facts.n_rows)
    return MLPConfig(
        depth=1,
        width=two_thirds(facts.n_inputs, facts.n_outputs),
        batch_normalization=True,
        dropout=0.0,
        optimizer="sgd",
        learning_rate=0.001,
        weight_decay=0.0,
        batch_size=32,
        epochs=epochs,
        schedule="lambda",
        final_ratio=decay_ratio(0.95, epochs),
    )


def modern_default(facts: DataFacts, epochs: int | None = None) -> MLPConfig:
    """What today's practice would start from, whatever the rules say.

    Three layers of 256 units, AdamW and cosine, inside the tuned ranges of Gorishniy et al. 2021,
    arXiv:2106.11959. Its rate, and dropout in a classification only, did best over the tables of
    docs/benchmarks.md.

    Args:
        facts: sizes of the data.
        epochs: length of one training; None follows from the rows.
    """
    return MLPConfig(
        depth=3,
        width=256,
        batch_normalization=True,
        dropout=0.1 if facts.task == "classification" else 0.0,
        optimizer="adamw",
        learning_rate=4e-3,
        weight_decay=0.01,
        batch_size=128,
        epochs=epochs or full_epochs(facts.n_rows),
        schedule="cosine",
        final_ratio=0.01,
    )


def variants(facts: DataFacts, epochs: int | None = None) -> dict[Preset, MLPConfig]:
    """Changes of the modern default that were better on some tables, as a few points to start from.

    But for the first one chosen greedily from twelve, so that the best of them is as good as can be
    over the tables of docs/benchmarks.md: that is 8% below the error of the modern default in the
    geometric mean, and none of them alone is below it. The embedding, where there are numbers for
    it, was better by up to a seventh on tables of few inputs (docs/benchmarks.md).

    Args:
        facts: sizes of the data.
        epochs: length of one training; None follows from the rows.
    """
    default = modern_default(facts, epochs)
    smooth = {
        "activation": "gelu",
        "batch_normalization": False,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "schedule": "onecycle",
    }
    wide = {"width": 512, "dropout": 0.2, "learning_rate": 3e-3}
    shallow = {"depth": 1, "dropout": 0.2, "batch_size": 64}
    embedded: dict[Preset, MLPConfig] = {}
    if embeds(facts):
        periodic = {"numeric_embedding": "periodic"}
        embedded["periodic embedding"] = default.model_copy(update=periodic)
    # The one that takes a fifth of the others' time comes first: where the time is short it is
    # complete when they are not, which halves the regret after a tenth of a search. The order of
    # the two after it was measured, too (docs/benchmarks.md).
    return {
        "shallow": default.model_copy(update=shallow),
        "without normalization": default.model_copy(update=smooth),
        **embedded,
        "wide": default.model_copy(update=wide),
    }


_ADAMW = "Loshchilov and Hutter 2019, arXiv:1711.05101"


def recommend(
    *,
    n_inputs: int,
    n_outputs: int,
    n_rows: int,
    task: Task = "classification",
    epochs: int | None = None,
    history: Sequence[Experience] = (),
) -> Recommendation:
    """Recommends a config from the rules and what earlier studies found, with the reasons.

    The rules decide depth, width, normalization, dropout and batch; where they are silent, or
    where they only name an example (SGD at 0.001), today's practice decides. Studies on data of
    similar sizes are blended in: numbers by weighted means (of logarithms, as ratios), names by
    weighted votes, where the rules have a weight of 1 and a study on data of the same sizes 3.

    Args:
        n_inputs: features of one row, at least 1.
        n_outputs: classes, or targets of a regression, at least 1.
        n_rows: training rows, at least 1.
        task: what is learned.
        epochs: length of one training; None follows from the rows.
        history: what earlier studies found, as `heuristics.history()` reads it.

    Raises:
        pydantic.ValidationError: a size is below 1.
    """
    facts = DataFacts(n_inputs=n_inputs, n_outputs=n_outputs, n_rows=n_rows, task=task)
    epochs = epochs or full_epochs(n_rows)
    # 64 is the middle of S10's range; 32 (S11) where a larger batch leaves too few steps.
    batch_size = 64 if n_rows >= 2_000 else 32
    config = MLPConfig(
        depth=1,
        width=two_thirds(n_inputs, n_outputs),
        batch_normalization=True,
        dropout=0.0,
        batch_size=batch_size,
        learning_rate=scale_square_root(1e-3, batch_size),
        schedule="lambda",
        final_ratio=decay_ratio(0.95, epochs),
        epochs=epochs,
    )
    reasons = _reasons(batch_size, epochs)
    weighted = [(each, weight) for each in history if (weight := each.weight(facts)) > 0]
    if weighted:
        config, learned = _blended(config, facts, weighted)
        replaced = {reason.parameter for reason in learned}
        reasons = (*learned, *(each for each in reasons if each.parameter not in replaced))
    return Recommendation(
        **config.model_dump(), reasons=reasons, contradictions=contradictions(facts)
    )


def _blended(
    config: MLPConfig, facts: DataFacts, weighted: Sequence[tuple[Experience, float]]
) -> tuple[MLPConfig, tuple[Reason, ...]]:
    """Blends what studies found into a config of the rules; returns it with its reasons."""
    rule = two_thirds(facts.n_inputs, facts.n_outputs)
    ours = Experience.of(
        "the rules", config, facts, metric="", mean=0.0, standard_error=0.0, gain=None
    )
    votes = [(ours, 1.0), *weighted]

    def number(name: str) -> float:
        known = [(value, weight) for each, weight in votes if (value := getattr(each, name))]
        total = sum(weight for _, weight in known)
        return math.exp(sum(weight * math.log(value) for value, weight in known) / total)

    def mean(name: str) -> float:
        total = sum(weight for _, weight in votes)
        return float(sum(weight * getattr(each, name) for each, weight in votes) / total)

    def vote(name: str) -> Any:
        counts: dict[Any, float] = {}
        for each, weight in votes:
            counts[getattr(each, name)] = counts.get(getattr(each, name), 0.0) + weight
        return max(counts, key=counts.__getitem__)

    named = {
        name: vote(name)
        for name in (
            "activation",
            "batch_normalization",
            "optimizer",
            "batch_size",
            "schedule",
        )
    }
    values: dict[str, Any] = {
        **named,
        "width": max(1, round(rule * number("width_ratio"))),
        "depth": round(mean("depth")),
        "dropout": round(mean("dropout"), 3),
        "final_ratio": number("final_ratio"),
        "learning_rate": number("base_learning_rate")
        * rate_factor(named["optimizer"], named["batch_size"]),
    }
    blended = MLPConfig.model_validate({**config.model_dump(), **values})
    values["weight_decay"] = weight_decay(blended, number("total_decay"), facts.n_rows)
    blended = blended.model_copy(update={"weight_decay": values["weight_decay"]})
    return blended, tuple(
        Reason(
            parameter,
            "",
            _found(parameter, ours, weighted) + _said(parameter, [each for each, _ in weighted]),
            "heuristics.json",
        )
        for parameter in values
    )


#: What of an experience decides a parameter of another name, and in what unit it is told.
_RATIOS = {
    "width": ("width_ratio", " times two thirds"),
    "learning_rate": ("base_learning_rate", f" for AdamW at batch {REFERENCE_BATCH_SIZE}"),
    "weight_decay": ("total_decay", " over all steps"),
}


def _found(parameter: str, rules: Experience, weighted: Sequence[tuple[Experience, float]]) -> str:
    """Says what studies had for a parameter, by weight, beside the rules."""
    name, unit = _RATIOS.get(parameter, (parameter, ""))

    def told(each: Experience) -> str:
        value = getattr(each, name)
        return (f"{value:.3g}" if isinstance(value, float) else str(value)) + unit

    shown = [f"{each.study} had {told(each)} (weight {weight:.2g})" for each, weight in weighted]
    return f"{', '.join(shown)}; the rules would have {told(rules)} (weight 1)."


#: The claims of an audit that speak of a parameter.
_CLAIMS = {
    "depth": ("S19",),
    "width": ("S20", "S24"),
    "batch_normalization": ("S3",),
    "dropout": ("S7",),
    "batch_size": ("S11",),
    "schedule": ("S15", "S17", "S18"),
    "learning_rate": ("S16",),
}


def _said(parameter: str, studies: Sequence[Experience]) -> str:
    """What their audits said of the rules on a parameter, where it was clear."""
    told = [
        f"{name} {verdict} on {each.study}"
        for each in studies
        for name, verdict in each.verdicts.items()
        if name.split()[0] in _CLAIMS.get(parameter, ()) and verdict in ("held", "refuted")
    ]
    return f" {'; '.join(told)}." if told else ""


def _reasons(batch_size: int, epochs: int) -> tuple[Reason, ...]:
    """Says where each value of a recommendation comes from."""
    by_rule: dict[str, str] = {
        "depth": "one hidden layer",
        "width": "two thirds",
        "activation": "no squeezing activations",
        "batch_normalization": "batch normalization",
        "dropout": "no dropout with batch normalization",
        "batch_size": "batch 32 to 128" if batch_size > 32 else "batch at most 32",
        "schedule": "LambdaLR 0.95 ** epoch",
    }
    reasons = [
        Reason(parameter, rule(name).id, rule(name).claim, rule(name).source)
        for parameter, name in by_rule.items()
    ]
    if batch_size > 32:
        small = rule("batch at most 32")
        text = f"{small.id} ({small.name}) would take 32; larger steps pass over the rows faster."
        reasons.append(Reason("batch_size", small.id, text, small.source))
    scaling = SCALING_RULES[1]
    reasons += [
        Reason(
            "learning_rate",
            scaling.id,
            f"0.001 at batch {REFERENCE_BATCH_SIZE}, AdamW's usual rate. {scaling.claim}",
            f"{scaling.source}; {_ADAMW}",
        ),
        Reason("final_ratio", "S17", f"0.95 ** epoch over {epochs} epochs.", "the note"),
        Reason(
            "optimizer",
            "",
            "AdamW: the note gives SGD only as an example, and no first rate is perfect (S16).",
            _ADAMW,
        ),
        Reason("weight_decay", "", "torch's default for AdamW.", _ADAMW),
    ]
    return tuple(reasons)


def starting_points(
    facts: DataFacts, epochs: int | None = None, history: Sequence[Experience] = ()
) -> dict[Preset, MLPConfig]:
    """The configs that a search starts from, by the name that tells where each is from.

    What promises most comes first, and last what begins late (`LATE_POINTS`).

    Args:
        facts: sizes of the data.
        epochs: length of one training; None follows from the rows.
        history: what earlier studies found, which goes into the recommendation.
    """
    sizes = facts.model_dump(exclude={"numeric", "categories"})
    recommended = recommend(**sizes, epochs=epochs, history=history)
    points: dict[Preset, MLPConfig] = {
        "modern default": modern_default(facts, epochs),
        **variants(facts, epochs),
        "recommendation": MLPConfig.model_validate(recommended.model_dump()),
        "note": note(facts, epochs),
    }
    return dict(sorted(points.items(), key=lambda point: point[0] in LATE_POINTS))
