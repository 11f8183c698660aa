"""Real signals to a real process: nothing finished is lost, and the budget is exact."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

import tuner
from tuner.storage import count, locate

from ..commands import run
from ..conftest import SMALL, Write
from .under_way import (
    STUDY,
    Process,
    children,
    descendants,
    glance,
    is_begun,
    start,
    start_anew,
    trials,
    until_a_trial_runs,
    until_it_loads,
    until_they_ended,
    values,
)

pytestmark = pytest.mark.process

#: So short that a trial has soon ended, while 200 of them outlast a test.
SHORT = STUDY.replace("epochs = 20", "epochs = 8")


@pytest.mark.parametrize(
    ("number", "code", "times"),
    [(signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)],
)
def test_a_signal_ends_it_at_once_and_the_same_command_goes_on(
    write_study: Write, number: signal.Signals, code: int, times: int
) -> None:
    write_study(SHORT)
    process = start("--trials", "200", "--workers", "2", "--fleet", "4")
    until_a_trial_runs(process, finished=1)
    kept, workers = values(), descendants(process, 2)
    begin = time.monotonic()
    for _ in range(times):
        process.send_signal(number)
    _, told = process.communicate(timeout=300)
    assert time.monotonic() - begin < 5
    assert process.returncode == code, told
    assert "the same command goes on" in told
    assert count(trials()).running == 0
    until_they_ended(workers)
    goal = count(trials()).finished + 6  # four that were cut, and starting points that come late
    run("tune", "small", "--trials", str(goal), "--workers", "1")
    counts = count(trials())
    assert (counts.finished, counts.running, counts.waiting) == (goal, 0, 0)
    assert kept.items() <= values().items()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_loads(write_study: Write, number: signal.Signals) -> None:
    write_study(STUDY)
    for moment in (0.0, 0.4):
        process = start_anew()
        until_it_loads(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moment)
        process.send_signal(number)
        process.communicate(timeout=300)
        # A process without a handler yet dies by the signal itself, which a shell tells as 128 + n.
        assert process.returncode in (128 + number, -number)
    if locate().path.exists():
        assert count(trials()).running == 0


def test_kill_and_resume(write_study: Write) -> None:
    write_study(SHORT)
    process = start("--trials", "200", "--workers", "2", "--fleet", "4")
    until_a_trial_runs(process, finished=1)
    kept, workers = values(), descendants(process, 2)
    process.kill()
    process.communicate()
    until_they_ended(workers)
    cut = [trial for trial in trials() if trial.state == TrialState.RUNNING]
    assert cut
    goal = count(trials()).finished + 10
    run("tune", "small", "--trials", str(goal), "--workers", "1")
    counts = count(trials())
    assert (counts.finished, counts.running, counts.interrupted) == (goal, 0, len(cut))
    assert kept.items() <= values().items()
    assert any("config" in each.user_attrs for each in cut)
    for each in cut:
        if "config" not in each.user_attrs:
            continue  # cut while its parameters were drawn
        (again,) = [t for t in trials() if t.user_attrs.get("retry_of") == each.number]
        assert trials()[each.number].state == TrialState.FAIL
        assert again.params == each.params
        assert again.user_attrs["seed"] == each.user_attrs["seed"]


def test_workers_that_die_cost_nothing_but_time(write_study: Write) -> None:
    write_study(STUDY)
    process = start("--trials", "40", "--workers", "2", "--fleet", "4")
    for finished in (1, 6, 12):
        until_a_trial_runs(process, finished=finished)
        (server,) = children(process.pid)
        victim = server if finished == 12 else children(server).pop()
        os.kill(victim, signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    counts = count(trials())
    assert (counts.finished, counts.failed, counts.interrupted) == (40, 0, 0)
    assert len(trials()) == 40


@pytest.mark.slow
def test_twenty_blows_at_random(write_study: Write) -> None:
    """`kill -9` and Ctrl-C, twenty in all, at random moments of a study; each finds it alive."""
    write_study(SMALL.replace("epochs = 3", "epochs = 10"))
    moments = random.Random(1)
    seen: dict[int, tuple[str, float | None]] = {}
    for blow in range(20):
        stale, _ = glance()
        words = ("--trials", "1000", "--workers", "1", "--fleet", "2")
        process: Process
        if blow % 10:
            process = start(*words)
            _, n = glance()
            until_a_trial_runs(process, stale=stale, finished=n + 1 if blow % 5 == 0 else 0)
        else:
            process = start_anew(*words)
            until_it_loads(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.0, 0.3))
        number = moments.choice([signal.SIGKILL, signal.SIGINT])
        process.send_signal(number)
        process.communicate(timeout=300)
        assert process.returncode in (130, -signal.SIGINT, -signal.SIGKILL)
        if is_begun():
            found = values()
            assert seen.items() <= found.items(), "a finished trial changed or went"
            seen = found
    assert seen, "no blow found a finished trial"
    budget = count(trials()).finished + 5
    run("tune", "small", "--trials", str(budget), "--workers", "1")
    counts = count(trials())
    assert counts.finished == budget
    assert counts.interrupted >= 10
    assert counts.running == 0
    assert seen.items() <= values().items()
    best = tuner.best("small")
    assert trials()[best.trial].value == best.value
    assert tuner.load_model("small").config == best.config
    assert not [path for path in Path("runs/small").iterdir() if path.name.startswith(".")]
