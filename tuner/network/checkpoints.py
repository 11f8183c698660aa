"""Networks as the bytes of files that Lightning's `load_from_checkpoint` reads, and back."""

from __future__ import annotations

import io
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from .config import ModuleConfig
from .perceptron import Perceptron


def to_checkpoint(model: Perceptron) -> bytes:
    """Returns a model as the bytes of a file that `MLP.load_from_checkpoint` reads."""
    return _packed(model, model.arguments)


def from_checkpoint(checkpoint: bytes) -> Perceptron:
    """Returns the network that `to_checkpoint` packed, without what trains it."""
    content = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
    model = Perceptron(**content["hyper_parameters"])
    model.load_state_dict(content["state_dict"])
    return model


def module_to_checkpoint(module: nn.Module, config: ModuleConfig) -> bytes:
    """Returns a module as the bytes of a file that its `load_from_checkpoint` reads.

    Args:
        module: of the user's, a LightningModule.
        config: that it was built from, which the file holds too.
    """
    return _packed(module, dict(config.values), config=config.to_json())


def _packed(module: nn.Module, parameters: dict[str, Any], **more: str) -> bytes:
    """Returns weights, and the arguments of a constructor, as the bytes of a checkpoint."""
    state = {
        name: value.cpu() if isinstance(value, Tensor) else value
        for name, value in module.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(
        {
            "state_dict": state,
            "hyper_parameters": parameters,
            "pytorch-lightning_version": metadata.version("lightning"),
            **more,
        },
        buffer,
    )
    return buffer.getvalue()


def n_parameters(module: nn.Module) -> int:
    """Counts the trainable numbers of a module."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad)
