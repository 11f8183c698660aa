"""Searches that die at a write, or whose disk fills up; loaded by a fork, so without pytest."""

import contextlib
import json
import os
import signal
from pathlib import Path

import optuna
import sqlalchemy

import tuner
from tuner.errors import TunerError
from tuner.running.progress import Ended, Observer

TRIALS = 2
ACKNOWLEDGED = Path("acknowledged.jsonl")


class Oracle(Observer):
    """Writes down what ended, outside the product."""

    def ended(self, trial: Ended) -> None:
        told = {"number": trial.trial.number, "state": trial.state, "score": trial.trial.score}
        with ACKNOWLEDGED.open("a") as file:
            file.write(json.dumps(told) + "\n")
            file.flush()
            os.fsync(file.fileno())


def search(folder: str, kill_at: int | None, home: str = "runs") -> None:
    """Tunes in a process of its own, which dies just before its k-th write to the store."""
    os.chdir(folder)
    os.environ["TUNER_HOME"] = home
    # Forks have the variables of the test with which their server began.
    os.environ.pop("TUNER_STORAGE", None)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    writes = 0

    def count_down(*_: object) -> None:
        nonlocal writes
        writes += 1
        if writes == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", count_down)
    try:
        tuner.tune("small", trials=TRIALS, workers=1, fleet=1, observer=Oracle())
    except TunerError as error:
        Path("complaint").write_text(str(error))
        os._exit(error.exit_code)
    Path("writes").write_text(str(writes))
    os._exit(0)


def filled(folder: str, k: int, home: str, filling: str) -> None:
    """Tunes on a disk that another program fills up at the k-th write."""
    writes = 0

    def fill(*_: object) -> None:
        nonlocal writes
        writes += 1
        if writes == k:
            with contextlib.suppress(OSError), Path(filling).open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", fill)
    search(folder, None, home)
