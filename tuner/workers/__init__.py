"""Workers: where training runs."""

from .base import Event, Failed, Finished, Job, Progress, Worker
from .inline import InlineWorker

__all__ = ["Event", "Failed", "Finished", "InlineWorker", "Job", "Progress", "Worker"]
