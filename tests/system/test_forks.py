"""Processes that are forked from a server: taken by who needs them, and never left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tuner.data import load
from tuner.network.config import MLPConfig
from tuner.running import ahead
from tuner.study import load_study
from tuner.system import forks, processes
from tuner.system.forks import Fork
from tuner.system.interpreter import Interpreter, Work
from tuner.workers import Pool, fleets, process, solos, staff

from ..conftest import SMALL, Write
from . import in_forks

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    processes.dismiss_ahead()


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that ended and is not waited for is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ends(pid: int) -> bool:
    end = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def work(function: str, load: str = "nothing", **variables: str) -> Work:
    here = in_forks.__name__
    return Work.of(f"{here}:{function}", 1, variables, load=f"{here}:{load}")


def begun(function: str, load: str = "nothing", **variables: str) -> Fork:
    one = processes.begin(work(function, load, **variables))
    assert isinstance(one, Fork)
    return one


def written(one: Fork | Interpreter) -> str:
    one.output.seek(0)
    text = one.output.read().decode()
    one.close()
    return text


@pytest.mark.parametrize(
    ("platform", "is_solo"), [("linux", False), ("linux", True), ("darwin", False)]
)
def test_workers_are_those_that_were_started_ahead(
    write_study: Write, monkeypatch: pytest.MonkeyPatch, platform: str, is_solo: bool
) -> None:
    """Else a command loads everything twice, one after the other, before its first trial."""
    monkeypatch.setattr(processes.sys, "platform", platform)
    monkeypatch.setattr(ahead, "processes_at_once", lambda: 2)
    monkeypatch.setattr(ahead, "cores", lambda: 2)
    monkeypatch.setattr(staff, "cores", lambda: 2)
    monkeypatch.setattr(ahead, "may_have_accelerator", lambda: False)
    ahead.start_workers(load_study(write_study(SMALL)), None, None, None, is_solo=is_solo)
    kind = Fork if platform == "linux" else Interpreter
    assert [type(each) for each in processes._ahead] == [kind, kind]
    waiting = [each.pid for each in processes._ahead]
    two, wine = staff.Staff(2, epoch_seconds=60), load("wine", Path())
    with solos(wine, two) if is_solo else fleets(wine, two, largest=MLPConfig()) as pool:
        assert isinstance(pool, Pool)
        assert [remote.link.pid for remote in pool._remotes] == waiting
        assert not processes._ahead
        while not pool.is_complete:
            pool.events(0.1)
        parents = {parent(pid) for pid in waiting}
        assert len(parents) == 1
        assert (os.getpid() in parents) == (kind is Interpreter)
        if kind is Fork:  # threads would not be there in a fork, and who waits for them waits long
            (server,) = parents
            assert len(list(Path(f"/proc/{server}/task").iterdir())) == 1
    assert all(ends(pid) for pid in waiting)


def test_another_kind_is_not_taken() -> None:
    """Else workers compute with other cores, or see other GPUs, than they are told to."""
    processes.start_ahead(1, Work.of(process.SERVE, 2, {}, load=process.LOAD))
    (waiting,) = processes._ahead
    other = processes.take(Work.of(process.SERVE, 1, {}, load=process.LOAD))
    assert other is not waiting
    pid = waiting.pid
    processes.dismiss_ahead()
    assert ends(pid)
    other.kill()
    other.wait(5)
    other.close()


@pytest.mark.parametrize("how", ["sys.exit(2)", "os.kill(os.getpid(), 9)"])
def test_they_end_with_who_started_them(how: str, tmp_path: Path) -> None:
    """Else each wrong command leaves processes behind."""
    code = (
        "import os, sys\n"
        "from tuner.system import processes\n"
        "from tuner.system.interpreter import Work\n"
        f"work = Work.of({process.SERVE!r}, 1, {{}}, load={process.LOAD!r})\n"
        "processes.start_ahead(2, work)\n"
        "servers = [server.pid for server in processes._servers.values()]\n"
        "print(*servers, *[each.pid for each in processes._ahead], flush=True)\n"
        f"{how}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 3, done.stderr
    assert all(ends(pid) for pid in pids)


def test_one_that_is_dismissed_before_it_begins_keeps_nobody_waiting() -> None:
    """Else a command that finds its study file wrong ends seconds later."""
    one = begun("tell", TORCH_ANYTHING="2")
    server = [*processes._servers.values()][-1].pid
    os.kill(server, signal.SIGSTOP)
    begin = time.monotonic()
    one.kill()
    assert one.wait(60) == -signal.SIGKILL
    assert time.monotonic() - begin < 4
    one.close()
    os.kill(server, signal.SIGCONT)
    other = begun("tell", TORCH_ANYTHING="2")
    assert parent(other.pid) == server  # which goes on
    other.kill()
    assert other.wait(60) == -signal.SIGKILL
    other.close()


def test_it_finds_what_this_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker trains on another GPU, and a module of the user's is not found."""
    monkeypatch.setenv("GOES", "1")
    first = begun("tell")
    Connection(os.dup(first.socket.fileno())).recv()
    monkeypatch.delenv("GOES")
    monkeypatch.setenv("COMES", "2")
    monkeypatch.setenv("TUNER_STORAGE", "postgresql://me:secret@there/db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    second = begun("tell", CUDA_VISIBLE_DEVICES="1")
    assert parent(second.pid) == parent(first.pid) != os.getpid()
    folder, environment, folders = Connection(os.dup(second.socket.fileno())).recv()
    assert folder == str(tmp_path)
    assert (environment["COMES"], environment["CUDA_VISIBLE_DEVICES"]) == ("2", "1")
    assert not {"GOES", "TUNER_STORAGE"} & environment.keys()
    assert folders[: len(sys.path)] == [each or str(tmp_path) for each in sys.path]
    for one in (first, second):
        one.kill()
        assert one.wait(60) == -signal.SIGKILL
        assert ends(one.pid)
        one.close()


def test_what_libraries_read_as_they_load_has_a_server_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it is ignored by those who loaded them before."""
    first = begun("tell")
    monkeypatch.setenv("TORCH_ANYTHING", "1")
    second = begun("tell")
    assert parent(first.pid) != parent(second.pid)
    monkeypatch.delenv("TORCH_ANYTHING")
    monkeypatch.setenv("KMP_INIT_AT_FORK", "FALSE")  # as scikit-learn does when it is loaded
    third = begun("tell")
    assert parent(first.pid) == parent(third.pid)
    for one in (first, second, third):
        one.discard()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_its_end_is_told(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Else nobody learns why a worker could not start, or was lost."""
    monkeypatch.setattr(processes.sys, "platform", platform)
    one = processes.begin(work("end_with_3"))
    assert one.wait(60) == 3
    assert written(one) == "the last word\n"
    one = processes.begin(work("end_by_signal"))
    assert one.wait(60) == -signal.SIGTERM
    one.close()
    one = processes.begin(work("raise_an_error"))
    assert one.wait(60) == 1
    assert "ValueError: no such crew" in written(one)
    one = processes.begin(work("no_such_function"))
    assert one.wait(60) == 1
    assert "no_such_function" in written(one)


def test_a_server_that_cannot_load_says_so() -> None:
    one = begun("tell", "fails")
    assert one.wait(60) == 1
    assert one.pid == 0
    assert "half of it is missing" in written(one)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_it_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Else what loads data goes on when its worker was lost."""
    monkeypatch.setattr(processes.sys, "platform", platform)
    one = processes.begin(work("leave_a_child"))
    child: int = Connection(os.dup(one.socket.fileno())).recv()
    one.wait(60)
    assert ends(child)
    one.close()


def test_a_fork_that_fails_costs_no_other() -> None:
    """Else a moment without memory ends all workers, and the command."""
    first, second = begun("tell", "scarce"), begun("tell", "scarce")
    assert second.wait(60) == -signal.SIGKILL  # as if it had been lost: it is tried again
    assert "Resource temporarily unavailable" in written(second)
    third = begun("tell", "scarce")
    assert parent(third.pid) == parent(first.pid)
    assert not first.has_ended
    for one in (first, third):
        one.discard()


def test_a_server_that_is_lost_is_replaced() -> None:
    """With its forks, whose end it could not tell: their jobs begin anew."""
    one = begun("tell")
    server = parent(one.pid)
    os.kill(server, signal.SIGKILL)
    assert ends(one.pid)
    assert one.wait(60) == -signal.SIGKILL
    one.close()
    other = begun("tell")
    assert parent(other.pid) != server
    other.discard()


def test_a_server_that_is_stopped_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a search waits for ever for the successor of a worker that was lost."""
    monkeypatch.setattr(forks, "_STUCK", 0.5)
    monkeypatch.setattr(forks, "_LOOK", 0.1)
    one = begun("tell")
    server = parent(one.pid)
    os.kill(server, signal.SIGSTOP)
    other = begun("tell")
    assert other.wait(60) == -signal.SIGKILL
    assert ends(server) and ends(one.pid)
    assert one.wait(60) == -signal.SIGKILL
    third = begun("tell")
    assert parent(third.pid) != server
    for each in (one, other):
        each.close()
    third.discard()


def test_a_server_that_never_loads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a command waits for ever for its first worker."""
    monkeypatch.setattr(forks, "_LOADS", 0.5)
    monkeypatch.setattr(forks, "_LOOK", 0.1)
    one = begun("tell", "never")
    assert one.wait(60) == -signal.SIGKILL
    assert one.pid == 0
    one.close()


def test_a_fork_of_the_users_leaves_it_alone() -> None:
    """Else a script that uses `multiprocessing` ends its parent's workers as it ends."""
    one = begun("tell")
    server = parent(one.pid)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            processes._end_all()  # as it would at its exit
            its = begun("tell")
            code = 0 if parent(its.pid) not in (server, os.getpid()) else 2
            its.discard()
            processes._end_all()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    other = begun("tell")
    assert parent(other.pid) == server and not one.has_ended
    for each in (one, other):
        each.discard()


def test_what_nobody_needs_is_ended() -> None:
    """Else a notebook that tries several numbers of workers holds torch several times."""
    one = begun("tell")
    server = parent(one.pid)
    begun("tell", TORCH_ANYTHING="3").discard()
    assert is_running(server)  # it has a fork
    one.discard()
    begun("tell", TORCH_ANYTHING="4").discard()
    assert ends(server)
