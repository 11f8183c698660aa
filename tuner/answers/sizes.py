"""`front`: how good networks of each size are, over the seeds of the confirmation.

Candidates are the complete trials that no smaller one beat in the search, the confirmed winner made
narrower and narrower, and all that was confirmed over all seeds; none is larger than the winner.
All of them are trained again, since what looked good for its size in the search was partly lucky.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from ..errors import InputError, StudyFailedError
from ..network.config import DataFacts, MLPConfig
from ..results.arms import Arm, difference
from ..results.front import Front, Point
from ..results.winner import Confirmation
from ..running.arguments import check_minutes
from ..running.open_study import OpenStudy, opened
from ..running.progress import Observer
from ..running.repeats import Repeats
from ..running.watching import watched
from ..system import paths
from ..system.devices import Devices
from .confirmed import confirmed

#: Trials that are candidates, at most.
_TRIALS = 8
#: Units of the narrowest layer that the winner is made, and how often its layers are halved.
_NARROWEST, _HALVINGS = 4, 8


def front(
    study: object,
    *,
    minutes: float | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    progress: bool | None = None,
    observer: Observer | None = None,
) -> Front:
    """Finds the best network of each size, between the confirmed winner and very small ones.

    What an earlier call trained is not trained again.

    Args:
        study: name of a file in `studies/`, or the path of one, or a `Study`; of multi-layer
            perceptrons.
        minutes: that it may take; networks over all sizes come first, then those between them. None
            is as many as it needs.
        workers: as `tune` takes it, like what follows.
        devices: to use.
        cluster: of Ray's, to use.
        storage: of all studies.
        progress: as `tune` takes it.
        observer: is told what happens, instead of showing it.

    Raises:
        InputError: the study has no confirmed winner, or is one of another network; or there is no
            time for a single one.
        TunerError: as `tune` raises it.
    """
    check_minutes(minutes)
    spec, confirmation = confirmed(study, storage, "sizes are told of MLPs")
    with (
        watched(progress, observer) as observer,
        opened(
            spec,
            workers=workers,
            devices=devices,
            cluster=cluster,
            storage=storage,
            observer=observer,
        ) as open_study,
    ):
        seconds = None if minutes is None else 60 * minutes
        found = front_of(open_study, confirmation, open_study.repeats(observer), seconds, observer)
    if found is None:
        raise InputError(f"{spec.name}: no network of a front could be trained in {minutes:g} min")
    return found


def front_of(
    open_study: OpenStudy,
    confirmation: Confirmation,
    repeats: Repeats,
    seconds: float | None,
    observer: Observer,
) -> Front | None:
    """Finds the best network of each size of a study that is open.

    Where there is no time for all networks, one of this confirmation that is known and has more
    stays.

    Args:
        open_study: of perceptrons.
        confirmation: of it.
        repeats: of it.
        seconds: that it may take; None is as many as it needs.
        observer: is told what happens.

    Returns:
        None if there was no time for any network.

    Raises:
        StudyFailedError: no network could be trained.
        InterruptedStudyError: a signal came; what ended is kept.
        StoreLostError: the store or the disk is gone.
    """
    began = time.monotonic()
    winner, name, seeds = confirmation.winning.config, open_study.spec.name, confirmation.seeds
    assert isinstance(winner, MLPConfig)
    arms = _candidates(open_study, confirmation, winner)
    observer.begin(f"{len(arms)} networks over {len(seeds)} seeds")
    # What takes long begins first, lest it is left alone at the end, if there is time for all.
    arms.sort(key=lambda arm: -arm.n_parameters)
    if seconds is not None:
        arms = _spread(arms)
    end = None if seconds is None else began + seconds
    pairs = [(arm.config, seed) for arm in arms for seed in seeds]
    in_time = repeats.run(pairs, end=end, observer=observer)
    points = _points(arms, confirmation, repeats)
    if not in_time:
        observer.remark(
            f"there was time for {len(points)} of {len(arms)} networks of the front; "
            f"tuner front {name} trains the others"
        )
        kept = Front.kept(open_study.store.front)
        if kept is not None and kept.is_of(confirmation) and kept.n_networks >= len(points):
            return kept
        if not points:
            return None
    if not points:
        raise StudyFailedError(f"{name}: no network of the front could be trained")
    found = _made(name, confirmation, winner, points, time.monotonic() - began)
    open_study.store.keep_front(found.model_dump_json())
    paths.write(paths.study_folder(name) / "front.json", found.model_dump_json(indent=2))
    return found


def _made(
    study: str,
    confirmation: Confirmation,
    winner: MLPConfig,
    points: Sequence[Point],
    seconds: float,
) -> Front:
    best, others = _split(points, maximize=confirmation.direction == "maximize")
    return Front(
        study=study,
        metric=confirmation.metric,
        direction=confirmation.direction,
        winner=confirmation.winner,
        config=winner,
        identity=confirmation.identity,
        seeds=confirmation.seeds,
        points=tuple(best),
        others=tuple(others),
        seconds=seconds,
    )


def _candidates(open_study: OpenStudy, confirmation: Confirmation, winner: MLPConfig) -> list[Arm]:
    """Returns the networks to train, each once; the confirmed ones first."""
    facts, trials = open_study.facts, open_study.store.trials()
    assert facts is not None
    known = [
        arm
        for arm in confirmation.arms
        if arm.is_allowed and len(arm.scores) == len(confirmation.seeds)
    ]
    complete: dict[int, MLPConfig] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            config = open_study.space.final(trial.params, winner.epochs)
            assert isinstance(config, MLPConfig)
            complete[trial.number] = config
    chosen = _unbeaten(trials, complete, facts, confirmation.direction)
    others = {f"trial {number}": complete[number] for number in chosen}
    others |= {f"{confirmation.winner}, {each.width} wide": each for each in narrower(winner)}
    every = [(arm.name, arm.config) for arm in known] + list(others.items())
    found: dict[str, Arm] = {}
    for name, config in every:
        if isinstance(config, MLPConfig) and config.size(facts) <= winner.size(facts):
            arm = Arm(
                name=name,
                trial=None,
                config=config,
                n_parameters=config.size(facts),
                search=None,
                scores=(),
            )
            found.setdefault(_key(config), arm)
    return list(found.values())


def _key(config: MLPConfig) -> str:
    """Returns the same text for configs of the same network and training."""
    if config.depth == 0:  # there is no hidden layer that these would say anything of
        same = {"width": 1, "activation": "relu", "batch_normalization": False, "dropout": 0.0}
        config = config.model_copy(update={**same, "normalization_batch_size": None})
    return config.to_json()


def narrower(config: MLPConfig) -> list[MLPConfig]:
    """Returns the same network with layers half as wide, a quarter, and so on."""
    widths = [config.width // 2**halvings for halvings in range(1, _HALVINGS + 1)]
    is_any = config.depth > 0
    return [
        config.model_copy(update={"width": width})
        for width in widths
        if is_any and width >= _NARROWEST
    ]


def _unbeaten(
    trials: Sequence[FrozenTrial],
    configs: Mapping[int, MLPConfig],
    facts: DataFacts,
    direction: str,
) -> list[int]:
    """Returns numbers of trials that none of the same size or smaller beat, over all sizes."""
    sign = 1 if direction == "maximize" else -1
    found = _sweep(
        [
            (configs[trial.number].size(facts), -sign * trial.value, trial.number)
            for trial in trials
            if trial.number in configs and trial.value is not None
        ]
    )
    if len(found) <= _TRIALS:
        return found
    step = (len(found) - 1) / (_TRIALS - 1)
    return [found[round(index * step)] for index in range(_TRIALS)]


def _spread(arms: Sequence[Arm]) -> list[Arm]:
    """Returns the middle one first, then those in the middle of what is left between others."""
    found, parts = [], deque([arms])
    while parts:
        if part := parts.popleft():
            middle = len(part) // 2
            found.append(part[middle])
            parts += part[:middle], part[middle + 1 :]
    return found


def _points(arms: Sequence[Arm], confirmation: Confirmation, repeats: Repeats) -> list[Point]:
    """Returns what arms scored, but for those one of whose trainings failed or diverged."""
    scored = []
    for arm in arms:
        ended = [repeats.find(arm.config, seed) for seed in confirmation.seeds]
        found = [each for each in ended if each is not None and not each.reason]
        if len(found) == len(confirmation.seeds):
            scores = tuple(each.metrics[confirmation.metric] for each in found)
            scored.append(arm.model_copy(update={"scores": scores}))
    # With another trainer the scores of today are not those that were confirmed.
    config, overlap = confirmation.winning.config, confirmation.overlap
    winner = next((arm for arm in scored if arm.config == config), None)
    points = []
    for arm in scored:
        score, behind = confirmation.estimate(arm), None
        assert score is not None
        if winner is not None and arm is not winner:
            behind = difference(winner, arm, confirmation.direction, overlap=overlap)
        points.append(Point(arm=arm, score=score, behind=behind))
    return points


def _split(points: Sequence[Point], *, maximize: bool) -> tuple[list[Point], list[Point]]:
    """Splits points into those that no smaller or equal one is as good as, and the others."""
    sign = 1 if maximize else -1
    entries = [
        (each.arm.n_parameters, -sign * each.score.mean, index) for index, each in enumerate(points)
    ]
    best = _sweep(entries)
    return [points[index] for index in best], [
        each for index, each in enumerate(points) if index not in best
    ]


def _sweep(entries: Sequence[tuple[int, float, int]]) -> list[int]:
    """Returns numbers of sizes and losses that are better than all smaller ones, smallest first."""
    found: list[int] = []
    least = math.inf
    for _, loss, number in sorted(entries):
        if loss < least:
            least = loss
            found.append(number)
    return found
