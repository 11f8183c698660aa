"""Rows on their way into a Lightning Trainer."""

from __future__ import annotations

import lightning.pytorch as lightning
import torch

from .base import Dataset, Part
from .batches import EVALUATION_ROWS, Batch, TensorBatches


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
