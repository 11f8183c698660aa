"""What an `MLPConfig` means: ordinary torch layers, how they start, their loss and optimizer.

A hidden layer is linear -> batch normalization -> activation -> dropout. The linear part has
no bias where normalization follows, whose own shift would cancel it (S4). Dropout stands
after normalization and activation, so that within a layer it never moves the variance that
the running statistics hold (Li et al. 2018, arXiv:1801.05134).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional, init

from .config import Activation, Codes, MLPConfig, Task
from .embedding import CategoryEmbedding, PeriodicEmbedding
from .normalization import GhostBatchNorm1d

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


#: Inputs beyond it are clipped before they are smoothly, in numbers of half precision, too.
_FAR = 100.0


class Perceptron(nn.Module):
    """A multi-layer perceptron that takes raw inputs; `MLP` trains it with Lightning.

    The standardization of the inputs (and of the targets of a regression) is part of the
    module: buffers that `standardize` fills and the state dict carries.

    Args:
        config: an `MLPConfig`, or its fields as a mapping.
        n_inputs: features of one row.
        n_outputs: classes, or targets of a regression.
        task: decides the loss.
        numeric: which inputs are numbers, for a periodic embedding; None is all of them.
        categories: which inputs are numbers of categories, and how many numbers each has.

    Raises:
        ValueError: label smoothing or class weights in a regression, an unknown task, or an
            embedding of no number.

    >>> from tuner.network.config import MLPConfig
    >>> network = Perceptron(MLPConfig(depth=2, width=5), n_inputs=4, n_outputs=3)
    >>> network(torch.zeros(7, 4)).shape
    torch.Size([7, 3])
    """

    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor
    input_offset: Tensor | None
    input_unit: Tensor | None
    input_limit: Tensor | None
    class_weights: Tensor | None

    def __init__(
        self,
        config: MLPConfig | Mapping[str, Any],
        n_inputs: int,
        n_outputs: int,
        task: Task = "classification",
        numeric: Sequence[int] | None = None,
        categories: Codes = (),
    ) -> None:
        super().__init__()
        config = MLPConfig.model_validate(config)
        if task not in get_args(Task):
            raise ValueError(f"task must be one of {get_args(Task)}, got {task!r}")
        if task == "regression" and config.label_smoothing > 0:
            raise ValueError("label_smoothing must be 0 in a regression")
        if task == "regression" and config.class_weight != "none":
            raise ValueError("class_weight must be 'none' in a regression")
        self.config, self.n_inputs, self.n_outputs = config, n_inputs, n_outputs
        self.numeric = None if numeric is None else tuple(numeric)
        self.codes = tuple((int(index), int(n)) for index, n in categories)
        self.task: Task = task
        self.register_buffer("input_mean", torch.zeros(n_inputs))
        self.register_buffer("input_scale", torch.ones(n_inputs))
        self.register_buffer("target_mean", torch.zeros(n_outputs))
        self.register_buffer("target_scale", torch.ones(n_outputs))
        self.register_buffer("input_offset", None)
        self.register_buffer("input_unit", None)
        self.register_buffer("input_limit", None)
        self.register_buffer("class_weights", None)
        embedding = _embedding(config, n_inputs, self.numeric)
        fan_in = n_inputs if embedding is None else embedding.n_outputs
        vectors = CategoryEmbedding(fan_in, self.codes) if self.codes else None
        fan_in = fan_in if vectors is None else vectors.n_outputs
        self.hidden = nn.Sequential(
            *[
                _hidden_layer(config, fan_in if i == 0 else config.width)
                for i in range(config.depth)
            ]
        )
        self.output = nn.Linear(config.width if config.depth else fan_in, n_outputs)
        self.embedding, self.categories = embedding, vectors
        self.reset_parameters()

    @property
    def arguments(self) -> dict[str, Any]:
        """What makes a network like this one, as plain values."""
        sizes = {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs, "task": self.task}
        numeric = {} if self.numeric is None else {"numeric": list(self.numeric)}
        codes = {"categories": [list(each) for each in self.codes]} if self.codes else {}
        return {"config": self.config.model_dump(), **sizes, **numeric, **codes}

    def reset_parameters(self) -> None:
        """Draws initial weights that fit the activation, from torch's global generator.

        He's for relu, gelu, silu and mish, LeCun's for selu and the output layer, Glorot's for
        tanh and sigmoid (He et al. 2015, Klambauer et al. 2017, Glorot and Bengio 2010).
        Biases start at 0.
        """
        for module in self.hidden.modules():
            if isinstance(module, nn.Linear):
                _initialize(module, self.config.activation)
        _initialize(self.output, "selu")
        for embedding in (self.embedding, self.categories):
            if embedding is not None:
                embedding.reset_parameters()

    @torch.no_grad()
    def standardize(
        self, input_mean: Tensor, input_scale: Tensor, target_mean: Tensor, target_scale: Tensor
    ) -> None:
        """Sets what raw inputs, and raw targets of a regression, are standardized with.

        Args:
            input_mean: `(n_inputs,)`.
            input_scale: `(n_inputs,)`, not 0; an input of infinite scale never moves.
            target_mean: `(n_outputs,)`; 0 in a classification.
            target_scale: `(n_outputs,)`, not 0; 1 in a classification.
        """
        self.input_mean.copy_(input_mean)
        self.input_scale.copy_(input_scale)
        self.target_mean.copy_(target_mean)
        self.target_scale.copy_(target_scale)

    def measure(self, offset: np.ndarray[Any, Any], unit: np.ndarray[Any, Any]) -> None:
        """Has raw inputs measured before they are standardized, as float32 cannot hold them.

        Args:
            offset: `(n_inputs,)` float64 or int64, which is measured from.
            unit: `(n_inputs,)` float64, not 0.
        """
        device = self.input_mean.device
        self.input_offset = torch.from_numpy(offset.copy()).to(device)
        self.input_unit = torch.from_numpy(unit.copy()).to(device)

    def limit(self, limit: Tensor) -> None:
        """Has standardized inputs smoothly clipped, and gaps (NaN) put at the middle.

        Args:
            limit: `(n_inputs,)`, that they tend to, above 0; see `smoothly_clipped`.
        """
        self.input_limit = limit.to(self.input_mean)

    def know(self, codes: Tensor) -> None:
        """Sets which numbers of categories stand for themselves.

        Args:
            codes: `(codes,)`, one input after the other: itself, or 0 for the shared vector.
        """
        assert self.categories is not None
        self.categories.codes.copy_(codes)

    def weigh(self, class_weights: Tensor) -> None:
        """Sets what rows of each class weigh in the loss while training, if the config says so.

        Args:
            class_weights: `(n_outputs,)`, at least 0.
        """
        if self.config.class_weight == "balanced":
            self.class_weights = class_weights.to(self.input_mean)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Which are there only where they are needed.
        for name in ("input_offset", "input_unit", "input_limit", "class_weights"):
            stored = state_dict.get(prefix + name)
            own = self.input_mean.device
            setattr(self, name, None if stored is None else torch.empty_like(stored, device=own))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """Predicts for raw rows.

        Args:
            x: `(batch, ...)` with `n_inputs` numbers in each row, in the unit of the data that
                the standardization was made from, and in numbers that tell the rows apart.

        Returns:
            `(batch, n_outputs)`: logits of the classes, or targets in their own unit.
        """
        return self.outputs(x) * self.target_scale + self.target_mean

    def outputs(self, x: Tensor) -> Tensor:
        """Returns what the loss takes: logits, or standardized predictions, of raw rows."""
        x = x.flatten(1)
        if self.input_offset is not None and self.input_unit is not None:
            x = (x.double() if x.is_floating_point() else x) - self.input_offset
            x = x / self.input_unit
        # (x - mean) / scale, in one pass over the rows.
        shift, factor = -self.input_mean / self.input_scale, self.input_scale.reciprocal()
        rows = torch.addcmul(shift, x.to(self.input_mean.dtype), factor)
        if self.input_limit is not None:
            rows = smoothly_clipped(rows, self.input_limit)
        return self.of_standardized(rows)

    def of_standardized(self, rows: Tensor) -> Tensor:
        """Returns what `outputs` does, of inputs `(rows, n_inputs)` as they are standardized."""
        embedded = rows if self.embedding is None else self.embedding(rows)
        if self.categories is not None:
            embedded = self.categories(embedded)
        outputs: Tensor = self.output(self.hidden(embedded))
        return outputs

    def loss(
        self,
        outputs: Tensor,
        y: Tensor,
        label_smoothing: float = 0.0,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Returns the mean loss of outputs.

        Args:
            outputs: `(batch, n_outputs)`, logits, or standardized.
            y: `(batch,)` classes, or targets in their own unit.
            label_smoothing: share of each target spread over all classes.
            weights: `(batch,)`, that the losses of rows are multiplied with.
        """
        how = "mean" if weights is None else "none"
        if self.task == "classification":
            losses = functional.cross_entropy(
                outputs, y, label_smoothing=label_smoothing, reduction=how
            )
            return losses if weights is None else (losses * weights).mean()
        losses = functional.mse_loss(outputs, self.standardized(y, outputs), reduction=how)
        return losses if weights is None else (losses * weights.unsqueeze(1)).mean()

    def standardized(self, y: Tensor, outputs: Tensor) -> Tensor:
        """Returns targets of a regression as the outputs are, `(batch, n_outputs)`."""
        return (y.to(outputs.dtype).view_as(outputs) - self.target_mean) / self.target_scale

    def training_loss(self, outputs: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns what is minimized: as `loss`, smoothed and weighed as the config says."""
        if self.class_weights is not None:
            of_class = self.class_weights[y]
            weights = of_class if weights is None else weights * of_class
        return self.loss(outputs, y, self.config.label_smoothing, weights)

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Makes the optimizer, at the initial rate."""
        config = self.config
        decayed = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        if config.optimizer == "sgd":
            return torch.optim.SGD(
                groups, lr=config.learning_rate, momentum=config.momentum, fused=True
            )
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def smoothly_clipped(rows: Tensor, limit: Tensor) -> Tensor:
    """Returns `x / sqrt(1 + (x / limit)^2)`, and 0 for what is missing (NaN).

    It hardly changes what is near 0, and tends to the limit, so that no outlier is far from the
    others (Holzmueller et al. 2024, arXiv:2407.04491, section 3.1).

    Args:
        rows: `(rows, n_inputs)`, standardized.
        limit: of shape (), or `(n_inputs,)`, above 0; infinite where inputs stay as they are.
    """
    far = limit.where(limit.isinf(), _FAR)  # whose squares are numbers
    rows = rows.nan_to_num(0.0).clamp(-far, far)
    return rows * (1 + (rows / limit).square()).rsqrt()


def _embedding(
    config: MLPConfig, n_inputs: int, numeric: tuple[int, ...] | None
) -> PeriodicEmbedding | None:
    if config.numeric_embedding == "none":
        return None
    if numeric == ():
        raise ValueError("a periodic embedding needs inputs that are numbers, and there are none")
    return PeriodicEmbedding(n_inputs, range(n_inputs) if numeric is None else numeric)


def _hidden_layer(config: MLPConfig, n_inputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Linear(n_inputs, config.width, bias=not config.batch_normalization)
    ]
    if config.batch_normalization:
        size = config.normalization_batch_size
        layers.append(
            nn.BatchNorm1d(config.width) if size is None else GhostBatchNorm1d(config.width, size)
        )
    layers.append(ACTIVATIONS[config.activation]())
    if config.dropout > 0:
        layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers)


def _initialize(linear: nn.Linear, activation: Activation) -> None:
    match activation:
        case "tanh" | "sigmoid":
            init.xavier_uniform_(linear.weight, init.calculate_gain(activation))
        case "selu":
            init.kaiming_normal_(linear.weight, nonlinearity="linear")
        case _:
            init.kaiming_uniform_(linear.weight, nonlinearity="relu")
    if linear.bias is not None:
        init.zeros_(linear.bias)
