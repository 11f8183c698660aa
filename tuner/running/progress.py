"""What a search tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import StopSearch as StopSearch
from ..network.config import Config
from ..results.best import Best
from ..results.winner import Confirmation
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
class Epoch:
    """An epoch of a trial that ended: of all its folds.

    Attributes:
        trial: as it is now.
        metrics: what was measured after it, by name: means over the folds.
    """

    trial: Running
    metrics: Mapping[str, float]


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
    """A training of a confirmation, a front, an ablation or an audit that ended.

    Attributes:
        config: the network and its training.
        done: trainings that ended, this one included.
        of: that are to be done, those that an earlier process did left out.
    """

    config: Config
    done: int
    of: int


class Observer:
    """Watches a search; this one looks away.

    What a method raises ends the call that is watched, as Ctrl-C does: what finished is kept, and
    the same call goes on. `StopSearch`, of any method but `begin` and `remark`, ends a search
    without an error: its result is returned. A slow method holds up the search.

    >>> class Enough(Observer):
    ...     def ended(self, trial: Ended) -> None:
    ...         if trial.is_best and trial.trial.score > 0.99:
    ...             raise StopSearch("0.99 is enough")
    """

    def begin(self, message: str) -> None:
        """A preparation begins that may take a while, such as a download."""

    def remark(self, message: str) -> None:
        """Something is to be known of the data, or of what was found before."""

    def update(self, snapshot: Snapshot) -> None:
        """Some time has passed; called several times a second."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of a trial has ended, which may be pruned after it."""

    def ended(self, trial: Ended) -> None:
        """A trial has ended."""

    def repeated(self, training: Repeated) -> None:
        """A training of a confirmation has ended, or of a front, an ablation or an audit."""

    def confirmed(self, confirmation: Confirmation) -> None:
        """The best configs have been trained again over fresh seeds, and the winner is known.

        Where small networks are a goal, those of each size come after it.
        """


class Together(Observer):
    """Several observers, told one after the other.

    Args:
        observers: of it.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def begin(self, message: str) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.begin(message)

    def remark(self, message: str) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.remark(message)

    def update(self, snapshot: Snapshot) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.update(snapshot)

    def epoch(self, epoch: Epoch) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.epoch(epoch)

    def ended(self, trial: Ended) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.ended(trial)

    def repeated(self, training: Repeated) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.repeated(training)

    def confirmed(self, confirmation: Confirmation) -> None:
        """As `Observer` says."""
        for each in self._observers:
            each.confirmed(confirmation)
