"""Rules of thumb as hypotheses: each is judged on the user's data, over seeds, with error bars."""

from .auditor import Auditor
from .claims import NOT_TESTABLE, Claim, Side, claims
from .found import Audit, Finding, Verdict
from .inside import COLUMNS, Inside
from .run import audit
from .verdicts import Evidence, Judgement, judge

__all__ = [
    "COLUMNS",
    "NOT_TESTABLE",
    "Audit",
    "Auditor",
    "Claim",
    "Evidence",
    "Finding",
    "Inside",
    "Judgement",
    "Side",
    "Verdict",
    "audit",
    "claims",
    "judge",
]
