"""A fleet: members in lanes, trained epoch by epoch.

All members of one batch size form a lane and see the same minibatches, so they are compared on the
same data in the same order. Members join and leave between epochs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from ...data import Cut, Dataset
from ...network.config import MLPConfig, Precision
from ...network.perceptron import Perceptron
from ...system.closing import Closing
from .graphs import GraphMember, Tracks
from .hands import Hands
from .member import Member
from .room import device_of, member_bytes, members_at_once
from .rows import LaneRows, Minibatches, Rows

#: Bytes of the shuffled and standardized rows of all fleets' lanes that lie ready at once, in the
#: memory of the machine and in that of a GPU; more of the former made nothing faster.
_BLOCK_BYTES, _BLOCK_BYTES_ON_GPU = 128 * 2**20, 512 * 2**20


class StoppedError(Exception):
    """The training was told to end."""


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


class _Lane:
    """Members of one batch size, by key, and how many epochs the lane has run."""

    def __init__(self, rows: LaneRows, batch_size: int, shuffle_seed: int, cut: Cut | None) -> None:
        self.rows = rows
        self.batch_size, self.shuffle_seed, self.cut = batch_size, shuffle_seed, cut
        self.members: dict[int, Member] = {}
        self.epochs = 0

    def takes(self, batch_size: int, shuffle_seed: int, cut: Cut | None) -> bool:
        """Says whether a member may join; those of a cut of their own all begin with it."""
        is_same = (batch_size, shuffle_seed, cut) == (self.batch_size, self.shuffle_seed, self.cut)
        return is_same and (cut is None or self.epochs == 0)


class Fleet(Closing):
    """Trains many MLPs on one data set; a context manager.

    Args:
        dataset: rows that all members train and are scored on; the test part is not touched.
        accelerator: Lightning's word for the device: "auto", "cpu", "gpu", ...
        precision: Lightning's word for the numbers: "32-true", "bf16-mixed", which gives large
            matrix products bfloat16 factors, or "64-true" for comparisons.
        hands: threads that train side by side on the CPU; None is one for each core. On another
            device there is one.
        n_fleets: how many like this one share the device's memory.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        accelerator: str = "auto",
        precision: Precision | Literal["64-true"] = "32-true",
        hands: int | None = None,
        n_fleets: int = 1,
    ) -> None:
        dtype = torch.float64 if precision == "64-true" else torch.float32
        device = device_of(accelerator)
        self._mixed = precision == "bf16-mixed"
        self._dataset = dataset
        self._rows = Rows(dataset, device, dtype)
        self._cuts: dict[Cut | None, Rows] = {None: self._rows}
        on_cpu = device.type == "cpu"
        # A GPU's work is launched by one thread: two might record on the same stream.
        self._hands, self._n_fleets = Hands(hands if on_cpu else 1), n_fleets
        self._tracks = Tracks(device) if device.type == "cuda" else None
        self._lanes: list[_Lane] = []
        self._stop = threading.Event()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def keys(self) -> list[int]:
        """Names of the members."""
        return [key for lane in self._lanes for key in lane.members]

    def room(self, largest: MLPConfig, least: int = 1) -> int:
        """Returns how many members keep the device busy and find room, at least 1.

        Args:
            largest: of the configs that will come.
            least: members that are wanted even where fewer keep the device busy.
        """
        n_bytes = member_bytes(
            largest,
            self._rows.facts,
            self._rows.dtype.itemsize,
            mixed=self._mixed,
            recorded=self._tracks is not None,
        )
        device = self._rows.device
        return members_at_once(n_bytes * self._n_fleets, self._hands.n, device, least)

    def join(
        self,
        key: int,
        config: MLPConfig,
        *,
        seed: int,
        shuffle_seed: int,
        cut: Cut | None = None,
        n_cores: int = 1,
    ) -> None:
        """Takes a member into its lane, from the lane's next epoch on.

        Args:
            key: names the member.
            config: the network and its training.
            seed: of the initial weights and the dropout.
            shuffle_seed: of the order of the rows.
            cut: says how training and validation rows are cut anew; such a member's shuffles begin
                with it. None takes the data set's own parts.
            n_cores: that share its steps on the CPU while no other member is at work. Kernels then
                add up in another order.

        Raises:
            ValueError: the config and the data do not go together.
        """
        if cut not in self._cuts:
            assert cut is not None
            own = self._rows
            self._cuts[cut] = Rows(self._dataset.cut_anew(cut), own.device, own.dtype, own.known)
        rows = self._cuts[cut]
        if self._tracks is None:
            member = Member(config, seed, rows, mixed=self._mixed, n_cores=n_cores)
        else:
            member = GraphMember(config, seed, rows, self._tracks.next(), mixed=self._mixed)
        name = (config.batch_size, shuffle_seed, cut)
        lane = next((lane for lane in self._lanes if lane.takes(*name)), None)
        if lane is None:
            lane = _Lane(LaneRows(rows, config.batch_size, shuffle_seed), *name)
            self._lanes.append(lane)
        lane.members[key] = member

    def drop(self, key: int) -> None:
        """Takes a member out; unknown keys are fine."""
        for lane in self._lanes:
            if lane.members.pop(key, None) is not None and not lane.members:
                lane.rows.release()
        # The data set's own lanes are kept, since their shuffles go on where they were.
        self._lanes = [lane for lane in self._lanes if lane.members or lane.cut is None]
        in_use = {None, *(lane.cut for lane in self._lanes)}
        self._cuts = {cut: rows for cut, rows in self._cuts.items() if cut in in_use}

    def leave(self, key: int) -> Perceptron:
        """Takes a member out and returns it as an ordinary network, as trained so far."""
        member = self._member(key)
        self.drop(key)
        return member.leave()

    def leave_with_optimizer(self, key: int) -> tuple[Perceptron, torch.optim.Optimizer]:
        """As `leave`, with the network's optimizer, to go on training elsewhere."""
        member = self._member(key)
        self.drop(key)
        model = member.leave()
        return model, member.export_optimizer(model)

    def _member(self, key: int) -> Member:
        for lane in self._lanes:
            if key in lane.members:
                return lane.members[key]
        raise KeyError(key)

    def run_epoch(self) -> list[Outcome]:
        """Trains all members for one epoch.

        An error of one member is its outcome, and leaves the others as they are. A member
        whose loss is no longer finite is not trained to the end of the epoch.

        Returns:
            One outcome for each member, lane by lane, in the order in which they joined.

        Raises:
            StoppedError: `stop` was called.
        """
        lanes = sorted(
            (lane for lane in self._lanes if lane.members),
            key=lambda lane: (lane.batch_size, lane.shuffle_seed),
        )
        crew = [_Shift(member) for lane in lanes for member in lane.members.values()]
        shifts = {shift.member: shift for shift in crew}
        ready = _BLOCK_BYTES if self._tracks is None else _BLOCK_BYTES_ON_GPU
        for lane in lanes:
            lane.rows.begin_epoch(lane.epochs, ready // (self._n_fleets * len(lanes)))
        try:
            self._each(_begin, crew)
            while blocks := [(lane, block) for lane in lanes if (block := lane.rows.next_block())]:
                self._hands.each((0.0, piece) for _, (_, pieces) in blocks for piece in pieces)
                for lane, (minibatches, _) in blocks:
                    for member in lane.members.values():
                        shifts[member].minibatches = minibatches
                at_work = [shifts[member] for lane, _ in blocks for member in lane.members.values()]
                self._each(partial(_train, stop=self._stop), at_work)
                if self._stop.is_set():
                    raise StoppedError
            self._each(_end, crew)
        finally:
            if self._tracks is not None:
                self._tracks.wait()  # members that leave give memory back
        outcomes = []
        for lane in lanes:
            for key, member in lane.members.items():
                shift = shifts[member]
                metrics, error = shift.metrics or {}, shift.error
                outcomes.append(Outcome(key, member.epoch, lane.epochs, metrics, error))
            lane.epochs += 1
        return outcomes

    def _each(self, work: Callable[[list[_Shift]], None], shifts: Iterable[_Shift]) -> None:
        """Has the hands do a part of the epoch for all members that are still at work.

        A hand takes one member after the other, whose parameters so stay in its cache. Those on
        streams of a GPU are one piece of work, in which they take turns.
        """
        at_work = [shift for shift in shifts if shift.goes_on]
        if len(at_work) == 1 and (n_cores := at_work[0].member.n_cores) > 1:
            self._hands.alone(partial(work, at_work), n_cores)
            return
        groups = [[shift] for shift in at_work] if self._tracks is None else [at_work]
        self._hands.each(
            (sum(shift.member.cost for shift in group), partial(work, group)) for group in groups
        )

    def stop(self) -> None:
        """Launches no more steps of the epoch under way; called from another thread."""
        self._stop.set()

    def close(self) -> None:
        """Ends the threads."""
        self._hands.close()


class _Shift:
    """One epoch of one member: it ends with metrics or with an error."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.minibatches: Minibatches | None = None
        self.metrics: Mapping[str, float] | None = None
        self.error: Exception | None = None

    @property
    def goes_on(self) -> bool:
        return self.metrics is None and self.error is None

    def attempt(self, work: Callable[[Member], Mapping[str, float] | None]) -> None:
        """Does something for the member; metrics or an error end its epoch."""
        if self.goes_on:
            try:
                self.metrics = work(self.member)
            except Exception as error:
                self.error = error

    def steps(self) -> Iterator[None]:
        """Takes a step whenever the next one is asked for; an error ends them and the epoch."""
        assert self.minibatches is not None
        try:
            yield from self.member.steps(self.minibatches)
        except Exception as error:
            self.error = error


def _begin(shifts: list[_Shift]) -> None:
    """Draws the rates of members' epochs."""
    for shift in shifts:
        shift.attempt(lambda member: member.begin_epoch())


@torch.no_grad()
def _train(shifts: list[_Shift], stop: threading.Event) -> None:
    """Has members take their steps, one of each in turn, until all are done or `stop` is set."""
    done = object()
    at_work = [shift.steps() for shift in shifts]
    while at_work and not stop.is_set():
        at_work = [steps for steps in at_work if next(steps, done) is not done]
    for shift in shifts:
        shift.attempt(lambda member: None if member.is_finite else member.give_up_epoch())


def _end(shifts: list[_Shift]) -> None:
    """Scores members, and then asks for their scores."""
    for shift in shifts:
        shift.attempt(lambda member: member.score())
    for shift in shifts:
        shift.attempt(lambda member: member.end_epoch())
