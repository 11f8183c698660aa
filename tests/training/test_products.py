"""Products of bfloat16 factors, against torch's own autocast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tuner.data import Dataset, load
from tuner.network.config import MLPConfig
from tuner.training.fleet import Fleet
from tuner.training.fleet.parameters import FlatParameters
from tuner.training.fleet.products import Linear, MixedLinear, linear

Make = Callable[[FlatParameters, str, int], Linear]
SIZES = (64, 300, 250)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", Path())


def products(make: Make, bias: bool) -> tuple[nn.Linear, Tensor, Tensor, dict[str, Tensor]]:
    """Runs a layer forward and backward; returns it, its input and gradient, and what it wrote."""
    rows, n_inputs, n_outputs = SIZES
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(n_inputs, n_outputs, bias=bias))
    flat = FlatParameters(module)
    layer = make(flat, "0", rows)
    x, d = torch.randn(rows, n_inputs), torch.randn(rows, n_outputs)
    out, dx = torch.empty(rows, n_outputs), torch.empty(rows, n_inputs)
    layer.forward(x, out)
    layer.backward(d, x, dx)
    written = {"out": out, "x": dx, "weight": flat.gradient("0.weight")}
    if bias:
        written["bias"] = flat.gradient("0.bias")
    return module[0], x, d, written


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("make", [Linear, MixedLinear])
def test_products_are_autograds(make: Make, bias: bool) -> None:
    """To the last digits of float32, and of bfloat16 under autocast; a mixed layer is no other."""
    module, x, d, written = products(make, bias)
    mixed = make is MixedLinear
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        out = module(x)
    out.backward(d.to(out.dtype))
    expected = {"out": out, "x": x.grad, "weight": module.weight.grad}
    if bias:
        expected["bias"] = module.bias.grad
    for name, value in expected.items():
        assert value is not None
        scale = float(value.detach().float().abs().max())
        tolerance = 0.01 if mixed else 1e-5  # bfloat16 has 8 bits: 0.004 of a value
        torch.testing.assert_close(
            written[name], value.detach().float(), rtol=tolerance, atol=tolerance * scale
        )
    exact = products(Linear, bias)[3]["out"]
    assert torch.equal(written["out"], exact) is not mixed


def test_small_layers_are_not_mixed() -> None:
    flat = FlatParameters(nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 2000)))
    assert type(linear(flat, "0", 128, mixed=True)) is Linear
    assert type(linear(flat, "1", 128, mixed=True)) is MixedLinear
    assert type(linear(flat, "1", 128, mixed=False)) is Linear


def test_says_nothing(digits: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    with Fleet(digits, accelerator="cpu", precision="bf16-mixed"):
        assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_network_learns_the_same(digits: Dataset) -> None:
    """Losses near those in float32, and yet not the same; bit for bit again beside another."""
    wide = MLPConfig(depth=2, width=700, batch_size=128, dropout=0.1, learning_rate=1e-3)
    other = wide.model_copy(update={"depth": 3, "width": 400})
    losses = {}
    for name, precision, configs in (
        ("float32", "32-true", [wide]),
        ("mixed", "bf16-mixed", [wide]),
        ("beside", "bf16-mixed", [wide, other]),
    ):
        with Fleet(digits, accelerator="cpu", precision=precision, hands=2) as fleet:  # type: ignore[arg-type]
            for key, config in enumerate(configs):
                fleet.join(key, config, seed=key, shuffle_seed=0)
            losses[name] = [fleet.run_epoch()[0].metrics["val_loss"] for _ in range(3)]
    assert losses["mixed"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["mixed"] != losses["float32"]
    assert losses["mixed"] == losses["beside"]
