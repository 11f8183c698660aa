"""Rows on their way into a Trainer: tensors on the device, one gather per batch."""

from __future__ import annotations

from collections.abc import Iterator

import lightning.pytorch as lightning
import torch
from torch import Tensor

from .base import Dataset, Part

#: Rows of one validation step: large enough to keep a device busy, small enough for its memory.
EVALUATION_ROWS = 4096

Batch = tuple[Tensor, Tensor]


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
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, *, seed: int | None = None) -> None:
        self.x = x
        self.y = y
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        full, rest = divmod(len(self.x), self.batch_size)
        alone = self.seed is not None and rest == 1 and full > 0
        return full + (rest > 0 and not alone)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        self.epoch += 1
        for index in torch.split(order, self.batch_size)[: len(self)]:
            yield self.x.index_select(0, index), self.y.index_select(0, index)

    def _order(self) -> Tensor:
        if self.seed is None:
            return torch.arange(len(self.x), device=self.x.device)
        return shuffled(len(self.x), self.seed, self.epoch).to(self.x.device)


def shuffled(n_rows: int, seed: int, epoch: int) -> Tensor:
    """Returns the order `(n_rows,)` of the rows in one epoch, always the same one."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n_rows, generator=generator)


class RowsDataModule(lightning.LightningDataModule):
    """A `Dataset` for a Lightning Trainer; the rows move to the Trainer's device once.

    Args:
        dataset: rows in three parts.
        batch_size: rows of a training batch.
        seed: of the shuffles.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed

    def train_dataloader(self) -> TensorBatches:
        """Returns the shuffled training rows."""
        return TensorBatches(*self._tensors(self.dataset.train), self.batch_size, seed=self.seed)

    def val_dataloader(self) -> TensorBatches:
        """Returns the validation rows."""
        return TensorBatches(*self._tensors(self.dataset.validation), EVALUATION_ROWS)

    def test_dataloader(self) -> TensorBatches:
        """Returns the test rows."""
        return TensorBatches(*self._tensors(self.dataset.test), EVALUATION_ROWS)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Returns the batch as it is: its rows are on the device already."""
        return batch

    def _tensors(self, part: Part) -> Batch:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return torch.from_numpy(part.x).to(device), torch.from_numpy(part.y).to(device)


class StandardizedRowsDataModule(RowsDataModule):
    """As `RowsDataModule`, with inputs as float32, standardized as the training rows are.

    The targets stay as they are.
    """

    def _tensors(self, part: Part) -> Batch:
        x, y = super()._tensors(part)
        standardization = self.dataset.standardization
        mean = torch.from_numpy(standardization.input_mean).to(x.device)
        scale = torch.from_numpy(standardization.input_scale).to(x.device)
        return (x.float() - mean) / scale, y
