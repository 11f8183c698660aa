"""Many different MLPs trained as one computation."""

from .fleet import Fleet, Outcome
from .member import Member, StoppedError
from .room import cores, gpus, has_accelerator, processes_at_once
from .rows import Minibatches, Rows

__all__ = [
    "Fleet",
    "Member",
    "Minibatches",
    "Outcome",
    "Rows",
    "StoppedError",
    "cores",
    "gpus",
    "has_accelerator",
    "processes_at_once",
]
