"""Data: from a source to a `Dataset`, and from there to minibatches.

`loading` gives the rows to a Lightning Trainer; its `TableDataModule` is for users, too, and loads
Lightning when it is first used.
"""

from typing import Any

from .base import Dataset, Part, Table
from .batches import EVALUATION_ROWS, TensorBatches, shuffled
from .columns import Encoding
from .cuts import Cut
from .frames import read_frame
from .meaning import Meaning
from .memory import frame_of, is_frame, table_in_memory
from .sources import load, read
from .splitting import merged, split, uncut
from .standardization import Standardization
from .tabular import Wanted, table_of
from .values import text_of

__all__ = [
    "EVALUATION_ROWS",
    "Cut",
    "Dataset",
    "Encoding",
    "Meaning",
    "Part",
    "Standardization",
    "Table",
    "TableDataModule",
    "TensorBatches",
    "Wanted",
    "frame_of",
    "is_frame",
    "load",
    "merged",
    "read",
    "read_frame",
    "shuffled",
    "split",
    "table_in_memory",
    "table_of",
    "text_of",
    "uncut",
]


def __getattr__(name: str) -> Any:
    if name != "TableDataModule":
        raise AttributeError(f"module 'tuner.data' has no attribute {name!r}")
    from .loading import TableDataModule

    return TableDataModule
