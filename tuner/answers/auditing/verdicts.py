"""From paired scores to verdicts on the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from ..paired import holm, interval, p_value
from .found import Kind, Verdict

#: Probability that a family of verdicts holds one that chance made.
ALPHA = 0.05


@dataclass(frozen=True)
class Evidence:
    """The differences that one claim is judged by.

    Attributes:
        kind: what the claim says of them.
        differences: one for each pair, above 0 where the rule's side is better.
        margin: difference that does not matter, at least 0.
        overlap: validation rows over training rows of the pairs' cuts; 0 where what is compared
            does not depend on rows.
    """

    kind: Kind
    differences: tuple[float, ...]
    margin: float
    overlap: float


@dataclass(frozen=True)
class Judgement:
    """A verdict with the numbers that it rests on; fields as those of `Finding`."""

    effect: float
    low: float
    high: float
    p: float
    adjusted_p: float
    verdict: Verdict
    warning: str = ""


def least_pairs(n_tests: int) -> int:
    """Returns the pairs with which one of so many tests can be significant, at least.

    The smallest p-value of n pairs is 2 / 2 ** n (see `p_value`), and Holm multiplies it by the
    number of tests.

    >>> least_pairs(1), least_pairs(3), least_pairs(29)
    (6, 7, 11)
    """
    return next(n for n in count(2) if n_tests * 2 / 2**n < ALPHA)


def judge(family: Sequence[Evidence]) -> list[Judgement]:
    """Judges claims that are tested together.

    "better" is held or refuted where the test finds a difference, and equivalent where there is
    none and the interval lies within the margin. "enough" is tested against minus the margin
    (non-inferiority): held above it, refuted below. "equal" is two tests: refuted where the one
    finds a difference from 0, held where the other finds that it lies within the margin (two
    one-sided tests, Schuirmann 1987). What is none of these is inconclusive. Held and refuted are
    at 5% over all tests of the family (Holm).

    An "enough" that is held may be worse by less than the margin. Wherever its interval reaches
    below 0 that is said, and that it is sure where the interval lies below 0.
    """
    tests: list[float] = []
    for each in family:
        shift = each.margin if each.kind == "enough" else 0.0
        shifted = [value + shift for value in each.differences]
        tests.append(p_value(shifted, overlap=each.overlap))
        if each.kind == "equal":
            tests.append(_within_p(each))
    pairs = zip(tests, holm(tests), strict=True)
    return [
        _judged(each, next(pairs), next(pairs) if each.kind == "equal" else None) for each in family
    ]


def _within_p(evidence: Evidence) -> float:
    """Returns the p-value of two one-sided tests that the effect lies within the margin.

    As for the other tests it is at least 2 / 2 ** n.
    """
    above = [value + evidence.margin for value in evidence.differences]
    below = [value - evidence.margin for value in evidence.differences]
    return max(
        2.0 ** (1 - len(evidence.differences)),
        p_value(above, overlap=evidence.overlap, side="greater"),
        p_value(below, overlap=evidence.overlap, side="less"),
    )


def _judged(
    evidence: Evidence, tested: tuple[float, float], within: tuple[float, float] | None
) -> Judgement:
    """Judges one claim by p-values, each with what Holm makes of it."""
    effect = float(np.mean(evidence.differences))
    low, high = interval(evidence.differences, overlap=evidence.overlap)
    is_found = tested[1] < ALPHA
    verdict: Verdict = "inconclusive"
    warning = ""
    match evidence.kind:
        case "better":
            if is_found:
                verdict = "held" if effect > 0 else "refuted"
            elif -evidence.margin <= low and high <= evidence.margin:
                verdict = "equivalent"
        case "enough":
            if is_found:
                verdict = "held" if effect > -evidence.margin else "refuted"
            if verdict == "held":
                warning = _warning(effect, low, high)
        case "equal":
            assert within is not None
            if within[1] < ALPHA:
                verdict, tested = "held", within
            elif is_found:
                verdict = "refuted"
    return Judgement(effect, low, high, tested[0], tested[1], verdict, warning)


def _warning(effect: float, low: float, high: float) -> str:
    """Says by how much a rule that is enough is worse, or may be."""
    if low >= 0:
        return ""
    if effect >= 0:
        return f"maybe worse by up to {-low:.2g}, within the margin"
    sure = "surely " if high < 0 else ""
    return f"{sure}worse by {-effect:.2g}, within the margin"
