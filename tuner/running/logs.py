"""Trials in the loggers that a team looks at: a run for each, through Lightning's loggers."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import TunerError
from ..network.config import Config, MLPConfig
from ..results.winner import Confirmation
from ..study import StudySpec
from ..study.base import Logger
from ..system import paths
from ..system.extras import required
from ..system.quiet import quiet
from .progress import Ended, Epoch, Observer, Running, Together

#: Packages that loggers need, which are the names of their extras, but for those in brackets.
_PACKAGES: dict[Logger, str] = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}
#: How a run ended, as Lightning's loggers and MLflow have it.
_STATES = {"complete": "success", "pruned": "KILLED", "failed": "failed"}
#: Of the winner, instead of a trial's number.
_WINNER = "winner"


@contextlib.contextmanager
def logged(spec: StudySpec, observer: Observer) -> Iterator[Observer]:
    """Has the loggers of a study file told, too, as long as it is open.

    Raises:
        InputError: a package is not installed.
    """
    if not spec.log.loggers:
        yield observer
        return
    for name in spec.log.loggers:
        if name in _PACKAGES:
            required(_PACKAGES[name], name)
    observer.begin(f"logging to {', '.join(spec.log.loggers)}")
    logs = TrialLogs(spec.name, spec.log.loggers, observer)
    try:
        yield Together([logs, observer])  # the other may end the search
    finally:
        logs.close()


class TrialLogs(Observer):
    """Writes trials, and the confirmed winner, to loggers.

    A logger that fails is left out from then on, and that is said: it must not end a search.

    Args:
        study: its name.
        kinds: loggers.
        beside: is told that a logger has failed.
    """

    def __init__(self, study: str, kinds: tuple[Logger, ...], beside: Observer) -> None:
        self._study, self._kinds, self._beside = study, [*kinds], beside
        self._folder = paths.study_folder(study).absolute() / "logs"
        self._runs: dict[int, dict[Logger, Any]] = {}

    def epoch(self, epoch: Epoch) -> None:
        """Logs the metrics of an epoch."""
        trial = epoch.trial
        self._open(trial)
        self._each(trial.number, lambda run: run.log_metrics(dict(epoch.metrics), step=trial.epoch))

    def ended(self, trial: Ended) -> None:
        """Ends the run of a trial."""
        self._open(trial.trial)
        self._close(trial.trial.number, trial.state)

    def confirmed(self, confirmation: Confirmation) -> None:
        """Logs the winner: its config, and what is known of it."""
        winning = confirmation.winning
        found, told = confirmation.estimate(winning), dict[str, float]()
        for name, estimate in (
            (confirmation.metric, found),
            (confirmation.test_metric, winning.test),
        ):
            if estimate is not None:
                told[f"confirmed_{name}"] = estimate.mean
                told[f"confirmed_{name}_error"] = estimate.standard_error
        self._begin(-1, _WINNER, winning.config, winning.name)
        self._each(-1, lambda run: run.log_metrics(told, step=0))
        self._close(-1, "complete")

    def close(self) -> None:
        """Ends the runs of trials that were cut."""
        for number in list(self._runs):
            self._close(number, "failed")

    def _open(self, trial: Running) -> None:
        if trial.number not in self._runs:
            self._begin(trial.number, f"trial_{trial.number}", trial.config, trial.source)

    def _begin(self, number: int, name: str, config: Config, source: str) -> None:
        """Begins a run in each logger that has not failed."""
        values = config.model_dump() if isinstance(config, MLPConfig) else dict(config.values)
        runs = self._runs[number] = {}
        for kind in list(self._kinds):
            with self._noting(kind):
                runs[kind] = _logger(kind, self._study, name, self._folder)
                runs[kind].log_hyperparams({**values, "source": source})

    def _close(self, number: int, state: str) -> None:
        def close(run: Any) -> None:
            run.finalize(_STATES[state])
            if hasattr(run.experiment, "finish"):  # Weights & Biases': Lightning leaves it open
                run.experiment.finish(0 if state == "complete" else 1)

        self._each(number, close)
        del self._runs[number]

    def _each(self, number: int, do: Any) -> None:
        for kind, run in list(self._runs[number].items()):
            if kind in self._kinds:
                with self._noting(kind):
                    do(run)

    @contextlib.contextmanager
    def _noting(self, kind: Logger) -> Iterator[None]:
        try:
            with quiet():
                yield
        except Exception as error:  # whatever a server, a disk or a package of others raises
            self._kinds.remove(kind)
            what = " ".join(f"{type(error).__name__}: {error}".split())
            self._beside.remark(f"{kind} is told no more: {what}")


def _logger(kind: Logger, study: str, name: str, folder: Path) -> Any:
    from lightning.pytorch import loggers

    match kind:
        case "csv":
            return loggers.CSVLogger(folder, name="csv", version=name)
        case "tensorboard":
            return loggers.TensorBoardLogger(
                folder, name="tensorboard", version=name, default_hp_metric=False
            )
        case "mlflow":
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
            folder.mkdir(parents=True, exist_ok=True)
            return loggers.MLFlowLogger(study, run_name=name, tracking_uri=place)
        case "wandb":
            import wandb

            folder.mkdir(parents=True, exist_ok=True)
            run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", study),
                group=study,
                name=name,
                dir=folder,
                reinit="create_new",  # trials are under way side by side
                settings=wandb.Settings(silent=True),
            )
            return loggers.WandbLogger(experiment=run)
    raise TunerError(f"{kind}: no such logger")
