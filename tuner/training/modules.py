"""How the modules of a study are trained, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger


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
        from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

        kinds: dict[str, type[CSVLogger | TensorBoardLogger]] = {
            "csv": CSVLogger,
            "tensorboard": TensorBoardLogger,
        }
        loggers: list[Logger] = [
            kinds[name](self.folder, name="logs", version=number) for name in self.loggers
        ]
        files = self.folder / "logs" / f"version_{number}"
        return {**self.arguments, "default_root_dir": files, "logger": loggers or False}
