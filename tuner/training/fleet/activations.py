"""Each activation and its derivative, written into buffers that are already there.

Every function is torch's own kernel: the one that the `nn` module of the same name calls, and the
one that autograd would call behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...network.config import Activation

_aten = torch.ops.aten
_nn: Any = torch._C._nn  # its stubs know no `out`
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Kernel:
    """An activation, elementwise on tensors of one shape.

    Attributes:
        forward: `(z, out)` writes the activation of `z`.
        backward: `(gradient, z, h, out)` writes the gradient at `z` from that at `h`.
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor, Tensor], object]


def _mish_backward(gradient: Tensor, z: Tensor, h: Tensor, out: Tensor) -> object:
    return out.copy_(_aten.mish_backward(gradient, z))


KERNELS: dict[Activation, Kernel] = {
    "relu": Kernel(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda g, z, h, out: _aten.threshold_backward.grad_input(g, z, 0, grad_input=out),
    ),
    "gelu": Kernel(
        lambda z, out: _nn.gelu(z, out=out),
        lambda g, z, h, out: _aten.gelu_backward.grad_input(g, z, grad_input=out),
    ),
    "silu": Kernel(
        lambda z, out: _nn.silu(z, out=out),
        lambda g, z, h, out: _aten.silu_backward.grad_input(g, z, grad_input=out),
    ),
    "mish": Kernel(lambda z, out: _nn.mish(z, out=out), _mish_backward),
    "selu": Kernel(
        lambda z, out: _nn.elu(z, _SELU_ALPHA, _SELU_SCALE, 1, out=out),
        lambda g, z, h, out: _aten.elu_backward.grad_input(
            g, _SELU_ALPHA, _SELU_SCALE, 1, False, z, grad_input=out
        ),
    ),
    "tanh": Kernel(
        lambda z, out: torch.tanh(z, out=out),
        lambda g, z, h, out: _aten.tanh_backward.grad_input(g, h, grad_input=out),
    ),
    "sigmoid": Kernel(
        lambda z, out: torch.sigmoid(z, out=out),
        lambda g, z, h, out: _aten.sigmoid_backward.grad_input(g, h, grad_input=out),
    ),
}
