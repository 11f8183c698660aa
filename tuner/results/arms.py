"""Configs that were trained again over seeds, and what their scores say: means, errors, gains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..network.config import Config

Direction = Literal["maximize", "minimize"]


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
        n = len(scores)
        # From one of them: equal scores have a variance of 0, however their mean is rounded.
        far = [score - scores[0] for score in scores]
        middle = statistics.fmean(far)
        variance = math.fsum((each - middle) ** 2 for each in far) / (n - 1)
        error = max(least, math.sqrt(variance * (1 / n + overlap) + rows_error**2))
        return cls(mean=statistics.fmean(scores), standard_error=error, n=n)


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
