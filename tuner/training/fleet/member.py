"""One network of a fleet: an `MLP` whose parameters lie flat, trained without autograd.

A member owns its parameters, optimizer state, schedule, masks and buffers, and each of its kernels
works on them alone. So who else is in the fleet cannot change a bit of it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...network.config import MLPConfig
from ...network.perceptron import Perceptron
from ...network.scores import scores
from .embeddings import InputLayer
from .layers import HiddenLayer
from .losses import OutputLayer
from .masks import Masks
from .optimizers import clip, flat_optimizer
from .parameters import FlatParameters
from .rates import Rates
from .rows import Minibatches, Rows


class Member:
    """Trains one config, step by step and epoch by epoch.

    Args:
        config: the network and its training.
        seed: of the initial weights, which are those that `solo` draws, and of the dropout.
        rows: what it trains and is scored on.
        mixed: large products are of bfloat16 factors; it is scored without.
        n_cores: that share its steps while no other member is at work.

    Attributes:
        epoch: epochs done.
        n_cores: as given.
    """

    def __init__(
        self, config: MLPConfig, seed: int, rows: Rows, *, mixed: bool = False, n_cores: int = 1
    ) -> None:
        self.n_cores, facts = n_cores, rows.facts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Perceptron(
                config, facts.n_inputs, facts.n_outputs, facts.task, facts.numeric, facts.categories
            )
        self.config, self.epoch = config, 0
        self._rows, self._mixed = rows, mixed
        self._model = model.to(device=rows.device, dtype=rows.dtype)
        self._model.standardize(*rows.standardization)
        if rows.limit is not None:
            self._model.limit(rows.limit)
        if rows.codes is not None:
            self._model.know(rows.codes)
        if rows.class_weights is not None:
            self._model.weigh(rows.class_weights)
        self._flat = FlatParameters(self._model)
        self._masks = Masks(seed, rows.device)
        self._loss = self._flat.values.new_zeros(())
        self._networks: dict[int, _Network] = {}
        self._optimizer = flat_optimizer(self._flat, config)
        self._schedule = Rates(config, rows.steps(config.batch_size))
        self._rates: list[float] = []
        self._names: tuple[str, ...] = ()
        self._scores: Tensor | None = None

    @property
    def cost(self) -> float:
        """Multiplications of one training row, about."""
        return 3 * self.config.size(self._rows.facts)

    def begin_epoch(self) -> None:
        """Forgets the losses of the epoch before, and draws the rates of this one."""
        self._loss.zero_()
        self._rates = self._schedule.epoch()[::-1]

    def steps(self, minibatches: Minibatches) -> Iterator[None]:
        """Takes one optimizer step for each minibatch, whenever the next one is asked for.

        To be run without autograd.

        Raises:
            ValueError: batch normalization of a single row.
        """
        for x, y in zip(minibatches.x, minibatches.y, strict=True):
            self._step(x, y, self._rates.pop())
            yield

    def _step(self, x: Tensor, y: Tensor, rate: float | Tensor) -> None:
        self._network(len(x)).differentiate(x, y)
        if self.config.gradient_clipping is not None:
            clip(self._flat.gradients, self.config.gradient_clipping)
        self._optimizer.step(rate)

    def _network(self, n_rows: int) -> _Network:
        """Returns the buffers for batches of so many rows: whole ones, and the last of an epoch."""
        if n_rows not in self._networks:
            self._networks[n_rows] = _Network(
                self._model, self._flat, n_rows, self._masks, self._loss, mixed=self._mixed
            )
        return self._networks[n_rows]

    @property
    def is_finite(self) -> bool:
        """Whether the losses of this epoch are finite so far."""
        return math.isfinite(float(self._loss))

    def give_up_epoch(self) -> Mapping[str, float]:
        """Ends an epoch whose loss is not finite; returns the loss as `train_loss`."""
        self.epoch += 1
        return {"train_loss": float(self._loss)}

    @torch.no_grad()
    def score(self) -> None:
        """Scores the member on the validation rows, after the last step of an epoch."""
        rows, model = self._rows, self._model
        if self.config.batch_normalization:
            for layer in model.hidden:
                layer[1].num_batches_tracked.add_(rows.steps(self.config.batch_size))  # type: ignore[index]
        model.eval()
        outputs = torch.cat([model.of_standardized(x) for x in rows.validation_x])
        model.train()
        found = scores(model, outputs, rows.validation_y, rows.validation_weights, rows.extra)
        values = torch.stack([self._loss, *found.values()])
        if self._scores is None:
            self._names, self._scores = tuple(found), values
        else:
            self._scores.copy_(values)

    def end_epoch(self) -> Mapping[str, float]:
        """Ends an epoch that was scored, and lets the schedule know.

        Returns:
            `train_loss` and the metrics that `MLP` logs; not finite if the member diverged.
        """
        assert not self._rates, "an epoch has one step for each rate"
        assert self._scores is not None, "an epoch is scored before it ends"
        self.epoch += 1
        loss, *values = self._scores.tolist()
        metrics = {"train_loss": loss / self._rows.n_trained(self.config.batch_size)}
        metrics |= {f"val_{name}": value for name, value in zip(self._names, values, strict=True)}
        self._schedule.end_epoch(metrics["val_loss"])
        return metrics

    def leave(self) -> Perceptron:
        """Returns a network of its own, as trained so far; the member can go on."""
        left = copy.deepcopy(self._model)
        ruler = self._rows.ruler
        if ruler is not None:  # the fleet's rows are measured before they come to it
            left.measure(ruler.offset, ruler.unit)
        return left

    def export_optimizer(self, model: Perceptron) -> torch.optim.Optimizer:
        """Returns the optimizer of a network that left, with the member's state and rate."""
        optimizer = model.make_optimizer()
        self._optimizer.export(optimizer, model)
        for group in optimizer.param_groups:
            group["lr"] = self._schedule.rate
        return optimizer


