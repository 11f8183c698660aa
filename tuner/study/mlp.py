"""The study file of multi-layer perceptrons."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ..network.config import MLPConfig, Scalar, Task
from .base import DataSpec, Direction, ObjectiveSpec, StudySpec
from .complaints import requirement
from .domains import (
    Around,
    Choices,
    Domain,
    Fixed,
    Range,
    SearchedRatio,
    SearchedValue,
    SearchedWidth,
    Section,
    named_values,
    worked_out,
)

Metric = Literal[
    "val_accuracy",
    "val_loss",
    "val_balanced_accuracy",
    "val_f1",
    "val_roc_auc",
    "val_log_loss",
    "val_brier",
    "val_r2",
    "val_rmse",
    "val_mae",
    "val_median_absolute_error",
]

#: The metrics of each task, the first one first, and which way each is better.
_METRICS: dict[Task, dict[Metric, Direction]] = {
    "classification": {
        "val_accuracy": "maximize",
        "val_loss": "minimize",
        "val_balanced_accuracy": "maximize",
        "val_f1": "maximize",
        "val_roc_auc": "maximize",
        "val_log_loss": "minimize",
        "val_brier": "minimize",
    },
    "regression": {
        "val_loss": "minimize",
        "val_r2": "maximize",
        "val_rmse": "minimize",
        "val_mae": "minimize",
        "val_median_absolute_error": "minimize",
    },
}
#: Samplers and pruners that know one goal alone.
_OF_ONE_GOAL = {"sampler": ("cmaes",), "pruner": ("hyperband", "median")}
#: Those that every training logs.
_USUAL = ("val_accuracy", "val_loss", "val_r2", "val_rmse")


class RowsSpec(DataSpec):
    """Rows of a source."""

    source: Annotated[str, Field(min_length=1)]


#: The goal that a study may have beside its metric.
SIZE = "n_parameters"


def _goals(raw: object) -> object:
    """Takes a list for a tuple, if it names a metric and the size."""
    if not isinstance(raw, list | tuple):
        return raw
    if len(raw) != 2 or raw[0] not in get_args(Metric) or raw[1] != SIZE:
        raise ValueError(f'must be a metric, or a metric and "{SIZE}", got {list(raw)}')
    return tuple(raw)


class MLPObjectiveSpec(ObjectiveSpec):
    """What is optimized.

    Attributes:
        metric: None is the task's first one. `(metric, "n_parameters")` also looks for small
            networks that are good for their size (see `tuner.front`).
    """

    metric: Annotated[
        Metric | tuple[Metric, Literal["n_parameters"]] | None, BeforeValidator(_goals)
    ] = None

    @property
    def score(self) -> Metric | None:
        """The metric that is written."""
        return self.metric[0] if isinstance(self.metric, tuple) else self.metric

    @property
    def finds_sizes(self) -> bool:
        """Whether small networks are a goal of their own."""
        return isinstance(self.metric, tuple)


class SearchSection(Section):
    """The searched values, one domain for each field of `MLPConfig` but the epochs.

    A range of `learning_rate` is of base rates (AdamW at batch 128), a range of `weight_decay` of
    total decays, which mean the same for every optimizer, rate and length (see `tuner.space`); a
    plain value or a list is of the numbers themselves. `numeric_embedding` of None is searched
    where that fits the data (see `tuner.space`), `class_weight` of None is "none".
    """

    depth: SearchedValue = Range(low=1, high=4)
    width: SearchedWidth = Around()
    numeric_embedding: SearchedValue | None = None
    activation: SearchedValue = Choices(values=("relu", "gelu", "silu"))
    batch_normalization: SearchedValue = Choices(values=(True, False))
    normalization_batch_size: SearchedValue = Fixed(value=None)
    dropout: SearchedValue = Range(low=0.0, high=0.5)
    label_smoothing: SearchedValue = Fixed(value=0.0)
    class_weight: SearchedValue | None = None
    optimizer: SearchedValue = Choices(values=("adamw", "sgd"))
    learning_rate: SearchedValue = Range(low=1e-4, high=3e-2, log=True)
    momentum: SearchedValue = Fixed(value=0.9)
    weight_decay: SearchedValue = Range(low=1e-3, high=10.0, log=True)
    gradient_clipping: SearchedValue = Fixed(value=None)
    batch_size: SearchedValue = Choices(values=(32, 64, 128))
    schedule: SearchedValue = Choices(
        values=(
            "constant",
            "lambda",
            "step",
            "multistep",
            "exponential",
            "plateau",
            "cosine",
            "onecycle",
        )
    )
    final_ratio: SearchedRatio = Range(low=1e-3, high=1.0, log=True)
    warmup: SearchedValue = Fixed(value=0.0)
    drops: SearchedValue = Fixed(value=3)
    patience: SearchedValue = Fixed(value=0.2)

    def domains(self, epochs: int) -> dict[str, Domain]:
        """Returns the domain of each field that has one, with `per_epoch` for these epochs."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: worked_out(each, epochs) for name, each in found.items() if each is not None}


