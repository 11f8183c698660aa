"""Many different MLPs trained as one computation."""

from .fleet import Fleet, Outcome, StoppedError
from .member import Member
from .room import (
    busy_with,
    cores_of_a_step,
    gpus,
    has_accelerator,
    member_bytes,
    shares_steps,
)
from .rows import Minibatches, Rows

__all__ = [
    "Fleet",
    "Member",
    "Minibatches",
    "Outcome",
    "Rows",
    "StoppedError",
    "busy_with",
    "cores_of_a_step",
    "gpus",
    "has_accelerator",
    "member_bytes",
    "shares_steps",
]
