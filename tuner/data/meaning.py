"""What the inputs and outputs of a network mean, kept with it so that it can be asked by itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..network.config import Task
from .columns import Encoding

#: What classes were told as, where their names alone do not say it.
Called = Literal["", "text", "switch"]


class Meaning(BaseModel):
    """Of the rows that a network learned from.

    Attributes:
        task: what was learned.
        classes: names of the classes, in the order of the outputs; () in a regression.
        encoding: how columns of a table become inputs; None where inputs are numbers as they are.
        called: what the classes were told as: "text", or "switch" of True and False; "" is whole
            numbers where all names are such, else text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    classes: tuple[str, ...]
    encoding: Encoding | None = None
    called: Called = ""
