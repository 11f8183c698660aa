"""What an audit is of where there is no time for all of it: fewer epochs, units and rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...network.config import DataFacts, MLPConfig
from ...system import paths

#: Epochs and units that are given up before rows are, down to these; and then, down to those.
_EPOCHS, _WIDTH = (10, 5), (256, 64)
#: Training rows down to which rows are given up, at least; and by how much at a time.
_ROWS, _FEWER = (2_000, 500), 1.5
#: Share of the rows of a second, smaller sample, by which it is seen what depends on the rows.
SMALLER = 1 / 3


@dataclass(frozen=True)
class Sample:
    """A part of the data, and the networks that rules are judged around on it.

    Attributes:
        rows: training rows of each training, and of the validation rows the same share.
        of_rows: that there are.
        base: the config around which rules are judged.
    """

    rows: int
    of_rows: int
    base: MLPConfig

    @property
    def is_whole(self) -> bool:
        """Whether all rows are in it."""
        return self.rows == self.of_rows

    @property
    def smaller(self) -> Sample:
        """The same with a third of the rows."""
        return replace(self, rows=max(2, round(SMALLER * self.rows)))

    def facts(self, facts: DataFacts) -> DataFacts:
        """Returns the sizes of the data with so many rows."""
        return facts.model_copy(update={"n_rows": self.rows})

    def __str__(self) -> str:
        base = self.base
        rows = "all rows" if self.is_whole else f"{self.rows:,} of {self.of_rows:,} training rows"
        return f"{rows}, {base.epochs} epochs, {base.depth} x {base.width}"


class KeptSamples:
    """The samples that were chosen, so that an audit that was cut goes on with its own.

    Another one would be of other trainings, and what it is follows from how fast the machine is.

    Args:
        folder: of the study's results.
        base: the config around which rules are judged.
        facts: sizes of the data.
    """

    def __init__(self, folder: Path, base: MLPConfig, facts: DataFacts) -> None:
        self._path = folder / "audit-samples.json"
        self._base, self._facts = base, facts
        try:
            read = json.loads(self._path.read_text())
        except (OSError, ValueError):
            read = {}
        self._known: dict[str, list[int]] = read if isinstance(read, dict) else {}

    def find(self, asked: str) -> Sample | None:
        """Returns the sample of an audit, by all that was asked for."""
        try:
            rows, epochs, width = self._known[self._key(asked)]
            base = self._base.model_copy(update={"epochs": int(epochs), "width": int(width)})
            return Sample(int(rows), self._facts.n_rows, base)
        except (KeyError, ValueError, TypeError):
            return None

    def keep(self, asked: str, sample: Sample) -> None:
        """Keeps the sample of an audit."""
        base = sample.base
        self._known[self._key(asked)] = [sample.rows, base.epochs, base.width]
        paths.write(self._path, json.dumps(self._known))

    def _key(self, asked: str) -> str:
        return f"{asked} of {self._facts.n_rows} rows around {self._base.to_json()}"


def samples(base: MLPConfig, facts: DataFacts) -> Iterator[Sample]:
    """Gives samples, each of which takes less time than the one before, the whole data first."""
    found = Sample(facts.n_rows, facts.n_rows, base)
    yield found
    for epochs, width, rows in zip(_EPOCHS, _WIDTH, _ROWS, strict=True):
        for key, least in (("epochs", epochs), ("width", width)):
            while (now := getattr(found.base, key)) > least:
                changed = {key: max(least, round(now / _FEWER))}
                found = replace(found, base=found.base.model_copy(update=changed))
                yield found
        while found.rows > rows:
            found = replace(found, rows=max(rows, round(found.rows / _FEWER)))
            yield found


def fitting(
    base: MLPConfig, facts: DataFacts, seconds: float, estimate: Callable[[Sample], float]
) -> Sample:
    """Returns the first sample that takes no more time than there is, or else the smallest.

    Args:
        base: the config around which rules are judged.
        facts: sizes of the data.
        seconds: that there are.
        estimate: says how many seconds the audit of a sample takes.
    """
    for found in samples(base, facts):
        takes = estimate(found) + (0.0 if found.is_whole else estimate(found.smaller))
        if takes <= seconds:
            return found
    return found
