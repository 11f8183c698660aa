"""What one search may still do."""

from types import SimpleNamespace
from typing import Any

import pytest

from tuner.running.allowance import Allowance
from tuner.running.minutes import Minutes
from tuner.storage import Counts
from tuner.study import BudgetSpec


def allowance(budget: BudgetSpec, *, complete: int = 0, since_best: int = 0) -> Allowance:
    standing: Any = SimpleNamespace(counts=Counts(complete=complete), since_best=since_best)
    in_hand: Any = SimpleNamespace(trials={})
    minutes = Minutes(budget.minutes, 1.0, 0.0)
    return Allowance(budget, minutes, None, False, standing, in_hand, SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "complete", "at_once"),
    [
        ({"trials": 100}, 0, 20),
        ({"trials": 100, "patience": 50}, 0, 20),
        ({"patience": 50}, 0, 10),
        ({"patience": 50}, 100, 30),
        ({"patience": 4}, 0, 5),
    ],
)
def test_a_fifth_of_the_trials_are_under_way(
    budget: dict[str, int], complete: int, at_once: int
) -> None:
    """Else most of a large machine idles, or the sampler has nothing to learn from."""
    assert allowance(BudgetSpec(**budget), complete=complete).at_once(64) == at_once


def test_nothing_begins_once_patience_has_run_out() -> None:
    patient = allowance(BudgetSpec(trials=9, patience=4), complete=5, since_best=3)
    assert (patient.trials, patient.end()) == (4, "")
    spent = allowance(BudgetSpec(trials=9, patience=4), complete=6, since_best=4)
    assert (spent.trials, spent.end()) == (0, "4 trials in a row were no better")
