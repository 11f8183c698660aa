"""Who wins a confirmation, and what is said of the winner."""

import math

import numpy as np
import pytest
from scipy import stats

from tuner.config import MLPConfig
from tuner.winner import Arm, Confirmation, Confirmed, Direction, Estimate, choose


def arm(
    name: str, *scores: float, size: int = 100, trial: int | None = 0, search: float | None = 0.9
) -> Arm:
    return Arm(
        name=name,
        trial=trial,
        config=MLPConfig(),
        n_parameters=size,
        search=search,
        scores=scores,
        reason="" if scores else "diverged",
    )


def test_an_estimate_is_scipys() -> None:
    scores = np.random.default_rng(0).normal(size=7).tolist()
    found = Estimate.of(scores)
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.standard_error == pytest.approx(stats.sem(scores))
    assert found.n == 7


@pytest.mark.parametrize(
    ("arms", "direction", "winner"),
    [
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "maximize", "b"),
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "minimize", "a"),
        # b is the best by 0.01, and a within its standard error of 0.03.
        ([arm("a", 0.89, 0.91, size=10), arm("b", 0.88, 0.94)], "maximize", "a"),
        ([arm("a", 0.89, 0.91, size=999), arm("b", 0.88, 0.94)], "maximize", "b"),
        ([arm("a", 0.81, 0.83, size=10), arm("b", 0.88, 0.94)], "maximize", "b"),
        # The error is the best one's, however much the other scatters.
        ([arm("a", 0.5, 1.2, size=10), arm("b", 0.899, 0.901)], "maximize", "b"),
        ([arm("a", 0.9, 0.9), arm("b")], "maximize", "a"),
        # Of equally small ones the better.
        ([arm("a", 0.89, 0.91), arm("b", 0.88, 0.94), arm("c", 0.9, 0.9)], "maximize", "b"),
    ],
)
def test_the_winner(arms: list[Arm], direction: Direction, winner: str) -> None:
    chosen = choose(arms, direction)
    assert chosen is not None
    assert chosen.name == winner


def test_no_one_wins_without_scores() -> None:
    assert choose([arm("a"), arm("b")], "maximize") is None


def confirmation(direction: Direction = "maximize") -> Confirmation:
    found = arm("trial 3", 0.90, 0.94, 0.92, search=0.95, trial=3).model_copy(
        update={"tests": (0.91, 0.89, 0.9)}
    )
    note = arm("note", 0.89, 0.92, 0.91, size=10, trial=None, search=None)
    diverged = arm("modern default", trial=None, search=None)
    return Confirmation(
        metric="val_accuracy",
        direction=direction,
        seeds=(11, 22, 33),
        arms=(found, note, diverged),
        winner="trial 3",
        search_best=3,
        test_metric="test_accuracy",
        test_openings=1,
        seconds=1.0,
    )


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_what_the_search_promised_and_gained(direction: Direction, sign: int) -> None:
    found = confirmation(direction)
    assert found.optimism == pytest.approx(sign * 0.03)
    note, diverged = found.presets
    gain = found.gain(note)
    assert gain is not None
    assert gain.mean == pytest.approx(sign * (0.01 + 0.02 + 0.01) / 3)
    assert gain.standard_error == pytest.approx(np.std([1, 2, 1], ddof=1) / 100 / math.sqrt(3))
    assert found.gain(diverged) is None


def test_what_the_best_file_says() -> None:
    found = confirmation()
    confirmed = Confirmed.of(found)
    assert confirmed.seed == 33  # the median of 0.90, 0.94 and 0.92
    assert confirmed.test == Estimate.of([0.91, 0.89, 0.9])
    assert Confirmation.model_validate_json(found.model_dump_json()) == found
