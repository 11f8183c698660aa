"""What a network is made from: `MLPConfig`, or `ModuleConfig` for a class of the user's.

`DataFacts` are the sizes that an MLP is made for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from ..system.imports import class_named
from .nested import arguments

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule

#: Module that says what an `MLPConfig` means; only `build` needs it, and torch with it.
_MODEL = ".model"

Scalar = bool | int | float | str
Task = Literal["classification", "regression"]
Activation = Literal["relu", "gelu", "silu", "mish", "selu", "tanh", "sigmoid"]
Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["adamw", "sgd"]
NumericEmbedding = Literal["none", "periodic"]
ClassWeight = Literal["none", "balanced"]
#: Frequencies of each number of a periodic embedding, and numbers that it becomes beside itself.
N_FREQUENCIES, N_ADDED = 16, 3
#: Numbers that a category becomes whose vector is learned.
N_EMBEDDED = 8
#: Which inputs are numbers of categories, and how many numbers each has.
Codes = Sequence[tuple[int, int]]
Schedule = Literal[
    "constant", "lambda", "step", "multistep", "exponential", "plateau", "cosine", "onecycle"
]


def decay_ratio(per_epoch: float, epochs: int) -> float:
    """Returns final over initial rate after so many epochs of `rate * per_epoch ** epoch`.

    Never 0, which so many epochs can round it to: a `final_ratio` is greater.
    """
    return max(float(per_epoch**epochs), sys.float_info.min)


class DataFacts(BaseModel):
    """The sizes of a data set that the rules of thumb speak of.

    Attributes:
        n_inputs: features of one row, at least 1.
        n_outputs: classes, or targets of a regression, at least 1.
        n_rows: rows that a network trains on (validation and test rows left out).
        task: what is learned.
        numeric: which inputs are numbers that a network can embed; None is all of them.
        categories: which inputs are numbers of categories, whose vectors a network learns, and how
            many numbers each has, from 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_inputs: Annotated[int, Field(ge=1)]
    n_outputs: Annotated[int, Field(ge=1)]
    n_rows: Annotated[int, Field(ge=1)]
    task: Task = "classification"
    numeric: tuple[int, ...] | None = None
    categories: tuple[tuple[int, int], ...] = ()

    @property
    def n_numeric(self) -> int:
        """How many inputs are numbers that a network can embed."""
        return self.n_inputs if self.numeric is None else len(self.numeric)


