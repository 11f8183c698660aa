"""Solo training: reproducible, cancellable, and not fooled by a network that diverges."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule
from sklearn import metrics

from tuner.data import Dataset, load
from tuner.data.loading import StandardizedRowsDataModule
from tuner.network.config import MLPConfig, ModuleConfig
from tuner.network.model import MLP
from tuner.training.fleet import Fleet
from tuner.training.solo import ModuleTraining, train_mlp, train_module
from tuner.training.watch import CancelledError, DivergedError, Metrics, MissingMetricError

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


# Modules of the user's

TRAINING = ModuleTraining("val_loss")


def run_module(
    dataset: Dataset | None,
    training: ModuleTraining = TRAINING,
    epochs: int = 3,
    seed: int = 1,
    **values: Any,
) -> tuple[LightningModule, list[Metrics]]:
    seen: list[Metrics] = []
    rows: dict[str, Any] = {"data_values": {"batch_size": 16}}
    if dataset is None:
        rows |= {"data_module": "tests.networks:Wine"}
    model = train_module(
        ModuleConfig(module="tests.networks:Net", values=values, epochs=epochs, **rows),
        dataset,
        training,
        number=7,
        seed=seed,
        shuffle_seed=0,
        on_epoch=lambda epoch, metrics: seen.append({"epoch": epoch, **metrics}),
        cancelled=lambda: False,
    )
    return model, seen


@pytest.mark.parametrize("own_data", [True, False])
def test_a_module_reports_every_epoch(wine: Dataset, own_data: bool) -> None:
    """With what it logs last, in its own `on_train_epoch_end`."""
    _, seen = run_module(None if own_data else wine, epochs=20, learning_rate=0.03)
    assert [metrics["epoch"] for metrics in seen] == list(range(1, 21))
    assert [metrics["late"] for metrics in seen] == list(range(1, 21))
    assert seen[-1]["val_accuracy"] > 0.9
    assert seen[-1]["val_loss"] < seen[0]["val_loss"]


@pytest.mark.parametrize("own_data", [True, False])
def test_the_seed_decides_all_that_is_random(wine: Dataset, own_data: bool) -> None:
    dataset = None if own_data else wine
    first, again = run_module(dataset), run_module(dataset)
    assert first[1] == again[1]  # "drawn" is of Python's and numpy's generators
    assert run_module(dataset, seed=2)[1] != first[1]


def test_rows_of_a_source_are_standardized(wine: Dataset) -> None:
    rows = StandardizedRowsDataModule(replace(wine, quartiles=False), 16)
    x, y = rows._tensors(wine.train)
    assert x.dtype == torch.float32
    assert x.mean(0) == pytest.approx(torch.zeros(13), abs=1e-5)
    assert x.std(0, correction=0) == pytest.approx(torch.ones(13), abs=1e-5)
    assert torch.equal(y, torch.from_numpy(wine.train.y))


def test_a_metric_that_is_not_logged() -> None:
    with pytest.raises(MissingMetricError, match="got 'val_loss'; it logs drawn, late, seed, trai"):
        run_module(None, fault="silent")
    never = ModuleTraining("val_loss", {"limit_val_batches": 0})
    with pytest.raises(MissingMetricError, match="got 'val_loss'; it logs drawn, late, train_loss"):
        run_module(None, never)


def test_a_metric_of_the_training_needs_no_validation() -> None:
    _, seen = run_module(None, ModuleTraining("train_loss", {"limit_val_batches": 0}))
    assert [metrics["epoch"] for metrics in seen] == [1, 2, 3]
    assert all("val_loss" not in metrics for metrics in seen)


def test_only_epochs_with_a_validation_are_reported() -> None:
    _, seen = run_module(None, ModuleTraining("val_loss", {"check_val_every_n_epoch": 2}), 6)
    assert [metrics["epoch"] for metrics in seen] == [2, 4, 6]
    assert [metrics["late"] for metrics in seen] == [2, 4, 6]
    assert seen[-1]["val_loss"] < seen[0]["val_loss"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("diverge", "training loss is nan in epoch 1"),
        ("bad score", "val_loss is inf after epoch 1"),
    ],
)
def test_a_module_that_diverges(fault: str, message: str) -> None:
    with pytest.raises(DivergedError, match=message):
        run_module(None, fault=fault)


def test_other_metrics_may_be_what_they_are() -> None:
    _, seen = run_module(None, fault="bad metric")
    assert len(seen) == 3
    assert all("val_other" not in metrics and "val_loss" in metrics for metrics in seen)


def test_logs_lie_below_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_module(None, ModuleTraining("val_loss", {}, ("csv",), tmp_path / "runs"))
    table = pd.read_csv(tmp_path / "runs" / "logs" / "version_7" / "metrics.csv")
    assert table["val_loss"].count() == 3
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_nothing_is_written_without_loggers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_module(None)
    assert list(tmp_path.iterdir()) == []


def test_arguments_of_the_trainer_reach_it() -> None:
    """One batch an epoch trains another network than all of them."""
    few = run_module(None, ModuleTraining("val_loss", {"limit_train_batches": 1}))[1]
    assert few[-1]["val_loss"] != run_module(None)[1][-1]["val_loss"]


@pytest.mark.parametrize("metric", ["f1", "roc_auc"])
def test_another_metric_of_rows_that_do_not_count_alike(metric: str) -> None:
    """It is what the fleet logs, and what scikit-learn says of the network."""
    dataset = load("breast_cancer", Path())
    weights = np.random.default_rng(0).exponential(size=len(dataset.known)).astype(np.float32)
    known = replace(dataset.known, weights=weights)
    # A few epochs at a small rate, so that it is far from right.
    config = SMALL.model_copy(update={"dropout": 0.0, "learning_rate": 1e-4})
    dataset = replace(dataset, known=known, metric=metric)
    model, seen = run(dataset, config)
    with Fleet(dataset, accelerator="cpu") as fleet:
        fleet.join(0, config, seed=1, shuffle_seed=0)
        for _ in range(3):
            (outcome,) = fleet.run_epoch()
        member = fleet.leave(0)
    part, rare = dataset.validation, int(np.bincount(dataset.known.y).argmin())
    for network, told in ((model, seen[-1]), (member, outcome.metrics)):
        with torch.no_grad():
            shares = network.eval()(torch.from_numpy(part.x)).softmax(1).numpy()
        if metric == "f1":
            score = partial(metrics.f1_score, part.y, shares.argmax(1), pos_label=rare)
        else:
            score = partial(metrics.roc_auc_score, part.y, shares[:, 1])
        weighed = score(sample_weight=part.weights)
        assert told[f"val_{metric}"] == pytest.approx(weighed, abs=1e-5)
        assert abs(weighed - score()) > 1e-3


def test_rows_are_counted_exactly_in_half_precision(wine: Dataset) -> None:
    """Else scores that differ by a row are the same."""
    seen: list[Metrics] = []
    train_mlp(
        SMALL, wine, seed=1, shuffle_seed=0, precision="bf16-mixed",
        on_epoch=lambda _, told: seen.append(told), cancelled=lambda: False,
    )  # fmt: skip
    right = seen[-1]["val_accuracy"] * len(wine.validation)
    assert right == pytest.approx(round(right), abs=1e-5)
