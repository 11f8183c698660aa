"""A network is told what it is to know of its rows before it trains."""

from __future__ import annotations

import torch

from ..data import Dataset
from ..network.perceptron import Perceptron


def tell(network: Perceptron, dataset: Dataset) -> None:
    """Has a network take the rows of a dataset as they are, as the training rows say.

    Args:
        network: of the sizes of `dataset.facts`.
        dataset: cut into training and validation rows.
    """
    found, ruler = dataset.standardization, dataset.ruler
    network.standardize(
        torch.from_numpy(found.input_mean),
        torch.from_numpy(found.input_scale),
        torch.from_numpy(found.target_mean),
        torch.from_numpy(found.target_scale),
    )
    if ruler is not None:
        network.measure(ruler.offset, ruler.unit)
    if found.input_limit is not None:
        network.limit(torch.from_numpy(found.input_limit))
    if found.codes is not None:
        network.know(torch.from_numpy(found.codes))
    if dataset.class_weights is not None:
        network.weigh(torch.from_numpy(dataset.class_weights))
