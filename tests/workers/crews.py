"""Crews that workers of the tests are made of; it loads no more than they need."""

import subprocess
import threading

from tuner.data import Dataset
from tuner.workers import Crew, FleetCrew
from tuner.workers.crew import Orders


def fleet(per_device: int, dataset: Dataset) -> Crew:
    return FleetCrew(dataset, 2, hands=1, accelerator="cpu")


def solo(per_device: int, dataset: Dataset) -> Crew:
    from tuner.workers.solo import SoloCrew  # loads Lightning

    return SoloCrew(dataset)


class Stuck:
    """A crew that takes jobs and is never heard of again."""

    capacity = 1

    def work(self, orders: Orders) -> None:
        orders.take(is_idle=True)
        threading.Event().wait()

    def stop(self) -> None:
        pass


def stuck(per_device: int) -> Crew:
    return Stuck()


class WithChild(Stuck):
    def __init__(self) -> None:
        self.child = subprocess.Popen(["sleep", "1000"])


def with_a_child() -> Crew:
    return WithChild()
