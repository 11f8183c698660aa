"""A study under way, to which something is done: how to start it, and to know that it trains."""

import contextlib
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import optuna

from tuner import storage
from tuner.storage import locate

from ..commands import TUNER, Command
from ..conftest import SMALL

#: A study of some seconds, so that signals find trials at work.
STUDY = SMALL.replace("wine", "digits").replace("epochs = 3", "epochs = 20")


Process = Command | subprocess.Popen[str]


def start(*words: str) -> Command:
    return Command("tune", "small", *words)


def start_anew(*words: str) -> subprocess.Popen[str]:
    """Starts an interpreter that loads its libraries, as a user does."""
    return subprocess.Popen(
        [*TUNER, "tune", "small", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_a_trial_runs(
    process: Process, finished: int = 0, stale: frozenset[int] = frozenset()
) -> None:
    """Waits until the process trains, with so many trials finished before.

    `stale` are trials that an earlier process left running.
    """
    while process.poll() is None:
        running, n_finished = glance()
        if running - stale and n_finished >= finished:
            return
        time.sleep(0.1)
    raise AssertionError(f"ended early: {process.communicate()}")


def glance() -> tuple[frozenset[int], int]:
    """Numbers of the trials that were given to a worker, and how many have ended.

    By SQLite alone: to read a study as Optuna does takes a tenth of a second of a core and more.
    """
    running = (
        "SELECT number FROM trials JOIN trial_user_attributes USING (trial_id)"
        " JOIN studies USING (study_id)"
        " WHERE study_name = 'small' AND state = 'RUNNING' AND key = 'config'"
    )
    finished = (
        "SELECT count(*) FROM trials JOIN studies USING (study_id)"
        " WHERE study_name = 'small' AND state IN ('COMPLETE', 'PRUNED')"
    )
    numbers, n_finished = _numbers(running), _numbers(finished)
    return frozenset(numbers), n_finished[0] if n_finished else 0


def is_begun() -> bool:
    """Says whether the study is in the store."""
    return bool(_numbers("SELECT 1 FROM studies WHERE study_name = 'small'"))


def _numbers(query: str) -> list[int]:
    """Reads a number from each row of an answer; [] where there are no tables yet."""
    if not locate().path.exists():
        return []
    address = f"file:{quote(str(locate().path))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            return [number for (number,) in connection.execute(query)]
    except sqlite3.OperationalError:
        return []


def until_it_loads(process: Process) -> None:
    """Waits until the process has begun to load torch."""
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and "libtorch" not in maps.read_text():
        time.sleep(0.01)


def children(pid: int) -> set[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(each) for file in files for each in file.read_text().split()}


def descendants(process: Process, n_workers: int) -> set[int]:
    """The workers of a command, and the server that has loaded what they need."""
    (server,) = children(process.pid)
    workers = children(server)
    assert len(workers) == n_workers
    return {server, *workers}


def until_they_ended(pids: set[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a worker outlived its coordinator"
        time.sleep(0.05)


def trials() -> list[optuna.trial.FrozenTrial]:
    return storage.read_study("small").trials


def values() -> dict[int, tuple[str, float | None]]:
    """State and value of each trial that ended by itself."""
    return {
        trial.number: (trial.state.name, trial.value)
        for trial in trials()
        if trial.state.is_finished() and "interrupted" not in trial.user_attrs
    }
