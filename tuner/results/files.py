"""What a study found: the best config, the leaderboard, the trained winner, and their files."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InputError, StoreLostError, StoreUnreadableError
from ..network.config import Config, DataFacts, MLPConfig, ModuleConfig, config_from_json
from ..system import paths
from ..system.imports import make_findable
from .winner import Confirmation, Confirmed

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from lightning.pytorch import LightningModule


class Best(BaseModel):
    """The winner of a study, as `best.json` holds it.

    That is the winner of the confirmation; until there is one, the best complete trial.

    Attributes:
        study: name of the study.
        trial: number of the trial; None of a preset that the search did not complete.
        preset: name of the preset that won, such as "modern default"; "" of what was found.
        metric: what was optimized.
        value: of the metric in the search, after the last epoch, on the validation rows: the mean
            over the folds, if there are any. None without a trial.
        config: the network and its training.
        facts: sizes of the data; None where a LightningDataModule of the user's brings them.
        classes: names of the classes in the order of the outputs; () in a regression, and where
            there are no facts.
        n_parameters: trainable numbers of the network.
        seed: of the initial weights of the network in `best.ckpt`.
        finished: when the trial ended.
        tuner: version of this package.
        confirmed: what is known of it beyond the search; None if it is not confirmed.
        checkpoint: SHA-256 of `best.ckpt`, in hexadecimal digits; "" where it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    trial: int | None
    preset: str = ""
    metric: str
    value: float | None
    config: Config
    facts: DataFacts | None
    classes: tuple[str, ...]
    n_parameters: int
    seed: int
    finished: datetime
    tuner: str
    confirmed: Confirmed | None = None
    checkpoint: str = ""


def study_name(study: str | Path) -> str:
    """Returns the name of a study that is given by name or by file."""
    return Path(study).stem if str(study).endswith(".toml") else str(study)


def best(study: str | Path) -> Best:
    """Reads the winner of a study; needs neither torch nor the data.

    Args:
        study: its name or its file.

    Raises:
        InputError: no trial of it is complete yet, or its file cannot be read.
    """
    name = study_name(study)
    path = paths.study_folder(name) / "best.json"
    try:
        return Best.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: study {name!r} has no complete trial yet (tuner tune {study})"
        ) from error
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def confirmation(study: str | Path) -> Confirmation | None:
    """Reads what was found when the best configs of a study were trained again over fresh seeds.

    Args:
        study: its name or its file.

    Returns:
        None if its winner is not confirmed.

    Raises:
        InputError: no trial of it is complete yet, or a file cannot be read.
    """
    if best(study).confirmed is None:
        return None
    path = paths.study_folder(study_name(study)) / "confirmation.json"
    try:
        return Confirmation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def best_config(study: str | Path) -> Config:
    """Returns the config of the winner of a study; needs neither torch nor the data.

    Raises:
        InputError: no trial of it is complete yet.
    """
    return best(study).config


