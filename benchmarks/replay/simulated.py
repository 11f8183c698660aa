"""A search in simulated time: Optuna asks and prunes as ever, a world says what trials score."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from tuner.running.proposals import LATE_AFTER
from tuner.space.base import drawn
from tuner.storage.reading import N_PARAMETERS, SOURCE

from .curves import is_small_enough
from .world import World

#: Processes that train.
CORES = 2

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
MakePruner = Callable[[int], optuna.pruners.BasePruner]
Points = Callable[[World], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Policy:
    """How a search chooses.

    Attributes:
        name: of it.
        sampler: makes one from a seed.
        pruner: makes one from the epochs of a trial.
        points: parameters of the trials that come first.
        in_flight: trials that are under way at once.
        later: parameters of trials that come as soon as `LATE_AFTER` trials are complete.
    """

    name: str
    sampler: MakeSampler
    pruner: MakePruner
    points: Points
    in_flight: int = CORES
    later: Points = lambda world: ()


@dataclass(frozen=True)
class Ended:
    """A complete trial.

    Attributes:
        time: seconds since the search began.
        error: on the validation rows, by which it is chosen.
        regret: on other rows, as `World.regret` has it.
        params: of it.
    """

    time: float
    error: float
    regret: float
    params: Mapping[str, Any]


class _Running:
    """A trial under way."""

    def __init__(self, trial: optuna.Trial, errors: Any, regret: float, seconds: float) -> None:
        self.trial, self.errors, self.regret, self.seconds = trial, errors, regret, seconds
        self.epoch = 0


def searched(world: World, policy: Policy, seed: int, seconds: float) -> list[Ended]:
    """Searches for so long; returns the complete trials in the order in which they ended.

    Args:
        world: the data set.
        policy: how to choose.
        seed: of the sampler; even ones see one cut of the rows, odd ones the other.
        seconds: of the search. A trial that would end later does not count.
    """
    view = seed % world.curves.errors.shape[1]
    # Hyperband has its brackets from the name.
    study = optuna.create_study(
        sampler=policy.sampler(seed),
        pruner=policy.pruner(world.curves.epochs),
        study_name=f"{world.curves.name} {seed}",
    )
    waiting = [*policy.later(world)]
    for params in policy.points(world):
        study.enqueue_trial(dict(params), {SOURCE: "point"})
    slow = max(1.0, policy.in_flight / CORES)  # seconds of a core that is shared
    queue: list[tuple[float, int, _Running]] = []
    order, found = itertools.count(), list[Ended]()

    def begin(now: float) -> None:
        while waiting and len(found) >= LATE_AFTER:
            study.enqueue_trial(dict(waiting.pop(0)), {SOURCE: "point"})
        while True:
            trial = study.ask()
            config = world.space.config(drawn(trial, world.space.distributions))
            trial.set_user_attr(N_PARAMETERS, config.size(world.space.facts))
            if SOURCE in trial.user_attrs or is_small_enough(config, world.space.facts):
                break
            study.tell(trial, state=TrialState.FAIL)
        got = world.trained(trial.params)
        regret = world.regret(got, view)
        running = _Running(trial, got.errors[view], regret, got.seconds * slow)
        heapq.heappush(queue, (now + running.seconds, next(order), running))

    for _ in range(policy.in_flight):
        begin(0.0)
    while queue:
        now, _, running = heapq.heappop(queue)
        if now > seconds:
            break
        score = float(running.errors[running.epoch])
        running.epoch += 1
        running.trial.report(score, running.epoch)
        if running.epoch == len(running.errors):
            study.tell(running.trial, score)
            found.append(Ended(now, score, running.regret, running.trial.params))
            begin(now)
        elif running.trial.should_prune():
            study.tell(running.trial, state=TrialState.PRUNED)
            begin(now)
        else:
            heapq.heappush(queue, (now + running.seconds, next(order), running))
    return found


def regrets(ended: Sequence[Ended], times: Sequence[float]) -> list[float]:
    """Returns the regret of the best trial at some times; 1 before any trial is complete.

    Args:
        ended: trials of a search.
        times: seconds since it began.
    """
    found = []
    for time in times:
        known = [each for each in ended if each.time <= time]
        found.append(min(known, key=lambda each: each.error).regret if known else 1.0)
    return found
