"""Workers: where training runs.

`solo` trains with Lightning, which fleets do without.
"""

from .base import Event, Failed, Finished, Job, Progress, Worker, rounded
from .cluster import RayLauncher
from .crew import Crew
from .fleet import FleetCrew
from .parcel import shared
from .pool import Pool
from .process import ProcessLauncher
from .staff import Staff, fleets, solos
from .thread import ThreadWorker

__all__ = [
    "Crew",
    "Event",
    "Failed",
    "Finished",
    "FleetCrew",
    "Job",
    "Pool",
    "ProcessLauncher",
    "Progress",
    "RayLauncher",
    "Staff",
    "ThreadWorker",
    "Worker",
    "fleets",
    "rounded",
    "shared",
    "solos",
]
