"""Several processes at once: budgets, stores and clocks that they share."""

import ctypes
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

import tuner
from tuner import storage
from tuner.storage import count, locate

from ..commands import Command, forks, run
from ..conftest import Write
from .under_way import STUDY, start, trials, until_a_trial_runs, values

pytestmark = pytest.mark.process

_NEW_TIME = 0x80  # CLONE_NEWTIME of Linux' <sched.h>


def printed(told: str) -> list[int]:
    """Numbers of the trials that a command said had ended."""
    return [int(each) for each in re.findall(r"^trial +(\d+) (?:done|pruned|failed)", told, re.M)]


def test_four_workers_race_for_the_last_trial(write_study: Write) -> None:
    """Else a budget of 23 trials is 24, or one is told twice."""
    write_study(STUDY.replace("epochs = 20", "epochs = 2") + "[study]\npruner = 'none'\n")
    told = run("tune", "small", "--trials", "23", "--workers", "4").stdout
    assert sorted(printed(told)) == sorted(each.number for each in trials()) == list(range(23))
    assert (count(trials()).finished, count(trials()).running) == (23, 0)


def of_other() -> list[FrozenTrial]:
    return storage.read_study("other").trials


def test_a_torn_write_beside_one_who_writes_on(write_study: Write) -> None:
    """What a process that died has half written costs the other study of the file nothing."""
    write_study(STUDY)
    write_study(STUDY, name="other")
    dying = start("--trials", "500", "--workers", "1")
    with Command("tune", "other", "--trials", "500", "--workers", "1", "--fleet", "1") as living:
        until_a_trial_runs(dying, finished=1)
        dying.kill()
        dying.communicate()
        kept = values()
        assert living.poll() is None
        log = Path(f"{locate().path}-wal")
        with log.open("ab") as file:  # part of a frame: its header is right, the page is cut
            file.write(log.read_bytes()[32:1500])
        goal = count(trials()).finished + 4
        run("tune", "small", "--trials", str(goal), "--workers", "1")
        living.send_signal(signal.SIGTERM)
        told, complaint = living.communicate(timeout=300)
    assert living.returncode == 143, complaint
    assert count(of_other()).running == 0
    ended = {each.number for each in of_other() if each.state.is_finished()}
    assert set(printed(told)) <= ended
    assert printed(told)
    assert kept.items() <= values().items()
    assert (count(trials()).finished, count(trials()).running) == (goal, 0)


def with_workers_of_another_time(folder: str, seconds: int) -> None:
    """Tunes in a process whose workers' clock is ahead of its own, or behind."""
    os.chdir(folder)
    os.environ["TUNER_HOME"] = "runs"
    os.environ.pop("TUNER_STORAGE", None)  # of the test with which the fork server began
    if ctypes.CDLL(None).unshare(_NEW_TIME):
        os._exit(77)
    with Path("/proc/self/timens_offsets").open("w") as file:
        file.write(f"monotonic {seconds} 0\n")
    result = tuner.tune("small", workers=2, fleet=2)
    os._exit(0 if result.counts.finished == 4 and result.counts.failed == 0 else 1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' time namespaces")
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_an_hour_off(write_study: Write, project: Path, hours: int) -> None:
    """Else a worker on another machine seems to be silent for an hour, and is ended."""
    write_study()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    seconds = max(3600 * hours, -int(uptime / 2))
    arguments = (str(project), seconds)
    process = forks().Process(target=with_workers_of_another_time, args=arguments)
    process.start()
    process.join(120)
    if process.exitcode == 77:
        pytest.skip("needs the right to make a time namespace")
    assert process.exitcode == 0
    assert not [each for each in trials() if "losses" in each.user_attrs]
    assert count(trials()).finished == 4
