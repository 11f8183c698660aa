"""Looks at a training with Lightning's Trainer: reports its epochs, and ends it early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as lightning
from torch import Tensor

#: Steps between two looks at the loss: often enough to end a diverged training early.
_LOOK_EVERY = 32

Metrics = Mapping[str, float]


class CancelledError(Exception):
    """The caller asked for the end of this training."""


class DivergedError(Exception):
    """The loss became NaN or infinite; the text says which number, and when."""


class MissingMetricError(Exception):
    """The module logs no metric of the objective's name; the text says what it logs."""


class Watch(lightning.Callback):
    """Reports epochs, and ends the training when told to or when it diverged.

    An epoch is reported when the next one begins, or the training ends: its last metrics may be
    logged in the module's own `on_train_epoch_end`, which comes after that of callbacks.

    Args:
        objective: metric that every reported epoch has, and that must be finite; None: all must be.
        on_epoch: called with the epoch, from 1, and its metrics, all finite.
        cancelled: asked after each step.
    """

    def __init__(
        self,
        objective: str | None,
        on_epoch: Callable[[int, Metrics], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._objective = objective
        self._on_epoch = on_epoch
        self._cancelled = cancelled
        self._is_scored = False  # since the last report
        self._n_reported = 0

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
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
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

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keeps that this epoch has a score."""
        self._is_scored = not trainer.sanity_checking

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Reports the epoch before."""
        if trainer.current_epoch > 0:
            self._report(trainer, trainer.current_epoch)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Reports the last epoch."""
        self._report(trainer, trainer.current_epoch)

    def _report(self, trainer: lightning.Trainer, epoch: int) -> None:
        """Reports the metrics that the module logged, if the validation ran or there is none."""
        if not self._is_scored and trainer.enable_validation:
            return
        self._is_scored = False
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._check(logged)
        metrics = {name: value for name, value in logged.items() if math.isfinite(value)}
        for name in logged if self._objective is None else [self._objective]:
            if name not in metrics:
                raise DivergedError(f"{name} is {logged[name]} after epoch {epoch}")
        self._n_reported += 1
        self._on_epoch(epoch, metrics)

    def check(self, trainer: lightning.Trainer) -> None:
        """Checks, after the training, that there was a score.

        Raises:
            MissingMetricError: no epoch had one, since the metric was not logged.
            RuntimeError: no epoch had one for another reason.
        """
        if self._n_reported == 0:
            self._check({name: float(value) for name, value in trainer.callback_metrics.items()})
            raise RuntimeError("no epoch was scored: there was no training, or no validation")

    def _check(self, logged: Metrics) -> None:
        if self._objective is not None and self._objective not in logged:
            known = ", ".join(sorted(logged)) or "nothing"
            raise MissingMetricError(
                f"must be a metric that the module logs, got {self._objective!r}; it logs {known}"
            )
