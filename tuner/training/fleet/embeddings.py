"""What inputs become in a member, forward and backward, into buffers that are already there.

Of the periodic embedding, with `x` the numbers `(numbers, rows)`, and `F`, `P`, `W`, `b` what the
parameters stand for (see `tuner.network.embedding`), a dot standing for the derivative of the loss
by a tensor:

    forward     T = x F + P        E = cos(T) W + b
    backward    .W = cos(T)^T .E   .b = sum of .E over rows      .T = -sin(T) * (.E W^T)
                .F = x .T          .P = sum of .T over rows

Each product is of one number's own rows, all numbers at once. The vectors of categories are looked
up, and the gradient of each is the sum of those of its rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...network.config import N_ADDED, N_EMBEDDED, N_FREQUENCIES, Codes
from ...network.embedding import SCALE, CategoryEmbedding, PeriodicEmbedding
from ...network.perceptron import Perceptron
from .parameters import FlatParameters

#: Numbers of categories whose gradients a GPU sums up without asking how many there are, which
#: nothing may do that is recorded.
_AT_ONCE = 3_072


class InputLayer:
    """All that inputs become before the first layer of a member.

    Args:
        periodic: embeds numbers, if they are.
        categories: embeds categories, if there are any.
        n_added: numbers that were appended to the inputs.
        gradient: as below.

    Attributes:
        gradient: takes that of what `forward` returned, `(n_rows, n_outputs)`.
    """

    def __init__(
        self,
        periodic: EmbeddingLayer | None,
        categories: CategoryLayer | None,
        n_added: int,
        gradient: Tensor,
    ) -> None:
        self._periodic, self._categories, self.gradient = periodic, categories, gradient
        self._of_periodic = self._of_vectors = gradient
        if categories is not None:
            n = categories.n_others
            self._of_periodic, self._of_vectors = gradient[:, :n], gradient[:, n:]
        if periodic is not None:
            self._of_periodic = self._of_periodic[:, -n_added:]

    @classmethod
    def of(cls, model: Perceptron, flat: FlatParameters, n_rows: int) -> InputLayer | None:
        """Makes that of a network, for batches of so many rows; None where inputs stay."""
        periodic = categories = None
        n_outputs, n_added = model.n_inputs, 0
        if model.embedding is not None:
            periodic = EmbeddingLayer(model.embedding, flat, model.n_inputs, n_rows)
            n_outputs = model.embedding.n_outputs
            n_added = n_outputs - model.n_inputs
        if model.categories is not None:
            categories = CategoryLayer(model.categories, flat, n_rows)
            n_outputs = model.categories.n_outputs
        if periodic is None and categories is None:
            return None
        return cls(periodic, categories, n_added, flat.values.new_empty(n_rows, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Returns `(n_rows, n_outputs)` for standardized inputs `(n_rows, n_inputs)`."""
        rows = x if self._periodic is None else self._periodic.forward(x)
        return rows if self._categories is None else self._categories.forward(rows)

    def backward(self) -> None:
        """Writes the gradients of the parameters."""
        if self._categories is not None:
            self._categories.backward(self._of_vectors)
        if self._periodic is not None:
            self._periodic.backward(self._of_periodic)


class CategoryLayer:
    """Puts vectors in the place of numbers of categories, as `CategoryEmbedding` does.

    Args:
        module: of the member.
        flat: parameters and gradients of the member.
        n_rows: of every batch.

    Attributes:
        n_others: other inputs, which come first.
    """

    def __init__(self, module: CategoryEmbedding, flat: FlatParameters, n_rows: int) -> None:
        self._index, self._others, self._first = module.index, module.others, module.first
        self.n_others, n = len(module.others), len(module.index)
        self._weight = flat.value("categories.weight")
        self._gradient = flat.gradient("categories.weight")
        buffer = flat.values.new_empty
        self._numbers, self._rest = buffer(n_rows, n), buffer(n_rows, self.n_others)
        self._codes = torch.empty(n_rows, n, dtype=torch.long, device=flat.values.device)
        self._vectors = buffer(n_rows * n, N_EMBEDDED)
        self._out = buffer(n_rows, module.n_outputs)
        on_gpu = flat.values.device.type == "cuda"
        self._columns = max(1, _AT_ONCE // n_rows) if on_gpu else n

    def forward(self, rows: Tensor) -> Tensor:
        """Returns `(n_rows, n_outputs)` for `(n_rows, n_inputs)`, with what was appended to it."""
        # All rows that train have numbers that stand for themselves.
        torch.index_select(rows, 1, self._index, out=self._numbers)
        self._codes.copy_(self._numbers.round_()).add_(self._first)
        torch.index_select(self._weight, 0, self._codes.view(-1), out=self._vectors)
        torch.index_select(rows, 1, self._others, out=self._rest)
        self._out[:, : self.n_others].copy_(self._rest)
        self._out[:, self.n_others :].copy_(self._vectors.view(len(rows), -1))
        return self._out

    def backward(self, gradient: Tensor) -> None:
        """Writes the gradients of the vectors.

        Args:
            gradient: of them, `(n_rows, categories * N_EMBEDDED)`.
        """
        for first in range(0, self._codes.shape[1], self._columns):
            codes = self._codes[:, first : first + self._columns]
            part = gradient[:, N_EMBEDDED * first : N_EMBEDDED * (first + self._columns)]
            found = torch.ops.aten.embedding_dense_backward(
                part.reshape(*codes.shape, N_EMBEDDED), codes, len(self._weight), -1, False
            )
            if first:
                self._gradient.add_(found)
            else:
                self._gradient.copy_(found)


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
        self._out_added = _by_number(self._out[:, n_inputs:])

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
            gradient: of what `forward` appended, `(n_rows, numbers * N_ADDED)`.
        """
        of_frequency, of_phase, of_weight, of_bias = self._gradients
        _, _, weight, _ = self._values
        self._d_added.copy_(_by_number(gradient))
        torch.bmm(self._waves.transpose(1, 2), self._d_added, out=of_weight)
        torch.sum(self._d_added, 1, keepdim=True, out=of_bias)
        torch.bmm(self._d_added, weight.transpose(1, 2), out=self._d_waves)
        d_angles = self._d_waves.mul_(self._angles.sin_()).neg_()
        torch.bmm(self._numbers.t().unsqueeze(1), d_angles, out=of_frequency)
        torch.sum(d_angles, 1, keepdim=True, out=of_phase)
        for each, factor in zip(self._gradients, self._factors, strict=True):
            each.mul_(factor)


def _by_number(appended: Tensor) -> Tensor:
    """Returns what was appended to rows, as a view `(numbers, rows, N_ADDED)`."""
    return appended.view(len(appended), -1, N_ADDED).transpose(0, 1)


def buffer_numbers(n_numeric: int, categories: Codes, n_inputs: int, n_rows: int) -> int:
    """Returns how many numbers the buffers of an input layer hold, about.

    Args:
        n_numeric: inputs that are embedded as numbers.
        categories: as `DataFacts` has them.
        n_inputs: features of one row.
        n_rows: of a batch.
    """
    if not n_numeric and not categories:
        return 0
    n = len(categories)
    appended = n_inputs + N_ADDED * n_numeric
    of_numbers = n_numeric * (3 * N_FREQUENCIES + 2 * N_ADDED + 1)
    of_categories = n * (3 + 3 * N_EMBEDDED) + (appended if n else 0)
    return n_rows * (of_numbers + of_categories + 2 * (appended + N_EMBEDDED * n))
