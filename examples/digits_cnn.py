"""A small convolutional network on scikit-learn's digits, as `studies/digits_cnn.toml` tunes it.

Nothing in here knows of tuner: any Lightning Trainer takes these two classes.
"""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import MulticlassAccuracy

Batch = tuple[Tensor, ...]


class ConvNet(lightning.LightningModule):
    """Two convolutions, a pooling, and a linear layer.

    Args:
        channels: of the first convolution; the second has twice as many.
        dropout: probability before the linear layer.
        learning_rate: of AdamW at its highest; it climbs first and then falls to nothing.
        weight_decay: of AdamW.
        epochs: that the learning rate takes to fall.
    """

    def __init__(
        self,
        channels: int = 16,
        dropout: float = 0.1,
        learning_rate: float = 0.01,
        weight_decay: float = 0.01,
        epochs: int = 10,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels * 4 * 4, 10),
        )
        self.accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `(batch, 10)` for images `(batch, 1, 8, 8)`."""
        logits: Tensor = self.layers(images)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs `val_loss` and `val_accuracy`, which a study can name as its metric."""
        images, labels = batch
        logits = self(images)
        self.accuracy(logits, labels)
        self.log("val_loss", functional.cross_entropy(logits, labels))
        self.log("val_accuracy", self.accuracy)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Makes AdamW, and a schedule over all steps of the training."""
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=self.hparams["learning_rate"],
            weight_decay=self.hparams["weight_decay"],
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.hparams["learning_rate"],
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Digits(lightning.LightningDataModule):
    """1,797 images of 8 x 8 pixels, which scikit-learn ships; a fifth of them validates.

    Args:
        batch_size: images of a training step.
        seed: decides which images validate. It is not that of the training, so that all trials
            are scored by the same images.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Reads and splits the images."""
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        rows = TensorDataset(images, torch.tensor(digits.target))
        generator = torch.Generator().manual_seed(self.seed)
        self.train_rows, self.val_rows = random_split(rows, [0.8, 0.2], generator)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Returns the training images in a new order each epoch."""
        return DataLoader(self.train_rows, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Returns the validation images."""
        return DataLoader(self.val_rows, 512)
