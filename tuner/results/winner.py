"""What was found when the best configs were trained again over fresh seeds, and who won.

The best of many noisy scores is better than its config: the search picked it for its luck, too. So
the best few are trained again, on seeds that the search never saw, and the winner is picked from
those scores.
"""

from __future__ import annotations

import math
import statistics
from typing import Self

from pydantic import BaseModel, ConfigDict

from ..network.config import Config
from .arms import Arm, Direction, Estimate, difference, share_error
from .choice import Select, is_near
from .stored import Stored

#: Metrics that are shares of rows, or behave like one: 1 is the best, and may be luck.
_SHARES = ("val_accuracy", "val_balanced_accuracy", "val_f1", "val_roc_auc")


class Refit(BaseModel):
    """The winner trained to the end, on all rows but the test rows.

    Attributes:
        config: the winner's, maybe with more epochs.
        seed: of the initial weights and the shuffles.
        test: score on the test rows; None if that part was not opened.
        others: seeds of more networks like it, which predict with it as an ensemble.
        ensemble_test: score of the ensemble on the test rows; None if that part was not opened, or
            if there are no others.
        metrics: of all its networks together on the test rows, by name; {} if those were not
            opened.
        confusion: test rows of each class by the class that was predicted; () where there is none.
        calibration: of test rows by the probability of a class, its mean, how often it was that
            class, and the number of rows; () where there is none.
        agreement: true and predicted values of some test rows; () in a classification.
        rows: training rows that there was time for, and of the others the same share; None is all.
        failed: seeds of networks whose training diverged; None where that is not known, as of an
            earlier version, which did not say how many were wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Config
    seed: int
    test: float | None
    others: tuple[int, ...] = ()
    ensemble_test: float | None = None
    metrics: dict[str, float] = {}
    confusion: tuple[tuple[int, ...], ...] = ()
    calibration: tuple[tuple[float, float, int], ...] = ()
    agreement: tuple[tuple[float, float], ...] = ()
    rows: int | None = None
    failed: tuple[int, ...] | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of all its networks."""
        return (self.seed, *self.others)

    def first(self, n: int) -> Refit:
        """Returns it with its first networks alone, one at least."""
        update = {"others": self.others[: n - 1], "failed": self.failed or ()}
        return self.model_copy(update=update)


class Confirmation(Stored):
    """The best configs of a search and the presets of the rules, all over the same seeds.

    Attributes:
        metric: that arms are compared by.
        direction: which way it is better.
        seeds: each decided the initial weights, the shuffles, and which rows were cut off to
            validate on.
        arms: those with most seeds first, the best of them first; then those that were given up.
        winner: name of the arm that won.
        select: how it was picked; see `choose`.
        refit: the winner's last training, if there was time for it.
        overlap: validation rows over training rows of each seed's cut; 0 where that is not known.
        n_rows: that cuts are of; 0 where that is not known.
        rows: training rows of each cut, where it is of some of the rows only; None is all.
        identity: all besides configs and seeds that the scores follow from, as a hash; "" where
            that is not known.
        search_best: number of the trial that the search called the best.
        test_metric: that `tests` are of; "" where the test part was not scored.
        test_openings: times that the test part was opened for this study, this one included.
        seconds: that it took.
    """

    metric: str
    direction: Direction
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    winner: str
    search_best: int
    test_metric: str = ""
    test_openings: int = 0
    seconds: float
    select: Select = "one_se"
    refit: Refit | None = None
    overlap: float = 0.0
    n_rows: int = 0
    rows: int | None = None
    identity: str = ""

    def arm(self, name: str) -> Arm:
        """Returns the arm of this name."""
        return {arm.name: arm for arm in self.arms}[name]

    @property
    def winning(self) -> Arm:
        """The arm that won."""
        return self.arm(self.winner)

    @property
    def presets(self) -> tuple[Arm, ...]:
        """The arms that the search began with, and did not find."""
        return tuple(arm for arm in self.arms if arm.is_preset or arm.trial is None)

    def estimate(self, arm: Arm) -> Estimate | None:
        """Returns the mean of an arm's scores on validation rows, with its error for other rows.

        That of a share is at least what so many rows tell of one as have validated it, also where
        each seed has the same one: that of 1 is else sure.
        """
        if not arm.scores:
            return None
        least = 0.0
        if self.metric in _SHARES and self.n_rows:
            cut = self.overlap / (1 + self.overlap) if self.overlap else 1.0
            n = math.ceil(self.n_rows * min(1.0, len(arm.scores) * cut))
            least = share_error(statistics.fmean(arm.scores), n)
        return Estimate.of(arm.scores, overlap=self.overlap, least=least)

    @property
    def optimism(self) -> float | None:
        """How much better the winner looked in the search than it is: above 0 if it did.

        None of a preset that the search did not complete, and of a config that was trained for
        fewer epochs there.
        """
        winning = self.winning
        if winning.search is None or winning.search_epochs not in (None, winning.config.epochs):
            return None
        return self._sign * (winning.search - statistics.fmean(winning.scores))

    def gain(self, over: Arm) -> Estimate | None:
        """What the winner gains over an arm, above 0 if it is better.

        The mean of the differences over the seeds that both have, with its standard error for
        other rows; None without scores.
        """
        return difference(self.winning, over, self.direction, overlap=self.overlap)

    @property
    def smaller(self) -> Arm | None:
        """The smallest network that is within one standard error of the winner, if one is smaller.

        The error is that of the differences seed by seed.
        """
        winning = self.winning
        near = [
            arm
            for arm in self.arms
            if arm.is_allowed
            and arm.n_parameters < winning.n_parameters
            and len(arm.scores) == len(winning.scores)
            and is_near(winning, arm, self.direction)
        ]
        return min(near, key=lambda arm: arm.n_parameters, default=None)

    @property
    def _sign(self) -> int:
        return 1 if self.direction == "maximize" else -1


