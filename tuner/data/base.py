"""What every source gives (`Table`) and what training takes (`Dataset`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..network.config import DataFacts, Extra, Task
from .columns import Encoding
from .cuts import Cut
from .kin import Kin
from .meaning import Called, Meaning
from .rulers import Array, Index, Ruler
from .standardization import Standardization, mean_and_scale, middle_and_scale

#: Rows that are looked at in one go.
_BLOCK_ROWS = 4096
#: Deviations from the mean beyond which a value is an outlier: of a million normal ones, none is.
_FAR = 6.0
#: Scales that inputs of a table tend to (Holzmueller et al. 2024, arXiv:2407.04491, section 3.1).
_LIMIT = 3.0


@dataclass(frozen=True)
class Table:
    """Rows as a source has them.

    Attributes:
        name: the source, for messages.
        x: inputs, `(rows, ...)`; any numbers, any shape after the first axis.
        y: targets, `(rows,)`, or `(rows, targets)` in a regression.
        x_test: inputs of the test part, if the source has one.
        y_test: targets of the test part, if the source has one.
        weights: what each row counts, `(rows,)`, above 0, if not all count alike.
        test_weights: what each row of the test part counts.
        task: what the targets are for, if the source knows.
        columns: names of the inputs, if the source has them.
        target: what the targets are called in messages.
        encoding: how columns of several kinds became `x`, if they did; NaN is a gap there.
        remarks: what was decided about the rows without being told, in sentences.
        kin: what the rows have to do with each other, if they have.
        called: what classes were told as; None where `y` says it.
    """

    name: str
    x: Array
    y: Array
    x_test: Array | None = None
    y_test: Array | None = None
    weights: Array | None = None
    test_weights: Array | None = None
    task: Task | None = None
    columns: tuple[str, ...] = ()
    target: str = "y"
    encoding: Encoding | None = None
    remarks: tuple[str, ...] = ()
    kin: Kin | None = None
    called: Called | None = None


@dataclass(frozen=True)
class Part:
    """Some rows of a data set.

    Attributes:
        x: `(rows, n_inputs)`, not standardized: bytes or float32; float64 or int64 where float32
            would lose what tells rows apart.
        y: `(rows,)` class numbers as int64, or `(rows, n_outputs)` targets as float32.
        weights: `(rows,)` float32, above 0, what each row counts; None if all count alike.
    """

    x: Array
    y: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def numeric(self) -> tuple[int, ...]:
        """Inputs that have three values at least, gaps left out: all but switches and the like."""
        first = self.x[:_BLOCK_ROWS]
        varies: Array = _between(first, np.fmin.reduce(first), np.fmax.reduce(first))
        left = np.flatnonzero(~varies)  # nearly all show it in their first rows
        if len(left):
            low = np.fmin.reduce([np.fmin.reduce(block) for block in self._blocks(left)])
            high = np.fmax.reduce([np.fmax.reduce(block) for block in self._blocks(left)])
            found = [_between(block, low, high) for block in self._blocks(left)]
            varies[left] = np.stack(found).any(0)
        return tuple(np.flatnonzero(varies).tolist())

    def _blocks(self, columns: Array) -> Iterator[Array]:
        """Gives some columns, some rows at a time."""
        for first in range(0, len(self.x), _BLOCK_ROWS):
            yield self.x[first : first + _BLOCK_ROWS, columns]

    def merged(self) -> Part:
        """Returns rows that are the same as one, which counts as much as they do together.

        Their order follows from the rows alone, not from what it was. Rows are held in memory
        twice meanwhile.
        """
        parts = (np.ascontiguousarray(each).reshape(len(self), -1) for each in (self.x, self.y))
        written = np.concatenate([part.view(np.uint8) for part in parts], axis=1)
        whole = written.view(np.dtype((np.void, written.shape[1]))).ravel()
        _, first, place = np.unique(whole, return_index=True, return_inverse=True)
        counted = np.bincount(place, self.weights).astype(np.float32)
        is_alike = bool((counted == counted[0]).all())
        return Part(self.x[first], self.y[first], None if is_alike else counted)

    def rows(self, index: Array) -> Part:
        """Returns the rows of this index, which increases; no copies of rows side by side."""
        if len(index) and index[-1] - index[0] == len(index) - 1:
            return self.taken(slice(int(index[0]), int(index[-1]) + 1))
        return self.taken(index)

    def taken(self, index: Array | slice) -> Part:
        """Returns the rows of this index, in its order."""
        weights = None if self.weights is None else self.weights[index]
        return Part(self.x[index], self.y[index], weights)


@dataclass(frozen=True)
class Dataset:
    """Checked rows in three parts; the search sees `train` and `validation` only.

    Attributes:
        name: the source.
        task: what is learned.
        known: all rows but the test rows.
        train_rows: which of them networks train on, `(rows,)`.
        validation_rows: which of them score networks, `(rows,)`.
        test: rows that a search never sees.
        classes: names of the classes, in the order of the class numbers; () in a regression.
        pixels: inputs share one unit, and so one mean and one scale.
        quartiles: inputs with outliers are scaled by them, and smoothly clipped, so that none is
            far from the others; of the columns of a table all are.
        fingerprint: hash of all rows before the split.
        ruler: measures inputs that float32 cannot tell apart; None where there are none.
        encoding: how columns of a table became inputs; None where they are numbers as they are.
        remarks: what was decided about the rows without being told, in sentences.
        kin: what the known rows have to do with each other, if they have.
        metric: name of one that networks are scored by beside the usual ones; "" is none.
        called: what the classes were told as (`Meaning.called`).
    """

    name: str
    task: Task
    known: Part
    train_rows: Index
    validation_rows: Index
    test: Part
    classes: tuple[str, ...]
    pixels: bool
    fingerprint: str = field(repr=False)
    quartiles: bool = False
    ruler: Ruler | None = field(default=None, repr=False)
    encoding: Encoding | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = field(default=(), repr=False)
    kin: Kin | None = field(default=None, repr=False)
    metric: str = ""
    called: Called = ""

    @cached_property
    def train(self) -> Part:
        """Rows that networks train on; a copy, unless they lie side by side."""
        return self.known.rows(self.train_rows)

    @cached_property
    def validation(self) -> Part:
        """Rows that score networks; a copy, unless they lie side by side."""
        return self.known.rows(self.validation_rows)

    @cached_property
    def facts(self) -> DataFacts:
        """The sizes that the rules of thumb speak of."""
        n_outputs = len(self.classes) if self.classes else self.known.y.shape[1]
        return DataFacts(
            n_inputs=self.known.x.shape[1],
            n_outputs=n_outputs,
            n_rows=len(self.train_rows),
            task=self.task,
            numeric=self._numeric,
            categories=self._categories,
        )

    @property
    def _categories(self) -> tuple[tuple[int, int], ...]:
        return () if self.encoding is None else self.encoding.embedded

    @property
    def _numeric(self) -> tuple[int, ...] | None:
        if self.pixels:
            return ()
        embedded = {index for index, _ in self._categories}
        found = tuple(index for index in self.known.numeric if index not in embedded)
        return None if len(found) == self.known.x.shape[1] else found

    @cached_property
    def rarer(self) -> int | None:
        """Which of two classes has fewer rows; None of more, and in a regression."""
        is_pair = len(self.classes) == 2
        return int(np.bincount(self.known.y, minlength=2).argmin()) if is_pair else None

    @property
    def extra(self) -> Extra | None:
        """The metric that networks are scored by beside the usual ones, if there is one."""
        if not self.metric:
            return None
        return Extra(name=self.metric, task=self.task, rarer=self.rarer)

    @cached_property
    def is_balanced(self) -> bool:
        """Whether each class has a third of the rows that it would have if all had as many."""
        n_classes = len(self.classes)
        if not n_classes:
            return True
        there = np.bincount(self.known.y, self.known.weights, minlength=n_classes)
        return bool(there.min() * 3 * n_classes >= there.sum())

    @cached_property
    def weights(self) -> Array | None:
        """What each of the known rows counts, `(rows,)`, 1 in the mean of the training rows."""
        weights = self.known.weights
        return None if weights is None else weights / weights[self.train_rows].mean()

    @cached_property
    def class_weights(self) -> Array | None:
        """What rows of each class count if all classes shall alike, `(classes,)` float32.

        `rows / (classes * rows of the class)`, as scikit-learn's "balanced" (King and Zeng 2001),
        the rows being those that train, by what they count. None in a regression.
        """
        if not self.classes:
            return None
        y, weights = self.known.y[self.train_rows], self.weights
        counted = None if weights is None else weights[self.train_rows]
        there = np.bincount(y, counted, minlength=len(self.classes))
        balanced = there.sum() / (len(there) * np.where(there > 0, there, 1.0))
        return np.where(there > 0, balanced, 0.0).astype(np.float32)

    @property
    def meaning(self) -> Meaning:
        """What the inputs and outputs of its networks mean."""
        return Meaning(
            task=self.task, classes=self.classes, encoding=self.encoding, called=self.called
        )

    def measured(self, x: Array) -> Array:
        """Returns inputs `(rows, n_inputs)` as networks standardize them: bytes or float32."""
        return x if self.ruler is None else self.ruler.measure(x)

    @cached_property
    def standardization(self) -> Standardization:
        """Of the training rows: mean and deviation, or what outliers do not move.

        For pixels mean and deviation are over all inputs.
        """
        n_inputs, n_outputs = self.facts.n_inputs, self.facts.n_outputs
        mean, scale, limit = self._input_scales
        targets = np.zeros((1, n_outputs))
        if self.task == "regression":
            targets = self.known.y[self.train_rows].astype(np.float64)
        target_mean, target_scale = mean_and_scale(lambda: iter([targets]), 0)
        return Standardization(
            input_mean=np.full(n_inputs, mean, np.float32),
            input_scale=np.full(n_inputs, scale, np.float32),
            target_mean=target_mean.astype(np.float32),
            target_scale=target_scale.astype(np.float32),
            input_limit=limit,
            codes=self._codes(),
        )

    @property
    def _input_scales(self) -> tuple[Array, Array, Array | None]:
        """Middle and scale of the inputs, and the limits that they tend to, if they do."""
        if not self.quartiles:
            return (*mean_and_scale(self._blocks, None if self.pixels else 0), None)
        n_inputs = self.facts.n_inputs
        if self.encoding is not None:
            middle, scale, wild = np.zeros(n_inputs), np.ones(n_inputs), np.full(n_inputs, True)
            wild[[index for index, _ in self._categories]] = False
        else:
            middle, scale = mean_and_scale(self._blocks, 0)
            far = np.maximum.reduce([np.abs(block - middle).max(0) for block in self._blocks()])
            wild = far > _FAR * scale
            if not wild.any():
                return middle, scale, None
        middle[wild], scale[wild] = middle_and_scale(
            self.known.x, self.train_rows, np.flatnonzero(wild)
        )
        return middle, scale, np.where(wild, _LIMIT, np.inf).astype(np.float32)

    def _codes(self) -> Array | None:
        """As `Standardization.codes`."""
        if not self._categories:
            return None
        found = [np.arange(n) for _, n in self._categories]
        for codes, (index, n) in zip(found, self._categories, strict=True):
            trained = self.known.x[self.train_rows, index].astype(np.int64)
            codes[np.bincount(trained, minlength=n) == 0] = 0
        return np.concatenate(found)

    def _blocks(self) -> Iterator[Array]:
        """Gives the training rows as measured, some at a time, as float64."""
        for first in range(0, len(self.train_rows), _BLOCK_ROWS):
            rows = self.known.x[self.train_rows[first : first + _BLOCK_ROWS]]
            yield self.measured(rows).astype(np.float64)

    def prepare(self) -> None:
        """Loads what cuts need, for seconds that are then not those of a training."""
        if self.kin is not None:
            self.kin.prepare()

    def cut_anew(self, cut: Cut) -> Dataset:
        """Returns the same rows with training and validation cut anew.

        The test part stays. In a classification each class keeps its share. No row is copied.
        Rows of a group stay together, and where rows have a time, those that train come first.

        Args:
            cut: says which rows go where; one that is drawn has parts of the same sizes as now.
        """
        train, validation = cut.rows_of(self.known.y, len(self.validation_rows), self.kin)
        return replace(self, train_rows=train, validation_rows=validation)


def _between(rows: Array, low: Array, high: Array) -> Array:
    """Says of each column whether a value is between two, `(columns,)`."""
    return np.asarray(((rows > low) & (rows < high)).any(0))
