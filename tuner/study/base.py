"""What all study files share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..errors import StudyFileError
from ..network.config import Precision, Task
from ..system import paths
from .domains import Section

Pruner = Literal["gain", "hyperband", "median", "none"]
SAMPLERS = ("tpe", "gp", "cmaes", "qmc", "random")
Logger = Literal["csv", "tensorboard", "mlflow", "wandb"]
Select = Literal["proven", "best", "one_se"]
Direction = Literal["maximize", "minimize"]


def _names(raw: object) -> object:
    """Turns the name of a column, or a list of names, into a tuple."""
    names = [raw] if isinstance(raw, str) else raw
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise ValueError(f"must be the name of a column, or a list of names, got {raw!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"must not name a column twice, got {raw!r}")
    return tuple(names)


#: Keys of `[data]` that belong to a table.
OF_TABLES = (
    "label",
    "drop",
    "categorical",
    "numeric",
    "weight",
    "group",
    "time",
    "test_source",
    "read",
)

Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class DataSpec(Section):
    """Where the rows come from and how they are split.

    Attributes:
        source: a name, `openml:<name>`, an `.npz` file, or a file with a table (relative to the
            study file); None where a class of the user's brings the data.
        label: the column of a table that is predicted; several in a regression.
        drop: columns of a table that nothing is learned from.
        categorical: columns of a table that are categories, whatever their values.
        numeric: columns of a table that are numbers.
        weight: column of a table that says what each row counts, in the loss and in all scores.
        group: column of a table whose rows of one value lie on one side of every cut.
        time: column of a table by which rows are cut, the last ones off.
        test_source: a file with the test rows of a table; "" cuts them off.
        read: options of pandas' reader of tables, such as `{ decimal = "," }`.
        task: None lets the kind of the targets decide.
        validation: share of the rows that are not test rows.
        test: share of all rows, where the source has no test part of its own; 0 keeps none.
        folds: cuts of training and validation rows that each trial is scored over, side by side;
            None is more of them the fewer rows there are.
    """

    source: Annotated[str, Field(min_length=1)] | None = None
    label: Names = ()
    drop: Names = ()
    categorical: Names = ()
    numeric: Names = ()
    weight: str = ""
    group: str = ""
    time: str = ""
    test_source: str = ""
    read: dict[str, Any] = Field(default_factory=dict)
    task: Task | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _has_each_column_once(self) -> Self:
        if self.group and self.time:
            raise ValueError("takes group or time, not both")
        kinds = {
            **{kind: getattr(self, kind) for kind in ("label", "drop", "categorical", "numeric")},
            **{
                kind: (name,) if (name := getattr(self, kind)) else ()
                for kind in ("weight", "group", "time")
            },
        }
        told: dict[str, str] = {}
        for kind, names in kinds.items():
            for name in names:
                if name in told:
                    raise ValueError(f"{kind} names {name!r}, which {told[name]} does, too")
                told[name] = kind
        return self


class LimitsSection(Section):
    """What a network may take at most; one that takes more is not trained.

    Attributes:
        n_parameters: trainable numbers.
        milliseconds: of a prediction for one row, on the machine that searches.
    """

    n_parameters: Annotated[int, Field(ge=1)] | None = None
    milliseconds: Annotated[float, Field(gt=0)] | None = None


class ObjectiveSpec(Section):
    """What is optimized.

    Attributes:
        epochs: of one full trial; None follows from the rows and the budget.
        limits: that a network keeps.
    """

    epochs: Annotated[int, Field(ge=1)] | None = None
    limits: LimitsSection = LimitsSection()

    @property
    def finds_sizes(self) -> bool:
        """Whether small networks are a goal of their own."""
        return False


class BudgetSpec(Section):
    """Where the search ends: at whichever of these comes first.

    Attributes:
        trials: that are finished.
        minutes: of search and confirmation.
        target: score that is good enough.
        patience: trials since the best score was reached, complete or pruned, none of them better.
    """

    trials: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    target: float | None = None
    patience: Annotated[int, Field(ge=1)] | None = None


class StudySection(Section):
    """How the search goes about it.

    Attributes:
        seed: decides the split, the sampler, initial weights and shuffles.
        pruner: how trials are ended early.
        sampler: who draws trials once the first starting points have begun: "tpe", "gp",
            "cmaes", "qmc", "random", or a sampler of Optuna's kind, as "package.module:Class".
        precision: Lightning's word for the numbers that trials train with.
        max_failures: failed trials in a row after which the study stops.
        epoch_minutes: of silence after which a worker is given up, and its trials begin anew.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    pruner: Pruner = "gain"
    sampler: str = "tpe"
    precision: Precision = "32-true"
    max_failures: Annotated[int, Field(ge=1)] = 5
    epoch_minutes: Annotated[float, Field(gt=0)] = 60.0

    @field_validator("sampler")
    @classmethod
    def _is_a_sampler(cls, sampler: str) -> str:
        if sampler in SAMPLERS or ":" in sampler:
            return sampler
        known = ", ".join(map(repr, SAMPLERS))
        raise ValueError(f'must be one of {known} or "package.module:Class", got {sampler!r}')


