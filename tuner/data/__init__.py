"""Data: from a source to a `Dataset`, and from there to a Trainer."""

from .base import Dataset, Part, Standardization, Table, split
from .loading import RowsDataModule, TensorBatches
from .sources import load, read

__all__ = [
    "Dataset",
    "Part",
    "RowsDataModule",
    "Standardization",
    "Table",
    "TensorBatches",
    "load",
    "read",
    "split",
]
