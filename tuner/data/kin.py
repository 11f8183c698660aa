"""Rows that have to do with each other, and so may not lie on both sides of a cut as they come."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from .rulers import Array, Index

#: Share of the rows that should train, which is left to do so at least.
_LEAST_TRAINS = 0.3
#: Groups from which on they are dealt out by their mean target alone.
_MANY_GROUPS = 2_000


class Kin(ABC):
    """What rows have to do with each other."""

    #: Whether folds of another seed are other folds.
    has_folds: ClassVar[bool] = True

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of it."""

    def prepare(self) -> None:  # noqa: B027, most need nothing
        """Loads what its cuts need, for seconds that are then not those of a training."""

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

    @property
    def fingerprint(self) -> str:
        """As `Kin` says."""
        return _hash("groups", self.of)

    def prepare(self) -> None:
        """As `Kin` says."""
        import sklearn.model_selection  # noqa: F401

    def rows(self, index: Index) -> Groups:
        """As `Kin` says."""
        return Groups(self.of[index])

    def cut(self, y: Array, n: int, seed: int, fold: int | None) -> tuple[Index, Index]:
        """As `Kin` says; in a classification each class keeps its share as far as that can be."""
        n_groups = len(np.unique(self.of))
        if n_groups < 2:
            raise ValueError("all rows are of one group")
        n_parts = min(max(2, round(len(y) / n)), n_groups)
        turn, number = divmod(fold or 0, n_parts)
        part = self._parts(y, n_parts, int(np.random.default_rng([seed, turn]).integers(2**31)))
        for each in (*range(number, n_parts), *range(number)):
            train, cut = np.flatnonzero(part != each), np.flatnonzero(part == each)
            if len(train) >= _LEAST_TRAINS * len(y) and len(cut):
                return train, cut
        raise ValueError("a group has nearly all rows")

    def _parts(self, y: Array, n_parts: int, seed: int) -> Index:
        """Deals groups out to parts; returns the part of each row."""
        from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

        _, group, sizes = np.unique(self.of, return_inverse=True, return_counts=True)
        if len(sizes) > _MANY_GROUPS:  # of which scikit-learn looks at one after the other
            key = (y if y.ndim == 1 else y[:, 0]).astype(np.float64)
            means = np.bincount(group, key) / sizes
            return dealt(means, n_parts, np.random.default_rng(seed))[group]
        kind = StratifiedGroupKFold if y.ndim == 1 else GroupKFold
        part = np.empty(len(y), np.intp)
        splits = kind(n_parts, shuffle=True, random_state=seed).split(y, y, self.of)
        for number, (_, cut) in enumerate(splits):
            part[cut] = number
        return part


@dataclass(frozen=True)
class Times(Kin):
    """Rows that are cut off are later than all others (rolling origin, Tashman 2000).

    Attributes:
        at: `(rows,)` float64.
    """

    at: Array
    has_folds: ClassVar[bool] = False  # the first ones end where all rows do

    @property
    def fingerprint(self) -> str:
        """As `Kin` says."""
        return _hash("times", self.at)

    def rows(self, index: Index) -> Times:
        """As `Kin` says."""
        return Times(self.at[index])

    def cut(self, y: Array, n: int, seed: int, fold: int | None) -> tuple[Index, Index]:
        """Cuts `n` rows off that follow on a point in the later half; what comes after is unused.

        The first fold ends with the last row, the next ones before it; all others are drawn.
        """
        most, half = len(y) - n, len(y) // 2
        begin = most if fold is None else most - fold * n
        if fold is None or begin < half:
            low = min(half, most)
            begin = int(np.random.default_rng([seed, fold or 0]).integers(low, most + 1))
        return self._at(begin, n)

    def cut_last(self, y: Array, n: int, seed: int) -> tuple[Index, Index]:
        """Cuts the last rows off, all that there are from some time on."""
        return self._at(len(y) - n, len(y))

    def _at(self, begin: int, n: int) -> tuple[Index, Index]:
        """Cuts `n` rows off from this rank on; rows of one time stay together, with the later."""
        order = np.argsort(self.at, kind="stable")
        at = self.at[order]
        first = int(np.searchsorted(at, at[begin], "left"))
        if first < _LEAST_TRAINS * min(begin, len(at) - 1):  # a time has very many rows
            first = int(np.searchsorted(at, at[begin], "right"))
        if first == len(at):
            raise ValueError("all rows are of one time, or nearly all")
        last = int(np.searchsorted(at, at[min(first + n, len(at)) - 1], "right"))
        return order[:first], order[first:last]


def _hash(name: str, values: Array) -> str:
    return hashlib.sha256(name.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()


def dealt(key: Array, n_parts: int, generator: np.random.Generator) -> Index:
    """Deals things out to parts of nearly one size so that each has its share of every key.

    Those next to each other by their key go to different parts.

    Args:
        key: `(things,)`.
        n_parts: how many parts.
        generator: decides among those of one key.

    Returns:
        The part of each, from 0.
    """
    order = generator.permutation(len(key))
    order = order[np.argsort(key[order], kind="stable")]
    n_rounds = -(-len(key) // n_parts)
    parts = generator.permuted(np.tile(np.arange(n_parts), (n_rounds, 1)), axis=1).ravel()
    part = np.empty(len(key), np.intp)
    part[order] = parts[: len(key)]
    return part
