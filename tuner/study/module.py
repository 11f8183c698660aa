"""The study file of a LightningModule of the user's."""

from __future__ import annotations

import keyword
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ..network.config import Scalar, Task
from .base import DataSpec, Direction, ObjectiveSpec, StudySpec
from .domains import NamedValue, Range, Section, named_values

#: Loggers that `trainer.logger` may name.
LOGGERS = ("csv", "tensorboard")


class ModelSpec(Section):
    """The network: `module` is a LightningModule class, as `package.module:Class`."""

    module: Annotated[str, Field(min_length=1)]


class ModuleDataSpec(DataSpec):
    """Rows of a source, or `module`: a LightningDataModule class, as `package.module:Class`."""

    module: Annotated[str, Field(min_length=1)] | None = None


def _one_metric(raw: object) -> object:
    if isinstance(raw, list | tuple):
        raise ValueError(f"must be one metric: fronts of sizes are of MLPs, got {list(raw)}")
    return raw


class ModuleObjectiveSpec(ObjectiveSpec):
    """What is optimized: any metric that the module logs."""

    metric: Annotated[str, BeforeValidator(_one_metric), Field(min_length=1)]
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
            parts = name.split(".")
            if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
                raise self.error(f"search.{name}", "must be the name of an argument")
        if "epochs" in self.search:
            raise self.error("search.epochs", "is not searched: objective.epochs says it")
        self._check_conditions()
        if data.source is not None and "batch_size" in self.search:
            self._check_batch_size()
        if "precision" in self.trainer and "precision" in self.study.model_fields_set:
            raise self.error("trainer.precision", "and study.precision say the same; leave one out")
        self._check_loggers()

    @property
    def conditions(self) -> dict[str, dict[str, Scalar]]:
        """Of each name that has them, values of others without which it is not drawn."""
        found = {name: getattr(domain, "when", None) for name, domain in self.search.items()}
        return {name: when for name, when in found.items() if when}

    def _check_conditions(self) -> None:
        graph = {name: set(when) for name, when in self.conditions.items()}
        for name, when in self.conditions.items():
            for other, value in when.items():
                key = f"search.{name}.when.{other}"
                if other not in self.search:
                    raise self.error(key, "is not searched")
                domain = self.search[other]
                if isinstance(domain, Range) or value not in named_values(domain):
                    raise self.error(key, f"is never {value!r}: search.{other} names no such value")
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            name = error.args[1][0]
            raise self.error(f"search.{name}.when", "depends on itself") from error

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
