"""A search on the terminal: a live panel, or plain lines where no one sits before it."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .config import Config, ModuleConfig, Scalar
from .progress import Ended, Observer, Running, Snapshot
from .results import Best
from .search import ENOUGH_FOR_IMPORTANCES, TuneResult

#: Trials that the live panel shows below each other.
_SHOWN = 6

_MARKS = {"complete": "[green]done[/]", "pruned": "[yellow]pruned[/]", "failed": "[red]failed[/]"}


def number(value: float | None) -> str:
    """Writes a score with the digits that one compares."""
    return "-" if value is None else f"{value:.5g}"


def clock(seconds: float | None) -> str:
    """Writes seconds as minutes and seconds."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


#: Arguments of a module that are the same in all trials of a study.
_FILLED = ("epochs", "n_inputs", "n_outputs", "task")


def describe(config: Config) -> str:
    """Writes the main values of a config in one line."""
    if isinstance(config, ModuleConfig):
        shown = {name: value for name, value in config.flat().items() if name not in _FILLED}
        return ", ".join(f"{name} {_written(value)}" for name, value in shown.items())
    parts = [
        f"{config.depth} x {config.width} {config.activation}",
        "bn" if config.batch_normalization else "no bn",
        f"batch {config.batch_size}",
        f"{config.optimizer} {config.learning_rate:.2g}",
        config.schedule,
    ]
    if config.dropout > 0:
        parts.insert(2, f"dropout {config.dropout:.2f}")
    return ", ".join(parts)


def config_table(config: Config) -> Table:
    """Lays out every value of a config."""
    table = Table.grid(padding=(0, 2))
    classes: dict[str, Scalar | None] = {}
    if isinstance(config, ModuleConfig):
        classes = {"module": config.module}
        if config.data_module is not None:
            classes["data_module"] = config.data_module
    for name, value in {**classes, **config.flat()}.items():
        table.add_row(f"[dim]{escape(name)}[/]", escape(_written(value)))
    return table


def _written(value: Scalar | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def begin(self, message: str) -> None:
        """Says what is being prepared."""
        self._console.print(f"[dim]{message} ...[/]")

    def update(self, snapshot: Snapshot) -> None:
        """Draws the panel, four times a second."""
        if self._live.is_started and snapshot.seconds - self._shown >= 0.25:
            self._shown = snapshot.seconds
            self._live.update(_panel(snapshot), refresh=True)

    def ended(self, trial: Ended) -> None:
        """Prints a line for a trial that ended."""
        self._console.print(_line(trial), highlight=False, soft_wrap=True)


def _line(ended: Ended) -> str:
    view = ended.trial
    score = number(view.score)
    star = " [bold green]best[/]" if ended.is_best else ""
    source = "" if view.source == "sampler" else f" [cyan]({view.source})[/]"
    is_plain = ended.state == "complete" or ended.reason.startswith("pruned")
    reason = "" if is_plain else f" [dim]{escape(ended.reason)}[/]"
    epochs = f"{view.epoch}/{view.config.epochs} epochs"
    return (
        f"[dim]trial {view.number:>3}[/] {_MARKS[ended.state]} {score} after {epochs}: "
        f"{escape(describe(view.config))}{source}{star}{reason}"
    )


def _panel(snapshot: Snapshot) -> Panel:
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
    return Panel(Group(*rows), title=snapshot.study, title_align="left")  # type: ignore[arg-type]  # Rich names no type for "anything that renders"


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
        f"best [bold green]{escape(metric)} {number(best.value)}[/] (trial {best.trial}): "
        f"{escape(describe(best.config))}"
    )


def show_result(console: Console, result: TuneResult, study: str) -> None:
    """Prints how a search ended, and what to do next.

    Args:
        console: where to print.
        result: of the search.
        study: as the user named it.
    """
    counts = result.counts
    console.print(
        f"\n[bold]{result.study}[/]: {result.stopped} ({counts.complete} complete, "
        f"{counts.pruned} pruned, {counts.failed} failed; {clock(result.seconds)} in all)."
    )
    if result.ran == 0:
        console.print(
            "Nothing was left to do; TRIALS=... (--trials) or MINUTES=... (--minutes) raise the "
            "budget."
        )
    if result.best is None:
        console.print("No trial is complete yet, so there is no best config.")
    else:
        best = result.best
        console.print(
            f"\n[bold green]Best {escape(best.metric)}: {number(best.value)}[/] "
            f"(trial {best.trial}, {best.n_parameters:,} parameters)"
        )
        console.print(config_table(best.config))
    if result.importances:
        console.print(f"\nWhat mattered (fANOVA over {counts.complete} complete trials):")
        table = Table.grid(padding=(0, 2))
        for name, share in list(result.importances.items())[:8]:
            table.add_row(f"  {escape(name)}", f"{share:.0%}", "▇" * round(30 * share))
        console.print(table)
    else:
        console.print(
            f"\n[dim]What mattered is told from {ENOUGH_FOR_IMPORTANCES} complete trials on.[/]"
        )
    if result.best is None:
        console.print(f"\nFiles:  {result.folder}/  (trials.csv)")
        console.print(f"Next:   make tune STUDY={study} with a larger budget", highlight=False)
        return
    console.print(f"\nFiles:  {result.folder}/  (best.json, best.ckpt, trials.csv)")
    console.print(f"Next:   make best STUDY={study}    make dashboard", highlight=False)
    console.print(f'        tuner.best_config("{result.study}")  in Python', highlight=False)
