"""What was found when the best configs were trained again over fresh seeds, and who won.

The best of many noisy scores is better than its config: the search picked it for its luck, too. So
the best few are trained again, on seeds that the search never saw, and the winner is picked from
those scores.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..network.config import Config

Direction = Literal["maximize", "minimize"]
Select = Literal["proven", "best", "one_se"]

#: Errors by which a trial must be better than a preset to be proven so, where the search has chosen
#: it by all the rows that confirm it: 95% of one side of a normal distribution.
_PROOF = 1.645


class Estimate(BaseModel):
    """A mean over seeds.

    Attributes:
        mean: of the scores.
        standard_error: of that mean, for other rows of the same kind; see `of`.
        n: scores, at least 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    standard_error: float
    n: Annotated[int, Field(ge=2)]

    @classmethod
    def of(
        cls,
        scores: Sequence[float],
        *,
        overlap: float = 0.0,
        rows_error: float = 0.0,
        least: float = 0.0,
    ) -> Self:
        """Estimates the mean that such scores scatter around.

        The error is the root of `s ** 2 * (1 / n + overlap) + rows_error ** 2`, `s` being the
        standard deviation (n - 1) of n scores. Cuts of the same rows overlap, and so their scores
        scatter less than those of other rows would: the correction of Nadeau and Bengio 2003,
        Inference for the generalization error, section 3.

        Args:
            scores: two at least.
            overlap: validation rows over training rows, where each score has a cut of its own.
            rows_error: standard error of one score for other rows, where all are of the same rows.
            least: error below which the rows are too few to know the mean, whatever scores say.

        >>> Estimate.of([1.0, 2.0, 3.0]).mean
        2.0
        """
        variance = statistics.variance(scores) * (1 / len(scores) + overlap) + rows_error**2
        error = max(least, math.sqrt(variance))
        return cls(mean=statistics.fmean(scores), standard_error=error, n=len(scores))


def share_error(share: float, n: int) -> float:
    """Returns the standard error of a share that was found in n independent rows.

    Two rows on either side are added first (Agresti and Coull 1998, Approximate is better than
    "exact"), since otherwise a share of 1 would be sure, however few the rows.

    >>> round(share_error(1.0, 100), 4)
    0.0135
    """
    adjusted = (share * n + 2) / (n + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (n + 4))


class Arm(BaseModel):
    """One config, trained again over the seeds.

    Attributes:
        name: "trial 17", or the name of a rule preset such as "note".
        trial: the complete trial that had this config; None if none had.
        config: the network and its training.
        n_parameters: trainable numbers of the network; 0 if no training of it ended.
        search: its score in the search; None without a trial.
        search_epochs: that it was trained for there.
        scores: of the metric, on the validation rows of each seed's own cut, in the seeds' order;
            of the first seeds only, where others were clearly better; () if a training failed.
        tests: of the same metric, on the test rows, once it was the winner's or a preset's turn.
        rows_error: standard error of one of them for other test rows, in the mean; None where that
            is not known.
        reason: why there are no scores.
        is_preset: it is one of the rules' and of today's practice.
        is_allowed: the study file allows it; others are compared and cannot win.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    trial: int | None
    config: Config
    n_parameters: int
    search: float | None
    search_epochs: int | None = None
    scores: tuple[float, ...]
    tests: tuple[float, ...] = ()
    rows_error: float | None = None
    reason: str = ""
    is_preset: bool = False
    is_allowed: bool = True

    @property
    def test(self) -> Estimate | None:
        """Mean of the scores on the test rows, if it was scored there.

        Its error is that of other test rows and other seeds together; of other seeds alone where
        there is no `rows_error`.
        """
        if not self.tests:
            return None
        return Estimate.of(self.tests, rows_error=self.rows_error or 0.0)


class Refit(BaseModel):
    """The winner trained to the end, on all rows but the test rows.

    Attributes:
        config: the winner's, maybe with more epochs.
        seed: of the initial weights and the shuffles.
        test: score on the test rows; None if that part was not opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Config
    seed: int
    test: float | None


