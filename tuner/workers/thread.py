"""A worker in this process: a crew in a thread of its own.

The thread leaves the main one free for signals, the display and the store.
"""

from __future__ import annotations

import queue
import threading

from ..errors import SilentWorkerError
from ..system.closing import Closing
from .base import Event, Job, Progress
from .crew import Answered, Cancel, Crew, Orders, Submit
from .silence import Silence

#: Seconds that `close` waits for the step under way.
_CLOSE_SECONDS = 5.0


class ThreadWorker(Closing):
    """Lets a crew work in a thread.

    Args:
        crew: what trains.
        epoch_seconds: of silence after which a crew with jobs is given up.
    """

    def __init__(self, crew: Crew, *, epoch_seconds: float) -> None:
        self._crew, self._silence = crew, Silence(epoch_seconds)
        self._jobs: set[int] = set()  # that the crew has
        self._batches: queue.SimpleQueue[list[Event] | Exception] = queue.SimpleQueue()
        self._orders = Orders(self._batches.put)
        self._cancelled: set[int] = set()
        self._handed_out = 0
        self._owes_an_answer = False
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

    @property
    def is_complete(self) -> bool:
        """Whether the crew is there: it always is."""
        return True

    def submit(self, job: Job) -> None:
        """Starts a job with the next epoch."""
        if not self._jobs:
            self._silence.begin()
        self._jobs.add(job.id)
        self._orders.give(Submit(job))

    def cancel(self, job: int) -> None:
        """Ends a job before the next epoch."""
        self._cancelled.add(job)
        self._jobs.discard(job)
        self._orders.give(Cancel(job))

    def events(self, timeout: float) -> list[Event]:
        """Returns what one epoch brought, after waiting at most so many seconds.

        Raises:
            SilentWorkerError: the crew was silent for too long; a thread cannot be ended.
            Exception: what ended the thread, if it was no job's error.
        """
        self._silence.listen()
        if self._owes_an_answer:
            self._silence.begin()
        self._owes_an_answer = False
        self._orders.give(Answered(self._handed_out))
        try:
            batch = self._batches.get(timeout=timeout)
        except queue.Empty:
            if self._jobs and self._silence.is_too_long:
                raise SilentWorkerError(f"training was {self._silence}") from None
            return []
        if isinstance(batch, Exception):
            raise batch
        self._handed_out += 1
        self._owes_an_answer = True
        events = [event for event in batch if event.job not in self._cancelled]
        self._jobs -= {event.job for event in events if not isinstance(event, Progress)}
        return events

    def close(self) -> None:
        """Ends all jobs and the thread."""
        self._crew.stop()
        self._orders.give(None)
        self._thread.join(_CLOSE_SECONDS)
