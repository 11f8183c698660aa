"""Many different MLPs trained as one computation."""

from .fleet import Fleet, Lane, Outcome
from .member import Member, StoppedError
from .rows import Minibatches, Rows

__all__ = ["Fleet", "Lane", "Member", "Minibatches", "Outcome", "Rows", "StoppedError"]
