"""What earlier studies found, as ratios that carry over to other data.

They are in `heuristics.json` of the results' folder: one entry for each study that has a confirmed
winner, the latest. It is plain JSON; `tuner export-heuristics` copies it for use elsewhere.
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError, StoreLostError
from ..network.config import Activation, DataFacts, MLPConfig, Optimizer, Schedule
from ..system import paths
from .rules import scale_square_root, two_thirds
from .training import total_decay

#: How much larger SGD's rates are than AdamW's, for one base rate to tell both.
SGD_RATE = 10.0
#: Layout of the file.
_VERSION = 1
#: Factor in one of the sizes of the data after which a study counts for exp(-1/2) of its weight.
_REACH = 10.0
#: Weight of a study on data of the same sizes, where the rules have 1.
_WEIGHT = 3.0
#: Least weight that counts.
_LEAST = 0.05


class Experience(BaseModel):
    """What one study found.

    Attributes:
        study: its name.
        facts: sizes of its data.
        metric: what it optimized.
        mean: of its winner over the seeds of the confirmation.
        standard_error: of that mean.
        gain: of the winner over the note's rules, above 0 if better; None if it is not known.
        width_ratio: width over the 2/3 rule; None without a hidden layer.
        base_learning_rate: AdamW's at batch 128: over sqrt(batch / 128), and over 10 for SGD.
        depth: hidden layers.
        activation: as `MLPConfig` has it, like all that follows.
        batch_normalization: on or off.
        dropout: probability.
        optimizer: its name.
        weight_decay: of weight matrices.
        batch_size: rows of a step.
        schedule: its name.
        final_ratio: final over initial rate.
        total_decay: what weight decay amounted to over the training, as `heuristics.total_decay`
            has it; None of studies before it was kept.
        verdicts: of its audit, by the name of the claim, with the rule's id before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    study: str
    facts: DataFacts
    metric: str
    mean: float
    standard_error: float
    gain: float | None
    width_ratio: Annotated[float, Field(gt=0)] | None
    base_learning_rate: Annotated[float, Field(gt=0)]
    depth: Annotated[int, Field(ge=0)]
    activation: Activation
    batch_normalization: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    optimizer: Optimizer
    weight_decay: Annotated[float, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=1)]
    schedule: Schedule
    final_ratio: Annotated[float, Field(gt=0, le=1)]
    total_decay: Annotated[float, Field(ge=0)] | None = None
    verdicts: Mapping[str, str] = {}

    @classmethod
    def of(
        cls,
        study: str,
        config: MLPConfig,
        facts: DataFacts,
        *,
        metric: str,
        mean: float,
        standard_error: float,
        gain: float | None,
    ) -> Experience:
        """Tells a winner as ratios.

        Args:
            study: its name.
            config: of the winner.
            facts: sizes of the data.
            metric: what was optimized.
            mean: over the seeds.
            standard_error: of the mean.
            gain: over the note's rules.
        """
        rule = two_thirds(facts.n_inputs, facts.n_outputs)
        return cls(
            study=study,
            facts=facts.model_copy(update={"numeric": None, "categories": ()}),
            metric=metric,
            mean=mean,
            standard_error=standard_error,
            gain=gain,
            width_ratio=config.width / rule if config.depth else None,
            base_learning_rate=config.learning_rate
            / rate_factor(config.optimizer, config.batch_size),
            depth=config.depth,
            activation=config.activation,
            batch_normalization=config.batch_normalization,
            dropout=config.dropout,
            optimizer=config.optimizer,
            weight_decay=config.weight_decay,
            batch_size=config.batch_size,
            schedule=config.schedule,
            final_ratio=config.final_ratio,
            total_decay=total_decay(config, facts.n_rows),
        )

    def weight(self, facts: DataFacts) -> float:
        """Says how much this study counts for such data, where the rules count 1; 0 is nothing.

        A Gaussian of the distance: the root of the squared logarithms (to base 10) of the ratios of
        inputs, outputs and rows.
        """
        if self.facts.task != facts.task:
            return 0.0
        pairs = (
            (self.facts.n_inputs, facts.n_inputs),
            (self.facts.n_outputs, facts.n_outputs),
            (self.facts.n_rows, facts.n_rows),
        )
        squares = sum(math.log(ours / theirs, _REACH) ** 2 for ours, theirs in pairs)
        weight = _WEIGHT * math.exp(-squares / 2)
        return weight if weight >= _LEAST else 0.0


def rate_factor(optimizer: Optimizer, batch_size: int) -> float:
    """Returns a learning rate over its base rate, which is AdamW's at batch 128."""
    scale = scale_square_root(1.0, batch_size)
    return scale * SGD_RATE if optimizer == "sgd" else scale


def history_file() -> Path:
    """Returns where the results' folder keeps what was found."""
    return paths.home() / "heuristics.json"


def history(path: str | Path | None = None) -> tuple[Experience, ...]:
    """Reads what earlier studies found.

    Args:
        path: of the file; None is `heuristics.json` in the results' folder.

    Returns:
        One entry for each study; none if there is no such file in the results' folder.

    Raises:
        InputError: the file cannot be read.
    """
    file = history_file() if path is None else Path(path)
    if path is None and not file.exists():
        return ()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise InputError(f"{file}: version must be {_VERSION}, got {content['version']!r}")
        return tuple(Experience.model_validate(entry) for entry in content["studies"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not a file of heuristics ({_line(error)})") from error


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def remember(experience: Experience) -> None:
    """Keeps what a study found, in place of what it found before; verdicts stay.

    Raises:
        StoreLostError: the file cannot be written.
    """
    _update(
        experience.study,
        lambda before: experience.model_copy(
            update={"verdicts": {} if before is None else before.verdicts}
        ),
    )


def remember_verdicts(study: str, verdicts: Mapping[str, str]) -> None:
    """Keeps what an audit said, beside what its study found; without that there is nothing to keep.

    Raises:
        StoreLostError: the file cannot be written.
    """
    _update(
        study,
        lambda before: (
            None
            if before is None
            else before.model_copy(update={"verdicts": {**before.verdicts, **verdicts}})
        ),
    )


def _update(study: str, change: Callable[[Experience | None], Experience | None]) -> None:
    """Changes the entry of one study, while no other process changes the file."""
    file = history_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_name(f".{file.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = {entry.study: entry for entry in history()}
            after = change(entries.get(study))
            if after is None:
                return
            entries[study] = after
            with paths.replacing(file) as beside:
                beside.write_text(to_json(tuple(entries.values())), encoding="utf-8")
    except OSError as error:
        raise StoreLostError(f"{file}: cannot be written ({error.strerror})") from error


def to_json(entries: tuple[Experience, ...]) -> str:
    """Returns entries as the text of a file."""
    studies = [entry.model_dump(mode="json") for entry in entries]
    return json.dumps({"version": _VERSION, "studies": studies}, indent=2) + "\n"
