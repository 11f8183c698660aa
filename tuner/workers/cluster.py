"""Crews as actors on a Ray cluster, placed by Ray; needs the extra `ray`."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..errors import InputError, WorkerLostError
from ..system import paths
from ..system.extras import required
from .base import Event
from .crew import Answered, Command, Crew, Orders
from .remote import Batch, Broken, Inbox, Lost, Message, Ready

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

#: Seconds between two looks at what the cluster has; that it has to answer at all; and between two
#: tries until then.
_LOOK_SECONDS, _KNOCK_SECONDS, _KNOCK_AGAIN = 2.0, 5.0, 0.25


class RayLauncher:
    """Starts crews as actors, one for each GPU of a cluster, or for each core where it has none.

    Nodes that join later are used too.

    Args:
        address: `ray` is the cluster that RAY_ADDRESS names or that `ray start` started on this
            machine, or else a new one of this machine alone; `ray://host:port` is a cluster's
            client server.
        makes: for each actor, in turn, what makes its crew, told how many share its device.
        size: how many crews, if not as many as the cluster has devices.
        at_most: crews, in any case.
        on_gpus: whether crews take a GPU each; None is yes if the cluster has any.

    Raises:
        InputError: Ray is not installed, or no cluster answers at the address.
    """

    def __init__(
        self,
        address: str,
        makes: Sequence[Callable[[int], Crew]],
        *,
        size: int | None = None,
        at_most: int | None = None,
        on_gpus: bool | None = None,
    ) -> None:
        self._ray = required("ray", "ray")
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            with _own_handlers(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what matters comes as an error
                _connect(self._ray, address)
        resources = self._ray.cluster_resources()
        self._device = "GPU" if on_gpus or (on_gpus is None and resources.get("GPU")) else "CPU"
        self._wanted, self._at_most = size, at_most or sys.maxsize
        self._size, self._looked = 0, 0.0
        self._makes = self._ray.put(list(makes))
        self._actor = self._ray.remote(_Actor)

    @property
    def size(self) -> int:
        """As many as were asked for, or as the cluster has devices by now; never fewer."""
        if self._wanted is not None:
            return min(self._wanted, self._at_most)
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            devices = int(_asked(self._ray.cluster_resources).get(self._device, 0))
            self._size = max(self._size, min(devices, self._at_most), 1)
        return self._size

    @property
    def _per_device(self) -> int:
        """The most crews that share a GPU, or the memory of a node."""
        if self._device == "GPU":
            return 1
        cores = [node["Resources"].get("CPU", 0) for node in _asked(self._ray.nodes)]
        return max(1, min(self.size, int(max(cores, default=1))))

    def start(self, index: int, inbox: Inbox) -> RayLink:
        """Starts an actor as soon as there is a place for it.

        Raises:
            WorkerLostError: the cluster is gone.
        """
        folders = [path or str(Path.cwd()) for path in sys.path if isinstance(path, str)]
        actor = self._actor.options(
            num_cpus=1,
            num_gpus=1 if self._device == "GPU" else 0,
            # It finds modules where this process does, and not what may hold a password.
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(folders), paths.STORAGE: ""}},
        )
        shared = self._per_device
        return _asked(lambda: RayLink(self._ray, actor.remote(self._makes, index, shared), inbox))

    def close(self) -> None:
        """Leaves the cluster; one that was started here ends."""
        if self._is_ours:
            self._ray.shutdown()


def _connect(ray: ModuleType, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == "ray":
            # Not "auto", which would also join a cluster that another search has to itself.
            ray.init(include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address, **quiet)
    except Exception as error:  # each part of Ray has errors of its own
        raise InputError(f"cluster {address!r}: no Ray cluster answers ({_line(error)})") from error


def _knock(address: str) -> None:
    """Looks whether anyone listens; Ray's client would try for half a minute.

    For some seconds it looks again: a cluster may be about to start.

    Raises:
        ConnectionRefusedError: no one does.
    """
    parts, end = urlsplit(address), time.monotonic() + _KNOCK_SECONDS
    if parts.port is None:
        return
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), _KNOCK_SECONDS).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(_KNOCK_AGAIN)
        except OSError:
            return  # Ray may know a way


def _asked(question: Callable[[], T]) -> T:
    """Asks the cluster something.

    Raises:
        WorkerLostError: it does not answer any more.
    """
    try:
        return question()
    except Exception as error:  # each part of Ray has errors of its own
        raise WorkerLostError(f"the Ray cluster is gone ({_line(error)})") from error


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Keeps Ray from taking SIGTERM, which then would end the process without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


class RayLink:
    """The coordinator's side of one actor.

    The actor is asked for its next batch of events and told the commands by one call, and there is
    one call at a time. Commands that come meanwhile go with the next call, before which the crew
    could not have followed them.

    Args:
        ray: the module.
        actor: where the crew works.
        inbox: takes what it says.
    """

    def __init__(self, ray: ModuleType, actor: Any, inbox: Inbox) -> None:
        self._ray, self._actor, self._inbox = ray, actor, inbox
        self._lock = threading.Lock()
        self._commands: list[Command] = []
        self._n_heard, self._is_asked = 0, True
        self._listen(actor.ready.remote())

    def send(self, commands: list[Command], *, is_awaited: bool) -> None:
        """Gives the crew commands, as soon as a batch of events will follow."""
        *_, last = commands
        with self._lock:
            self._commands += commands
            # A batch may have come that is answered not by these commands but by the next ones.
            is_answer = isinstance(last, Answered) and last.batch == self._n_heard
            if self._is_asked or not is_awaited or not is_answer:
                return
            self._is_asked = True
            commands, self._commands = self._commands, []
        self._listen(self._actor.step.remote(commands))

    def _listen(self, call: Any) -> None:
        call.future().add_done_callback(self._heard)

    def _heard(self, future: Future[Message]) -> None:
        try:
            message = future.result()
        except self._ray.exceptions.RayActorError as error:
            message = Lost("its actor died", str(error))
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            reason = "".join(traceback.format_exception_only(cause)).strip()
            message = Broken(reason, str(error))
        except Exception as error:
            message = Lost(type(error).__name__, str(error))
        with self._lock:
            self._is_asked = False
            self._n_heard += isinstance(message, Batch)
        self._inbox(self, message)

    def dismiss(self) -> None:
        """Ends the actor."""
        self.kill()

    def kill(self) -> None:
        """Ends the actor at once."""
        with contextlib.suppress(Exception):  # it is gone, or the cluster is
            self._ray.kill(self._actor)

    def end(self) -> None:
        """Ends the actor."""
        self.kill()


class _Actor:
    """Runs a crew in an actor.

    Args:
        makes: functions that make crews.
        index: number of this actor, from 0.
        per_device: how many like it share its device.
    """

    def __init__(self, makes: Sequence[Callable[[int], Crew]], index: int, per_device: int) -> None:
        # The data of all actors of a node are in shared memory that no one may write to.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self._make, self._per_device = makes[index % len(makes)], per_device
        self._batches: queue.SimpleQueue[list[Event] | Exception] = queue.SimpleQueue()
        self._orders = Orders(self._batches.put)

    def ready(self) -> Ready:
        """Makes the crew."""
        self._crew = self._make(self._per_device)
        threading.Thread(target=self._work, name="tuner-worker", daemon=True).start()
        return Ready(self._crew.capacity, os.getpid())

    def _work(self) -> None:
        try:
            self._crew.work(self._orders)
        except Exception as error:
            self._batches.put(error)

    def step(self, commands: list[Command]) -> Batch:
        """Gives the crew commands; returns what it says next."""
        for command in commands:
            self._orders.give(command)
        batch = self._batches.get()
        if isinstance(batch, Exception):
            raise batch
        return Batch(batch, self._crew.capacity)
