"""Rows on their way into a Lightning Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor

from ..errors import DataError
from ..network.config import Task
from ..network.perceptron import smoothly_clipped
from .base import Dataset, Part
from .batches import EVALUATION_ROWS, Batch, TensorBatches
from .memory import table_in_memory
from .rulers import Array, Index
from .splitting import split
from .tabular import Wanted, read_table


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
            limit = torch.from_numpy(standardization.input_limit).to(x.device)
            rows = smoothly_clipped(rows, limit)
        return rows, y


class TableDataModule(StandardizedRowsDataModule):
    """A table for any Lightning Trainer: its columns as numbers, scaled as the training rows are.

    Batches are `(x, y)`, or `(x, y, weights)` where rows don't count alike: `x` float32
    `(batch, n_inputs)` without gaps; `y` class numbers `(batch,)`, or targets `(batch, targets)` in
    their own unit.

    Args:
        rows: a file with a table, or a frame.
        label: the column that is predicted, or its number if columns have no names; several in a
            regression.
        batch_size: rows of a training batch.
        seed: of the cuts and the shuffles.
        validation: share of the rows that are not test rows.
        test: share of all rows, unless `test_source` names a file with the test rows.
        task: "classification" or "regression"; None lets the kind of the targets decide.
        columns: `drop`, `categorical`, `numeric`, `weight`, `group`, `time`, `test_source` and
            `read`, as in the `[data]` of a study file.

    Attributes:
        n_inputs: numbers of a row.
        n_outputs: classes, or targets of a regression.
        classes: names of the classes, in the order of their numbers; () in a regression.
        dataset: all that is known of the rows.

    Raises:
        DataError: they cannot be read or learned from; the message names file, column and row.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"a": range(40), "b": list("xy") * 20, "y": list("np") * 20})
    >>> rows = TableDataModule(frame.assign(a=frame["a"] % 7), label="y", batch_size=8)
    >>> [tuple(each.shape) for each in next(iter(rows.train_dataloader()))]
    [(8, 3), (8,)]
    """

    def __init__(
        self,
        rows: object,
        label: str | int | Sequence[str | int],
        batch_size: int = 64,
        *,
        seed: int = 0,
        validation: float = 0.2,
        test: float = 0.2,
        task: Task | None = None,
        **columns: Any,
    ) -> None:
        wanted = Wanted.of(label, **columns)
        for key, share in {"validation": validation, "test": test}.items():
            if not 0 <= share < 1:
                raise DataError(f"{key} must be a share from 0 to 1, got {share}")
        if isinstance(rows, str | PathLike):
            table = read_table(str(rows), Path(), wanted)
        else:
            table = table_in_memory(rows, "rows", wanted)
        dataset = split(table, validation=validation, test=test, task=task, seed=seed)
        super().__init__(dataset, batch_size, seed)
        self.n_inputs, self.n_outputs = dataset.facts.n_inputs, dataset.facts.n_outputs
        self.classes = dataset.classes
