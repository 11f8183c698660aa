"""How many members train at once."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

from tuner.data import load
from tuner.network.config import DataFacts, MLPConfig, Precision
from tuner.training.fleet import Fleet, room


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "width", "least"), [("32-true", 300, 0.8), ("bf16-mixed", 900, 0.7)]
)
def test_room_counts_what_a_member_holds(precision: Precision, width: int, least: float) -> None:
    """Against the storages of all tensors that a training member has added."""
    digits = load("digits", Path())
    config = MLPConfig(depth=3, width=width, batch_normalization=True, dropout=0.2, batch_size=100)
    with Fleet(digits, accelerator="cpu", precision=precision) as fleet:
        before = stored()
        fleet.join(0, config, seed=0, shuffle_seed=0)
        fleet.run_epoch()
        lane = fleet._lanes[0].rows
        added = stored() - before - lane._x.nbytes - lane._y.nbytes
    mixed = precision == "bf16-mixed"
    counted = room.member_bytes(config, digits.facts, torch.float32.itemsize, mixed=mixed)
    assert least * added < counted < 1.4 * added


def stored() -> int:
    """Counts the bytes of all tensors there are.

    But for those that an export of another test has left behind, which have none: fake ones, of a
    type of their own, and wrappers.
    """
    gc.collect()
    storages = {
        each.untyped_storage().data_ptr(): each.untyped_storage().nbytes()
        for each in gc.get_objects()
        if type(each) in (torch.Tensor, torch.nn.Parameter)
        and not torch._is_functional_tensor(each)
    }
    return sum(storages.values())


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1, 8), (10**9, 5), (10**10, 1), (10**12, 1)],
    ids=["cores decide", "memory decides", "one fits", "none fits"],
)
def test_room(largest: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available_bytes", lambda device: 11 * 10**9)
    assert room.members_at_once(largest, 2, torch.device("cpu")) == expected
    assert room.members_at_once(largest, 1, torch.device("cpu")) == min(expected, 2)


@pytest.mark.parametrize(
    ("config", "n_cores", "shared"),
    [
        (MLPConfig(depth=3, width=256, batch_size=128), 16, 4),
        (MLPConfig(depth=3, width=256, batch_size=128), 2, 2),
        (MLPConfig(depth=3, width=256, batch_size=128), 1, 1),
        (MLPConfig(depth=3, width=256, batch_size=64), 16, 1),
        (MLPConfig(depth=2, width=64, batch_size=128), 16, 1),
    ],
)
def test_cores_share_the_steps_of_large_networks_alone(
    config: MLPConfig, n_cores: int, shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones are slower on several cores (docs/benchmarks.md)."""
    facts = DataFacts(n_inputs=784, n_outputs=10, n_rows=50_000, task="classification")
    monkeypatch.setattr(room, "cores", lambda: n_cores)
    assert room.cores_of_a_step(config, facts) == shared


def test_available_memory_is_some_of_the_machine() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < room.available_bytes(torch.device("cpu")) < whole


@pytest.mark.parametrize(
    ("cuda", "mps", "found"),
    [(True, True, "cuda:0"), (False, True, "mps"), (False, False, "cpu")],
)
def test_apples_gpu_is_used_where_there_is_no_other(
    cuda: bool, mps: bool, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert str(room.device_of("auto")) == found
    assert room.has_accelerator() == (found != "cpu")
    assert str(room.device_of("cpu")) == "cpu"
    if found == "cpu":
        with pytest.raises(ValueError, match="accelerator 'mps': there is none here"):
            room.device_of("mps")
