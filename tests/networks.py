"""A user's own network and data, and what may be wrong with them."""

from __future__ import annotations

import random
import sys
import time

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from sklearn.datasets import load_wine
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

Batch = tuple[Tensor, Tensor]


class Net(lightning.LightningModule):
    """One hidden layer; `fault` says what goes wrong."""

    def __init__(
        self,
        n_inputs: int = 13,
        n_outputs: int = 3,
        width: int = 8,
        learning_rate: float = 0.01,
        fault: str = "",
        epochs: int = 1,
    ) -> None:
        super().__init__()
        if fault == "constructor":
            raise ValueError("no such network")
        self.save_hyperparameters()
        self.fault, self.learning_rate = fault, learning_rate
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, n_outputs)
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        loss = functional.cross_entropy(self.layers(x), y)
        match self.fault:
            case "exit":
                sys.exit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "print":
                print("a line of a module that prints a lot " * 10_000)
            case "diverge":
                return loss * float("nan")
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        outputs = self.layers(x)
        if self.fault != "silent":
            loss = functional.cross_entropy(outputs, y)
            self.log("val_loss", loss / 0 if self.fault == "bad score" else loss)
        self.log("seed", 0.0)  # the name of an attribute of ours
        self.log("trial", 1.0)
        self.log("val_accuracy", (outputs.argmax(1) == y).float().mean())
        if self.fault == "bad metric":
            self.log("val_other", float("nan"))

    def on_train_epoch_end(self) -> None:
        self.log("late", float(self.current_epoch + 1))
        self.log("drawn", random.random() + float(np.random.rand()))

    def on_train_end(self) -> None:
        while self.fault == "hang":
            time.sleep(0.01)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


class Wine(lightning.LightningDataModule):
    """scikit-learn's wine, standardized; every fifth row validates."""

    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        x, y = load_wine(return_X_y=True)
        x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
        y = torch.tensor(y)
        kept = torch.arange(len(y)) % 5 == 0
        self.train_rows, self.val_rows = (
            TensorDataset(x[~kept], y[~kept]),
            TensorDataset(x[kept], y[kept]),
        )

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train_rows, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.val_rows, 64)


class Untold(Net):
    """Has no score on the test rows that is a number."""

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("test_loss", float("nan"))


class Open(Net):
    """Takes what it does not spell out."""

    def __init__(self, width: int = 4, **others: float) -> None:
        super().__init__(width=width, **others)  # type: ignore[arg-type]  # floats are all we give


class Needy(Net):
    """Has an argument without a default."""

    def __init__(self, channels: int, width: int = 4) -> None:
        super().__init__(width=width)


class Bare(lightning.LightningModule):
    """Has no constructor of its own."""


class NoModule:
    """Is something else."""


#: No class; and a file that draws random numbers when it is imported.
Alias = Net()
