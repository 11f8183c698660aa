"""The search space: a flat, static set of Optuna parameters, and where the search starts."""

from .base import SearchSpace
from .mlp import MLPSpace
from .module import ModuleSpace

__all__ = ["MLPSpace", "ModuleSpace", "SearchSpace"]
