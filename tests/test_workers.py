"""One contract for every kind of worker."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tuner.config import MLPConfig
from tuner.data import Dataset, load
from tuner.errors import WorkerLostError
from tuner.fleet import Fleet, Member
from tuner.model import MLP, to_checkpoint
from tuner.workers import (
    Event,
    Failed,
    Finished,
    FleetCrew,
    Job,
    ProcessWorkers,
    Progress,
    SoloCrew,
    ThreadWorker,
    Worker,
    fleet,
    process,
)


def fleet_here(dataset: Dataset) -> Worker:
    return ThreadWorker(FleetCrew(dataset, 3, accelerator="cpu"))


def solo_here(dataset: Dataset) -> Worker:
    return ThreadWorker(SoloCrew(dataset))


def fleets_elsewhere(dataset: Dataset) -> Worker:
    return ProcessWorkers([partial(FleetCrew, dataset, 2, hands=1, accelerator="cpu")] * 2)


def solos_elsewhere(dataset: Dataset) -> Worker:
    return ProcessWorkers([partial(SoloCrew, dataset)] * 2)


Kind = Callable[[Dataset], Worker]
KINDS: list[Kind] = [fleet_here, solo_here, fleets_elsewhere, solos_elsewhere]
SHORT = MLPConfig(depth=1, width=4, batch_size=16, epochs=2)
LONG = SHORT.model_copy(update={"epochs": 10_000})


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine", Path())


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__, scope="module")
def worker(request: pytest.FixtureRequest, wine: Dataset) -> Iterator[Worker]:
    with ready(request.param(wine)) as worker:
        yield worker


def ready(worker: Worker) -> Worker:
    """Waits until it takes jobs."""
    end = time.monotonic() + 60
    while not (worker.is_complete if isinstance(worker, ProcessWorkers) else worker.capacity):
        assert time.monotonic() < end
        worker.events(0.1)
    return worker


def until(
    worker: Worker, enough: Callable[[list[Event]], bool], seconds: float = 60
) -> list[Event]:
    """Collects events until they are enough."""
    found: list[Event] = []
    end = time.monotonic() + seconds
    while not enough(found):
        assert time.monotonic() < end, f"only {found}"
        found += worker.events(0.05)
    return found


def ended(found: list[Event]) -> bool:
    return bool(found) and not isinstance(found[-1], Progress)


def test_a_job_runs_through_its_epochs(worker: Worker, tmp_path: Path) -> None:
    worker.submit(Job(7, SHORT, seed=1, shuffle_seed=0))
    *progress, finished = until(worker, ended)
    assert [event.epoch for event in progress if isinstance(event, Progress)] == [1, 2]
    assert isinstance(finished, Finished)
    assert {event.job for event in (*progress, finished)} == {7}
    assert finished.metrics == progress[-1].metrics  # type: ignore[union-attr]
    path = tmp_path / "model.ckpt"
    path.write_bytes(finished.checkpoint)
    assert MLP.load_from_checkpoint(path, weights_only=True).config == SHORT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_same_job_gives_the_same_numbers(kind: Kind, wine: Dataset) -> None:
    scores = []
    for number in (1, 2):
        with ready(kind(wine)) as worker:
            worker.submit(Job(number, SHORT, seed=5, shuffle_seed=0))
            found = until(worker, ended)
            scores.append([event.metrics for event in found if not isinstance(event, Failed)])
    assert scores[0] == scores[1]


def test_nothing_is_heard_of_a_cancelled_job(worker: Worker) -> None:
    worker.submit(Job(1, LONG, seed=1, shuffle_seed=0))
    until(worker, bool)
    worker.cancel(1)
    worker.submit(Job(2, SHORT, seed=1, shuffle_seed=0))
    assert {event.job for event in until(worker, ended)} == {2}
    worker.cancel(99)


def test_an_error_comes_with_its_traceback(worker: Worker) -> None:
    # A batch of one row, which batch normalization refuses.
    worker.submit(Job(3, SHORT.model_copy(update={"batch_size": 1}), seed=1, shuffle_seed=0))
    (failed,) = until(worker, ended)
    assert isinstance(failed, Failed)
    assert not failed.diverged
    assert failed.reason.startswith("ValueError: Expected more than 1 value per channel")
    assert "Traceback" in failed.traceback
    worker.submit(Job(4, SHORT, seed=1, shuffle_seed=0))
    assert isinstance(until(worker, ended)[-1], Finished)


def test_divergence_is_told(worker: Worker) -> None:
    update = {"optimizer": "sgd", "learning_rate": 1e30, "batch_normalization": False, "depth": 2}
    worker.submit(Job(5, SHORT.model_copy(update=update), seed=1, shuffle_seed=0))
    last = until(worker, ended)[-1]
    assert isinstance(last, Failed)
    assert last.diverged


def test_waits_no_longer_than_asked(worker: Worker) -> None:
    assert worker.capacity >= 1
    begin = time.monotonic()
    assert worker.events(0.05) == []
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_close_ends_what_runs(kind: Kind, wine: Dataset) -> None:
    with ready(kind(wine)) as worker:
        worker.submit(Job(1, LONG, seed=1, shuffle_seed=0))
        until(worker, bool)
        begin = time.monotonic()
    assert time.monotonic() - begin < 5


def test_an_error_of_saving_is_the_jobs(wine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither ends the fleet nor touches the jobs beside."""
    saved: list[MLP] = []

    def save(model: MLP) -> bytes:
        saved.append(model)
        if len(saved) == 1:
            raise OSError("no space left")
        return to_checkpoint(model)

    monkeypatch.setattr(fleet, "to_checkpoint", save)
    with fleet_here(wine) as worker:
        for number in (1, 2):
            worker.submit(Job(number, SHORT, seed=number, shuffle_seed=0))
        found = until(worker, lambda found: sum(not isinstance(e, Progress) for e in found) == 2)
    first, second = (event for event in found if not isinstance(event, Progress))
    assert isinstance(first, Failed)
    assert first.reason == "OSError: no space left"
    assert isinstance(second, Finished)


