"""The output layer of a member with its loss: forward, and the gradient that goes back.

Classification, for logits `O`, targets `Y` (one-hot), smoothing `s`, `C` classes and `B` rows:

    loss   = -sum(((1 - s) Y + s / C) * log softmax(O)) / B
    .O     = (softmax(O) - (1 - s) Y - s / C) / B

Regression, for outputs `O` and standardized targets `Y` with `C` columns:

    loss   = sum((O - Y) ** 2) / (B C)
    .O     = 2 (O - Y) / (B C)
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...network.config import Task
from .parameters import FlatParameters
from .products import linear


class OutputLayer:
    """The last linear layer and the loss, as `MLP` defines them.

    Args:
        flat: parameters and gradients of the member.
        n_rows: of every batch.
        task: decides the loss.
        label_smoothing: share of each target spread over all classes.
        total: of shape (), to which the losses of all rows are added.
        mixed: a large product is of bfloat16 factors.
    """

    def __init__(
        self,
        flat: FlatParameters,
        n_rows: int,
        task: Task,
        label_smoothing: float,
        total: Tensor,
        mixed: bool,
    ) -> None:
        self._linear = linear(flat, "output", n_rows, mixed)
        n_outputs, _ = flat.value("output.weight").shape
        self._outputs = flat.values.new_empty(n_rows, n_outputs)
        self._d = torch.empty_like(self._outputs)
        self._d_flat = self._d.view(-1)
        self._smoothing, self._total = label_smoothing, total
        self._is_classification = task == "classification"

    def step(self, h: Tensor, y: Tensor, out: Tensor | None) -> None:
        """Adds the loss of a batch to the total, and writes the gradients of its mean.

        Args:
            h: `(n_rows, width)`, the last hidden layer's.
            y: `(n_rows, n_outputs)`, one-hot or standardized targets.
            out: takes the gradient of `h`; None if there is no hidden layer.
        """
        self._linear.forward(h, self._outputs)
        if self._is_classification:
            self._cross_entropy(y)
        else:
            self._squared_error(y)
        self._linear.backward(self._d, h, out)

    def _cross_entropy(self, y: Tensor) -> None:
        n, n_classes = y.shape
        smoothing, kept = self._smoothing, 1 - self._smoothing
        logs = torch.log_softmax(self._outputs, 1)
        torch.exp(logs, out=self._d)
        self._total.sub_(torch.dot(logs.view(-1), y.view(-1)), alpha=kept)
        if smoothing > 0:
            self._total.sub_(logs.sum(), alpha=smoothing / n_classes)
            self._d.sub_(smoothing / n_classes)
        self._d.sub_(y, alpha=kept).mul_(1 / n)

    def _squared_error(self, y: Tensor) -> None:
        n, n_outputs = y.shape
        torch.sub(self._outputs, y, out=self._d)
        self._total.add_(torch.dot(self._d_flat, self._d_flat), alpha=1 / n_outputs)
        self._d.mul_(2 / (n * n_outputs))
