"""`MLP`: the perceptron of a config as a LightningModule, which any Trainer can train."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT, OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from .config import Codes, Extra, MLPConfig, Task
from .perceptron import Perceptron
from .schedules import PLATEAU_METRIC, plan
from .scores import scores

#: Numbers too short to count rows with.
_HALVES = (torch.bfloat16, torch.float16)
#: Inputs and targets, and what the rows weigh if they are not all alike.
Batch = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]


class MLP(Perceptron, lightning.LightningModule):
    """A multi-layer perceptron that takes raw inputs and trains with any Lightning Trainer.

    Logged metrics: `train_loss`, `val_loss`, `test_loss`, and for validation and test
    `accuracy` in a classification, `r2` and `rmse` in a regression, and the `extra` one. The loss
    is cross entropy (smoothed, and weighed by class, while training only) or the squared error of
    standardized targets; `rmse` is in the targets' own unit. Batches are `(x, y)`, or
    `(x, y, weights)` where rows weigh differently, 1 in the mean.

    Args:
        config: an `MLPConfig`, or its fields as a mapping.
        n_inputs: features of one row.
        n_outputs: classes, or targets of a regression.
        task: decides the loss and the metrics.
        numeric: which inputs are numbers, for a periodic embedding; None is all of them.
        categories: which inputs are numbers of categories, and how many numbers each has.

    Raises:
        ValueError: label smoothing or class weights in a regression, an unknown task, or an
            embedding of no number.

    Attributes:
        extra: metric that is logged beside the usual ones, if there is one.

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
        categories: Codes = (),
    ) -> None:
        super().__init__(config, n_inputs, n_outputs, task, numeric, categories)
        # Left to find the frame itself, Lightning keeps it, and all callers' variables with it,
        # in a cycle.
        self.save_hyperparameters(self.arguments, logger=False, frame=inspect.currentframe())
        self.metrics = nn.ModuleDict(
            {f"{stage}_metrics": _Collected() for stage in ("val", "test")}
        )
        self.extra: Extra | None = None
        self._loss_sum, self._rows = torch.zeros(()), 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the mean loss of a batch `(x, y)`, or `(x, y, weights)`."""
        x, *targets = batch
        return self.training_loss(self.outputs(x), *targets)

    def on_train_epoch_start(self) -> None:
        """Forgets the losses of the epoch before."""
        self._loss_sum, self._rows = torch.zeros((), device=self.device), 0

    def on_train_batch_end(self, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int) -> None:
        """Adds the loss of a batch to the mean that is logged as `train_loss`."""
        assert isinstance(outputs, Mapping)
        n_rows = len(batch[1])
        # Logged once an epoch: a call of self.log costs as much as a small layer.
        self._loss_sum = self._loss_sum + outputs["loss"].detach() * n_rows
        self._rows += n_rows
        if self.trainer.is_last_batch:
            self.log("train_loss", self._loss_sum / self._rows, on_step=False, on_epoch=True)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Takes a validation batch `(x, y)`, or `(x, y, weights)`, to score it with the others."""
        self._collect("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Takes a test batch, as a validation batch is taken."""
        self._collect("test", batch)

    def on_validation_epoch_end(self) -> None:
        """Logs the scores of the validation rows."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Logs the scores of the test rows."""
        self._log_scores("test")

    def _collect(self, stage: str, batch: Batch) -> None:
        x, *targets = batch
        outputs = self.outputs(x)
        exact = outputs.float() if outputs.dtype in _HALVES else outputs
        self._metrics_of(stage).update(exact, *targets)

    def _log_scores(self, stage: str) -> None:
        metric = self._metrics_of(stage)
        found = scores(self, *metric.compute(), extra=self.extra)
        metric.reset()
        self.log_dict({f"{stage}_{name}": each for name, each in found.items()}, prog_bar=True)

    def _metrics_of(self, stage: str) -> _Collected:
        metric = self.metrics[f"{stage}_metrics"]
        assert isinstance(metric, _Collected)
        return metric

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


class _Collected(Metric):
    """What a network says of the rows of all batches, and of all processes that share them."""

    outputs: list[Tensor]
    y: list[Tensor]
    weights: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("outputs", "y", "weights"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, y: Tensor, weights: Tensor | None = None) -> None:
        """Adds a batch: outputs `(batch, n_outputs)`, targets, and weights `(batch,)` if any."""
        self.outputs.append(outputs)
        self.y.append(y)
        if weights is not None:
            self.weights.append(weights)

    def compute(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns all outputs, targets and weights."""
        weights = dim_zero_cat(self.weights) if self.weights else None
        return dim_zero_cat(self.outputs), dim_zero_cat(self.y), weights
