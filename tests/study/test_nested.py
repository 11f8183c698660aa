"""Arguments with fields, named with dots, and values that depend on others."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import tuner
from tuner.errors import StudyFileError
from tuner.network.nested import arguments
from tuner.study import load_study
from tuner.study.classes import UserClasses

from ..conftest import Write


@dataclass
class Inner:
    rate: float = 0.1
    depth: int = 2


@dataclass
class Outer:
    width: int
    inner: Inner = field(default_factory=Inner)


class Model(BaseModel):
    width: int = 3
    inner: Inner = Inner()


class Takes:
    def __init__(
        self,
        outer: Outer,
        model: Model = Model(width=4),  # noqa: B008
        maybe: Inner | None = None,
        loose: dict[str, Any] | None = None,
        plain: int = 1,
    ) -> None: ...


def test_fields_become_arguments() -> None:
    """What is not named stays as the default has it, however deep."""
    found = arguments(
        Takes,
        {
            "outer.width": 5,
            "outer.inner.rate": 0.5,
            "model.inner.depth": 7,
            "maybe.depth": 1,
            "loose.any": "x",
            "plain": 9,
        },
    )
    assert found == {
        "outer": Outer(5, Inner(rate=0.5)),
        "model": Model(width=4, inner=Inner(depth=7)),
        "maybe": Inner(depth=1),
        "loose": {"any": "x"},
        "plain": 9,
    }


FILE = """
[model]
module = "{module}:Net"

[data]
source = "wine"

[objective]
metric = "val_loss"
direction = "minimize"
epochs = 1

[confirm]
seeds = 2
configs = 1

[search]
"""

MODULE = """
from dataclasses import dataclass

import lightning
import torch


@dataclass
class Shape:
    units: int
    slope: float = 0.01


class Net(lightning.LightningModule):
    def __init__(self, n_inputs, n_outputs, shape: Shape, optimizer="sgd", momentum: float = 0.25):
        super().__init__()
        self.shape, self.optimizer, self.momentum = shape, optimizer, momentum
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, shape.units),
            torch.nn.LeakyReLU(shape.slope),
            torch.nn.Linear(shape.units, n_outputs),
        )

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", self.training_step(batch, index))

    def configure_optimizers(self):
        if self.optimizer == "sgd":
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=self.momentum)
        return torch.optim.Adam(self.parameters())
"""
SEARCH = """
optimizer = ["sgd", "adam"]
"shape.units" = { low = 2, high = 9 }
"shape.slope" = { values = [0.0, 0.2], when = { optimizer = "adam" } }
momentum = { low = 0.5, high = 0.9, when = { optimizer = "sgd" } }
"""


@pytest.mark.slow
def test_a_search(write_study: Write, project: Path) -> None:
    """A value that means nothing is not drawn; the winner is made again with all fields."""
    (project / "nested_module.py").write_text(MODULE)
    write_study(FILE.format(module="nested_module") + SEARCH)
    result = tuner.tune("small", trials=8, workers=1)
    assert result.counts.finished == 8
    table = tuner.leaderboard("small")
    is_sgd = table["optimizer"] == "sgd"
    assert 0 < is_sgd.sum() < 8
    assert table["momentum"].notna().tolist() == is_sgd.tolist()
    assert table["shape.slope"].notna().tolist() == (~is_sgd).tolist()
    assert table["shape.units"].between(2, 9).all()
    assert result.best is not None
    config: Any = result.best.config
    model: Any = tuner.load_model("small")
    assert model.shape.units == config.values["shape.units"]
    assert model.shape.slope == config.values.get("shape.slope", 0.01)
    assert model.momentum == config.values.get("momentum", 0.25)
    tuner.report("small")


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ('"shape.width" = 3\n"shape.units" = 3', "search.shape.width is no field of Shape"),
        ('"shape.slop" = 3\n"shape.units" = 3', "did you mean slope?"),
        ('"shape.slope" = 0.3', "search.shape.units is missing: Shape has no default for it"),
        ('"momentum.x" = 3\n"shape.units" = 3', "momentum of Net is no dataclass"),
        ('"shape.units" = 3\nshape = 4', "search.shape.units and search.shape say the same"),
        ('"shapes.units" = 3', "search.shapes.units is no argument of Net"),
        ('"shape.1" = 3', "must be the name of an argument"),
        ('"shape.slop.x" = 3\n"shape.units" = 3', "is no field"),
        ('shape = 3\n"shape.slope.x" = 3', "search.shape.slope.x and search.shape say the same"),
        (
            'optimizer = ["sgd", "adam"]\n'
            '"shape.units" = { low = 1, high = 2, when = { optimizer = "sgd" } }',
            "search.shape.units.when leaves it out, and Shape has no default for it",
        ),
        ("", "search.shape is missing"),
        (
            '"shape.units" = 3\nmomentum = { low = 0.1, high = 0.2, when = { optimiser = "sgd" } }',
            "search.momentum.when.optimiser is not searched",
        ),
        (
            '"shape.units" = 3\noptimizer = ["sgd", "adam"]\n'
            'momentum = { low = 0.1, high = 0.2, when = { optimizer = "lion" } }',
            "search.momentum.when.optimizer is never 'lion'",
        ),
        (
            '"shape.units" = 3\noptimizer = { values = ["a"], when = { momentum = 0.1 } }\n'
            'momentum = { values = [0.1], when = { optimizer = "a" } }',
            "when depends on itself",
        ),
    ],
)
def test_wrong_words(write_study: Write, project: Path, search: str, message: str) -> None:
    (project / "nested_module.py").write_text(MODULE)
    path = write_study(FILE.format(module="nested_module") + search)
    with pytest.raises(StudyFileError) as told:
        UserClasses.of(load_study(path))  # type: ignore[arg-type]
    assert message in str(told.value)


def test_conditions_are_for_modules(write_study: Write) -> None:
    text = '[data]\nsource = "wine"\n[search]\nwidth = 8\n'
    path = write_study(text + 'dropout = { low = 0.1, high = 0.2, when = { optimizer = "sgd" } }\n')
    with pytest.raises(StudyFileError, match="search.dropout.when belongs to a study with a"):
        load_study(path)
