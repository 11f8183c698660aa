"""What all study files share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ..errors import StudyFileError
from ..network.config import Precision, Task
from .domains import Section

Pruner = Literal["gain", "hyperband", "median", "none"]
Select = Literal["proven", "best", "one_se"]
Direction = Literal["maximize", "minimize"]


class DataSpec(Section):
    """Where the rows come from and how they are split.

    Attributes:
        source: a name, `openml:<name>`, or an `.npz` file (relative to the study file); None
            where a class of the user's brings the data.
        task: None lets the kind of the targets decide.
        validation: share of the rows that are not test rows.
        test: share of all rows, where the source has no test part of its own.
        folds: cuts of training and validation rows that each trial is scored over, side by side;
            None is more of them the fewer rows there are.
    """

    source: Annotated[str, Field(min_length=1)] | None = None
    task: Task | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=1)] | None = None


class ObjectiveSpec(Section):
    """The length of one full trial in epochs; None follows from the rows and the budget."""

    epochs: Annotated[int, Field(ge=1)] | None = None


class BudgetSpec(Section):
    """Where the search ends: at whichever of these comes first."""

    trials: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    target: float | None = None


class StudySection(Section):
    """How the search goes about it.

    Attributes:
        seed: decides the split, the sampler, initial weights and shuffles.
        pruner: how trials are ended early.
        precision: Lightning's word for the numbers that trials train with.
        max_failures: failed trials in a row after which the study stops.
        epoch_minutes: of silence after which a worker is given up, and its trials begin anew.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    pruner: Pruner = "gain"
    precision: Precision = "32-true"
    max_failures: Annotated[int, Field(ge=1)] = 5
    epoch_minutes: Annotated[float, Field(gt=0)] = 60.0


class ConfirmSection(Section):
    """How the best configs are confirmed after the search.

    Attributes:
        configs: best ones of the search that are trained again.
        seeds: for those that last to the end, at least 2; 0 confirms nothing.
        share: of `budget.minutes` that the search leaves for it, at most, unless two configs over
            two cuts take more.
        refit: train the winner once more, if it is an MLP, on all rows but the test rows, and hand
            that network over.
        members: networks that are trained so, at most, as far as there is time: an ensemble. 1 is
            that network alone.
        select: "best" is the best mean; "proven" the same, unless a preset that lasted to the end
            may be as good on other rows; "one_se" the smallest network within one standard error of
            it. See `winner.choose`.
    """

    configs: Annotated[int, Field(ge=1)] = 8
    seeds: Annotated[int, Field(ge=0)] = 5
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    select: Select = "proven"
    refit: bool = True
    members: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("seeds")
    @classmethod
    def _not_one(cls, seeds: int) -> int:
        if seeds == 1:
            raise ValueError("must be 0, or at least 2 for an error bar, got 1")
        return seeds


class StartSection(Section):
    """What a search of MLPs learns before it draws.

    Attributes:
        rate_range: try learning rates for 100 steps beside the first trial, and start the
            recommendation from the result.
        history: let the recommendation start from what earlier studies found.
    """

    rate_range: bool = True
    history: bool = True


class StudySpec(Section, ABC):
    """One study, as its file says and the defaults complete.

    Attributes:
        name: the file's name without `.toml`.
        path: the file.
        text: the file as it stands.
    """

    name: Annotated[str, Field(exclude=True)]
    path: Annotated[Path, Field(exclude=True)]
    text: Annotated[str, Field(exclude=True, repr=False)]
    data: DataSpec
    objective: ObjectiveSpec
    budget: BudgetSpec = BudgetSpec()
    study: StudySection = StudySection()
    confirm: ConfirmSection = ConfirmSection()
    start: StartSection = StartSection()

    @abstractmethod
    def metric(self, task: Task | None) -> str:
        """Returns the metric to optimize.

        Args:
            task: that the data are for, if that is known.

        Raises:
            StudyFileError: the written one does not fit the task.
        """

    @abstractmethod
    def direction(self, metric: str) -> Direction:
        """Says which way this metric is better."""

    def error(self, key: str, message: str) -> StudyFileError:
        """Returns an error that names this file and the key."""
        return StudyFileError(f"{self.path}: {key} {message}")
