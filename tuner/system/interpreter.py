"""Fresh interpreters: processes in sessions of their own, which load modules and wait for work.

Those that a command will need are started ahead, so that they load what they need while the command
does so itself.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import paths

#: What keeps libraries to a share of the cores, read when they load.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """What an interpreter is started for.

    Attributes:
        function: "package.module:function", called with the descriptor of a connection.
        threads: that it may compute with.
        variables: of its environment, beside those of this process.
        folders: where it finds modules: where this process does.
    """

    function: str
    threads: int
    variables: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls, function: str, threads: int, variables: Mapping[str, str]) -> Work:
        """Says what is to be done, by someone who finds modules where this process does now."""
        # Import, too, passes over what is no text.
        folders = (path or str(Path.cwd()) for path in sys.path if isinstance(path, str))
        return cls(function, threads, tuple(variables.items()), tuple(folders))

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process for it."""
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(self.threads))}
        environment["PYTHONPATH"] = os.pathsep.join(self.folders)
        environment.pop(paths.STORAGE, None)  # it may hold a password, which no worker needs
        return environment | dict(self.variables)


class Interpreter:
    """A process that calls a function with its end of a connection.

    Args:
        work: what it is for.

    Attributes:
        work: as given.
        socket: this end of the connection.
        output: what it writes, a file.

    Raises:
        OSError: the system starts no more.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.socket, its = socket.socketpair()
        with its, contextlib.ExitStack() as opened:
            opened.callback(self.socket.close)
            self.output = opened.enter_context(tempfile.TemporaryFile())
            module, _, name = work.function.partition(":")
            code = f"from {module} import {name}; {name}({its.fileno()})"
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                pass_fds=[its.fileno()],
                start_new_session=True,
                env=work.environment,
            )
            opened.pop_all()  # they stay open

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._child.pid

    def wait(self, seconds: float) -> int:
        """Waits for its end, or ends it, and what it started; returns its exit code."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._child.wait()
        self.kill()
        return code

    def kill(self) -> None:
        """Ends the process and all that it started, as far as there is anything left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        """Gives back the connection and the output of a process that has ended."""
        self.socket.close()
        self.output.close()


#: Those that were started ahead and wait to be taken.
_ahead: list[Interpreter] = []


def start_ahead(n: int, work: Work) -> None:
    """Starts interpreters that will be taken by who needs one like them; fewer if the system can't.

    They end with this process, whatever ends it: their connection does.
    """
    with contextlib.suppress(OSError):
        for _ in range(n):
            _ahead.append(Interpreter(work))


def take(work: Work) -> Interpreter:
    """Returns an interpreter that was started ahead for such work, or else a new one.

    Raises:
        OSError: the system starts no more.
    """
    for found in _ahead:
        if found.work == work:
            _ahead.remove(found)
            return found
    return Interpreter(work)


def n_ahead() -> int:
    """Returns how many wait to be taken."""
    return len(_ahead)


def dismiss_ahead() -> None:
    """Ends those that no one took."""
    while _ahead:
        left = _ahead.pop()
        left.kill()
        left.wait(0)
        left.close()


atexit.register(dismiss_ahead)
