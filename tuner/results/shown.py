"""What was found, as a notebook shows it."""

from __future__ import annotations

from .best import Best
from .html import heading, line, table
from .winner import Confirmation
from .wording import (
    NOTE,
    all_metrics,
    comparisons,
    describe,
    estimate,
    handed_over,
    in_the_search,
    number,
    origin,
    over_seeds,
    unconfirmed,
)


def of_best(best: Best) -> str:
    """Returns a winner: how sure its score is, and its config."""
    confirmed = best.confirmed
    about = f"study {best.study}, {origin(best)}, {best.n_parameters:,} parameters"
    if confirmed is None:
        parts = [
            heading(f"{best.metric} {number(best.value)} ({about})"),
            line(f"{unconfirmed(best).capitalize()}."),
        ]
    else:
        parts = [heading(f"{best.metric} {estimate(confirmed.validation)} ({about})")]
        if confirmed.test is not None:
            parts.append(heading(f"{confirmed.test_metric} {estimate(confirmed.test)}"))
        parts.append(line(f"{over_seeds(best)}. {in_the_search(best)}".strip()))
        parts += [line(handed_over(best)), line(all_metrics(best))]
    return "".join([*parts, line(describe(best.config))])


def of_confirmation(confirmation: Confirmation) -> str:
    """Returns all arms of a confirmation, and what they say of the winner."""
    rows = [
        (
            arm.name,
            estimate(confirmation.estimate(arm)) if arm.scores else arm.reason,
            estimate(arm.test),
            str(len(arm.scores)),
            f"{arm.n_parameters:,}",
        )
        for arm in confirmation.arms
    ]
    head = ("", confirmation.metric, confirmation.test_metric, "seeds", "parameters")
    told = "".join(map(line, comparisons(confirmation)))
    if any(arm.name == "note" for arm in confirmation.arms):
        told += line(NOTE)
    return table(head, rows, bold=confirmation.winner) + told