class _Network:
    """All layers of a member, for batches of one size.

    Args:
        model: the member's; its running statistics are used and updated.
        flat: the member's parameters and gradients.
        n_rows: of every batch.
        masks: the member's.
        loss: of shape (), to which the losses of all rows are added.
        mixed: large products are of bfloat16 factors.
    """

    def __init__(
        self,
        model: Perceptron,
        flat: FlatParameters,
        n_rows: int,
        masks: Masks,
        loss: Tensor,
        *,
        mixed: bool,
    ) -> None:
        config, self._first = model.config, InputLayer.of(model, flat, n_rows)
        self._hidden = [
            HiddenLayer(index, layer, flat, n_rows, config, masks, mixed)
            for index, layer in enumerate(model.hidden)
        ]
        self._output = OutputLayer(flat, n_rows, model, loss, mixed)
        # Gradient of the inputs of one layer after the other, each used up before the next.
        self._gradient = flat.values.new_empty(n_rows, config.width)

    def differentiate(self, x: Tensor, y: Tensor) -> None:
        """Adds the loss of a batch, and writes the gradients of its mean.

        Args:
            x: standardized inputs, `(n_rows, n_inputs)`.
            y: one-hot or standardized targets, `(n_rows, n_outputs)`, and weights if there are.
        """
        first = self._first
        inputs = [x if first is None else first.forward(x)]
        for layer in self._hidden:
            inputs.append(layer.forward(inputs[-1]))
        of_inputs = None if first is None else first.gradient
        self._output.step(inputs[-1], y, self._gradient if self._hidden else of_inputs)
        for index in range(len(self._hidden) - 1, -1, -1):
            out = self._gradient if index > 0 else of_inputs
            self._hidden[index].backward(self._gradient, inputs[index], out)
        if first is not None:
            first.backward()
