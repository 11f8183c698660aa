"""A crew that trains one job after the other with Lightning's Trainer."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from ..data import Cut, Dataset
from ..network.checkpoints import module_to_checkpoint, n_parameters, to_checkpoint
from ..network.config import ModuleConfig, Precision
from ..training import solo
from ..training.modules import ModuleTraining
from ..training.watch import CancelledError, DivergedError, MissingMetricError
from .base import Event, Failed, Finished, Job, Progress, rounded
from .crew import Cancel, DismissedError, Orders
from .crew import loaded as loaded


class SoloCrew:
    """Trains jobs on a data set, one after the other.

    Args:
        dataset: rows that all jobs train and are scored on; None if the jobs bring theirs.
        precision: Lightning's word for the numbers that MLPs train with.
        accelerator: Lightning's word for the device that MLPs train on.
        training: how modules of the user's are trained, if those will come.
    """

    capacity = 1

    def __init__(
        self,
        dataset: Dataset | None,
        *,
        precision: Precision = "32-true",
        accelerator: str = "auto",
        training: ModuleTraining | None = None,
    ) -> None:
        self._dataset, self._training = dataset, training
        self._precision, self._accelerator = precision, accelerator
        self._jobs: deque[Job] = deque()  # the first is under way
        self._stopped = threading.Event()
        if dataset is not None:
            dataset.prepare()

    def work(self, orders: Orders) -> None:
        """Trains one job after the other; returns when it is dismissed."""
        with suppress(DismissedError):
            while True:
                self._follow(orders)
                if self._jobs:
                    self._run(self._jobs[0], orders)

    def stop(self) -> None:
        """Ends the job under way at its next step."""
        self._stopped.set()

    def _follow(self, orders: Orders) -> None:
        for command in orders.take(is_idle=not self._jobs):
            if isinstance(command, Cancel):
                self._jobs = deque(job for job in self._jobs if job.id != command.job)
            else:
                self._jobs.append(command.job)

    def _run(self, job: Job, orders: Orders) -> None:
        """Trains a job and tells how it ended, but for one that was cancelled.

        Raises:
            DismissedError: the crew is to end.
        """
        try:
            last: Event = self._train(job, orders)
        except DismissedError:
            raise
        except CancelledError:
            if self._stopped.is_set():
                raise DismissedError from None
            return
        except DivergedError as error:
            last = Failed(job.id, str(error), diverged=True)
        except MissingMetricError as error:
            last = Failed(job.id, str(error), hopeless=True)
        except BaseException as error:  # sys.exit in a training must not end the worker
            reason = "".join(traceback.format_exception_only(error)).strip()
            last = Failed(job.id, reason, traceback.format_exc())
        self._jobs.popleft()
        orders.tell([last])

    def _train(self, job: Job, orders: Orders) -> Finished:
        last: Mapping[str, float] = {}

        def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
            nonlocal last
            last = rounded(metrics)
            orders.tell([Progress(job.id, epoch, last, shuffle=epoch - 1)])
            self._follow(orders)
            if not self._jobs or self._jobs[0] is not job:
                raise CancelledError

        config, seeds = job.config, {"seed": job.seed, "shuffle_seed": job.shuffle_seed}
        dataset = self._cut(job.cut)
        if isinstance(config, ModuleConfig):
            assert self._training is not None
            module = solo.train_module(
                config,
                dataset,
                self._training,
                number=job.id,
                on_epoch=on_epoch,
                cancelled=self._stopped.is_set,
                **seeds,
            )
            checkpoint = module_to_checkpoint(module, config)
            return Finished(job.id, last, checkpoint, n_parameters(module))
        assert dataset is not None
        model = solo.train_mlp(
            config,
            dataset,
            precision=self._precision,
            accelerator=self._accelerator,
            on_epoch=on_epoch,
            cancelled=self._stopped.is_set,
            **seeds,
        )
        checkpoint = to_checkpoint(model, dataset.meaning.model_dump_json())
        return Finished(job.id, last, checkpoint, n_parameters(model))

    def _cut(self, cut: Cut | None) -> Dataset | None:
        """Returns the data, its parts cut anew if it is said how."""
        if cut is None or self._dataset is None:
            return self._dataset
        return self._dataset.cut_anew(cut)
