"""The study file of a LightningModule of the user's."""

from __future__ import annotations

import keyword
from typing import Annotated, Any

from pydantic import Field

from ..network.config import Task
from .base import DataSpec, Direction, ObjectiveSpec, StudySpec
from .domains import NamedValue, Section, named_values

#: Loggers that `trainer.logger` may name.
LOGGERS = ("csv", "tensorboard")


class ModelSpec(Section):
    """The network: `module` is a LightningModule class, as `package.module:Class`."""

    module: Annotated[str, Field(min_length=1)]


class ModuleDataSpec(DataSpec):
    """Rows of a source, or `module`: a LightningDataModule class, as `package.module:Class`."""

    module: Annotated[str, Field(min_length=1)] | None = None


class ModuleObjectiveSpec(ObjectiveSpec):
    """What is optimized: any metric that the module logs."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Direction
    epochs: Annotated[int, Field(ge=1)] = 10


class ModuleStudySpec(StudySpec):
    """A study of any LightningModule.

    Attributes:
        search: domain of each searched argument, by its name.
        trainer: arguments of Lightning's Trainer, and `logger`.
    """

    model: ModelSpec
    data: ModuleDataSpec
    objective: ModuleObjectiveSpec
    search: dict[str, NamedValue] = Field(default_factory=dict)
    trainer: dict[str, Any] = Field(default_factory=dict)

    def metric(self, task: Task | None, *, is_balanced: bool = True) -> str:
        """Returns the metric that is written, whatever the task."""
        return self.objective.metric

    def direction(self, metric: str) -> Direction:
        """Returns what is written."""
        return self.objective.direction

    @property
    def loggers(self) -> tuple[str, ...]:
        """Names of the loggers of each trial."""
        logger = self.trainer.get("logger", False)
        if logger is False:
            return ()
        return (logger,) if isinstance(logger, str) else tuple(logger)

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """The arguments of the Trainer that are passed on as they stand."""
        given = {name: value for name, value in self.trainer.items() if name != "logger"}
        return {"precision": self.study.precision, **given}

    def check(self) -> None:
        """Checks what needs neither the classes nor Lightning.

        Raises:
            StudyFileError: a key contradicts another one, or its value cannot be.
        """
        data = self.data
        if (data.source is None) == (data.module is None):
            both = "both" if data.source is not None else "neither"
            raise self.error("data", f'must have either "source" or "module", got {both}')
        if data.module is not None:
            for name in ("task", "validation", "test", "folds"):
                if name in data.model_fields_set:
                    raise self.error(f"data.{name}", "belongs to a source, not to data.module")
        if data.weight:
            raise self.error("data.weight", "belongs to perceptrons: no other module weighs rows")
        for name in self.search:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise self.error(f"search.{name}", "must be the name of an argument")
        if "epochs" in self.search:
            raise self.error("search.epochs", "is not searched: objective.epochs says it")
        if data.source is not None and "batch_size" in self.search:
            self._check_batch_size()
        if "precision" in self.trainer and "precision" in self.study.model_fields_set:
            raise self.error("trainer.precision", "and study.precision say the same; leave one out")
        self._check_loggers()

    def _check_batch_size(self) -> None:
        for value in named_values(self.search["batch_size"]):
            if type(value) is not int or value < 1:
                raise self.error(
                    "search.batch_size", f"must be whole numbers >= 1 with a source, got {value!r}"
                )

    def _check_loggers(self) -> None:
        logger = self.trainer.get("logger", False)
        names = logger if isinstance(logger, list) else [logger]
        for name in names:
            if name not in LOGGERS and logger is not False:
                known = ", ".join(f'"{each}"' for each in LOGGERS)
                raise self.error("trainer.logger", f"must be false or of {known}, got {name!r}")
