"""Networks as the bytes of files that Lightning's `load_from_checkpoint` reads, and back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .config import ModuleConfig
from .ensemble import Ensemble
from .perceptron import Perceptron

#: What of a checkpoint a network is made of, where those of an ensemble but the first are, and what
#: inputs and outputs mean.
_NETWORK, _OTHERS, _MEANING = ("state_dict", "hyper_parameters"), "others", "meaning"


def to_checkpoint(model: Perceptron, meaning: str = "") -> bytes:
    """Returns a model as the bytes of a file that `MLP.load_from_checkpoint` reads.

    Args:
        model: a network.
        meaning: of its inputs and outputs, as text that `meaning_of` gives back.
    """
    return _packed(model, model.arguments, **({_MEANING: meaning} if meaning else {}))


def meaning_of(checkpoint: bytes) -> str:
    """Returns what the inputs and outputs of a network mean; "" where that was not told."""
    return str(_read(checkpoint).get(_MEANING, ""))


def from_checkpoint(checkpoint: bytes) -> Perceptron:
    """Returns the network that `to_checkpoint` packed, without what trains it."""
    return _unpacked(_read(checkpoint))


def together(checkpoints: Sequence[bytes]) -> bytes:
    """Returns networks, each as `to_checkpoint` packed it, as the bytes of one file.

    It is a checkpoint of the first one that has the others beside it.
    """
    if len(checkpoints) == 1:
        return checkpoints[0]
    first, *others = [_read(each) for each in checkpoints]
    first[_OTHERS] = [{name: each[name] for name in _NETWORK} for each in others]
    return _written(first)


def first_of(checkpoint: bytes, n: int) -> bytes:
    """Returns the first n networks of those that `together` packed, one at least, as it does."""
    content = _read(checkpoint)
    content[_OTHERS] = content.get(_OTHERS, [])[: n - 1]
    if not content[_OTHERS]:
        del content[_OTHERS]
    return _written(content)


def ensemble_of(checkpoint: bytes) -> Ensemble:
    """Returns the networks that are in a file: those that `together` packed, or a single one.

    Raises:
        InputError: it holds a module of the user's.
    """
    content = _read(checkpoint)
    if "config" in content:
        raise InputError("holds a module of your own, which is one network (load_model)")
    return Ensemble([_unpacked(each) for each in (content, *content.get(_OTHERS, ()))])


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
    return _written(
        {
            "state_dict": state,
            "hyper_parameters": parameters,
            "pytorch-lightning_version": _lightning(),
            **more,
        }
    )


@cache
def _lightning() -> str:
    return metadata.version("lightning")


def _written(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _read(checkpoint: bytes) -> dict[str, Any]:
    content = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
    assert isinstance(content, dict)
    return content


def _unpacked(content: dict[str, Any]) -> Perceptron:
    model = Perceptron(**content["hyper_parameters"])
    model.load_state_dict(content["state_dict"])
    return model


def n_parameters(module: nn.Module) -> int:
    """Counts the trainable numbers of a module."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad)
