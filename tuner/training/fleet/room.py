"""How many networks train at once: what keeps the machine busy, as far as memory holds them."""

from __future__ import annotations

import torch

from ...data import EVALUATION_ROWS
from ...network.config import N_FREQUENCIES, DataFacts, MLPConfig
from ...system import resources
from ...system.resources import cores
from .embeddings import buffer_numbers
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
#: Share of the available memory that networks may take.
_SHARE = 0.5


def gpus() -> int:
    """Returns how many GPUs of CUDA this process sees; it does not begin to use them."""
    return torch.cuda.device_count()


def device_of(accelerator: str) -> torch.device:
    """Returns the device that Lightning's Trainer takes for a word.

    Args:
        accelerator: "auto", "cpu", "gpu", "cuda" or "mps".

    Raises:
        ValueError: there is no such device here, or no such word.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    wanted = {"auto": ("cuda", "mps", "cpu"), "gpu": ("cuda", "mps")}.get(accelerator, accelerator)
    for name in (wanted,) if isinstance(wanted, str) else wanted:
        if there.get(name):
            return torch.device(name, 0) if name == "cuda" else torch.device(name)
    raise ValueError(f"accelerator {accelerator!r}: there is none here")


def has_accelerator() -> bool:
    """Says whether something else than the CPU trains, where nothing else is said."""
    return device_of("auto").type != "cpu"


def busy_with() -> int:
    """Returns how many trainings that share the machine are about as fast as one alone."""
    return _SHARE_A_GPU if has_accelerator() else cores()


def cores_of_a_step(config: MLPConfig, facts: DataFacts) -> int:
    """Returns how many cores shall share the steps of a network that trains alone on the CPU."""
    multiplications = 3 * config.size(facts) * config.batch_size
    return min(cores(), _SHARE_A_STEP) if multiplications >= _SHARED_STEP else 1


def shares_steps(config: MLPConfig, facts: DataFacts) -> bool:
    """Says whether a network that trains alone is faster, since cores share its steps."""
    return not has_accelerator() and cores_of_a_step(config, facts) > 1


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
    n_parameters = config.size(facts)
    state = 4 * n_parameters  # value, gradient, two moments
    layer = config.batch_size * config.width
    drawn = layer if recorded else max(layer, DRAWN_AT_ONCE)
    buffers = 5 * layer + (layer + drawn if config.dropout > 0 else 0)
    # A network for whole batches, and one for the last of an epoch.
    n_numeric = facts.n_numeric if config.numeric_embedding == "periodic" else 0
    buffers_of_numbers = buffer_numbers(
        n_numeric, facts.categories, facts.n_inputs, config.batch_size
    )
    scored = 2 * EVALUATION_ROWS * N_FREQUENCIES * n_numeric
    n_bytes = itemsize * (state + 2 * (config.depth * buffers + layer + buffers_of_numbers))
    if recorded:
        a_row = facts.n_inputs + facts.n_outputs
        scored += 3 * EVALUATION_ROWS * config.width
        n_bytes += itemsize * (2 * config.batch_size * a_row + scored)
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
    return resources.available_bytes()