class Confirmed(BaseModel):
    """What is known of a winner beyond its score in the search.

    Attributes:
        validation: of the metric over the seeds, each with validation rows of its own.
        test: of the same metric on the test rows, over the same networks; None if that part was
            not opened.
        test_metric: its name; "" if that part was not opened.
        test_openings: times that the test part was opened for this study.
        has_rows_error: the error of `test` is that of other test rows, too; else of other seeds
            alone.
        optimism: how much better its score in the search is than the confirmed mean, below 0 if it
            is worse; None where that cannot be compared.
        epochs: of the trainings over the seeds.
        rows: that each of them trained on, where it was some of the rows only; None is all.
        seed: of the network in `best.ckpt`: the one that was trained on all rows but the test rows,
            or else the one with the median score.
        is_refit: that network was trained on all rows but the test rows.
        refit_rows: or on so many training rows, and of the validation rows the same share, where
            there was no time for all; None is all.
        network_test: its score on the test rows; None if that part was not opened.
        members: networks in `best.ckpt`, which predict together as `tuner.load_ensemble`.
        ensemble_test: score of all of them together on the test rows; None if that part was not
            opened, or if there is but one.
        metrics: of all of them together on the test rows, by name; {} if that part was not opened.
        confusion: test rows of each class by the class that was predicted; () where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: Estimate
    test: Estimate | None
    test_metric: str
    test_openings: int
    optimism: float | None
    seed: int
    epochs: int | None = None
    rows: int | None = None
    is_refit: bool = False
    refit_rows: int | None = None
    network_test: float | None = None
    members: int = 1
    ensemble_test: float | None = None
    has_rows_error: bool = False
    metrics: dict[str, float] = {}
    confusion: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, confirmation: Confirmation) -> Self:
        """Returns what a confirmation says of its winner."""
        winning = confirmation.winning
        validation = confirmation.estimate(winning)
        assert validation is not None
        at = winning.scores.index(statistics.median_low(winning.scores))
        seed, test = confirmation.seeds[at], winning.tests[at] if winning.tests else None
        refit = confirmation.refit
        if refit is not None:
            seed, test = refit.seed, refit.test
        return cls(
            validation=validation,
            test=winning.test,
            has_rows_error=winning.rows_error is not None,
            test_metric=confirmation.test_metric,
            test_openings=confirmation.test_openings,
            optimism=confirmation.optimism,
            seed=seed,
            epochs=winning.config.epochs,
            rows=confirmation.rows,
            is_refit=refit is not None,
            refit_rows=None if refit is None else refit.rows,
            network_test=test,
            members=1 if refit is None else len(refit.seeds),
            ensemble_test=None if refit is None else refit.ensemble_test,
            metrics={} if refit is None else refit.metrics,
            confusion=() if refit is None else refit.confusion,
        )
