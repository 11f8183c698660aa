"""Output that cannot be written, and text of others that must not reach a terminal as it is."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from ..commands import TUNER, run
from ..conftest import SMALL, Write

pytestmark = pytest.mark.process

RECOMMEND = ("recommend", "--inputs", "64", "--outputs", "10", "--rows", "1000")


def test_a_disk_without_room_for_the_output() -> None:
    """Else a full disk shows a traceback, and an exit code that says nothing."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*TUNER, *RECOMMEND], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 5
    assert done.stderr.strip() == f"error: output cannot be written ({os.strerror(errno.ENOSPC)})"


def test_a_reader_that_leaves() -> None:
    """Else `tuner studies | head` ends in a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*TUNER, *RECOMMEND], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_of_few_letters(write_study: Write) -> None:
    """Else ± ends a search that went well in a traceback."""
    write_study(SMALL.replace("seeds = 0", "seeds = 2\nconfigs = 1"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    words = [*TUNER, "tune", "small", "--workers", "1", "--trials", "1"]
    done = subprocess.run(
        words, env=environment, capture_output=True, encoding="ascii", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Best val_loss:" in done.stdout


@pytest.mark.usefixtures("project")
def test_names_do_not_steer_the_terminal() -> None:
    """Else a file's name rewrites what the user sees."""
    name = "a\x1b[31m\x07b.toml"
    told = run("tune", name, code=2).stderr
    assert not {"\x1b", "\x07"} & set(told)
    assert r"a\x1b[31m\x07b.toml" in told


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optuna.db", "'optuna.db' is the name of a file in the folder of all results"),
        ("heuristics.json", "'heuristics.json' is the name of a file"),
        ("optuna.lock", "'optuna.lock' is the name of a file"),
        ("a" * 210, "the name of a study has at most 200 letters, got 210"),
    ],
)
def test_names_that_cannot_be(write_study: Write, name: str, message: str) -> None:
    """Else a study's folder and the store of all studies get in each other's way."""
    path = write_study(SMALL, name)
    assert message in run("tune", str(path), code=2).stderr
    assert not (path.parent.parent / "runs").exists()


@pytest.mark.usefixtures("project")
def test_a_path_that_is_too_long() -> None:
    told = run("tune", "a" * 300 + ".toml", code=2).stderr
    assert "File name too long" in told
    assert "Traceback" not in told


def test_help_shows_brackets() -> None:
    assert "[confirm]" in run("tune", "--help").stdout
