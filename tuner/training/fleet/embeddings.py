"""The periodic embedding of a member, forward and backward, into buffers that are already there.

With `x` the numbers `(numbers, rows)`, and `F`, `P`, `W`, `b` what the parameters stand for (see
`tuner.network.embedding`), a dot standing for the derivative of the loss by a tensor:

    forward     T = x F + P        E = cos(T) W + b
    backward    .W = cos(T)^T .E   .b = sum of .E over rows      .T = -sin(T) * (.E W^T)
                .F = x .T          .P = sum of .T over rows

Each product is of one number's own rows, all numbers at once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...network.config import N_ADDED, N_FREQUENCIES
from ...network.embedding import SCALE, PeriodicEmbedding
from .parameters import FlatParameters


class EmbeddingLayer:
    """Appends to inputs what some of them become, as `PeriodicEmbedding` does.

    Args:
        module: of the member.
        flat: parameters and gradients of the member.
        n_inputs: features of one row.
        n_rows: of every batch.
    """

    def __init__(
        self, module: PeriodicEmbedding, flat: FlatParameters, n_inputs: int, n_rows: int
    ) -> None:
        self._index, n = module.index, len(module.index)

        def part(of: Tensor, name: str, *shape: int) -> Tensor:
            return flat.of(of, f"embedding.{name}").view(n, *shape)

        self._parameters = [
            part(flat.values, "frequency", 1, N_FREQUENCIES),
            part(flat.values, "phase", 1, N_FREQUENCIES),
            part(flat.values, "weight", N_FREQUENCIES, N_ADDED),
            part(flat.values, "bias", 1, N_ADDED),
        ]
        self._gradients = [
            part(flat.gradients, "frequency", 1, N_FREQUENCIES),
            part(flat.gradients, "phase", 1, N_FREQUENCIES),
            part(flat.gradients, "weight", N_FREQUENCIES, N_ADDED),
            part(flat.gradients, "bias", 1, N_ADDED),
        ]
        self._factors = (2 * math.pi * SCALE, SCALE, SCALE, SCALE)
        self._values = [torch.empty_like(each) for each in self._parameters]
        buffer = flat.values.new_empty
        self._numbers = buffer(n_rows, n)
        self._angles = buffer(n, n_rows, N_FREQUENCIES)
        self._waves = torch.empty_like(self._angles)
        self._d_waves = torch.empty_like(self._angles)
        self._added = buffer(n, n_rows, N_ADDED)
        self._d_added = torch.empty_like(self._added)
        self._n_inputs, self._out = n_inputs, buffer(n_rows, module.n_outputs)
        self._out_added = self._appended(self._out)

    def _appended(self, rows: Tensor) -> Tensor:
        """Returns what was appended to rows, as a view `(numbers, rows, N_ADDED)`."""
        return rows[:, self._n_inputs :].view(len(rows), -1, N_ADDED).transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns `(n_rows, n_outputs)` for standardized inputs `(n_rows, n_inputs)`."""
        for value, parameter, factor in zip(
            self._values, self._parameters, self._factors, strict=True
        ):
            torch.mul(parameter, factor, out=value)
        frequency, phase, weight, bias = self._values
        torch.index_select(x, 1, self._index, out=self._numbers)
        torch.addcmul(phase, self._numbers.t().unsqueeze(2), frequency, out=self._angles)
        torch.cos(self._angles, out=self._waves)
        torch.baddbmm(bias, self._waves, weight, out=self._added)
        self._out[:, : self._n_inputs].copy_(x)
        self._out_added.copy_(self._added)
        return self._out

    def backward(self, gradient: Tensor) -> None:
        """Writes the gradients of the parameters.

        Args:
            gradient: of what `forward` returned, `(n_rows, n_outputs)`.
        """
        of_frequency, of_phase, of_weight, of_bias = self._gradients
        _, _, weight, _ = self._values
        self._d_added.copy_(self._appended(gradient))
        torch.bmm(self._waves.transpose(1, 2), self._d_added, out=of_weight)
        torch.sum(self._d_added, 1, keepdim=True, out=of_bias)
        torch.bmm(self._d_added, weight.transpose(1, 2), out=self._d_waves)
        d_angles = self._d_waves.mul_(self._angles.sin_()).neg_()
        torch.bmm(self._numbers.t().unsqueeze(1), d_angles, out=of_frequency)
        torch.sum(d_angles, 1, keepdim=True, out=of_phase)
        for each, factor in zip(self._gradients, self._factors, strict=True):
            each.mul_(factor)


def buffer_numbers(n_numeric: int, n_inputs: int, n_rows: int) -> int:
    """Returns how many numbers the buffers of a layer hold, about."""
    appended = n_inputs + N_ADDED * n_numeric
    return n_rows * (n_numeric * (3 * N_FREQUENCIES + 2 * N_ADDED + 1) + 2 * appended)
