"""What several tests need: a project folder of their own, and small studies in it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tuner.system import resources

from . import commands
from .groups import group_of

# Each test process loads everything, and holds it: nothing in it is ever garbage.
gc.disable()
gc.set_threshold(20_000)
# What they write goes into memory where there is room: waiting for a disk is a tenth of their time.
MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir():
    room = os.statvfs(MEMORY)
    if room.f_bavail * room.f_frsize > 4 * 2**30 and not room.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # keeps those of failed tests
        os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="tuner", dir=MEMORY)
        Path(os.environ["TMPDIR"]).chmod(0o711)  # PostgreSQL runs as another user than root
        tempfile.tempdir = None  # it is looked up again
        # What is killed leaves files behind; those that tests start find this folder, and keep it.
        # Last of all: multiprocessing has a folder of its own in it, which it takes away.
        folder, quietly = (os.environ["TMPDIR"],), {"ignore_errors": True}
        Finalize(None, shutil.rmtree, folder, quietly, exitpriority=-1000)
# Test processes share the cores; torch's own threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A thread of pyarrow's would not be there in the forks of these processes.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
# Clusters of tests start no Python processes but those that are asked for.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
# They are not nicer than the other tests, behind which they would wait.
os.environ.setdefault("RAY_worker_niceness", "0")

SMALL = """
[data]
source = "wine"
folds = 1

[objective]
metric = "val_loss"
epochs = 3

[budget]
trials = 4

[confirm]
seeds = 0
members = 2

[start]
rate_range = false

[search]
depth = { low = 1, high = 2 }
width = { around = "two_thirds", factor = 4, low = 4, high = 64 }
"""

Write = Callable[..., Path]


def pytest_xdist_auto_num_workers() -> int:
    """One test process more than there is room for, since much of a long test is waiting."""
    return min(8, resources.processes_at_once() + 1)


class OneProcessForEachGroup(LoadScopeScheduling):
    """Hands out one test after the other, but all of a group to one process.

    Groups come first, since there are more tests in them than in what is handed out alone.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return OneProcessForEachGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes long, so that no process is left with it while the others wait."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test asks for more, trials train in its own process, which starts at once."""
    from tuner.workers import staff  # loads torch, which the process that hands out tests lacks

    monkeypatch.setattr(staff, "processes_at_once", lambda: 1)


@pytest.fixture(autouse=True)
def a_machine_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what its user has tuned or set, such as the `runs/` of the current folder."""
    for name in ("TUNER_STORAGE", "RAY_ADDRESS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def few_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are not marked so start no processes, so that `make quick` stays quick."""
    if any(request.node.get_closest_marker(name) for name in ("process", "slow", "gpu")):
        return

    def refuse(*words: object, **more: object) -> None:
        pytest.fail(f"starts a process, and is not marked so: {words}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(commands.Command, "__init__", refuse)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_machine_of_its_own: None) -> Path:
    """An empty project that is the current folder, with its results in `runs/`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNER_HOME", raising=False)
    (tmp_path / "studies").mkdir()
    return tmp_path


@pytest.fixture
def write_study(project: Path) -> Write:
    """Writes a study file into the project and returns its path."""

    def write(text: str = SMALL, name: str = "small") -> Path:
        path = project / "studies" / f"{name}.toml"
        path.write_text(text)
        return path

    return write