def test_what_ends_a_fleet_is_raised(wine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet_here(wine) as worker:
        monkeypatch.setattr(Fleet, "__len__", lambda self: 1 / 0)
        worker.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
        with pytest.raises(ZeroDivisionError):
            until(worker, bool)


def test_what_failed_is_not_kept_in_memory(wine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are the rows of a lane that no job is in."""
    members = []
    end_epoch = Member.end_epoch

    def fail(member: Member) -> Mapping[str, float]:
        members.append(weakref.ref(member))
        end_epoch(member)
        raise ValueError("no")

    monkeypatch.setattr(Member, "end_epoch", fail)
    gc.disable()
    try:
        crew = FleetCrew(wine, 1, hands=1, accelerator="cpu")
        with ThreadWorker(crew) as worker:
            worker.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
            until(worker, ended)
            worker.events(0.2)
            assert members[0]() is None
            (lane,) = crew._fleet._lanes.values()
            assert lane.rows._x.numel() == 0
    finally:
        gc.enable()


class TestProcesses:
    @pytest.fixture
    def workers(self, wine: Dataset) -> Iterator[ProcessWorkers]:
        with fleets_elsewhere(wine) as workers:
            assert isinstance(workers, ProcessWorkers)
            ready(workers)
            yield workers

    def test_jobs_are_spread(self, workers: ProcessWorkers) -> None:
        for number in range(4):
            workers.submit(Job(number, SHORT, seed=1, shuffle_seed=0))
        assert [len(process.jobs) for process in workers._processes] == [2, 2]
        until(workers, lambda found: sum(isinstance(event, Finished) for event in found) == 4)

    def test_they_compute_with_one_thread_and_hear_no_ctrl_c(self, workers: ProcessWorkers) -> None:
        for each in workers._processes:
            status = Path(f"/proc/{each.pid}/environ").read_bytes().split(b"\0")
            assert b"OMP_NUM_THREADS=1" in status
            assert os.getsid(each.pid) == each.pid != os.getsid(0)

    def test_one_that_is_killed_is_replaced_and_its_jobs_run_again(
        self, workers: ProcessWorkers
    ) -> None:
        """Each epoch is told once, and it takes fewer jobs at once, lest memory ran out."""
        job = LONG.model_copy(update={"epochs": 400})
        for number in range(4):
            workers.submit(Job(number, job, seed=1, shuffle_seed=0))
        found = until(workers, lambda found: len(found) > 20)
        victim = workers._processes[0]
        os.kill(victim.pid, signal.SIGKILL)
        found += until(
            workers,
            lambda found: sum(isinstance(event, Finished) for event in found) == 4,
        )
        assert not [event for event in found if isinstance(event, Failed)]
        for number in range(4):
            epochs = [e.epoch for e in found if isinstance(e, Progress) and e.job == number]
            assert epochs == list(range(1, 401))
        assert victim not in workers._processes
        assert workers.capacity == 3

    def test_a_job_that_kills_its_process_is_given_up(self, workers: ProcessWorkers) -> None:
        workers.submit(Job(1, LONG, seed=1, shuffle_seed=0))
        found: list[Event] = []
        deaths = 0
        while not any(isinstance(event, Failed) for event in found):
            found += workers.events(0.1)
            victim = next(process for process in workers._processes if process.jobs)
            if deaths < 3 and victim.begun:
                os.kill(victim.pid, signal.SIGKILL)
                deaths += 1
                while victim in workers._processes:
                    found += workers.events(0.1)
        (failed,) = (event for event in found if isinstance(event, Failed))
        assert failed.reason == "its process died 3 times, the last time with SIGKILL"
        ready(workers)
        workers.submit(Job(2, SHORT, seed=1, shuffle_seed=0))
        assert isinstance(until(workers, ended)[-1], Finished)

    def test_they_end_with_what_started_them(self) -> None:
        """Killed, it cannot even close the connections."""
        code = (
            "import time; from pathlib import Path\n"
            "from tests.test_workers import *\n"
            "with fleets_elsewhere(load('wine', Path())) as workers:\n"
            "    ready(workers)\n"
            "    print(*[process.pid for process in workers._processes], flush=True)\n"
            "    workers.submit(Job(1, LONG, 1, 0))\n"
            "    until(workers, lambda found: False)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout is not None
            pids = [int(word) for word in parent.stdout.readline().split()]
            assert len(pids) == 2
            time.sleep(0.5)
            parent.kill()
        end = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < end
            time.sleep(0.05)

    def test_a_crew_that_cannot_be_made_is_an_error(self, wine: Dataset) -> None:
        with (
            ProcessWorkers([partial(FleetCrew, wine)]) as workers,
            pytest.raises(WorkerLostError, match="ValueError: a fleet needs a capacity"),
        ):
            until(workers, bool)

    def test_a_process_that_is_killed_at_its_start_thrice_is_an_error(self, wine: Dataset) -> None:
        with fleets_elsewhere(wine) as workers:
            assert isinstance(workers, ProcessWorkers)
            for _ in range(2):
                victim = workers._processes[0]
                os.kill(victim.pid, signal.SIGKILL)
                while victim in workers._processes:
                    assert workers.events(0.1) == []
            os.kill(workers._processes[0].pid, signal.SIGKILL)
            with pytest.raises(WorkerLostError, match="ended with SIGKILL while it started"):
                until(workers, bool)

    def test_modules_that_cannot_be_loaded_are_an_error(
        self, wine: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "_CHILD", "import no_such_module")
        with (
            fleets_elsewhere(wine) as workers,
            pytest.raises(WorkerLostError, match="exit code 1 while it started: ModuleNot"),
        ):
            until(workers, bool)


OUT_OF_MEMORY = """
import resource
from pathlib import Path
from tuner.config import MLPConfig
from tuner.data import load
from tuner.workers import Failed, Finished, FleetCrew, Job, ThreadWorker

config = MLPConfig(depth=3, width=1500, batch_size=32, epochs=2)
crew = FleetCrew(load("wine", Path()), 8, hands=1, accelerator="cpu")
with ThreadWorker(crew) as worker:
    worker.submit(Job(99, config.model_copy(update={"width": 4}), 0, 0))
    while not any(isinstance(event, Finished) for event in worker.events(0.1)):
        pass  # libraries are loaded, threads are there
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 500 * 2**20, resource.RLIM_INFINITY))
    for number in range(8):
        worker.submit(Job(number, config, number, 0))
    seen, finished = [], {}
    while len(finished) < 8:
        for event in worker.events(0.1):
            assert not isinstance(event, Failed), event.traceback
            if isinstance(event, Finished):
                finished[event.job] = event.metrics["val_loss"]
            else:
                seen.append((event.job, event.epoch))
    assert sorted(seen) == [(job, epoch) for job in range(8) for epoch in (1, 2)], seen
    print(worker.capacity)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' limit of address space")
def test_running_out_of_memory_halves_the_fleet_and_blames_no_one() -> None:
    """Eight networks of 100 MB each with their optimizers, in 500 MB."""
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) in (1, 2, 4)
