"""Copies of a process that has loaded what they need: forks of a server.

Torch and scikit-learn take seconds of a core to load, for each process that does so by itself. A
server (`fork_server`) loads them once. It is a fresh interpreter, never a copy of the user's
process.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import signal
import socket
import tempfile
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from . import fork_server
from .fork_server import Began, Ended, Forget, Loaded, Order
from .interpreter import Interpreter, Work

#: Seconds within which a process ends that was killed.
_END_SECONDS = 5.0
#: Seconds after which a server is given up that has loaded and does not begin a fork, and that has
#: not loaded; and between two looks.
_STUCK, _LOADS, _LOOK = 30.0, 300.0, 1.0
#: What runs in servers.
_SERVE = f"{fork_server.__name__}:serve"


class Fork:
    """A copy of a server that calls a function with its end of a connection.

    It is used like an `Interpreter`.

    Attributes:
        work: what it is for.
        socket: this end of the connection.
        output: what it writes, a file.

    Raises:
        OSError: the system starts no more, or the server has ended.
    """

    def __init__(self, work: Work, server: Server) -> None:
        self.work = work
        self._lock = threading.Lock()
        self._began, self._ended = threading.Event(), threading.Event()
        self._pid: int | None = None
        self._code: int | None = None
        self.socket, its = socket.socketpair()
        with its, contextlib.ExitStack() as opened:
            opened.callback(self.socket.close)
            self.output = opened.enter_context(tempfile.TemporaryFile())
            server.begin(self, its.fileno())
            opened.pop_all()  # they stay open

    @property
    def pid(self) -> int:
        """The system's number of the process, once it has begun; 0 if it never does."""
        self._began.wait()
        return self._pid or 0

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, or could not begin."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> int:
        """Waits for its end, or ends it, and what it started; returns its exit code."""
        if not self._ended.wait(seconds):
            self.kill()
            self._ended.wait(_END_SECONDS)
            with self._lock:
                self._end(-signal.SIGKILL)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """Ends the process and all that it started; one that is still to begin ends as it does."""
        with self._lock:
            if self._pid is None:
                self._end(-signal.SIGKILL)
            elif not self._ended.is_set():
                self._kill_all()

    def close(self) -> None:
        """Gives back the connection and the output of a process that has ended."""
        self.socket.close()
        self.output.close()

    def discard(self) -> None:
        """Ends it, and waits for nothing."""
        self.kill()
        with self._lock:
            self._end(-signal.SIGKILL)
        self.close()

    def began(self, pid: int) -> None:
        """Hears that it runs."""
        with self._lock:
            self._pid = pid
            if self._ended.is_set():  # no one has waited for it
                self._kill_all()
            self._began.set()

    def ended(self, code: int, reason: bytes = b"") -> None:
        """Hears that the process has ended, and ends what it has left behind.

        Args:
            code: its exit code.
            reason: why, where its own output cannot say.
        """
        with self._lock:
            self._kill_all()
            if not self._ended.is_set():
                with contextlib.suppress(OSError):  # the disk is full
                    self.output.seek(0, os.SEEK_END)
                    self.output.write(reason)
                    self.output.flush()
                self._end(code)

    def _end(self, code: int) -> None:
        if self._code is None:
            self._code = code
        self._ended.set()
        self._began.set()

    def _kill_all(self) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)


class Server:
    """The side of who needs forks. A server ends with this process, whatever ends it.

    If it ends before, its forks do, too.

    Args:
        work: like that of its forks, but for what differs from one to the next.

    Raises:
        OSError: the system starts no more.
    """

    def __init__(self, work: Work) -> None:
        self._environment = work.environment
        self._process = Interpreter(replace(work, function=_SERVE))
        self._connection = Connection(os.dup(self._process.socket.fileno()))
        self._numbers, self._forks = itertools.count(), dict[int, Fork]()
        self._lock, self._has_ended = threading.Lock(), False
        # When it was asked for each fork that has not begun, and since when it has loaded.
        self._asked, self._loaded = dict[int, float](), math.inf
        self._started = time.monotonic()
        try:
            self._connection.send((work.load, work.function))
            threading.Thread(target=self._listen, name="tuner-forks", daemon=True).start()
        except (OSError, RuntimeError) as error:  # RuntimeError: no more threads
            self._process.discard()
            raise OSError(str(error)) from error

    def begin(self, fork: Fork, descriptor: int) -> None:
        """Begins a fork as soon as the server has loaded what it needs.

        Args:
            fork: that is told what becomes of it.
            descriptor: of its end of the connection.

        Raises:
            OSError: the server has ended.
        """
        wanted, has = fork.work.environment, self._environment
        variables: dict[str, str | None] = dict.fromkeys(has.keys() - wanted.keys())
        variables |= {name: text for name, text in wanted.items() if has.get(name) != text}
        try:
            folder = str(Path.cwd())
        except FileNotFoundError:
            folder = ""
        with self._lock:
            if self._has_ended:
                raise BrokenPipeError("the process that starts workers has ended")
            number = next(self._numbers)
            self._forks[number], self._asked[number] = fork, time.monotonic()
            try:
                self._connection.send(Order(number, folder, fork.work.folders, variables))
                given = [descriptor, fork.output.fileno()]
                socket.send_fds(self._process.socket, [b"0"], given)
            except BaseException:  # half of an order may be under way, which no other may follow
                del self._forks[number], self._asked[number]
                self._has_ended = True
                self._process.kill()
                raise

    def close(self) -> None:
        """Ends the server and its forks."""
        with self._lock:
            if not self._has_ended:
                self._has_ended = True
                self._process.kill()

    def forsake(self) -> None:
        """Leaves it to the process that this one is a copy of."""
        self._has_ended = True
        self._connection.close()
        self._process.socket.close()

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it begins no more forks."""
        return self._has_ended

    @property
    def is_idle(self) -> bool:
        """Whether all its forks have ended."""
        return all(fork.has_ended for fork in list(self._forks.values()))

    def _listen(self) -> None:
        try:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    if self._connection.poll(_LOOK):
                        self._hear(self._connection.recv())
                    elif self._is_stuck():
                        self._process.kill()
        finally:
            code = self._process.wait(_END_SECONDS)
            with self._lock:
                self._has_ended = True
            self._process.output.seek(0)
            reason = self._process.output.read()
            for fork in self._forks.values():
                fork.ended(code, reason)
            self._connection.close()
            self._process.close()

    def _hear(self, told: Loaded | Began | Ended) -> None:
        if isinstance(told, Loaded):
            self._loaded = time.monotonic()
            return
        self._asked.pop(told.number, None)
        fork = self._forks.get(told.number)
        if fork is None:  # its order was not finished
            return
        if isinstance(told, Began):
            fork.began(told.pid)
            return
        fork.ended(told.code, told.reason.encode())
        with self._lock:
            del self._forks[told.number]
            self._connection.send(Forget(told.number))

    def _is_stuck(self) -> bool:
        """Whether it should have answered: something has stopped it."""
        now, asked = time.monotonic(), min(list(self._asked.values()), default=math.inf)
        return now - max(asked, self._loaded) > _STUCK or (
            math.isinf(self._loaded) and now - self._started > _LOADS
        )