class Extra(BaseModel):
    """A metric that networks are scored by beside the usual ones of their task; see `metrics`.

    Attributes:
        name: of the metric.
        task: that it is for.
        rarer: of two classes, the one that there is less of; None of more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: Task
    rarer: int | None = None


class MLPConfig(BaseModel):
    """All that a multi-layer perceptron needs besides `DataFacts`; frozen and validated.

    Attributes:
        depth: hidden layers, 0 to 8; 0 is a linear model.
        width: units of each hidden layer.
        numeric_embedding: "periodic" appends to the inputs what each number among them becomes, see
            `embedding`.
        activation: after each hidden layer (and its batch normalization).
        batch_normalization: between each hidden linear layer and its activation; such a
            linear layer has no bias (S4).
        normalization_batch_size: samples that share a mean and a variance while training
            (ghost batch normalization, S10); None, or a number from the batch size up, is
            the whole batch.
        dropout: probability in [0, 1), after the activation of every hidden layer.
        label_smoothing: share in [0, 1) of each target spread over all classes;
            classification only.
        class_weight: "balanced" weighs the rows of a class in the loss by the inverse of how many
            training rows it has, the mean weight being 1; classification only.
        optimizer: AdamW, or SGD with momentum.
        learning_rate: of this batch size, before the schedule; greater than 0.
        momentum: of SGD, in [0, 1).
        weight_decay: of the weight matrices; biases and normalization are left out.
        gradient_clipping: largest norm of the gradient, or None.
        batch_size: rows of one optimizer step.
        epochs: passes over the training rows; the horizon of the schedule.
        schedule: how the learning rate goes over the epochs, see `schedules`.
        final_ratio: final over initial learning rate, in (0, 1]; the same meaning for
            every schedule.
        warmup: share of the training in [0, 0.5] over which the rate climbs first. For
            onecycle it is OneCycleLR's `pct_start`, with torch's own 0.3 for 0. Plateau
            allows none (torch's SequentialLR rejects it).
        drops: number of drops of step and multistep.
        patience: bad epochs that plateau waits for, as a share of all epochs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    depth: Annotated[int, Field(ge=0, le=8)] = 2
    width: Annotated[int, Field(ge=1)] = 256
    numeric_embedding: NumericEmbedding = "none"
    activation: Activation = "relu"
    batch_normalization: bool = True
    normalization_batch_size: Annotated[int, Field(ge=2)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weight: ClassWeight = "none"
    optimizer: Optimizer = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    gradient_clipping: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 64
    epochs: Annotated[int, Field(ge=1)] = 10
    schedule: Schedule = "cosine"
    final_ratio: Annotated[float, Field(gt=0, le=1)] = 0.01
    warmup: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    drops: Annotated[int, Field(ge=1)] = 3
    patience: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _plateau_has_no_warmup(self) -> Self:
        if self.schedule == "plateau" and self.warmup > 0:
            raise ValueError("warmup must be 0 with the plateau schedule")
        return self

    def to_json(self) -> str:
        """Returns this config as a JSON object.

        What came after the first version is left out where it is as it was before, so that what was
        kept by the text of a config is found again.
        """
        later = {name for name, usual in _LATER.items() if getattr(self, name) == usual}
        return self.model_dump_json(exclude=later)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the config that `to_json` wrote.

        Raises:
            pydantic.ValidationError: the text is no valid config.
        """
        return cls.model_validate_json(text)

    def flat(self) -> dict[str, Scalar | None]:
        """Returns each value by its name."""
        return self.model_dump()

    def n_parameters(
        self,
        n_inputs: int,
        n_outputs: int,
        n_numeric: int | None = None,
        categories: Codes = (),
    ) -> int:
        """Counts the trainable numbers of `build(n_inputs, n_outputs)`.

        Args:
            n_inputs: features of one row.
            n_outputs: classes, or targets of a regression.
            n_numeric: inputs that are numbers; None is all of them.
            categories: as `DataFacts` has them.
        """
        total = N_EMBEDDED * sum(n for _, n in categories)
        fan_in = n_inputs + (N_EMBEDDED - 1) * len(categories)
        if self.numeric_embedding == "periodic":
            n_numeric = n_inputs if n_numeric is None else n_numeric
            total += n_numeric * (2 * N_FREQUENCIES + (N_FREQUENCIES + 1) * N_ADDED)
            fan_in += n_numeric * N_ADDED
        for _ in range(self.depth):
            total += fan_in * self.width
            total += 2 * self.width if self.batch_normalization else self.width
            fan_in = self.width
        return total + fan_in * n_outputs + n_outputs

    def size(self, facts: DataFacts) -> int:
        """Counts the trainable numbers of the network for data of these sizes."""
        return self.n_parameters(facts.n_inputs, facts.n_outputs, facts.n_numeric, facts.categories)

    def build(
        self,
        n_inputs: int,
        n_outputs: int,
        task: Task = "classification",
        numeric: Sequence[int] | None = None,
        categories: Codes = (),
    ) -> LightningModule:
        """Makes the network, an `MLP`, which a plain `lightning.Trainer` trains.

        Args:
            n_inputs: features of one row.
            n_outputs: classes, or targets of a regression.
            task: decides the loss and the metrics.
            numeric: which inputs are numbers, for a periodic embedding; None is all of them.
            categories: which inputs are numbers of categories, and how many numbers each has.

        Raises:
            ValueError: label smoothing or class weights in a regression, or an embedding of no
                number.
        """
        made: LightningModule = import_module(_MODEL, __package__).MLP(
            self, n_inputs, n_outputs, task, numeric, categories
        )
        return made


#: Fields that came after the first version, and what was there before.
_LATER: dict[str, Scalar] = {"numeric_embedding": "none", "class_weight": "none"}


class ModuleConfig(BaseModel):
    """All that a LightningModule of the user's, and its data, are made with; frozen.

    Attributes:
        module: the class, as `package.module:Class`.
        values: arguments of its constructor.
        data_module: the LightningDataModule class; None where the rows are those of a source.
        data_values: arguments of its constructor; of the rows of a source, `batch_size`.
        epochs: passes over the training rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    module: str
    values: Mapping[str, Scalar] = {}
    data_module: str | None = None
    data_values: Mapping[str, Scalar] = {}
    epochs: Annotated[int, Field(ge=1)] = 10

    def to_json(self) -> str:
        """Returns this config as a JSON object."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the config that `to_json` wrote.

        Raises:
            pydantic.ValidationError: the text is no valid config.
        """
        return cls.model_validate_json(text)

    def flat(self) -> dict[str, Scalar | None]:
        """Returns each argument by its name, those of the module before those of the data."""
        return {**self.values, **self.data_values, **self.values}

    def build(self) -> LightningModule:
        """Imports the class, which runs its file, and makes the network.

        Raises:
            InputError: the class cannot be imported.
            Exception: whatever its constructor raises.
        """
        made: LightningModule = _made(self.module, self.values)
        return made

    def build_data(self) -> LightningDataModule:
        """Imports the class of the data, which runs its file, and makes them.

        Raises:
            ValueError: the rows are those of a source.
            InputError: the class cannot be imported.
            Exception: whatever its constructor raises.
        """
        if self.data_module is None:
            raise ValueError("the rows are those of a source, which tuner.data.load reads")
        made: LightningDataModule = _made(self.data_module, self.data_values)
        return made


def _made(name: str, values: Mapping[str, Scalar]) -> Any:
    """Makes an object of a class that is named, with arguments of which some may have fields."""
    made = class_named(name)
    if any("." in each for each in values):
        return made(**arguments(made, values))
    return made(**values)


Config = MLPConfig | ModuleConfig

_ANY_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


def config_from_json(text: str) -> Config:
    """Returns the config of either kind that `to_json` wrote; a `module` tells them apart.

    Raises:
        pydantic.ValidationError: the text is no valid config.
    """
    return _ANY_CONFIG.validate_json(text)
