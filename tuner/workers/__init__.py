"""Workers: where training runs."""

from .base import Event, Failed, Finished, Job, Progress, Worker
from .fleet import FleetWorker
from .inline import InlineWorker

__all__ = [
    "Event",
    "Failed",
    "Finished",
    "FleetWorker",
    "InlineWorker",
    "Job",
    "Progress",
    "Worker",
]
