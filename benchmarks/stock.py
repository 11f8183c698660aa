"""What a user would write without tuner: Optuna, a LightningModule, DataLoader, two processes.

After Optuna's own Lightning example: TPE and Hyperband, a pruning callback, one SQLite store
that every worker process writes to. Nothing of tuner is used but the MNIST reader.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
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
    """Reports each epoch to Optuna and prunes; notes when each was done."""

    def __init__(self, trial: optuna.Trial | None, log: Any) -> None:
        self.trial = trial
        self.file = log

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Takes the score of an epoch."""
        if trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics["val_accuracy"])
        epoch = trainer.current_epoch + 1
        if self.file is not None:
            entry = {"time": time.time(), "score": score, "last": epoch == trainer.max_epochs}
            print(json.dumps(entry), file=self.file, flush=True)
        if self.trial is not None:
            self.trial.report(score, epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


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
        callbacks=[Report(trial, log)],
    )
    net = Net(params, arrays["x"].shape[1], int(arrays["y"].max()) + 1)
    trainer.fit(net, *loaders(arrays, params["batch_size"]))
    return float(trainer.callback_metrics["val_accuracy"])


def peak_bytes() -> int:
    """Returns the most memory that this process and those that it started have held, added up."""
    children = Path("/proc/self/task").glob("*/children")
    pids = ["self", *(pid for file in children for pid in file.read_text().split())]
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def claim(path: Path) -> bool:
    """Says whether this process is the first that wants what the file stands for."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main() -> None:
    """Runs one worker process: a search until a deadline, or what it gets of a list of configs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("arrays", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--storage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--configs", type=Path)
    parser.add_argument("--loop", action="store_true", help="a plain loop in place of a Trainer")
    parser.add_argument("--claims", type=Path, help="folder where processes claim configs")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with np.load(args.arrays) as file:
        arrays = {name: file[name] for name in file.files}
    with args.log.open("w") as log:
        print(json.dumps({"time": time.time(), "begin": True}), file=log, flush=True)
        if args.configs:
            configs = json.loads(args.configs.read_text())
            mine = (params for i, params in enumerate(configs) if claim(args.claims / str(i)))
            if args.loop:
                from . import loop

                device = "cuda" if torch.cuda.is_available() else "cpu"
                tensors = {name: torch.tensor(each, device=device) for name, each in arrays.items()}
                scores = [loop.fit(params, tensors, args.epochs) for params in mine]
            else:
                scores = [fit(params, arrays, args.epochs, None, None) for params in mine]
            entry = {"time": time.time(), "scores": scores, "peak": peak_bytes()}
            print(json.dumps(entry), file=log, flush=True)
            return
        study = optuna.create_study(
            study_name="stock",
            storage=args.storage,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=args.seed),
            pruner=optuna.pruners.HyperbandPruner(1, args.epochs, 3),
            load_if_exists=True,
        )
        study.optimize(
            lambda trial: fit(suggest(trial), arrays, args.epochs, trial, log),
            timeout=args.seconds,
        )


if __name__ == "__main__":
    main()
