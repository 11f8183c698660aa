"""The rows of a data set on the device: minibatches that a whole lane shares, and validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from ...data import EVALUATION_ROWS, Dataset, TensorBatches, shuffled
from ...network.perceptron import smoothly_clipped

#: Rows that are shuffled and standardized in one go.
_PIECE_ROWS = 4096
#: Bytes of standardized validation rows up to which they are kept; more are standardized at each
#: scoring, which made no epoch slower than the noise (docs/tables.md).
_KEPT_BYTES = 48 * 2**20


@dataclass(frozen=True)
class Minibatches:
    """Some consecutive steps of an epoch.

    Attributes:
        x: standardized inputs of each step, `(batch, n_inputs)`.
        y: of each step, one-hot classes or standardized targets, `(batch, n_outputs)`, with a
            column more, of weights, where rows don't count alike.
        memory: in which the inputs lie, one step after the other, and that of the targets; at least
            as many rows as the steps have.
    """

    x: tuple[Tensor, ...]
    y: tuple[Tensor, ...]
    memory: tuple[Tensor, Tensor]


class Rows:
    """Training and validation rows, standardized as `MLP` does it.

    Args:
        dataset: rows in three parts; the test part is not touched.
        device: where they lie.
        dtype: of the numbers that members train on.
        known: those of another cut of the same rows, to share them.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        dtype: torch.dtype,
        known: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.facts = dataset.facts
        self.device, self.dtype = device, dtype
        norm = dataset.standardization
        #: What `Perceptron.standardize` takes: mean and scale of inputs, then of targets.
        self.standardization = tuple(
            torch.from_numpy(column).to(device, dtype)
            for column in (
                norm.input_mean,
                norm.input_scale,
                norm.target_mean,
                norm.target_scale,
            )
        )
        #: What `Perceptron.measure` takes, where the inputs need it.
        self.ruler = dataset.ruler
        #: What `Perceptron.limit` takes, where they need that.
        self.limit = (
            None
            if norm.input_limit is None
            else torch.from_numpy(norm.input_limit).to(device, dtype)
        )
        #: What `Perceptron.know` takes, where there are categories.
        self.codes = None if norm.codes is None else torch.from_numpy(norm.codes).to(device)
        mean, scale, self._target_mean, self._target_scale = self.standardization
        self._shift, self._factor = -mean / scale, scale.reciprocal()
        #: What `Perceptron.weigh` takes.
        self.class_weights = (
            None
            if dataset.class_weights is None
            else torch.from_numpy(dataset.class_weights).to(device, dtype)
        )
        #: What each of the known rows counts, `(rows,)`, if not all count alike.
        self.weights = (
            None if dataset.weights is None else torch.from_numpy(dataset.weights).to(device, dtype)
        )
        #: Columns of what minibatches have as targets: the last one is of weights, if there are.
        self.n_targets = self.facts.n_outputs + (self.weights is not None)
        #: Metric that members are scored by beside the usual ones.
        self.extra = dataset.extra
        if known is None:
            x, y = dataset.measured(dataset.known.x), dataset.known.y
            known = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        #: All rows but the test rows, which those of other cuts share.
        self.known = known
        #: Which of them train, `(n,)`.
        self.training = torch.from_numpy(dataset.train_rows).to(device)
        index = torch.from_numpy(dataset.validation_rows).to(device)
        self.validation_y = known[1].index_select(0, index)
        self.validation_weights = (
            None if self.weights is None else self.weights.index_select(0, index)
        )
        self._validation = torch.split(index, EVALUATION_ROWS)
        n_bytes = len(index) * self.facts.n_inputs * dtype.itemsize
        is_kept = device.type != "cpu" or n_bytes <= _KEPT_BYTES
        self._kept = tuple(map(self._laid, self._validation)) if is_kept else None

    @property
    def validation_x(self) -> Iterable[Tensor]:
        """Standardized inputs of the validation rows, in blocks `(rows, n_inputs)`."""
        return map(self._laid, self._validation) if self._kept is None else self._kept

    def n_trained(self, batch_size: int) -> int:
        """Returns the rows of an epoch: all, or all but one that would be a batch by itself."""
        return min(len(self.training), self.steps(batch_size) * batch_size)

    def steps(self, batch_size: int) -> int:
        """Returns the optimizer steps of an epoch."""
        return len(TensorBatches(*self.known, batch_size, seed=0, rows=self.training))

    def lay(self, index: Tensor, x: Tensor, y: Tensor) -> None:
        """Writes training rows, standardized.

        Args:
            index: which of the known rows, `(n,)`.
            x: takes their inputs, `(n, n_inputs)`.
            y: takes one-hot classes or standardized targets, and weights, `(n, n_targets)`.
        """
        known_x, known_y = self.known
        x.copy_(known_x.index_select(0, index).flatten(1))
        torch.addcmul(self._shift, x, self._factor, out=x)
        if self.limit is not None:
            x.copy_(smoothly_clipped(x, self.limit))
        y[:, : self.facts.n_outputs].copy_(self._targets(known_y.index_select(0, index)))
        if self.weights is not None:
            torch.index_select(self.weights, 0, index, out=y[:, -1])

    def _laid(self, index: Tensor) -> Tensor:
        """Returns the standardized inputs of known rows, `(n, n_inputs)`."""
        raw = self.known[0].index_select(0, index).flatten(1).to(self.dtype)
        rows = torch.addcmul(self._shift, raw, self._factor)
        return rows if self.limit is None else smoothly_clipped(rows, self.limit)

    def _targets(self, y: Tensor) -> Tensor:
        if self.facts.task == "classification":
            return functional.one_hot(y, self.facts.n_outputs)
        columns = y.to(self.dtype).view(len(y), self.facts.n_outputs)
        return (columns - self._target_mean) / self._target_scale