class ConfirmSection(Section):
    """How the best configs are confirmed after the search.

    Attributes:
        configs: best ones of the search that are trained again.
        seeds: for those that last to the end, at least 2; 0 confirms nothing.
        share: of `budget.minutes` that the search leaves for it, at most, unless two configs over
            two cuts take more, or a little more makes three cuts of two.
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


def _listed(raw: object) -> object:
    if isinstance(raw, str):
        return (raw,)
    return tuple(raw) if isinstance(raw, list) else raw


class LogSection(Section):
    """Where trials are written besides the store.

    Attributes:
        loggers: of Lightning's, which have a run for each trial.
    """

    loggers: Annotated[tuple[Logger, ...], BeforeValidator(_listed)] = ()

    @field_validator("loggers")
    @classmethod
    def _has_each_once(cls, loggers: tuple[Logger, ...]) -> tuple[Logger, ...]:
        if len(set(loggers)) < len(loggers):
            raise ValueError(f"must not name a logger twice, got {list(loggers)}")
        return loggers


class StudySpec(Section, ABC):
    """One study, as its file says and the defaults complete.

    Attributes:
        name: the file's name without `.toml`.
        path: the file.
        text: the file as it stands.
        rows: in memory, instead of a source (see `Study`).
    """

    name: Annotated[str, Field(exclude=True)]
    path: Annotated[Path, Field(exclude=True)]
    text: Annotated[str, Field(exclude=True, repr=False)]
    rows: Annotated[Any, Field(exclude=True, repr=False)] = None
    data: DataSpec
    objective: ObjectiveSpec
    budget: BudgetSpec = BudgetSpec()
    study: StudySection = StudySection()
    confirm: ConfirmSection = ConfirmSection()
    start: StartSection = StartSection()
    log: LogSection = LogSection()

    @abstractmethod
    def metric(self, task: Task | None, *, is_balanced: bool = True) -> str:
        """Returns the metric to optimize.

        Args:
            task: that the data are for, if that is known.
            is_balanced: no class is so rare that an accuracy hardly sees it.

        Raises:
            StudyFileError: the written one does not fit the task.
        """

    @abstractmethod
    def direction(self, metric: str) -> Direction:
        """Says which way this metric is better."""

    def save(self) -> None:
        """Writes the file, if it is not there, unless its rows are in memory.

        Raises:
            StoreLostError: it cannot be written.
        """
        if self.rows is None and not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            paths.write(self.path, self.text.encode())

    def error(self, key: str, message: str) -> StudyFileError:
        """Returns an error that names this file and the key."""
        return StudyFileError(f"{self.path}: {key} {message}")
