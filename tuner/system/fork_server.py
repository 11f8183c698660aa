"""What runs in a fork server: a process that loads what others need, and forks them.

It computes nothing, as what a fork leaves behind are threads, such as those of OpenMP, and CUDA.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from .imports import loading


@dataclass(frozen=True)
class Order:
    """Asks a server for a fork; descriptors of its connection and of its output follow.

    Attributes:
        number: of the fork.
        folder: it works in.
        folders: where it finds modules.
        variables: of its environment that differ from the server's; None takes one away.
    """

    number: int
    folder: str
    folders: tuple[str, ...]
    variables: Mapping[str, str | None]


@dataclass(frozen=True)
class Forget:
    """Tells a server that nobody needs the process number of a fork that has ended."""

    number: int


@dataclass(frozen=True)
class Loaded:
    """The server begins forks from now on."""


@dataclass(frozen=True)
class Began:
    """A fork runs."""

    number: int
    pid: int


@dataclass(frozen=True)
class Ended:
    """A fork has ended, or could not begin; its process number is its own until `Forget`.

    Attributes:
        number: of the fork.
        code: its exit code, or the negative number of a signal.
        reason: why it could not begin.
    """

    number: int
    code: int
    reason: str = ""


def serve(descriptor: int) -> NoReturn:
    """Loads what forks need, and begins them until the connection ends; returns never.

    Args:
        descriptor: of the connection to who needs them.
    """
    control = Connection(descriptor)
    try:
        load, function = control.recv()
    except EOFError:  # nobody waits any more
        os._exit(0)
    with loading():  # a collection in a fork would copy the pages that it shares
        _found(load)()
        run = _found(function)
    sys.stdout.flush()  # else each fork says it again
    sys.stderr.flush()
    with contextlib.suppress(EOFError, OSError):
        control.send(Loaded())
        _begin_forks(control, run)
    os._exit(0)


def _found(name: str) -> Callable[..., Any]:
    """Returns the function that `package.module:function` names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def _begin_forks(control: Connection, run: Callable[[int], Any]) -> None:
    """Begins what is ordered, and tells of it.

    Raises:
        EOFError: who orders is gone.
    """
    running: dict[int, int] = {}  # processes by number
    told = set[int]()
    ended, has_ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(has_ended, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    with socket.socket(fileno=os.dup(control.fileno())) as its:

        def leave() -> None:
            """Gives up in a fork what is the server's."""
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            its.close()
            os.close(ended)
            os.close(has_ended)

        while True:
            if control in wait([control, ended]):
                order: Order | Forget = control.recv()
                if isinstance(order, Forget):
                    told.discard(order.number)
                    if order.number in running:
                        os.waitpid(running.pop(order.number), 0)
                    continue
                _, descriptors, _, _ = socket.recv_fds(its, 1, 2)
                try:
                    pid = _forked(order, descriptors, run, leave)
                except OSError as error:
                    reason = f"no process can be started ({error})"
                    control.send(Ended(order.number, -signal.SIGKILL, reason))
                else:
                    running[order.number] = pid
                    control.send(Began(order.number, pid))
            with contextlib.suppress(BlockingIOError):
                os.read(ended, 4096)
            for number in running.keys() - told:
                code = _code(running[number])
                if code is not None:
                    told.add(number)
                    control.send(Ended(number, code))


def _code(pid: int) -> int | None:
    """Returns the exit code of a child, or None while it runs; its number stays its own."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _forked(
    order: Order,
    descriptors: list[int],
    run: Callable[[int], Any],
    leave: Callable[[], None],
) -> int:
    """Returns the process number of a fork, once it leads a group of its own.

    Args:
        order: what it is to be.
        descriptors: of its connection and its output, which are given away.
        run: what it calls with its connection.
        leave: gives up what is the server's.

    Raises:
        OSError: the system starts no more, or opens no more files.
    """
    opened = [*descriptors]
    try:
        if len(descriptors) < 2:
            raise OSError("there is no room for its connection")
        connection, output = descriptors
        is_leader, leads = os.pipe()
        opened += [is_leader, leads]
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                os.close(leads)
                os.close(is_leader)
                leave()
                _become(order, connection, output, run)
            finally:
                os._exit(1)
        os.close(opened.pop())
        os.read(is_leader, 1)  # ends when the fork closes it
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return pid


def _become(order: Order, connection: int, output: int, run: Callable[[int], Any]) -> NoReturn:
    """Makes a fork what was ordered; returns never."""
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        with contextlib.suppress(OSError):  # it is gone, or not for this user
            os.chdir(order.folder)
        for name, text in order.variables.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text
        known = set(order.folders)
        sys.path[:] = [*order.folders, *(each for each in sys.path if each not in known)]
        run(connection)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
