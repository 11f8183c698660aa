"""torch's own fused optimizer kernels, on the flat parameters of one member.

One call updates all weight matrices, one all other parameters. Bias corrections and decay are the
kernels'; what a `torch.optim` object would keep per parameter is a slice of a flat tensor here, and
`export` hands it back to one.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ...network.config import MLPConfig
from .parameters import FlatParameters

_BETAS, _EPS = (0.9, 0.999), 1e-8  # torch's defaults, which MLP.make_optimizer takes


class FlatOptimizer(Protocol):
    """Updates the flat parameters of one member."""

    def step(self, rate: float | Tensor) -> None:
        """Updates the parameters from their gradients, at this learning rate."""

    def export(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Gives its state to the optimizer of a model with the same parameters."""


def flat_optimizer(flat: FlatParameters, config: MLPConfig) -> FlatOptimizer:
    """Makes the optimizer that a config names."""
    return FlatSGD(flat, config) if config.optimizer == "sgd" else FlatAdamW(flat, config)


def clip(gradients: Tensor, largest: float) -> None:
    """Scales gradients `(size,)` to a norm of at most `largest`, as `clip_grad_norm_` does."""
    norm = torch.linalg.vector_norm(gradients)
    gradients.mul_((largest / (norm + 1e-6)).clamp_(max=1.0))


def _parts(flat: FlatParameters, tensor: Tensor) -> list[Tensor]:
    """Cuts a flat tensor into what decays and what does not, leaving out what is empty."""
    return [part for part in (tensor[: flat.n_decayed], tensor[flat.n_decayed :]) if len(part)]


class FlatAdamW:
    """AdamW (Loshchilov and Hutter 2019, alg. 2)."""

    def __init__(self, flat: FlatParameters, config: MLPConfig) -> None:
        self._flat = flat
        self._mean = torch.zeros_like(flat.values)
        self._square = torch.zeros_like(flat.values)
        self._steps = torch.zeros((), dtype=torch.float32, device=flat.values.device)
        columns = (flat.values, flat.gradients, self._mean, self._square)
        parts = zip(*(_parts(flat, column) for column in columns), strict=True)
        decays = (config.weight_decay, 0.0)
        self._groups = [
            ([value], [gradient], [mean], [square], decay)
            for (value, gradient, mean, square), decay in zip(parts, decays, strict=True)
        ]

    def step(self, rate: float | Tensor) -> None:
        """Updates the parameters from their gradients, at this learning rate."""
        self._steps.add_(1)
        for values, gradients, means, squares, decay in self._groups:
            torch._fused_adamw_(
                values,
                gradients,
                means,
                squares,
                [],
                [self._steps],
                lr=rate,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                weight_decay=decay,
                eps=_EPS,
                amsgrad=False,
                maximize=False,
            )

    def export(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Gives its state to the optimizer of a model with the same parameters."""
        for name, parameter in model.named_parameters():
            optimizer.state[parameter] = {
                "step": self._steps.clone(),
                "exp_avg": self._flat.of(self._mean, name).clone(),
                "exp_avg_sq": self._flat.of(self._square, name).clone(),
            }


class FlatSGD:
    """SGD with momentum, as `torch.optim.SGD` defines it."""

    def __init__(self, flat: FlatParameters, config: MLPConfig) -> None:
        self._flat = flat
        self._momentum = config.momentum
        self._buffer = torch.zeros_like(flat.values)
        columns = (flat.values, flat.gradients, self._buffer)
        parts = zip(*(_parts(flat, column) for column in columns), strict=True)
        decays = (config.weight_decay, 0.0)
        self._groups = [
            ([value], [gradient], [buffer], decay)
            for (value, gradient, buffer), decay in zip(parts, decays, strict=True)
        ]

    def step(self, rate: float | Tensor) -> None:
        """Updates the parameters from their gradients, at this learning rate."""
        for values, gradients, buffers, decay in self._groups:
            torch._fused_sgd_(
                values,
                gradients,
                buffers if self._momentum > 0 else [],
                weight_decay=decay,
                momentum=self._momentum,
                lr=rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,  # a buffer of zeros gives the same first step
            )

    def export(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Gives its state to the optimizer of a model with the same parameters."""
        if self._momentum == 0:
            return
        for name, parameter in model.named_parameters():
            optimizer.state[parameter] = {
                "momentum_buffer": self._flat.of(self._buffer, name).clone()
            }
