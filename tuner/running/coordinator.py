"""The coordinator: ask -> config -> worker -> report, prune -> tell, until the budget is used.

It alone touches the study; the worker alone trains.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from typing import Any

import optuna

from .. import heuristics
from ..errors import InterruptedStudyError, StoreLostError, StudyFailedError
from ..network.config import Config, DataFacts, MLPConfig, config_from_json
from ..results.files import Best, ResultFiles
from ..results.winner import Confirmation, Confirmed, Direction
from ..space import MLPSpace, SearchSpace
from ..storage import (
    CONFIG,
    EPOCH_SECONDS,
    FOLD_SCORES,
    INTERRUPTED,
    RETRY_OF,
    SOURCE,
    STARTUP_TRIALS,
    Counts,
    StudyStore,
    count,
    is_gone,
)
from ..study import BudgetSpec, StudySpec
from ..system.interruption import Interruption
from ..system.machine import machine
from ..workers import Event, Failed, Finished, Job, Progress, Worker
from .evaluation import Evaluation
from .minutes import Minutes
from .progress import Ended, Observer, Snapshot
from .rate_range import RangeTest
from .under_way import UnderWay

#: Attributes of a trial that a metric of the same name must not overwrite.
_ATTRIBUTES = (
    CONFIG,
    EPOCH_SECONDS,
    FOLD_SCORES,
    INTERRUPTED,
    RETRY_OF,
    "n_parameters",
    "reason",
    "traceback",
)
_VERSION = metadata.version("tuner")
#: Seconds between two looks at the clock and at signals.
_TICK = 0.1
#: Share of a budget's trials that are under way at once, at most: the sampler learns from the rest.
_AT_ONCE = 0.2
#: Drawn trials in a row that may be declined because they would take too much of the time.
_MOST_DECLINED = 30
#: The starting point that promises least, and the complete trials after which it begins: by then
#: it can be pruned.
_LAST_POINT, _LAST_POINT_AFTER = "note", 3


class Coordinator:
    """Runs one study to the end of its budget.

    Of a budget of minutes it leaves what `reserve` asks for, as soon as a trial is complete.

    Attributes:
        missed: configs that were there when a target that was reached was missed after all.
    """

    def __init__(
        self,
        spec: StudySpec,
        budget: BudgetSpec,
        evaluation: Evaluation,
        metric: str,
        facts: DataFacts | None,
        classes: tuple[str, ...],
        space: SearchSpace,
        store: StudyStore,
        worker: Worker,
        observer: Observer,
        interruption: Interruption,
        *,
        minutes: Minutes,
        reserve: Callable[[float | None], float] = lambda pace: 0.0,
        range_test: RangeTest | None = None,
        fleet: int | None = None,
    ) -> None:
        self.spec = spec
        self.budget = budget
        self.evaluation = evaluation
        self.minutes = minutes
        self.reserve = reserve
        self.range_test = range_test
        self.fleet = fleet
        self.metric = metric
        self.facts = facts
        self.classes = classes
        self.space = space
        self.store = store
        self.worker = worker
        self.observer = observer
        self.interruption = interruption
        self.direction: Direction = spec.direction(metric)
        self.files = ResultFiles(spec.name)
        self.inbox: deque[Event] = deque()
        self.n_declined = 0  # in a row
        self.points: dict[str, dict[str, Any]] = {}  # to start from, that have not begun
        self.under_way: dict[int, UnderWay] = {}
        self.ways: dict[int, UnderWay] = {}  # the same, by the ids of their jobs
        self.line: deque[Job] = deque()  # jobs of them for which there was no place yet
        #: Of each trial that was given to the worker: why it failed, or None.
        self.fates: dict[int, str | None] = {}
        self.ran = 0
        self.counts = Counts()
        self.best: Best | None = None
        self.missed: set[str] = set()

    def run(self) -> str:
        """Takes up what an earlier process left, and searches; returns what ended the search.

        Raises:
            InterruptedStudyError: a signal came.
            StudyFailedError: too many trials failed in a row.
            StudyFileError: the module of the user's logs no metric of the objective's name.
            StoreLostError: the store cannot be written any more.
        """
        self._take_up()
        try:
            while not (stopped := self._end()):
                if self.worker.capacity:
                    self.minutes.start()  # the start of workers is no search
                # Here the worker goes on with what it has, while new trials are asked for.
                self.inbox += self.worker.events(0)
                self._fill()
                self.observer.update(self._snapshot())
                self.inbox += [] if self.inbox else self.worker.events(_TICK)
                self._handle_all()
        except StoreLostError as error:
            raise self._go_on_beside(error) from error
        finally:
            self._let_go()
        return stopped

    # Beginning and end

    def _take_up(self) -> None:
        self.store.recover()
        tried = {trial.user_attrs.get(SOURCE) for trial in self.store.trials()}
        points = self.space.starting_points()
        self.points = {source: points[source] for source in points if source not in tried}
        self._recount()
        self._begin_points()
        self.store.set_budget(self.budget.trials)
        self.store.keep_machine(machine())
        self.files.write_study(self.spec.text)
        self.minutes.reserved = self.reserve(self.minutes.pace)
        kept, best = Confirmation.kept(self.store.confirmation), self.best
        if kept is not None and best is not None and kept.search_best == best.trial:
            best = self.confirmed(kept)
        self.files.repair(best)

    def _begin_points(self) -> None:
        """Has the starting points tried whose turn it is, each once, if the budget has room."""
        if not self.points:
            return
        self._recount()
        room = self._n_left - self.counts.waiting
        for source in list(self.points):
            waits = source == "recommendation" and self.range_test is not None
            waits |= source == _LAST_POINT and self.counts.complete < _LAST_POINT_AFTER
            if not waits and room > 0:
                self.store.enqueue(self.points.pop(source), source)
                room -= 1

    def _end(self) -> str:
        """Says what ends the search, or "" to go on.

        Raises:
            InterruptedStudyError: a signal came.
            StudyFailedError: too many trials failed in a row.
        """
        if self.interruption.signal is not None:
            raise InterruptedStudyError(
                self.interruption.signal,
                f"interrupted; {self.counts.finished} finished trials are kept, "
                "the same command goes on",
            )
        failures = self._failures_in_a_row()
        if len(failures) >= self.spec.study.max_failures:
            raise StudyFailedError(
                f"{len(failures)} trials failed in a row, the first with: {failures[0]}"
            )
        trials, target = self.budget.trials, self.budget.target
        if target is not None and self.best is not None and self._reaches(target):
            return f"the target {target:g} is reached"
        if trials is not None and self.counts.finished >= trials:
            return f"{self.counts.finished} of {trials} trials are finished"
        if self._left <= 0 or not (self.under_way or self.minutes.is_worth_beginning(self._left)):
            return f"the {self.budget.minutes:g} minutes are over"
        return ""

    @property
    def _left(self) -> float:
        """Seconds left of the search: of all minutes, until there is a trial to keep some for."""
        if self.budget.minutes is None:
            return math.inf
        return self.minutes.left(self.store.confirmation_seconds)

    def _failures_in_a_row(self) -> list[str]:
        """Returns the reasons of the last trials, by number, as far as they all failed.

        Failing is quick, so a trial under way breaks the row as soon as an epoch of it is done.
        """
        reasons: list[str] = []
        for number in sorted(self.fates, reverse=True):
            reason = self.fates[number]
            if reason is not None:
                reasons.append(reason)
            elif number not in self.under_way or self.under_way[number].view.epoch > 0:
                break
        return reasons[::-1]

    def _reaches(self, target: float) -> bool:
        """Says whether a trial reaches the target that was not found to miss it."""
        return any(
            trial.value is not None
            and self._is_as_good(trial.value, target)
            and trial.user_attrs[CONFIG] not in self.missed
            for trial in self._complete_trials()
        )

    def _complete_trials(self) -> list[optuna.trial.FrozenTrial]:
        complete = optuna.trial.TrialState.COMPLETE
        return [trial for trial in self.store.trials() if trial.state == complete]

    def _is_as_good(self, value: float, other: float) -> bool:
        return value >= other if self.direction == "maximize" else value <= other

    def _let_go(self) -> None:
        """Ends what is under way, to be run again, and keeps time and table."""
        for way in list(self.under_way.values()):
            self._cancel(way)
            if not self.store.is_beside:
                self.store.interrupt(way.trial, "the search ended")
        if self.range_test is not None:
            for job in self.range_test.jobs:
                self.worker.cancel(job.id)
            self.range_test = None  # a search that goes on does without
        self.minutes.stop()
        self.store.spend(self.minutes.spent)
        self._recount()
        if not self.store.is_beside:
            self.files.write_trials(self.store.study)

    def _go_on_beside(self, error: StoreLostError) -> StoreLostError:
        """Keeps what ended until a store that is away was given up, and says where."""
        if not is_gone(error):
            return error
        self.store.go_on_beside()
        before = self.counts.finished
        with contextlib.suppress(StoreLostError):  # the disk of the files is full, too
            self.inbox += self.worker.events(0)
            self._handle_all()
        more = self.counts.finished - before
        if not more:
            return error
        return StoreLostError(
            f"{error}; trials that ended meanwhile: {more}, kept in {self.store.untold.path} and "
            "told when the same command goes on"
        )

    # Trials

    def _fill(self) -> None:
        """Gives the worker as many trials as it takes and the budget has left."""
        while self._has_place and (self.line or self.minutes.is_worth_beginning(self._left)):
            if self.line:
                self.worker.submit(self.line.popleft())
                continue
            # The first trial has begun by then, which is a starting point.
            if self.range_test is not None and self.fates and self.range_test.is_waiting:
                if self._n_left <= 0:
                    return
                self.worker.submit(self.range_test.begin())
            else:
                if len(self.under_way) >= self._at_once or self._n_left <= 0:
                    return
                self._submit(self.store.ask())

    @property
    def _n_left(self) -> float:
        """Trials of the budget that have not begun."""
        if self.budget.trials is None:
            return float("inf")
        return self.budget.trials - self.counts.finished - len(self.under_way)

    @property
    def _has_place(self) -> bool:
        """Whether the worker has a free place."""
        testing = 0 if self.range_test is None else self.range_test.n_under_way
        return len(self.ways) - len(self.line) + testing < self.worker.capacity

    @property
    def _at_once(self) -> int:
        """Trials that are under way at once: a share of the budget's, unless the user says so."""
        if self.fleet is not None:
            return self.fleet
        wanted = max(STARTUP_TRIALS, int(_AT_ONCE * self._trials_expected))
        # Of modules each place is a worker, which is not to stand idle.
        return wanted if isinstance(self.space, MLPSpace) else max(wanted, self.worker.capacity)

    @property
    def _trials_expected(self) -> float:
        """Trials that the budget has room for, as far as that is known; or else 0."""
        trials = min(float(self.budget.trials or math.inf), self.minutes.trials(self.ran))
        return 0.0 if math.isinf(trials) else trials

    def _submit(self, trial: optuna.Trial) -> None:
        config = self.space.suggest(trial)
        if self._is_too_long(trial, config):
            self.n_declined += 1
            self.store.annotate(trial, config=config.to_json())
            self.store.decline(trial, "it would take too much of the time")
            return
        self.n_declined = 0
        # A trial that runs again keeps the seed of its first try.
        seed = trial.user_attrs.get("seed", trial_seed(self.spec.study.seed, trial.number))
        source = trial.user_attrs.get(SOURCE, "sampler")
        self.store.annotate(
            trial,
            **self.space.attributes(config),
            seed=seed,
            shuffle_seed=self.spec.study.seed,
            source=source,
            config=config.to_json(),  # the last one: a trial that has it has all
        )
        way = UnderWay(
            trial,
            source,
            config,
            seed=seed,
            shuffle_seed=self.spec.study.seed,
            folds=self.evaluation.folds,
        )
        self.under_way[trial.number] = way
        self.ways |= {job.id: way for job in way.jobs}
        self.line += way.jobs
        self.fates[trial.number] = None

    def _is_too_long(self, trial: optuna.Trial, config: Config) -> bool:
        """Says whether a drawn trial would take so much of the time that others lack it.

        What is known beforehand is its arithmetic. Starting points are tried whatever they take.
        Where even a usual network takes too much, that is the measure.
        """
        is_drawn = not {SOURCE, RETRY_OF} & trial.user_attrs.keys()
        if not is_drawn or self.n_declined >= _MOST_DECLINED:
            return False
        if not isinstance(config, MLPConfig) or not isinstance(self.space, MLPSpace):
            return False
        work, usual = self._work_of(config), self._work_of(self.space.usual)
        return work > usual and self.minutes.is_too_long(work)

    def _work_of(self, config: MLPConfig) -> float:
        """Returns the work of a whole trial."""
        assert self.facts is not None
        return self.evaluation.folds * config.epochs * heuristics.work(config, self.facts)

    def _cancel(self, way: UnderWay) -> None:
        """Ends what is left of a trial's trainings."""
        for job in way.jobs:
            if job in self.line:
                self.line.remove(job)
            elif job.id in self.ways:
                self.worker.cancel(job.id)
            self.ways.pop(job.id, None)
        self.under_way.pop(way.trial.number, None)

    def _handle_all(self) -> None:
        """Handles what came; an event whose handling failed is still the first."""
        while self.inbox:
            self._handle(self.inbox[0])
            self.inbox.popleft()

    def _handle(self, event: Event) -> None:
        if self.range_test is not None and self.range_test.takes(event):
            if isinstance(event, Finished | Failed):
                self.minutes.did(self.range_test.work)
            self._end_range_test()
            return
        way = self.ways.get(event.job)
        if way is None:
            return
        match event:
            case Progress():
                self._count_work(way.view.config)
                self._progress(way, event)
            case Finished():
                # The last one is let go when the store has it: until then it is handled again.
                if way.finished(event):
                    self._complete(way)
                else:
                    del self.ways[event.job]
            case Failed(diverged=True, reason=reason):
                self._ended(way, "pruned", f"diverged: {reason}")
            case Failed(hopeless=True, reason=reason):
                # The trial is left under way, to run again once that is put right.
                raise self.spec.error("objective.metric", reason)
            case Failed(reason=reason, traceback=traceback):
                self.fates[way.trial.number] = reason
                self._ended(way, "failed", reason, traceback)

    def _count_work(self, config: Config) -> None:
        if isinstance(config, MLPConfig) and self.facts is not None:
            self.minutes.did(heuristics.work(config, self.facts))

    def _progress(self, way: UnderWay, event: Progress) -> None:
        before = way.first_shuffle
        for epoch, score in way.progressed(event, self.metric):
            # The last epoch ends in a Finished: there is nothing left to prune.
            if self.store.report(way.trial, epoch, score) and epoch < way.view.config.epochs:
                self._ended(way, "pruned", f"pruned after epoch {epoch}")
                return
        if way.first_shuffle != before:
            self.store.annotate(way.trial, first_shuffle=way.first_shuffle)

    def _end_range_test(self) -> None:
        """Lets the recommendation begin at the rate that a range test picked, once it has."""
        test = self.range_test
        if test is None or not test.is_over:
            return
        self.range_test, found = None, test.found
        if found is not None and isinstance(self.space, MLPSpace):
            self.store.keep_rate_range(found.model_dump_json())
            self.space = replace(self.space, rate=found.suggested)
            if "recommendation" in self.points:
                self.points["recommendation"] = self.space.starting_points()["recommendation"]
        self._begin_points()

    def _complete(self, way: UnderWay) -> None:
        metrics, number = way.metrics, way.trial.number
        value, network = metrics[self.metric], way.network(self.metric)
        taken = {self.metric, *_ATTRIBUTES, *way.trial.user_attrs}
        others = {name: figure for name, figure in metrics.items() if name not in taken}
        kept: dict[str, object] = {}
        if way.epoch_seconds is not None:
            kept[EPOCH_SECONDS] = way.epoch_seconds
        if self.evaluation.folds > 1:
            kept[FOLD_SCORES] = way.fold_scores(self.metric)
        self.store.annotate(way.trial, n_parameters=network.n_parameters, **kept, **others)
        if self.best is None or self._is_better(value, self.best):
            self.files.stage(number, network.checkpoint)
        self.store.complete(way.trial, value)
        for job in way.jobs:  # which have all ended
            self.ways.pop(job.id, None)
        self.minutes.completed(time.monotonic() - way.began)
        self._ended(way, "complete")
        if self.best is not None and self.best.trial == number:
            self.files.promote(self.best)
        else:  # as good as the best, which came before
            self.files.unstage(number)
        self.minutes.reserved = self.reserve(self.minutes.pace)
        self._begin_points()

    def _is_better(self, value: float, best: Best) -> bool:
        return best.value is None or self._is_as_good(value, best.value)

    def _ended(
        self,
        way: UnderWay,
        state: str,
        reason: str = "",
        traceback: str = "",
    ) -> None:
        if state == "pruned":
            self.store.prune(way.trial, reason)
        elif state == "failed":
            self.store.fail(way.trial, reason, traceback)
        self._cancel(way)
        self.ran += 1
        self.store.spend(self.minutes.spent)
        self._recount()
        is_best = self.best is not None and self.best.trial == way.trial.number
        self.observer.ended(Ended(way.view, state, reason, is_best))

    def _recount(self) -> None:
        self.counts = count(self.store.trials())
        frozen = self.store.best()
        self.best = None if frozen is None else self._best(frozen)

    def _best(self, trial: optuna.trial.FrozenTrial) -> Best:
        assert trial.value is not None and trial.datetime_complete is not None
        return Best(
            study=self.spec.name,
            trial=trial.number,
            metric=self.metric,
            value=trial.value,
            config=config_from_json(trial.user_attrs["config"]),
            facts=self.facts,
            classes=self.classes,
            n_parameters=trial.user_attrs["n_parameters"],
            seed=trial.user_attrs["seed"],
            finished=trial.datetime_complete,
            tuner=_VERSION,
        )

    def misses(self, confirmation: Confirmation | None) -> bool:
        """Says whether the search stopped for a target that its confirmed winner misses.

        Then it may go on; what was confirmed does not stop it again.
        """
        target = self.budget.target
        if target is None or confirmation is None or not self._reaches(target):
            return False
        confirmed = confirmation.winning.confirmed
        if confirmed is not None and self._is_as_good(confirmed.mean, target):
            return False
        # Those that were not confirmed were not expected to be better.
        self.missed |= {trial.user_attrs[CONFIG] for trial in self._complete_trials()}
        return True

    def confirmed(self, confirmation: Confirmation) -> Best:
        """Returns the winner of a confirmation."""
        winning, confirmed = confirmation.winning, Confirmed.of(confirmation)
        number = confirmation.search_best if winning.trial is None else winning.trial
        best = self._best(next(each for each in self.store.trials() if each.number == number))
        update: dict[str, object] = {
            "trial": winning.trial,
            "value": winning.search,
            "preset": winning.name if winning.is_preset else "",
            "config": winning.config if confirmation.refit is None else confirmation.refit.config,
            "n_parameters": winning.n_parameters,
            "seed": confirmed.seed,
            "confirmed": confirmed,
        }
        return best.model_copy(update=update)

    # What others see

    def _snapshot(self) -> Snapshot:
        trials, left = self.budget.trials, None
        if self.budget.minutes is not None:
            left = max(0.0, self._left)
        eta = left
        if trials is not None and self.ran:
            each = self.minutes.here / self.ran
            needed = each * max(0, trials - self.counts.finished)
            eta = needed if left is None else min(needed, left)
        return Snapshot(
            study=self.spec.name,
            metric=self.metric,
            counts=self.counts,
            budget_trials=trials,
            running=tuple(way.view for way in self.under_way.values()),
            best=self.best,
            seconds=self.minutes.spent,
            seconds_left=left,
            eta=eta,
        )


def trial_seed(study_seed: int, trial: int) -> int:
    """Returns the seed of a trial's initial weights, in [0, 2 ** 31)."""
    return (study_seed * 1_000_003 + trial * 7919 + 1) % 2**31
