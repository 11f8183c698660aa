"""Data: from a source to a `Dataset`, and from there to minibatches.

`loading` gives the rows to a Lightning Trainer.
"""

from .base import Dataset, Part, Standardization, Table
from .batches import EVALUATION_ROWS, TensorBatches, shuffled
from .cuts import Cut, prepare
from .sources import load, read
from .splitting import split

__all__ = [
    "EVALUATION_ROWS",
    "Cut",
    "Dataset",
    "Part",
    "Standardization",
    "Table",
    "TensorBatches",
    "load",
    "prepare",
    "read",
    "shuffled",
    "split",
]
