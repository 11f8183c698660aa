"""Threads that train members side by side, one core each.

Small networks gain nothing from several threads in one kernel, so each hand computes with one
thread and its members are its own for the length of a call. Half of the hands begin with the
largest members and half with the smallest: it is small members that want Python's lock most, and
so they seldom meet. A large network that trains alone has one more hand, whose kernels are shared
among several cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

import torch

from ...system.closing import Closing
from ...system.resources import cores


class Hands(Closing):
    """A context manager that holds the threads.

    Args:
        n: how many; None is one for each core that this process may use.
    """

    def __init__(self, n: int | None) -> None:
        self.n = n or cores()
        self._threads_before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(
            self.n, thread_name_prefix="tuner-hand", initializer=_prepare
        )
        # Always the same thread: torch's threads within kernels belong to the one that calls.
        self._lone = ThreadPoolExecutor(
            1, thread_name_prefix="tuner-lone-hand", initializer=_prepare
        )

    def each(self, calls: Iterable[tuple[float, Callable[[], None]]]) -> None:
        """Makes each call once; returns when all are done.

        An error of a call keeps the calls from being made that no hand has begun, and is raised
        when the hands have let go.

        Args:
            calls: what each costs, in any unit, and the call.
        """
        waiting = deque(sorted(calls, key=lambda item: -item[0]))

        def take(from_largest: bool) -> None:
            while waiting:
                try:
                    _, call = waiting.popleft() if from_largest else waiting.pop()
                except IndexError:  # another hand took the last one
                    return
                try:
                    call()
                except BaseException:
                    waiting.clear()
                    raise

        taken = [self._pool.submit(take, hand % 2 == 0) for hand in range(self.n)]
        wait(taken)
        for each in taken:
            each.result()

    def alone(self, call: Callable[[], None], n_cores: int) -> None:
        """Makes one call, whose kernels several cores share; returns when it is done."""

        def make() -> None:
            torch.set_num_threads(n_cores)
            try:
                call()
            finally:
                torch.set_num_threads(1)  # MKL's count is one for all hands

        self._lone.submit(make).result()

    def close(self) -> None:
        """Waits for what is under way, and ends the threads."""
        self._pool.shutdown()
        self._lone.shutdown()
        torch.set_num_threads(self._threads_before)  # MKL's count is one for all threads


def _prepare() -> None:
    torch.set_num_threads(1)
    # Numbers below 1e-38, which dying units and idle optimizer states are full of, take the
    # processor a hundred times longer than zeros do.
    torch.set_flush_denormal(True)
