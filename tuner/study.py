"""A study file, read and checked: `StudySpec` says what the user wrote, with the defaults."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from .complaints import first_error, requirement, unknown_key
from .config import MLPConfig, Precision, Task
from .domains import (
    Around,
    Choices,
    Domain,
    Fixed,
    Range,
    Scalar,
    SearchedRatio,
    SearchedValue,
    SearchedWidth,
    Section,
    named_values,
    worked_out,
)
from .errors import StudyFileError

Metric = Literal["val_accuracy", "val_loss", "val_r2", "val_rmse"]
Pruner = Literal["hyperband", "median", "none"]

_TASK_METRICS: dict[Task, tuple[Metric, ...]] = {
    "classification": ("val_accuracy", "val_loss"),
    "regression": ("val_loss", "val_r2", "val_rmse"),
}


class DataSpec(Section):
    """Where the rows come from and how they are split.

    Attributes:
        source: a name, `openml:<name>`, or an `.npz` file (relative to the study file).
        task: None lets the kind of the targets decide.
        validation: share of the rows that are not test rows.
        test: share of all rows, where the source has no test part of its own.
    """

    source: Annotated[str, Field(min_length=1)]
    task: Task | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2


class ObjectiveSpec(Section):
    """What is optimized, and the length of one full trial in epochs."""

    metric: Metric | None = None
    epochs: Annotated[int, Field(ge=1)] = 10


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
    pruner: Pruner = "hyperband"
    precision: Precision = "32-true"
    max_failures: Annotated[int, Field(ge=1)] = 5
    epoch_minutes: Annotated[float, Field(gt=0)] = 60.0


class SearchSection(Section):
    """The searched values, one domain for each field of `MLPConfig` but the epochs.

    A range of `learning_rate` is of base rates (AdamW at batch 128, see `tuner.space`); a
    plain value or a list is of the rates themselves.
    """

    depth: SearchedValue = Range(low=1, high=4)
    width: SearchedWidth = Around()
    activation: SearchedValue = Choices(values=("relu", "gelu", "silu"))
    batch_normalization: SearchedValue = Choices(values=(True, False))
    normalization_batch_size: SearchedValue = Fixed(value=None)
    dropout: SearchedValue = Range(low=0.0, high=0.5)
    label_smoothing: SearchedValue = Fixed(value=0.0)
    optimizer: SearchedValue = Choices(values=("adamw", "sgd"))
    learning_rate: SearchedValue = Range(low=1e-4, high=3e-2, log=True)
    momentum: SearchedValue = Fixed(value=0.9)
    weight_decay: SearchedValue = Range(low=1e-5, high=1e-1, log=True)
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
        """Returns the domain of each field, every `per_epoch` worked out for these epochs."""
        return {name: worked_out(getattr(self, name), epochs) for name in type(self).model_fields}


class StudySpec(Section):
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
    objective: ObjectiveSpec = ObjectiveSpec()
    budget: BudgetSpec = BudgetSpec()
    study: StudySection = StudySection()
    search: SearchSection = SearchSection()

    @property
    def domains(self) -> dict[str, Domain]:
        """The domain of each searched field of `MLPConfig`."""
        return self.search.domains(self.objective.epochs)

    def metric(self, task: Task) -> Metric:
        """Returns the metric to optimize: the one written, or the task's first.

        Raises:
            StudyFileError: the written one does not fit the task.
        """
        allowed = _TASK_METRICS[task]
        if self.objective.metric is None:
            return allowed[0]
        if self.objective.metric not in allowed:
            raise self.error(
                "objective.metric",
                f"must be one of {', '.join(allowed)} in a {task}, got {self.objective.metric!r}",
            )
        return self.objective.metric

    def error(self, key: str, message: str) -> StudyFileError:
        """Returns an error that names this file and the key."""
        return StudyFileError(f"{self.path}: {key} {message}")


def direction(metric: Metric) -> Literal["maximize", "minimize"]:
    """Says which way this metric is better."""
    return "maximize" if metric in ("val_accuracy", "val_r2") else "minimize"


def find_study(study: str | Path) -> Path:
    """Returns the file of a study: the path itself, or `studies/<name>.toml` here.

    Raises:
        StudyFileError: there is no such file.
    """
    path = Path(study)
    if path.suffix != ".toml":
        if path.name != str(study):
            raise StudyFileError(f"{study}: a study file must end in .toml")
        path = Path("studies") / f"{study}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in Path("studies").glob("*.toml"))
        near = difflib.get_close_matches(path.stem, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        there = f" (there are {', '.join(known)})" if known and not near else ""
        raise StudyFileError(f"{path}: no such study file{hint}{there}")
    return path


def load_study(study: str | Path) -> StudySpec:
    """Reads and checks a study file.

    Args:
        study: a path that ends in `.toml`, or the name of a file in `studies/`.

    Raises:
        StudyFileError: the file is missing, is not TOML, or a key in it is unknown or wrong;
            the message names the file and the key.
    """
    path = find_study(study)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", path.stem):
        raise StudyFileError(
            f"{path}: the name of a study is made of letters, digits, '_', '-' and '.'"
        )
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise StudyFileError(f"{path}: not UTF-8 text ({error})") from error
    except OSError as error:
        raise StudyFileError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{path}: not valid TOML: {error}") from error
    for key in ("name", "path", "text"):
        if key in raw:
            raise StudyFileError(f"{path}: {unknown_key(key, StudySpec)}")
    try:
        spec = StudySpec.model_validate({**raw, "name": path.stem, "path": path, "text": text})
    except ValidationError as error:
        raise StudyFileError(f"{path}: {first_error(error, StudySpec, raw)}") from error
    _check_values(spec)
    return spec


def _check_values(spec: StudySpec) -> None:
    """Checks every value that a domain can give against the field of `MLPConfig`.

    Raises:
        StudyFileError: a value, or an end of a range, is none that the field takes.
    """
    try:
        domains = spec.domains
    except ValidationError as error:  # values that were told per epoch can come out the same
        raise spec.error("search.final_ratio", requirement(error.errors()[0])) from error
    for name, domain in domains.items():
        key = f"search.{name}"
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


#: Fields that are names or switches, and fields that are whole numbers.
_NAMED = ("activation", "batch_normalization", "optimizer", "schedule")
_WHOLE = ("depth", "width", "normalization_batch_size", "batch_size", "drops")


def _is_positive(value: Scalar | None) -> bool:
    return isinstance(value, int | float) and value > 0


def _check_value(spec: StudySpec, key: str, name: str, value: Scalar | None) -> None:
    field = MLPConfig.model_fields[name]
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = Annotated[annotation, constraint]
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        raise spec.error(key, requirement(error.errors()[0])) from error
