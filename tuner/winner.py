"""What was found when the best configs were trained again over fresh seeds, and who won.

The best of many noisy scores is better than its config: the search picked it for its luck, too. So
the best few are trained again, on seeds that the search never saw, and the winner is picked from
those scores.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from .config import Config

Direction = Literal["maximize", "minimize"]


class Estimate(BaseModel):
    """A mean over seeds.

    Attributes:
        mean: of the scores.
        standard_error: of that mean: standard deviation (n - 1) over the root of n.
        n: scores, at least 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    standard_error: float
    n: Annotated[int, Field(ge=2)]

    @classmethod
    def of(cls, scores: Sequence[float]) -> Self:
        """Estimates the mean that such scores scatter around.

        >>> Estimate.of([1.0, 2.0, 3.0]).mean
        2.0
        """
        return cls(
            mean=statistics.fmean(scores),
            standard_error=statistics.stdev(scores) / math.sqrt(len(scores)),
            n=len(scores),
        )


class Arm(BaseModel):
    """One config, trained again over the seeds.

    Attributes:
        name: "trial 17", or the name of a rule preset such as "note".
        trial: the trial that found it; None of a preset.
        config: the network and its training.
        n_parameters: trainable numbers of the network; 0 if no training of it ended.
        search: its score in the search; None of a preset.
        scores: of the metric, on the validation rows of each seed's own cut, in the seeds' order;
            () if one of the trainings failed.
        tests: of the same metric, on the test rows, once it was the winner's or a preset's turn.
        reason: why there are no scores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    trial: int | None
    config: Config
    n_parameters: int
    search: float | None
    scores: tuple[float, ...]
    tests: tuple[float, ...] = ()
    reason: str = ""

    @property
    def confirmed(self) -> Estimate | None:
        """Mean and standard error of the scores, if there are any."""
        return Estimate.of(self.scores) if self.scores else None

    @property
    def test(self) -> Estimate | None:
        """Mean and standard error of the scores on the test rows, if it was scored there."""
        return Estimate.of(self.tests) if self.tests else None


class Confirmation(BaseModel):
    """The best configs of a search and the presets of the rules, all over the same seeds.

    Attributes:
        metric: that arms are compared by.
        direction: which way it is better.
        seeds: each decided the initial weights, the shuffles, and which rows were cut off to
            validate on.
        arms: the best configs of the search, best first by its scores, then the presets.
        winner: name of the arm that won.
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

    def arm(self, name: str) -> Arm:
        """Returns the arm of this name."""
        return {arm.name: arm for arm in self.arms}[name]

    @property
    def winning(self) -> Arm:
        """The arm that won."""
        return self.arm(self.winner)

    @property
    def presets(self) -> tuple[Arm, ...]:
        """The arms that the search did not find."""
        return tuple(arm for arm in self.arms if arm.trial is None)

    @property
    def optimism(self) -> float:
        """How much better the winner looked in the search than it is: above 0 if it did."""
        winning = self.winning
        assert winning.search is not None and winning.confirmed is not None
        return self._sign * (winning.search - winning.confirmed.mean)

    def gain(self, over: Arm) -> Estimate | None:
        """What the winner gains over an arm, above 0 if it is better.

        The mean of the differences seed by seed, with its standard error; None without scores.
        """
        if not over.scores:
            return None
        pairs = zip(self.winning.scores, over.scores, strict=True)
        return Estimate.of([self._sign * (ours - theirs) for ours, theirs in pairs])

    @property
    def _sign(self) -> int:
        return 1 if self.direction == "maximize" else -1


def choose(arms: Sequence[Arm], direction: Direction) -> Arm | None:
    """Picks the winner: of the arms within one standard error of the best mean, the smallest.

    The standard error is the best one's own (the "one standard error rule" of Breiman et al. 1984,
    Classification and Regression Trees, section 3.4.3). Of equally small ones the better mean wins.

    Args:
        arms: candidates; those without scores cannot win.
        direction: which way a score is better.
    """
    sign = 1 if direction == "maximize" else -1
    scored = [(arm, estimate) for arm in arms if (estimate := arm.confirmed) is not None]
    if not scored:
        return None
    _, best = max(scored, key=lambda pair: sign * pair[1].mean)
    near = [
        (arm, estimate)
        for arm, estimate in scored
        if sign * (best.mean - estimate.mean) <= best.standard_error
    ]
    return min(near, key=lambda pair: (pair[0].n_parameters, -sign * pair[1].mean))[0]


class Confirmed(BaseModel):
    """What is known of a winner beyond its score in the search.

    Attributes:
        validation: of the metric over the seeds, each with validation rows of its own.
        test: of the same metric on the test rows, over the same networks; None if that part was
            not opened.
        test_metric: its name; "" if that part was not opened.
        test_openings: times that the test part was opened for this study.
        optimism: how much better it looked in the search than it is, in the metric's unit.
        seed: of the network in `best.ckpt`, whose score is the median one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: Estimate
    test: Estimate | None
    test_metric: str
    test_openings: int
    optimism: float
    seed: int

    @classmethod
    def of(cls, confirmation: Confirmation) -> Self:
        """Returns what a confirmation says of its winner."""
        winning = confirmation.winning
        assert winning.confirmed is not None
        return cls(
            validation=winning.confirmed,
            test=winning.test,
            test_metric=confirmation.test_metric,
            test_openings=confirmation.test_openings,
            optimism=confirmation.optimism,
            seed=confirmation.seeds[winning.scores.index(statistics.median_low(winning.scores))],
        )
