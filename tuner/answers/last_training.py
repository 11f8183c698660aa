"""The training of the networks that are handed over: on all rows but the test rows, to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from ..data import Cut, Dataset
from ..errors import WorkerLostError
from ..network.checkpoints import first_of, together
from ..network.config import Config, DataFacts, MLPConfig
from ..results.arms import Arm
from ..results.winner import Refit
from ..running.evaluation import LEAST_EPOCHS
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..running.trainings import WORKERS_SECONDS
from ..training.fleet import busy_with, shares_steps
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


@dataclass(frozen=True)
class Trained:
    """Networks that are handed over.

    Attributes:
        config: of all of them.
        rows: training rows that there was time for; None is all.
        seeds: of each of them.
        checkpoint: of all of them together.
        failed: seeds of those that diverged.
    """

    config: Config
    rows: int | None
    seeds: tuple[int, ...]
    checkpoint: bytes
    failed: tuple[int, ...]


class LastTraining:
    """Trains the winner once more, for as many epochs and networks as there is time for.

    Args:
        repeats: of the study, whose workers train it.
        trials: returns those of the study, at least one of which is complete when it is asked.
        handed_over: makes the config of an arm's training to the end, of so many epochs, None being
            all of them, and of so many training rows, if they are not all.
        dataset: of the study.
        facts: sizes of what its other trainings see of the data, if they are known.
        seeds: of as many networks as are wanted: of their initial weights and shuffles.
    """

    def __init__(
        self,
        repeats: Repeats,
        trials: Callable[[], Sequence[FrozenTrial]],
        handed_over: Callable[..., Config],
        dataset: Dataset,
        facts: DataFacts | None,
        seeds: Sequence[int],
    ) -> None:
        self._seeds = seeds
        self._repeats, self._trials, self._handed_over = repeats, trials, handed_over
        self._facts = facts
        self._known: dict[str, float] = {}  # seconds of an epoch that were timed, by network
        self._n_rows = len(dataset.train_rows)
        # Rows of it over training rows, and over those of another training.
        self._whole = 1 + len(dataset.validation_rows) / self._n_rows
        self._more = self._whole * self._n_rows / (self._n_rows if facts is None else facts.n_rows)

    def trainings(
        self, arms: Sequence[Arm], pace: float | None, slower: float = 1.0
    ) -> list[tuple[float, float]]:
        """Estimates the seconds of a training as long as its others, and of one to the end.

        Where the others leave rows out the former does, too.

        Args:
            arms: that may win, each of which has its pair; those that may not are left out.
            pace: seconds that a unit of work took in the search, if that is known.
            slower: how much longer trainings take here, but for those that were timed.
        """
        winners, share = _winners(arms), self._whole / self._more
        return [
            (share * arm.config.epochs * epoch, self._handed_over(arm, None).epochs * epoch)
            for arm, epoch in zip(winners, self._epochs(winners, pace, slower), strict=True)
        ]

    def time_longest(
        self, arms: Sequence[Arm], pace: float | None, slower: float, left: float
    ) -> bool:
        """Times an epoch of the longest training there may be, which is known from then on.

        Args:
            arms: that may win.
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
        at_once = self._if_time_is_short(config, pace)
        self._timed(config, at_once, max(wholes) / config.epochs, left)
        return _network(config) in self._known

    def train(
        self,
        arm: Arm,
        pace: float | None,
        end: float,
        observer: Observer,
        before: Refit | None = None,
    ) -> Trained | None:
        """Trains an arm; returns its networks, None if all failed or would have ended too late.

        Args:
            arm: the winner.
            pace: seconds that a unit of work took in the search, if that is known.
            end: of the time, on the clock of `time.monotonic`.
            observer: is told that it begins.
            before: its networks of an earlier call. Others are trained only if they are more, or
                longer; and none where it is not known whether more were wanted then. Where more
                diverge, the same are returned, and which ones those are.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
        """
        config, seeds = self._handed_over(arm, None), self._seeds
        if before is not None:
            if before.failed is None:
                return None
            seeds = [seed for seed in seeds if seed not in before.failed]
            if not self._is_more(config, None, len(seeds), before):
                return None
        if time.monotonic() >= end:
            return None
        self._repeats.wait(WORKERS_SECONDS)  # where a search was over, none has been needed yet
        left = end - time.monotonic()
        at_once, rows = self._at_once(pace), None
        (epoch,) = self._busy([arm], pace)
        if config.epochs * epoch > PLANNED * left:
            # Epochs are worth more than networks, as far as cores can share the steps of one.
            at_once = self._if_time_is_short(config, pace)
            epoch = self._timed(config, at_once, epoch, left)
            fit = PLANNED * (end - time.monotonic()) / epoch
            least = arm.config.epochs
            if self._leaves_rows:  # as its other trainings do: first epochs go, then rows
                least = min(least, LEAST_EPOCHS)
            epochs = min(config.epochs, max(least, int(fit)))
            config = self._handed_over(arm, epochs)
            if self._leaves_rows and fit < epochs:
                rows = math.ceil(self._n_rows * fit / epochs)
                assert self._facts is not None
                if rows * epochs < self._facts.n_rows * arm.config.epochs:
                    # Less than was confirmed is worth nothing: as much, if that ends in time.
                    rows, epochs = self._facts.n_rows, arm.config.epochs
                epoch *= rows / self._n_rows
                config = self._handed_over(arm, epochs, rows)
        n, late = len(seeds), 0.0
        if math.isfinite(end):
            turns = PLANNED * (end - time.monotonic()) / max(config.epochs * epoch, 1e-9)
            n, late = min(n, at_once * max(1, int(turns))), _LATE * left
        if before is not None and not self._is_more(config, rows, n, before):
            return None
        some = (
            "as many rows as there is time for"
            if self._leaves_rows
            else "all rows but the test rows"
        )
        observer.begin(f"training the winner on {some}")
        ended = self._repeats.whole(
            config,
            seeds[:n],
            at_once=at_once,
            cut=self._cut(rows),
            end=end if math.isfinite(end) else None,
            late=late,
        )
        found = {seed: network for seed, network in ended.items() if network is not None}
        if not found:
            return None
        failed = {*ended} - {*found} | {*self._seeds} - {*seeds}
        networks = together([*found.values()])
        trained = Trained(config, rows, tuple(found), networks, tuple(sorted(failed)))
        if before is None or self._is_more(config, rows, len(found), before):
            return trained
        return trained if is_same(trained, before) else None

    @property
    def n_wanted(self) -> int:
        """Networks that are wanted."""
        return len(self._seeds)

    def first(self, before: Refit, networks: bytes | None) -> Trained:
        """Returns as many networks as are wanted of those that an earlier call trained.

        Args:
            before: those of that call, at least as many.
            networks: of all of them together; None trains them again.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            WorkerLostError: one of them failed.
        """
        fewer = before.first(self.n_wanted)
        kept = self.again(fewer) if networks is None else first_of(networks, self.n_wanted)
        return Trained(fewer.config, fewer.rows, fewer.seeds, kept, fewer.failed or ())

    def again(self, refit: Refit) -> bytes:
        """Trains the networks of a confirmation again, whose checkpoint is gone.

        Raises:
            InterruptedStudyError: a signal came meanwhile.
            WorkerLostError: one of them failed.
        """
        self._repeats.wait(WORKERS_SECONDS)
        at_once = min(self._repeats.places, busy_with())
        ended = self._repeats.whole(
            refit.config, refit.seeds, at_once=at_once, cut=self._cut(refit.rows)
        )
        found = {seed: network for seed, network in ended.items() if network is not None}
        if len(found) < len(refit.seeds):
            raise WorkerLostError("networks that were trained before could not be trained again")
        return together([*found.values()])

    def _cut(self, rows: int | None) -> Cut:
        """Returns the rows of the last training, the same in each call."""
        return Cut(self._seeds[0], rows=rows, whole=True)

    @property
    def _leaves_rows(self) -> bool:
        """Whether the other trainings see a part of the rows: there is no time for all."""
        return self._facts is not None and self._facts.n_rows < self._n_rows

    def _at_once(self, pace: float | None) -> int:
        """Returns how many networks train at once: as many as make the machine busy."""
        shared = sharing(self._trials(), self._repeats.places, pace, self._facts)
        return min(len(self._seeds), max(1, round(shared)))

    def _if_time_is_short(self, config: Config, pace: float | None) -> int:
        """Returns how many train at once where there is no time for all epochs otherwise."""
        assert isinstance(config, MLPConfig)
        is_shared = self._facts is not None and shares_steps(config, self._facts)
        return 1 if is_shared else self._at_once(pace)

    def _is_more(self, config: Config, rows: int | None, n: int, before: Refit) -> bool:
        """Says whether networks are more than those of before, or see more, and are not fewer.

        Args:
            config: of all of them.
            rows: training rows; None is all.
            n: how many.
            before: the others.
        """
        seen = config.epochs * (rows or self._n_rows)
        earlier = before.config.epochs * (before.rows or self._n_rows)
        now, then = (seen, n), (earlier, len(before.seeds))
        return now != then and seen >= earlier and n >= len(before.seeds)

    def _epochs(self, arms: Sequence[Arm], pace: float | None, slower: float) -> list[float]:
        """Returns how long an epoch of each arm takes, as it was timed or is expected."""
        expected = zip(arms, self._busy(arms, pace), strict=True)
        return [
            self._known.get(_network(self._handed_over(arm, None)), slower * epoch)
            for arm, epoch in expected
        ]

    def _busy(self, arms: Sequence[Arm], pace: float | None) -> list[float]:
        """Estimates how long an epoch of each arm takes, on all rows, where the machine is busy."""
        places, trials = self._repeats.places, self._trials()
        each = costs(arms, trials, places, pace, self._facts)
        alike = self._more * sharing(trials, places, pace, self._facts)
        return [alike * cost / arm.config.epochs for arm, cost in zip(arms, each, strict=True)]

    def _timed(self, config: Config, n: int, estimate: float, left: float) -> float:
        """Returns how long an epoch takes: it is tried, unless that takes too much of what is left.

        On a share of the rows, so that it takes about a second.

        Args:
            config: of the network.
            n: how many like it train at once.
            estimate: seconds that it is expected to take.
            left: seconds that there are.
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
            seconds = n * self._repeats.epoch_seconds(
                config, self._seeds[:n], n=n, epochs=epochs, rows=rows, is_alone=n == 1
            )
        except WorkerLostError:
            return estimate
        whole = self._whole * seconds * self._n_rows / rows
        known = self._known[_network(config)] = max(FASTEST * estimate, whole)
        return known


def is_same(trained: Trained, refit: Refit) -> bool:
    """Says whether networks, and so their scores, are those of a last training before."""
    made = trained.config, trained.rows, trained.seeds
    return made == (refit.config, refit.rows, refit.seeds)


def _winners(arms: Sequence[Arm]) -> list[Arm]:
    """Returns the arms that may win and be trained once more."""
    return [arm for arm in arms if arm.is_allowed and isinstance(arm.config, MLPConfig)]


def _network(config: Config) -> str:
    """Names a network and its training, but for its length."""
    return config.model_copy(update={"epochs": 1}).to_json()