class Confirmation(BaseModel):
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
        identity: all besides configs and seeds that the scores follow from, as a hash; "" where
            that is not known.
        search_best: number of the trial that the search called the best.
        test_metric: that `tests` are of; "" where the test part was not scored.
        test_openings: times that the test part was opened for this study, this one included.
        seconds: that it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    identity: str = ""

    @classmethod
    def kept(cls, text: str | None) -> Self | None:
        """Reads what the store keeps of the last confirmation of a study, if there was one.

        What another version of this package wrote in other words counts as none.
        """
        if text is None:
            return None
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

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

        That of an accuracy is at least what so many rows tell of a share, also where each seed has
        the same one: that of 1 is else sure.
        """
        if not arm.scores:
            return None
        least = 0.0
        if self.metric == "val_accuracy" and self.n_rows:
            least = share_error(statistics.fmean(arm.scores), self.n_rows)
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


def difference(
    ours: Arm, theirs: Arm, direction: Direction, *, overlap: float = 0.0
) -> Estimate | None:
    """Returns what one arm gains over another, over the seeds that both have.

    The mean of the differences seed by seed, above 0 if ours is better, with its standard error;
    None if they share fewer than two seeds.

    Args:
        ours: an arm.
        theirs: another one.
        direction: which way a score is better.
        overlap: as `Estimate.of` takes it.
    """
    sign = 1 if direction == "maximize" else -1
    pairs = list(zip(ours.scores, theirs.scores, strict=False))
    if len(pairs) < 2:
        return None
    return Estimate.of([sign * (a - b) for a, b in pairs], overlap=overlap)


def is_near(best: Arm, arm: Arm, direction: Direction) -> bool:
    """Says whether an arm is at most one standard error of the difference worse than the best."""
    found = difference(best, arm, direction)
    return found is not None and found.mean <= found.standard_error


def usual_error(arms: Sequence[Arm], overlap: float = 0.0) -> float:
    """Returns the standard error of the difference between two arms, for other rows of the kind.

    It is the median over all pairs, since the few seeds of one pair may differ by the same for no
    reason. Cuts of the same rows overlap, so that their differences are alike and scatter less than
    those of new rows would: therefore it is larger by `sqrt(1 + n * overlap)` (Nadeau and Bengio
    2003, Inference for the generalization error, section 3).

    Args:
        arms: two at least, over the same seeds.
        overlap: validation rows over training rows of each cut; 0 takes the error as it is.
    """
    found = [difference(a, b, "maximize") for a, b in combinations(arms, 2)]
    errors = [each.standard_error for each in found if each is not None]
    return statistics.median(errors) * math.sqrt(1 + len(arms[0].scores) * overlap)


def choose(
    arms: Sequence[Arm],
    direction: Direction,
    select: Select = "best",
    *,
    overlap: float = 0.0,
    searched: float = 1.0,
) -> Arm | None:
    """Picks the winner among the arms that were trained over most seeds.

    "best" is the best mean; of equal ones the smallest. "proven" is the best mean, too, unless a
    preset may be as good, which was not searched for, and so is nobody's luck: one within 1.645
    errors of it (95% of one side) if the search has chosen by all the rows that confirm it, and
    within less if it has chosen by some. "one_se" is the smallest of the arms within one standard
    error of it (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Errors
    are those of the differences seed by seed: the cuts differ by more than networks do.

    Args:
        arms: candidates; those without scores, and those that the study file does not allow,
            cannot win.
        direction: which way a score is better.
        select: how to pick.
        overlap: validation rows over training rows of each cut, which makes the error of "proven"
            that of other rows; see `usual_error`.
        searched: share of the rows that the search validated on, from 0 to 1.
    """
    sign = 1 if direction == "maximize" else -1
    most = max((len(arm.scores) for arm in arms if arm.is_allowed), default=0)
    lasted = [arm for arm in arms if arm.scores and len(arm.scores) == most]
    scored = [arm for arm in lasted if arm.is_allowed]
    if not scored:
        return None
    best = max(scored, key=lambda arm: (sign * statistics.fmean(arm.scores), -arm.n_parameters))
    if select == "best" or (select == "proven" and best.is_preset):
        return best
    if select == "proven":
        presets = [arm for arm in scored if arm.is_preset]
        if not presets:
            return best
        error = _PROOF * searched * usual_error(lasted, overlap)
        preset = max(presets, key=lambda arm: sign * statistics.fmean(arm.scores))
        gain = sign * (statistics.fmean(best.scores) - statistics.fmean(preset.scores))
        return preset if gain <= error else best
    near = [arm for arm in scored if arm is best or is_near(best, arm, direction)]
    return min(near, key=lambda arm: (arm.n_parameters, -sign * statistics.fmean(arm.scores)))


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
        seed: of the network in `best.ckpt`: the one that was trained on all rows but the test rows,
            or else the one with the median score.
        is_refit: that network was trained on all rows but the test rows.
        network_test: its score on the test rows; None if that part was not opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: Estimate
    test: Estimate | None
    test_metric: str
    test_openings: int
    optimism: float | None
    seed: int
    epochs: int | None = None
    is_refit: bool = False
    network_test: float | None = None
    has_rows_error: bool = False

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
            is_refit=refit is not None,
            network_test=test,
        )
