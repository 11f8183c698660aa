"""What an audit found, as it is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...network.config import DataFacts, MLPConfig
from ...results import html
from ...results.arms import Direction
from ...running.rate_range import RateRange
from .inside import Inside

Verdict = Literal["held", "refuted", "equivalent", "inconclusive", "not testable"]
#: What a rule claims of the difference "its side less the other side": that it is above 0; that it
#: is not below 0 by more than the margin; that it is 0 within the margin.
Kind = Literal["better", "enough", "equal"]


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
        margin: difference that does not matter: of the metric the same for all claims, and stated
            before; of another unit the same share of what the other side has.
        p: two-sided, of the corrected t-test against 0, or for "enough" against minus the margin;
            of an "equal" that is held, of the test that it lies within the margin.
        adjusted_p: after Holm, over all claims that were tested together.
        n_pairs: differences that it rests on.
        verdict: on the claim.
        warning: what a verdict alone would hide: that a rule which is held is worse all the same.
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
    warning: str = ""
    remark: str = ""


class Audit(BaseModel):
    """What was found of the rules on one data set.

    Attributes:
        study: its name.
        metric: that sides are compared by.
        direction: which way it is better.
        base: the config around which the rules are judged, its rate tuned.
        origin: where it is from: "trial 17", or "modern default".
        facts: sizes of the data.
        n_pairs: seeds that both sides of each comparison were trained over.
        seed: of the audit; another one judges by other seeds.
        deviation: standard deviation of the base config's scores between these seeds.
        tolerance: difference that the user called unimportant; None takes `share` of the error.
        share: of the error that the base config leaves, which is the margin without a tolerance.
        margin: difference in the metric that does not matter; None of an audit of an earlier
            version, which took a standard deviation between seeds.
        findings: one for each claim, in the rules' order.
        rate_range: of the base config.
        n_trainings: that all of it took.
        seconds: that it took, without what an earlier call had done.
        n_known: training rows that there are, of which `facts` has those that were used; 0 of an
            audit of an earlier version, which used all.
        inside: what went on inside the networks of S2 and S3; () where there was no time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    metric: str
    direction: Direction
    base: MLPConfig
    origin: str
    facts: DataFacts
    n_pairs: int
    seed: int
    deviation: float
    tolerance: float | None
    share: float = 0.0
    margin: float | None = None
    findings: tuple[Finding, ...]
    rate_range: RateRange | None
    n_trainings: int
    seconds: float
    n_known: int = 0
    inside: tuple[Inside, ...] = ()

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        rows = []
        for each in self.findings:
            effect = f"{each.effect:+.2g} ({each.low:+.2g} to {each.high:+.2g}) of {each.unit}"
            is_known = each.kind is not None
            told = each.claim or each.remark
            rows.append((each.rule, told, each.verdict, effect if is_known else ""))
        title = f"{self.study}: rules judged around {self.origin}, {self.n_pairs} pairs"
        return html.heading(title) + html.table(("rule", "claim", "verdict", "effect (95%)"), rows)

    def beside(self, smaller: Audit) -> Audit:
        """Returns this audit with what one of fewer rows found, where both have a verdict.

        Where there was time for verdicts of the other one alone, it is that.
        """
        n, seconds = self.n_trainings + smaller.n_trainings, self.seconds + smaller.seconds
        both = {"n_trainings": n, "seconds": seconds}
        others = {each.name: each for each in smaller.findings if each.kind is not None}
        if others and all(each.kind is None for each in self.findings):
            return smaller.model_copy(update=both)
        rows = f"{smaller.facts.n_rows:,} rows"
        findings = []
        for each in self.findings:
            other = others.get(each.name)
            if other is not None and each.kind is not None:
                told = "the same" if other.verdict == each.verdict else other.verdict
                remark = f"{each.remark}; " if each.remark else ""
                each = each.model_copy(update={"remark": f"{remark}with {rows}: {told}"})
            findings.append(each)
        return self.model_copy(update={"findings": tuple(findings), **both})

    @property
    def rests_on(self) -> str:
        """What part of the data it is of, in words; "" is all."""
        n, known = self.facts.n_rows, self.n_known
        return f"{n:,} of {known:,} training rows" if 0 < n < known else ""

    @property
    def allowed(self) -> float:
        """Difference in the metric that did not matter."""
        return max(self.tolerance or 0.0, self.deviation) if self.margin is None else self.margin
