"""A fleet: members in lanes, trained epoch by epoch.

All members of one batch size form a lane and see the same minibatches, so they are compared on the
same data in the same order. Lanes take turns, an epoch each; members join and leave between epochs
of their lane.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import torch
from lightning.fabric import Fabric

from ..config import MLPConfig
from ..data import Dataset
from ..model import MLP
from .hands import Hands
from .member import Member, StoppedError
from .rows import Minibatches, Rows

Lane = tuple[int, int]  # batch size, seed of the shuffles


@dataclass(frozen=True)
class Outcome:
    """How an epoch of a member went.

    Attributes:
        key: of the member.
        epoch: of the member, from 1.
        shuffle: number of the lane's epoch, from 0, which decides the order of the rows.
        metrics: after it; not all finite if the member diverged.
        error: what was raised instead, if something was.
    """

    key: int
    epoch: int
    shuffle: int
    metrics: Mapping[str, float]
    error: Exception | None = None

    @property
    def diverged(self) -> str:
        """Says which number is not finite, or ""."""
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                return f"{name} is {value} after epoch {self.epoch}"
        return ""


@dataclass
class _Lane:
    """Members of one batch size, by key, and how many epochs the lane has run."""

    members: dict[int, Member] = field(default_factory=dict)
    epochs: int = 0


class Fleet:
    """Trains many MLPs on one data set; a context manager.

    Args:
        dataset: rows that all members train and are scored on; the test part is not touched.
        accelerator: Lightning's word for the device: "auto", "cpu", "gpu", ...
        precision: "32-true", or "64-true" for comparisons.
        hands: threads that train side by side; None is one for each core.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        accelerator: str = "auto",
        precision: str = "32-true",
        hands: int | None = None,
    ) -> None:
        dtype = {"32-true": torch.float32, "64-true": torch.float64}[precision]
        fabric = Fabric(accelerator=accelerator, devices=1)
        self._rows = Rows(dataset, fabric.device, dtype)
        self._hands = Hands(hands, fabric.device)
        self._lanes: dict[Lane, _Lane] = {}
        self._stop = threading.Event()

    def __len__(self) -> int:
        return sum(len(lane.members) for lane in self._lanes.values())

    def join(self, key: int, config: MLPConfig, *, seed: int, shuffle_seed: int) -> Lane:
        """Takes a member into its lane, from the lane's next epoch on.

        Args:
            key: names the member.
            config: the network and its training.
            seed: of the initial weights and the dropout.
            shuffle_seed: of the order of the rows.

        Returns:
            The lane.

        Raises:
            ValueError: the config and the data do not go together.
        """
        lane = (config.batch_size, shuffle_seed)
        member = Member(config, seed, self._rows)
        self._lanes.setdefault(lane, _Lane()).members[key] = member
        return lane

    def drop(self, key: int) -> None:
        """Takes a member out; unknown keys are fine."""
        for lane in self._lanes.values():
            lane.members.pop(key, None)

    def leave(self, key: int) -> MLP:
        """Takes a member out and returns it as an ordinary network, as trained so far."""
        member = self._member(key)
        self.drop(key)
        return member.leave()

    def leave_with_optimizer(self, key: int) -> tuple[MLP, torch.optim.Optimizer]:
        """As `leave`, with the network's optimizer, to go on training elsewhere."""
        member = self._member(key)
        self.drop(key)
        model = member.leave()
        return model, member.export_optimizer(model)

    def _member(self, key: int) -> Member:
        for lane in self._lanes.values():
            if key in lane.members:
                return lane.members[key]
        raise KeyError(key)

    @property
    def lanes(self) -> list[Lane]:
        """Lanes that have members, the smallest batch size first."""
        return sorted(name for name, lane in self._lanes.items() if lane.members)

    def run_epoch(self, name: Lane) -> list[Outcome]:
        """Trains the members of a lane for one epoch.

        An error of one member is its outcome, and leaves the others as they are. A member
        whose loss is no longer finite is not trained to the end of the epoch.

        Returns:
            One outcome for each member, in the order in which they joined.

        Raises:
            StoppedError: `stop` was called.
        """
        lane, batch_size = self._lanes[name], name[0]
        shuffle = lane.epochs
        lane.epochs += 1
        errors: dict[Member, Exception] = {}
        metrics: dict[Member, Mapping[str, float]] = {}
        members = list(lane.members.values())
        for member in members:
            member.begin_epoch()

        def train(member: Member, minibatches: Minibatches) -> None:
            try:
                member.train(minibatches, self._stop)
                if not member.is_finite:
                    metrics[member] = member.give_up_epoch()
            except Exception as error:
                errors[member] = error

        def score(member: Member) -> None:
            try:
                metrics[member] = member.end_epoch()
            except Exception as error:
                errors[member] = error

        def going() -> list[Member]:
            return [member for member in members if member not in errors | metrics]

        for minibatches in self._rows.minibatches(batch_size, name[1], shuffle):
            self._hands.each(lambda member, part=minibatches: train(member, part), going())  # type: ignore[misc]  # mypy infers no type for a default
            if self._stop.is_set():
                raise StoppedError
        self._hands.each(score, going())
        return [
            Outcome(key, member.epoch, shuffle, metrics.get(member, {}), errors.get(member))
            for key, member in lane.members.items()
        ]

    def stop(self) -> None:
        """Ends the epoch under way at its next step; called from another thread."""
        self._stop.set()

    def close(self) -> None:
        """Ends the threads."""
        self._hands.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
