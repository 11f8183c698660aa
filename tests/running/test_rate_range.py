"""The range test: what it may take, and what it reads off its losses."""

import math

import pytest

from tuner import heuristics
from tuner.network.config import DataFacts, MLPConfig
from tuner.running.rate_range import RangeTest
from tuner.workers import Failed, Finished, Progress

CONFIG = MLPConfig(depth=2, width=64, batch_size=32, epochs=20, schedule="cosine", warmup=0.1)
PACE = 1e-8


def facts(n_rows: int) -> DataFacts:
    return DataFacts(n_inputs=10, n_outputs=3, n_rows=n_rows)


def range_test(n_rows: int, seconds: float = math.inf, pace: float = PACE) -> RangeTest:
    return RangeTest(CONFIG, facts(n_rows), first_job=100, seed=7, seconds=seconds, pace=pace)


def rows(test: RangeTest, n_rows: int) -> int:
    """The training rows that each of the rates sees, all epochs together."""
    (seen,) = {
        job.config.epochs * (n_rows if job.cut is None or job.cut.rows is None else job.cut.rows)
        for job in test.jobs
    }
    return seen


@pytest.mark.parametrize("n_rows", [200, 2_000, 50_000, 5_000_000])
@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 10.0, 1000.0])
def test_takes_no_longer_than_it_may(n_rows: int, seconds: float) -> None:
    """Else a range test of a large table takes the time of the search that it is to help."""
    test = range_test(n_rows, seconds)
    seen = rows(test, n_rows)
    work = heuristics.work(CONFIG, facts(seen))
    at_least = max(10 * CONFIG.batch_size, 0) + n_rows * (n_rows < 10 * CONFIG.batch_size)
    assert len(test.jobs) * work * PACE <= seconds or seen <= at_least
    assert seen <= max(100 * CONFIG.batch_size, n_rows if n_rows < 3_200 else 0)


def test_is_long_enough_where_there_is_time() -> None:
    """Else the rates differ by chance: a hundred steps each, ten where there is no time."""
    assert rows(range_test(50_000), 50_000) == 100 * 32
    assert rows(range_test(50_000, pace=0.0), 50_000) == 100 * 32  # it was not timed
    assert rows(range_test(50_000, seconds=0.0), 50_000) == 10 * 32
    # Of few rows it takes all, for more epochs, as many as a trial has at most.
    assert {job.config.epochs for job in range_test(200).jobs} == {16}
    assert {job.config.epochs for job in range_test(50).jobs} == {20}


def test_the_jobs_differ_in_their_rate_alone() -> None:
    """Else it is not the rate that makes one of them better than the others."""
    jobs = range_test(50_000).jobs
    assert [job.id for job in jobs] == [*range(100, 132)]
    rates = [job.config.learning_rate for job in jobs if isinstance(job.config, MLPConfig)]
    assert rates == sorted(set(rates))
    assert (rates[0], rates[-1]) == (1e-5, 10.0)
    assert len({(job.seed, job.shuffle_seed, job.cut) for job in jobs}) == 1
    assert (
        len({job.config.model_copy(update={"learning_rate": 1.0}).to_json() for job in jobs}) == 1
    )
    (schedule,) = {job.config.schedule for job in jobs if isinstance(job.config, MLPConfig)}
    assert schedule == "constant"


def test_what_its_jobs_tell() -> None:
    """Else a rate at which training diverges is recommended, or none at all."""
    test = range_test(50_000)
    assert not test.takes(Progress(99, 1, {}, 0)) and not test.takes(Progress(132, 1, {}, 0))
    for number, job in enumerate(test.jobs):
        assert test.is_waiting and not test.is_over
        assert test.begin() is job
        assert test.n_under_way == 1
        assert test.takes(Progress(job.id, 1, {"val_loss": 1.0}, 0))
        if number < 24:  # the loss falls with the rate, until it diverges
            assert test.takes(Finished(job.id, {"val_loss": 1.0 - 0.02 * number}, b"", 1))
        else:
            assert test.takes(Failed(job.id, "NaN", diverged=True))
        assert test.n_under_way == 0
    assert test.is_over and not test.is_waiting
    found = test.found
    assert found is not None
    assert found.losses[24:] == (None,) * 8
    assert found.high == found.rates[23]
    assert found.low == found.rates[12]  # with half of the best fall
    assert found.low < found.suggested < found.high


def test_nothing_is_found_where_no_rate_learns() -> None:
    """Else the recommendation begins at a rate of chance."""
    test = range_test(50_000)
    for job in test.jobs:
        test.begin()
        test.takes(Failed(job.id, "out of memory"))
    assert test.is_over
    assert test.found is None
