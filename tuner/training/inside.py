"""What goes on inside a network in its first epochs: gradients, scales and saturation by layer.

What batch normalization is for shows there: where layers squeeze what they take, the gradient that
reaches the first ones is a small part of that of the last (Hochreiter 1991; Glorot and Bengio 2010,
Understanding the difficulty of training deep feedforward neural networks, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data import Dataset
from ..data.batches import TensorBatches, shuffled
from ..network.config import MLPConfig
from ..network.perceptron import ACTIVATIONS, Perceptron
from .fleet.rates import Rates
from .telling import tell

#: A unit is saturated where its activation is less steep than this share of its steepest,
_FLAT = 0.05
#: for this share of the rows of a minibatch.
_ROWS = 0.95

#: A number for each layer.
ByLayer = tuple[float, ...]


@dataclass(frozen=True)
class Inside:
    """Means over the steps of each epoch, by layer from the first on.

    A last minibatch that is shorter than the others is left out.

    Attributes:
        gradients: for each epoch the root mean squares of the gradient of the mean loss by the
            weights of each hidden layer and of the output layer, before any clipping.
        spreads: for each epoch the standard deviations of what the activation of each hidden layer
            takes, over rows and units.
        saturated: for each epoch the share of each hidden layer's units that are saturated: whose
            activation is less than a twentieth as steep as it can be, for 95% of a minibatch.
    """

    gradients: tuple[ByLayer, ...]
    spreads: tuple[ByLayer, ...]
    saturated: tuple[ByLayer, ...]


def look_inside(
    config: MLPConfig, dataset: Dataset, *, seed: int, epochs: int, most_rows: int
) -> Inside:
    """Trains the first epochs of a network with torch alone, and watches its layers.

    It is a training of its own, on this processor and in float32: with other dropout than a
    fleet's, and with schedules that are as long in epochs, whose steps are as many as the rows that
    it sees have. A plateau is seen in the training loss.

    Args:
        config: the network and its training, with one hidden layer at least.
        dataset: whose training rows it trains on.
        seed: of the initial weights, the dropout, the shuffles, and which rows are drawn.
        epochs: at most, of those of the config.
        most_rows: at most; a part of the training rows is drawn where there are more.

    Returns:
        Of epochs only in which all was finite; where the first one diverges, of none.

    Raises:
        ValueError: batch normalization of a single row.
    """
    facts, known = dataset.facts, dataset.known
    rows, weights = torch.from_numpy(dataset.train_rows), dataset.weights
    if len(rows) > most_rows:
        rows = rows[shuffled(len(rows), seed, 0)[:most_rows]]
    batches = TensorBatches(
        torch.from_numpy(known.x),
        torch.from_numpy(known.y),
        config.batch_size,
        seed=seed,
        rows=rows,
        weights=None if weights is None else torch.from_numpy(weights),
    )
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Perceptron(
            config, facts.n_inputs, facts.n_outputs, facts.task, facts.numeric, facts.categories
        )
        tell(network, dataset)
        optimizer, rates = network.make_optimizer(), Rates(config, len(batches))
        for _ in range(min(epochs, config.epochs)):
            epoch = _Epoch(network)
            mean = epoch.train(optimizer, rates, batches)
            if mean is None:
                break
            rates.end_epoch(mean)
            found.append(epoch)
    return Inside(
        gradients=tuple(_means(epoch.gradients) for epoch in found),
        spreads=tuple(_means(epoch.spreads) for epoch in found),
        saturated=tuple(_means(epoch.saturated) for epoch in found),
    )


class _Epoch:
    """Trains a network for one epoch, and keeps what was seen in each step."""

    def __init__(self, network: Perceptron) -> None:
        self._network, self._config = network, network.config
        linears = [module for module in network.hidden.modules() if isinstance(module, nn.Linear)]
        self._weights = [linear.weight for linear in (*linears, network.output)]
        self._steepest = float(_steepness(self._config, torch.linspace(-10, 10, 2001)).max())
        self.gradients: list[list[Tensor]] = []
        self.spreads: list[list[Tensor]] = []
        self.saturated: list[list[Tensor]] = []

    def train(
        self, optimizer: torch.optim.Optimizer, rates: Rates, batches: TensorBatches
    ) -> float | None:
        """Returns the mean loss; None if it, or what is seen, is not finite."""
        losses = []
        with self._watched():
            for rate, (x, *targets) in zip(rates.epoch(), batches, strict=True):
                is_whole = len(x) == batches.batch_size or not self.gradients
                self.spreads.append([])
                self.saturated.append([])
                optimizer.zero_grad()
                loss = self._network.training_loss(self._network.outputs(x), *targets)
                loss.backward()  # type: ignore[no-untyped-call]
                if not bool(loss.isfinite()):
                    return None
                self.gradients.append([_root_mean_square(weight) for weight in self._weights])
                if not all(bool(each.isfinite()) for each in self._last):
                    return None
                if not is_whole:
                    del self.gradients[-1], self.spreads[-1], self.saturated[-1]
                if self._config.gradient_clipping is not None:
                    nn.utils.clip_grad_norm_(
                        self._network.parameters(), self._config.gradient_clipping
                    )
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
                losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    @property
    def _last(self) -> list[Tensor]:
        """What was seen in the last step that may be infinite."""
        return [*self.gradients[-1], *self.spreads[-1]]

    @contextmanager
    def _watched(self) -> Iterator[None]:
        kind = ACTIVATIONS[self._config.activation]
        found = [module for module in self._network.hidden.modules() if isinstance(module, kind)]
        handles = [module.register_forward_pre_hook(self._see) for module in found]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _see(self, module: nn.Module, taken: tuple[Tensor]) -> None:
        """Keeps what goes into an activation, `(rows, units)`."""
        z = taken[0].detach()
        flat = _steepness(self._config, z).abs() < _FLAT * self._steepest
        self.spreads[-1].append(z.std(correction=0))
        self.saturated[-1].append((flat.float().mean(0) >= _ROWS).float().mean())


def _root_mean_square(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad.square().mean().sqrt()


def _steepness(config: MLPConfig, z: Tensor) -> Tensor:
    """Returns the derivative of a config's activation at each of some places."""
    with torch.enable_grad():
        places = z.clone().requires_grad_()
        values = ACTIVATIONS[config.activation]()(places)
        found: Tensor = torch.autograd.grad(values.sum(), places)[0]
    return found


def _means(steps: list[list[Tensor]]) -> ByLayer:
    """Returns the mean over the steps for each layer."""
    means = torch.tensor([[float(each) for each in step] for step in steps]).mean(0)
    return tuple(float(f"{each:.4g}") for each in means.tolist())
