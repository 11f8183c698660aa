"""Which GPUs a user wants to train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..errors import InputError

#: Numbers of GPUs as this process sees them, or none of them.
Devices = Sequence[int] | Literal["cpu"]


def parse_devices(text: str) -> Devices:
    """Reads what stands on a command line: `cpu`, or numbers of GPUs such as `0,2`.

    Raises:
        InputError: it is neither.
    """
    if text == "cpu":
        return "cpu"
    numbers = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in numbers):
        raise InputError(f"devices must be cpu, or numbers of GPUs such as 0,2, got {text!r}")
    if len(set(numbers)) < len(numbers):
        raise InputError(
            f"devices: {text!r} names a GPU twice; to have several workers share it, name it once "
            "and say how many workers there are"
        )
    return tuple(int(word) for word in numbers)
