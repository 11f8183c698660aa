"""Minibatches: rows as tensors on the device, one gather per batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: Rows of one validation step: large enough to keep a device busy, small enough for its memory.
EVALUATION_ROWS = 4096

#: Inputs, targets, and what the rows count if they don't count alike.
Batch = tuple[Tensor, ...]


class TensorBatches:
    """Minibatches cut from tensors by one index each, without collation row by row.

    Each pass over it is one epoch. The order of an epoch follows from the seed and the
    epoch's number alone.

    Args:
        x: `(rows, n_inputs)`.
        y: `(rows,)` or `(rows, n_outputs)`.
        batch_size: rows of a batch; the last one of an epoch may be shorter, and is left out
            when it would be a single row, which batch normalization cannot work with.
        seed: of the shuffles; None keeps the order.
        rows: which rows, `(n,)`; None is all of them.
        weights: what each row counts, `(rows,)`, which batches have beside; None if all alike.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        *,
        seed: int | None = None,
        rows: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> None:
        self.x = x
        self.y = y
        self.weights = weights
        self.rows = rows
        self.n_rows = len(x) if rows is None else len(rows)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        full, rest = divmod(self.n_rows, self.batch_size)
        alone = self.seed is not None and rest == 1 and full > 0
        return full + (rest > 0 and not alone)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        self.epoch += 1
        for index in torch.split(order, self.batch_size)[: len(self)]:
            there = (self.x, self.y) if self.weights is None else (self.x, self.y, self.weights)
            yield tuple(each.index_select(0, index) for each in there)

    def _order(self) -> Tensor:
        if self.seed is None:
            order = torch.arange(self.n_rows, device=self.x.device)
        else:
            order = shuffled(self.n_rows, self.seed, self.epoch).to(self.x.device)
        return order if self.rows is None else self.rows[order]


def shuffled(n_rows: int, seed: int, epoch: int) -> Tensor:
    """Returns the order `(n_rows,)` of the rows in one epoch, always the same one."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n_rows, generator=generator)
