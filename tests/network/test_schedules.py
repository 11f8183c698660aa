"""One contract for all schedules, and each against its formula or torch's own classes."""

import itertools
import math
from typing import get_args

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tuner.network.config import MLPConfig, Schedule
from tuner.network.schedules import plan

ALL: tuple[Schedule, ...] = get_args(Schedule)
WARMABLE = tuple(name for name in ALL if name != "plateau")
RATE = 0.1


def rates(
    config: MLPConfig, epochs: int, steps: int = 7, losses: list[float] | None = None
) -> list[float]:
    """The rate of every step over the initial rate, stepped as Lightning steps it."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=config.learning_rate)
    schedule = plan(optimizer, config, epochs, steps)
    found = []
    for epoch in range(epochs):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"] / config.learning_rate)
            optimizer.step()
            if schedule.interval == "step":
                schedule.scheduler.step()  # type: ignore[call-arg]
        if schedule.interval == "epoch":
            if isinstance(schedule.scheduler, ReduceLROnPlateau):
                schedule.scheduler.step(losses[epoch] if losses else 1.0)
            else:
                schedule.scheduler.step()
    return found


def config(name: Schedule, **values: float) -> MLPConfig:
    return MLPConfig.model_validate(
        {"schedule": name, "learning_rate": RATE, "final_ratio": 0.01, **values}
    )


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 10, 30])
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("name", ALL)
def test_stays_within_one_and_the_final_ratio(name: Schedule, epochs: int, steps: int) -> None:
    found = rates(config(name), epochs, steps)
    assert len(found) == epochs * steps
    assert all(0.01 - 1e-9 <= rate <= 1 + 1e-9 for rate in found)


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 10, 30])
@pytest.mark.parametrize("name", ALL)
def test_a_final_ratio_of_one_only_ever_climbs(name: Schedule, epochs: int) -> None:
    found = rates(config(name, final_ratio=1.0), epochs)
    assert found[-1] == pytest.approx(1, abs=1e-6)
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("epochs", [2, 5, 10, 30])
@pytest.mark.parametrize("name", WARMABLE)
def test_warmup_climbs_first(name: Schedule, epochs: int) -> None:
    found = rates(config(name, warmup=0.25), epochs)
    peak = found.index(max(found))
    assert found[0] < max(found)
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert max(found) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("epochs", [5, 10, 30])
@pytest.mark.parametrize("name", ["step", "multistep"])
def test_drops_end_at_the_final_ratio(name: Schedule, epochs: int) -> None:
    for drops in (1, 2, 3):
        found = rates(config(name, drops=drops), epochs, steps=1)
        assert found[-1] == pytest.approx(0.01)
        assert len({round(rate, 9) for rate in found}) <= drops + 1


def test_the_notes_lambda() -> None:
    found = rates(config("lambda", final_ratio=0.95**10), 10, steps=1)
    assert found == pytest.approx([0.95**epoch for epoch in range(10)], rel=1e-12)
    assert found == pytest.approx(rates(config("exponential", final_ratio=0.95**10), 10, steps=1))


def test_multistep_drops_at_halves_of_what_is_left() -> None:
    found = rates(config("multistep"), 16, steps=1)
    drops = [epoch for epoch in range(1, 16) if found[epoch] < found[epoch - 1] - 1e-12]
    assert drops == [8, 12, 14]


def test_cosine_is_half_a_cosine() -> None:
    total = 10 * 7
    expected = [0.01 + 0.99 * (1 + math.cos(math.pi * t / total)) / 2 for t in range(total)]
    assert rates(config("cosine"), 10) == pytest.approx(expected, rel=1e-6)


def test_onecycle_peaks_where_torch_peaks() -> None:
    found = rates(config("onecycle"), 10, steps=10)
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == 29  # 0.3 * 100 - 1
    assert found[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 10, 20])
def test_onecycle_survives_a_climb_of_one_step(length: int) -> None:
    for warmup in (0.1, 0.2, 0.25, 1 / 3, 0.5):
        assert len(rates(config("onecycle", warmup=warmup), length, steps=1)) == length


def test_plateau_waits_its_share_of_the_epochs() -> None:
    # Best at epoch 0, then no better: 0.2 * 10 = 2 bad epochs are borne, the third drops.
    found = rates(config("plateau", patience=0.2), 10, steps=1, losses=[1.0] + [2.0] * 9)
    assert found[:4] == [1.0] * 4
    assert found[4] == pytest.approx(0.01 ** (1 / 3))
    falling = [1.0 / (epoch + 1) for epoch in range(10)]
    assert set(rates(config("plateau"), 10, losses=falling)) == {1.0}
