"""The winner of a study, read from its files: its config, what is known of it, its network."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InputError
from ..network.config import Config, DataFacts, MLPConfig, ModuleConfig
from ..system import paths
from ..system.imports import make_findable
from . import html
from .winner import Confirmation, Confirmed

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from ..network.ensemble import Ensemble


Kept = TypeVar("Kept", bound=BaseModel)


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
        rows: training rows that trials saw, where it was some of them only; None is all.
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
    rows: int | None = None
    checkpoint: str = ""

    def is_of(self, other: Best) -> bool:
        """Says whether the same trainings have made the networks of another winner."""

        def of(each: Best) -> tuple[object, ...]:
            last = each.confirmed
            made = None if last is None else (last.is_refit, last.refit_rows, last.members)
            return each.trial, each.preset, each.seed, each.config, each.rows, made

        return of(self) == of(other)

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        told = {} if self.confirmed is None else {"confirmed": self.confirmed.validation}
        if self.confirmed is not None and self.confirmed.test is not None:
            told[self.confirmed.test_metric] = self.confirmed.test
        rows = [
            (name, f"{each.mean:.5g} ± {each.standard_error:.2g}") for name, each in told.items()
        ]
        in_search = "-" if self.value is None else f"{self.value:.5g}"
        rows += [("in the search", in_search), ("parameters", f"{self.n_parameters:,}")]
        rows += [(name, str(value)) for name, value in self.config.flat().items()]
        return html.table((self.study, self.metric), rows)


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
    return read_kept(Best, path, f"study {name!r} has no complete trial yet (tuner tune {study})")


def read_kept(kind: type[Kept], path: Path, missing: str) -> Kept:
    """Reads what a file of a study holds.

    Args:
        kind: of model.
        path: of the file.
        missing: what it means that there is none.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: {missing}") from error
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

    folder = Path(study).parent if str(study).endswith(".toml") else Path("studies")
    path = _whole_checkpoint(study)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model = _built(checkpoint, folder)
        model.load_state_dict(checkpoint["state_dict"])
    except InputError as error:
        raise InputError(f"{path}: its class {error}") from error
    except Exception as error:  # whatever torch meets in a file that is none of ours
        raise InputError(f"{path}: not a checkpoint of a study ({error})") from error
    return model.eval()


def load_ensemble(study: str | Path) -> Ensemble:
    """Returns the winner's networks as one, ready to predict: the mean of what they predict.

    They differ in their initial weights and shuffles alone, and were trained on all rows but the
    test rows; the first of them is that of `load_model`. There are as many as `[confirm] members`
    says and as there was time for; an ensemble of one predicts as that one.

    It takes raw inputs `(rows, ...)`, and returns `(rows, n_outputs)`: logarithms of the classes'
    probabilities, or targets in their own unit.

    Raises:
        InputError: no trial of it is complete yet, its checkpoint is missing or damaged, or it is a
            module of the user's.
    """
    return ensemble_and_meaning(study)[0]


def ensemble_and_meaning(study: str | Path) -> tuple[Ensemble, str]:
    """Returns what `load_ensemble` does, and what the inputs and outputs mean, from one file.

    The meaning is text that `data.Meaning` reads; "" in a file of an earlier version.

    Raises:
        InputError: as `load_ensemble`.
    """
    from ..network.checkpoints import ensemble_of, meaning_of

    path = _whole_checkpoint(study)
    try:
        checkpoint = path.read_bytes()
        return ensemble_of(checkpoint).eval(), meaning_of(checkpoint)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever torch meets in a file that is none of ours
        raise InputError(f"{path}: not a checkpoint of a study ({error})") from error


def _whole_checkpoint(study: str | Path) -> Path:
    """Returns the path of a study's checkpoint, compared with what `best.json` says of it.

    Raises:
        InputError: there is none, it is another one, or damaged.
    """
    name = study_name(study)
    path = paths.study_folder(name) / "best.ckpt"
    if not path.exists():
        raise InputError(f"{path}: study {name!r} has no trained network (tuner tune {study})")
    for _ in range(2):  # a search may be replacing both
        try:
            found = best(name)
        except InputError:  # best.json is missing or damaged, and says nothing of the network
            return path
        if is_whole(path, found):
            return path
    again = "the same command makes it again" if found.confirmed else "only --new makes another"
    raise InputError(f"{path}: damaged ({again}: tuner tune {name})")


def _built(checkpoint: dict[str, Any], folder: Path) -> LightningModule:
    """Makes the network that a checkpoint is of, with initial weights."""
    parameters = checkpoint["hyper_parameters"]
    if "config" in checkpoint:
        make_findable(Path.cwd(), folder)
        return ModuleConfig.from_json(checkpoint["config"]).build()
    config = MLPConfig.model_validate(parameters["config"])
    return config.build(
        parameters["n_inputs"],
        parameters["n_outputs"],
        parameters["task"],
        parameters.get("numeric"),
        parameters.get("categories", ()),
    )


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file, if it is there."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, best: Best) -> bool:
    """Says whether a checkpoint is the one that was written, as far as that is known."""
    return best.checkpoint in ("", digest(path))
