"""How a search ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..storage import Counts
from . import html
from .best import Best
from .front import Front
from .shown import of_best, of_confirmation
from .winner import Confirmation


@dataclass(frozen=True)
class TuneResult:
    """How a search ended.

    Attributes:
        study: name of the study.
        metric: what was optimized.
        best: the confirmed winner, or else the best complete trial, if there is one.
        counts: trials by how they ended.
        confirmation: the best configs over fresh seeds; None if nothing was confirmed.
        importances: share of each parameter in the spread of the scores (fANOVA), the largest
            first; {} with fewer than 20 complete trials.
        folder: where the files are.
        stopped: what ended the search, in words.
        ran: trials that this call finished.
        seconds: spent on the study, by earlier calls too.
        front: the best networks of each size, where they are a goal, a winner is confirmed, and
            there was time for some.
    """

    study: str
    metric: str
    best: Best | None
    counts: Counts
    confirmation: Confirmation | None
    importances: dict[str, float]
    folder: Path
    stopped: str
    ran: int
    seconds: float
    front: Front | None = None

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        parts = [html.heading(f"{self.study}: {self.stopped}")]
        if self.best is not None:
            parts.append(of_best(self.best))
        if self.confirmation is not None:
            parts.append(of_confirmation(self.confirmation))
        if self.front is not None:
            parts.append(self.front._repr_html_())
        if self.importances:
            shares = [(name, f"{share:.0%}") for name, share in self.importances.items()]
            parts.append(html.table(("what mattered (fANOVA)", ""), shares[:8]))
        return "".join(parts)
