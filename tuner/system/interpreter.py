"""Fresh interpreters: processes in sessions of their own that wait for work."""

from __future__ import annotations

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
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: What has threads as soon as it is loaded, which a fork would not have; no training needs them.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@dataclass(frozen=True)
class Work:
    """What a process is started for.

    Attributes:
        function: "package.module:function", called with the descriptor of a connection.
        threads: that it may compute with.
        variables: of its environment, beside those of this process.
        folders: where it finds modules: where this process does.
        load: "package.module:function" that loads what `function` needs, and computes nothing: what
            several processes have in common; "" if they have nothing.
    """

    function: str
    threads: int
    variables: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]
    load: str = ""

    @classmethod
    def of(
        cls, function: str, threads: int, variables: Mapping[str, str], *, load: str = ""
    ) -> Work:
        """Says what is to be done, by someone who finds modules where this process does now."""
        # Import, too, passes over what is no text.
        folders = (path or str(Path.cwd()) for path in sys.path if isinstance(path, str))
        return cls(function, threads, tuple(variables.items()), tuple(folders), load)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process for it."""
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(self.threads)), **_NO_THREADS}
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

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._child.poll() is not None

    def discard(self) -> None:
        """Ends it, and gives everything back."""
        self.wait(0)
        self.close()
