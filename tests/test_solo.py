"""Solo training: reproducible, cancellable, and not fooled by a network that diverges."""

from pathlib import Path

import pytest
import torch

from tuner.config import MLPConfig
from tuner.data import Dataset, load
from tuner.model import MLP
from tuner.solo import CancelledError, DivergedError, Metrics, train_mlp

SMALL = MLPConfig(depth=1, width=8, batch_size=16, epochs=3, dropout=0.1)


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine", Path())


def run(dataset: Dataset, config: MLPConfig = SMALL, **seeds: int) -> tuple[MLP, list[Metrics]]:
    seen: list[Metrics] = []
    model = train_mlp(
        config,
        dataset,
        **{"seed": 1, "shuffle_seed": 0, **seeds},
        on_epoch=lambda epoch, metrics: seen.append({"epoch": epoch, **metrics}),
        cancelled=lambda: False,
    )
    return model, seen


def test_reports_every_epoch(wine: Dataset) -> None:
    _, seen = run(wine)
    assert [metrics["epoch"] for metrics in seen] == [1, 2, 3]
    assert all(set(m) == {"epoch", "train_loss", "val_loss", "val_accuracy"} for m in seen)


def test_last_metrics_are_those_of_the_network(wine: Dataset) -> None:
    model, seen = run(wine)
    logits = model.eval()(torch.from_numpy(wine.validation.x))
    right = (logits.argmax(1) == torch.from_numpy(wine.validation.y)).double().mean()
    assert seen[-1]["val_accuracy"] == pytest.approx(float(right), abs=1e-6)


def test_learns(wine: Dataset) -> None:
    _, seen = run(wine, SMALL.model_copy(update={"epochs": 30, "learning_rate": 0.01}))
    assert seen[-1]["val_accuracy"] > 0.85


def test_seeds_decide(wine: Dataset) -> None:
    first, again = run(wine), run(wine)
    assert first[1] == again[1]
    for one, other in zip(first[0].parameters(), again[0].parameters(), strict=True):
        assert torch.equal(one, other)
    assert run(wine, seed=2)[1] != first[1]
    assert run(wine, shuffle_seed=5)[1] != first[1]


def test_cancel_ends_it_at_the_next_step(wine: Dataset) -> None:
    asked = 0

    def after_five() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(CancelledError):
        train_mlp(
            SMALL, wine, seed=1, shuffle_seed=0, on_epoch=lambda e, m: None, cancelled=after_five
        )
    assert asked == 6


def test_divergence_is_seen(wine: Dataset) -> None:
    wild = MLPConfig(
        depth=2, width=8, batch_normalization=False, optimizer="sgd", learning_rate=1e30,
        batch_size=16, epochs=3, schedule="constant",
    )  # fmt: skip
    with pytest.raises(DivergedError, match=r"is (nan|inf)"):
        run(wine, wild)


def test_the_test_part_is_not_touched(wine: Dataset) -> None:
    poisoned = load("wine", Path())
    poisoned.test.x[:] = float("nan")
    assert run(poisoned)[1] == run(wine)[1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(wine: Dataset) -> None:
    _, seen = run(wine, SMALL.model_copy(update={"epochs": 20, "learning_rate": 0.01}))
    assert seen[-1]["val_accuracy"] > 0.85
