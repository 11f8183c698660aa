"""From paired scores to verdicts on the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..paired import holm, interval, sign_flip_p

Verdict = Literal["held", "refuted", "equivalent", "inconclusive", "not testable"]
#: What a rule claims of the difference "its side less the other side": that it is above 0; that it
#: is not below 0 by more than the margin; that it is 0 within the margin.
Kind = Literal["better", "enough", "equal"]

#: Probability that a family of verdicts holds one that chance made.
ALPHA = 0.05


class Finding(BaseModel):
    """What was found of one claim.

    Attributes:
        rule: id of the rule, S1 to S24.
        name: unique name of the claim.
        claim: in one sentence.
        kind: what it says of the effect; None if it is not testable.
        ours: the side of the rule, in words.
        theirs: the other side, in words.
        unit: of the effect.
        effect: mean difference, above 0 where the rule's side is better.
        low: lower end of its 95% interval.
        high: upper end.
        deviations: the effect in standard deviations between seeds; None without such a unit.
        margin: difference that does not matter.
        p: two-sided, of the sign-flip test against 0, or for "enough" against minus the margin.
        adjusted_p: after Holm, over all claims that were tested together.
        n_pairs: differences that it rests on.
        verdict: on the claim.
        remark: what else is to be said; the reason where it is not testable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    name: str
    claim: str
    kind: Kind | None = None
    ours: str = ""
    theirs: str = ""
    unit: str = ""
    effect: float = 0.0
    low: float = 0.0
    high: float = 0.0
    deviations: float | None = None
    margin: float = 0.0
    p: float = 1.0
    adjusted_p: float = 1.0
    n_pairs: int = 0
    verdict: Verdict = "not testable"
    remark: str = ""


@dataclass(frozen=True)
class Evidence:
    """The differences that one claim is judged by.

    Attributes:
        kind: what the claim says of them.
        differences: one for each pair, above 0 where the rule's side is better.
        margin: difference that does not matter, at least 0.
    """

    kind: Kind
    differences: tuple[float, ...]
    margin: float


@dataclass(frozen=True)
class Judgement:
    """A verdict with the numbers that it rests on; fields as those of `Finding`."""

    effect: float
    low: float
    high: float
    p: float
    adjusted_p: float
    verdict: Verdict


def judge(family: Sequence[Evidence]) -> list[Judgement]:
    """Judges claims that are tested together.

    "better" is held or refuted where the test finds a difference, and equivalent where there is
    none and the interval lies within the margin. "enough" is tested against minus the margin
    (non-inferiority): held above it, refuted below. "equal" is refuted where the test finds a
    difference, and held where the interval lies within the margin. What is none of these is
    inconclusive. Held and refuted by a test are at 5% over the whole family (Holm).
    """
    p_values = [
        sign_flip_p(
            [value + (each.margin if each.kind == "enough" else 0.0) for value in each.differences]
        )
        for each in family
    ]
    return [
        _judged(evidence, p, adjusted)
        for evidence, p, adjusted in zip(family, p_values, holm(p_values), strict=True)
    ]


def _judged(evidence: Evidence, p: float, adjusted_p: float) -> Judgement:
    effect = float(np.mean(evidence.differences))
    low, high = interval(evidence.differences)
    is_found = adjusted_p < ALPHA
    is_within = -evidence.margin <= low and high <= evidence.margin
    verdict: Verdict = "inconclusive"
    match evidence.kind:
        case "better":
            if is_found:
                verdict = "held" if effect > 0 else "refuted"
            elif is_within:
                verdict = "equivalent"
        case "enough":
            if is_found:
                verdict = "held" if effect > -evidence.margin else "refuted"
        case "equal":
            if is_found and not is_within:
                verdict = "refuted"
            elif is_within:
                verdict = "held"
    return Judgement(effect, low, high, p, adjusted_p, verdict)
