"""What one search may still do."""

from types import SimpleNamespace
from typing import Any

import pytest

import tuner
from tuner import search
from tuner.errors import InputError
from tuner.running.allowance import Allowance
from tuner.running.minutes import Minutes
from tuner.storage import Counts
from tuner.study import BudgetSpec

from ..conftest import SMALL, Write


def allowance(
    budget: BudgetSpec, *, complete: int = 0, since_best: int = 0, fills_places: bool = False
) -> Allowance:
    standing: Any = SimpleNamespace(counts=Counts(complete=complete), since_best=since_best)
    in_hand: Any = SimpleNamespace(trials={})
    minutes = Minutes(budget.minutes, 1.0, 0.0)
    return Allowance(budget, minutes, None, fills_places, standing, in_hand, SimpleNamespace())  # type: ignore[arg-type]


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


def test_a_place_that_trains_one_trial_is_not_left_idle(
    monkeypatch: pytest.MonkeyPatch, write_study: Write
) -> None:
    """Else most of a large machine does nothing where each process trains one trial."""
    assert allowance(BudgetSpec(trials=20)).at_once(16) == 5
    assert allowance(BudgetSpec(trials=20), fills_places=True).at_once(16) == 16
    told: list[bool] = []

    def stop(*_: object, fills_places: bool, **__: object) -> None:
        told.append(fills_places)
        raise InputError("that is all")

    monkeypatch.setattr(search, "Coordinator", stop)
    write_study(SMALL)
    for trainer in ("fleet", "solo"):
        with pytest.raises(InputError, match="that is all"):
            tuner.tune("small", trainer=trainer, workers=1)  # type: ignore[arg-type]
    assert told == [False, True]


def test_nothing_begins_once_patience_has_run_out() -> None:
    patient = allowance(BudgetSpec(trials=9, patience=4), complete=5, since_best=3)
    assert (patient.trials, patient.end()) == (4, "")
    spent = allowance(BudgetSpec(trials=9, patience=4), complete=6, since_best=4)
    assert (spent.trials, spent.end()) == (0, "4 trials in a row were no better")
