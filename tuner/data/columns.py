"""How the columns of a table become the inputs of a network: what is fixed of each column.

Nothing of it follows from the targets, and nothing that matters from rows that do not train: middle
and scale of an input, and which values were seen at all, are found in the training rows of each cut
(`Standardization`). What is here tells kinds, names values, and keeps numbers in reach of float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..errors import DataError
from .rulers import Array
from .values import check_there, days, named, numbers

if TYPE_CHECKING:
    import pandas as pd

#: Numbers of float32 at most.
_FLOAT32 = 3e38
#: How files write switches, as pandas reads them, and as names have them.
_SWITCHES = {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}
#: Days of a year and of a week, and hours of a day, which dates go round in.
_YEAR, _WEEK, _DAY = 365.25, 7.0, 1.0


class Column(BaseModel, ABC):
    """One column of a table.

    Attributes:
        name: of the column.
        has_gaps: values were missing, for which there is an input that says so, the last one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    has_gaps: bool = False

    @property
    @abstractmethod
    def own_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that its values become."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all its inputs."""
        return (*self.own_inputs, f"{self.name} is missing") if self.has_gaps else self.own_inputs

    @property
    def _with_gaps(self) -> str:
        return ", with gaps" if self.has_gaps else ""

    @abstractmethod
    def write(self, values: pd.Series[Any], x: Array) -> int:
        """Writes the inputs of a column.

        Args:
            values: `(rows,)`.
            x: takes its own inputs, `(rows, own_inputs)` float32; NaN is a gap.

        Returns:
            How many rows have a value that it has no input for.

        Raises:
            DataError: a value is of another kind; the message names its row.
        """


class Numbers(Column):
    """Numbers: one input.

    Attributes:
        offset: that they are measured from, 0 wherever float32 can do without.
        unit: that they are measured in, 1 likewise.
    """

    kind: Literal["number"] = "number"
    offset: float = 0.0
    unit: float = 1.0

    @property
    def own_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that its values become."""
        return (self.name,)

    def __str__(self) -> str:
        return f"{self.name}: numbers{self._with_gaps}"

    def write(self, values: pd.Series[Any], x: Array) -> int:
        """As `Column` says."""
        measured = (numbers(values) - self.offset) / self.unit
        x[:, 0] = np.clip(measured, -_FLOAT32, _FLOAT32)
        return 0


class Values(Column):
    """Values without an order, some of which are named.

    All others share one place: values that are rare or new, and those that no training row of a cut
    has.

    Attributes:
        values: that are named.
        is_text: a file's values stay as they are written, such as 01067.
    """

    kind: str  # comes first, as it always did in what fingerprints are of
    values: tuple[str, ...]
    is_text: bool = False

    @property
    def place_of(self) -> dict[str, int]:
        """The place of each text that has one.

        A column of switches is read as text where a file has something else among them.
        """
        places = {value: index for index, value in enumerate(self.values)}
        if not self.is_text and {*self.values} <= {"True", "False"}:
            ways = {way: places[name] for way, name in _SWITCHES.items() if name in places}
            return places | ways
        return places

    def places(self, values: pd.Series[Any]) -> tuple[Array, int]:
        """Returns the place of each row's value, -1 where it has none or is missing.

        And how many rows have a value without a place.
        """
        codes, names = named(values)
        place = self.place_of
        places = np.array([*(place.get(name, -1) for name in names), -1], np.intp)
        found = places[codes]  # the code of a gap is -1, which is the last place
        return found, int(np.sum((found < 0) & (codes >= 0)))


class Categories(Values):
    """Few values: an input for each of those that are named, 1 where it is the value."""

    kind: Literal["category"] = "category"

    @property
    def own_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that its values become."""
        return tuple(f"{self.name} = {value}" for value in self.values)

    def __str__(self) -> str:
        return f"{self.name}: categories, {len(self.values)} with an input{self._with_gaps}"

    def write(self, values: pd.Series[Any], x: Array) -> int:
        """As `Column` says."""
        found, n_unknown = self.places(values)
        x[:] = 0
        rows = np.flatnonzero(found >= 0)
        x[rows, found[rows]] = 1
        return n_unknown


