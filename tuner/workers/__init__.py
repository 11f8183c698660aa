"""Workers: where training runs."""

from .base import Event, Failed, Finished, Job, Progress, Worker
from .crew import Crew
from .fleet import FleetCrew
from .processes import ProcessWorkers
from .solo import SoloCrew
from .staff import fleets, fleets_at_once, solos
from .thread import ThreadWorker

__all__ = [
    "Crew",
    "Event",
    "Failed",
    "Finished",
    "FleetCrew",
    "Job",
    "ProcessWorkers",
    "Progress",
    "SoloCrew",
    "ThreadWorker",
    "Worker",
    "fleets",
    "fleets_at_once",
    "solos",
]
