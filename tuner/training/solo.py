"""Trains one LightningModule with Lightning's Trainer, epoch by epoch in sight of the caller."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from ..data import Dataset, RowsDataModule, StandardizedRowsDataModule
from ..network.config import Config, MLPConfig, ModuleConfig, Precision
from ..network.model import MLP
from ..system.imports import class_named
from ..system.quiet import quiet

#: Steps between two looks at the loss: often enough to end a diverged training early.
_LOOK_EVERY = 32

Metrics = Mapping[str, float]


class CancelledError(Exception):
    """The caller asked for the end of this training."""


class DivergedError(Exception):
    """The loss became NaN or infinite; the text says which number, and when."""


class MissingMetricError(Exception):
    """The module logs no metric of the objective's name; the text says what it logs."""


@dataclass(frozen=True)
class ModuleTraining:
    """How the modules of a study are trained.

    Attributes:
        metric: that they are scored by.
        arguments: of Lightning's Trainer.
        loggers: "csv", "tensorboard".
        folder: below which Lightning and its loggers write.
    """

    metric: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    loggers: tuple[str, ...] = ()
    folder: Path = Path()

    def trainer_arguments(self, number: int) -> dict[str, Any]:
        """Returns the arguments of the Trainer of one training.

        Args:
            number: of the training, which its logs carry.
        """
        kinds: dict[str, type[CSVLogger | TensorBoardLogger]] = {
            "csv": CSVLogger,
            "tensorboard": TensorBoardLogger,
        }
        loggers: list[Logger] = [
            kinds[name](self.folder, name="logs", version=number) for name in self.loggers
        ]
        files = self.folder / "logs" / f"version_{number}"
        return {**self.arguments, "default_root_dir": files, "logger": loggers or False}


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
    model = MLP(config, facts.n_inputs, facts.n_outputs, facts.task)
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


def train_module(
    config: ModuleConfig,
    dataset: Dataset | None,
    training: ModuleTraining,
    *,
    number: int,
    seed: int,
    shuffle_seed: int,
    on_epoch: Callable[[int, Metrics], None],
    cancelled: Callable[[], bool],
) -> lightning.LightningModule:
    """Trains one LightningModule of the user's on its data.

    Args:
        config: the classes, and what they are made with.
        dataset: rows of a source, which are standardized as its training rows are; None where
            the config names a LightningDataModule.
        training: how.
        number: of the training, for its logs.
        seed: of torch's, numpy's and Python's global generators, before anything is made.
        shuffle_seed: of the order of the rows of a source.
        on_epoch: called with the epoch, from 1, and its metrics, all finite, for each epoch
            in which the validation ran.
        cancelled: asked after each step.

    Returns:
        The trained module.

    Raises:
        CancelledError: `cancelled` said so.
        DivergedError: the training loss or the metric was NaN or infinite.
        MissingMetricError: the metric was not logged.
    """
    for name in (config.module, config.data_module):
        if name is not None:
            class_named(name)  # a file that runs for the first time may draw numbers
    lightning.seed_everything(seed, workers=True, verbose=False)
    model = config.build()
    if config.data_module is not None:
        data = config.build_data()
    else:
        assert dataset is not None
        batch_size = config.data_values["batch_size"]
        assert isinstance(batch_size, int)
        data = StandardizedRowsDataModule(dataset, batch_size, shuffle_seed)
    train(
        model,
        data,
        epochs=config.epochs,
        objective=training.metric,
        on_epoch=on_epoch,
        cancelled=cancelled,
        **training.trainer_arguments(number),
    )
    return model


def has_test(config: Config) -> bool:
    """Says whether a network, and its data, know what a test is."""
    if isinstance(config, MLPConfig):
        return True
    module = class_named(config.module)
    if module.test_step is lightning.LightningModule.test_step:
        return False
    if config.data_module is None:
        return True
    data = class_named(config.data_module)
    empty: Any = lightning.LightningDataModule.test_dataloader
    return data.test_dataloader is not empty


def test_mlp(checkpoint: bytes, dataset: Dataset) -> Metrics:
    """Scores a trained MLP on the test rows.

    Args:
        checkpoint: of the network, which holds the standardization of its own training rows.
        dataset: with the test rows.

    Returns:
        `test_loss`, and `test_accuracy`, or `test_rmse` and with one target `test_r2`.
    """
    model = MLP.load_from_checkpoint(io.BytesIO(checkpoint), weights_only=True)
    return _test(model, RowsDataModule(dataset, batch_size=1), accelerator="cpu")


def test_module(
    checkpoint: bytes,
    config: ModuleConfig,
    dataset: Dataset | None,
    training: ModuleTraining,
    *,
    seed: int,
) -> Metrics:
    """Scores a trained module of the user's on the test rows.

    Args:
        checkpoint: of the module.
        config: that it was built from.
        dataset: rows of a source, with the training rows that it had; None where the config names a
            LightningDataModule.
        training: how it was trained.
        seed: that it was trained with, which may decide the data, too.

    Returns:
        What the module logs.
    """
    lightning.seed_everything(seed, workers=True, verbose=False)
    model = config.build()
    model.load_state_dict(torch.load(io.BytesIO(checkpoint), weights_only=True)["state_dict"])
    if config.data_module is not None:
        data = config.build_data()
    else:
        assert dataset is not None
        data = StandardizedRowsDataModule(dataset, batch_size=1)
    return _test(model, data, **training.arguments)


def _test(
    model: lightning.LightningModule, data: lightning.LightningDataModule, **arguments: Any
) -> Metrics:
    with quiet():
        trainer = lightning.Trainer(
            **{**arguments, "logger": False},
            devices=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.test(model, datamodule=data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def train(
    model: lightning.LightningModule,
    data: lightning.LightningDataModule,
    *,
    epochs: int,
    objective: str | None = None,
    on_epoch: Callable[[int, Metrics], None],
    cancelled: Callable[[], bool],
    **arguments: Any,
) -> None:
    """Trains any LightningModule in place.

    Args:
        model: what is trained.
        data: what it is trained and scored on.
        epochs: passes over the training rows.
        objective: metric that every reported epoch has, and that must be finite; others that
            are not finite are left out. None: all must be finite.
        on_epoch: as of `train_module`.
        cancelled: asked after each step.
        arguments: of Lightning's Trainer.

    Raises:
        CancelledError: `cancelled` said so.
        DivergedError: a number that matters was NaN or infinite.
        MissingMetricError: the objective was not logged.
    """
    watch = _Watch(objective, on_epoch, cancelled)
    with quiet():
        trainer = lightning.Trainer(
            **{"logger": False, "num_sanity_val_steps": 0, **arguments},
            max_epochs=epochs,
            devices=1,
            callbacks=[watch],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, datamodule=data)
    watch.check(trainer)


class _Watch(lightning.Callback):
    """Reports epochs, and ends the training when told to or when it diverged.

    An epoch is reported when the next one begins, or the training ends: its last metrics may be
    logged in the module's own `on_train_epoch_end`, which comes after that of callbacks.
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
