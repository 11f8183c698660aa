"""What runs in the processes of the tests of forks: here, since it loads nothing."""

import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path


def nothing() -> None:
    """Loads what the functions below need."""


def never() -> None:
    """What it loads lies on a disk that does not answer."""
    threading.Event().wait()


def fails() -> None:
    """A module that is broken."""
    raise ImportError("half of it is missing")


def scarce() -> None:
    """A system that starts no more for a moment: the second time that it is asked."""
    asked, fork = [], os.fork

    def forks() -> int:
        asked.append(1)
        if len(asked) == 2:
            raise OSError("Resource temporarily unavailable")
        return fork()

    os.fork = forks


def tell(descriptor: int) -> None:
    """Tells where it is, and waits for the end of the connection."""
    connection = Connection(descriptor)
    connection.send((str(Path.cwd()), dict(os.environ), list(sys.path)))
    connection.poll(None)


def end_with_3(descriptor: int) -> None:
    print("the last word", flush=True)
    os._exit(3)


def end_by_signal(descriptor: int) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def leave_a_child(descriptor: int) -> None:
    """Starts a process that would outlive it, and ends."""
    child = subprocess.Popen(["sleep", "600"])
    Connection(descriptor).send(child.pid)


def raise_an_error(descriptor: int) -> None:
    raise ValueError("no such crew")
