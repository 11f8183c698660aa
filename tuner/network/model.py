"""What an `MLPConfig` means: `MLP`, a LightningModule of ordinary torch layers.

A hidden layer is linear -> batch normalization -> activation -> dropout. The linear part has
no bias where normalization follows, whose own shift would cancel it (S4). Dropout stands
after normalization and activation, so that within a layer it never moves the variance that
the running statistics hold (Li et al. 2018, arXiv:1801.05134).
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping
from importlib import metadata
from typing import Any, get_args

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT, OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional, init
from torchmetrics import MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy

from .config import Activation, MLPConfig, ModuleConfig, Task
from .normalization import GhostBatchNorm1d
from .schedules import PLATEAU_METRIC, plan

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class MLP(lightning.LightningModule):
    """A multi-layer perceptron that takes raw inputs and trains with any Lightning Trainer.

    The standardization of the inputs (and of the targets of a regression) is part of the
    module: buffers that `standardize` fills and the state dict carries.

    Logged metrics: `train_loss`, `val_loss`, `test_loss`, and for validation and test
    `accuracy` in a classification, `r2` and `rmse` in a regression. The loss is cross entropy
    (smoothed while training only) or the squared error of standardized targets; `rmse` is in
    the targets' own unit.

    Args:
        config: an `MLPConfig`, or its fields as a mapping.
        n_inputs: features of one row.
        n_outputs: classes, or targets of a regression.
        task: decides the loss and the metrics.

    Raises:
        ValueError: label smoothing in a regression, or an unknown task.

    >>> from tuner.network.config import MLPConfig
    >>> mlp = MLP(MLPConfig(depth=2, width=5), n_inputs=4, n_outputs=3)
    >>> mlp(torch.zeros(7, 4)).shape
    torch.Size([7, 3])
    """

    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        config: MLPConfig | Mapping[str, Any],
        n_inputs: int,
        n_outputs: int,
        task: Task = "classification",
    ) -> None:
        super().__init__()
        config = MLPConfig.model_validate(config)
        if task not in get_args(Task):
            raise ValueError(f"task must be one of {get_args(Task)}, got {task!r}")
        if task == "regression" and config.label_smoothing > 0:
            raise ValueError("label_smoothing must be 0 in a regression")
        sizes = {"n_inputs": n_inputs, "n_outputs": n_outputs, "task": task}
        # Left to find the frame itself, Lightning keeps it, and all callers' variables with it,
        # in a cycle.
        self.save_hyperparameters(
            {"config": config.model_dump(), **sizes}, logger=False, frame=inspect.currentframe()
        )
        self.config = config
        self.task: Task = task
        self.register_buffer("input_mean", torch.zeros(n_inputs))
        self.register_buffer("input_scale", torch.ones(n_inputs))
        self.register_buffer("target_mean", torch.zeros(n_outputs))
        self.register_buffer("target_scale", torch.ones(n_outputs))
        self.hidden = nn.Sequential(
            *[
                _hidden_layer(config, n_inputs if i == 0 else config.width)
                for i in range(config.depth)
            ]
        )
        self.output = nn.Linear(config.width if config.depth else n_inputs, n_outputs)
        self.metrics = nn.ModuleDict(
            {f"{stage}_metrics": _metrics(task, n_outputs) for stage in ("val", "test")}
        )
        self._loss_sum, self._rows = torch.zeros(()), 0
        self.reset_parameters()

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

    @torch.no_grad()
    def standardize(
        self, input_mean: Tensor, input_scale: Tensor, target_mean: Tensor, target_scale: Tensor
    ) -> None:
        """Sets what raw inputs, and raw targets of a regression, are standardized with.

        Args:
            input_mean: `(n_inputs,)`.
            input_scale: `(n_inputs,)`, not 0.
            target_mean: `(n_outputs,)`; 0 in a classification.
            target_scale: `(n_outputs,)`, not 0; 1 in a classification.
        """
        self.input_mean.copy_(input_mean)
        self.input_scale.copy_(input_scale)
        self.target_mean.copy_(target_mean)
        self.target_scale.copy_(target_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Predicts for raw rows.

        Args:
            x: `(batch, ...)` with `n_inputs` numbers in each row, in the unit of the data that
                the standardization was made from.

        Returns:
            `(batch, n_outputs)`: logits of the classes, or targets in their own unit.
        """
        return self._outputs(x) * self.target_scale + self.target_mean

    def _outputs(self, x: Tensor) -> Tensor:
        # (x - mean) / scale, in one pass over the rows.
        shift, factor = -self.input_mean / self.input_scale, self.input_scale.reciprocal()
        rows = torch.addcmul(shift, x.flatten(1).to(self.input_mean.dtype), factor)
        outputs: Tensor = self.output(self.hidden(rows))
        return outputs

    def loss(self, outputs: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Returns the mean loss of outputs `(batch, n_outputs)`: logits, or standardized."""
        if self.task == "classification":
            return functional.cross_entropy(outputs, y, label_smoothing=label_smoothing)
        targets = (y.to(outputs.dtype).view_as(outputs) - self.target_mean) / self.target_scale
        return functional.mse_loss(outputs, targets)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Returns the mean loss of a batch `(x, y)`."""
        x, y = batch
        return self.loss(self._outputs(x), y, self.config.label_smoothing)

    def on_train_epoch_start(self) -> None:
        """Forgets the losses of the epoch before."""
        self._loss_sum, self._rows = torch.zeros((), device=self.device), 0

    def on_train_batch_end(
        self, outputs: STEP_OUTPUT, batch: tuple[Tensor, Tensor], batch_idx: int
    ) -> None:
        """Adds the loss of a batch to the mean that is logged as `train_loss`."""
        assert isinstance(outputs, Mapping)
        n_rows = len(batch[1])
        # Logged once an epoch: a call of self.log costs as much as a small layer.
        self._loss_sum = self._loss_sum + outputs["loss"].detach() * n_rows
        self._rows += n_rows
        if self.trainer.is_last_batch:
            self.log("train_loss", self._loss_sum / self._rows, on_step=False, on_epoch=True)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Logs the metrics of a validation batch `(x, y)`."""
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Logs the metrics of a test batch `(x, y)`."""
        self._evaluate("test", batch)

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        outputs = self._outputs(x)
        self.log(f"{stage}_loss", self.loss(outputs, y), batch_size=len(y), prog_bar=True)
        if self.task == "regression":
            y = y.to(outputs.dtype).view_as(outputs)
        metrics = self.metrics[f"{stage}_metrics"]
        assert isinstance(metrics, nn.ModuleDict)
        for name, metric in metrics.items():
            assert isinstance(metric, Metric)
            match name:
                case "rmse":
                    metric.update(outputs * self.target_scale + self.target_mean, y)
                case "r2":  # torchmetrics takes targets of a small unit for constants
                    targets = (y - self.target_mean) / self.target_scale
                    metric.update(outputs.squeeze(1), targets.squeeze(1))
                case _:
                    metric.update(outputs, y)
            self.log(f"{stage}_{name}", metric, batch_size=len(y), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Makes the optimizer and, for the Trainer's number of epochs, the schedule.

        Weight matrices decay, biases and normalization do not.

        Raises:
            ValueError: the Trainer has no finite number of epochs.
        """
        epochs, steps = self.trainer.max_epochs, self.trainer.estimated_stepping_batches
        if epochs is None or epochs < 1 or steps == float("inf"):
            raise ValueError("a schedule needs Trainer(max_epochs=...), at least 1")
        optimizer = self.make_optimizer()
        schedule = plan(optimizer, self.config, epochs, max(1, round(steps / epochs)))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule.scheduler,
                "interval": schedule.interval,
                "monitor": PLATEAU_METRIC,
            },
        }

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

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips the gradient's norm as the config says, or as the Trainer says if it says nothing.

        Lightning refuses a limit of the Trainer's beside one of the config's.
        """
        if self.config.gradient_clipping is not None:
            self.clip_gradients(optimizer, self.config.gradient_clipping, "norm")
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)


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


def _metrics(task: Task, n_outputs: int) -> nn.ModuleDict:
    if task == "classification":
        accuracy = MulticlassAccuracy(n_outputs, average="micro", validate_args=False)
        return nn.ModuleDict({"accuracy": accuracy})
    return nn.ModuleDict(
        {
            "r2": R2Score(multioutput="uniform_average"),
            "rmse": MeanSquaredError(squared=False),
        }
    )


def scores(model: MLP, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Computes at once what a Trainer logs of a model for a whole part of the data.

    Args:
        model: decides the task and the targets' unit.
        outputs: `(rows, n_outputs)`, logits or standardized predictions.
        y: `(rows,)` classes, or targets in their own unit.

    Returns:
        `loss`, and `accuracy` or `r2` and `rmse`, each of shape ().
    """
    loss = model.loss(outputs, y)
    if model.task == "classification":
        return {"loss": loss, "accuracy": (outputs.argmax(1) == y).to(outputs.dtype).mean()}
    predictions = outputs * model.target_scale + model.target_mean
    targets = y.to(predictions.dtype).view_as(predictions)
    squares = (predictions - targets).square()
    residual, spread = squares.sum(0), (targets - targets.mean(0)).square().sum(0)
    # Of a column that is constant here, as scikit-learn has it: 1 if it is met, else 0.
    constant = torch.where(residual == 0, 1.0, 0 * residual)
    return {
        "loss": loss,
        "r2": torch.where(spread > 0, 1 - residual / spread, constant).mean(),
        "rmse": squares.mean().sqrt(),
    }


def to_checkpoint(model: MLP) -> bytes:
    """Returns a model as the bytes of a file that `MLP.load_from_checkpoint` reads."""
    return _packed(model, dict(model.hparams))


def module_to_checkpoint(module: lightning.LightningModule, config: ModuleConfig) -> bytes:
    """Returns a module as the bytes of a file that its `load_from_checkpoint` reads.

    Args:
        module: of the user's.
        config: that it was built from, which the file holds too.
    """
    return _packed(module, dict(config.values), config=config.to_json())


def _packed(module: nn.Module, parameters: dict[str, Any], **more: str) -> bytes:
    """Returns weights, and the arguments of a constructor, as the bytes of a checkpoint."""
    state = {
        name: value.cpu() if isinstance(value, Tensor) else value
        for name, value in module.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(
        {
            "state_dict": state,
            "hyper_parameters": parameters,
            "pytorch-lightning_version": metadata.version("lightning"),
            **more,
        },
        buffer,
    )
    return buffer.getvalue()


def n_parameters(module: nn.Module) -> int:
    """Counts the trainable numbers of a module."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad)
