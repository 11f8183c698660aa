"""Processes that wait for work: forks where that is possible, else interpreters; some ahead.

Only on Linux do the libraries stand being copied; elsewhere each process is an interpreter of its
own, which loads them by itself.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading

from .forks import Fork, Server
from .interpreter import Interpreter, Work

#: Beginnings of the names of variables that are read as libraries load. Not of those that libraries
#: set themselves as they load, such as KMP_INIT_AT_FORK.
_READ_EARLY = (
    *("ATEN_", "GOMP_", "LD_", "MALLOC_", "MKL_", "NUMEXPR_", "OMP_", "OPENBLAS_", "PYTHON"),
    "TORCH_",
)
#: Servers by what they have loaded, and how.
_servers: dict[object, Server] = {}
_opening = threading.Lock()
#: Processes that were started ahead and wait to be taken.
_ahead: list[Interpreter | Fork] = []


def begin(work: Work) -> Interpreter | Fork:
    """Begins a process: a fork where that is possible, else an interpreter.

    Raises:
        OSError: the system starts no more.
    """
    if not work.load or sys.platform != "linux":
        return Interpreter(work)
    early = frozenset(
        (name, text)
        for name, text in work.environment.items()
        if name.startswith(_READ_EARLY) and name != "PYTHONPATH"
    )
    kind = (work.function, work.load, early)
    with contextlib.suppress(ConnectionError):
        return Fork(work, _server(kind, work))
    return Fork(work, _server(kind, work, anew=True))  # it has just been lost


def _server(kind: object, work: Work, *, anew: bool = False) -> Server:
    with _opening:
        if anew or kind not in _servers or _servers[kind].has_ended:
            _close_idle()
            _servers[kind] = Server(work)
        return _servers[kind]


def _close_idle() -> None:
    """Ends servers that nobody needs now, for the memory that they hold."""
    for kind, server in list(_servers.items()):
        if server.is_idle:
            server.close()
            del _servers[kind]


def start_ahead(n: int, work: Work) -> None:
    """Begins processes that will be taken by who needs one like them; fewer if the system can't.

    They end with this process, whatever ends it: their connection does.
    """
    with contextlib.suppress(OSError):
        for _ in range(n):
            _ahead.append(begin(work))


def take(work: Work) -> Interpreter | Fork:
    """Returns a process that was started ahead for such work, or else a new one.

    Raises:
        OSError: the system starts no more.
    """
    found = next((each for each in _ahead if each.work == work and not each.has_ended), None)
    if found is None:
        return begin(work)
    _ahead.remove(found)
    return found


def n_ahead() -> int:
    """Returns how many wait to be taken."""
    return sum(not each.has_ended for each in _ahead)


def dismiss_ahead() -> None:
    """Ends those that no one took."""
    if not _ahead:
        return
    while _ahead:
        _ahead.pop().discard()
    with _opening:
        _close_idle()


@atexit.register
def _end_all() -> None:
    dismiss_ahead()
    for server in _servers.values():
        server.close()


def _forget_all() -> None:
    """Leaves all to the process that this one is a copy of, by a fork of the user's."""
    global _opening  # a thread may hold it that is not in this process
    _opening = threading.Lock()
    _ahead.clear()
    for server in _servers.values():
        server.forsake()
    _servers.clear()


os.register_at_fork(after_in_child=_forget_all)