class Embedded(Values):
    """Many values: one input, the number of the value, whose vector the network learns.

    They count from 1. 0 is what all others share, and gaps with them.
    """

    kind: Literal["embedded"] = "embedded"

    @property
    def own_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that its values become."""
        return (self.name,)

    @property
    def n_codes(self) -> int:
        """How many numbers there are."""
        return len(self.values) + 1

    def __str__(self) -> str:
        return f"{self.name}: categories, {len(self.values)} embedded{self._with_gaps}"

    def write(self, values: pd.Series[Any], x: Array) -> int:
        """As `Column` says."""
        found, n_unknown = self.places(values)
        x[:, 0] = found + 1
        return n_unknown


class Dates(Column):
    """Points in time: days, where in the year, the week and, with times, the day.

    Attributes:
        format: how they are written, as `strptime` has it, or ISO8601.
        offset: days after 1970 that are measured from.
        has_times: some are not at midnight.
    """

    kind: Literal["date"] = "date"
    format: str = "ISO8601"
    offset: float = 0.0
    has_times: bool = False

    @property
    def rounds(self) -> dict[str, float]:
        """Days that dates go round in, by name."""
        rounds = {"year": _YEAR, "week": _WEEK}
        return {**rounds, "day": _DAY} if self.has_times else rounds

    @property
    def own_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that its values become."""
        turns = [
            f"{self.name}: {turn} of {of}" for of in self.rounds for turn in ("sine", "cosine")
        ]
        return (f"{self.name}: days", *turns)

    def __str__(self) -> str:
        return f"{self.name}: dates{self._with_gaps}"

    def write(self, values: pd.Series[Any], x: Array) -> int:
        """As `Column` says."""
        since = days(values, self.format)
        x[:, 0] = since - self.offset
        for at, length in enumerate(self.rounds.values()):
            angle = 2 * np.pi * (since % length) / length
            x[:, 1 + 2 * at], x[:, 2 + 2 * at] = np.sin(angle), np.cos(angle)
        return 0


AnyColumn = Annotated[Numbers | Categories | Embedded | Dates, Field(discriminator="kind")]


@dataclass(frozen=True)
class Encoded:
    """Rows of a table as inputs.

    Attributes:
        x: `(rows, n_inputs)` float32; NaN is a gap.
        unknown: of each column that has them, rows whose value has no input: rare or new.
    """

    x: Array
    unknown: dict[str, int]


class Encoding(BaseModel):
    """The columns of a table that networks learn from, and the one or those that they predict.

    Attributes:
        columns: in the order of their inputs.
        targets: names of the columns that are predicted.
        read: options of pandas' reader that files of such rows were read with.
        layout: further ones, that say where in such a file the columns and their names are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[AnyColumn, ...]
    targets: tuple[str, ...]
    read: dict[str, Any] = Field(default_factory=dict)
    layout: dict[str, Any] = Field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(name for column in self.columns for name in column.inputs)

    @property
    def fingerprint(self) -> str:
        """What of it decides the inputs of rows: not where they were found."""
        return self.model_dump_json(exclude={"layout"})

    @property
    def as_text(self) -> tuple[str, ...]:
        """Names of the columns of files whose values stay as they are written."""
        return tuple(
            column.name for column in self.columns if isinstance(column, Values) and column.is_text
        )

    @property
    def embedded(self) -> tuple[tuple[int, int], ...]:
        """Which inputs are numbers of categories, and how many numbers each has."""
        found, first = [], 0
        for column in self.columns:
            if isinstance(column, Embedded):
                found.append((first, column.n_codes))
            first += len(column.inputs)
        return tuple(found)

    def encode(self, frame: pd.DataFrame, name: str) -> Encoded:
        """Returns the inputs of rows, whatever the order of their columns, and beside others.

        Args:
            frame: the rows.
            name: where they are from, for messages.

        Raises:
            DataError: a column is missing, or a value of another kind than it had.
        """
        check_there([column.name for column in self.columns], frame, name)
        x = np.empty((len(frame), len(self.inputs)), np.float32)
        unknown, first = {}, 0
        for column in self.columns:
            values, n = frame[column.name], len(column.own_inputs)
            try:
                if n_unknown := column.write(values, x[:, first : first + n]):
                    unknown[column.name] = n_unknown
            except DataError as error:
                raise DataError(f"{name}: column {column.name!r} {error}") from error
            first += n
            if column.has_gaps:
                x[:, first] = values.isna()
                first += 1
        return Encoded(x, unknown)
