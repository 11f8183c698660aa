"""How a study stands."""

import time
from collections.abc import Iterator
from datetime import datetime

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from tuner.running.standing import since
from tuner.storage import DECLINED, INTERRUPTED


def ended(
    when: datetime, value: float | None, state: TrialState = TrialState.COMPLETE, *attributes: str
) -> FrozenTrial:
    trial = optuna.trial.create_trial(
        state=state, value=value, user_attrs=dict.fromkeys(attributes, True)
    )
    trial.datetime_complete = when
    return trial


def at(minute: int) -> datetime:
    return datetime(2026, 5, 1, 12, minute)  # as Optuna tells it


def test_trials_since_the_best_one() -> None:
    trials = [
        ended(at(1), 0.7),
        ended(at(3), 0.9),  # as good as the next one, later
        ended(at(2), 0.9),
        ended(at(4), None, TrialState.PRUNED),
        ended(at(5), None, TrialState.PRUNED, DECLINED),
        ended(at(6), None, TrialState.FAIL),
        ended(at(7), None, TrialState.FAIL, INTERRUPTED),
        ended(at(0), 0.8),
    ]
    assert since(trials, 0.9) == 2
    assert since(trials, 0.7) == 3
    assert since(trials, None) == 5
    assert since([], None) == 0


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_clock_that_is_put_back() -> None:
    """Else a search ends in the hour that there is twice, because of what ended an hour before."""
    best = ended(datetime(2026, 10, 25, 2, 10, fold=1), 0.9)
    others = [ended(datetime(2026, 10, 25, 2, minute), 0.8) for minute in (20, 30)]
    assert since([*others, best], 0.9) == 0
