"""A study that version 0.1 made with other rooms goes on: resumed, reported, audited, loaded.

`before/` is its `runs/` folder, its database as text, and what its network said of some rows.
"""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

import tuner
from tuner.answers.ablation import ablate
from tuner.answers.auditing import audit
from tuner.reporting import report

BEFORE = Path(__file__).parent / "before"
TOLD = json.loads((BEFORE / "told.json").read_text())


@pytest.fixture
def before(project: Path) -> Path:
    """The project of that study; returns the folder of its results."""
    shutil.copy(BEFORE / "small.toml", project / "studies")
    folder = project / "runs" / "small"
    shutil.copytree(BEFORE / "small", folder)
    with sqlite3.connect(project / "runs" / "optuna.db") as database:
        database.executescript((BEFORE / "optuna.sql").read_text())
    database.close()
    return folder


@pytest.mark.slow
def test_is_read(before: Path) -> None:
    best = tuner.best("small")
    assert best.value == TOLD["value"] and best.confirmed is not None
    assert tuner.best_config("small").width == TOLD["width"]
    assert len(tuner.leaderboard("small")) == TOLD["trials"]
    confirmation = tuner.confirmation("small")
    assert confirmation is not None and confirmation.winner == TOLD["winner"]
    with torch.no_grad():
        outputs = tuner.load_model("small")(torch.tensor(TOLD["rows"])).numpy()
    assert np.allclose(outputs, TOLD["outputs"], rtol=1e-4)
    assert "S7" in report("small").read_text()


def kept(folder: Path) -> list[dict[str, object]]:
    """What is kept of repetitions, without what they are of, which is noted once it is known."""
    lines = (folder / "repeats.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "of"} for line in lines]


@pytest.mark.slow
def test_goes_on(before: Path) -> None:
    """Nothing that was trained is trained again, and no trial is lost."""
    repeats, network = kept(before), tuner.best("small").confirmed
    again = tuner.tune("small")
    assert (again.ran, again.counts.finished) == (0, TOLD["finished"])
    assert again.best == tuner.best("small")
    assert again.best is not None and again.best.value == TOLD["value"]
    assert kept(before) == repeats
    assert network is not None and network.is_refit
    assert again.best.confirmed is not None
    assert again.best.confirmed.network_test == network.network_test
    assert again.confirmation is not None and again.confirmation.test_openings == 1
    more = tuner.tune("small", trials=TOLD["finished"] + 2)
    assert (more.ran, more.counts.finished) == (2, TOLD["finished"] + 2)
    assert kept(before)[: len(repeats)] == repeats


def test_is_judged(before: Path) -> None:
    assert audit("small", rules=["S22"], pairs=2).findings
    assert ablate("small").steps
