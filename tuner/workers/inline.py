"""A worker in this process: one training at a time, in a thread of its own.

The thread leaves the main one free for signals, the display and the store.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from .. import solo
from ..config import Precision
from ..data import Dataset
from ..model import to_checkpoint
from .base import Event, Failed, Finished, Job, Progress, rounded

#: Seconds that `close` waits for the step under way.
_CLOSE_SECONDS = 5.0


class InlineWorker:
    """Trains jobs on a data set, one after the other.

    Args:
        dataset: rows that all jobs train and are scored on.
        precision: Lightning's word for the numbers that jobs train with.
    """

    capacity = 1

    def __init__(self, dataset: Dataset, *, precision: Precision = "32-true") -> None:
        self._dataset, self._precision = dataset, precision
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tuner-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Starts a job as soon as the one before it has let go."""
        self._jobs.put(job)

    def cancel(self, job: int) -> None:
        """Ends a job at its next step."""
        self._cancelled.add(job)

    def events(self, timeout: float) -> list[Event]:
        """Returns what happened since the last call, after waiting at most so many seconds."""
        found: list[Event] = []
        try:
            found.append(self._events.get(timeout=timeout))
            while True:
                found.append(self._events.get_nowait())
        except queue.Empty:
            return [event for event in found if event.job not in self._cancelled]

    def close(self) -> None:
        """Ends the job under way and the thread."""
        self._closed.set()
        self._jobs.put(None)
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

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed.is_set():
            try:
                self._events.put(self._train(job))
            except solo.CancelledError:
                continue
            except solo.DivergedError as error:
                self._events.put(Failed(job.id, str(error), diverged=True))
            except BaseException as error:  # sys.exit in a training must not end the worker
                reason = "".join(traceback.format_exception_only(error)).strip()
                self._events.put(Failed(job.id, reason, traceback.format_exc()))

    def _train(self, job: Job) -> Finished:
        last: Mapping[str, float] = {}

        def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
            nonlocal last
            last = rounded(metrics)
            self._events.put(Progress(job.id, epoch, last, shuffle=epoch - 1))

        model = solo.train_mlp(
            job.config,
            self._dataset,
            seed=job.seed,
            shuffle_seed=job.shuffle_seed,
            precision=self._precision,
            on_epoch=on_epoch,
            cancelled=lambda: self._closed.is_set() or job.id in self._cancelled,
        )
        return Finished(job.id, last, to_checkpoint(model))
