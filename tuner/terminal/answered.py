"""What is printed of the answers beyond the winner: an audit, an ablation, a front of sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..results.wording import clock, describe, estimate, number, written

if TYPE_CHECKING:
    from ..answers.ablation import Ablation
    from ..answers.auditing import Audit
    from ..results.front import Front, Point

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
        f"{f'{found.rests_on}, ' if found.rests_on else ''}"
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
        verdict = _VERDICTS[finding.verdict]
        if finding.warning:
            verdict += f"\n[yellow]{finding.warning}[/]"
        table.add_row(finding.rule, told, verdict, effect, p)
    console.print(table)
    console.print(
        f"\nheld, refuted: at 5% over all of these claims. equivalent: no difference beyond "
        f"{number(found.allowed)}, which is also what an 'enough' may be worse by.",
        style="dim",
    )
    if found.inside:
        from ..answers.auditing import COLUMNS

        n_epochs = max(each.n_epochs for each in found.inside)
        n_seeds = max(len(each.gradients) for each in found.inside)
        console.print(
            f"\nInside the networks of S2 and S3, trained once more for {n_epochs} epochs of "
            f"{found.inside[0].n_rows:,} rows, {n_seeds} seeds (ranges: least and most):\n"
        )
        table = Table(*COLUMNS, box=None, pad_edge=False)
        for each in found.inside:
            table.add_row(*map(escape, each.told))
        console.print(table)


def show_ablation(console: Console, found: Ablation) -> None:
    """Prints the way from the rules to the winner.

    Args:
        console: where to print.
        found: by the ablation.
    """
    console.print(
        f"\n[bold]{found.study}[/]: from the rules of thumb, taken literally, to {found.winner}, "
        f"the largest gain first; {escape(found.metric)} over {len(found.seeds)} seeds, "
        f"{clock(found.seconds)}.\n"
    )
    table = Table("change", found.metric, "gain", "", box=None, pad_edge=False)
    for step in found.steps:
        table.add_row(
            step.change or "the rules of thumb",
            estimate(step.estimate),
            "" if step.gain is None else estimate(step.gain),
            escape(step.words),
        )
    console.print(table)


def show_front(console: Console, found: Front) -> None:
    """Prints the best networks of each size.

    Args:
        console: where to print.
        found: by `front`.
    """
    console.print(
        f"\n[bold]{found.study}[/]: the best networks of each size, of "
        f"{len(found.points) + len(found.others)} over {len(found.seeds)} seeds, "
        f"{clock(found.seconds)}.\n"
    )
    table = Table(*map(escape, found.head), box=None, pad_edge=False)
    for row in found.told:
        table.add_row(*map(escape, row))
    console.print(table)
    least = found.points[0].arm.n_parameters
    console.print(
        "\nNo network is both smaller and better in the mean. They were picked by these scores, "
        "so that small differences are partly luck. "
        f"tuner best {found.study} --at n_parameters={least} prints one.",
        style="dim",
    )


def show_point(console: Console, found: Front, point: Point) -> None:
    """Prints one network of a front.

    Args:
        console: where to print.
        found: by `front`.
        point: of it.
    """
    console.print(f"\n[bold]{found.study}[/]: {escape(point.arm.name)}\n")
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, words in zip(found.head[:3], found.told_of(point), strict=False):
        if words:
            table.add_row(escape(name), escape(words))
    for name, value in point.arm.config.flat().items():
        table.add_row(name, written(value))
    console.print(table)
