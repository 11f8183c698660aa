"""From what both sides of a claim scored to a finding: what is compared, in which unit, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ...network.config import MLPConfig
from .claims import NOT_TESTABLE, Claim, Side
from .found import Finding
from .quantities import Quantities
from .verdicts import Evidence

#: Why a claim has no verdict where not even two pairs were compared.
NO_TIME = "the time was over before two pairs of networks were compared"
#: S9 says of small batches what S8 says of large ones: the same comparison, so no further test.
_OTHER_SIDE = {
    "large batches overfit": {
        "rule": "S9",
        "name": "small batches regularise",
        "claim": "Smaller batches have a smaller gap between validation and training loss.",
    },
    "large batches are faster": {
        "rule": "S9",
        "name": "small batches are slower",
        "claim": "An epoch of smaller batches takes longer.",
    },
}


@dataclass(frozen=True)
class Yardstick:
    """What differences are measured by.

    Attributes:
        metric: that sides are compared by.
        sign: 1 where more of it is better, else -1.
        margin: difference in it that does not matter.
        share: of a gap, or of the seconds of an epoch, that does not matter.
        deviation: of the base config's scores over the seeds.
        overlap: validation rows over training rows of each seed's cut.
    """

    metric: str
    sign: int
    margin: float
    share: float
    deviation: float
    overlap: float

    def compare(
        self, claim: Claim, ours: MLPConfig, theirs: MLPConfig, quantities: Quantities
    ) -> tuple[Finding, Evidence]:
        """Compares both sides of a claim, seed by seed; the verdict is still open."""
        values = quantities.of(claim, ours), quantities.of(claim, theirs)
        # More of a score may be better; of a gap, and of seconds, less is.
        sign = self.sign if claim.quantity == "score" else -1
        differences = [sign * (a - b) for a, b in zip(*values, strict=True)]
        margin, unit, scale = self.margin, self.metric, self.deviation
        if claim.quantity != "score":
            unit = "val_loss - train_loss" if claim.quantity == "gap" else "seconds an epoch"
            margin = self.share * abs(fmean(values[1]))
            scale = stdev(differences)
        finding = Finding(
            rule=claim.rule,
            name=claim.name,
            claim=claim.text,
            kind=claim.kind,
            ours=_told(claim.ours, ours),
            theirs=_told(claim.theirs, theirs),
            unit=unit,
            deviations=fmean(differences) / scale if scale else None,
            margin=margin,
            n_pairs=len(differences),
            remark=quantities.remark(ours, theirs),
        )
        overlap = 0.0 if claim.quantity == "seconds" else self.overlap
        return finding, Evidence(claim.kind, tuple(differences), margin, overlap)


def without_time(claim: Claim) -> Finding:
    """Says of a claim that there was no time for it."""
    return Finding(rule=claim.rule, name=claim.name, claim=claim.text, remark=NO_TIME)


def whole(
    found: Sequence[Finding], is_wanted: Callable[[str], bool], *, is_range_cut: bool
) -> list[Finding]:
    """Adds what findings say of the other side of a rule, and the rules that have no verdict.

    Args:
        found: of what was compared, or could not be for want of time.
        is_wanted: whether a rule is to be judged.
        is_range_cut: the time was over in the range test, which is all that S16 rests on.
    """
    others = [
        each.model_copy(update=_OTHER_SIDE[each.name]) for each in found if each.name in _OTHER_SIDE
    ]
    judged = {each.rule for each in (*found, *others)}
    silent = [
        Finding(
            rule=rule,
            name=rule,
            claim="",
            remark=NO_TIME if rule == "S16" and is_range_cut else reason,
        )
        for rule, reason in NOT_TESTABLE.items()
        if is_wanted(rule) and rule not in judged
    ]
    return [*found, *others, *silent]


def _told(side: Side, config: MLPConfig) -> str:
    """Names a side, with the rate that it was tuned to."""
    if not side.is_tuned:
        return side.name
    return f"{side.name} (rate {config.learning_rate:.2g})"
