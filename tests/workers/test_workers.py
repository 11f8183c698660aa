"""One contract for every kind of worker."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tuner.data import Cut, Dataset, load
from tuner.errors import WorkerLostError
from tuner.network.checkpoints import to_checkpoint
from tuner.network.model import MLP
from tuner.training.fleet import Fleet, Member
from tuner.workers import (
    Event,
    Failed,
    Finished,
    FleetCrew,
    Job,
    Pool,
    ProcessLauncher,
    Progress,
    Staff,
    ThreadWorker,
    Worker,
    fleet,
    fleets,
    process,
)
from tuner.workers.crew import Submit
from tuner.workers.process import ProcessLink

from . import crews
from .kinds import (
    LONG,
    SECONDS,
    SHORT,
    ended,
    fleet_here,
    fleets_elsewhere,
    fleets_on_ray,
    jobs_of,
    n_ended,
    on_ray,
    ready,
    solo_here,
    solos_elsewhere,
    until,
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module", autouse=True)
def no_cluster_is_left() -> Iterator[None]:
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


Kind = Callable[..., Worker]
KINDS: list[Kind] = [fleet_here, solo_here, fleets_elsewhere, solos_elsewhere, fleets_on_ray]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine", Path())


Make = Callable[[Kind], Worker]


@pytest.fixture(scope="module")
def shared(wine: Dataset) -> Iterator[Make]:
    """One worker of each kind for all tests that leave it whole."""
    with contextlib.ExitStack() as stack:
        made: dict[Kind, Worker] = {}

        def of(kind: Kind) -> Worker:
            if kind not in made:
                made[kind] = stack.enter_context(kind(wine))
            return ready(made[kind])

        yield of


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__, scope="module")
def worker(request: pytest.FixtureRequest, shared: Make) -> Worker:
    return shared(request.param)


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
def test_a_new_one_gives_the_same_numbers_and_closes_at_once(kind: Kind, wine: Dataset) -> None:
    """In a fleet that has trained before, the rows may come in another order, which is told."""
    scores = []
    for number in (1, 2):
        with ready(kind(wine, size=1)) as worker:
            worker.submit(Job(number, SHORT, seed=5, shuffle_seed=0))
            found = until(worker, ended)
            scores.append([event.metrics for event in found if not isinstance(event, Failed)])
            worker.submit(Job(3, LONG, seed=1, shuffle_seed=0))
            until(worker, bool)
            begin = time.monotonic()
        assert time.monotonic() - begin < 5
    assert scores[0] == scores[1]


def test_a_cut_decides_the_scores_whatever_trained_before(worker: Worker, wine: Dataset) -> None:
    """As a worker gives them whose data were cut so; the other jobs have nothing to do with it."""
    jobs = [
        Job(n, SHORT, seed=5, shuffle_seed=3, cut=cut) for n, cut in ((11, Cut(1)), (12, Cut(2)))
    ]
    worker.submit(Job(10, SHORT, seed=5, shuffle_seed=3))
    until(worker, ended)
    found: dict[int, dict[str, float]] = {}
    for job in jobs:
        worker.submit(job)
        *_, last = until(worker, ended)
        assert isinstance(last, Finished)
        found[job.id] = dict(last.metrics)
    for job in jobs:
        assert job.cut is not None
        with solo_here(wine.cut_anew(job.cut)) as alone:
            alone.submit(replace(job, cut=None))
            *_, last = until(alone, ended)
        assert isinstance(last, Finished)
        assert found[job.id] == pytest.approx(dict(last.metrics), rel=1e-4)
    assert found[11] != found[12]


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


def test_an_error_of_saving_is_the_jobs(wine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither ends the fleet nor touches the jobs beside."""
    saved: list[MLP] = []

    def save(model: MLP, meaning: str) -> bytes:
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
        with ThreadWorker(crew, epoch_seconds=60) as worker:
            worker.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
            until(worker, ended)
            worker.events(0.2)
            assert members[0]() is None
            (lane,) = crew._fleet._lanes
            assert lane.rows._x.numel() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("is_alone", "shares_steps", "n_cores"), [(True, True, 3), (False, True, 1), (True, False, 1)]
)
def test_a_job_that_is_alone_may_have_several_cores(
    is_alone: bool, shares_steps: bool, n_cores: int, wine: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not on a cluster, on whose machines others train."""
    monkeypatch.setattr(fleet, "cores_of_a_step", lambda config, facts: 3)
    crew = FleetCrew(wine, 2, hands=1, accelerator="cpu", shares_steps=shares_steps)
    crew._follow([Submit(Job(1, SHORT, seed=1, shuffle_seed=0, is_alone=is_alone))])
    assert crew._fleet._member(1).n_cores == n_cores
    crew._fleet.close()


def stuck_elsewhere() -> Pool:
    return Pool(ProcessLauncher([partial(crews.stuck, 1)]), epoch_seconds=0.3)


def stuck_on_ray() -> Pool:
    return on_ray([crews.stuck], 1, 0.3)


@pytest.mark.parametrize(
    "kind", [solos_elsewhere, fleets_on_ray], ids=lambda kind: kind.__name__, scope="module"
)
class TestPools:
    @pytest.fixture
    def workers(self, kind: Kind, shared: Make) -> Pool:
        pool = shared(kind)
        assert isinstance(pool, Pool)
        return pool

    def test_jobs_are_spread(self, workers: Pool) -> None:
        n = workers.capacity
        for job in jobs_of(n, 2):
            workers.submit(job)
        assert [len(remote.jobs) for remote in workers._remotes] == [n // 2, n // 2]
        found = until(workers, lambda found: n_ended(found) == n)
        assert all(isinstance(event, Progress | Finished) for event in found)

    def test_one_that_is_killed_is_replaced_and_its_jobs_run_again(self, workers: Pool) -> None:
        """Each epoch is told once, and it takes fewer jobs at once, lest memory ran out."""
        n = workers.capacity
        for job in jobs_of(n, 200):
            workers.submit(job)
        found = until(workers, lambda found: len(found) > 20)
        victim = workers._remotes[0]
        os.kill(victim.pid, signal.SIGKILL)
        found += until(workers, lambda found: n_ended(found) == n)
        assert not [event for event in found if isinstance(event, Failed)]
        for number in range(n):
            epochs = [e.epoch for e in found if isinstance(e, Progress) and e.job == number]
            assert epochs == list(range(1, 201))
        assert victim not in workers._remotes
        ready(workers)
        assert workers.capacity == {4: 3, 2: 2}[n]

    def test_a_worker_that_is_lost_as_it_rests_costs_nothing(self, workers: Pool) -> None:
        n = workers.capacity
        os.kill(workers._remotes[0].pid, signal.SIGKILL)
        for job in jobs_of(n, 2):
            workers.submit(job)
        found = until(workers, lambda found: n_ended(found) == n)
        assert all(isinstance(event, Progress | Finished) for event in found)

    def test_a_job_that_kills_its_worker_is_given_up(self, workers: Pool) -> None:
        workers.submit(Job(1, LONG, seed=1, shuffle_seed=0))
        found: list[Event] = []
        deaths = 0
        while not any(isinstance(event, Failed) for event in found):
            found += workers.events(0.1)
            victim = next(remote for remote in workers._remotes if remote.jobs)
            if deaths < 3 and victim.begun:
                os.kill(victim.pid, signal.SIGKILL)
                deaths += 1
                while victim in workers._remotes:
                    found += workers.events(0.1)
        (failed,) = (event for event in found if isinstance(event, Failed))
        assert failed.reason.startswith("its worker was lost 3 times, the last time: ")
        ready(workers)
        workers.submit(Job(2, SHORT, seed=1, shuffle_seed=0))
        assert isinstance(until(workers, ended)[-1], Finished)

    def test_one_that_is_stopped_is_replaced(
        self, workers: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        n = workers.capacity
        for job in jobs_of(n, 100):
            workers.submit(job)
        found = until(workers, bool)
        victim = workers._remotes[0]
        monkeypatch.setattr(victim.silence, "limit", 1.0)
        os.kill(victim.pid, signal.SIGSTOP)
        found += until(workers, lambda found: n_ended(found) == n)
        assert all(isinstance(event, Progress | Finished) for event in found)
        assert victim not in workers._remotes
        until_gone([victim.pid])


@pytest.mark.parametrize("kind", [stuck_elsewhere, stuck_on_ray], ids=lambda kind: kind.__name__)
def test_a_job_that_is_silent_too_long_is_tried_again_twice(kind: Callable[[], Pool]) -> None:
    with kind() as workers:
        ready(workers)
        workers.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
        (failed,) = until(workers, ended)
        assert isinstance(failed, Failed)
        assert failed.reason == (
            "its worker was lost 3 times, the last time: silent for 0.005 minutes"
        )


def test_a_thread_that_is_silent_too_long_is_an_error() -> None:
    with ThreadWorker(crews.Stuck(), epoch_seconds=0.1) as worker:
        assert worker.events(0.2) == []  # it has nothing to do
        worker.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
        with pytest.raises(WorkerLostError, match="silent for 0.00166667 minutes"):
            until(worker, bool)


def until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a process is still there"
        time.sleep(0.05)


class TestProcesses:
    def test_they_compute_with_one_thread_and_hear_no_ctrl_c(self, wine: Dataset) -> None:
        with fleets_elsewhere(wine) as workers:
            ready(workers)
            for each in workers._remotes:
                variables = Path(f"/proc/{each.pid}/environ").read_bytes().split(b"\0")
                assert b"OMP_NUM_THREADS=1" in variables
                assert os.getsid(each.pid) == each.pid != os.getsid(0)

    def test_they_end_with_what_started_them(self) -> None:
        """Killed, it cannot even close the connections."""
        code = (
            "from pathlib import Path\n"
            "from tests.workers.kinds import *\n"
            "from tuner.data import load\n"
            "with fleets_elsewhere(load('wine', Path())) as workers:\n"
            "    ready(workers)\n"
            "    print(*[remote.pid for remote in workers._remotes], flush=True)\n"
            "    workers.submit(Job(1, LONG, 1, 0))\n"
            "    until(workers, lambda found: False)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout is not None
            pids = [int(word) for word in parent.stdout.readline().split()]
            assert len(pids) == 2
            parent.kill()
        until_gone(pids)

    def test_what_they_start_ends_with_them(self, wine: Dataset) -> None:
        """Such as the processes of a data loader, when theirs is killed."""
        with Pool(ProcessLauncher([crews.with_a_child]), epoch_seconds=SECONDS) as workers:
            ready(workers)
            (remote,) = workers._remotes
            files = Path(f"/proc/{remote.pid}/task").glob("*/children")
            children = [int(pid) for file in files for pid in file.read_text().split()]
            assert children
            os.kill(remote.pid, signal.SIGKILL)
            while remote in workers._remotes:
                workers.events(0.1)
            until_gone([remote.pid, *children])

    def test_a_crew_that_cannot_be_made_is_an_error(self, wine: Dataset) -> None:
        with (
            Pool(ProcessLauncher([partial(FleetCrew, wine)]), epoch_seconds=SECONDS) as workers,
            pytest.raises(WorkerLostError, match="ValueError: a fleet needs a capacity"),
        ):
            until(workers, bool)

    def test_a_process_that_is_killed_at_its_start_thrice_is_an_error(self, wine: Dataset) -> None:
        killed = 0
        with (
            fleets_elsewhere(wine) as workers,
            pytest.raises(WorkerLostError, match="lost while it started .SIGKILL"),
        ):
            while killed < 20:  # one that has started before it is killed does not count
                victim = workers._remotes[0]
                kill(victim.link)
                killed += 1
                while victim in workers._remotes:
                    assert workers.events(0.02) == []
        assert killed >= 3

    def test_modules_that_cannot_be_loaded_are_an_error(
        self, wine: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "SERVE", "no_such_module:serve")
        with (
            fleets_elsewhere(wine) as workers,
            pytest.raises(WorkerLostError, match="it started .exit code 1.: ModuleNot"),
        ):
            until(workers, bool)


def kill(link: object) -> None:
    assert isinstance(link, ProcessLink)
    os.kill(link.pid, signal.SIGKILL)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
class TestOnAGPU:
    def test_a_worker_sees_the_gpu_that_it_is_pinned_to(self, wine: Dataset) -> None:
        staff = Staff.choose(
            workers=None, devices=(0,), cluster=None, at_most=None, epoch_seconds=SECONDS
        )
        with fleets(wine, staff, largest=SHORT) as workers:
            assert isinstance(workers, Pool)
            (remote,) = ready(workers)._remotes
            variables = Path(f"/proc/{remote.pid}/environ").read_bytes().split(b"\0")
            assert f"CUDA_VISIBLE_DEVICES={staff.devices[0]}".encode() in variables
            workers.submit(Job(1, SHORT, seed=1, shuffle_seed=0))
            assert isinstance(until(workers, ended)[-1], Finished)

    def test_a_cancelled_job_leaves_no_memory_behind(self, wine: Dataset) -> None:
        wide = LONG.model_copy(update={"width": 2048, "depth": 3})
        with ThreadWorker(FleetCrew(wine, 2, accelerator="gpu"), epoch_seconds=SECONDS) as worker:
            held = []
            for number in range(3):
                if number > 0:
                    worker.submit(Job(2 * number, wide, seed=1, shuffle_seed=0))
                    until(worker, bool)
                    worker.cancel(2 * number)
                worker.submit(Job(2 * number + 1, SHORT, seed=1, shuffle_seed=0))
                assert isinstance(until(worker, ended)[-1], Finished)
                held.append(torch.cuda.memory_allocated())
            # Streams and what libraries keep for them are there after the first wide one.
            assert held[2] - held[1] < 2**20 < wide.n_parameters(13, 3)


OUT_OF_MEMORY = """
import resource
from pathlib import Path
from tuner.network.config import MLPConfig
from tuner.data import load
from tuner.workers import Failed, Finished, FleetCrew, Job, ThreadWorker

config = MLPConfig(depth=3, width=1500, batch_size=128, epochs=2)
crew = FleetCrew(load("wine", Path()), 8, hands=1, accelerator="cpu")
with ThreadWorker(crew, epoch_seconds=60) as worker:
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
