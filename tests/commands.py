"""The command line in processes of its own, whose libraries have been loaded once for all of them.

Each is a fork of a process that has imported torch, Optuna and the rest, and computed nothing. Its
arguments, folder, environment, output, signals and exit code are its own, as those of `python -m
tuner`; it also finds the modules that the tests do. How long libraries take, what happens
meanwhile, and that they are there, is for tests that start `TUNER`.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing import forkserver, get_context, set_start_method
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

#: The command line as a user starts it.
TUNER = (sys.executable, "-m", "tuner")

#: What is loaded before, but for modules that read COLUMNS as they load.
_LOADED = [
    "tests.warm",
    "tuner.answers.ablation",
    "tuner.answers.auditing",
    "tuner.reporting",
    "tuner.search",
    "tuner.storage",
    "tuner.data.bundled",
    "alembic.command",
    "alembic.migration",
    "importlib.resources.readers",
    "optuna.importance._fanova",
    "optuna_dashboard",
    "pandas.io.formats.csvs",
    "pyarrow.pandas_compat",
    "rich.console",
    "rich._emoji_codes",
    "rich.panel",
    "rich.status",
    "sklearn.model_selection",
    "typer",
]
_running = list[BaseProcess]()


@cache
def forks() -> ForkServerContext:
    """Starts the process that others are forked from, which finds modules of the tests."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    from unittest.mock import patch  # which no fork needs

    paths = [str(Path(__file__).parent.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))):
        forkserver.ensure_running()
    return context


class Command:
    """A command that runs; it is used like a `subprocess.Popen`.

    Args:
        words: what follows `tuner`.
        environment: variables, beside those of this process.
        leads: it leads a session of its own.
    """

    def __init__(self, *words: str, leads: bool = False, **environment: str) -> None:
        files = Path(tempfile.mkdtemp(dir=_folder()))
        self._told, self._complaint = files / "told", files / "complaint"
        paths = [str(self._told), str(self._complaint)]
        variables = {**os.environ, "COLUMNS": "200", **environment}
        self.args = words
        self._process = forks().Process(
            target=_become, args=(words, str(Path.cwd()), variables, paths, leads)
        )
        self._process.start()
        _running[:] = [*filter(BaseProcess.is_alive, _running), self._process]
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end; returns what it wrote to its output and to its errors."""
        self.wait(timeout)
        files = (self._told, self._complaint)  # not there if it was killed at once
        told, complaint = (file.read_text() if file.exists() else "" for file in files)
        return told, complaint

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        self.wait()


def run(*words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, and asserts its exit code."""
    with Command(*words, **{"COLUMNS": "120", **environment}) as command:
        told, complaint = command.communicate(timeout=300)
    assert command.returncode == code, told + complaint
    return subprocess.CompletedProcess(words, code, told, complaint)


def _become(
    words: tuple[str, ...], folder: str, variables: dict[str, str], paths: list[str], leads: bool
) -> None:
    """Makes a fork the command."""
    if leads:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path.insert(0, folder)
    sys.argv = ["tuner", *words]
    for number, path in enumerate(paths, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    gc.freeze()  # a command that loads by itself has done so
    # It is no process of multiprocessing's, which would end it otherwise than Python does.
    set_start_method(None, force=True)
    missing = [name for name in _LOADED if name not in sys.modules]
    assert not missing, f"not loaded before: {missing}"
    from tuner.__main__ import main
    from tuner.system import processes

    atexit.register(processes._end_all)
    try:
        main()
    finally:
        atexit._run_exitfuncs()


@cache
def _folder() -> str:
    """Where this process keeps what commands write."""
    return tempfile.mkdtemp(prefix="commands")


@atexit.register
def _clean_up() -> None:
    """Ends what tests that failed have left, for which this process would wait."""
    for process in _running:
        if process.is_alive():
            process.kill()
    if _running:
        shutil.rmtree(_folder(), ignore_errors=True)
