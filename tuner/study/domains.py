"""What a study file says of one searched value: fixed, one of several, a range."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ..network.config import Scalar, decay_ratio


class Section(BaseModel):
    """A table of a study file: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Fixed(Section):
    """One value for every trial."""

    value: Scalar | None


class Choices(Section):
    """One of several values, with no order between them.

    Attributes:
        values: one at least.
        when: values of others without which it means nothing, and is not drawn; of a module alone.
    """

    values: Annotated[tuple[Scalar, ...], Field(min_length=1)]
    when: dict[str, Scalar] | None = None

    @field_validator("values")
    @classmethod
    def _are_distinct(cls, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        if len(set(values)) < len(values):
            raise ValueError("must not name a value twice")
        return values


class Range(Section):
    """Every value from `low` to `high`, both among them; log-uniform with `log`.

    An end keeps whether it was written as a whole number. `when` is as that of `Choices`.
    """

    low: int | float
    high: int | float
    log: bool = False
    when: dict[str, Scalar] | None = None

    @field_validator("low", "high", mode="before")
    @classmethod
    def _is_finite(cls, end: object) -> object:
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            raise ValueError(f"must be a finite number, got {end!r}")
        return end

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must be <= high, got low = {self.low:g}, high = {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be > 0 on a log scale, got {self.low:g}")
        return self


class Around(Section):
    """Widths from `low` to `high`, told as ratios to a rule's value.

    A `factor` narrows them to the rule's value / `factor` and its value * `factor`.
    """

    around: Literal["two_thirds", "mean"] = "two_thirds"
    factor: Annotated[float, Field(gt=1)] | None = None
    low: Annotated[int, Field(ge=1)] = 16
    high: Annotated[int, Field(ge=1)] = 1024

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must be <= high, got low = {self.low}, high = {self.high}")
        return self


class PerEpoch(Section):
    """A final ratio written as the note writes its schedules: a factor per epoch."""

    per_epoch: Annotated[float, Field(gt=0, le=1)]


Domain = Fixed | Choices | Range | Around


def _scalar(raw: object) -> Scalar:
    if not isinstance(raw, Scalar) or (isinstance(raw, float) and not math.isfinite(raw)):
        raise ValueError(f"must be a finite number, a name or a switch, got {raw!r}")
    return raw


def _plain(raw: object) -> object:
    """Turns what stands in the file into a domain: a value, a list or a table."""
    if isinstance(raw, Section):
        return raw
    if isinstance(raw, list):
        return Choices.model_validate({"values": tuple(_scalar(item) for item in raw)})
    if isinstance(raw, dict) and isinstance(raw.get("values"), list):
        values = tuple(_scalar(item) for item in raw["values"])
        return Choices.model_validate({**raw, "values": values})
    if isinstance(raw, dict):
        return Range.model_validate(raw)
    return Fixed.model_validate({"value": _scalar(raw)})


def _domain(raw: object) -> object:
    """As `_plain`, where a table may be `Around`."""
    if isinstance(raw, dict) and ("around" in raw or "factor" in raw):
        return Around.model_validate(raw)
    return _plain(raw)


def _ratio(raw: object) -> object:
    """As `_domain`, where `{ per_epoch = 0.95 }` may stand for a value or in a list."""
    if isinstance(raw, list):
        if not any(isinstance(item, dict) for item in raw):
            return _domain(raw)
        return tuple(
            PerEpoch.model_validate(item) if isinstance(item, dict) else _scalar(item)
            for item in raw
        )
    if isinstance(raw, dict) and "per_epoch" in raw:
        return PerEpoch.model_validate(raw)
    return _domain(raw)


NamedValue = Annotated[Fixed | Choices | Range, BeforeValidator(_plain)]
SearchedValue = Annotated[Fixed | Choices | Range, BeforeValidator(_domain)]
SearchedWidth = Annotated[Domain, BeforeValidator(_domain)]
SearchedRatio = Annotated[
    Fixed | Choices | Range | PerEpoch | tuple[float | PerEpoch, ...], BeforeValidator(_ratio)
]


def worked_out(value: object, epochs: int) -> Domain:
    """Returns the domain that a searched value means for trials of so many epochs."""
    if isinstance(value, PerEpoch):
        return Fixed(value=decay_ratio(value.per_epoch, epochs))
    if isinstance(value, tuple):
        return Choices(
            values=tuple(
                decay_ratio(item.per_epoch, epochs) if isinstance(item, PerEpoch) else item
                for item in value
            )
        )
    assert isinstance(value, Fixed | Choices | Range | Around)
    return value


def named_values(domain: Domain) -> tuple[Scalar | None, ...]:
    """Returns the values that a domain names: all of a list, the ends of a range."""
    match domain:
        case Fixed(value=value):
            return (value,)
        case Choices(values=values):
            return values
        case Range(low=low, high=high):
            return (low, high)
    return ()
