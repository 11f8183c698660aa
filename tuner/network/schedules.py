"""Learning-rate schedules, all torch's own, all told by scale-free numbers.

`E` is the number of epochs, `T` of optimizer steps, `r` the final ratio, `k` the number of
drops. The rate of epoch `e = 0 .. E - 1` or step `t = 0 .. T - 1`, over the initial rate:

| schedule | torch class | rate | changes |
|---|---|---|---|
| constant | ConstantLR, factor 1 | 1 | never |
| lambda | LambdaLR | r ** (e / E) | each epoch |
| exponential | ExponentialLR | r ** (e / E) | each epoch |
| step | StepLR | k equal drops to r, evenly apart | each epoch |
| multistep | MultiStepLR | k equal drops to r, at 1/2, 3/4, 7/8 ... of E | each epoch |
| plateau | ReduceLROnPlateau | drops by r ** (1 / k), never below r | bad epochs |
| cosine | CosineAnnealingLR | half a cosine from 1 to r | each step |
| onecycle | OneCycleLR | up from 1/25 to 1, then down to r | each step |

Lambda and exponential draw the same curve; the note names both, so both can be written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from .config import MLPConfig

#: Metric that a plateau is seen in.
PLATEAU_METRIC = "val_loss"

_STEPWISE = ("cosine", "onecycle")
_ONECYCLE_START = 25.0  # torch's default div_factor
_ONECYCLE_RISE = 0.3  # torch's default pct_start


@dataclass(frozen=True)
class Plan:
    """A scheduler, and when it steps.

    Attributes:
        scheduler: steps once per interval; a plateau's takes the metric.
        interval: after each optimizer step, or after each epoch.
    """

    scheduler: LRScheduler | ReduceLROnPlateau
    interval: Literal["step", "epoch"]


def plan(optimizer: Optimizer, config: MLPConfig, epochs: int, steps_per_epoch: int) -> Plan:
    """Makes the scheduler that a config names, for a training of this length.

    A warm-up climbs linearly over the first `warmup` share of the training, in steps for the
    schedules that change each step, else in whole epochs (none where one epoch is all there
    is). OneCycleLR has a warm-up of its own, whose share it then is.

    Args:
        optimizer: its groups hold the initial rate.
        config: names the schedule and its numbers.
        epochs: `E`, at least 1.
        steps_per_epoch: `T / E`, at least 1.
    """
    stepwise = config.schedule in _STEPWISE
    length = epochs * steps_per_epoch if stepwise else epochs
    interval: Literal["step", "epoch"] = "step" if stepwise else "epoch"
    climb = 0
    if config.warmup > 0 and config.schedule != "onecycle":
        climb = min(max(1, round(config.warmup * length)), length - 1)
    main = _scheduler(optimizer, config, length - climb)
    if climb == 0:
        return Plan(main, interval)
    assert not isinstance(main, ReduceLROnPlateau), "MLPConfig allows no warm-up of plateau"
    first = LinearLR(optimizer, start_factor=1 / (climb + 1), total_iters=climb)
    return Plan(SequentialLR(optimizer, [first, main], milestones=[climb]), interval)


def _scheduler(
    optimizer: Optimizer, config: MLPConfig, length: int
) -> LRScheduler | ReduceLROnPlateau:
    """Makes the scheduler of a schedule that takes `length` intervals, without warm-up."""
    ratio, drops = config.final_ratio, config.drops
    rate = config.learning_rate
    match config.schedule:
        case "constant":
            return ConstantLR(optimizer, factor=1.0, total_iters=0)
        case "lambda":
            per_epoch = ratio ** (1 / length)
            return LambdaLR(optimizer, lambda epoch: per_epoch**epoch)
        case "exponential":
            return ExponentialLR(optimizer, gamma=ratio ** (1 / length))
        case "step":
            size = math.ceil(length / (drops + 1))
            happen = max(1, (length - 1) // size)
            return StepLR(optimizer, step_size=size, gamma=ratio ** (1 / happen))
        case "multistep":
            at = sorted({round(length * (1 - 0.5**drop)) for drop in range(1, drops + 1)})
            at = [epoch for epoch in at if 0 < epoch < length]
            return MultiStepLR(optimizer, milestones=at, gamma=ratio ** (1 / max(1, len(at))))
        case "plateau":
            return ReduceLROnPlateau(
                optimizer,
                factor=min(ratio ** (1 / drops), 1 - 1e-9),  # torch wants a factor below 1
                patience=max(1, round(config.patience * length)),
                min_lr=rate * ratio,
            )
        case "cosine":
            return CosineAnnealingLR(optimizer, T_max=length, eta_min=rate * ratio)
        case "onecycle":
            rise = config.warmup or _ONECYCLE_RISE
            if math.isclose(rise * length, 1):
                rise *= 0.99  # torch divides by rise * length - 1
            return OneCycleLR(
                optimizer,
                max_lr=rate,
                total_steps=length,
                pct_start=rise,
                cycle_momentum=False,
                div_factor=_ONECYCLE_START,
                final_div_factor=1 / (_ONECYCLE_START * ratio),
            )
