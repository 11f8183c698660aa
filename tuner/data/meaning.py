"""What the inputs and outputs of a network mean, kept with it so that it can be asked by itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ..network.config import Task
from .columns import Encoding


class Meaning(BaseModel):
    """Of the rows that a network learned from.

    Attributes:
        task: what was learned.
        classes: names of the classes, in the order of the outputs; () in a regression.
        encoding: how columns of a table become inputs; None where inputs are numbers as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    classes: tuple[str, ...]
    encoding: Encoding | None = None
