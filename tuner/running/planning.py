"""What a study will do, told before anything of it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import heuristics
from ..data import Dataset
from ..network.config import Config, DataFacts, MLPConfig, Scalar
from ..results import html
from ..results.wording import describe, written
from ..space import MLPSpace, SearchSpace
from ..storage import locate
from ..study import AnyStudySpec, BudgetSpec
from ..study.domains import Choices, Domain, Fixed, Range
from ..system.devices import Devices
from ..system.interruption import Interruption
from ..training.fleet import busy_with, member_bytes
from .arguments import budget_of
from .evaluation import Evaluation, for_sizes, planned
from .given import spec_of
from .prepared import Prepared, prepared
from .progress import Observer
from .trainings import WORKERS_SECONDS, Trainings, seeds
from .watching import watched

#: What is said where small networks are a goal, too.
_OF_SIZES = "Networks of each size come after the confirmation."
#: Bytes of a number while training.
_ITEM = 4


@dataclass(frozen=True)
class Searched:
    """What a study file, or a default, says of one value.

    Attributes:
        name: of the value.
        domain: where it is searched, in words; "" if it is fixed.
        points: what the starting points have, by their name, inside the domain.
    """

    name: str
    domain: str
    points: Mapping[str, Scalar | None]


@dataclass(frozen=True)
class Network:
    """A network of the space.

    Attributes:
        config: the network and its training.
        n_parameters: trainable numbers.
        megabytes: that it takes while it trains.
    """

    config: MLPConfig
    n_parameters: int
    megabytes: float


@dataclass(frozen=True)
class Plan:
    """A study before it runs.

    Attributes:
        study: its name.
        metric: what is optimized.
        direction: which way it is better.
        finds_sizes: whether small networks that are good for their size are a goal, too.
        limits: that networks keep, by name; one that breaks one is not trained.
        rows: of each part, by name; {} where a LightningDataModule of the user's brings them.
        facts: sizes of the data, if they are known.
        classes: known rows of each class, by name; {} in a regression.
        columns: of a table, what each becomes; () where inputs are numbers as they are.
        remarks: what was decided about the rows without being told.
        searched: each value of a config.
        starting_points: configs that a search starts from, by where they come from; those of
            `heuristics.LATE_POINTS` begin once they can be pruned.
        networks: the smallest and the largest of the space, and a usual one; {} of a module.
        team: who will train.
        evaluation: how trials are scored.
        budget: where the search ends.
        epoch_seconds: that an epoch of a usual network adds on a busy machine; None of a module.
        trials: full trials of a usual network that the search's share of the minutes holds; None
            without minutes. Most trials are smaller, or are ended early, so there will be more.
        confirmations: trainings of a usual network that the confirmation's share holds, likewise.
        seconds: that the trials of the budget take, if all are usual and run to their end; None
            without a number of trials.
    """

    study: str
    metric: str
    direction: str
    finds_sizes: bool
    limits: Mapping[str, float]
    rows: Mapping[str, int]
    facts: DataFacts | None
    classes: Mapping[str, int]
    columns: Sequence[str]
    remarks: Sequence[str]
    searched: Sequence[Searched]
    starting_points: Mapping[str, Config]
    networks: Mapping[str, Network]
    team: str
    evaluation: Evaluation
    budget: BudgetSpec
    epoch_seconds: float | None = None
    trials: float | None = None
    confirmations: float | None = None
    seconds: float | None = None

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        sizes = [
            (name, f"{each.n_parameters:,}", f"{each.megabytes:.3g}", describe(each.config))
            for name, each in self.networks.items()
        ]
        points = [(named(name), describe(config)) for name, config in self.starting_points.items()]
        searched = [(each.name, each.domain) for each in self.searched if each.domain]
        rows = ", ".join(f"{n:,} {name}" for name, n in self.rows.items())
        parts = [
            html.heading(f"{self.study}: {self.metric}, to {self.direction}"),
            html.line(_OF_SIZES if self.finds_sizes else ""),
            html.line(f"{rows} rows" if rows else ""),
            *map(html.line, self.columns),
            html.table(("searched", ""), searched),
            html.table(("first trials", ""), points),
            html.table(("networks", "parameters", "MB in training", ""), sizes) if sizes else "",
            html.line(f"Trials are scored by {self.evaluation}."),
        ]
        if self.trials is not None:
            parts.append(html.line(f"There is time for {self.trials:,.0f} trials as usual."))
        return "".join(parts)


def named(name: str) -> str:
    """Names a starting point, and says so if it does not begin at once."""
    return f"{name} (once it can be pruned)" if name in heuristics.LATE_POINTS else name


def plan(
    study: object,
    *,
    label: str | Sequence[str] | None = None,
    name: str | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    patience: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    storage: str | None = None,
    progress: bool | None = None,
    observer: Observer | None = None,
    **sections: Mapping[str, Any],
) -> Plan:
    """Says what `tune` would do with the same arguments; creates nothing.

    The data are read, and a usual network is timed for three epochs on all workers. A module of the
    user's is not timed.

    Raises:
        TunerError: as `tune` raises it.
    """
    spec = spec_of(study, label=label, name=name, **sections)
    budget = budget_of(spec, trials, minutes, patience=patience)
    spec = spec.model_copy(update={"budget": budget})
    with watched(progress, observer) as observer:
        ready = prepared(
            spec,
            workers=workers,
            devices=devices,
            location=locate(storage),
            at_most=budget.trials,
            observer=observer,
        )
        pace, at_once = _pace(ready, observer)
    return _planned(ready, budget, pace, at_once)


def _pace(ready: Prepared, observer: Observer) -> tuple[float | None, int]:
    """Times a usual network; returns the seconds of a unit of work, and trainings at once."""
    space, facts, spec = ready.space, ready.facts, ready.spec
    if not isinstance(space, MLPSpace) or facts is None:
        return None, 1
    observer.begin("timing a usual network")
    with Interruption() as interruption, ready.employ() as worker:
        trainings = Trainings(worker, interruption)
        trainings.wait(WORKERS_SECONDS)
        pace = trainings.pace(space.usual, facts, seeds(spec.study.seed, "timing", 1))
        return pace, min(trainings.side_by_side, busy_with())


def _planned(ready: Prepared, budget: BudgetSpec, pace: float | None, at_once: int) -> Plan:
    spec, space, facts, dataset = ready.spec, ready.space, ready.facts, ready.dataset
    every = {name: space.config(params) for name, params in space.starting_points().items()}
    points = {name: config for name, config in every.items() if not ready.limits.broken(config)}
    evaluation, networks, timed = ready.evaluation, dict[str, Network](), dict[str, float | None]()
    if isinstance(space, MLPSpace) and facts is not None:
        configs = {"smallest": space.smallest(), "usual": space.usual, "largest": space.largest()}
        networks = {
            each: Network(config, config.size(facts), member_bytes(config, facts, _ITEM) / 1e6)
            for each, config in configs.items()
        }
    if pace is not None and facts is not None and isinstance(space, MLPSpace):
        evaluation = planned(
            evaluation,
            spec,
            space.usual,
            facts,
            budget,
            pace=pace,
            at_once=at_once,
            least_rows=ready.least_rows,
        )
        seen = evaluation.seen(facts)
        timed = _times(spec, evaluation, budget, pace * heuristics.work(space.usual, seen))
    return Plan(
        study=spec.name,
        metric=ready.metric,
        direction=spec.direction(ready.metric),
        finds_sizes=spec.objective.finds_sizes,
        limits=spec.objective.limits.model_dump(exclude_none=True),
        rows={} if dataset is None else _rows(dataset),
        facts=facts,
        classes={} if dataset is None else _classes(dataset),
        columns=_columns(dataset),
        remarks=() if dataset is None else dataset.remarks,
        searched=_searched(space, points),
        starting_points=points,
        networks=networks,
        team=str(ready.team),
        evaluation=evaluation,
        budget=budget,
        **timed,
    )


def _times(
    spec: AnyStudySpec, evaluation: Evaluation, budget: BudgetSpec, epoch: float
) -> dict[str, float | None]:
    """Says how far a budget reaches, by the seconds that an epoch of a usual network adds."""
    trial = epoch * evaluation.epochs * evaluation.folds
    found: dict[str, float | None] = {"epoch_seconds": epoch}
    if budget.minutes is not None:
        share = spec.confirm.share if spec.confirm.seeds else 0.0
        search = 60 * budget.minutes * (1 - share) - for_sizes(spec, budget)
        found["trials"] = search / trial
        found["confirmations"] = 60 * budget.minutes * share / (epoch * evaluation.confirm_epochs)
    if budget.trials is not None:
        found["seconds"] = budget.trials * trial
    return found


def _rows(dataset: Dataset) -> dict[str, int]:
    return {
        "training": len(dataset.train_rows),
        "validation": len(dataset.validation_rows),
        "test": len(dataset.test.y),
    }


def _classes(dataset: Dataset) -> dict[str, int]:
    if not dataset.classes:
        return {}
    counts = np.bincount(dataset.known.y, minlength=len(dataset.classes))
    return dict(zip(dataset.classes, map(int, counts), strict=True))


def _columns(dataset: Dataset | None) -> tuple[str, ...]:
    if dataset is None or dataset.encoding is None:
        return ()
    return tuple(map(str, dataset.encoding.columns))


def _searched(space: SearchSpace, points: Mapping[str, Config]) -> tuple[Searched, ...]:
    values = {name: config.flat() for name, config in points.items()}
    return tuple(
        Searched(name, _told(domain), {each: of[name] for each, of in values.items() if name in of})
        for name, domain in space.domains.items()
    )


def _told(domain: Domain) -> str:
    """Writes a domain; "" of a value that is fixed."""
    match domain:
        case Fixed():
            return ""
        case Choices(values=values, when=when):
            return ", ".join(map(written, values)) + _only(when)
        case Range(low=low, high=high, log=log, when=when):
            told = f"{written(low)} to {written(high)}{', logarithmic' if log else ''}"
            return told + _only(when)
    return f"{domain.low} to {domain.high}, logarithmic"


def _only(when: Mapping[str, Scalar] | None) -> str:
    """Says where a value means something."""
    told = " and ".join(f"{name} is {written(value)}" for name, value in (when or {}).items())
    return f", where {told}" if told else ""