def load_model(study: str | Path) -> LightningModule:
    """Returns the winner's network with its weights, ready to predict.

    Of a confirmed winner it is the network that was trained on all rows but the test rows; without
    that (`[confirm] refit`) it is the one with the median score over the seeds.

    An MLP takes raw inputs. A module of the user's takes what it was trained on; its class is
    imported, which runs its file, from the current folder or that of the study file.

    Raises:
        InputError: no trial of it is complete yet, its checkpoint is missing or damaged, or its
            class cannot be imported.
    """
    import torch

    name = study_name(study)
    folder = Path(study).parent if str(study).endswith(".toml") else Path("studies")
    path = paths.study_folder(name) / "best.ckpt"
    if not path.exists():
        raise InputError(f"{path}: study {name!r} has no trained network (tuner tune {study})")
    _check_whole(name, path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model = _built(checkpoint, folder)
        model.load_state_dict(checkpoint["state_dict"])
    except InputError as error:
        raise InputError(f"{path}: its class {error}") from error
    except Exception as error:  # whatever torch meets in a file that is none of ours
        raise InputError(f"{path}: not a checkpoint of a study ({error})") from error
    return model.eval()


def _check_whole(name: str, path: Path) -> None:
    """Compares a checkpoint with what `best.json` says of it.

    Raises:
        InputError: it is another one, or damaged.
    """
    for _ in range(2):  # a search may be replacing both
        try:
            found = best(name)
        except InputError:  # best.json is missing or damaged, and says nothing of the network
            return
        if _is_whole(path, found):
            return
    again = "the same command makes it again" if found.confirmed else "only --new makes another"
    raise InputError(f"{path}: damaged ({again}: tuner tune {name})")


def _built(checkpoint: dict[str, Any], folder: Path) -> LightningModule:
    """Makes the network that a checkpoint is of, with initial weights."""
    parameters = checkpoint["hyper_parameters"]
    if "config" in checkpoint:
        make_findable(Path.cwd(), folder)
        return ModuleConfig.from_json(checkpoint["config"]).build()
    config = MLPConfig.model_validate(parameters["config"])
    return config.build(parameters["n_inputs"], parameters["n_outputs"], parameters["task"])


def leaderboard(study: str | Path, *, storage: str | None = None) -> pd.DataFrame:
    """Returns all trials of a study, the best first and the unfinished last.

    Args:
        study: name of a study, or the path of its file.
        storage: as `tune` takes it.

    Columns: trial, state, value, epochs (done), seconds, source (rules, or sampler), reason (of
    an early end), every field of the config, n_parameters, seed, and the other metrics.

    Raises:
        InputError: there is no such study.
        StoreUnreadableError: the store cannot be read.
    """
    from ..storage import locate, read_study, translated

    location = locate(storage)
    found = read_study(study_name(study), location)
    with translated(location, StoreUnreadableError, "reading the trials"):
        return leaderboard_of(found)


def leaderboard_of(study: optuna.Study) -> pd.DataFrame:
    """As `leaderboard`, of a study that is open."""
    import pandas as pd
    from optuna.study import StudyDirection

    rows: list[dict[str, Any]] = []
    for trial in study.get_trials(deepcopy=False):
        attributes = dict(trial.user_attrs)
        text = attributes.pop("config", None)
        config = {} if text is None else config_from_json(text).flat()
        config.pop("epochs", None)
        seconds = trial.duration.total_seconds() if trial.duration else None
        first = {name: attributes.pop(name, None) for name in ("source", "reason")}
        attributes.pop("traceback", None)
        row = {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "epochs": trial.last_step or 0,
            "seconds": seconds,
            **first,
        }
        # A name that a user gave to an argument may be one of ours.
        row |= {f"search.{name}" if name in row else name: config[name] for name in config}
        rows.append(row | {name: attributes[name] for name in attributes if name not in row})
    columns = ["trial", "state", "value", "epochs", "seconds", "source", "reason"]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    if "n_parameters" in frame:  # of a module it is known when it is complete
        frame["n_parameters"] = frame["n_parameters"].astype("Int64")
    order = {"complete": 0, "pruned": 1, "fail": 2, "running": 3, "waiting": 4}
    better_first = study.direction == StudyDirection.MINIMIZE
    return (
        frame.assign(_order=frame["state"].map(order))
        .sort_values(["_order", "value", "trial"], ascending=[True, better_first, True])
        .drop(columns="_order")
        .reset_index(drop=True)
    )


def _digest(path: Path) -> str:
    """Returns the SHA-256 of a file, if it is there."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(path: Path, best: Best) -> bool:
    """Says whether a checkpoint is the one that was written, as far as that is known."""
    return best.checkpoint in ("", _digest(path))


class ResultFiles:
    """The files of one study: `best.json`, `best.ckpt`, `trials.csv`, and the study file as run.

    A checkpoint is first put beside (`stage`), then the trial is told, then it becomes the
    best (`promote`). Whatever moment a crash picks, `repair` finds the files of the trial that
    the store calls the best.

    Args:
        study: name of the study.
    """

    def __init__(self, study: str) -> None:
        self.study = study
        self.folder = paths.study_folder(study)

    def stage(self, trial: int | None, checkpoint: bytes) -> None:
        """Puts the checkpoint of a trial that is about to be the best beside.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        self._write(self._staged(trial).name, checkpoint)

    def promote(self, best: Best) -> None:
        """Makes the staged checkpoint of a trial the best one.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        staged, network = self._staged(best.trial), self.folder / "best.ckpt"
        if staged.exists():
            self._rename(staged, network.name)
        self._write("best.json", self.sealed(best).model_dump_json(indent=2).encode())

    def sealed(self, best: Best) -> Best:
        """Returns a winner with the hash of the network that is there."""
        return best.model_copy(update={"checkpoint": _digest(self.folder / "best.ckpt")})

    def has(self, best: Best) -> bool:
        """Says whether `best.json` is of this winner, and its network is there, undamaged."""
        current, network = self._current(), self.folder / "best.ckpt"
        if current is None or not network.exists():
            return False
        is_same = current.model_copy(update={"checkpoint": ""}) == best
        return is_same and _is_whole(network, current)

    def keep(self, confirmation: Confirmation) -> None:
        """Writes `confirmation.json`, if it is not there as it should be.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        path = self.folder / "confirmation.json"
        content = confirmation.model_dump_json(indent=2).encode()
        if not path.exists() or path.read_bytes() != content:
            self._write(path.name, content)

    def crown(self, best: Best, checkpoint: bytes, confirmation: Confirmation) -> None:
        """Makes the winner of a confirmation the best one.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        self.keep(confirmation)
        self.stage(best.trial, checkpoint)
        self.promote(best)

    def unstage(self, trial: int | None) -> None:
        """Takes away what was staged of a trial that is not the best after all."""
        self._staged(trial).unlink(missing_ok=True)

    def repair(self, best: Best | None) -> None:
        """Brings the files to what the store says, and clears what no trial owns any more.

        Where the store knows no complete trial, the files of an earlier store are put aside.
        """
        if best is None:
            for name in ("best.json", "best.ckpt"):
                if (self.folder / name).exists():
                    self._rename(self.folder / name, f"earlier-{name}")
        else:
            current = self._current()
            unsealed = None if current is None else current.model_copy(update={"checkpoint": ""})
            if unsealed == best:
                if current is not None and not current.checkpoint:
                    self.promote(best)
            elif best.confirmed is None or self._staged(best.trial).exists():
                self.promote(best)
            # Else what is there is another network, until the confirmed one is made again.
        for pattern in (".trial-*.ckpt", f".*{paths.UNFINISHED}"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)

    @property
    def damage(self) -> str:
        """Says that the network of `best.json` is damaged or gone; else ""."""
        current, network = self._current(), self.folder / "best.ckpt"
        if current is None or not current.checkpoint:
            return ""
        if not network.exists():
            return f"{network}: missing"
        return "" if _is_whole(network, current) else f"{network}: damaged"

    def write_study(self, text: str) -> None:
        """Keeps the study file as it is run."""
        self._write(f"{self.study}.toml", text.encode())

    def write_trials(self, study: optuna.Study) -> None:
        """Writes the leaderboard as `trials.csv`."""
        self._write("trials.csv", leaderboard_of(study).to_csv(index=False).encode())

    def _staged(self, trial: int | None) -> Path:
        return self.folder / f".trial-{trial}.ckpt"

    def _current(self) -> Best | None:
        try:
            return best(self.study)
        except InputError:
            return None

    def _rename(self, path: Path, name: str) -> None:
        try:
            path.replace(self.folder / name)
        except OSError as error:
            raise StoreLostError(f"{path}: cannot be renamed ({error.strerror})") from error

    def _write(self, name: str, content: bytes) -> None:
        paths.write(self.folder / name, content)
