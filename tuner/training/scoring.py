"""How a trained MLP does on the test rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..data import EVALUATION_ROWS, Dataset
from ..network.checkpoints import from_checkpoint
from ..network.perceptron import scores


@torch.no_grad()
def test_mlp(checkpoint: bytes, dataset: Dataset) -> Mapping[str, float]:
    """Scores a trained MLP on the test rows.

    Args:
        checkpoint: of the network, which holds the standardization of its own training rows.
        dataset: with the test rows.

    Returns:
        `test_loss`, and `test_accuracy`, or `test_rmse` and `test_r2`: what Lightning logs of it.
    """
    model = from_checkpoint(checkpoint).eval()
    x, y = (torch.from_numpy(values) for values in (dataset.test.x, dataset.test.y))
    outputs = torch.cat([model.outputs(rows) for rows in torch.split(x, EVALUATION_ROWS)])
    return {f"test_{name}": float(value) for name, value in scores(model, outputs, y).items()}
