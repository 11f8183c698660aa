"""All parameters of one member in one flat tensor, so that one kernel updates all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Numbers between the beginnings of two parameters: 16 of them fill a cache line, and matrix
#: products are fastest, and the same bit for bit wherever they lie, on whole lines.
_LINE = 16


class FlatParameters:
    """Moves the parameters of a module into one tensor, and makes room for their gradients.

    Weight matrices, which decay, come first, then biases and normalization, which do not. The
    module's own parameters become views, so it stays a module that can be called, saved and
    copied.

    Args:
        module: whose parameters move, in place.

    Attributes:
        values: `(size,)`; zeros fill up each parameter to a whole line.
        gradients: `(size,)`, zeros where no parameter is.
        n_decayed: how many of the first numbers belong to weight matrices.
        places: slice of each parameter, by its name.
    """

    def __init__(self, module: nn.Module) -> None:
        named = sorted(module.named_parameters(), key=lambda item: item[1].ndim <= 1)
        self.places: dict[str, slice] = {}
        self._shapes: dict[str, torch.Size] = {}
        size = self.n_decayed = 0
        for name, parameter in named:
            self.places[name] = slice(size, size + parameter.numel())
            self._shapes[name] = parameter.shape
            size += -(-parameter.numel() // _LINE) * _LINE
            if parameter.ndim > 1:
                self.n_decayed = size
        first = named[0][1]
        self.values = first.new_zeros(size, requires_grad=False)
        self.gradients = torch.zeros_like(self.values)
        for name, parameter in named:
            view = self.of(self.values, name)
            view.copy_(parameter.detach())
            parameter.data = view

    def of(self, flat: Tensor, name: str) -> Tensor:
        """Returns the part of a flat tensor `(size,)` that belongs to a parameter, as a view."""
        return flat[self.places[name]].view(self._shapes[name])

    def value(self, name: str) -> Tensor:
        """Returns a parameter, as a view."""
        return self.of(self.values, name)

    def gradient(self, name: str) -> Tensor:
        """Returns the place of a parameter's gradient, as a view."""
        return self.of(self.gradients, name)
