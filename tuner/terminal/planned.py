"""What a study will do, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ..results.wording import NOTE, clock, describe, written
from ..running.planning import Plan, named

#: Starting points that are drawn into the space: of perceptrons, and of a module.
_SIDES = ("note", "modern default", "defaults")
#: Classes and columns that are shown below each other, at most.
_SHOWN = 20


def show_plan(console: Console, plan: Plan) -> None:
    """Prints the data as they were read, the space, its networks, and what the budget holds."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"[bold]{escape(plan.study)}[/]: {escape(plan.metric)}, to {plan.direction}")
    if plan.finds_sizes:
        say("n_parameters, to minimize: networks of each size come after the confirmation")
    for name, most in plan.limits.items():
        say(f"{name} of at most {most:,g}: a network that has more is not trained")
    if plan.facts is not None:
        parts = ", ".join(f"{n:,} {name}" for name, n in plan.rows.items())
        outputs = "classes" if plan.classes else "targets"
        say(
            f"\n[bold]Data[/]: {parts} rows, {plan.facts.n_inputs:,} inputs, "
            f"{plan.facts.n_outputs:,} {outputs}"
        )
        _some(console, [f"{name}: {n:,} rows" for name, n in plan.classes.items()])
        _some(console, plan.columns)
    say("\n[bold]Space[/]")
    console.print(_space(plan))
    if "note" in plan.starting_points:
        say(f"[dim]{NOTE}[/]")
    say("\n[bold]First trials[/]")
    for name, config in plan.starting_points.items():
        say(f"  {escape(named(name))}: {escape(describe(config))}")
    if plan.networks:
        say("\n[bold]Networks[/]")
        table = Table("", Column("parameters", justify="right"), "MB in training", "", box=None)
        for name, network in plan.networks.items():
            size = f"{network.megabytes:.3g}"
            table.add_row(name, f"{network.n_parameters:,}", size, escape(describe(network.config)))
        console.print(table)
    say(f"\n[bold]Trials[/] are scored by {plan.evaluation}")
    for line in _reach(plan):
        say(line)


def _some(console: Console, lines: Sequence[str]) -> None:
    for line in lines[:_SHOWN]:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if len(lines) > _SHOWN:
        console.print(f"  [dim]and {len(lines) - _SHOWN} more[/]")


def _space(plan: Plan) -> Table:
    """Lays out where values are searched, and what the rules and today's practice have."""
    names = [name for name in _SIDES if name in plan.starting_points]
    table = Table("", "searched", *map(escape, names), box=None)
    for value in plan.searched:
        if value.domain:
            points = [written(value.points.get(name)) for name in names]
            table.add_row(escape(value.name), escape(value.domain), *map(escape, points))
    fixed = {
        value.name: written(next(iter(value.points.values())))
        for value in plan.searched
        if not value.domain and value.points
    }
    told = ", ".join(f"{name} {value}" for name, value in fixed.items())
    table.caption = f"fixed: {escape(told)}" if told else None
    table.caption_justify = "left"
    return table


def _reach(plan: Plan) -> list[str]:
    """Says how far the budget reaches."""
    lines, budget = [f"{plan.team[0].upper()}{plan.team[1:]} will train."], plan.budget
    if plan.epoch_seconds is None:
        return [*lines, "How long an epoch takes is not known before the search."]
    each = plan.epoch_seconds
    took = f"{each:.2g} s" if each >= 0.1 else f"{1000 * each:.2g} ms"
    lines.append(f"An epoch of a usual network adds {took} on a busy machine.")
    if budget.minutes is not None:
        lines.append(
            f"{budget.minutes:g} minutes hold {plan.trials or 0:,.0f} trials of usual networks, "
            f"and {plan.confirmations or 0:,.0f} trainings that confirm the best."
        )
    if plan.seconds is not None:
        lines.append(
            f"{budget.trials} trials take {clock(plan.seconds)} at most if all are usual networks, "
            "and the confirmation comes after them."
        )
    if plan.seconds is not None or budget.minutes is not None:
        lines.append("Most trials are smaller, or are ended early, so there will be more of them.")
    if budget.patience is not None:
        lines.append(f"It ends once {budget.patience} trials in a row are no better.")
    return lines
