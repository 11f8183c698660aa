"""Rows on their way into a Lightning Trainer."""

from __future__ import annotations

import lightning.pytorch as lightning
import torch
from torch import Tensor

from ..network.perceptron import smoothly_clipped
from .base import Dataset, Part
from .batches import EVALUATION_ROWS, Batch, TensorBatches
from .kin import Index
from .rulers import Array


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
        self._shared: tuple[Tensor, Tensor] | None = None

    def train_dataloader(self) -> TensorBatches:
        """Returns the shuffled training rows."""
        return self._known(self.dataset.train_rows, self.batch_size, self.seed)

    def val_dataloader(self) -> TensorBatches:
        """Returns the validation rows."""
        return self._known(self.dataset.validation_rows, EVALUATION_ROWS, None)

    def test_dataloader(self) -> TensorBatches:
        """Returns the test rows."""
        test = self.dataset.test
        return TensorBatches(
            *self._tensors(test), EVALUATION_ROWS, weights=self._weights(test.weights)
        )

    def _known(self, rows: Index, batch_size: int, seed: int | None) -> TensorBatches:
        """Returns batches of some of the rows that training and validation share."""
        if self._shared is None or self._shared[0].device != self._device:
            self._shared = self._tensors(self.dataset.known)
        index = torch.from_numpy(rows).to(self._device)
        return TensorBatches(
            *self._shared,
            batch_size,
            seed=seed,
            rows=index,
            weights=self._weights(self.dataset.weights),
        )

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Returns the batch as it is: its rows are on the device already."""
        return batch

    def _weights(self, weights: Array | None) -> Tensor | None:
        return None if weights is None else torch.from_numpy(weights).to(self._device)

    def _tensors(self, part: Part) -> tuple[Tensor, Tensor]:
        device = self._device
        return torch.from_numpy(part.x).to(device), torch.from_numpy(part.y).to(device)


class StandardizedRowsDataModule(RowsDataModule):
    """As `RowsDataModule`, with inputs as float32, standardized as the training rows are.

    The targets stay as they are.
    """

    def _tensors(self, part: Part) -> tuple[Tensor, Tensor]:
        x, y = super()._tensors(Part(self.dataset.measured(part.x), part.y))
        standardization = self.dataset.standardization
        mean = torch.from_numpy(standardization.input_mean).to(x.device)
        scale = torch.from_numpy(standardization.input_scale).to(x.device)
        rows = (x.float() - mean) / scale
        if standardization.input_limit is not None:
            rows = smoothly_clipped(rows, rows.new_tensor(standardization.input_limit))
        return rows, y
