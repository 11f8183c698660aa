"""Learning rates of one member, drawn by torch's own scheduler."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch

from ...network.config import MLPConfig
from ...network.schedules import plan


class _Optimizer(torch.optim.Optimizer):
    """What a scheduler needs of an optimizer: a rate, and no parameters.

    All else that torch's constructor does would load its compiler, which takes two seconds.
    """

    def __init__(self, rate: float) -> None:
        self.defaults = {"lr": rate}
        self.param_groups = [{"params": [], "lr": rate}]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Does nothing."""


class Rates:
    """Runs the scheduler of a config on an optimizer that trains nothing.

    Args:
        config: names the schedule.
        steps_per_epoch: optimizer steps of an epoch, at least 1.
    """

    def __init__(self, config: MLPConfig, steps_per_epoch: int) -> None:
        self._optimizer = _Optimizer(config.learning_rate)
        plan_ = plan(self._optimizer, config, config.epochs, steps_per_epoch)
        self._scheduler, self._interval = plan_.scheduler, plan_.interval
        self._steps = steps_per_epoch
        self._left = config.epochs * steps_per_epoch  # rates of the schedule that are not drawn
        self._ahead: deque[float] = deque()
        self._optimizer.step()  # a scheduler warns if the optimizer has not stepped before it

    def epoch(self) -> list[float]:
        """Returns the rate of each step of the epoch that begins."""
        if self._interval == "epoch":
            return [self.rate] * self._steps
        while len(self._ahead) < self._steps:
            self._draw()
        return [self._ahead.popleft() for _ in range(self._steps)]

    def draw_ahead(self) -> None:
        """Draws one more rate of a schedule that changes with each step, for epochs to come."""
        if self._interval == "step" and self._left > 0:
            self._draw()

    def _draw(self) -> None:
        self._ahead.append(self._current)
        self._scheduler.step()  # type: ignore[call-arg]  # plateau does not step here
        self._left -= 1

    def end_epoch(self, validation_loss: float) -> None:
        """Takes what the epoch that ends was worth."""
        if isinstance(self._scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self._scheduler.step(validation_loss)
        elif self._interval == "epoch":
            self._scheduler.step()

    @property
    def rate(self) -> float:
        """The rate of the next step."""
        return self._ahead[0] if self._ahead else self._current

    @property
    def _current(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])
