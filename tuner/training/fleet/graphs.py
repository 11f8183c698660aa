"""Members on a GPU of CUDA: their work is recorded as graphs, and replayed side by side.

A step of a small network is 40 to 60 kernels of a few microseconds each, and to launch one takes
longer than that. A graph launches all of them at once; and graphs on several streams share the
GPU, of which one small network fills a fraction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from weakref import WeakSet

import torch
from torch import Tensor

from ...network.config import MLPConfig
from .member import Member
from .rows import Minibatches, Rows

#: Streams of a fleet. 64 members of 3 x 256 take 48 microseconds a step on 8, 32 on 16, 24 on 32
#: (H100).
_STREAMS = 32
#: Who launches work on a stream, or waits for it: torch has 32 streams for all fleets of a process,
#: and what one thread launches while another records on the same stream would be recorded, too.
_LAUNCHING = threading.Lock()


class Track:
    """A stream, and memory for the graphs on it: they run one after the other, so they share it.

    Args:
        device: a GPU of CUDA.

    Attributes:
        members: those that work on it and are still there.
    """

    def __init__(self, device: torch.device) -> None:
        self.members: WeakSet[Member] = WeakSet()
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        # torch takes a pool for gone with the last of its graphs, so one of them stays.
        nothing = torch.zeros((), device=device)
        self.follow()
        with self.working():
            self._anchor = self.record(nothing.zero_)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Has work launched on the stream."""
        with _LAUNCHING, torch.cuda.stream(self._stream):
            yield

    def follow(self) -> None:
        """Has the stream wait for what the current one was given so far."""
        with _LAUNCHING:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))

    def wait(self) -> None:
        """Waits for all that the stream was given."""
        with _LAUNCHING:
            self._stream.synchronize()

    def record(
        self, work: Callable[[], object], generator: torch.Generator | None = None
    ) -> Callable[[], None]:
        """Records what some work launches, without running it; returns what runs it.

        Both are called while `working`.

        Args:
            work: launches kernels on memory that stays where it is, and asks nothing of the GPU.
            generator: that the work draws from.

        Raises:
            RuntimeError: there is not enough memory, or the work can't be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        if generator is not None:
            graph.register_generator_state(generator)
        # `torch.cuda.graph` would also collect garbage and give all free memory back, each time.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        try:
            work()
        except BaseException:
            with suppress(RuntimeError):  # the one above says what went wrong
                graph.capture_end()
            raise
        graph.capture_end()
        return graph.replay

    def make_room(self) -> None:
        """Gives back the memory that no one uses, which nothing can while work is recorded."""
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()


class Tracks:
    """The tracks of a fleet.

    Args:
        device: a GPU of CUDA.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tracks: list[Track] = []

    def next(self) -> Track:
        """Returns the track that the fewest members work on, a new one rather than a shared one."""
        fewest = min(self._tracks, key=lambda track: len(track.members), default=None)
        if fewest is None or (fewest.members and len(self._tracks) < _STREAMS):
            fewest = Track(self._device)
            self._tracks.append(fewest)
        return fewest

    def wait(self) -> None:
        """Waits until all that was launched is done, and memory may be given back."""
        torch.cuda.synchronize(self._device)


class Recorded:
    """Work that is the same each time: done as it is, then recorded, then replayed.

    Libraries set themselves up when they are first used on a stream, which can't be recorded.
    """

    def __init__(self, track: Track, generator: torch.Generator | None = None) -> None:
        self._track, self._generator = track, generator
        self._replay: Callable[[], None] | None = None
        self._is_first = True

    def run(self, work: Callable[[], object]) -> None:
        """Does the work."""
        with self._track.working():
            if self._is_first:
                work()
                self._is_first = False
                return
            if self._replay is None:
                try:
                    self._replay = self._track.record(work, self._generator)
                except RuntimeError:
                    self._track.make_room()
                    self._replay = self._track.record(work, self._generator)
            self._replay()

    def forget(self) -> None:
        """Has the work recorded anew, since it is at another place now."""
        self._replay = None


