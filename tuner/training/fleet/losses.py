"""The output layer of a member with its loss: forward, and the gradient that goes back.

Classification, for logits `O`, targets `Y` (one-hot), smoothing `s`, `C` classes and `B` rows:

    loss   = -sum(((1 - s) Y + s / C) * log softmax(O)) / B
    .O     = (softmax(O) - (1 - s) Y - s / C) / B

Regression, for outputs `O` and standardized targets `Y` with `C` columns:

    loss   = sum((O - Y) ** 2) / (B C)
    .O     = 2 (O - Y) / (B C)

Where rows, or classes, don't count alike, each row's terms are multiplied with its weight.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...network.perceptron import Perceptron
from .parameters import FlatParameters
from .products import linear


class OutputLayer:
    """The last linear layer and the loss, as `MLP` defines them.

    Args:
        flat: parameters and gradients of the member.
        n_rows: of every batch.
        model: of the member, which decides the loss.
        total: of shape (), to which the losses of all rows are added.
        mixed: a large product is of bfloat16 factors.
    """

    def __init__(
        self,
        flat: FlatParameters,
        n_rows: int,
        model: Perceptron,
        total: Tensor,
        mixed: bool,
    ) -> None:
        self._linear = linear(flat, "output", n_rows, mixed)
        n_outputs, _ = flat.value("output.weight").shape
        self._outputs = flat.values.new_empty(n_rows, n_outputs)
        self._d = torch.empty_like(self._outputs)
        self._d_flat = self._d.view(-1)
        self._smoothing, self._total = model.config.label_smoothing, total
        self._is_classification = model.task == "classification"
        self._class_weights = model.class_weights

    def step(self, h: Tensor, y: Tensor, out: Tensor | None) -> None:
        """Adds the loss of a batch to the total, and writes the gradients of its mean.

        Args:
            h: `(n_rows, width)`, the last hidden layer's.
            y: `(n_rows, n_outputs)`, one-hot or standardized targets, and weights if there are.
            out: takes the gradient of `h`; None if there is no hidden layer.
        """
        self._linear.forward(h, self._outputs)
        n_outputs = self._outputs.shape[1]
        weights = None if y.shape[1] == n_outputs else y[:, n_outputs:]
        targets = y[:, :n_outputs]
        if self._class_weights is not None:
            of_class = torch.mv(targets, self._class_weights).unsqueeze(1)
            weights = of_class if weights is None else weights * of_class
        if self._is_classification:
            self._cross_entropy(targets, weights)
        else:
            self._squared_error(targets, weights)
        self._linear.backward(self._d, h, out)

    def _cross_entropy(self, y: Tensor, weights: Tensor | None) -> None:
        n, n_classes = y.shape
        smoothing, kept = self._smoothing, 1 - self._smoothing
        logs = torch.log_softmax(self._outputs, 1)
        torch.exp(logs, out=self._d)
        if weights is not None:
            y = y * weights
        self._total.sub_(torch.dot(logs.view(-1), y.reshape(-1)), alpha=kept)
        if smoothing > 0:
            weighed = logs if weights is None else logs * weights
            self._total.sub_(weighed.sum(), alpha=smoothing / n_classes)
            self._d.sub_(smoothing / n_classes)
        if weights is not None:
            self._d.mul_(weights)
        self._d.sub_(y, alpha=kept).mul_(1 / n)

    def _squared_error(self, y: Tensor, weights: Tensor | None) -> None:
        n, n_outputs = y.shape
        torch.sub(self._outputs, y, out=self._d)
        weighed = self._d if weights is None else self._d * weights
        self._total.add_(torch.dot(weighed.view(-1), self._d_flat), alpha=1 / n_outputs)
        torch.mul(weighed, 2 / (n * n_outputs), out=self._d)
