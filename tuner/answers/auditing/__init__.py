"""Rules of thumb as hypotheses: each is judged on the user's data, over seeds, with error bars."""

from .auditor import Audit, Auditor
from .claims import NOT_TESTABLE, Claim, Side, claims
from .run import audit
from .verdicts import Evidence, Finding, Judgement, Verdict, judge

__all__ = [
    "NOT_TESTABLE",
    "Audit",
    "Auditor",
    "Claim",
    "Evidence",
    "Finding",
    "Judgement",
    "Side",
    "Verdict",
    "audit",
    "claims",
    "judge",
]
