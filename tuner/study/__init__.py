"""A study file, read and checked: `StudySpec` says what the user wrote, with the defaults."""

from .base import (
    BudgetSpec,
    ConfirmSection,
    DataSpec,
    Direction,
    Pruner,
    StartSection,
    StudySection,
    StudySpec,
)
from .loading import AnyStudySpec, find_study, load_study
from .mlp import Metric, MLPStudySpec, direction
from .module import ModuleStudySpec

__all__ = [
    "AnyStudySpec",
    "BudgetSpec",
    "ConfirmSection",
    "DataSpec",
    "Direction",
    "MLPStudySpec",
    "Metric",
    "ModuleStudySpec",
    "Pruner",
    "StartSection",
    "StudySection",
    "StudySpec",
    "direction",
    "find_study",
    "load_study",
]
