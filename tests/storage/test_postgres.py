"""A server of PostgreSQL: whole studies, a server that goes away, and a password seen nowhere."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest
from optuna.trial import TrialState

import tuner
from tuner import storage
from tuner.errors import InputError, StudyOwnedError
from tuner.storage import PostgreSQL, SQLiteFile, count, locate

from ..commands import Command
from ..conftest import SMALL, Write

psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.slow

PASSWORD = "{}@%:s3cret"
STUDY = SMALL.replace("wine", "digits").replace("epochs = 3", "epochs = 30")


def programs() -> Path:
    """The folder of the server's programs, which Debian keeps out of the search path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("pg_ctl")
    if found is not None:
        folders.insert(0, Path(found).resolve().parent)
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    return folders[-1]


@dataclass
class Server:
    """A server on loopback, which asks for a password."""

    folder: Path
    port: int
    user: str | None

    def control(self, *words: str) -> None:
        command = [programs() / "pg_ctl", "-D", self.folder / "data", "-w", *words]
        subprocess.run(command, check=True, user=self.user, cwd="/", stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.control("-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        self.control("-m", mode, "stop")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def secret_url(self) -> str:
        return self.url.replace("postgres@", f"postgres:{quote(PASSWORD, safe='')}@")

    def dump(self) -> str:
        """All that is in the database."""
        command = [programs() / "pg_dump", "--data-only", self.url]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def execute(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, password=PASSWORD, autocommit=True) as connection:
            found = connection.execute(query)
            return found.fetchall() if found.description else []


@pytest.fixture(scope="module")
def installed() -> Iterator[Server]:
    tools = programs()
    # The server refuses to be root's.
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres") as name, socket.socket() as free:
        folder = Path(name)
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        initdb = [tools / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256"]
        subprocess.run(
            [*initdb, f"--pwfile={secret}", "--no-sync"],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        server = Server(folder, port, user)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def server(installed: Server, project: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """An empty database, which TUNER_STORAGE names."""
    installed.execute("DROP SCHEMA public CASCADE")
    installed.execute("CREATE SCHEMA public")
    monkeypatch.setenv("TUNER_STORAGE", installed.secret_url)
    return installed


def trials(name: str = "small") -> list[optuna.trial.FrozenTrial]:
    return storage.read_study(name).trials


def start(*words: str, **environment: str) -> Command:
    return Command("tune", "small", *words, **environment)


def until_finished(server: Server, process: Command, number: int) -> None:
    query = "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
    while process.poll() is None:
        with contextlib.suppress(psycopg.Error):  # no tables yet
            if server.execute(query)[0][0] >= number:
                return
        time.sleep(0.1)
    raise AssertionError(f"ended early: {process.communicate()}")


def test_a_study(server: Server, write_study: Write) -> None:
    """The same trials as with a file, and both stores show the same."""
    write_study()
    found = tuner.tune("small", workers=1)
    scores = [trial.value for trial in trials()]
    assert found.counts.finished == 4
    assert not Path("runs/optuna.db").exists()
    assert [each.name for each in storage.summaries()] == ["small"]
    assert len(tuner.leaderboard("small", storage=None)) == 4
    os.environ.pop("TUNER_STORAGE")
    os.environ["PGPASSWORD"] = PASSWORD
    try:
        assert len(tuner.leaderboard("small", storage=server.url)) == 4
    finally:
        del os.environ["PGPASSWORD"]
    tuner.tune("small", workers=1, new=True)
    assert [trial.value for trial in trials()] == pytest.approx(scores)


def test_who_tunes_it(server: Server, write_study: Write) -> None:
    """Also from another folder, as on another machine; who is gone is taken over."""
    write_study(STUDY)
    first = start("--trials", "1000", "--workers", "1")
    until_finished(server, first, 1)
    location = locate()
    with pytest.raises(StudyOwnedError, match=f"being tuned by process {first.pid} on "):
        location.own("small")
    other = location.own("other")
    settings = server.execute("SELECT name FROM pg_settings WHERE name LIKE 'tcp_keepalives%'")
    shown = {n: other._session.exec_driver_sql(f"SHOW {n}").scalar() for (n,) in settings}
    assert shown["tcp_keepalives_idle"] == "10"  # seconds until the server looks for us
    other.release()
    second = start("--workers", "1", TUNER_HOME="elsewhere")
    _, told = second.communicate(timeout=300)
    assert second.returncode == 3
    assert f"process {first.pid} on " in told
    first.kill()
    first.communicate()
    third = start("--trials", "3", "--workers", "1", TUNER_HOME="elsewhere")
    told, complaint = third.communicate(timeout=300)
    assert third.returncode == 0, complaint
    assert count(trials()).running == 0


def test_the_password_is_seen_nowhere(server: Server, write_study: Write) -> None:
    write_study(STUDY)
    process = start("--trials", "1000", "--workers", "2")
    until_finished(server, process, 1)
    of_workers = subprocess.run(
        ["ps", "-e", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    files = Path(f"/proc/{process.pid}/task").glob("*/children")
    # Its forks have no other environment than what loads for them: `test_forks` looks into theirs.
    (loads,) = [pid for file in files for pid in file.read_text().split()]
    environments = Path(f"/proc/{loads}/environ").read_text()
    process.send_signal(signal.SIGTERM)
    told, complaint = process.communicate(timeout=300)
    assert process.returncode == 143
    files_of_it = "".join(
        file.read_bytes().decode(errors="replace")
        for file in Path("runs").rglob("*")
        if file.is_file()
    )
    kept = server.dump()
    assert "two_thirds" in kept
    log = (server.folder / "log").read_text()
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        for place in (of_workers, environments, told, complaint, files_of_it, kept, log):
            assert secret not in place
    assert PASSWORD not in repr(locate()) + str(locate())


def test_the_server_restarts(server: Server, write_study: Write) -> None:
    """For ten seconds it is gone: nothing is lost, and the budget is exact."""
    write_study(STUDY)
    process = start("--trials", "16", "--workers", "1", "--fleet", "4")
    until_finished(server, process, 2)
    before = {trial.number: trial.value for trial in trials() if trial.state.is_finished()}
    server.stop()
    try:
        time.sleep(10)
        assert process.poll() is None
    finally:
        server.start()
    _, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    found = trials()
    assert before.items() <= {trial.number: trial.value for trial in found}.items()
    assert (count(found).finished, len(found)) == (16, 16)
    assert not Path("runs/small/untold.jsonl").exists()


def test_the_server_stays_away(server: Server, write_study: Write) -> None:
    """What finished meanwhile is kept beside, and told by the next run."""
    # One long trial at a time, so that the server goes in the middle of one.
    longer = STUDY.replace("epochs = 30", "epochs = 120")
    alike = longer.partition("[search]")[0] + "[search]\nwidth = 64\ndepth = 2\nbatch_size = 64\n"
    write_study(f"{alike}[study]\npruner = 'none'\n")
    # The time that is left is looked at all the while, also where the server is away.
    words = ("--trials", "3", "--workers", "1", "--fleet", "1", "--minutes", "30")
    process = start(*words, TUNER_STORE_SECONDS="9")  # by then the trial has ended
    until_finished(server, process, 1)
    server.stop()
    try:
        _, complaint = process.communicate(timeout=300)
    finally:
        server.start()
    assert process.returncode == 5
    assert "Traceback" not in complaint
    untold = Path("runs/small/untold.jsonl")
    assert untold.read_text().count('"values"') == 1
    assert "trials that ended meanwhile: 1, kept in runs/small/untold.jsonl" in complaint
    again = start(*words)
    _, complaint = again.communicate(timeout=300)
    assert again.returncode == 0, complaint
    assert not untold.exists()
    found = count(trials())
    assert found.finished == 3
    # What had ended did not run again, also if the server heard of it before it went.
    assert (found.interrupted, len(trials())) == (0, 3)


def test_a_signal_while_the_server_is_away(server: Server, write_study: Write) -> None:
    """No one waits for the deadline."""
    write_study(STUDY)
    process = start("--trials", "1000", "--workers", "1")
    until_finished(server, process, 1)
    server.stop()
    try:
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=20)
    finally:
        server.start()
    assert process.returncode == 5
    assert "Traceback" not in complaint


def test_connections_are_cut(server: Server, write_study: Write) -> None:
    """All the time: each write is applied once."""
    write_study(STUDY)
    process = start("--trials", "15", "--workers", "1", "--fleet", "2")
    until_finished(server, process, 1)
    cuts = 0
    while process.poll() is None:
        time.sleep(0.3)
        cuts += len(
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint
    assert cuts > 5
    found = trials()
    assert [trial.number for trial in found] == list(range(15))
    assert count(found).finished == 15
    for trial in found:
        epochs = sorted(trial.intermediate_values)
        assert epochs == list(range(1, len(epochs) + 1))
        assert trial.state != TrialState.COMPLETE or len(epochs) == 30


def test_no_server(write_study: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study()
    monkeypatch.setenv("TUNER_STORAGE", f"postgresql://me:{quote(PASSWORD, safe='')}@127.0.0.1:9/x")
    process = start()
    _, complaint = process.communicate(timeout=300)
    assert process.returncode == 4
    assert "postgresql://me@127.0.0.1:9/x: opening the store failed" in complaint
    assert "Traceback" not in complaint
    assert "s3cret" not in complaint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql://me@host/x", "must be a URL such as postgresql://user@host/database"),
        ("postgresql://me@host", "must be a URL such as"),
        ("runs/optuna.db", "must be a URL such as"),
        ("postgresql://me:s3cret@host/x", "no password here"),
        ("postgresql://me@host/x?password=s3cret", "no password here"),
        ("postgresql://me:s3cret@host:port/x", "must be a URL such as"),
    ],
)
def test_what_is_no_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        locate(text)
    assert "s3cret" not in str(caught.value)


def test_where_studies_live(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNER_STORAGE", raising=False)
    assert locate() == SQLiteFile(Path("runs/optuna.db"))
    monkeypatch.setenv("TUNER_STORAGE", "postgresql://me:a%40b@host/x?sslmode=require")
    found = locate()
    assert isinstance(found, PostgreSQL)
    assert (found.password, str(found)) == ("a@b", "postgresql://me@host/x")
    assert str(locate("postgresql://me@other/y")) == "postgresql://me@other/y"
