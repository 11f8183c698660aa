"""Members on a GPU of CUDA: their work is recorded as graphs, and replayed side by side.

A step of a small network is some 60 kernels of a few microseconds each, and to launch one takes
longer than that. A graph launches all of them at once; and graphs on several streams share the
GPU, of which one small network fills a fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from ..config import MLPConfig
from .member import Member
from .rows import Minibatches, Rows

#: Streams of a fleet. 64 members of 3 x 256 take 48 microseconds a step on 8, 32 on 16, 24 on 32
#: (H100).
_STREAMS = 32


class Track:
    """A stream, and memory for the graphs on it: they run one after the other, so they share it."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        # torch takes a pool for gone with the last of its graphs, so one of them stays.
        nothing = torch.zeros((), device=device)
        self.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self.stream):
            self._anchor = self.record(nothing.zero_)

    def record(
        self, work: Callable[[], object], generator: torch.Generator | None = None
    ) -> torch.cuda.CUDAGraph:
        """Records what some work launches, without running it; the track's stream is current.

        Args:
            work: launches kernels on memory that stays where it is, and asks nothing of the GPU.
            generator: that the work draws from.
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
        return graph


class Tracks:
    """Gives out the tracks of a device in turn.

    Args:
        device: a GPU of CUDA.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tracks: list[Track] = []
        self._given = 0

    def next(self) -> Track:
        """Returns a track that as few others as possible were given."""
        if len(self._tracks) < _STREAMS:
            self._tracks.append(Track(self._device))
        self._given += 1
        return self._tracks[(self._given - 1) % _STREAMS]

    def wait(self) -> None:
        """Waits until all that was launched is done, and memory may be given back."""
        torch.cuda.synchronize(self._device)


class _Recorded:
    """Work that is the same each time: done as it is, then recorded, then replayed.

    Libraries set themselves up when they are first used on a stream, which can't be recorded.
    """

    def __init__(self, track: Track, generator: torch.Generator | None) -> None:
        self._track, self._generator = track, generator
        self._graph: torch.cuda.CUDAGraph | None = None
        self._is_first = True

    def run(self, work: Callable[[], object]) -> None:
        """Does the work; the track's stream is current."""
        if self._is_first:
            work()
            self._is_first = False
            return
        if self._graph is None:
            self._graph = self._track.record(work, self._generator)
        self._graph.replay()

    def forget(self) -> None:
        """Has the work recorded anew, since it is at another place now."""
        self._graph = None


class _Step:
    """The memory that a recorded step of so many rows works on.

    Args:
        n_rows: of the step.
        rows: of the data set.
        recorded: the step.
    """

    def __init__(self, n_rows: int, rows: Rows, recorded: _Recorded) -> None:
        facts, device = rows.facts, rows.device
        self.recorded = recorded
        self.offsets = torch.arange(n_rows, device=device)
        self.index = torch.empty_like(self.offsets)
        self.x = torch.empty(n_rows, facts.n_inputs, device=device, dtype=rows.dtype)
        self.y = torch.empty(n_rows, facts.n_outputs, device=device, dtype=rows.dtype)


class GraphMember(Member):
    """A member on a GPU of CUDA, whose steps and scoring are recorded and replayed.

    All that changes from step to step, the place of the minibatch and the rate, lies on the GPU,
    so that a step is one launch. Nothing waits for the GPU but `is_finite` and `end_epoch`.

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
        self._steps: dict[int, _Step] = {}
        self._block: tuple[Tensor, Tensor] | None = None
        n_steps = rows.steps(config.batch_size)
        self._rates_ahead = torch.zeros(n_steps, device=rows.device)
        self._rate = torch.zeros(1, device=rows.device)
        self._done = torch.zeros(1, dtype=torch.long, device=rows.device)
        self._scoring = _Recorded(track, None)

    def steps(self, minibatches: Minibatches) -> Iterator[None]:
        """Takes a step for each minibatch, whenever the next one is asked for; see `Member`."""
        self._lay(minibatches)
        for x in minibatches.x:
            step = self._steps[len(x)]
            with torch.cuda.stream(self._track.stream):
                step.recorded.run(partial(self._run, step))
            self._schedule.draw_ahead()
            yield

    def _lay(self, minibatches: Minibatches) -> None:
        """Gets all ready on the GPU that the steps of some minibatches need."""
        if self._block is not None and _places(self._block) != _places(minibatches.block):
            for step in self._steps.values():
                step.recorded.forget()
        self._block = minibatches.block
        for n_rows in {len(x) for x in minibatches.x} - self._steps.keys():
            self._network(n_rows)
            recorded = _Recorded(self._track, self._masks.generator)
            self._steps[n_rows] = _Step(n_rows, self._rows, recorded)
        rates = torch.tensor([self._rates.pop() for _ in minibatches.x], dtype=torch.float32)
        self._rates_ahead[: len(rates)].copy_(rates, non_blocking=True)
        self._done.zero_()
        self._track.stream.wait_stream(torch.cuda.current_stream(self._rows.device))

    def _run(self, step: _Step) -> None:
        """Takes the step whose number is on the GPU."""
        assert self._block is not None
        torch.add(step.offsets, self._done, alpha=self.config.batch_size, out=step.index)
        torch.index_select(self._block[0], 0, step.index, out=step.x)
        torch.index_select(self._block[1], 0, step.index, out=step.y)
        torch.index_select(self._rates_ahead, 0, self._done, out=self._rate)
        self._done.add_(1)
        self._step(step.x, step.y, self._rate)

    @property
    def is_finite(self) -> bool:
        """Whether the losses of this epoch are finite so far; waits for its steps."""
        self._track.stream.synchronize()
        return super().is_finite

    def score(self) -> None:
        """Has the GPU score the member on the validation rows."""
        self._track.stream.wait_stream(torch.cuda.current_stream(self._rows.device))
        with torch.cuda.stream(self._track.stream):
            self._scoring.run(super().score)

    def end_epoch(self) -> Mapping[str, float]:
        """Waits for the scores; see `Member`."""
        self._track.stream.synchronize()
        return super().end_epoch()


def _places(block: tuple[Tensor, Tensor]) -> list[tuple[int, int]]:
    """Returns what a graph knows of a block: where its parts lie, and their rows."""
    return [(part.data_ptr(), len(part)) for part in block]
