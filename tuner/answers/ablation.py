"""What made the winner better: the way from the rules to it, one change at a time.

Ablation analysis (Fawcett and Hoos 2016, Analysing differences between algorithm configurations
through ablation, Journal of Heuristics 22): at each step all changes that are left are tried, and
the one that gains most is made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from .. import heuristics
from ..network.config import DataFacts, MLPConfig
from ..results import html
from ..results.arms import Direction, Estimate
from ..results.winner import Confirmation
from ..results.wording import estimate
from ..running.open_study import opened
from ..running.progress import Observer, Repeated
from ..running.repeats import Repeats
from ..running.trainings import seeds
from ..running.watching import watched
from ..system import paths
from ..system.devices import Devices
from .confirmed import confirmed

#: Seeds over which a step is chosen; its gain is then measured over others.
_SELECTION = 2

#: What changes together: a rate means nothing without its optimizer, nor a ratio without its
#: schedule.
CHANGES: dict[str, tuple[str, ...]] = {
    "depth": ("depth",),
    "width": ("width",),
    "numeric embedding": ("numeric_embedding",),
    "activation": ("activation",),
    "batch normalization": ("batch_normalization", "normalization_batch_size"),
    "dropout": ("dropout",),
    "label smoothing": ("label_smoothing",),
    "class weights": ("class_weight",),
    "optimizer and rate": ("optimizer", "learning_rate", "momentum", "weight_decay"),
    "gradient clipping": ("gradient_clipping",),
    "batch size": ("batch_size",),
    "schedule": ("schedule", "final_ratio", "warmup", "drops", "patience"),
}


class Step(BaseModel):
    """One config on the way.

    Attributes:
        change: what was changed from the one before; "" for the first.
        words: the values, as "53 -> 313".
        config: after the change.
        scores: over the seeds; () if one of the trainings failed.
        gain: over the step before, above 0 if better; None for the first, or without scores.
        overlap: validation rows over training rows of each seed's cut; see `Estimate.of`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: str
    words: str
    config: MLPConfig
    scores: tuple[float, ...]
    gain: Estimate | None = None
    overlap: float = 0.0

    @property
    def estimate(self) -> Estimate | None:
        """Mean of the scores, and its standard error for other rows."""
        return Estimate.of(self.scores, overlap=self.overlap) if self.scores else None


class Ablation(BaseModel):
    """The way from the rules to the winner of a study.

    Attributes:
        study: its name.
        metric: of the scores.
        direction: which way it is better.
        winner: the trial that it leads to, as "trial 17".
        seeds: that each step was trained over: those of the confirmation.
        steps: the note's config, and after it a change at a time, to the winner.
        seconds: that it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    metric: str
    direction: Direction
    winner: str
    seeds: tuple[int, ...]
    steps: tuple[Step, ...]
    seconds: float

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        rows = [
            (
                step.change or "the rules of thumb",
                estimate(step.estimate),
                "" if step.gain is None else estimate(step.gain),
                step.words,
            )
            for step in self.steps
        ]
        title = f"{self.study}: from the rules of thumb to {self.winner}, the largest gain first"
        return html.heading(title) + html.table(("change", self.metric, "gain", ""), rows)


def differing(start: MLPConfig, end: MLPConfig) -> tuple[str, ...]:
    """Returns the names of the changes that lead from one config to another."""
    ours, theirs = start.model_dump(), end.model_dump()
    return tuple(
        name
        for name, fields in CHANGES.items()
        if any(ours[field] != theirs[field] for field in fields)
    )


def changed(config: MLPConfig, name: str, end: MLPConfig) -> MLPConfig:
    """Makes one change towards another config."""
    values = end.model_dump()
    update = {field: values[field] for field in CHANGES[name]}
    return MLPConfig.model_validate({**config.model_dump(), **update})


def ablate(
    study: object,
    *,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    progress: bool | None = None,
    observer: Observer | None = None,
) -> Ablation:
    """Goes from the note's rules to the confirmed winner of a study, the largest gain first.

    What an earlier call trained is not trained again.

    Args:
        study: name of a file in `studies/`, or the path of one; of multi-layer perceptrons.
        workers: as `tune` takes it, like what follows.
        devices: to use.
        cluster: of Ray's, to use.
        storage: of all studies.
        progress: as `tune` takes it.
        observer: is told what happens, instead of showing it.

    Raises:
        InputError: the study has no confirmed winner, or is one of another network.
        TunerError: as `tune` raises it.
    """
    began = time.monotonic()
    spec, confirmation = confirmed(study, storage, "the rules speak of MLPs")
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
        assert open_study.facts is not None
        end = confirmation.winning.config
        assert isinstance(end, MLPConfig)
        walk = _Walk(
            open_study.repeats(observer),
            confirmation.metric,
            confirmation.direction,
            seeds(spec.study.seed, "ablation", _SELECTION),
            confirmation.seeds,
            confirmation.overlap,
            observer,
        )
        start = _note(confirmation, open_study.facts)
        found = Ablation(
            study=spec.name,
            metric=confirmation.metric,
            direction=confirmation.direction,
            winner=confirmation.winner,
            seeds=confirmation.seeds,
            steps=tuple(walk.steps(start, end)),
            seconds=time.monotonic() - began,
        )
        open_study.store.keep_ablation(found.model_dump_json())
    paths.write(paths.study_folder(spec.name) / "ablation.json", found.model_dump_json(indent=2))
    return found


def _note(confirmation: Confirmation, facts: DataFacts) -> MLPConfig:
    """Returns the note's rules as they were confirmed beside the winner."""
    for arm in confirmation.presets:
        if arm.name == "note":
            assert isinstance(arm.config, MLPConfig)
            return arm.config
    return heuristics.note(facts, confirmation.winning.config.epochs)


