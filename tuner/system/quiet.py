"""Keeps what libraries say of themselves out of the output."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def quiet(
    names: Sequence[str] = ("lightning.pytorch", "lightning.fabric"), module: str = r"lightning\..*"
) -> Iterator[None]:
    """Lets only a library's errors through, for as long as it is open.

    Lightning has banners, and hints for people who write a Trainer.

    Args:
        names: of its loggers.
        module: pattern of the modules whose warnings are not shown.
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Lets only Optuna's warnings through, for as long as it is open: what happens is told here."""
    import optuna  # which takes a while

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
