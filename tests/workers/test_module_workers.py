"""Workers that train modules of the user's: the contract, and code that behaves badly."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch

from tuner.network.config import MLPConfig, ModuleConfig
from tuner.training.modules import ModuleTraining
from tuner.workers import (
    Failed,
    Finished,
    FleetCrew,
    Job,
    Pool,
    ProcessLauncher,
    Progress,
    ThreadWorker,
    Worker,
)
from tuner.workers.process import LOAD_LIGHTNING
from tuner.workers.solo import SoloCrew

from ..networks import Net
from .kinds import ended, ready, until
from .test_workers import wine as wine

pytestmark = pytest.mark.process

MAKE = partial(SoloCrew, None, training=ModuleTraining("val_loss"))


def here() -> Worker:
    return ThreadWorker(MAKE(), epoch_seconds=60)


def elsewhere() -> Worker:
    return Pool(ProcessLauncher([MAKE] * 2, load=LOAD_LIGHTNING), epoch_seconds=60)


KINDS: list[Callable[[], Worker]] = [here, elsewhere]


def config(epochs: int = 2, **values: Any) -> ModuleConfig:
    return ModuleConfig(
        module="tests.networks:Net",
        values=values,
        data_module="tests.networks:Wine",
        data_values={"batch_size": 32},
        epochs=epochs,
    )


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__, scope="module")
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with ready(request.param()) as worker:
        yield worker


def test_a_job_runs_through_its_epochs(worker: Worker, tmp_path: Any) -> None:
    worker.submit(Job(7, config(width=5), seed=1, shuffle_seed=0))
    *progress, finished = until(worker, ended)
    assert [event.epoch for event in progress if isinstance(event, Progress)] == [1, 2]
    assert isinstance(finished, Finished)
    assert finished.metrics == progress[-1].metrics  # type: ignore[union-attr]
    assert finished.n_parameters == 13 * 5 + 5 + 5 * 3 + 3
    path = tmp_path / "model.ckpt"
    path.write_bytes(finished.checkpoint)
    assert Net.load_from_checkpoint(path, weights_only=True).hparams["width"] == 5


def test_the_same_job_gives_the_same_numbers(worker: Worker) -> None:
    scores = []
    for number in (1, 2, 3):
        worker.submit(Job(number, config(), seed=5, shuffle_seed=0))
        found = until(worker, ended)
        scores.append([event.metrics for event in found if not isinstance(event, Failed)])
    assert scores[0] == scores[1] == scores[2]


def test_nothing_is_heard_of_a_cancelled_job(worker: Worker) -> None:
    worker.submit(Job(1, config(10_000), seed=1, shuffle_seed=0))
    until(worker, bool)
    worker.cancel(1)
    worker.submit(Job(2, config(), seed=1, shuffle_seed=0))
    assert {event.job for event in until(worker, ended)} == {2}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("constructor", "ValueError: no such network"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "Error"),  # Lightning's own, which looks for a main thread
    ],
)
def test_what_the_module_raises_fails_its_job_alone(
    worker: Worker, fault: str, reason: str
) -> None:
    worker.submit(Job(3, config(fault=fault), seed=1, shuffle_seed=0))
    (failed,) = until(worker, ended)
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert "networks.py" in failed.traceback
    assert not failed.diverged
    assert not failed.hopeless
    worker.submit(Job(4, config(), seed=1, shuffle_seed=0))
    assert isinstance(until(worker, ended)[-1], Finished)


def test_a_class_that_is_gone_fails_its_job(worker: Worker) -> None:
    gone = config().model_copy(update={"module": "tests.networks:Gone"})
    worker.submit(Job(3, gone, seed=1, shuffle_seed=0))
    (failed,) = until(worker, ended)
    assert isinstance(failed, Failed)
    assert "names no class: tests.networks has no Gone" in failed.reason


def test_divergence_is_told(worker: Worker) -> None:
    worker.submit(Job(5, config(fault="diverge"), seed=1, shuffle_seed=0))
    last = until(worker, ended)[-1]
    assert isinstance(last, Failed)
    assert last.diverged


def test_a_missing_metric_is_hopeless(worker: Worker) -> None:
    worker.submit(Job(5, config(fault="silent"), seed=1, shuffle_seed=0))
    (failed,) = until(worker, ended)
    assert isinstance(failed, Failed)
    assert failed.hopeless
    assert failed.reason.startswith("must be a metric that the module logs, got 'val_loss'; it")


def test_much_output_is_no_harm(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    worker.submit(Job(6, config(fault="print"), seed=1, shuffle_seed=0))
    assert isinstance(until(worker, ended)[-1], Finished)


def test_close_ends_a_module_that_never_ends() -> None:
    with ready(elsewhere()) as worker:
        worker.submit(Job(1, config(fault="hang"), seed=1, shuffle_seed=0))
        until(worker, lambda found: len(found) == 2)
        begin = time.monotonic()
    assert time.monotonic() - begin < 8


def test_fleets_take_mlps_only(wine: Any) -> None:
    with ThreadWorker(FleetCrew(wine, 1, accelerator="cpu"), epoch_seconds=60) as worker:
        worker.submit(Job(1, config(), seed=1, shuffle_seed=0))
        (failed,) = until(worker, ended)
        assert isinstance(failed, Failed)
        assert failed.reason == "TypeError: a fleet trains MLPs, not tests.networks:Net"
        mlp = MLPConfig(depth=1, width=4, epochs=1)
        worker.submit(Job(2, mlp, seed=1, shuffle_seed=0))
        finished = until(worker, ended)[-1]
        assert isinstance(finished, Finished)
        assert finished.n_parameters == mlp.n_parameters(13, 3)
        assert torch.is_grad_enabled()
