"""How many workers there are, where they are, and what each of them takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..data import Dataset
from ..errors import InputError
from ..network.config import MLPConfig, Precision
from ..system import processes
from ..system.devices import HIDDEN, VISIBLE, Devices
from ..system.resources import cores, processes_at_once
from ..training.fleet import gpus, has_accelerator
from ..training.modules import ModuleTraining
from .base import Worker
from .cluster import RayLauncher
from .crew import Crew
from .fleet import FleetCrew
from .pool import Pool
from .process import LOAD, LOAD_LIGHTNING, ProcessLauncher
from .thread import ThreadWorker

#: Makes a crew, told how many like it share a device.
_Make = Callable[[int], Crew]


@dataclass(frozen=True)
class Staff:
    """How many workers there are, and where.

    Attributes:
        size: how many; None is as many as a cluster has devices.
        at_most: workers, in any case.
        in_this_process: the only one works in a thread here.
        devices: what CUDA calls the GPU of each, in turn; () leaves them as they are.
        on_cpu: no GPU is used.
        cluster: address of a Ray cluster, if they are on one.
        epoch_seconds: that an epoch may take at most.
    """

    size: int | None
    epoch_seconds: float
    at_most: int | None = None
    in_this_process: bool = False
    devices: tuple[str, ...] = ()
    on_cpu: bool = False
    cluster: str | None = None

    @classmethod
    def choose(
        cls,
        *,
        workers: int | None,
        devices: Devices | None,
        cluster: str | None,
        at_most: int | None,
        epoch_seconds: float,
    ) -> Staff:
        """Decides how many workers there are and where, as far as no one says.

        On a machine with GPUs of CUDA a process for each, pinned to it; with another accelerator
        this process; else a process for each core. On a cluster an actor for each device.

        Args:
            workers: how many; 1 without `devices` works in this process.
            devices: GPUs to use, or "cpu" for none.
            cluster: `ray`, or the `ray://host:port` of a cluster.
            at_most: workers that there is anything to do for.
            epoch_seconds: that an epoch may take at most.

        Raises:
            InputError: a device is not there, or `devices` does not go with a cluster.
        """
        on_cpu = devices == "cpu"
        if cluster is not None:
            if cluster != "ray" and not cluster.startswith("ray://"):
                raise InputError(f"cluster must be ray or ray://host:port, got {cluster!r}")
            if devices is not None and not on_cpu:
                raise InputError("devices are numbers of this machine's GPUs; Ray chooses its own")
            return cls(workers, epoch_seconds, at_most, on_cpu=on_cpu, cluster=cluster)
        pins = () if on_cpu or isinstance(devices, str) else _pins(devices)
        if workers is None:
            # Those that were started ahead were counted before they took memory.
            on_cores = processes.n_ahead() or processes_at_once()
            workers = len(pins) or (1 if has_accelerator() and not on_cpu else on_cores)
            in_this_process = not pins and workers == 1
        else:
            in_this_process = workers == 1 and (devices is None or on_cpu)
        size = min(workers, at_most or workers)
        if size == 1 and not pins:
            in_this_process = True
        return cls(size, epoch_seconds, at_most, in_this_process, pins, on_cpu)

    def __str__(self) -> str:
        number = "" if self.size is None else f"{self.size} "
        one = self.size == 1
        if self.cluster is not None:
            return f"{number}Ray actor{'' if one else 's'} on cluster {self.cluster}"
        used = self.devices[: self.size]
        where = f" on GPU{'s' if len(used) > 1 else ''} {', '.join(used)}" if used else ""
        return f"{number}worker process{'' if one else 'es'}{where}"


def _pins(devices: Sequence[int] | None) -> tuple[str, ...]:
    """Returns what CUDA calls the GPUs of these numbers, or all that this process sees.

    Raises:
        InputError: one is not there.
    """
    visible = os.environ.get(VISIBLE)
    names = visible.split(",") if visible else [str(number) for number in range(gpus())]
    names = names[: gpus()]  # CUDA passes over what is not there
    if devices is None:
        return tuple(names)
    for number in devices:
        if not 0 <= number < len(names):
            there = f"GPUs 0 to {len(names) - 1}" if names else "no GPU of CUDA"
            raise InputError(f"devices: there is no GPU {number}; this machine has {there}")
    return tuple(names[number] for number in devices)


def fleets(
    dataset: Dataset,
    staff: Staff,
    *,
    largest: MLPConfig,
    members: int | None = None,
    least: int = 1,
    precision: Precision = "32-true",
) -> Worker:
    """Makes workers that are fleets.

    Args:
        dataset: rows that all jobs train and are scored on.
        staff: how many workers, and where.
        largest: of the configs that will come.
        members: that train at once, in all; None is as many as keep the machine busy and find
            room in its memory.
        least: members of each worker, if memory holds them, where no number is given.
        precision: Lightning's word for the numbers that jobs train with.
    """

    def make(share: int | None, hands: int | None) -> _Make:
        return partial(
            _fleet,
            dataset=dataset,
            capacity=share,
            least=least,
            largest=largest,
            precision=precision,
            hands=hands,
            accelerator=_accelerator(staff),
            shares_steps=staff.cluster is None,  # others may train on its machines
        )

    if staff.size is None:
        return _employed(staff, [make(None if members is None else 1, 1)], LOAD)
    hands = None if staff.in_this_process else 1 if staff.cluster else _cores_each(staff.size)
    shares = [
        None if members is None else max(1, (members + i) // staff.size) for i in range(staff.size)
    ]
    return _employed(staff, [make(share, hands) for share in shares], LOAD)


def solos(
    dataset: Dataset | None,
    staff: Staff,
    *,
    precision: Precision = "32-true",
    training: ModuleTraining | None = None,
) -> Worker:
    """Makes workers that train one job at a time with Lightning's Trainer.

    Args:
        dataset: rows that all jobs train and are scored on; None if the jobs bring theirs.
        staff: how many workers, and where.
        precision: Lightning's word for the numbers that MLPs train with.
        training: how modules of the user's are trained, if those will come.
    """
    make = partial(
        _solo,
        dataset=dataset,
        precision=precision,
        accelerator=_accelerator(staff),
        training=training,
    )
    return _employed(staff, [make] * (staff.size or 1), LOAD_LIGHTNING)


def _fleet(
    per_device: int,
    *,
    dataset: Dataset,
    capacity: int | None,
    least: int,
    largest: MLPConfig,
    precision: Precision,
    hands: int | None,
    accelerator: str,
    shares_steps: bool,
) -> Crew:
    return FleetCrew(
        dataset,
        capacity,
        least=least,
        largest=largest,
        precision=precision,
        hands=hands,
        accelerator=accelerator,
        n_crews=per_device,
        shares_steps=shares_steps,
    )


def _solo(
    per_device: int,
    *,
    dataset: Dataset | None,
    precision: Precision,
    accelerator: str,
    training: ModuleTraining | None,
) -> Crew:
    from .solo import SoloCrew  # loads Lightning, which fleets do without

    return SoloCrew(dataset, precision=precision, accelerator=accelerator, training=training)


def _accelerator(staff: Staff) -> str:
    return "cpu" if staff.on_cpu else "auto"


def _employed(staff: Staff, makes: Sequence[_Make], load: str) -> Worker:
    try:
        return _begun(staff, makes, load)
    finally:
        processes.dismiss_ahead()  # which found no work


def _begun(staff: Staff, makes: Sequence[_Make], load: str) -> Worker:
    seconds = staff.epoch_seconds
    if staff.cluster is not None:
        launcher = RayLauncher(
            staff.cluster,
            makes,
            size=staff.size,
            at_most=staff.at_most,
            on_gpus=False if staff.on_cpu else None,
        )
        return Pool(launcher, epoch_seconds=seconds)
    if staff.in_this_process:
        return ThreadWorker(makes[0](1), epoch_seconds=seconds)
    per_device = -(-len(makes) // max(1, len(staff.devices)))
    pins = [HIDDEN] if staff.on_cpu else [{VISIBLE: name} for name in staff.devices]
    return Pool(
        ProcessLauncher(
            [partial(make, per_device) for make in makes],
            threads=_cores_each(len(makes)),
            environments=pins or [{}],
            load=load,
        ),
        epoch_seconds=seconds,
    )


def _cores_each(workers: int) -> int:
    return max(1, cores() // workers)
