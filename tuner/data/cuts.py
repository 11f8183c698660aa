"""Which of the rows that are not test rows train a network, and which score it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .draws import drawn
from .kin import Kin, dealt
from .rulers import Array, Index


@dataclass(frozen=True)
class Cut:
    """One way to cut training and validation rows anew; the test rows stay.

    Attributes:
        seed: decides where each row goes, in [0, 2 ** 32).
        fold: None draws the validation rows; a number from 0 takes a fold of a cross-validation,
            whose folds share no validation rows until all rows had their turn.
        rows: training rows that are kept at most, and of the validation rows the same share; None
            keeps all.
        whole: the validation rows train, too, so that a score on them says nothing.
        by_target: in a regression folds share high and low targets evenly. Their scores are then
            more alike than those of other rows, from which an error would be too small.
    """

    seed: int
    fold: int | None = None
    rows: int | None = None
    whole: bool = False
    by_target: bool = True

    def rows_of(self, y: Array, n_validation: int, kin: Kin | None = None) -> tuple[Index, Index]:
        """Returns the numbers of the training rows and of the validation rows, each increasing.

        Args:
            y: `(rows,)` class numbers, each of which keeps its share, or `(rows, targets)`.
            n_validation: validation rows of a drawn cut; a fold has about as many.
            kin: what rows have to do with each other, if they have.
        """
        if not self.by_target and y.ndim > 1:
            y = np.zeros_like(y)
        if kin is not None:
            train, validation = kin.cut(y, n_validation, self.seed, self.fold)
        elif self.fold is None:
            train, validation = drawn(y, n_validation, self.seed)
        else:
            n_parts = max(2, round(len(y) / n_validation))
            turn, number = divmod(self.fold, n_parts)
            key = y if y.ndim == 1 else y[:, 0]
            part = dealt(key, n_parts, np.random.default_rng([self.seed, turn]))
            train, validation = np.flatnonzero(part != number), np.flatnonzero(part == number)
        if self.rows is not None and self.rows < len(train):
            generator = np.random.default_rng(self.seed)
            n = max(2, round(len(validation) * self.rows / len(train)))
            train = generator.permutation(train)[: self.rows]
            validation = generator.permutation(validation)[:n]
            if self.whole:
                train = np.concatenate([train, validation])
        elif self.whole:
            train = np.arange(len(y))
        return np.sort(train), np.sort(validation)
