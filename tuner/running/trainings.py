"""Networks that are trained beside a search: by a worker that has no other job, until a signal."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from .. import heuristics
from ..data import Cut
from ..errors import InterruptedStudyError, WorkerLostError
from ..network.config import Config, DataFacts, MLPConfig
from ..system.interruption import Interruption
from ..workers import Failed, Finished, Job, Progress, Worker

#: Numbers of jobs from here on are of such, so that their logs lie beside those of trials.
_FIRST_JOB = 1_000_000

#: Seconds that is waited for all workers before networks are timed, once the first is there.
WORKERS_SECONDS = 5.0
#: Networks are timed on so many rows, for so many epochs.
_TIMED_ROWS, _TIMED_EPOCHS = 4_096, 3
#: Seconds between two looks at the clock and at signals.
_TICK = 0.1


@dataclass
class Training:
    """One that is under way.

    Attributes:
        config: the network and its training.
        seed: of it.
        began: on the clock of `time.monotonic`.
        ends: when it will, by the epochs that it has done.
    """

    config: Config
    seed: int
    began: float
    ends: float = math.inf

    def did(self, epoch: int) -> None:
        """Hears that it has done so many epochs."""
        took = time.monotonic() - self.began
        self.ends = self.began + took * self.config.epochs / epoch


def _may_go_on(trainings: Iterable[Training], end: float | None, late: float) -> bool:
    """Says whether there is time, or they all end so little late."""
    now = time.monotonic()
    if end is None or now < end:
        return True
    return now < end + late and all(each.ends <= end + late for each in trainings)


def seeds(study_seed: int, purpose: str, n: int) -> tuple[int, ...]:
    """Returns seeds for one purpose, in [0, 2 ** 31), that no other purpose shares.

    Args:
        study_seed: of the study file.
        purpose: names them.
        n: how many; more of them begin with the same.
    """
    words = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")
    state = np.random.SeedSequence([study_seed, words]).generate_state(n)
    return tuple(int(word) >> 1 for word in state)


class Trainings:
    """Trains and times networks; keeps nothing.

    Args:
        worker: trains them; has no other job.
        interruption: notes a signal.
    """

    def __init__(self, worker: Worker, interruption: Interruption) -> None:
        self._worker, self._interruption = worker, interruption
        self._n_jobs = 0

    @property
    def side_by_side(self) -> int:
        """How many run at once, as soon as a worker has started.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        while self._worker.capacity < 1:
            self.look_for_signals()
            self._worker.events(_TICK)
        return self._worker.capacity

    @property
    def places(self) -> int:
        """How many can run at once by now, at least 1; waits for nothing, and takes no event."""
        return max(1, self._worker.capacity)

    def wait(self, seconds: float) -> None:
        """Waits until all workers have started, at most so long once the first one has.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        end = time.monotonic() + seconds if self.side_by_side else 0.0
        while not self._worker.is_complete and time.monotonic() < end:
            self.look_for_signals()
            self._worker.events(_TICK)

    def epoch_seconds(
        self,
        config: MLPConfig,
        seeds: Sequence[int],
        *,
        n: int = 1,
        epochs: int = 3,
        rows: int | None = None,
        is_alone: bool = False,
    ) -> float:
        """Times the epochs of a network after its first; keeps nothing.

        Args:
            config: the network and its training.
            seeds: that the copies take turns with.
            n: copies that train side by side, at most as many as run at once.
            epochs: that each of them trains, at least 2.
            rows: training rows of an epoch, at most; None is those of the seed's cut.
            is_alone: cores may share the steps of a single copy.

        Returns:
            Seconds that an epoch of one of them adds: of n copies an n-th of what all take.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            WorkerLostError: the training failed.
        """
        short = config.model_copy(update={"epochs": epochs})
        numbers = [self._number() for _ in range(n)]
        for index, number in enumerate(numbers):
            seed = seeds[index % len(seeds)]
            cut = self.cut(seed) if rows is None else Cut(seed, rows=rows)
            self._worker.submit(Job(number, short, seed, seed, cut, is_alone))
        ended = dict.fromkeys(numbers, 0)
        first = 0.0
        try:
            while True:
                self.look_for_signals()
                for event in self._worker.events(_TICK):
                    if isinstance(event, Failed) and event.job in ended and not event.diverged:
                        raise WorkerLostError(f"timing an epoch failed: {event.reason}")
                    if isinstance(event, Failed) and event.job in ended:
                        ended[event.job] = epochs
                    if isinstance(event, Progress) and event.job in ended:
                        ended[event.job] = event.epoch
                if first == 0.0 and min(ended.values()) >= 1:
                    first = time.monotonic()
                if min(ended.values()) >= epochs:
                    return (time.monotonic() - first) / (epochs - 1) / n
        finally:
            for number in numbers:
                self._worker.cancel(number)

    def pace(self, config: MLPConfig, facts: DataFacts, seeds: Sequence[int]) -> float:
        """Returns the seconds that a unit of work (`heuristics.work`) takes on a busy machine.

        Args:
            config: a usual network.
            facts: sizes of the data.
            seeds: as `epoch_seconds` takes them, like what it raises.
        """
        rows = min(_TIMED_ROWS, facts.n_rows)
        n, epochs = self.side_by_side, _TIMED_EPOCHS
        epoch = self.epoch_seconds(config, seeds, n=n, epochs=epochs, rows=rows)
        return epoch / heuristics.work(config, facts.model_copy(update={"n_rows": rows}))

    def cut(self, seed: int) -> Cut:
        """Returns the cut of the rows that a seed stands for: those that it draws."""
        return Cut(seed)

    def whole(
        self,
        config: Config,
        seeds: Sequence[int],
        *,
        at_once: int = 1,
        cut: Cut,
        end: float | None = None,
        late: float = 0.0,
    ) -> dict[int, bytes | None]:
        """Trains networks on validation rows, too, and keeps nothing of them.

        Where one trains at once, cores may share its steps.

        Args:
            config: the networks and their training.
            seeds: of the initial weights and the shuffles of each of them.
            at_once: how many of them train at once, at most.
            cut: of the rows, `whole`, so that their scores say nothing.
            end: when to stop, on the clock of `time.monotonic`.
            late: seconds after which the last ones may end if that is in sight, by the epochs that
                they have done.

        Returns:
            Checkpoints by seed, in the order of the seeds: of those that ended in time, and None of
            those that diverged.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        at_once = min(at_once, len(seeds))
        trained = self.trained(
            [(config, seed) for seed in seeds],
            lambda _: cut,
            at_once=at_once,
            end=end,
            late=late,
            is_alone=at_once == 1,
        )
        with closing(trained):
            ended = {
                training.seed: event.checkpoint if isinstance(event, Finished) else None
                for training, event in trained
                if isinstance(event, Finished) or event.diverged
            }
        return {seed: ended[seed] for seed in seeds if seed in ended}

    def trained(
        self,
        wanted: Iterable[tuple[Config, int]],
        cut: Callable[[int], Cut],
        *,
        at_once: float = math.inf,
        end: float | None,
        late: float,
        is_alone: bool = False,
    ) -> Generator[tuple[Training, Finished | Failed], None, None]:
        """Trains configs with seeds, in this order; yields each that ends. Closed, it cancels.

        Args:
            wanted: pairs of a config and a seed.
            cut: makes the cut of a seed.
            at_once: how many train at once, as far as there are places.
            end: when to stop, on the clock of `time.monotonic`.
            late: seconds after which the last of them may end if that is in sight.
            is_alone: cores may share the steps of each.
        """
        waiting, under_way = deque(wanted), dict[int, Training]()
        try:
            while waiting or under_way:
                self.look_for_signals()
                if not _may_go_on(under_way.values(), end, 0.0 if waiting else late):
                    return
                while waiting and len(under_way) < min(at_once, self._worker.capacity):
                    (config, seed), number = waiting.popleft(), self._number()
                    under_way[number] = Training(config, seed, time.monotonic())
                    self._worker.submit(Job(number, config, seed, seed, cut(seed), is_alone))
                for event in self._worker.events(_TICK):
                    if event.job not in under_way:
                        continue
                    if isinstance(event, Progress):
                        under_way[event.job].did(event.epoch)
                    else:
                        yield under_way.pop(event.job), event
        finally:
            for number in under_way:
                self._worker.cancel(number)

    def _number(self) -> int:
        self._n_jobs += 1
        return _FIRST_JOB + self._n_jobs - 1

    def look_for_signals(self) -> None:
        """Ends what is done for the study, if a signal says so.

        Raises:
            InterruptedStudyError: a signal came.
        """
        if self._interruption.signal is not None:
            raise InterruptedStudyError(
                self._interruption.signal,
                "interrupted; what finished is kept, the same command goes on",
            )
