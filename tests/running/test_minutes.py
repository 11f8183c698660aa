"""The time of a search: what users lose where it is counted wrongly is the end of their search."""

import math

import pytest

from tuner.running import minutes
from tuner.running.minutes import Minutes


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(minutes, "time", clock)
    return clock


def test_time_counts_while_it_is_started(clock: Clock) -> None:
    time = Minutes(1.0, earlier=5.0)
    clock.now += 7  # workers start
    assert (time.here, time.spent, time.left(0.0)) == (0.0, 5.0, 55.0)
    time.start()
    clock.now += 10
    time.start()
    clock.now += 10
    time.stop()
    clock.now += 100  # a confirmation
    assert (time.here, time.spent) == (20.0, 25.0)
    time.start()
    clock.now += 1
    time.reserved = 4.0
    assert time.left(confirmation=10.0) == 60.0 - 26.0 - 10.0 - 4.0


def test_a_trial_begins_where_a_usual_one_fits(clock: Clock) -> None:
    """Else the last seconds of a search go into trials that it then cuts."""
    time = Minutes(1.0)
    assert time.is_worth_beginning(0.1)  # nothing is known yet
    for seconds in (4.0, 10.0, 100.0):
        time.completed(seconds)
    assert time.is_worth_beginning(10.0)
    assert not time.is_worth_beginning(9.9)


def test_a_trial_takes_what_its_work_took_before(clock: Clock) -> None:
    """Else a large network begins in the last seconds, because small ones would end in them."""
    time = Minutes(1.0)
    assert time.takes(100.0) == 0.0  # nothing is known yet
    time.completed(5.0)  # of a network whose work is not known
    assert time.takes(100.0) == 0.0
    for seconds, work in ((2.0, 10.0), (4.0, 10.0), (90.0, 10.0)):
        time.completed(seconds, work)
    assert time.takes(100.0) == pytest.approx(40.0)


def test_without_a_limit_there_is_always_time(clock: Clock) -> None:
    time = Minutes(None)
    time.start()
    clock.now += 1e6
    time.completed(1e5)
    time.did(1.0)
    assert time.left(1e6) == math.inf
    assert time.is_worth_beginning(time.left(0.0))
    assert time.trials(ran=10) == math.inf
    assert not time.is_too_long(1e30)


def test_the_pace_is_what_was_timed_until_more_was_seen(clock: Clock) -> None:
    time = Minutes(1.0, timed=2.0)
    assert time.pace == 2.0
    time.start()
    clock.now += 12  # as much as the timing counts for
    time.did(3.0)
    assert time.pace == pytest.approx((12 + 12) / (6 + 3))
    unknown = Minutes(1.0)
    assert unknown.pace is None
    assert not unknown.is_too_long(1e30)
    unknown.start()
    clock.now += 12
    unknown.did(3.0)
    assert unknown.pace == 4.0


def test_a_trial_of_more_than_seven_percent_is_too_long() -> None:
    time = Minutes(1.0, timed=2.0)
    assert not time.is_too_long(0.069 * 60 / 2)
    assert time.is_too_long(0.071 * 60 / 2)


def test_how_many_trials_there_is_time_for(clock: Clock) -> None:
    time = Minutes(1.0)
    time.start()
    clock.now += 6
    assert time.trials(ran=3) == math.inf  # pruned ones say little
    time.completed(5.0)
    assert time.trials(ran=3) == 30.0
