"""A crew in a process of its own: how it is started and reached, and what runs in it.

Processes are never copies of the user's, and each is in a session of its own: a script needs no
`if __name__ == "__main__"`, and Ctrl-C comes to the coordinator alone. They end, with all that
they started, when the connection to the coordinator does, whatever ended it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from ..errors import WorkerLostError
from ..system.interpreter import Work
from ..system.processes import take
from .crew import Command, Crew, Orders
from .parcel import MOST_FILES, Parcel, Slip
from .remote import Batch, Broken, Inbox, Lost, Message, Ready

#: Seconds that `end` waits for a process to end by itself.
_END_SECONDS = 5.0
#: Lines of its output that are kept of a process that died.
_LINES = 40

#: What runs in the processes, and what they load before beside this module; for crews that train
#: with Lightning, too.
SERVE, LOAD = f"{__name__}:serve", f"{__package__}.fleet:loaded"
LOAD_LIGHTNING = f"{__package__}.solo:loaded"


class ProcessLauncher:
    """Starts crews in processes of their own.

    Args:
        makes: a function for each process, pickled, that makes its crew.
        threads: that each may compute with.
        environments: variables that are set for the processes, in turn.
        load: what they load before: `LOAD`, or `LOAD_LIGHTNING` where their crews need that.

    Raises:
        WorkerLostError: there is no room for what the processes share.
    """

    def __init__(
        self,
        makes: Sequence[Callable[[], Crew]],
        *,
        threads: int = 1,
        environments: Sequence[Mapping[str, str]] = ({},),
        load: str = LOAD,
    ) -> None:
        self.size, self._load = len(makes), load
        self._makes, self._threads, self._environments = Parcel(list(makes)), threads, environments

    def start(self, index: int, inbox: Inbox) -> ProcessLink:
        """Starts a process."""
        variables = self._environments[index % len(self._environments)]
        work = Work.of(SERVE, self._threads, variables, load=self._load)
        return ProcessLink(self._makes, index, work, inbox)

    def close(self) -> None:
        """Gives back the memory that processes share."""
        self._makes.close()


class ProcessLink:
    """The coordinator's side of one process.

    A thread takes what it says: a process that is stopped in the middle of a message keeps no one
    else waiting.

    Args:
        makes: a parcel of functions that make crews.
        index: of this process's function.
        work: that the process is started for.
        inbox: takes what it says.

    Raises:
        WorkerLostError: the system starts no more processes.
    """

    def __init__(self, makes: Parcel, index: int, work: Work, inbox: Inbox) -> None:
        self._inbox = inbox
        self._has_crew = False
        try:
            self._process = take(work)
            self._connection = Connection(os.dup(self._process.socket.fileno()))
            self._listener = threading.Thread(
                target=self._listen, args=(makes, index), name="tuner-link", daemon=True
            )
            self._listener.start()
        except (OSError, RuntimeError) as error:  # RuntimeError: no more threads
            raise WorkerLostError(f"no worker process can be started ({error})") from error

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    def send(self, commands: list[Command], *, is_awaited: bool) -> None:
        """Gives the crew commands."""
        self._send(commands)

    def _send(self, message: list[Command] | tuple[Slip, int]) -> None:
        # If it died, the thread that listens tells.
        with contextlib.suppress(OSError):
            self._connection.send(message)

    def _listen(self, makes: Parcel, index: int) -> None:
        """Puts what the process says into the inbox, and at last how it ended."""
        with contextlib.suppress(EOFError, OSError):
            self._connection.recv()  # modules are loaded
            socket.send_fds(self._process.socket, [b"0"], makes.filenos())
            self._send((makes.slip, index))
            while True:
                message: Message = self._connection.recv()
                self._has_crew = True
                self._inbox(self, message)
        code = self._process.wait(_END_SECONDS)
        self._process.output.seek(0)
        lines = self._process.output.read().decode(errors="replace").strip().splitlines()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self._inbox(self, Lost(how, "\n".join(lines[-_LINES:]), is_broken=code >= 0))
        self._connection.close()
        self._process.close()

    def kill(self) -> None:
        """Ends the process and all that it started, as far as there is anything left."""
        self._process.kill()

    def dismiss(self) -> None:
        """Lets the process end; one without a crew would notice only when modules are loaded."""
        with contextlib.suppress(OSError):
            self._process.socket.shutdown(socket.SHUT_RDWR)
        if not self._has_crew:
            self.kill()

    def end(self) -> None:
        """Waits for the end of the process, or ends it."""
        self.dismiss()
        self._listener.join()


def serve(descriptor: int) -> None:
    """Runs a crew in this process; returns never.

    The crew works in a thread: what trains in a main thread, as Lightning's Trainer does, would
    have signal handlers there.

    Args:
        descriptor: of the connection to the coordinator, over which comes that of the file of
            functions that make crews.
    """
    connection = Connection(descriptor)
    # Processes that load data must not keep the connection open when this one is gone.
    os.register_at_fork(after_in_child=partial(os.close, descriptor))

    def tell(message: Message | None) -> None:
        try:
            connection.send(message)
        except OSError:  # nobody is there to hear of it
            _end_all()

    def work(make: Callable[[], Crew]) -> None:
        try:
            crew = make()
            orders.append(Orders(lambda events: tell(Batch(events, crew.capacity))))
            tell(Ready(crew.capacity, os.getpid()))
            crew.work(orders[0])
        except Exception as error:
            reason = "".join(traceback.format_exception_only(error)).strip()
            tell(Broken(reason, "".join(traceback.format_exception(error))))
        _end_all()

    orders: list[Orders] = []
    tell(None)
    import_module(f"{__package__}.fleet")  # as far as that is not done, while it waits
    try:
        with socket.socket(fileno=os.dup(descriptor)) as its:
            _, found, _, _ = socket.recv_fds(its, 1, MOST_FILES)
        if not found:
            raise EOFError
        slip, index = connection.recv()
        makes: Sequence[Callable[[], Crew]] = slip.open(found)
        for each in found:
            os.close(each)
        threading.Thread(target=work, args=(makes[index],), daemon=True).start()
    except EOFError:
        _end_all()
    while True:
        try:
            commands: list[Any] = connection.recv()
        except (EOFError, OSError):  # OSError: the coordinator went with words unread
            _end_all()
        for command in commands:
            orders[0].give(command)


def _end_all() -> NoReturn:
    """Ends this process and all that it started, such as those that load data."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
