"""What is kept of repetitions: one file of lines, and checkpoints beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreLostError, WorkerLostError
from ..network.config import Config, config_from_json
from ..system import lines, paths
from .progress import Observer

#: What repetitions are of that an earlier version kept, of rows that are not known any more.
_UNKNOWN = "unknown"


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


class KeptRepeats:
    """The repetitions of one study that ended.

    Args:
        folder: of the study's results.
        identity: all besides config and seed that a score follows from: data, precision, trainer.
            What was trained under another one is not known here, and stays in the file.
        observer: is told of what cannot be used.
        adopts: what was trained before that was kept is of this one; decided once for each line.
    """

    def __init__(
        self, folder: Path, identity: str, observer: Observer, *, adopts: bool = False
    ) -> None:
        self._file = folder / "repeats.jsonl"
        self._networks = folder / "repeats"
        self._identity = identity
        self._known = self._read(observer, self._identity if adopts else _UNKNOWN)

    def find(self, config: Config, seed: int) -> Repeat | None:
        """Returns a repetition that ended."""
        return self._known.get(self.key(config, seed))

    def has_seed(self, seed: int) -> bool:
        """Says whether a repetition with this seed ended, of any config."""
        return any(repeat.seed == seed for repeat in self._known.values())

    def has(self, config: Config, seed: int, *, with_network: bool) -> bool:
        """Says whether a repetition ended, and its network is there unless it failed."""
        repeat = self.find(config, seed)
        if repeat is None:
            return False
        return bool(repeat.reason) or not with_network or self._network(config, seed).exists()

    def add(self, repeat: Repeat, network: bytes | None) -> None:
        """Keeps a repetition that ended, with its checkpoint if that is wanted.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        if network is not None:
            paths.write(self._network(repeat.config, repeat.seed), network)
        self.note(repeat)
        self._append(repeat)

    def note(self, repeat: Repeat) -> None:
        """Knows a repetition that ended until this process ends."""
        self._known[self.key(repeat.config, repeat.seed)] = repeat

    def network(self, config: Config, seed: int) -> bytes:
        """Returns the checkpoint of a repetition that was kept.

        Raises:
            WorkerLostError: there is none.
        """
        try:
            return self._network(config, seed).read_bytes()
        except FileNotFoundError:
            raise WorkerLostError(
                "a network that was trained before could not be trained again; "
                "the same command tries once more"
            ) from None

    def forget_networks(self) -> None:
        """Takes the checkpoints away."""
        shutil.rmtree(self._networks, ignore_errors=True)

    def key(self, config: Config, seed: int) -> str:
        """Returns what a repetition is found by, besides its number in the file."""
        told = f"{self._identity} {config.to_json()} {seed}"
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    def _network(self, config: Config, seed: int) -> Path:
        return self._networks / f"{self.key(config, seed)}.ckpt"

    def _append(self, repeat: Repeat) -> None:
        line = json.dumps(
            {
                "of": self._identity,
                "config": json.loads(repeat.config.to_json()),
                "seed": repeat.seed,
                "metrics": dict(repeat.metrics),
                "n_parameters": repeat.n_parameters,
                "reason": repeat.reason,
                "diverged": bool(repeat.reason),  # no other failure is kept
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
            if repeat.reason and not told.get("diverged"):
                continue  # of an earlier version, which kept any failure: another try may succeed
            whole.append({"of": identity, **told})
            if identity == self._identity:
                known[self.key(repeat.config, repeat.seed)] = repeat
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


def _repeat(told: Mapping[str, Any]) -> Repeat:
    """Reads what is kept of a repetition.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is damaged.
    """
    config = config_from_json(json.dumps(told["config"]))
    metrics = {str(name): float(value) for name, value in told["metrics"].items()}
    return Repeat(config, int(told["seed"]), metrics, int(told["n_parameters"]), told["reason"])
