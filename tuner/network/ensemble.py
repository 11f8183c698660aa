"""Several networks whose predictions are averaged (Hansen and Salamon 1990).

What networks of one config have learned in common stays, and what each drew by chance in its
initial weights and shuffles cancels: the loss of the mean is no larger than the mean of their
losses (Lakshminarayanan et al. 2017, arXiv:1612.01474).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .perceptron import Perceptron


class Ensemble(nn.Module):
    """Networks for the same task, which were standardized by the same rows.

    Args:
        members: one at least.

    Attributes:
        members: of it.

    >>> from tuner.network.config import MLPConfig
    >>> pair = [Perceptron(MLPConfig(width=5), n_inputs=4, n_outputs=3) for _ in range(2)]
    >>> Ensemble(pair)(torch.zeros(7, 4)).shape
    torch.Size([7, 3])
    """

    members: nn.ModuleList

    def __init__(self, members: Sequence[Perceptron]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def first(self) -> Perceptron:
        """A member, which knows the task and the unit of the targets."""
        return self._each[0]

    def forward(self, x: Tensor) -> Tensor:
        """Predicts for raw rows.

        Args:
            x: `(batch, ...)`, as each of the networks takes it.

        Returns:
            `(batch, n_outputs)`: logarithms of the mean probabilities of the classes, which are
            logits, too; or the mean of the predicted targets, in their own unit.
        """
        return self.outputs(x) * self.first.target_scale + self.first.target_mean

    def outputs(self, x: Tensor) -> Tensor:
        """Returns what the loss takes: logits, or standardized predictions, of raw rows."""
        each = torch.stack([member.outputs(x) for member in self._each])
        if self.first.task == "regression":
            return each.mean(0)
        return functional.log_softmax(each, -1).logsumexp(0) - math.log(len(each))

    @property
    def _each(self) -> list[Perceptron]:
        return cast(list[Perceptron], [*self.members])
