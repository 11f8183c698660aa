"""Workers started before it is known what they will do, so that they load modules meanwhile."""

from __future__ import annotations

from ..study import AnyStudySpec, ModuleStudySpec
from ..system.devices import HIDDEN, Devices, may_have_accelerator
from ..system.interpreter import Work
from ..system.processes import start_ahead
from ..system.resources import cores, processes_at_once

#: What worker processes run and load, as a fleet and else: `workers.process` says so, which loads
#: torch.
_SERVE, _LOAD = "tuner.workers.process:serve", "tuner.workers.fleet:loaded"
_LOAD_LIGHTNING = "tuner.workers.solo:loaded"


def start_workers(
    spec: AnyStudySpec,
    workers: int | None,
    devices: Devices | None,
    cluster: str | None,
    at_most: int | None = None,
    *,
    is_solo: bool = False,
) -> None:
    """Starts the processes that most likely will train on this machine's cores.

    Where that turns out wrong, they end without having worked. On GPUs, or for classes of the
    user's, which are imported first, none are started.

    Args:
        spec: the study file.
        workers: as `tune` takes it, like what follows.
        devices: to use.
        cluster: of Ray's, to use.
        at_most: trials that train at once, if that is known: for fewer than there are workers it
            is not known yet how many will be needed.
        is_solo: each trains one trial at a time, with Lightning.
    """
    on_cpu = devices == "cpu"
    if cluster is not None or isinstance(spec, ModuleStudySpec):
        return
    if not on_cpu and (devices is not None or may_have_accelerator()):
        return
    n = workers or processes_at_once()
    if 1 < n <= (at_most or n):
        threads, variables = max(1, cores() // n), HIDDEN if on_cpu else {}
        load = _LOAD_LIGHTNING if is_solo else _LOAD
        start_ahead(n, Work.of(_SERVE, threads, variables, load=load))
