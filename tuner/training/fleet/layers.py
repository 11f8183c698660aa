"""One hidden layer of a member, forward and backward, into buffers that are already there.

With `X` the inputs, `W` the weights, `b` the bias, `gamma` and `beta` of the normalization, `M` the
dropout mask over `1 - p`, and a dot for the derivative of the loss by a tensor:

    forward     A = X W^T (+ b)    Z = normalize(A) gamma + beta    H = activation(Z) * M
    backward    .Z = .H * M * activation'(Z)    .A from .Z by the normalization
                .W = .A^T X        .b = sum of .A over rows         .X = .A W

A layer is made for one number of rows: at 60 kernels of two microseconds a step, cutting a view out
of a larger buffer would cost as much as a kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...network.config import MLPConfig
from ...network.normalization import GhostBatchNorm1d, group_count, group_momentum
from .activations import KERNELS
from .masks import Masks
from .parameters import FlatParameters
from .products import linear


class HiddenLayer:
    """Linear, batch normalization, activation and dropout, as `MLP` orders them.

    Args:
        index: of the layer, from 0.
        module: the layer of `MLP`, for its running statistics.
        flat: parameters and gradients of the member.
        n_rows: of every batch.
        config: of the member.
        masks: where this member's dropout masks come from.
        mixed: large products are of bfloat16 factors.
    """

    def __init__(
        self,
        index: int,
        module: nn.Module,
        flat: FlatParameters,
        n_rows: int,
        config: MLPConfig,
        masks: Masks,
        mixed: bool,
    ) -> None:
        assert isinstance(module, nn.Sequential)
        name = f"hidden.{index}"
        self._linear = linear(flat, f"{name}.0", n_rows, mixed)
        self._kernel = KERNELS[config.activation]

        def buffer() -> Tensor:
            return flat.values.new_empty(n_rows, config.width)

        self._a, self._h, self._d = buffer(), buffer(), buffer()
        self._z, self._norm = self._a, None
        if config.batch_normalization:
            self._z = buffer()
            self._norm = _Normalization(f"{name}.1", module[1], flat, self._a, self._z, self._d)
        self._masks = masks.of(self._h, config.dropout) if config.dropout > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        """Returns `H` `(n_rows, width)` for inputs `(n_rows, n_inputs)`."""
        self._linear.forward(x, self._a)
        if self._norm is not None:
            self._norm.forward()
        self._kernel.forward(self._z, self._h)
        return self._h if self._masks is None else self._masks.apply(self._h)

    def backward(self, gradient: Tensor, x: Tensor, out: Tensor | None) -> None:
        """Writes the gradients of the parameters, and of the inputs.

        Args:
            gradient: of `H`, `(n_rows, width)`; used up before `out` is written.
            x: what `forward` was given.
            out: takes the gradient of the inputs `(n_rows, n_inputs)`; None if no one needs it.
        """
        if self._masks is not None:
            self._masks.apply_again(gradient)
        self._kernel.backward(gradient, self._z, self._h, self._d)
        d = self._d if self._norm is None else self._norm.backward()
        self._linear.backward(d, x, out)


class _Normalization:
    """Batch normalization of `a` into `z`, over the whole batch or over groups of its rows.

    Args:
        name: of the module in the network.
        norm: has the running statistics.
        flat: parameters and gradients of the member.
        a: inputs, `(n_rows, width)`.
        z: outputs, of the same shape.
        d: where the gradient of `z` will lie, of the same shape.
    """

    def __init__(
        self, name: str, norm: nn.Module, flat: FlatParameters, a: Tensor, z: Tensor, d: Tensor
    ) -> None:
        assert isinstance(norm, nn.BatchNorm1d) and norm.momentum is not None
        self._scale, self._shift = flat.value(f"{name}.weight"), flat.value(f"{name}.bias")
        self._scale_gradient = flat.gradient(f"{name}.weight")
        self._shift_gradient = flat.gradient(f"{name}.bias")
        self._mean, self._variance = norm.running_mean, norm.running_var
        groups = 1
        if isinstance(norm, GhostBatchNorm1d):
            groups = group_count(len(a), norm.group_size)
        if len(a) == 1:
            raise ValueError("Expected more than 1 value per channel when training, got 1 row")
        self._momentum, self._eps = group_momentum(norm.momentum, groups), norm.eps
        # Of each group: its rows of a, z and d, its mean, and one over its deviation.
        self._groups = [
            (*rows, torch.empty_like(self._scale), torch.empty_like(self._scale))
            for rows in zip(*(tensor.tensor_split(groups) for tensor in (a, z, d)), strict=True)
        ]

    def forward(self) -> None:
        """Normalizes."""
        for a, z, _, mean, inverse in self._groups:
            torch.native_batch_norm(
                a,
                self._scale,
                self._shift,
                self._mean,
                self._variance,
                True,
                self._momentum,
                self._eps,
                out=(z, mean, inverse),
            )

    def backward(self) -> Tensor:
        """Writes the gradients of scale and shift; returns that of `a` `(n_rows, width)`."""
        found = [
            torch.ops.aten.native_batch_norm_backward(
                d,
                a,
                self._scale,
                self._mean,
                self._variance,
                mean,
                inverse,
                True,
                self._eps,
                [True, True, True],
            )
            for a, _, d, mean, inverse in self._groups
        ]
        of_a, of_scale, of_shift = found[0]
        self._scale_gradient.copy_(of_scale)
        self._shift_gradient.copy_(of_shift)
        for _, of_scale, of_shift in found[1:]:
            self._scale_gradient.add_(of_scale)
            self._shift_gradient.add_(of_shift)
        whole: Tensor = of_a if len(found) == 1 else torch.cat([part for part, _, _ in found])
        return whole
