"""What a study ran on: the machine, and the versions of what it is made of."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path


def machine() -> dict[str, str]:
    """Describes this machine and this environment, as a person would read it."""
    import joblib
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": str(joblib.cpu_count()),
        "GPUs": ", ".join(gpus) or "none",
        "system": f"{platform.system()} {platform.release()}",
        "Python": ".".join(map(str, sys.version_info[:3])),
        **_versions(),
    }


@cache
def _versions() -> dict[str, str]:
    """Returns the versions of what studies depend on; each takes a millisecond to find."""
    names = ("tuner", "torch", "optuna", "lightning", "scikit-learn", "numpy")
    return {name: metadata.version(name) for name in names}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
