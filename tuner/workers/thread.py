"""A worker in this process: a crew in a thread of its own.

The thread leaves the main one free for signals, the display and the store.
"""

from __future__ import annotations

import queue
import threading
from types import TracebackType
from typing import Self

from .base import Event, Job
from .crew import Answered, Cancel, Crew, Orders, Submit

#: Seconds that `close` waits for the step under way.
_CLOSE_SECONDS = 5.0


class ThreadWorker:
    """Lets a crew work in a thread.

    Args:
        crew: what trains.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._batches: queue.SimpleQueue[list[Event] | Exception] = queue.SimpleQueue()
        self._orders = Orders(self._batches.put)
        self._cancelled: set[int] = set()
        self._handed_out = 0
        self._thread = threading.Thread(target=self._work, name="tuner-worker", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._crew.work(self._orders)
        except Exception as error:
            self._batches.put(error)

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once; less after memory ran out."""
        return self._crew.capacity

    def submit(self, job: Job) -> None:
        """Starts a job with the next epoch."""
        self._orders.give(Submit(job))

    def cancel(self, job: int) -> None:
        """Ends a job before the next epoch."""
        self._cancelled.add(job)
        self._orders.give(Cancel(job))

    def events(self, timeout: float) -> list[Event]:
        """Returns what one epoch brought, after waiting at most so many seconds.

        Raises:
            Exception: what ended the thread, if it was no job's error.
        """
        self._orders.give(Answered(self._handed_out))
        try:
            batch = self._batches.get(timeout=timeout)
        except queue.Empty:
            return []
        if isinstance(batch, Exception):
            raise batch
        self._handed_out += 1
        return [event for event in batch if event.job not in self._cancelled]

    def close(self) -> None:
        """Ends all jobs and the thread."""
        self._crew.stop()
        self._orders.give(None)
        self._thread.join(_CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
