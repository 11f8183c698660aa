"""The matrix products of a linear layer, forward and backward.

    forward     A = X W^T (+ b)
    backward    .W = .A^T X        .b = sum of .A over rows         .X = .A W

A dot stands for the derivative of the loss by a tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .parameters import FlatParameters

#: Multiplications and rows of a product from which on bfloat16 pays for the conversions around it
#: (measured on a CPU with AMX).
_WORTH_MIXING, _ROWS_WORTH_MIXING = 2**22, 64


class Linear:
    """Products in the number format of the parameters.

    Args:
        flat: parameters and gradients of the member.
        name: of the linear module in the network.
        n_rows: of every batch.
    """

    def __init__(self, flat: FlatParameters, name: str, n_rows: int) -> None:
        self._weight = flat.value(f"{name}.weight")
        self._weight_t = self._weight.t()
        self._weight_gradient = flat.gradient(f"{name}.weight")
        self._bias: Tensor | None = None
        if f"{name}.bias" in flat.places:
            self._bias = flat.value(f"{name}.bias")
            self._bias_gradient = flat.gradient(f"{name}.bias")
            self._ones = flat.values.new_ones(n_rows)

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Writes `A` `(n_rows, n_outputs)` for inputs `(n_rows, n_inputs)`."""
        if self._bias is None:
            torch.mm(x, self._weight_t, out=out)
        else:
            torch.addmm(self._bias, x, self._weight_t, out=out)

    def backward(self, d: Tensor, x: Tensor, out: Tensor | None) -> None:
        """Writes the gradients of the parameters, and of the inputs.

        Args:
            d: gradient of `A`, `(n_rows, n_outputs)`.
            x: what `forward` was given.
            out: takes the gradient of the inputs `(n_rows, n_inputs)`; None if no one needs it.
        """
        d_t = d.t()
        torch.mm(d_t, x, out=self._weight_gradient)
        if self._bias is not None:
            torch.mv(d_t, self._ones, out=self._bias_gradient)
        if out is not None:
            torch.mm(d, self._weight, out=out)


class MixedLinear(Linear):
    """Products of bfloat16 factors, summed up in float32 and rounded to bfloat16.

    Everything around them is float32, as in Lightning's `bf16-mixed`: the parameters, the
    optimizer, and what lies between the products.
    """

    def __init__(self, flat: FlatParameters, name: str, n_rows: int) -> None:
        super().__init__(flat, name, n_rows)

        def half(*shape: int) -> Tensor:
            return torch.empty(*shape, dtype=torch.bfloat16, device=flat.values.device)

        n_outputs, n_inputs = self._weight.shape
        self._half_weight, self._half_gradient = (
            half(n_outputs, n_inputs),
            half(n_outputs, n_inputs),
        )
        self._half_weight_t = self._half_weight.t()
        self._half_x, self._half_dx = half(n_rows, n_inputs), half(n_rows, n_inputs)
        self._half_a, self._half_d = half(n_rows, n_outputs), half(n_rows, n_outputs)
        self._half_d_t = self._half_d.t()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Writes `A` `(n_rows, n_outputs)` for inputs `(n_rows, n_inputs)`."""
        self._half_weight.copy_(self._weight)
        self._half_x.copy_(x)
        torch.mm(self._half_x, self._half_weight_t, out=self._half_a)
        if self._bias is None:
            out.copy_(self._half_a)
        else:
            torch.add(self._half_a, self._bias, out=out)

    def backward(self, d: Tensor, x: Tensor, out: Tensor | None) -> None:
        """Writes the gradients of the parameters, and of the inputs; see `Linear`."""
        self._half_d.copy_(d)
        torch.mm(self._half_d_t, self._half_x, out=self._half_gradient)
        self._weight_gradient.copy_(self._half_gradient)
        if self._bias is not None:
            torch.mv(d.t(), self._ones, out=self._bias_gradient)
        if out is not None:
            torch.mm(self._half_d, self._half_weight, out=self._half_dx)
            out.copy_(self._half_dx)


def linear(flat: FlatParameters, name: str, n_rows: int, mixed: bool) -> Linear:
    """Makes the products of a layer: mixed if that is wanted, and faster for a layer so large."""
    n_multiplications = n_rows * flat.value(f"{name}.weight").numel()
    if mixed and n_rows >= _ROWS_WORTH_MIXING and n_multiplications >= _WORTH_MIXING:
        return MixedLinear(flat, name, n_rows)
    return Linear(flat, name, n_rows)
