"""What is shown of a network's inside is what torch computes there, and shows what it is for."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from tuner.data import Dataset, Wanted, load, split, table_in_memory
from tuner.network.config import Activation, MLPConfig, Schedule
from tuner.training.inside import Inside, look_inside
from tuner.training.solo import train_mlp

EVERY = 10**9


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", Path())


def deep(activation: Activation, **more: Any) -> MLPConfig:
    settings: dict[str, Any] = {
        "depth": 4,
        "width": 24,
        "batch_size": 64,
        "epochs": 4,
        "learning_rate": 0.003,
    }
    settings |= {"activation": activation, "batch_normalization": False, **more}
    return MLPConfig.model_validate(settings)


def look(config: MLPConfig, dataset: Dataset, **more: int) -> Inside:
    return look_inside(config, dataset, **{"seed": 3, "epochs": 2, "most_rows": EVERY, **more})


def test_it_is_what_a_training_sees(digits: Dataset) -> None:
    """Watched from outside, in the training that users have: steps, layers, epochs."""
    config = deep("tanh", epochs=2, gradient_clipping=None, dropout=0.2)
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    layers: list[nn.Module] = []

    def stepped(optimizer: Optimizer, *_: object) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"] if p.ndim > 1]
        for index, weight in enumerate(weights):
            assert weight.grad is not None
            seen["gradients", index].append(float(weight.grad.square().mean().sqrt()))

    def passed(module: nn.Module, taken: tuple[torch.Tensor, ...], given: torch.Tensor) -> None:
        if not isinstance(module, nn.Tanh) or not module.training:
            return
        if module not in layers:
            layers.append(module)
        steep = 1 - given.detach() ** 2  # of tanh, 1 at most
        is_flat = (steep < 0.05).float().mean(0) >= 0.95
        seen["spreads", layers.index(module)].append(float(taken[0].detach().std(correction=0)))
        seen["saturated", layers.index(module)].append(float(is_flat.float().mean()))

    handles = [register_optimizer_step_post_hook(stepped), register_module_forward_hook(passed)]
    try:
        train_mlp(
            config,
            digits,
            seed=3,
            shuffle_seed=3,
            accelerator="cpu",
            on_epoch=lambda epoch, metrics: None,
            cancelled=lambda: False,
        )
    finally:
        for handle in handles:
            handle.remove()
    found = look(config, digits)
    steps = len(seen["gradients", 0]) // 2
    assert steps == len(digits.train) // 64 + 1  # the last one of fewer rows, which is left out
    assert len(found.gradients[0]) == 5 and len(found.spreads[0]) == len(found.saturated[0]) == 4
    for (name, layer), values in seen.items():
        for epoch in range(2):
            mean = fmean(values[epoch * steps : (epoch + 1) * steps - 1])
            assert getattr(found, name)[epoch][layer] == pytest.approx(mean, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_it_shows_what_normalization_is_for(digits: Dataset, name: Activation) -> None:
    """Through four layers of sigmoid hardly any gradient comes; with normalization it does."""
    bare, normalized = (
        look(deep(name, batch_normalization=is_on), digits) for is_on in (False, True)
    )

    def reach(found: Inside) -> float:
        return found.gradients[0][0] / found.gradients[0][3]

    if name == "sigmoid":
        assert reach(normalized) > 10 * reach(bare)
    # What activations take has one scale then, in all layers and epochs.
    assert all(0.7 < spread < 1.3 for epoch in normalized.spreads for spread in epoch)


def test_units_that_are_stuck_are_seen(digits: Dataset) -> None:
    """A rate that kills units of relu shows, and one that does not has few."""
    fine, dead = (
        look(deep("relu", learning_rate=rate, gradient_clipping=None), digits)
        for rate in (0.001, 3.0)
    )
    assert max(fine.saturated[0]) < 0.2
    assert max(dead.saturated[-1]) > 0.5


def test_a_training_that_diverges_has_no_such_epoch(digits: Dataset) -> None:
    config = deep("relu", optimizer="sgd", learning_rate=1e6, gradient_clipping=None)
    assert look(config, digits) == Inside((), (), ())


@pytest.mark.parametrize("schedule", ["plateau", "onecycle", "step"])
@pytest.mark.parametrize("source", ["diabetes", "weighted", "embedded"])
def test_whatever_is_trained(source: str, schedule: Schedule) -> None:
    """Targets of a regression, weights, gaps, categories and numbers that are embedded."""
    generator = np.random.default_rng(0)
    if source == "diabetes":
        dataset = load("diabetes", Path())
    else:
        frame = pd.DataFrame(generator.normal(size=(300, 3)), columns=list("abc"))
        frame["a"] = frame["a"].where(generator.random(300) > 0.1)
        frame["many"] = generator.integers(0, 70, 300).astype(str)
        frame["label"] = np.where(frame["b"] > 0, "yes", "no")
        frame["weight"] = generator.uniform(0.5, 2, 300)
        wanted = replace(Wanted.of("label", categorical="many", weight="weight"), embeds=True)
        dataset = split(table_in_memory(frame, "rows", wanted), seed=0)
        assert dataset.weights is not None
    embedding = {"numeric_embedding": "periodic"} if source == "embedded" else {}
    config = deep("silu", schedule=schedule, batch_normalization=True, **embedding)
    for most in (EVERY, 100):
        found = look(config, dataset, most_rows=most)
        assert np.array(found.gradients).shape == (2, 5)
        assert np.array(found.spreads).shape == np.array(found.saturated).shape == (2, 4)
        assert np.isfinite(found.gradients).all() and np.min(found.gradients) > 0


def test_nobody_else_notices(digits: Dataset) -> None:
    """The same again from the same seed, and the generator of the process is where it was."""
    before = torch.get_rng_state()
    once = look(deep("relu", dropout=0.3), digits, most_rows=100)
    assert torch.equal(torch.get_rng_state(), before)
    assert look(deep("relu", dropout=0.3), digits, most_rows=100) == once
    assert look(deep("relu", dropout=0.3), digits, most_rows=100, seed=4) != once
