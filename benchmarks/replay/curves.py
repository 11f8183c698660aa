"""Learning curves of many configs on one data set, as a file of numbers."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner import heuristics
from tuner.data.rulers import Array
from tuner.network.config import DataFacts, MLPConfig
from tuner.space import MLPSpace
from tuner.study import load_study
from tuner.study.mlp import MLPStudySpec
from tuner.system import paths

#: Recorded in this repository, beside the table that is made from them.
FOLDER = Path(__file__).parent / "recorded"
#: Work of the modern default that a drawn config may have at most: a search of 40 declines more.
_MOST_WORK = 6.0


@dataclass(frozen=True)
class Curves:
    """What configs scored after each epoch, each trained over the same cuts of the rows.

    An error is the share of wrong classes, or the RMSE over the deviation of the rows' targets.

    Attributes:
        name: of the data set.
        facts: sizes of its training rows.
        params: parameters of each config, as the space names them; the starting points come first.
        sources: a starting point's name, or the number of a draw, which means the same config for
            all data sets.
        errors: `(configs, cuts, epochs)` on the validation rows; infinite once it diverged.
        losses: `(configs, cuts, epochs)` likewise, cross entropy or squared error.
        tests: `(configs, cuts)` error on the test rows after the last epoch.
        seconds: `(configs,)` that an epoch takes on one core.
        wanted: configs that there are once the recording is complete.
    """

    name: str
    facts: DataFacts
    params: tuple[dict[str, Any], ...]
    sources: tuple[str, ...]
    errors: Array
    losses: Array
    tests: Array
    seconds: Array
    wanted: int

    def __len__(self) -> int:
        return len(self.params)

    @property
    def epochs(self) -> int:
        """Of a full training."""
        return int(self.errors.shape[2])

    def write(self, folder: Path) -> None:
        """Writes the file of this data set; halves of precision keep three digits."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = self.facts.model_dump()
        about = {
            "facts": facts, "params": self.params, "sources": self.sources, "wanted": self.wanted,
        }  # fmt: skip
        with paths.replacing(_path(folder, self.name)) as beside, beside.open("wb") as file:
            np.savez_compressed(
                file,
                about=np.array(json.dumps(about)),
                errors=self.errors.astype(np.float16),
                losses=self.losses.astype(np.float16),
                tests=self.tests.astype(np.float32),
                seconds=self.seconds.astype(np.float32),
            )

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Curves:
        """Reads the file of a data set."""
        with np.load(_path(folder, name)) as file:
            about = json.loads(str(file["about"]))
            return cls(
                name,
                DataFacts(**about["facts"]),
                tuple(about["params"]),
                tuple(about["sources"]),
                errors=file["errors"].astype(np.float64),
                losses=file["losses"].astype(np.float64),
                tests=file["tests"].astype(np.float64),
                seconds=file["seconds"].astype(np.float64),
                wanted=about["wanted"],
            )


def space_of(facts: DataFacts, epochs: int) -> MLPSpace:
    """Returns the space of a study file that says nothing, for data of these sizes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "default.toml"
        path.write_text('[data]\nsource = "wine"\n')  # which is not read
        spec = load_study(path)
    assert isinstance(spec, MLPStudySpec)
    return MLPSpace.of(spec, facts, epochs)


def is_small_enough(config: MLPConfig, facts: DataFacts) -> bool:
    """Says whether a config that was drawn is trained; starting points are in any case."""
    usual = heuristics.work(heuristics.modern_default(facts), facts)
    return heuristics.work(config, facts) <= _MOST_WORK * usual


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Returns the data sets that are recorded in a folder, or begun."""
    return tuple(sorted(path.stem for path in folder.glob("*.npz")))


def complete(folder: Path = FOLDER) -> tuple[str, ...]:
    """Returns the data sets whose recording is complete."""
    return tuple(
        name for name in names(folder) if len(curves := Curves.read(name, folder)) == curves.wanted
    )


def digest(name: str, folder: Path) -> str:
    """Returns a short hash of a recording."""
    return hashlib.sha256(_path(folder, name).read_bytes()).hexdigest()[:12]


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npz"
