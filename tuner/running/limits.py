"""What a network may take at most, which is known before it is trained."""

from __future__ import annotations

import time
from functools import lru_cache

import torch

from ..network.checkpoints import n_parameters
from ..network.config import Config, DataFacts, MLPConfig
from ..network.perceptron import Perceptron
from ..space import MLPSpace, SearchSpace
from ..study import AnyStudySpec

#: Predictions that are timed, of which the shortest counts: others were held up.
_PREDICTIONS = 30


class Limits:
    """The limits of a study.

    Args:
        spec: the study file.
        facts: sizes of the data, if they are known.
    """

    def __init__(self, spec: AnyStudySpec, facts: DataFacts | None) -> None:
        self._limits, self._facts, self._spec = spec.objective.limits, facts, spec

    @property
    def are_there(self) -> bool:
        """Whether there are any."""
        return self._limits.n_parameters is not None or self._limits.milliseconds is not None

    def broken(self, config: Config) -> str:
        """Says which limit a config breaks; "" if none."""
        most, longest = self._limits.n_parameters, self._limits.milliseconds
        if most is not None and (n := self._size(config)) > most:
            return f"it has {n:,} parameters, and {most:,} are allowed"
        if longest is not None and isinstance(config, MLPConfig) and self._facts is not None:
            took = milliseconds(config, self._facts)
            if took > longest:
                return f"a prediction takes {took:.3g} ms, and {longest:g} are allowed"
        return ""

    def check(self, space: SearchSpace) -> None:
        """Looks whether any network keeps them.

        Raises:
            StudyFileError: none does, or a limit cannot be known of a module of the user's.
        """
        if not isinstance(space, MLPSpace):
            if self._limits.milliseconds is not None:
                key = "objective.limits.milliseconds"
                raise self._spec.error(
                    key, "belongs to perceptrons: what a module takes is its own"
                )
            if self.are_there:
                for config in space.presets(0).values():
                    self.broken(config)
            return
        if self.are_there and (told := self.broken(space.smallest())):
            raise self._spec.error(
                "objective.limits", f"leave no network: of the smallest one of the space, {told}"
            )

    def _size(self, config: Config) -> int:
        if isinstance(config, MLPConfig):
            assert self._facts is not None
            return config.size(self._facts)
        try:
            module = config.build()
        except Exception:  # of the user's code: who trains it says so, and that trial fails
            return 0
        try:
            return n_parameters(module)
        except ValueError as error:  # of layers that are lazy
            key = "objective.limits.n_parameters"
            raise self._spec.error(key, f"cannot be told before a training: {error}") from error


@lru_cache
def milliseconds(config: MLPConfig, facts: DataFacts) -> float:
    """Returns what a prediction for one row takes on this machine, which may be busy."""
    with torch.device("meta"):  # no weights are drawn: others may be drawing theirs
        network = Perceptron(
            config, facts.n_inputs, facts.n_outputs, facts.task, facts.numeric, facts.categories
        ).eval()
    network.to_empty(device="cpu")
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.fill_(1 if tensor.is_floating_point() else 0)
    row, took = torch.zeros(1, facts.n_inputs), []
    with torch.inference_mode():
        for _ in range(_PREDICTIONS):
            began = time.perf_counter()
            network(row)
            took.append(time.perf_counter() - began)
    return 1000 * min(took)
