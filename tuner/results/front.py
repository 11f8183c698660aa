"""How good networks of each size are: the front of a study, read from its files."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..errors import InputError
from ..network.config import MLPConfig
from ..system import paths
from . import html
from .arms import Arm, Direction, Estimate
from .best import read_kept, study_name
from .stored import Stored
from .winner import Confirmation
from .wording import estimate, number


class Point(BaseModel):
    """One network of a front.

    Attributes:
        arm: its config, its number of parameters, and its scores over the seeds.
        score: mean of them, with its error for other rows.
        behind: what the winner gains over it, seed by seed; None of the winner itself, and where
            that could not be trained again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Arm
    score: Estimate
    behind: Estimate | None = None


class Front(Stored):
    """Networks of which none is both smaller and better in the mean, all over the same seeds.

    Attributes:
        study: its name.
        metric: of the scores.
        direction: which way it is better.
        winner: name of the confirmed winner among all points.
        config: of the winner.
        seeds: that each was trained over: those of the confirmation.
        identity: of the confirmation.
        points: of the front, from the smallest network to the largest.
        others: that were trained, too, and are no better than a smaller one.
        seconds: that it took.
    """

    study: str
    metric: str
    direction: Direction
    winner: str
    config: MLPConfig
    identity: str
    seeds: tuple[int, ...]
    points: tuple[Point, ...]
    others: tuple[Point, ...]
    seconds: float

    @property
    def n_networks(self) -> int:
        """Networks that were trained over the seeds."""
        return len(self.points) + len(self.others)

    def at(self, n_parameters: int) -> Point:
        """Returns the best network of at most so many parameters.

        Raises:
            InputError: all are larger.
        """
        fitting = [each for each in self.points if each.arm.n_parameters <= n_parameters]
        if not fitting:
            least = min(each.arm.n_parameters for each in self.points)
            raise InputError(
                f"study {self.study!r} has no network of {n_parameters:,} parameters or fewer: "
                f"the smallest one of its front has {least:,}"
            )
        return fitting[-1]

    def is_of(self, confirmation: Confirmation | None) -> bool:
        """Says whether it is of this confirmation, or of an earlier one."""
        return confirmation is not None and (
            (self.metric, self.config, self.identity, self.seeds)
            == (
                confirmation.metric,
                confirmation.winning.config,
                confirmation.identity,
                confirmation.seeds,
            )
        )

    @property
    def told(self) -> list[tuple[str, str, str, str]]:
        """A row for each point, and for the winner: `told_of` them."""
        winner = [each for each in self.others if self._is_winner(each)]
        return [self.told_of(each) for each in (*self.points, *winner)]

    def told_of(self, point: Point) -> tuple[str, str, str, str]:
        """Returns parameters, score, what the winner gains over it, and what it is.

        Without errors where two seeds are too few for one.
        """
        named = f"{point.arm.name}, the winner" if self._is_winner(point) else point.arm.name
        gains = "" if point.behind is None else self._estimate(point.behind)
        return f"{point.arm.n_parameters:,}", self._estimate(point.score), gains, named

    def _is_winner(self, point: Point) -> bool:
        return bool(point.arm.config == self.config)

    def _estimate(self, found: Estimate) -> str:
        return estimate(found) if found.n > 2 else number(found.mean)

    @property
    def head(self) -> tuple[str, str, str, str]:
        """Titles of what `told` tells."""
        return "parameters", self.metric, "the winner gains", "network"

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        title = f"{self.study}: the best networks of each size, over {len(self.seeds)} seeds"
        return html.heading(title) + html.table(self.head, self.told)


def kept_front(study: str | Path) -> Front:
    """Reads the front of a study; needs neither torch nor the data.

    Args:
        study: its name or its file.

    Raises:
        InputError: there is none yet, or its file cannot be read.
    """
    name = study_name(study)
    path = paths.study_folder(name) / "front.json"
    return read_kept(Front, path, f"study {name!r} has no front yet (tuner front {study})")
