"""Batch normalization over groups smaller than a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def group_count(n_rows: int, group_size: int) -> int:
    """Returns into how many groups of nearly `group_size`, and two at least, a batch falls."""
    return max(1, min(round(n_rows / group_size), n_rows // 2))


def group_momentum(momentum: float, groups: int) -> float:
    """Returns what each of so many updates weighs, for all of them to weigh `momentum`."""
    return momentum if groups == 1 else 1 - (1 - momentum) ** (1 / groups)


class GhostBatchNorm1d(nn.BatchNorm1d):
    """Batch normalization over groups of a batch while training (Hoffer et al. 2017, alg. 1).

    A batch of `B` rows falls into `k = max(1, round(B / g))` groups of nearly equal size (and of
    two rows at least), each with its own mean and variance. The running statistics take `k`
    updates a step, so each weighs `1 - (1 - m) ** (1 / k)`, which makes a step weigh `m`.

    Args:
        num_features: columns of the input.
        group_size: `g`, the normalization batch size (S10), at least 2.
    """

    def __init__(self, num_features: int, group_size: int) -> None:
        super().__init__(num_features)
        self.group_size = group_size

    def forward(self, input: Tensor) -> Tensor:
        """Normalizes `(batch, num_features)`."""
        groups = group_count(len(input), self.group_size)
        if not self.training or groups == 1:
            return super().forward(input)
        assert self.momentum is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = group_momentum(self.momentum, groups)
        return torch.cat(
            [
                functional.batch_norm(
                    group,
                    self.running_mean,
                    self.running_var,
                    self.weight,
                    self.bias,
                    training=True,
                    momentum=momentum,
                    eps=self.eps,
                )
                for group in input.tensor_split(groups)
            ]
        )

    def extra_repr(self) -> str:
        """Tells the columns and the group size."""
        return f"{self.num_features}, group_size={self.group_size}"
