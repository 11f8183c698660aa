"""What this process may use of the machine's cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

import joblib

#: Share of the available memory that processes may take.
_SHARE = 0.5
#: Bytes that a process takes with its libraries, before it has data.
_A_PROCESS = 400 * 2**20


def cores() -> int:
    """Returns how many cores this process may use, a container's share of them respected."""
    return int(joblib.cpu_count())


def processes_at_once() -> int:
    """Returns how many processes shall train side by side on the CPU.

    One for each core, as far as memory holds the processes.
    """
    return max(1, min(cores(), int(_SHARE * available_bytes()) // _A_PROCESS))


def available_bytes() -> int:
    """Returns the main memory that is not taken, a container's limit respected."""
    return min(_of_the_machine(), _of_the_container())


def _of_the_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_the_container() -> int:
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return max(0, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return 2**63
