"""Interpreters that are started ahead: taken by who needs them, and never left running."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tuner.data import load
from tuner.running import ahead
from tuner.study import load_study
from tuner.system import interpreter
from tuner.system.interpreter import Interpreter, Work
from tuner.workers import FleetCrew, Pool, ProcessLauncher, process

from ..conftest import SMALL, Write

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    interpreter.dismiss_ahead()


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that ended and is not waited for is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    end = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def test_workers_are_those_that_were_started_ahead(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a command loads everything twice, one after the other, before its first trial."""
    monkeypatch.setattr(ahead, "processes_at_once", lambda: 2)
    monkeypatch.setattr(ahead, "cores", lambda: 2)
    monkeypatch.setattr(ahead, "may_have_accelerator", lambda: False)
    ahead.start_workers(load_study(write_study(SMALL)), None, None, None)
    waiting = [each.pid for each in interpreter._ahead]
    assert len(waiting) == 2
    makes = [partial(FleetCrew, load("wine", Path()), 1, accelerator="cpu")] * 2
    with Pool(ProcessLauncher(makes), epoch_seconds=60) as pool:
        assert [remote.link.pid for remote in pool._remotes] == waiting
        assert not interpreter._ahead
        while not pool.is_complete:
            pool.events(0.1)
    assert all(ends(pid) for pid in waiting)


def test_another_kind_is_not_taken() -> None:
    """Else workers compute with other cores, or see other GPUs, than they are told to."""
    interpreter.start_ahead(1, Work.of(process.SERVE, 2, {}))
    (waiting,) = interpreter._ahead
    other = interpreter.take(Work.of(process.SERVE, 1, {}))
    assert other is not waiting
    interpreter.dismiss_ahead()
    assert ends(waiting.pid)
    other.kill()
    other.wait(5)
    other.close()


@pytest.mark.parametrize("how", ["sys.exit(2)", "os.kill(os.getpid(), 9)"])
def test_they_end_with_who_started_them(how: str, tmp_path: Path) -> None:
    """Else each wrong command leaves processes behind."""
    code = (
        "import os, sys\n"
        "from tuner.system import interpreter\n"
        f"interpreter.start_ahead(2, interpreter.Work.of({process.SERVE!r}, 1, {{}}))\n"
        "print(*[each.pid for each in interpreter._ahead], flush=True)\n"
        f"{how}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    assert all(ends(pid) for pid in pids)


def test_what_it_writes_is_kept() -> None:
    """Else nobody learns why a worker could not start."""
    one = Interpreter(Work.of("tuner.nowhere:serve", 1, {}))
    assert one.wait(60) == 1
    one.output.seek(0)
    assert b"No module named 'tuner.nowhere'" in one.output.read()
    one.close()
