"""What is printed at the end: a winner, studies side by side, and a recommendation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ..network.config import Config, ModuleConfig, Scalar
from ..results.best import Best
from ..results.importance import ENOUGH_FOR_IMPORTANCES
from ..results.winner import Confirmation
from ..results.wording import (
    NOTE,
    all_metrics,
    clock,
    comparisons,
    describe,
    estimate,
    handed_over,
    in_the_search,
    number,
    origin,
    over_seeds,
    unconfirmed,
    written,
)
from .answered import show_front

if TYPE_CHECKING:
    from ..heuristics import Recommendation
    from ..results.compared import Compared
    from ..results.result import TuneResult
    from ..storage import StudySummary


def config_table(config: Config) -> Table:
    """Lays out every value of a config."""
    table = Table.grid(padding=(0, 2))
    classes: dict[str, Scalar | None] = {}
    if isinstance(config, ModuleConfig):
        classes = {"module": config.module}
        if config.data_module is not None:
            classes["data_module"] = config.data_module
    for name, value in {**classes, **config.flat()}.items():
        table.add_row(f"[dim]{escape(name)}[/]", escape(written(value)))
    return table


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
            f"[yellow]{unconfirmed(best)}[/]"
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
        told = f"{over_seeds(best)}. {in_the_search(best)}".rstrip()
        console.print(escape(told))
        if confirmed.is_refit:
            console.print(escape(handed_over(best)), highlight=False)
            if told := all_metrics(best):
                console.print(told, highlight=False)
    if confirmation is not None:
        console.print()
        console.print(confirmation_table(confirmation))
        if any(arm.name == "note" for arm in confirmation.arms):
            console.print(f"[dim]{NOTE}[/]")
        for line in comparisons(confirmation):
            console.print(line, highlight=False)
    console.print()
    console.print(config_table(best.config))


def confirmation_table(confirmation: Confirmation) -> Table:
    """Lays out all arms of a confirmation, mean ± standard error."""
    metric, test = escape(confirmation.metric), escape(confirmation.test_metric)
    scored = [metric, *([test] if test else []), "seeds", "in the search", "parameters"]
    table = Table("", *scored, box=None)
    for arm in confirmation.arms:
        row = [
            escape(arm.name),
            estimate(confirmation.estimate(arm)) if arm.scores else escape(arm.reason),
        ]
        row += [estimate(arm.test)] if test else []
        row += [str(len(arm.scores)), number(arm.search), f"{arm.n_parameters:,}"]
        is_winner = arm.name == confirmation.winner
        table.add_row(*row, "winner" if is_winner else "", style="bold" if is_winner else "")
    return table


def show_studies(console: Console, names: Sequence[str], tuned: Mapping[str, StudySummary]) -> None:
    """Prints a line for each study.

    Args:
        console: where to print.
        names: of the studies.
        tuned: what is known of those that have been tuned.
    """
    if not names:
        console.print("There is no study here: no studies/*.toml, and nothing was tuned.")
        return
    names_of_columns = ("trials", "complete", "pruned", "failed", "metric", "best", "time")
    table = Table(Column("study", no_wrap=True), *names_of_columns, box=None)
    for name in names:
        if name not in tuned:
            table.add_row(name, "0", "", "", "", "", "-", "")
            continue
        summary = tuned[name]
        counts = summary.counts
        of = f" of {summary.budget}" if summary.budget else ""
        table.add_row(
            name,
            f"{counts.finished}{of}",
            str(counts.complete),
            str(counts.pruned),
            str(counts.failed),
            summary.metric,
            number(summary.best),
            clock(summary.seconds),
        )
    console.print(table)


def show_compared(console: Console, found: Sequence[Compared]) -> None:
    """Prints studies side by side."""
    first = found[0]

    def gain(each: Compared) -> str:
        if each.gain is None:
            return "-"
        sign = "+" if each.gain.mean > 0 else ""
        return f"{sign}{estimate(each.gain)}{'' if each.is_paired else ', unpaired'}"

    def score(each: Compared) -> str:
        if each.validation is None:
            return f"{number(each.search)}, not confirmed"
        return estimate(each.validation)

    lines: dict[str, Callable[[Compared], str]] = {
        first.metric: score,
        f"gain over {first.study}": gain,
        "on the test rows": lambda each: estimate(each.test),
        "as handed over": lambda each: number(each.handed_over),
        "networks": lambda each: str(each.networks),
        "parameters of each": lambda each: f"{each.n_parameters:,}",
        "megabytes": lambda each: f"{each.megabytes:.2g}",
        "trials": lambda each: "-" if each.trials is None else str(each.trials),
        "time": lambda each: clock(each.seconds),
    }
    table = Table("", *(escape(each.study) for each in found), box=None)
    for name, told in lines.items():
        table.add_row(escape(name), *map(told, found))
    console.print(table)
    for each in found:
        console.print(f"{each.study}: {describe(each.config)}", markup=False, highlight=False)
    if others := [each.study for each in found if not each.has_same_data]:
        console.print(
            f"[yellow]{escape(', '.join(others))}: other rows or columns than "
            f"{escape(first.study)}; scores on other rows differ by their luck, too.[/]"
        )
    if any(each.gain is not None for each in found):
        console.print("Gains are above 0 where a study is better than the first.", style="dim")


def show_recommended(console: Console, config: Recommendation) -> None:
    """Prints a config with the reason of each value, and where rules disagree."""
    table = Table("parameter", "value", "rule", "reason and source", box=None, padding=(0, 2, 0, 0))
    for column in table.columns[:3]:
        column.no_wrap = True
    values = config.model_dump()
    for reason in config.reasons:
        value = values[reason.parameter]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        why = f"{reason.text} [dim]{escape(reason.source)}[/]"
        table.add_row(reason.parameter, shown, reason.rule_id, why)
    console.print(table)
    for contradiction in config.contradictions:
        console.print(f"[yellow]The rules disagree:[/] {contradiction.text}.")
    console.print("These are rules of thumb, and where a search starts: tuner tune checks them.")


def _and_confirmation(result: TuneResult) -> str:
    found = result.confirmation
    return "" if found is None else f", {clock(found.seconds)} of confirmation"


def show_result(
    console: Console, result: TuneResult, study: str, *, is_of_table: bool = False
) -> None:
    """Prints how a search ended, and what to do next.

    Args:
        console: where to print.
        result: of the search.
        study: as the user named it.
        is_of_table: its rows are those of a table, as new ones may be.
    """
    counts = result.counts
    console.print(
        f"\n[bold]{result.study}[/]: {result.stopped} ({counts.complete} complete, "
        f"{counts.pruned} pruned, {counts.failed} failed; {clock(result.seconds)} of search"
        f"{_and_confirmation(result)})."
    )
    if result.ran == 0:
        raised = "--trials, --minutes or --patience"
        if _has_makefile():
            raised = "TRIALS=..., MINUTES=... or PATIENCE=..."
        console.print(f"Nothing was left to do; {raised} raise the budget.", highlight=False)
    if result.best is None:
        console.print("No trial is complete yet, so there is no best config.")
    else:
        best = result.best
        show_winner(console, best, result.confirmation)
    if result.front is not None:
        show_front(console, result.front)
    if result.importances:
        console.print(f"\nWhat mattered (fANOVA over {counts.complete} complete trials):")
        table = Table.grid(padding=(0, 2))
        for name, share in list(result.importances.items())[:8]:
            table.add_row(f"  {escape(name)}", f"{share:.0%}", "▇" * round(30 * share))
        console.print(table)
    else:
        console.print(
            f"\n[dim]What mattered is told from {ENOUGH_FOR_IMPORTANCES} complete trials on; "
            f"there are {counts.complete}.[/]"
        )
    if result.best is None:
        console.print(f"\nFiles:  {result.folder}/  (trials.csv)")
        console.print(f"Next:   {_command('tune', study)} with a larger budget", highlight=False)
        return
    console.print(f"\nFiles:  {result.folder}/  (best.json, best.ckpt, trials.csv)")
    next_ones = f"{_command('best', study)}    {_command('dashboard')}"
    if is_of_table:
        next_ones += f"    tuner predict {result.study} new.csv"
    console.print(f"Next:   {next_ones}", highlight=False)
    console.print(f'        tuner.best_config("{result.study}")  in Python', highlight=False)


def _command(name: str, study: str = "") -> str:
    """Writes a command as one would give it in this folder."""
    if _has_makefile():
        return f"make {name} STUDY={study}" if study else f"make {name}"
    return f"tuner {name} {study}".rstrip()


def _has_makefile() -> bool:
    """Says whether this folder has the targets of a clone of this project."""
    try:
        return "$(BIN)/tuner" in Path("Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
