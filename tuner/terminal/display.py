"""A search on the terminal: a live panel, or plain lines where no one sits before it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..network.config import Config, ModuleConfig, Scalar
from ..results.importance import ENOUGH_FOR_IMPORTANCES
from ..results.results import Best
from ..results.winner import Confirmation, Estimate, difference
from ..running.progress import Ended, Observer, Repeated, Running, Snapshot

if TYPE_CHECKING:
    from ..answers.ablation import Ablation
    from ..answers.auditing import Audit
    from ..search import TuneResult

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

    def repeated(self, training: Repeated) -> None:
        """Draws how many trainings have ended."""
        if self._live.is_started:
            bar = ProgressBar(total=training.of, completed=training.done, width=60)
            row = Table.grid(padding=(0, 2))
            row.add_row(bar, f"[bold]{training.done} of {training.of}[/] trainings")
            self._live.update(Panel(row, title="repeating", title_align="left"), refresh=True)


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
        f"best [bold green]{escape(metric)} {number(best.value)}[/] ({origin(best)}): "
        f"{escape(describe(best.config))}"
    )


def show_winner(console: Console, best: Best, confirmation: Confirmation | None) -> None:
    """Prints the winner, how sure its score is, and its config.

    Args:
        console: where to print.
        best: of the study.
        confirmation: that it won, if it is confirmed.
    """
    about = f"(study {escape(best.study)}, {origin(best)}, {best.n_parameters:,} parameters)"
    if best.confirmed is None:
        console.print(
            f"\n[bold green]Best {escape(best.metric)}: {number(best.value)}[/] {about}\n"
            "[yellow]in the search, and not confirmed over other seeds: expect less[/]"
        )
    else:
        confirmed = best.confirmed
        console.print(
            f"\n[bold green]Best {escape(best.metric)}: {estimate(confirmed.validation)}[/] {about}"
        )
        if confirmed.test is not None:
            console.print(
                f"[bold green]     {escape(confirmed.test_metric)}: {estimate(confirmed.test)}[/]"
            )
        searched = "" if best.value is None else f" In the search it had {number(best.value)}"
        if confirmed.optimism is not None:
            searched += f": optimism {confirmed.optimism:+.2g}."
        elif best.value is not None:
            searched += ", after fewer epochs."
        console.print(
            f"over {confirmed.validation.n} seeds, each with initial weights, shuffles and "
            f"validation rows of its own{_shorter(best)}.{searched}"
        )
        if confirmed.is_refit:
            scored = ""
            if confirmed.network_test is not None:
                scored = f": {escape(confirmed.test_metric)} {number(confirmed.network_test)}"
            console.print(
                f"best.ckpt was trained for {best.config.epochs} epochs on all rows but the test "
                f"rows{scored}."
            )
    if confirmation is not None:
        console.print()
        console.print(confirmation_table(confirmation))
        for line in comparisons(confirmation):
            console.print(line, highlight=False)
    console.print()
    console.print(config_table(best.config))


def _shorter(best: Best) -> str:
    """Says of how many epochs confirmed trainings were, where the winner's last one is longer."""
    confirmed = best.confirmed
    if confirmed is None or confirmed.epochs in (None, best.config.epochs):
        return ""
    return f", {confirmed.epochs} epochs of training"


def origin(best: Best) -> str:
    """Says where a winner comes from: a preset, or a trial."""
    return best.preset or f"trial {best.trial}"


def estimate(found: Estimate | None) -> str:
    """Writes a mean and its standard error, with the digits that the error leaves."""
    if found is None:
        return "-"
    if found.standard_error == 0 or not math.isfinite(found.standard_error):
        return f"{number(found.mean)} ± {found.standard_error:.2g}"
    digits = max(0, 1 - math.floor(math.log10(found.standard_error)))
    return f"{found.mean:.{digits}f} ± {found.standard_error:.{digits}f}"


def confirmation_table(confirmation: Confirmation) -> Table:
    """Lays out all arms of a confirmation, mean ± standard error."""
    metric, test = escape(confirmation.metric), escape(confirmation.test_metric)
    scored = [metric, *([test] if test else []), "seeds", "in the search", "parameters"]
    table = Table("", *scored, box=None)
    for arm in confirmation.arms:
        row = [escape(arm.name), estimate(arm.confirmed) if arm.scores else escape(arm.reason)]
        row += [estimate(arm.test)] if test else []
        row += [str(len(arm.scores)), number(arm.search), f"{arm.n_parameters:,}"]
        is_winner = arm.name == confirmation.winner
        table.add_row(*row, "winner" if is_winner else "", style="bold" if is_winner else "")
    return table


def _difference(gain: Estimate, metric: str) -> str:
    """Writes a difference with its error, of an accuracy in points.

    Two seeds often differ by the same, which says nothing of a third one: of them no error is told.
    """
    unit, factor = (" points", 100) if "accuracy" in metric else ("", 1)
    if gain.n == 2:
        return f"{factor * gain.mean:+.2g}{unit} (too few seeds for an error)"
    return f"{factor * gain.mean:+.2g} ± {factor * gain.standard_error:.2g}{unit}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.2g}%"


