"""Packages that only some users need."""

from __future__ import annotations

import json
import sys
from importlib import import_module, metadata
from types import ModuleType
from urllib.parse import unquote, urlsplit

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
        raise InputError(f"{module} is not installed: {_install(extra)}") from error


def _install(extra: str) -> str:
    """Returns the command that installs an extra into this environment."""
    told = metadata.distribution("tuner").read_text("direct_url.json")
    origin = {} if told is None else json.loads(told)
    what, address = f"'tuner[{extra}]'", origin.get("url", "")
    if origin.get("dir_info", {}).get("editable"):  # a clone
        what = f"--editable '{unquote(urlsplit(address).path)}[{extra}]'"
    return f"{sys.executable} -m pip install {what}"
