"""Trains one LightningModule with Lightning's Trainer, epoch by epoch in sight of the caller."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import torch

from ..data import Dataset
from ..data.loading import RowsDataModule, StandardizedRowsDataModule
from ..network.config import MLPConfig, ModuleConfig, Precision
from ..network.model import MLP
from ..system.imports import class_named
from ..system.quiet import quiet
from .modules import ModuleTraining
from .telling import tell
from .watch import Metrics, Watch


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
    facts = dataset.facts
    model = MLP(
        config, facts.n_inputs, facts.n_outputs, facts.task, facts.numeric, facts.categories
    )
    tell(model, dataset)
    model.extra = dataset.extra
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


def has_test(config: ModuleConfig) -> bool:
    """Says whether a module of the user's, and its data, know what a test is."""
    module = class_named(config.module)
    if module.test_step is lightning.LightningModule.test_step:
        return False
    if config.data_module is None:
        return True
    data = class_named(config.data_module)
    empty: Any = lightning.LightningDataModule.test_dataloader
    return data.test_dataloader is not empty


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
    watch = Watch(objective, on_epoch, cancelled)
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
