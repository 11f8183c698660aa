"""Workers: where training runs."""

from .base import Event, Failed, Finished, Job, Progress, Worker, rounded
from .cluster import RayLauncher
from .crew import Crew
from .fleet import FleetCrew
from .pool import Pool
from .process import ProcessLauncher
from .solo import SoloCrew
from .staff import Devices, Staff, fleets, parse_devices, solos
from .thread import ThreadWorker

__all__ = [
    "Crew",
    "Devices",
    "Event",
    "Failed",
    "Finished",
    "FleetCrew",
    "Job",
    "Pool",
    "ProcessLauncher",
    "Progress",
    "RayLauncher",
    "SoloCrew",
    "Staff",
    "ThreadWorker",
    "Worker",
    "fleets",
    "parse_devices",
    "rounded",
    "solos",
]