def comparisons(confirmation: Confirmation) -> list[str]:
    """Says why the winner won, what the search gained, and how often the test part was opened."""
    winning, lines = confirmation.winning, []
    best = confirmation.arms[0]
    if confirmation.select == "one_se" and best.scores and best.name != winning.name:
        lines.append(
            f"{winning.name} won: within one standard error of the best mean ({best.name}), "
            "and the smallest network there."
        )
    if confirmation.select == "proven" and best.scores and best.name != winning.name:
        gain = difference(best, winning, confirmation.direction)
        assert gain is not None
        lines.append(
            f"{best.name} had the best mean, by {_difference(gain, confirmation.metric)}: not "
            f"enough to be better than the {winning.name} on other rows."
        )
    smaller = confirmation.smaller
    if smaller is not None:
        loss = confirmation.gain(smaller)
        assert loss is not None
        lines.append(
            f"{smaller.name} has {_share(smaller.n_parameters, winning.n_parameters)} of the "
            f"parameters, for {_difference(loss, confirmation.metric)} of {confirmation.metric}."
        )
    for arm in confirmation.presets:
        gain = confirmation.gain(arm)
        if arm.name == winning.name or arm.config == winning.config:
            lines.append(f"The winner is the {arm.name}: the search found nothing better.")
        elif gain is not None:
            size = winning.n_parameters / max(1, arm.n_parameters)
            seeds = "" if gain.n == len(winning.scores) else f" over {gain.n} seeds"
            lines.append(
                f"over the {arm.name}: {_difference(gain, confirmation.metric)} of "
                f"{confirmation.metric}{seeds}, with {size:.2g} times the parameters"
            )
            if not arm.is_allowed:
                lines.append(f"The {arm.name} could not win: the study file does not allow it.")
    if confirmation.test_openings:
        n = confirmation.test_openings
        times = "once" if n == 1 else f"{n} times: its score flatters a little more each time"
        lines.append(f"The test part was opened {times}.")
    return lines


_VERDICTS = {
    "held": "[green]held[/]",
    "refuted": "[red]refuted[/]",
    "equivalent": "[cyan]equivalent[/]",
    "inconclusive": "[yellow]inconclusive[/]",
    "not testable": "[dim]not testable[/]",
}


def show_audit(console: Console, found: Audit) -> None:
    """Prints the verdicts on the rules.

    Args:
        console: where to print.
        found: by the audit.
    """
    console.print(
        f"\n[bold]{found.study}[/]: rules judged around {found.origin} "
        f"({escape(describe(found.base))}), {found.n_pairs} pairs, "
        f"{found.n_trainings:,} trainings, {clock(found.seconds)}.\n"
        f"A standard deviation between seeds is {number(found.deviation)} of {found.metric}.\n"
    )
    table = Table("rule", "claim", "verdict", "effect (95%)", "p, Holm", box=None, pad_edge=False)
    for finding in found.findings:
        told = escape(finding.claim or finding.remark)
        effect = p = ""
        if finding.kind is not None:
            told += f"\n[dim]{escape(finding.ours)} against {escape(finding.theirs)}"
            told += f"; {escape(finding.remark)}[/]" if finding.remark else "[/]"
            effect = f"{finding.effect:+.2g} ({finding.low:+.2g} to {finding.high:+.2g})"
            effect += f"\n[dim]of {finding.unit}[/]"
            p = f"{finding.adjusted_p:.2g}"
        table.add_row(finding.rule, told, _VERDICTS[finding.verdict], effect, p)
    console.print(table)
    console.print(
        "\nheld, refuted: at 5% over all of these claims. equivalent: no difference beyond one "
        "standard deviation between seeds, which is also what an 'enough' may be worse by.",
        style="dim",
    )


def show_ablation(console: Console, found: Ablation) -> None:
    """Prints the way from the rules to the winner.

    Args:
        console: where to print.
        found: by the ablation.
    """
    console.print(
        f"\n[bold]{found.study}[/]: from the note's rules to {found.winner}, the largest gain "
        f"first; {escape(found.metric)} over {len(found.seeds)} seeds, {clock(found.seconds)}.\n"
    )
    table = Table("change", found.metric, "gain", "", box=None, pad_edge=False)
    for step in found.steps:
        table.add_row(
            step.change or "the note's rules",
            estimate(step.estimate),
            "" if step.gain is None else estimate(step.gain),
            escape(step.words),
        )
    console.print(table)


def _and_confirmation(result: TuneResult) -> str:
    found = result.confirmation
    return "" if found is None else f", {clock(found.seconds)} of confirmation"


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
        f"{counts.pruned} pruned, {counts.failed} failed; {clock(result.seconds)} of search"
        f"{_and_confirmation(result)})."
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
        show_winner(console, best, result.confirmation)
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
