"""Whole configs from the rules: where a search starts, and what `recommend` says and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..config import DataFacts, MLPConfig, Task, decay_ratio
from .rules import (
    REFERENCE_BATCH_SIZE,
    SCALING_RULES,
    Contradiction,
    contradictions,
    rule,
    scale_square_root,
    two_thirds,
)


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


def note(facts: DataFacts, epochs: int = 10) -> MLPConfig:
    """The note's rules taken literally: S3, S7, S11, S17, S19 and S24.

    Batch 32 is the one size that S10 and S11 both allow; SGD has the usual momentum of 0.9.
    """
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


def modern_default(facts: DataFacts, epochs: int = 10) -> MLPConfig:
    """What today's practice would start from, whatever the rules say.

    Two or three layers of 256 to 512 units, AdamW at 1e-3, cosine, a little dropout: inside
    the tuned ranges of Gorishniy et al. 2021, arXiv:2106.11959.
    """
    large = facts.n_rows >= 10_000
    return MLPConfig(
        depth=3 if large else 2,
        width=512 if large else 256,
        batch_normalization=True,
        dropout=0.1,
        optimizer="adamw",
        learning_rate=1e-3 if large else scale_square_root(1e-3, 64),
        weight_decay=0.01,
        batch_size=128 if large else 64,
        epochs=epochs,
        schedule="cosine",
        final_ratio=0.01,
    )


_ADAMW = "Loshchilov and Hutter 2019, arXiv:1711.05101"


def recommend(
    *,
    n_inputs: int,
    n_outputs: int,
    n_rows: int,
    task: Task = "classification",
    epochs: int = 10,
) -> Recommendation:
    """Recommends a config from the rules, with the reason for each value.

    The rules decide depth, width, normalization, dropout and batch; where they are silent, or
    where they only name an example (SGD at 0.001), today's practice decides.

    Args:
        n_inputs: features of one row, at least 1.
        n_outputs: classes, or targets of a regression, at least 1.
        n_rows: training rows, at least 1.
        task: what is learned.
        epochs: length of one training.

    Raises:
        pydantic.ValidationError: a size is below 1.
    """
    facts = DataFacts(n_inputs=n_inputs, n_outputs=n_outputs, n_rows=n_rows, task=task)
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
    return Recommendation(
        **config.model_dump(),
        reasons=_reasons(batch_size, epochs),
        contradictions=contradictions(facts),
    )


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


Preset = Literal["note", "modern default", "recommendation"]


def starting_points(facts: DataFacts, epochs: int) -> dict[Preset, MLPConfig]:
    """The configs that every search tries first, by the name that tells where each is from."""
    recommended = recommend(**facts.model_dump(), epochs=epochs)
    return {
        "note": note(facts, epochs),
        "modern default": modern_default(facts, epochs),
        "recommendation": MLPConfig.model_validate(recommended.model_dump()),
    }
