"""Packages that only some users need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import InputError


def required(module: str, extra: str) -> ModuleType:
    """Imports a package of an extra.

    Args:
        module: its name.
        extra: of ours that it comes with.

    Raises:
        InputError: it is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"{module} is not installed: pip install 'tuner[{extra}]'") from error
