"""How many networks train at once: what keeps the machine busy, as far as memory holds them."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import torch

from ...data import EVALUATION_ROWS
from ...network.config import DataFacts, MLPConfig
from .masks import DRAWN_AT_ONCE

#: On the CPU, networks for a hand that is alone: with 2 it seldom waits for its coordinator. More
#: gained nothing on any data measured (docs/benchmarks.md), and first results come later.
_FOR_A_HAND = 2
#: On the CPU, networks for each of several hands, which so end an epoch at nearly the same time.
_FOR_EACH_HAND = 4
#: On a GPU, which a small network fills a fraction of; with 64 MNIST gained 6%.
_ON_A_GPU = 32
#: Networks on a GPU that take as long as one alone: a step of 3 x 256 takes 200 microseconds alone,
#: and 24 for each of 64 networks on 32 streams.
_SHARE_A_GPU = 8
#: Multiplications of a step from which on cores share it, and how many (docs/benchmarks.md).
_SHARED_STEP = 100e6
_SHARE_A_STEP = 4
#: Share of the available memory that processes, and then networks, may take.
_SHARE = 0.5
#: Bytes that a process takes with its libraries, before it has data.
_A_PROCESS = 400 * 2**20


def cores() -> int:
    """Returns how many cores this process may use, a container's share of them respected."""
    return int(joblib.cpu_count())


def gpus() -> int:
    """Returns how many GPUs of CUDA this process sees; it does not begin to use them."""
    return torch.cuda.device_count()


def has_accelerator() -> bool:
    """Says whether something else than the CPU can train."""
    return torch.accelerator.is_available()


def processes_at_once() -> int:
    """Returns how many processes shall train side by side on the CPU.

    One for each core, as far as memory holds the processes.
    """
    n_bytes = available_bytes(torch.device("cpu"))
    return max(1, min(cores(), int(_SHARE * n_bytes) // _A_PROCESS))


def busy_with() -> int:
    """Returns how many trainings that share the machine are about as fast as one alone."""
    return _SHARE_A_GPU if has_accelerator() else cores()


def cores_of_a_step(config: MLPConfig, facts: DataFacts) -> int:
    """Returns how many cores shall share the steps of a network that trains alone on the CPU."""
    multiplications = 3 * config.n_parameters(facts.n_inputs, facts.n_outputs) * config.batch_size
    return min(cores(), _SHARE_A_STEP) if multiplications >= _SHARED_STEP else 1


def member_bytes(
    config: MLPConfig,
    facts: DataFacts,
    itemsize: int,
    *,
    mixed: bool = False,
    recorded: bool = False,
) -> int:
    """Returns the bytes that a member takes: parameters, optimizer, and buffers of two batches.

    Args:
        config: the network and its training.
        facts: sizes of the data.
        itemsize: bytes of a number.
        mixed: large products are of bfloat16 factors, which lie beside; counted as if all were.
        recorded: its steps are graphs, which copy each batch, and keep what scoring works with.
    """
    n_parameters = config.n_parameters(facts.n_inputs, facts.n_outputs)
    state = 4 * n_parameters  # value, gradient, two moments
    layer = config.batch_size * config.width
    drawn = layer if recorded else max(layer, DRAWN_AT_ONCE)
    buffers = 5 * layer + (layer + drawn if config.dropout > 0 else 0)
    # A network for whole batches, and one for the last of an epoch.
    n_bytes = itemsize * (state + 2 * (config.depth * buffers + layer))
    if recorded:
        a_row = facts.n_inputs + facts.n_outputs
        n_bytes += itemsize * (2 * config.batch_size * a_row + 3 * EVALUATION_ROWS * config.width)
    if mixed:  # weights and their gradients; inputs, outputs and the gradients of both
        inputs = config.batch_size * facts.n_inputs
        n_bytes += 2 * 2 * (2 * n_parameters + 2 * inputs + 4 * config.depth * layer)
    return n_bytes


def members_at_once(largest: int, n_hands: int, device: torch.device, least: int = 1) -> int:
    """Returns how many members shall train at once, at least 1.

    Args:
        largest: bytes of the largest of them.
        n_hands: threads that train side by side.
        device: where they train.
        least: members that are wanted even where fewer keep the device busy.
    """
    if device.type != "cpu":
        busy = _ON_A_GPU
    else:
        busy = _FOR_A_HAND if n_hands == 1 else _FOR_EACH_HAND * n_hands
    busy = max(busy, least)
    return max(1, min(busy, int(_SHARE * available_bytes(device)) // max(1, largest)))


def available_bytes(device: torch.device) -> int:
    """Returns the memory of a device that is not taken, a container's limit respected."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
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
