"""Data: from a source to a `Dataset`, and from there to a Trainer."""

from .base import Dataset, Part, Standardization, Table, split
from .cuts import Cut
from .loading import (
    EVALUATION_ROWS,
    RowsDataModule,
    StandardizedRowsDataModule,
    TensorBatches,
    shuffled,
)
from .sources import load, read

__all__ = [
    "EVALUATION_ROWS",
    "Cut",
    "Dataset",
    "Part",
    "RowsDataModule",
    "Standardization",
    "StandardizedRowsDataModule",
    "Table",
    "TensorBatches",
    "load",
    "read",
    "shuffled",
    "split",
]
