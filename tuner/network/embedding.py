"""What inputs become before the first layer: numbers periodic functions, categories vectors.

Each number x becomes x and three more (the "PBLD" embedding of Holzmueller et al. 2024,
arXiv:2407.04491, section 3.1, after Gorishniy et al. 2022, arXiv:2203.05556):

    W cos(2 pi f x + p) + b        f: 16 frequencies, p: as many phases, of the number's own

They suggest f ~ N(0, 0.1^2), p ~ U(-pi, pi), W and b ~ U(-1/4, 1/4), and a tenth of the learning
rate. Here each of these is `SCALE` times a parameter that is as much larger, which takes steps of
that rate under AdamW, and any optimizer can train.

A category of many values is one input, the number of the value, in whose place a vector of 8
numbers is learned (section 3.1 there; Guo and Berkhahn 2016, arXiv:1604.06737), from N(0, 1) on.
Values that no training row has share the first vector with those that are rare; it begins at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from .config import N_ADDED, N_EMBEDDED, N_FREQUENCIES, Codes

#: Of what the parameters stand for, over themselves.
SCALE = 0.1
#: Deviation of the frequencies at first.
_DEVIATION = 0.1


class PeriodicEmbedding(nn.Module):
    """Appends to standardized inputs what some of them become.

    Args:
        n_inputs: features of one row.
        numeric: which of them are embedded, one at least.

    >>> PeriodicEmbedding(4, numeric=[0, 2])(torch.zeros(7, 4)).shape
    torch.Size([7, 10])
    """

    index: Tensor

    def __init__(self, n_inputs: int, numeric: Sequence[int]) -> None:
        super().__init__()
        n = len(numeric)
        self.n_outputs = n_inputs + N_ADDED * n
        self.register_buffer("index", torch.tensor(numeric), persistent=False)
        # What does not decay has one dimension, as biases have.
        self.frequency = nn.Parameter(torch.empty(n * N_FREQUENCIES))
        self.phase = nn.Parameter(torch.empty(n * N_FREQUENCIES))
        self.weight = nn.Parameter(torch.empty(n, N_FREQUENCIES, N_ADDED))
        self.bias = nn.Parameter(torch.empty(n * N_ADDED))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws initial values from torch's global generator."""
        init.normal_(self.frequency, std=_DEVIATION / SCALE)
        init.uniform_(self.phase, -math.pi / SCALE, math.pi / SCALE)
        bound = N_FREQUENCIES**-0.5 / SCALE
        init.uniform_(self.weight, -bound, bound)
        init.uniform_(self.bias, -bound, bound)

    def forward(self, rows: Tensor) -> Tensor:
        """Returns `(rows, n_outputs)` for standardized inputs `(rows, n_inputs)`."""
        n = len(self.index)
        with torch.autocast(rows.device.type, enabled=False):  # half of a phase is none
            numbers = rows.index_select(1, self.index).t().unsqueeze(2)
            frequency = (2 * math.pi * SCALE * self.frequency).view(n, 1, N_FREQUENCIES)
            phase = (SCALE * self.phase).view(n, 1, N_FREQUENCIES)
            waves = torch.addcmul(phase, numbers, frequency).cos()
            bias = (SCALE * self.bias).view(n, 1, N_ADDED)
            added = torch.baddbmm(bias, waves, SCALE * self.weight)
        return torch.cat([rows, added.transpose(0, 1).flatten(1)], 1)


class CategoryEmbedding(nn.Module):
    """Puts vectors in the place of inputs that are numbers of categories, behind all others.

    Args:
        n_inputs: features of one row, with what was appended to them.
        categories: which of them are such numbers, one at least, and how many numbers each has.

    >>> CategoryEmbedding(4, categories=[(1, 30)])(torch.zeros(7, 4)).shape
    torch.Size([7, 11])
    """

    index: Tensor
    others: Tensor
    first: Tensor
    last: Tensor
    codes: Tensor

    def __init__(self, n_inputs: int, categories: Codes) -> None:
        super().__init__()
        index, counts = (list(each) for each in zip(*categories, strict=True))
        others = sorted(set(range(n_inputs)) - set(index))
        ends = torch.tensor(counts).cumsum(0)
        self.n_outputs = len(others) + N_EMBEDDED * len(index)
        for name, value in {
            "index": torch.tensor(index),
            "others": torch.tensor(others, dtype=torch.long),
            "first": ends - torch.tensor(counts),
            "last": torch.tensor(counts) - 1,
        }.items():
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("codes", torch.cat([torch.arange(n) for n in counts]))
        self.weight = nn.Parameter(torch.empty(sum(counts), N_EMBEDDED))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws initial values from torch's global generator."""
        init.normal_(self.weight)
        self.weight[self.first] = 0.0

    def forward(self, rows: Tensor) -> Tensor:
        """Returns `(rows, n_outputs)` for inputs `(rows, n_inputs)`; a wrong number is the last."""
        codes = rows.index_select(1, self.index).round().long().clamp(min=0).minimum(self.last)
        known = self.first + self.codes[self.first + codes]
        vectors = functional.embedding(known, self.weight).flatten(1)
        return torch.cat([rows.index_select(1, self.others), vectors], 1)