class LaneRows:
    """The minibatches of one lane, laid ready a block at a time in memory that is used again.

    Args:
        rows: of the data set.
        batch_size: rows of a step; the last one of an epoch may be shorter.
        seed: of the shuffles.
    """

    def __init__(self, rows: Rows, batch_size: int, seed: int) -> None:
        self._rows, self._batch_size, self._seed = rows, batch_size, seed
        self.release()

    def release(self) -> None:
        """Gives the memory of the blocks back, until the next epoch begins."""
        self._left: list[Tensor] = []
        self._x = self._y = torch.empty(0)

    def begin_epoch(self, shuffle: int, n_bytes: int) -> None:
        """Shuffles the rows.

        Args:
            shuffle: which shuffle, from 0.
            n_bytes: that a block may take, but for its first step.
        """
        rows, size = self._rows, self._batch_size
        order = shuffled(len(rows.training), self._seed, shuffle)[: rows.n_trained(size)]
        a_row = (rows.facts.n_inputs + rows.n_targets) * rows.dtype.itemsize
        block = max(1, n_bytes // (a_row * size)) * size
        self._left = list(torch.split(rows.training[order.to(rows.device)], block))[::-1]
        if len(self._x) != len(self._left[-1]):
            n, facts = len(self._left[-1]), rows.facts
            self._x = torch.empty(n, facts.n_inputs, device=rows.device, dtype=rows.dtype)
            self._y = torch.empty(n, rows.n_targets, device=rows.device, dtype=rows.dtype)

    def next_block(self) -> tuple[Minibatches, list[Callable[[], None]]] | None:
        """Returns the next minibatches, and what must be called to lay them ready; None at the end.

        The calls may be made side by side. The block before is overwritten.
        """
        if not self._left:
            return None
        index = self._left.pop()
        x, y = self._x[: len(index)], self._y[: len(index)]
        parts = zip(*(torch.split(each, _PIECE_ROWS) for each in (index, x, y)), strict=True)
        pieces: list[Callable[[], None]] = [partial(self._rows.lay, *part) for part in parts]
        size = self._batch_size
        steps = Minibatches(torch.split(x, size), torch.split(y, size), (self._x, self._y))
        return steps, pieces
