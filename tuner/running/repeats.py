"""Trains configs again, each over several seeds, and keeps what ended."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data import Cut
from ..errors import InterruptedStudyError, StoreLostError, WorkerLostError
from ..network.config import Config, MLPConfig, config_from_json
from ..system import lines, paths
from ..system.interruption import Interruption
from ..workers import Event, Failed, Finished, Job, Progress, Worker
from .progress import Observer, Repeated

#: Numbers of jobs from here on are of repetitions, so that their logs lie beside those of trials.
_FIRST_JOB = 1_000_000
Networks = Literal["drop", "keep", "need"]

#: What repetitions are of that an earlier version kept, of rows that are not known any more.
_UNKNOWN = "unknown"
#: Seconds between two looks at the clock and at signals.
_TICK = 0.1


@dataclass(frozen=True)
class Repeat:
    """One training of a config that ended.

    Attributes:
        config: the network and its training.
        seed: decided the initial weights, the shuffles, and the cut of the rows.
        metrics: after the last epoch; {} if it failed.
        n_parameters: trainable numbers of the network; 0 if it failed.
        reason: why it failed, in one line; "" if it did not.
    """

    config: Config
    seed: int
    metrics: Mapping[str, float]
    n_parameters: int
    reason: str = ""


@dataclass
class _Training:
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


def _may_go_on(trainings: Iterable[_Training], end: float | None, late: float) -> bool:
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


class Repeats:
    """The repetitions of one study: those that ended are in a file, and need not run again.

    Args:
        folder: of the study's results.
        worker: trains them; has no other job.
        interruption: notes a signal.
        identity: all besides config and seed that a score follows from: data, precision, trainer.
            What was trained under another one is not known here, and stays in the file.
        adopts: what was trained before that was kept is of this one; decided once for each line.
        observer: is told of what cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        worker: Worker,
        interruption: Interruption,
        identity: str,
        observer: Observer,
        *,
        adopts: bool = False,
    ) -> None:
        self._file = folder / "repeats.jsonl"
        self._networks = folder / "repeats"
        self._worker, self._interruption = worker, interruption
        self._identity = identity
        self._known = self._read(observer, self._identity if adopts else _UNKNOWN)
        self._n_jobs = 0

    @property
    def side_by_side(self) -> int:
        """How many run at once, as soon as a worker has started.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        while self._worker.capacity < 1:
            self._look_for_signals()
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
            self._look_for_signals()
            self._worker.events(_TICK)

    def find(self, config: Config, seed: int) -> Repeat | None:
        """Returns a repetition that ended."""
        return self._known.get(self._key(config, seed))

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
            rows: training rows of an epoch, at most; None is all of them.
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
            cut = Cut(seed, rows=rows)
            self._worker.submit(Job(number, short, seed, seed, cut, is_alone))
        ended = dict.fromkeys(numbers, 0)
        first = 0.0
        try:
            while True:
                self._look_for_signals()
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

    def network(self, config: Config, seed: int) -> bytes:
        """Returns the checkpoint of a repetition that was run with `networks="need"`."""
        return self._network(self._key(config, seed)).read_bytes()

    def whole(
        self, config: Config, seed: int, *, end: float | None = None, late: float = 0.0
    ) -> bytes | None:
        """Trains a network on all rows but the test rows, and keeps nothing of it.

        Args:
            config: the network and its training.
            seed: of the initial weights and the shuffles.
            end: when to stop, on the clock of `time.monotonic`.
            late: seconds after which it may end if that is in sight, by the epochs it has done.

        Returns:
            Its checkpoint; None if it did not end in time, or failed.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        number = self._number()
        self._worker.submit(Job(number, config, seed, seed, Cut(seed, whole=True), is_alone=True))
        training = _Training(config, seed, time.monotonic())
        try:
            while _may_go_on([training], end, late):
                self._look_for_signals()
                for event in self._worker.events(_TICK):
                    if isinstance(event, Progress) and event.job == number:
                        training.did(event.epoch)
                    if isinstance(event, Finished) and event.job == number:
                        return event.checkpoint
                    if isinstance(event, Failed) and event.job == number:
                        return None
            return None
        finally:
            self._worker.cancel(number)

    def forget_networks(self) -> None:
        """Takes the checkpoints away."""
        shutil.rmtree(self._networks, ignore_errors=True)

    def run(
        self,
        wanted: Iterable[tuple[Config, int]],
        *,
        networks: Networks = "drop",
        end: float | None = None,
        late: float = 0.0,
        observer: Observer,
    ) -> bool:
        """Runs what has not ended yet, in this order.

        Args:
            wanted: pairs of a config and a seed; the same one may come twice.
            networks: "keep" the checkpoints of what runs; "need" them, so that what ended runs
                again where they are gone.
            end: when to stop, on the clock of `time.monotonic`.
            late: seconds after which the last of them may end if that is in sight.
            observer: is told of each that ends.

        Returns:
            Whether all of them have ended.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the disk is full or gone.
        """
        pairs = {self._key(*pair): pair for pair in wanted}
        waiting = deque(
            pair for key, pair in pairs.items() if not self._has(key, networks == "need")
        )
        under_way: dict[int, _Training] = {}
        n = len(waiting)
        try:
            while waiting or under_way:
                self._look_for_signals()
                if not _may_go_on(under_way.values(), end, 0.0 if waiting else late):
                    return False
                while waiting and len(under_way) < self._worker.capacity:
                    config, seed = waiting.popleft()
                    number = self._number()
                    under_way[number] = _Training(config, seed, time.monotonic())
                    self._worker.submit(Job(number, config, seed, shuffle_seed=seed, cut=Cut(seed)))
                for event in self._worker.events(_TICK):
                    repeat = self._repeat(event, under_way, networks != "drop")
                    if repeat is not None:
                        done = n - len(waiting) - len(under_way)
                        observer.repeated(Repeated(repeat.config, done, n))
            return True
        finally:
            for number in under_way:
                self._worker.cancel(number)

    def _repeat(
        self, event: Event, under_way: dict[int, _Training], keeps_network: bool
    ) -> Repeat | None:
        """Keeps what an event says of a repetition, if it ended."""
        if event.job not in under_way:
            return None
        if isinstance(event, Progress):
            under_way[event.job].did(event.epoch)
            return None
        training = under_way.pop(event.job)
        config, seed = training.config, training.seed
        key = self._key(config, seed)
        if isinstance(event, Finished):
            if keeps_network:
                paths.write(self._network(key), event.checkpoint)
            repeat = Repeat(config, seed, event.metrics, event.n_parameters)
        else:
            repeat = Repeat(config, seed, {}, 0, event.reason)
        self._known[key] = repeat
        self._append(repeat)
        return repeat

    def _number(self) -> int:
        self._n_jobs += 1
        return _FIRST_JOB + self._n_jobs - 1

    def _look_for_signals(self) -> None:
        if self._interruption.signal is not None:
            raise InterruptedStudyError(
                self._interruption.signal,
                "interrupted; what finished is kept, the same command goes on",
            )

    # Files

    def _has(self, key: str, with_network: bool) -> bool:
        repeat = self._known.get(key)
        if repeat is None:
            return False
        return bool(repeat.reason) or not with_network or self._network(key).exists()

    def _network(self, key: str) -> Path:
        return self._networks / f"{key}.ckpt"

    def _append(self, repeat: Repeat) -> None:
        line = json.dumps(
            {
                "of": self._identity,
                "config": json.loads(repeat.config.to_json()),
                "seed": repeat.seed,
                "metrics": dict(repeat.metrics),
                "n_parameters": repeat.n_parameters,
                "reason": repeat.reason,
            }
        )
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                # A line that a crash tore ends here, and takes no other with it.
                file.write(f"{line}\n" if self._ends_a_line() else f"\n{line}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreLostError(f"{self._file}: cannot be written ({error.strerror})") from error

    def _ends_a_line(self) -> bool:
        with self._file.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _read(self, observer: Observer, unnamed: str) -> dict[str, Repeat]:
        objects, damaged = lines.read_objects(self._file)
        known: dict[str, Repeat] = {}
        whole, others = [], 0
        for entry in objects:
            identity, told = entry.get("of", unnamed), {k: entry[k] for k in entry if k != "of"}
            try:
                repeat = _repeat(told)
            except (ValueError, TypeError, KeyError, AttributeError):
                damaged.append(json.dumps(entry).encode())
                continue
            whole.append({"of": identity, **told})
            if identity == self._identity:
                known[self._key(repeat.config, repeat.seed)] = repeat
            else:
                others += 1
        if damaged:
            aside = lines.put_aside(self._file, damaged)
        if damaged or any("of" not in entry for entry in objects):
            lines.write_objects(self._file, whole)
        if damaged:
            observer.remark(
                f"{self._file}: {len(damaged)} lines cannot be read; they are put aside "
                f"({aside.name}), and what they were of is trained again"
            )
        if others:
            observer.remark(
                f"{self._file}: {others} trainings were of other data or settings, and are not used"
            )
        return known

    def _key(self, config: Config, seed: int) -> str:
        told = f"{self._identity} {config.to_json()} {seed}"
        return hashlib.sha256(told.encode()).hexdigest()[:24]


def _repeat(told: Mapping[str, Any]) -> Repeat:
    """Reads what is kept of a repetition.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is damaged.
    """
    config = config_from_json(json.dumps(told["config"]))
    metrics = {str(name): float(value) for name, value in told["metrics"].items()}
    return Repeat(config, int(told["seed"]), metrics, int(told["n_parameters"]), told["reason"])
