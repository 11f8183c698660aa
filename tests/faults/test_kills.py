"""Death at any write, and a disk that fills up: real processes, and an oracle beside the store.

The oracle is a file of what a search was told had ended, flushed before it goes on.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

import tuner
from tuner import storage
from tuner.storage import count

from ..commands import forks
from ..conftest import SMALL, Write
from .dying import ACKNOWLEDGED, TRIALS, Oracle, filled, search


def ran(folder: Path, kill_at: int | None = None, home: str = "runs") -> int:
    """Runs `search` to its end; returns how it ended."""
    process = forks().Process(target=search, args=(str(folder), kill_at, home))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def complaint() -> str:
    """What the last search that ended with an error said."""
    return Path("complaint").read_text() if Path("complaint").exists() else ""


def acknowledged() -> dict[int, tuple[str, float | None]]:
    """What was told to have ended; asserts that nothing was told twice."""
    lines = ACKNOWLEDGED.read_text().splitlines() if ACKNOWLEDGED.exists() else []
    told = [json.loads(line) for line in lines]
    found = {each["number"]: (each["state"], each["score"]) for each in told}
    assert len(found) == len(told), "a trial was told twice"
    return found


def check(expected: dict[int, tuple[str, float | None]]) -> None:
    """Asserts that the store has what was told, exactly the budget, and nothing under way."""
    study = storage.read_study("small")
    kept = {
        trial.number: (trial.state.name.lower(), trial.value)
        for trial in study.trials
        if trial.state == TrialState.COMPLETE
    }
    for number, (state, score) in expected.items():
        if state == "complete":
            assert kept[number] == (state, pytest.approx(score))
    counts = count(study.get_trials(deepcopy=False))
    assert (counts.finished, counts.running) == (TRIALS, 0)


@pytest.mark.slow
def test_death_at_every_write(write_study: Write, project: Path) -> None:
    """Else one of some fifty moments loses a trial, doubles it, or leaves it under way for ever."""
    write_study(SMALL.replace("epochs = 3", "epochs = 1") + "[study]\npruner = 'none'\n")
    assert ran(project) == 0
    check(acknowledged())
    n_writes = int(Path("writes").read_text())
    assert n_writes > 20
    for k in range(1, n_writes + 1):
        for left in Path("runs").rglob("*"):
            if left.is_file():
                left.unlink()
        ACKNOWLEDGED.unlink(missing_ok=True)
        died = ran(project, kill_at=k)
        assert died in (-signal.SIGKILL, 0), f"write {k}"
        before = acknowledged()
        tuner.tune("small", trials=TRIALS, workers=1, fleet=1, observer=Oracle())
        after = acknowledged()
        assert before.items() <= after.items()
        check(after)


def dumped() -> list[str]:
    """All rows of the store, as text."""
    import sqlite3

    with contextlib.closing(sqlite3.connect("runs/optuna.db")) as connection:
        return list(connection.iterdump())


def test_a_finished_study_is_left_as_it_is(write_study: Write) -> None:
    """Else looking again changes what was found, or trains on."""
    write_study(SMALL + "[study]\npruner = 'none'\n")
    tuner.tune("small", trials=6, workers=1)
    before = dumped()
    again = tuner.tune("small", trials=6, workers=1)
    assert again.ran == 0
    changed = {line for line in dumped() if line not in before}
    assert not {line for line in changed if "trial" in line.split("(")[0]}, changed


def test_an_owner_that_is_gone(write_study: Write) -> None:
    """Else the name of a dead process keeps everyone from a study."""
    write_study()
    owner = Path("runs/small/owner")
    owner.parent.mkdir(parents=True)
    owner.write_text("process 1 on another-machine")
    assert tuner.tune("small", trials=1, workers=1).ran == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.process
def test_a_disk_that_fills_up(write_study: Write, project: Path, small_disk: Path) -> None:
    """Each time exit code 5, and once there is room nothing that was told is missing."""
    write_study(SMALL.replace("epochs = 3", "epochs = 1") + "[study]\npruner = 'none'\n")
    home = str(small_disk / "runs")
    filling = small_disk / "filling"
    assert ran(project, home=home) == 0, complaint()
    n_writes = int(Path("writes").read_text())
    codes = set()
    for k in range(3, n_writes, 5):
        for left in Path(home).rglob("*"):
            if left.is_file():
                left.unlink()
        ACKNOWLEDGED.unlink(missing_ok=True)
        process = forks().Process(target=filled, args=(str(project), k, home, str(filling)))
        process.start()
        process.join(120)
        codes.add(process.exitcode)
        assert process.exitcode in (0, 5), f"at write {k}: {complaint()}"
        if process.exitcode == 5:  # the disk is still full, but for a few pages
            again = ran(project, home=home)
            codes.add(again)
            assert again in (0, 5), f"once more after write {k}: {complaint()}"
        before = acknowledged()
        filling.unlink(missing_ok=True)
        assert ran(project, home=home) == 0, f"after write {k}: {complaint()}"
        after = acknowledged()
        assert before.items() <= after.items()
        os.environ["TUNER_HOME"] = home
        check(after)
    assert 5 in codes
