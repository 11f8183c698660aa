"""The training of the network that is handed over: on all rows but the test rows, to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial

from ..data import Dataset
from ..errors import WorkerLostError
from ..network.config import Config, DataFacts, MLPConfig
from ..results.arms import Arm
from ..running.progress import Observer
from ..running.repeats import Repeats
from .entrants import costs, sharing
from .rounds import FASTEST, PLANNED

#: Seconds for which it is timed beforehand, if it cannot be as long as it might, and batches that
#: an epoch has then, at least.
_TIMED, _TIMED_BATCHES = 0.5, 16
#: Share of what is left that this may take.
_TIMED_SHARE = 0.15
#: Share of its time by which it may end late where the machine became slower, if it does end then:
#: it would be lost, and the network handed over would be one of the short trainings.
_LATE = 0.25


class LastTraining:
    """Trains the winner once more, for as many epochs as there is time for.

    Args:
        repeats: of the study, whose workers train it.
        trials: returns those of the study, at least one of which is complete when it is asked.
        handed_over: makes the config of an arm's training to the end; None epochs are all of them.
        dataset: of the study.
        facts: sizes of the data.
    """

    def __init__(
        self,
        repeats: Repeats,
        trials: Callable[[], Sequence[FrozenTrial]],
        handed_over: Callable[[Arm, int | None], Config],
        dataset: Dataset,
        facts: DataFacts | None,
    ) -> None:
        self._repeats, self._trials, self._handed_over = repeats, trials, handed_over
        self._facts = facts
        self._known: dict[str, float] = {}  # seconds of an epoch that were timed, by network
        self._n_rows = len(dataset.train)
        # Rows of it over those of another training.
        self._more = 1 + len(dataset.validation) / len(dataset.train)

    def trainings(
        self, arms: Sequence[Arm], pace: float | None, slower: float = 1.0
    ) -> list[tuple[float, float]]:
        """Estimates the seconds of a training as long as its others, and of one to the end.

        Args:
            arms: that may win, each of which has its pair; those that may not are left out.
            pace: seconds that a unit of work took in the search, if that is known.
            slower: how much longer trainings take here, but for those that were timed.
        """
        winners = _winners(arms)
        return [
            (arm.config.epochs * epoch, self._handed_over(arm, None).epochs * epoch)
            for arm, epoch in zip(winners, self._epochs(winners, pace, slower), strict=True)
        ]

    def time_longest(
        self, arms: Sequence[Arm], seed: int, pace: float | None, slower: float, left: float
    ) -> bool:
        """Times an epoch of the longest training there may be, which is known from then on.

        Args:
            arms: that may win.
            seed: to time it with.
            pace: seconds that a unit of work took in the search, if that is known.
            slower: how much longer trainings take here.
            left: seconds that there are, of which it may take a share.

        Returns:
            Whether it was timed: not if that was done before, or takes too much of what is left.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        winners = _winners(arms)
        if not winners:
            return False
        wholes = [whole for _, whole in self.trainings(winners, pace, slower)]
        config = self._handed_over(winners[wholes.index(max(wholes))], None)
        if _network(config) in self._known:
            return False
        self._timed(config, seed, max(wholes) / config.epochs, left)
        return _network(config) in self._known

    def train(
        self, arm: Arm, seed: int, pace: float | None, end: float, observer: Observer
    ) -> tuple[Config, bytes] | None:
        """Trains an arm; returns its config and the checkpoint.

        None if it failed, or would have ended too late.

        Args:
            arm: the winner.
            seed: of the initial weights and the shuffles.
            pace: seconds that a unit of work took in the search, if that is known.
            end: of the time, on the clock of `time.monotonic`.
            observer: is told that it begins.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        config, left = self._handed_over(arm, None), end - time.monotonic()
        if left <= 0:
            return None
        observer.begin("training the winner on all rows but the test rows")
        (epoch,) = self._epochs([arm], pace)
        if config.epochs * epoch > PLANNED * left:
            epoch = self._timed(config, seed, epoch, left)
            epochs = int(PLANNED * (end - time.monotonic()) / epoch)
            epochs = min(config.epochs, max(arm.config.epochs, epochs))
            config = self._handed_over(arm, epochs)
        late = 0.0 if math.isinf(end) else _LATE * left
        network = self._repeats.whole(config, seed, end=None if math.isinf(end) else end, late=late)
        return None if network is None else (config, network)

    def _epochs(self, arms: Sequence[Arm], pace: float | None, slower: float = 1.0) -> list[float]:
        """Estimates how long an epoch of each arm takes, on all rows and alone."""
        places, trials = self._repeats.places, self._trials()
        each = costs(arms, trials, places, pace, self._facts)
        alone = slower * self._more * sharing(trials, places, pace, self._facts)
        return [
            self._known.get(
                _network(self._handed_over(arm, None)), alone * cost / arm.config.epochs
            )
            for arm, cost in zip(arms, each, strict=True)
        ]

    def _timed(self, config: Config, seed: int, estimate: float, left: float) -> float:
        """Returns how long an epoch takes: it is tried, unless that takes too much of what is left.

        On a share of the rows, so that it takes about a second. Alone an epoch takes 0.65 to 1 of
        what the search has timed of busy workers, and less where cores share its steps.
        """
        assert isinstance(config, MLPConfig)
        if _network(config) in self._known:
            return self._known[_network(config)]
        if estimate <= 0:  # nothing was timed before
            return estimate
        rows = math.ceil(self._n_rows * min(1.0, _TIMED / estimate))
        rows = min(self._n_rows, max(rows, _TIMED_BATCHES * config.batch_size))
        short = estimate * rows / self._n_rows
        epochs = 1 + math.ceil(_TIMED / short)
        if epochs * short > _TIMED_SHARE * left:
            return estimate
        try:
            seconds = self._repeats.epoch_seconds(
                config, [seed], epochs=epochs, rows=rows, is_alone=True
            )
        except WorkerLostError:
            return estimate
        whole = self._more * seconds * self._n_rows / rows
        known = self._known[_network(config)] = max(FASTEST * estimate, whole)
        return known


def _winners(arms: Sequence[Arm]) -> list[Arm]:
    """Returns the arms that may win and be trained once more."""
    return [arm for arm in arms if arm.is_allowed and isinstance(arm.config, MLPConfig)]


def _network(config: Config) -> str:
    """Names a network and its training, but for its length."""
    return config.model_copy(update={"epochs": 1}).to_json()
