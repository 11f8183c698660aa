"""Numbers that float32 cannot hold, or cannot tell apart, as ones that it can.

Times in seconds since 1970, identifiers of 60 bits, or masses in kilograms of atoms: float32 has 24
bits for each, so that a whole column may become one number, infinity or 0. Such inputs stay as they
are (float64 or int64) until they are measured: from a point among them, in a unit of their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Index = np.ndarray[Any, np.dtype[np.intp]]

#: Rounding to float32 may move a value by this share of the column's standard deviation.
_ROUNDING = 1e-3
#: Sizes between which float32 can square, divide and invert.
_SMALLEST, _LARGEST = 1e-15, 1e15
#: Numbers that are looked at in one go.
_BLOCK = 1 << 22
#: Up to here float64 tells whole numbers apart.
_WHOLE = 2**53


@dataclass(frozen=True)
class Ruler:
    """From where, and in what unit, inputs are measured before they are standardized.

    Attributes:
        offset: `(n_inputs,)`, float64, or int64 where the inputs are.
        unit: `(n_inputs,)` float64, powers of 2, about a standard deviation.
    """

    offset: Array
    unit: Array

    @classmethod
    def of(cls, x: Array, *, is_shared: bool = False) -> Ruler:
        """Returns the ruler of some rows.

        Args:
            x: `(rows, n_inputs)`, float64 or int64.
            is_shared: all inputs are measured alike, as pixels are.
        """
        sizes = _sizes(x, is_shared)
        offset = sizes.low + sizes.above
        if x.dtype.kind == "i":
            # Where a difference from there might not fit, it is the number itself.
            fits = sizes.spread < 2.0**62
            above = np.rint(np.where(fits, sizes.above, 0)).astype(np.int64)
            offset = np.where(fits, sizes.low + above, 0)
        deviation = sizes.deviation
        whole = np.exp2(np.floor(np.log2(np.where(deviation > 0, deviation, 1.0))))
        return cls(offset, np.asarray(whole, np.float64))

    def measure(self, x: Array) -> Array:
        """Returns rows `(rows, n_inputs)` as float32."""
        return np.asarray((x - self.offset) / self.unit, np.float32)


def need_ruler(x: Array, *, is_shared: bool = False) -> bool:
    """Says whether float32 would lose what tells rows apart.

    Args:
        x: `(rows, n_inputs)`, floating or int64.
        is_shared: all inputs have one unit, as pixels have.
    """
    sizes = _sizes(x, is_shared)
    deviation, largest = sizes.deviation, sizes.largest
    rounded = largest * 2.0**-24 > _ROUNDING * deviation
    outside = (deviation < _SMALLEST) | (largest > _LARGEST)
    return bool(np.any((deviation > 0) & (rounded | outside)))


def exact(x: Array) -> Array | None:
    """Returns numbers as float64, or int64 if only that tells them apart; None if neither can."""
    x = x.astype(x.dtype.newbyteorder("="), copy=False)
    if x.dtype.kind == "u" and x.dtype.itemsize == 8:
        if len(x) and x.max() > np.iinfo(np.int64).max:
            return None
        x = x.astype(np.int64)
    if x.dtype == np.int64 and len(x) and max(int(x.max()), -int(x.min())) > _WHOLE:
        return x
    return x.astype(np.float64, copy=False)


@dataclass(frozen=True)
class _Sizes:
    """Of each input, all `(n_inputs,)`.

    Attributes:
        low: smallest number, of the inputs' own kind.
        above: mean of what lies above that.
        spread: largest number minus the smallest.
        deviation: standard deviation; 0 where the input is constant.
        largest: magnitude.
    """

    low: Array
    above: Array
    spread: Array
    deviation: Array
    largest: Array


def _sizes(x: Array, is_shared: bool) -> _Sizes:
    """Looks at rows `(rows, n_inputs)`; exactly, also where float64 would round whole numbers."""
    n_rows, n_inputs = x.shape
    columns = max(1, _BLOCK // max(1, n_rows))
    found = []
    for first in range(0, n_inputs, columns):
        block = x[:, first : first + columns]
        low, high = block.min(0), block.max(0)
        if x.dtype.kind == "i":  # modulo 2 ** 64, in which the difference fits
            above = (block.astype(np.uint64) - low.astype(np.uint64)).astype(np.float64)
        else:
            above = block.astype(np.float64) - low
        largest = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
        spread = above.max(0)
        deviation = np.where(spread > 0, above.std(0), 0.0)
        found.append((low, above.mean(0), spread, deviation, largest))
    low, above, spread, deviation, largest = (
        np.concatenate(column) for column in zip(*found, strict=True)
    )
    if is_shared:
        lowest = low.min()
        means = above + (low - lowest).astype(np.float64)
        deviation = np.full(n_inputs, np.sqrt(np.mean(deviation**2 + (means - means.mean()) ** 2)))
        spread = np.full(n_inputs, float((spread + (low - lowest)).max()))
        low, above = np.full(n_inputs, lowest), np.full(n_inputs, means.mean())
        largest = np.full(n_inputs, largest.max())
    return _Sizes(low, above, spread, deviation, largest)
