"""The search space: a flat, static set of Optuna parameters, and where the search starts."""

from .base import SearchSpace
from .mlp import SGD_RATE, MLPSpace
from .module import ModuleSpace

__all__ = ["SGD_RATE", "MLPSpace", "ModuleSpace", "SearchSpace"]
