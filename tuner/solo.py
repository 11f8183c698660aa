"""Trains one LightningModule with Lightning's Trainer, epoch by epoch in sight of the caller."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor

from .config import MLPConfig, Precision
from .data import Dataset, RowsDataModule
from .model import MLP
from .quiet import quiet

#: Steps between two looks at the loss: often enough to end a diverged training early.
_LOOK_EVERY = 32

Metrics = Mapping[str, float]


class CancelledError(Exception):
    """The caller asked for the end of this training."""


class DivergedError(Exception):
    """The loss became NaN or infinite; the text says which number, and when."""


def train_mlp(
    config: MLPConfig,
    dataset: Dataset,
    *,
    seed: int,
    shuffle_seed: int,
    precision: Precision = "32-true",
    accelerator: str = "auto",
    on_epoch: Callable[[int, Metrics], None],
    cancelled: Callable[[], bool],
) -> MLP:
    """Trains one MLP on the training rows and scores it on the validation rows each epoch.

    Args:
        config: the network and its training.
        dataset: rows in three parts; the test part is not touched.
        seed: of the initial weights and the dropout.
        shuffle_seed: of the order of the rows, together with the number of the epoch.
        precision: Lightning's word for the numbers that it trains with.
        accelerator: Lightning's word for the device.
        on_epoch: called with the epoch, from 1, and its metrics, all finite.
        cancelled: asked after each step.

    Returns:
        The trained network, standardized as the training rows are.

    Raises:
        CancelledError: `cancelled` said so.
        DivergedError: a loss or a metric was NaN or infinite.
    """
    torch.manual_seed(seed)
    facts, standardization = dataset.facts, dataset.standardization
    model = config.build(facts.n_inputs, facts.n_outputs, facts.task)
    model.standardize(
        torch.from_numpy(standardization.input_mean),
        torch.from_numpy(standardization.input_scale),
        torch.from_numpy(standardization.target_mean),
        torch.from_numpy(standardization.target_scale),
    )
    rows = RowsDataModule(dataset, config.batch_size, shuffle_seed)
    train(
        model,
        rows,
        epochs=config.epochs,
        precision=precision,
        accelerator=accelerator,
        on_epoch=on_epoch,
        cancelled=cancelled,
    )
    return model


def train(
    model: lightning.LightningModule,
    data: lightning.LightningDataModule,
    *,
    epochs: int,
    precision: Precision = "32-true",
    accelerator: str = "auto",
    on_epoch: Callable[[int, Metrics], None],
    cancelled: Callable[[], bool],
) -> None:
    """Trains any LightningModule in place; see `train_mlp` for the arguments."""
    with quiet():
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator=accelerator,
            devices=1,
            precision=precision,
            logger=False,
            callbacks=[_Watch(on_epoch, cancelled)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(model, datamodule=data)


class _Watch(lightning.Callback):
    """Reports each epoch, and ends the training when told to or when it diverged."""

    def __init__(
        self, on_epoch: Callable[[int, Metrics], None], cancelled: Callable[[], bool]
    ) -> None:
        self._on_epoch = on_epoch
        self._cancelled = cancelled

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Looks whether to go on."""
        if self._cancelled():
            raise CancelledError
        if batch_idx % _LOOK_EVERY == 0:
            loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
            if loss is not None and not math.isfinite(value := float(loss)):
                raise DivergedError(
                    f"training loss is {value} in epoch {trainer.current_epoch + 1}"
                )

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Looks whether to go on."""
        if self._cancelled():
            raise CancelledError

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Reports the metrics that the module logged."""
        epoch = trainer.current_epoch + 1
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} after epoch {epoch}")
        self._on_epoch(epoch, metrics)