class MLPStudySpec(StudySpec):
    """A study of multi-layer perceptrons."""

    data: RowsSpec
    objective: MLPObjectiveSpec = MLPObjectiveSpec()
    search: SearchSection = SearchSection()

    def domains(self, epochs: int) -> dict[str, Domain]:
        """Returns the domain of each field of `MLPConfig`, for trials of so many epochs.

        Those of `numeric_embedding` and `class_weight` are left out where the file does not name
        them.
        """
        return self.search.domains(epochs)

    def metric(self, task: Task | None, *, is_balanced: bool = True) -> Metric:
        """Returns the metric to optimize: the one written, or the task's first.

        Args:
            task: that the data are for.
            is_balanced: no class is so rare that an accuracy hardly sees it; else the loss is
                optimized, unless another metric is written.

        Raises:
            StudyFileError: the written one does not fit the task.
        """
        assert task is not None
        allowed = _METRICS[task]
        written = self.objective.score
        if written is None:
            return next(iter(allowed)) if is_balanced else "val_loss"
        if written not in allowed:
            raise self.error(
                "objective.metric",
                f"must be one of {', '.join(allowed)} in a {task}, got {written!r}",
            )
        return written

    def direction(self, metric: str) -> Direction:
        """Says which way this metric is better."""
        return direction(cast(Metric, metric))

    def check(self) -> None:
        """Checks every value that a domain can give against the field of `MLPConfig`.

        Raises:
            StudyFileError: a value, or an end of a range, is none that the field takes; or there
                are two goals, and who draws or ends trials knows one, or nothing is confirmed.
        """
        _check_values(self)
        for key, known in _OF_ONE_GOAL.items() if self.objective.finds_sizes else ():
            name = getattr(self.study, key)
            if name in known:
                raise self.error(
                    f"study.{key}", f'must not be {name!r} with "{SIZE}": it knows one goal alone'
                )
        if self.objective.finds_sizes and not self.confirm.seeds:
            raise self.error("confirm.seeds", f'must be at least 2 with "{SIZE}", got 0')


def extra_metric(metric: str) -> str:
    """Returns the name of a metric that not every network is scored by; "" of another one."""
    return "" if metric in _USUAL else metric.removeprefix("val_")


def direction(metric: Metric) -> Direction:
    """Says which way this metric is better."""
    return next(of_task[metric] for of_task in _METRICS.values() if metric in of_task)


def _check_values(spec: MLPStudySpec) -> None:
    """Checks every value that a domain can give against the field of `MLPConfig`.

    Raises:
        StudyFileError: a value, or an end of a range, is none that the field takes.
    """
    try:
        domains = spec.domains(spec.objective.epochs or _SOME_EPOCHS)
    except ValidationError as error:  # values that were told per epoch can come out the same
        raise spec.error("search.final_ratio", requirement(error.errors()[0])) from error
    for name, domain in domains.items():
        key = f"search.{name}"
        if getattr(domain, "when", None) is not None:
            raise spec.error(f"{key}.when", "belongs to a study with a [model]")
        match domain:
            case Fixed(value=value):
                _check_value(spec, key, name, value)
            case Choices(values=values):
                for index, value in enumerate(values):
                    _check_value(spec, f"{key}[{index}]", name, value)
            case Range(low=low, high=high):
                if name == "width" and "log" in domain.model_fields_set and not domain.log:
                    raise spec.error(f"{key}.log", "must be true: widths are searched as ratios")
                if name in _NAMED:
                    raise spec.error(key, f"takes a value or a list, got the range {low} to {high}")
                for end, number in (("low", low), ("high", high)):
                    whole = int(number) if name in _WHOLE and number == int(number) else number
                    _check_value(spec, f"{key}.{end}", name, whole)
    schedules, warmup = domains["schedule"], domains["warmup"]
    if "plateau" in named_values(schedules) and any(
        _is_positive(value) for value in named_values(warmup)
    ):
        raise spec.error(
            "search.warmup",
            'must be 0 while search.schedule has "plateau", which torch cannot warm up',
        )


#: Epochs to check a file with that leaves them out.
_SOME_EPOCHS = 10
#: Fields that are names or switches, and fields that are whole numbers.
_NAMED = (
    "numeric_embedding",
    "activation",
    "batch_normalization",
    "class_weight",
    "optimizer",
    "schedule",
)
_WHOLE = ("depth", "width", "normalization_batch_size", "batch_size", "drops")


def _is_positive(value: Scalar | None) -> bool:
    return isinstance(value, int | float) and value > 0


def _check_value(spec: MLPStudySpec, key: str, name: str, value: Scalar | None) -> None:
    field = MLPConfig.model_fields[name]
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = Annotated[annotation, constraint]
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        raise spec.error(key, requirement(error.errors()[0])) from error
