"""`MLP`: the perceptron of a config as a LightningModule, which any Trainer can train."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT, OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy

from .config import MLPConfig, Task
from .perceptron import Perceptron
from .schedules import PLATEAU_METRIC, plan


class MLP(Perceptron, lightning.LightningModule):
    """A multi-layer perceptron that takes raw inputs and trains with any Lightning Trainer.

    Logged metrics: `train_loss`, `val_loss`, `test_loss`, and for validation and test
    `accuracy` in a classification, `r2` and `rmse` in a regression. The loss is cross entropy
    (smoothed while training only) or the squared error of standardized targets; `rmse` is in
    the targets' own unit.

    Args:
        config: an `MLPConfig`, or its fields as a mapping.
        n_inputs: features of one row.
        n_outputs: classes, or targets of a regression.
        task: decides the loss and the metrics.
        numeric: which inputs are numbers, for a periodic embedding; None is all of them.

    Raises:
        ValueError: label smoothing in a regression, an unknown task, or an embedding of no number.

    >>> from tuner.network.config import MLPConfig
    >>> mlp = MLP(MLPConfig(depth=2, width=5), n_inputs=4, n_outputs=3)
    >>> mlp(torch.zeros(7, 4)).shape
    torch.Size([7, 3])
    """

    def __init__(
        self,
        config: MLPConfig | Mapping[str, Any],
        n_inputs: int,
        n_outputs: int,
        task: Task = "classification",
        numeric: Sequence[int] | None = None,
    ) -> None:
        super().__init__(config, n_inputs, n_outputs, task, numeric)
        # Left to find the frame itself, Lightning keeps it, and all callers' variables with it,
        # in a cycle.
        self.save_hyperparameters(self.arguments, logger=False, frame=inspect.currentframe())
        self.metrics = nn.ModuleDict(
            {f"{stage}_metrics": _metrics(task, n_outputs) for stage in ("val", "test")}
        )
        self._loss_sum, self._rows = torch.zeros(()), 0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Returns the mean loss of a batch `(x, y)`."""
        x, y = batch
        return self.loss(self.outputs(x), y, self.config.label_smoothing)

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
        outputs = self.outputs(x)
        self.log(f"{stage}_loss", self.loss(outputs, y), batch_size=len(y), prog_bar=True)
        if self.task == "regression":
            y = y.to(outputs.dtype).view_as(outputs)
        metrics = self.metrics[f"{stage}_metrics"]
        assert isinstance(metrics, nn.ModuleDict)
        for name, metric in metrics.items():
            assert isinstance(metric, Metric)
            match name:
                case "rmse":
                    assert isinstance(metric, _RootMeanSquaredError)
                    metric.unit = self.target_scale.max()
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


def _metrics(task: Task, n_outputs: int) -> nn.ModuleDict:
    if task == "classification":
        accuracy = MulticlassAccuracy(n_outputs, average="micro", validate_args=False)
        return nn.ModuleDict({"accuracy": accuracy})
    return nn.ModuleDict(
        {
            "r2": R2Score(multioutput="uniform_average"),
            "rmse": _RootMeanSquaredError(),
        }
    )


class _RootMeanSquaredError(MeanSquaredError):
    """As torchmetrics has it, of numbers whose squares need not be numbers.

    Attributes:
        unit: of the order of the targets' deviation, of shape ().
    """

    def __init__(self) -> None:
        super().__init__(squared=False)
        self.unit = torch.ones(())

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Adds predictions and targets, each `(rows, n_outputs)`."""
        super().update(preds / self.unit, target / self.unit)

    def compute(self) -> Tensor:
        """Returns the error in the targets' own unit, of shape ()."""
        return super().compute() * self.unit
