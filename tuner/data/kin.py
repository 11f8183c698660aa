"""Rows that have to do with each other, and so may not lie on both sides of a cut as they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .rulers import Array

Index = np.ndarray[Any, np.dtype[np.intp]]

#: Share of the rows that is left beside a part of groups, at least.
_LEAST_TRAINS = 0.3


class Kin(ABC):
    """What rows have to do with each other."""

    @abstractmethod
    def rows(self, index: Index) -> Self:
        """Returns what some of the rows have to do with each other."""

    @abstractmethod
    def cut(self, y: Array, n: int, seed: int, fold: int | None) -> tuple[Index, Index]:
        """Cuts about `n` rows off.

        Args:
            y: `(rows,)` class numbers, or `(rows, targets)`.
            n: rows to cut off, about.
            seed: decides which, in [0, 2 ** 32).
            fold: of a cross-validation, from 0; None draws.

        Returns:
            The numbers of the others and of those that are cut off.

        Raises:
            ValueError: they cannot be told apart.
        """

    def cut_last(self, y: Array, n: int, seed: int) -> tuple[Index, Index]:
        """As `cut`, of rows that stay apart for good, such as test rows."""
        return self.cut(y, n, seed, None)


@dataclass(frozen=True)
class Groups(Kin):
    """Rows of a group lie on one side of every cut.

    Attributes:
        of: `(rows,)` number of each row's group.
    """

    of: Array

    def rows(self, index: Index) -> Groups:
        """As `Kin` says."""
        return Groups(self.of[index])

    def cut(self, y: Array, n: int, seed: int, fold: int | None) -> tuple[Index, Index]:
        """As `Kin` says; in a classification each class keeps its share as far as that can be."""
        from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

        n_groups = len(np.unique(self.of))
        if n_groups < 2:
            raise ValueError("all rows are of one group")
        n_parts = min(max(2, round(len(y) / n)), n_groups)
        turn, number = divmod(fold or 0, n_parts)
        drawn = int(np.random.default_rng([seed, turn]).integers(2**31))
        kind = StratifiedGroupKFold if y.ndim == 1 else GroupKFold
        parts = kind(n_parts, shuffle=True, random_state=drawn).split(y, y, self.of)
        every = [*parts]
        for train, cut in (*every[number:], *every[:number]):
            if len(train) >= _LEAST_TRAINS * len(y) and len(cut):
                return train, cut
        raise ValueError("a group has nearly all rows")


@dataclass(frozen=True)
class Times(Kin):
    """Rows that are cut off are later than all others (rolling origin, Tashman 2000).

    Attributes:
        at: `(rows,)` float64.
    """

    at: Array

    def rows(self, index: Index) -> Times:
        """As `Kin` says."""
        return Times(self.at[index])

    def cut(self, y: Array, n: int, seed: int, fold: int | None) -> tuple[Index, Index]:
        """Cuts `n` rows off that follow on a point in the later half; what comes after is unused.

        The first fold ends with the last row, the next ones before it; all others are drawn.
        """
        most, half = len(y) - n, len(y) // 2
        begin = most if fold is None else most - fold * n
        if (fold is None or begin < half) and most > half:
            begin = int(np.random.default_rng([seed, fold or 0]).integers(half, most + 1))
        return self._at(max(begin, 1), n)

    def cut_last(self, y: Array, n: int, seed: int) -> tuple[Index, Index]:
        """Cuts the last rows off."""
        return self._at(len(y) - n, n)

    def _at(self, begin: int, n: int) -> tuple[Index, Index]:
        """Cuts before the row of this rank; rows of one time stay together, with the later ones."""
        order = np.argsort(self.at, kind="stable")
        at = self.at[order]
        first = int(np.searchsorted(at, at[begin], "left"))
        if first == 0:  # the earliest time has so many rows
            first = int(np.searchsorted(at, at[0], "right"))
            if first == len(at):
                raise ValueError("all rows are of one time")
        last = int(np.searchsorted(at, at[min(first + n, len(at)) - 1], "right"))
        return order[:first], order[first:last]
