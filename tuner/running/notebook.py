"""A search in a notebook: one area that is written again as it goes on."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ..results import html
from ..results.winner import Confirmation
from ..results.wording import clock, describe, number, origin
from .progress import Ended, Observer, Repeated, Snapshot

#: Seconds between two drawings; trials under way and ended ones that are shown.
_PAUSE, _UNDER_WAY, _ENDED = 0.5, 6, 6


class NotebookDisplay(Observer):
    """Shows a search as HTML; a context manager, at whose end the area shows the end.

    Raises:
        ImportError: there is no IPython.
    """

    def __init__(self) -> None:
        from IPython import display

        shown: Any = display  # which has no types
        self._html, self._drawn = shown.HTML, 0.0
        self._remarks: list[str] = []
        self._message, self._repeats = "", ""
        self._snapshot: Snapshot | None = None
        self._ended: deque[Ended] = deque(maxlen=_ENDED)
        self._area: Any = shown.display(shown.HTML(""), display_id=True)

    def __enter__(self) -> NotebookDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._message = self._repeats = ""
        self._draw(at_once=True)

    def begin(self, message: str) -> None:
        """Shows what is being prepared."""
        self._message = f"{message} ..."
        self._draw(at_once=True)

    def remark(self, message: str) -> None:
        """Keeps what is to be known in sight."""
        self._remarks.append(f"{message}.")
        self._draw(at_once=True)

    def update(self, snapshot: Snapshot) -> None:
        """Draws the trials."""
        self._snapshot, self._message = snapshot, ""
        self._draw()

    def ended(self, trial: Ended) -> None:
        """Adds a trial to the last ones that ended."""
        self._ended.appendleft(trial)

    def repeated(self, training: Repeated) -> None:
        """Draws how many trainings have ended."""
        self._repeats = f"{training.done} of {training.of} trainings"
        self._draw()

    def confirmed(self, confirmation: Confirmation) -> None:
        """Says who won."""
        self._remarks.append(
            f"The winner over {len(confirmation.seeds)} seeds: {confirmation.winner}."
        )

    def _draw(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._drawn >= _PAUSE:
            self._drawn = now
            self._area.update(self._html(self._told()))

    def _told(self) -> str:
        parts = [html.line(text) for text in (*self._remarks, self._message)]
        if self._snapshot is not None:
            parts.append(_trials(self._snapshot, self._ended))
        return "".join([*parts, html.line(self._repeats)])


def _trials(snapshot: Snapshot, ended: deque[Ended]) -> str:
    """Writes the trials under way and those that ended last."""
    counts, of = snapshot.counts, snapshot.budget_trials
    head = (
        f"{snapshot.study}: {counts.finished}{f' of {of}' if of is not None else ''} trials "
        f"({counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed), "
        f"{clock(snapshot.seconds)}, left {clock(snapshot.eta)}"
    )
    rows = [
        (f"trial {view.number}", f"epoch {view.epoch}", number(view.score), describe(view.config))
        for view in snapshot.running[:_UNDER_WAY]
    ]
    rows += [
        (
            f"trial {each.trial.number}",
            each.state,
            number(each.trial.score),
            describe(each.trial.config),
        )
        for each in ended
    ]
    best = snapshot.best
    if best is not None:
        rows.insert(0, ("best", origin(best), number(best.value), describe(best.config)))
    return html.heading(head) + html.table(("", "", snapshot.metric, ""), rows, bold="best")