class _Batch:
    """The memory that a recorded step works on.

    Args:
        n_rows: of the step.
        rows: of the data set.
        recorded: the step.
    """

    def __init__(self, n_rows: int, rows: Rows, recorded: Recorded) -> None:
        facts, device = rows.facts, rows.device
        self.recorded = recorded
        self.offsets = torch.arange(n_rows, device=device)
        self.index = torch.empty_like(self.offsets)
        self.x = torch.empty(n_rows, facts.n_inputs, device=device, dtype=rows.dtype)
        self.y = torch.empty(n_rows, rows.n_targets, device=device, dtype=rows.dtype)


class GraphMember(Member):
    """A member on a GPU of CUDA, whose steps and scoring are recorded and replayed.

    All that changes from step to step, the place of the minibatch and the rate, lies on the GPU.
    Nothing waits for the GPU but `is_finite` and `end_epoch`.

    Args:
        config: the network and its training.
        seed: of the initial weights and of the dropout.
        rows: what it trains and is scored on.
        track: where its work is done.
        mixed: large products are of bfloat16 factors; it is scored without.
    """

    def __init__(
        self, config: MLPConfig, seed: int, rows: Rows, track: Track, *, mixed: bool = False
    ) -> None:
        super().__init__(config, seed, rows, mixed=mixed)
        self._track = track
        track.members.add(self)
        self._batches: dict[int, _Batch] = {}
        self._memory: tuple[Tensor, Tensor] | None = None
        self._places: list[tuple[int, int]] = []
        n_steps = rows.steps(config.batch_size)
        self._rates_ahead = torch.zeros(n_steps, device=rows.device)
        self._rate = torch.zeros(1, device=rows.device)
        self._done = torch.zeros(1, dtype=torch.long, device=rows.device)
        self._scoring = Recorded(track)

    def steps(self, minibatches: Minibatches) -> Iterator[None]:
        """Takes a step for each minibatch, whenever the next one is asked for; see `Member`."""
        self._lay(minibatches)
        for x in minibatches.x:
            batch = self._batches[len(x)]
            batch.recorded.run(partial(self._step_on, batch))
            self._schedule.draw_ahead()
            yield
        self._memory = None  # it is the lane's

    def _lay(self, minibatches: Minibatches) -> None:
        """Gets all ready on the GPU that the steps of some minibatches need."""
        places = [(part.data_ptr(), len(part)) for part in minibatches.memory]
        if places != self._places:
            for batch in self._batches.values():
                batch.recorded.forget()
        self._memory, self._places = minibatches.memory, places
        for n_rows in {len(x) for x in minibatches.x} - self._batches.keys():
            self._network(n_rows)
            recorded = Recorded(self._track, self._masks.generator)
            self._batches[n_rows] = _Batch(n_rows, self._rows, recorded)
        rates = torch.tensor([self._rates.pop() for _ in minibatches.x], dtype=torch.float32)
        self._rates_ahead[: len(rates)].copy_(rates, non_blocking=True)
        self._done.zero_()
        self._track.follow()

    def _step_on(self, batch: _Batch) -> None:
        """Takes the step whose number is on the GPU."""
        assert self._memory is not None
        x, y = self._memory
        torch.add(batch.offsets, self._done, alpha=self.config.batch_size, out=batch.index)
        torch.index_select(x, 0, batch.index, out=batch.x)
        torch.index_select(y, 0, batch.index, out=batch.y)
        torch.index_select(self._rates_ahead, 0, self._done, out=self._rate)
        self._done.add_(1)
        self._step(batch.x, batch.y, self._rate)

    @property
    def is_finite(self) -> bool:
        """Whether the losses of this epoch are finite so far; waits for its steps."""
        self._track.wait()
        return super().is_finite

    def score(self) -> None:
        """Has the GPU score the member on the validation rows."""
        self._track.follow()
        self._scoring.run(super().score)

    def end_epoch(self) -> Mapping[str, float]:
        """Waits for the scores; see `Member`."""
        self._track.wait()
        return super().end_epoch()
