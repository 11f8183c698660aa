"""Ray: clusters of several nodes on this machine, and the command line on them."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tuner.data import Dataset, load
from tuner.errors import InputError
from tuner.workers import Failed, Pool, Progress, RayLauncher, pool

from ..commands import Command
from ..conftest import Write
from ..faults.under_way import STUDY, trials, until_a_trial_runs, values
from . import crews
from .kinds import jobs_of, n_ended, ready, until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray"),
]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine", Path())


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of one node with one place."""
    import ray
    from ray.cluster_utils import Cluster

    # A node that died is missed after a second, not after twenty.
    looks = {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 2,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": looks}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_nodes_come_and_go(cluster: Any, wine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that joins is used; one that dies costs only what it had under way."""
    monkeypatch.setattr(pool, "_MOVE_SECONDS", 3.0)
    launcher = RayLauncher("ray", [partial(crews.fleet, dataset=wine)])
    with Pool(launcher, epoch_seconds=60) as workers:
        ready(workers)
        assert workers.capacity == 2
        for job in jobs_of(4, 500):
            workers.submit(job)
        found = until(workers, bool)
        node = cluster.add_node(num_cpus=1)
        found += until(workers, lambda _: workers.capacity == 4)
        joined = workers._remotes[1]
        assert not joined.jobs  # the other two wait at the first worker
        workers.submit(jobs_of(5, 500)[4])
        found += until(workers, lambda _: bool(joined.begun))
        cluster.remove_node(node, allow_graceful=False)
        found += until(workers, lambda _: joined not in workers._remotes)
        found += until(workers, lambda more: n_ended(found + more) == 5)
        assert not [event for event in found if isinstance(event, Failed)]
        for number in range(5):
            epochs = [e.epoch for e in found if isinstance(e, Progress) and e.job == number]
            assert epochs == list(range(1, 501))


#: Ray's own, which see a while after a `kill -9` that their cluster is gone.
OF_RAY = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray finds no cluster of another test; its sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield


def tune(*words: str) -> Command:
    return Command("tune", "small", *words, leads=True)


def of_session(process: Command) -> dict[int, str]:
    """The processes of a session, by their names."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = (folder / "stat").read_text().rpartition(")")
            if int(rest.split()[3]) == process.pid:
                found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")[0]
        except OSError:
            continue  # it has just ended
    return found


def actors_of(process: Command) -> list[int]:
    return [pid for pid, name in of_session(process).items() if name.startswith("ray::_Actor")]


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL])
def test_the_command_line_on_a_cluster_of_its_own(
    write_study: Write, number: signal.Signals | None
) -> None:
    """The budget is exact though an actor is killed; nothing is left running, whatever ends it."""
    write_study(STUDY)
    n_actors = (os.cpu_count() or 1) if number is None else 1
    alone = ("--trials", "500", "--workers", "1")
    process = tune("--cluster", "ray", *(("--trials", "40") if number is None else alone))
    until_a_trial_runs(process, finished=1)
    end = time.monotonic() + 120  # the first actor may be at work while the last one starts
    while len(actors := actors_of(process)) < n_actors:
        assert process.poll() is None and time.monotonic() < end, actors
        time.sleep(0.1)
    kept = values()
    if number is None:
        os.kill(actors[0], signal.SIGKILL)
    else:
        process.send_signal(number)
    told, complaint = process.communicate(timeout=300)
    if number is None:
        assert process.returncode == 0, complaint
        assert "starting Ray actors on cluster ray" in told
        assert "40 of 40 trials are finished" in told
        assert len(trials()) == 40
    else:
        assert process.returncode == {signal.SIGTERM: 143, signal.SIGKILL: -9}[number], complaint
    assert kept.items() <= values().items()
    end = time.monotonic() + 120
    while left := [name for name in of_session(process).values() if name not in OF_RAY]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


@pytest.mark.slow
def test_no_cluster_answers(write_study: Write) -> None:
    """Soon. In a process of its own: Ray's client keeps its hooks after it failed."""
    write_study(STUDY)
    began = time.monotonic()
    process = tune("--cluster", "ray://127.0.0.1:9")
    _, told = process.communicate(timeout=300)
    assert time.monotonic() - began < 25  # by itself Ray tries for 30 s
    assert process.returncode == 2
    assert "Connection refused" in told
    assert "error: cluster 'ray://127.0.0.1:9': no Ray cluster answers (" in told
    assert "Traceback" not in told
    assert not Path("runs").exists()


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="-m pip install .*.ray.'"):
        RayLauncher("ray", [])
