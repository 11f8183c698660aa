"""What a user would write without tuner: Optuna, a LightningModule, DataLoader, two processes.

After Optuna's own Lightning example: TPE and Hyperband, a pruning callback, one SQLite store
that every worker process writes to. Nothing of tuner is used but the MNIST reader.
"""

from __future__ import annotations

import json
import time
from typing import Any

import lightning.pytorch as lightning
import optuna
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
SCHEDULES = ("constant", "step", "exponential", "cosine", "onecycle")


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Draws a config from a space like that of studies/mnist_mlp.toml."""
    return {
        "depth": trial.suggest_int("depth", 1, 3),
        "width": trial.suggest_int("width", 16, 1024, log=True),
        "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
        "batch_normalization": trial.suggest_categorical("batch_normalization", [True, False]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "optimizer": trial.suggest_categorical("optimizer", ["adamw", "sgd"]),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128]),
        "schedule": trial.suggest_categorical("schedule", SCHEDULES),
    }


class Net(lightning.LightningModule):
    """An MLP as an example would write it."""

    def __init__(self, params: dict[str, Any], n_inputs: int, n_classes: int) -> None:
        super().__init__()
        self.params = params
        layers: list[nn.Module] = []
        width = n_inputs
        for _ in range(params["depth"]):
            layers.append(nn.Linear(width, params["width"]))
            if params["batch_normalization"]:
                layers.append(nn.BatchNorm1d(params["width"]))
            layers += [ACTIVATIONS[params["activation"]](), nn.Dropout(params["dropout"])]
            width = params["width"]
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_classes))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `(batch, n_classes)`."""
        outputs: Tensor = self.layers(x)
        return outputs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch."""
        x, y = batch
        loss: Tensor = self.loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Logs the accuracy of a batch."""
        x, y = batch
        accuracy = (self(x).argmax(1) == y).float().mean()
        self.log("val_accuracy", accuracy, batch_size=len(y))

    def configure_optimizers(self) -> Any:
        """Makes the optimizer and the schedule."""
        params, rate = self.params, self.params["learning_rate"]
        decay = params["weight_decay"]
        optimizer: torch.optim.Optimizer
        if params["optimizer"] == "adamw":
            optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=decay)
        else:
            optimizer = torch.optim.SGD(
                self.parameters(), lr=rate, weight_decay=decay, momentum=0.9
            )
        epochs, steps = self.trainer.max_epochs, self.trainer.estimated_stepping_batches
        scheduler, interval = schedule(optimizer, params, epochs or 1, int(steps))
        if scheduler is None:
            return optimizer
        return [optimizer], [{"scheduler": scheduler, "interval": interval}]


def schedule(
    optimizer: torch.optim.Optimizer, params: dict[str, Any], epochs: int, steps: int
) -> tuple[Any, str]:
    """Makes the scheduler that a config names, if one, and says when it steps."""
    schedulers = torch.optim.lr_scheduler
    match params["schedule"]:
        case "step" | "multistep":
            return schedulers.StepLR(optimizer, max(1, epochs // 3), 0.3), "epoch"
        case "exponential" | "lambda":
            return schedulers.ExponentialLR(optimizer, 0.7), "epoch"
        case "cosine":
            return schedulers.CosineAnnealingLR(optimizer, epochs), "epoch"
        case "onecycle":
            rate = params["learning_rate"]
            return schedulers.OneCycleLR(
                optimizer, rate, total_steps=steps, cycle_momentum=False
            ), "step"
    return None, ""


class Report(lightning.Callback):
    """Reports each epoch to Optuna and prunes; notes when each was done.

    Of a network that is trained to its end it also notes the accuracy on the test rows, where there
    are some: nothing is picked by it.
    """

    def __init__(self, trial: optuna.Trial | None, log: Any, arrays: Any) -> None:
        self.trial = trial
        self.file = log
        self.arrays = arrays

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Takes the score of an epoch."""
        if trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics["val_accuracy"])
        epoch = trainer.current_epoch + 1
        if self.file is not None:
            entry = {"time": time.time(), "score": score, "last": epoch == trainer.max_epochs}
            if entry["last"] and "x_test" in self.arrays:
                entry["test"] = self.tested(pl_module)
            print(json.dumps(entry), file=self.file, flush=True)
        if self.trial is not None:
            self.trial.report(score, epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def tested(self, net: Any) -> float:
        """Returns the accuracy of a network on the test rows."""
        with torch.no_grad():
            outputs = net(torch.tensor(self.arrays["x_test"]))
        return float((outputs.argmax(1) == torch.tensor(self.arrays["y_test"])).float().mean())


def loaders(arrays: Any, batch_size: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Makes the loaders of the training and the validation rows."""
    train = TensorDataset(torch.tensor(arrays["x"]), torch.tensor(arrays["y"]))
    validation = TensorDataset(torch.tensor(arrays["x_val"]), torch.tensor(arrays["y_val"]))
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True),
        DataLoader(validation, batch_size=1024),
    )


def fit(
    params: dict[str, Any], arrays: Any, epochs: int, trial: optuna.Trial | None, log: Any
) -> float:
    """Trains one config and returns its last score."""
    trainer = lightning.Trainer(
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Report(trial, log, arrays)],
    )
    net = Net(params, arrays["x"].shape[1], int(arrays["y"].max()) + 1)
    trainer.fit(net, *loaders(arrays, params["batch_size"]))
    return float(trainer.callback_metrics["val_accuracy"])
