"""Who is told what happens: an observer, a display, or no one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError
from ..system.quiet import quiet_optuna
from .progress import Observer


@contextmanager
def watched(progress: bool | None, observer: Observer | None) -> Iterator[Observer]:
    """Gives the one who is told, as long as it is open; Optuna says nothing meanwhile.

    Args:
        progress: shows what happens; None does where standard output is a terminal, and in a
            notebook, unless there is an observer.
        observer: is told what happens, instead of showing it.

    Raises:
        InputError: both are wanted.
    """
    if observer is not None and progress:
        raise InputError("an observer is told what happens instead of showing it: progress=False")
    with quiet_optuna():
        if observer is not None:
            yield observer
            return
        from .display import shown  # which loads Rich

        with shown(progress) as display:
            yield display