class _Part(Observer):
    """Tells of the trainings of a part as those of the whole.

    Args:
        whole: is told.
        before: trainings of the whole that have ended before.
        of: trainings of the whole.
    """

    def __init__(self, whole: Observer, before: int, of: int) -> None:
        self._whole, self._before, self._of = whole, before, of

    def repeated(self, training: Repeated) -> None:
        """Tells how many of the whole have ended."""
        done = self._before + training.done
        self._whole.repeated(replace(training, done=done, of=self._of))


class _Walk:
    """Chooses and scores the steps.

    Args:
        repeats: of the study.
        metric: of the scores.
        direction: which way it is better.
        select: seeds over which a step is chosen.
        score: seeds over which it is measured.
        overlap: validation rows over training rows of each seed's cut.
        observer: is told of each training that ends.
    """

    def __init__(
        self,
        repeats: Repeats,
        metric: str,
        direction: Direction,
        select: Sequence[int],
        score: Sequence[int],
        overlap: float,
        observer: Observer,
    ) -> None:
        self._repeats, self._metric, self._observer = repeats, metric, observer
        self._sign = 1 if direction == "maximize" else -1
        self._select, self._score, self._overlap = select, score, overlap
        self._done = self._of = 0

    def steps(self, start: MLPConfig, end: MLPConfig) -> list[Step]:
        """Returns all steps, the first one is the start."""
        left = list(differing(start, end))
        n = len(left) * (len(left) + 1) // 2 * _SELECTION + (len(left) + 1) * len(self._score)
        self._observer.begin(
            f"{len(left)} changes from the rules of thumb to the winner, {n} trainings"
        )
        self._done, self._of = 0, n
        config, path = start, [("", start)]
        while left:
            options = {name: changed(config, name, end) for name in left}
            self._run(options.values(), self._select)
            name = max(left, key=lambda name: self._mean(options[name]))
            left.remove(name)
            config = options[name]
            path.append((name, config))
        self._run([config for _, config in path], self._score)
        found: list[Step] = []
        for name, config in path:
            scores = self._scores(config, self._score)
            before = found[-1] if found else None
            gain = None
            if before is not None and before.scores and scores:
                pairs = zip(scores, before.scores, strict=True)
                gains = [self._sign * (ours - theirs) for ours, theirs in pairs]
                gain = Estimate.of(gains, overlap=self._overlap)
            words = "" if before is None else _words(name, before.config, config)
            found.append(
                Step(
                    change=name,
                    words=words,
                    config=config,
                    scores=scores,
                    gain=gain,
                    overlap=self._overlap,
                )
            )
        return found

    def _run(self, configs: Collection[MLPConfig], chosen: Sequence[int]) -> None:
        pairs = [(config, seed) for seed in chosen for config in configs]
        known = sum(self._repeats.find(*pair) is not None for pair in pairs)
        part = _Part(self._observer, self._done + known, self._of)
        self._repeats.run(pairs, observer=part)
        self._done += len(pairs)

    def _scores(self, config: MLPConfig, chosen: Sequence[int]) -> tuple[float, ...]:
        ended = [self._repeats.find(config, seed) for seed in chosen]
        if any(each is None or each.reason for each in ended):
            return ()
        return tuple(each.metrics[self._metric] for each in ended if each is not None)

    def _mean(self, config: MLPConfig) -> float:
        scores = self._scores(config, self._select)
        return self._sign * sum(scores) / len(scores) if scores else -math.inf


def _words(name: str, before: MLPConfig, after: MLPConfig) -> str:
    ours, theirs = before.model_dump(), after.model_dump()
    return ", ".join(
        f"{field if len(CHANGES[name]) > 1 else ''} {_short(ours[field])} -> "
        f"{_short(theirs[field])}".strip()
        for field in CHANGES[name]
        if ours[field] != theirs[field]
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
