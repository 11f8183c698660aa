"""What a search tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

from ..network.config import Config
from ..results.best import Best
from ..storage import Counts


@dataclass(frozen=True)
class Running:
    """A trial under way.

    Attributes:
        number: of the trial.
        source: where its parameters come from: the rules, or the sampler.
        config: the network and its training.
        epoch: epochs done.
        score: value after the last of them, if one is done.
    """

    number: int
    source: str
    config: Config
    epoch: int = 0
    score: float | None = None


@dataclass(frozen=True)
class Ended:
    """A trial that ended.

    Attributes:
        trial: as it was last seen.
        state: complete, pruned or failed.
        reason: why it ended early; "" if it is complete.
        is_best: it is the best one so far.
    """

    trial: Running
    state: str
    reason: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        study: its name.
        metric: what is optimized.
        counts: trials by how they ended, those of earlier runs included.
        budget_trials: trials to finish, if their number is limited.
        running: trials under way.
        best: best complete trial so far.
        seconds: spent so far, by earlier runs too.
        seconds_left: until the time is up, if it is limited.
        eta: seconds until the budget is likely used up, once a trial has finished.
    """

    study: str
    metric: str
    counts: Counts
    budget_trials: int | None
    running: tuple[Running, ...]
    best: Best | None
    seconds: float
    seconds_left: float | None
    eta: float | None


@dataclass(frozen=True)
class Repeated:
    """A training of a confirmation or an audit that ended.

    Attributes:
        config: the network and its training.
        done: trainings that ended, this one included.
        of: that are to be done, those that an earlier process did left out.
    """

    config: Config
    done: int
    of: int


class Observer:
    """Watches a search; this one looks away."""

    def begin(self, message: str) -> None:
        """A preparation begins that may take a while, such as a download."""

    def remark(self, message: str) -> None:
        """Something is to be known of the data, or of what was found before."""

    def update(self, snapshot: Snapshot) -> None:
        """Some time has passed; called several times a second."""

    def ended(self, trial: Ended) -> None:
        """A trial has ended."""

    def repeated(self, training: Repeated) -> None:
        """A training of a confirmation or an audit has ended."""
