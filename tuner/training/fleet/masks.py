"""Dropout masks, from a generator that belongs to one member alone.

A member's masks depend on its seed and its steps, so who else is in the fleet changes nothing. On
the CPU torch draws masks one by one with a Mersenne twister, which takes longer than the layer; a
small fast generator gives 64 bits at a time, of which 16 decide one unit. The probability is
thereby rounded to a multiple of 2 ** -16, and the scale with it, so that the expectation is exact.
Elsewhere torch's own generator of the device draws each mask when it is needed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_LEVELS = 2**16
_IN_A_WORD = 4  # numbers of 16 bits in one of 64
#: Units whose masks are drawn in one go, for fewer calls.
DRAWN_AT_ONCE = 2**16


class Masks:
    """Source of the masks of one member.

    Args:
        seed: of the member.
        device: where the masks are needed.

    Attributes:
        generator: of the device; None on the CPU.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._bits = np.random.SFC64(seed)
        self.generator: torch.Generator | None = None
        if device.type != "cpu":
            self.generator = torch.Generator(device).manual_seed(seed)

    def of(self, h: Tensor, dropout: float) -> LayerMasks:
        """Returns the masks of a layer whose activations lie in `h`."""
        return LayerMasks(self, h, dropout)

    def draw(self, out: Tensor, dropout: float) -> None:
        """Writes 0 with probability `dropout`, else 1 over the probability to stay.

        Args:
            out: of any shape, contiguous.
            dropout: in (0, 1).
        """
        if self.generator is not None:
            out.bernoulli_(1 - dropout, generator=self.generator).mul_(1 / (1 - dropout))
            return
        stay = max(1, round((1 - dropout) * _LEVELS))
        words = self._bits.random_raw(-(-out.numel() // _IN_A_WORD))
        drawn = torch.from_numpy(words.view(np.int16))[: out.numel()]
        torch.le(drawn.view(out.shape), stay - 1 - _LEVELS // 2, out=out)  # int16 has no 2 ** 15
        out.mul_(_LEVELS / stay)


class LayerMasks:
    """One mask after the other for a layer, each applied forward and then backward.

    Args:
        source: draws them.
        h: activations, `(n_rows, width)`.
        dropout: in (0, 1).
    """

    def __init__(self, source: Masks, h: Tensor, dropout: float) -> None:
        self._source, self._dropout = source, dropout
        at_once = max(1, DRAWN_AT_ONCE // h.numel()) if source.generator is None else 1
        self._drawn = h.new_empty(at_once, *h.shape)
        self._each = self._drawn.unbind()
        self._next = len(self._each)
        self._current = self._each[0]
        self._dropped = torch.empty_like(h)

    def apply(self, h: Tensor) -> Tensor:
        """Returns the activations `(n_rows, width)` under the next mask."""
        if self._next == len(self._each):
            self._source.draw(self._drawn, self._dropout)
            self._next = 0
        self._current = self._each[self._next]
        self._next += 1
        return torch.mul(h, self._current, out=self._dropped)

    def apply_again(self, gradient: Tensor) -> None:
        """Puts a gradient `(n_rows, width)` under the mask of the last `apply`."""
        gradient.mul_(self._current)
