"""A search on the terminal: a live panel, or plain lines where no one sits before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..results.best import Best
from ..results.wording import clock, describe, number, origin
from ..system.text import printable
from .progress import Ended, Observer, Repeated, Running, Snapshot

#: Trials that the live panel shows below each other.
_SHOWN = 6
#: Letters beside it, for what a terminal writes of a few Ctrl-C, and of it at least.
_FOR_SIGNALS, _LEAST = 8, 20

_MARKS = {"complete": "[green]done[/]", "pruned": "[yellow]pruned[/]", "failed": "[red]failed[/]"}


class Display(Observer):
    """Shows a search on a terminal; a context manager, as Rich's `Live` is.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> Display:
        if _is_watched(self._console):
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def begin(self, message: str) -> None:
        """Says what is being prepared."""
        self._console.print(f"[dim]{escape(printable(message))} ...[/]")

    def remark(self, message: str) -> None:
        """Prints what is to be known."""
        self._console.print(
            f"[yellow]{escape(printable(message))}.[/]", highlight=False, soft_wrap=True
        )

    def update(self, snapshot: Snapshot) -> None:
        """Draws the panel, four times a second."""
        if self._live.is_started and snapshot.seconds - self._shown >= 0.25:
            self._shown = snapshot.seconds
            self._live.update(_panel(snapshot, self._width), refresh=True)

    def ended(self, trial: Ended) -> None:
        """Prints a line for a trial that ended."""
        self._console.print(_line(trial), highlight=False, soft_wrap=True)

    def repeated(self, training: Repeated) -> None:
        """Draws how many trainings have ended."""
        if self._live.is_started:
            bar = ProgressBar(total=training.of, completed=training.done, width=60)
            row = Table.grid(padding=(0, 2))
            row.add_row(bar, f"[bold]{training.done} of {training.of}[/] trainings")
            panel = Panel(row, title="repeating", title_align="left", width=self._width)
            self._live.update(panel, refresh=True)

    @property
    def _width(self) -> int:
        """Letters of a line of the panel: what Ctrl-C leaves there must not begin another line."""
        return max(_LEAST, self._console.width - _FOR_SIGNALS)


@contextmanager
def shown(progress: bool | None) -> Iterator[Observer]:
    """Shows a search, for as long as it is open.

    Args:
        progress: whether it is shown; None shows it in a terminal and in a notebook.
    """
    console = Console()
    if console.is_jupyter and progress is not False:
        from .notebook import NotebookDisplay  # which needs IPython

        with NotebookDisplay() as display:
            yield display
    elif progress or (progress is None and _is_watched(console)):
        with Display(console) as panel:
            yield panel
    else:
        yield Observer()


def _is_watched(console: Console) -> bool:
    """Says whether someone sits before it."""
    return console.is_terminal


def _line(ended: Ended) -> str:
    view = ended.trial
    score = number(view.score)
    star = " [bold green]best[/]" if ended.is_best else ""
    source = "" if view.source == "sampler" else f" [cyan]({view.source})[/]"
    is_plain = ended.state == "complete" or ended.reason.startswith("pruned")
    reason = "" if is_plain else f" [dim]{escape(printable(ended.reason))}[/]"
    epochs = f"{view.epoch}/{view.config.epochs} epochs"
    return (
        f"[dim]trial {view.number:>3}[/] {_MARKS[ended.state]} {score} after {epochs}: "
        f"{escape(describe(view.config))}{source}{star}{reason}"
    )


def _panel(snapshot: Snapshot, width: int) -> Panel:
    counts, budget = snapshot.counts, snapshot.budget_trials
    head = Table.grid(padding=(0, 2))
    of = f" of {budget}" if budget is not None else ""
    head.add_row(
        f"[bold]{counts.finished}{of}[/] trials",
        f"[green]{counts.complete} done[/]",
        f"[yellow]{counts.pruned} pruned[/]",
        f"[red]{counts.failed} failed[/]",
        f"time {clock(snapshot.seconds)}",
        f"left {clock(snapshot.seconds_left)}",
        f"ETA {clock(snapshot.eta)}",
    )
    rows: list[object] = [head]
    if budget is not None:
        bar = Table.grid()  # a bar by itself ends no line
        bar.add_row(ProgressBar(total=budget, completed=counts.finished, width=60))
        rows.append(bar)
    trials = Table.grid(padding=(0, 2))
    for view in snapshot.running[:_SHOWN]:
        trials.add_row(*_cells(view))
    if len(snapshot.running) > _SHOWN:
        trials.add_row(f"[dim]and {len(snapshot.running) - _SHOWN} more[/]")
    rows.append(trials)
    rows.append(_best_line(snapshot.best, snapshot.metric))
    return Panel(Group(*rows), title=snapshot.study, title_align="left", width=width)  # type: ignore[arg-type]  # Rich names no type for "anything that renders"


def _cells(view: Running) -> tuple[str, ...]:
    source = "" if view.source == "sampler" else f"[cyan]{view.source}[/]"
    return (
        f"[dim]trial {view.number}[/]",
        f"epoch {view.epoch}/{view.config.epochs}",
        number(view.score),
        escape(describe(view.config)),
        source,
    )


def _best_line(best: Best | None, metric: str) -> Text:
    if best is None:
        return Text("no trial is complete yet", style="dim")
    return Text.from_markup(
        f"best [bold green]{escape(metric)} {number(best.value)}[/] ({origin(best)}): "
        f"{escape(describe(best.config))}"
    )
