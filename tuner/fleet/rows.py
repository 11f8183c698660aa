"""The rows of a data set on the device: minibatches that a whole lane shares, and validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..data import EVALUATION_ROWS, Dataset, Part, TensorBatches, shuffled

#: Bytes of the shuffled and standardized rows that lie ready at once.
_BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Minibatches:
    """Some consecutive steps of an epoch.

    Attributes:
        x: standardized inputs of each step, `(batch, n_inputs)`.
        y: of each step, one-hot classes or standardized targets, `(batch, n_outputs)`.
    """

    x: tuple[Tensor, ...]
    y: tuple[Tensor, ...]

    @property
    def n_rows(self) -> int:
        """Rows of all steps."""
        return sum(len(x) for x in self.x)


class Rows:
    """Training and validation rows, standardized as `MLP` does it.

    Args:
        dataset: rows in three parts; the test part is not touched.
        device: where they lie.
        dtype: of the numbers that members train on.
    """

    def __init__(self, dataset: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self.facts = dataset.facts
        self.device, self.dtype = device, dtype
        norm = dataset.standardization
        #: What `MLP.standardize` takes: mean and scale of inputs, then of targets.
        self.standardization = tuple(
            torch.from_numpy(column).to(device, dtype)
            for column in (
                norm.input_mean,
                norm.input_scale,
                norm.target_mean,
                norm.target_scale,
            )
        )
        mean, scale, self._target_mean, self._target_scale = self.standardization
        self._shift, self._factor = -mean / scale, scale.reciprocal()
        self._x, self._y = self._tensors(dataset.train)
        raw, self.validation_y = self._tensors(dataset.validation)
        #: Standardized inputs of the validation rows, in blocks `(rows, n_inputs)`.
        self.validation_x = tuple(
            self._standardized(block) for block in torch.split(raw, EVALUATION_ROWS)
        )
        self._block = torch.empty(0, device=device, dtype=dtype)

    def _tensors(self, part: Part) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(part.x).to(self.device), torch.from_numpy(part.y).to(self.device)

    @property
    def n_training(self) -> int:
        """Training rows."""
        return len(self._x)

    def n_trained(self, batch_size: int) -> int:
        """Returns the rows of an epoch: all, or all but one that would be a batch by itself."""
        return min(len(self._x), self.steps(batch_size) * batch_size)

    def steps(self, batch_size: int) -> int:
        """Returns the optimizer steps of an epoch."""
        return len(TensorBatches(self._x, self._y, batch_size, seed=0))

    def minibatches(self, batch_size: int, seed: int, epoch: int) -> Iterator[Minibatches]:
        """Yields an epoch in blocks; a block's memory is used again by the next one.

        Args:
            batch_size: rows of a step; the last one may be shorter.
            seed: of the shuffles.
            epoch: which shuffle, from 0.
        """
        order = shuffled(len(self._x), seed, epoch)[: self.n_trained(batch_size)].to(self.device)
        a_row = (self.facts.n_inputs + self.facts.n_outputs) * self.dtype.itemsize
        steps = max(1, _BLOCK_BYTES // (a_row * batch_size))
        for index in torch.split(order, steps * batch_size):
            x = self._standardized(self._x.index_select(0, index), reuse=True)
            y = self._targets(self._y.index_select(0, index))
            yield Minibatches(torch.split(x, batch_size), torch.split(y, batch_size))

    def _standardized(self, raw: Tensor, *, reuse: bool = False) -> Tensor:
        raw = raw.flatten(1)
        if not reuse:
            out = torch.empty(raw.shape, device=self.device, dtype=self.dtype)
        else:
            if len(self._block) < len(raw):
                self._block = torch.empty(raw.shape, device=self.device, dtype=self.dtype)
            out = self._block[: len(raw)]
        return torch.addcmul(self._shift, out.copy_(raw), self._factor, out=out)

    def _targets(self, y: Tensor) -> Tensor:
        if self.facts.task == "classification":
            return functional.one_hot(y, self.facts.n_outputs).to(self.dtype)
        columns = y.to(self.dtype).view(len(y), self.facts.n_outputs)
        return (columns - self._target_mean) / self._target_scale
