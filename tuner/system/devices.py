"""Which GPUs a user wants to train on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import InputError

#: Numbers of GPUs as this process sees them, or none of them.
Devices = Sequence[int] | Literal["cpu"]

#: What says which GPUs a process of CUDA sees, and that it sees none.
VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = {VISIBLE: ""}

#: Where the drivers of NVIDIA, of AMD, and of Windows below a Linux show themselves.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def may_have_accelerator() -> bool:
    """Says whether torch might find something else than the CPU, without asking it for seconds."""
    return sys.platform != "linux" or any(Path(driver).exists() for driver in _DRIVERS)


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
