"""The coordinator: ask -> config -> worker -> report, prune -> tell, until the budget is used.

It alone touches the study; the worker alone trains.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import pairwise
from statistics import median

import optuna

from .config import DataFacts, config_from_json
from .errors import InterruptedStudyError, StoreLostError, StudyFailedError
from .interruption import Interruption
from .machine import machine
from .progress import Ended, Observer, Running, Snapshot
from .results import Best, ResultFiles
from .space import SearchSpace
from .storage import (
    CONFIG,
    EPOCH_SECONDS,
    INTERRUPTED,
    RETRY_OF,
    Counts,
    StudyStore,
    count,
    is_gone,
)
from .study import BudgetSpec, StudySpec
from .winner import Confirmation, Confirmed
from .workers import Event, Failed, Finished, Job, Progress, Worker

#: Attributes of a trial that a metric of the same name must not overwrite.
_ATTRIBUTES = (CONFIG, EPOCH_SECONDS, INTERRUPTED, RETRY_OF, "n_parameters", "reason", "traceback")
_VERSION = metadata.version("tuner")
#: Seconds between two looks at the clock and at signals.
_TICK = 0.1


@dataclass
class _UnderWay:
    """A trial that a worker has."""

    trial: optuna.Trial
    view: Running
    first_shuffle: int | None = None
    #: When each of its epochs ended, in seconds.
    ends: list[float] = field(default_factory=list)


class Coordinator:
    """Runs one study to the end of its budget.

    Of a budget of minutes it uses `share`, as soon as a trial is complete.
    """

    def __init__(
        self,
        spec: StudySpec,
        budget: BudgetSpec,
        share: float,
        metric: str,
        facts: DataFacts | None,
        classes: tuple[str, ...],
        space: SearchSpace,
        store: StudyStore,
        worker: Worker,
        observer: Observer,
        interruption: Interruption,
    ) -> None:
        self.spec = spec
        self.budget = budget
        self.share = share
        self.metric = metric
        self.facts = facts
        self.classes = classes
        self.space = space
        self.store = store
        self.worker = worker
        self.observer = observer
        self.interruption = interruption
        self.is_maximized = spec.direction(metric) == "maximize"
        self.files = ResultFiles(spec.name)
        self.inbox: deque[Event] = deque()
        self.under_way: dict[int, _UnderWay] = {}
        #: Of each trial that was given to the worker: why it failed, or None.
        self.fates: dict[int, str | None] = {}
        self.ran = 0
        self.counts = Counts()
        self.best: Best | None = None
        self.earlier_seconds = 0.0
        self.began = time.monotonic()

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

    @property
    def seconds(self) -> float:
        """Seconds spent on the study, by earlier processes too."""
        return self.earlier_seconds + time.monotonic() - self.began

    # Beginning and end

    def _take_up(self) -> None:
        self.store.recover()
        for source, params in self.space.starting_points().items():
            self.store.enqueue(params, source)
        self.store.set_budget(self.budget.trials)
        self.store.keep_machine(machine())
        self.earlier_seconds = self.store.seconds
        self.files.write_study(self.spec.text)
        self._recount()
        kept, best = self.store.confirmation, self.best
        if kept is not None and best is not None and kept.search_best == best.trial:
            best = self.confirmed(kept)
        self.files.repair(best)

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
        trials, minutes, target = self.budget.trials, self._minutes, self.budget.target
        if target is not None and self.best is not None and self._reaches(target):
            return f"the target {target:g} is reached"
        if trials is not None and self.counts.finished >= trials:
            return f"{self.counts.finished} of {trials} trials are finished"
        if minutes is not None and self.seconds >= 60 * minutes:
            return f"the {minutes:g} minutes are over"
        return ""

    @property
    def _minutes(self) -> float | None:
        """The minutes of the search: all, until there is a trial to keep some for."""
        minutes = self.budget.minutes
        if minutes is None or self.best is None:
            return minutes
        return minutes * self.share

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
        assert self.best is not None
        return self._is_as_good(self.best.value, target)

    def _is_as_good(self, value: float, other: float) -> bool:
        return value >= other if self.is_maximized else value <= other

    def _let_go(self) -> None:
        """Ends what is under way, to be run again, and keeps time and table."""
        for number, way in list(self.under_way.items()):
            self.worker.cancel(number)
            if not self.store.is_beside:
                self.store.interrupt(way.trial, "the search ended")
            del self.under_way[number]
        self.store.spend(self.seconds)
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
        limit = self.budget.trials
        while len(self.under_way) < self.worker.capacity and (
            limit is None or self.counts.finished + len(self.under_way) < limit
        ):
            self._submit(self.store.ask())

    def _submit(self, trial: optuna.Trial) -> None:
        config = self.space.suggest(trial)
        # A trial that runs again keeps the seed of its first try.
        seed = trial.user_attrs.get("seed", trial_seed(self.spec.study.seed, trial.number))
        source = trial.user_attrs.get("source", "sampler")
        self.store.annotate(
            trial,
            **self.space.attributes(config),
            seed=seed,
            shuffle_seed=self.spec.study.seed,
            source=source,
            config=config.to_json(),  # the last one: a trial that has it has all
        )
        self.under_way[trial.number] = _UnderWay(trial, Running(trial.number, source, config))
        self.fates[trial.number] = None
        self.worker.submit(Job(trial.number, config, seed, self.spec.study.seed))

    def _handle_all(self) -> None:
        """Handles what came; an event whose handling failed is still the first."""
        while self.inbox:
            self._handle(self.inbox[0])
            self.inbox.popleft()

    def _handle(self, event: Event) -> None:
        way = self.under_way.get(event.job)
        if way is None:
            return
        match event:
            case Progress(epoch=epoch, metrics=metrics):
                score = self._score(metrics)
                first = event.shuffle - epoch + 1
                if first != way.first_shuffle:  # it began, or began anew
                    way.first_shuffle = first
                    way.ends.clear()
                    self.store.annotate(way.trial, first_shuffle=first)
                way.view = replace(way.view, epoch=epoch, score=score)
                way.ends.append(time.monotonic())
                # The last epoch ends in a Finished: there is nothing left to prune.
                if self.store.report(way.trial, epoch, score) and epoch < way.view.config.epochs:
                    self.worker.cancel(event.job)
                    self._ended(way, "pruned", f"pruned after epoch {epoch}")
            case Finished():
                self._complete(way, event)
            case Failed(diverged=True, reason=reason):
                self._ended(way, "pruned", f"diverged: {reason}")
            case Failed(hopeless=True, reason=reason):
                # The trial is left under way, to run again once that is put right.
                raise self.spec.error("objective.metric", reason)
            case Failed(reason=reason, traceback=traceback):
                self.fates[event.job] = reason
                self._ended(way, "failed", reason, traceback)

    def _score(self, metrics: Mapping[str, float]) -> float:
        return metrics[self.metric]

    def _complete(self, way: _UnderWay, event: Finished) -> None:
        value = self._score(event.metrics)
        number = way.trial.number
        taken = {self.metric, *_ATTRIBUTES, *way.trial.user_attrs}
        others = {name: figure for name, figure in event.metrics.items() if name not in taken}
        if len(way.ends) > 1:  # after the first one, which may have waited for workers to start
            spans = [end - begin for begin, end in pairwise(way.ends)]
            others[EPOCH_SECONDS] = round(median(spans), 4)
        self.store.annotate(way.trial, n_parameters=event.n_parameters, **others)
        if self.best is None or self._is_as_good(value, self.best.value):
            self.files.stage(number, event.checkpoint)
        self.store.complete(way.trial, value)
        self._ended(way, "complete")
        if self.best is not None and self.best.trial == number:
            self.files.promote(self.best)
        else:  # as good as the best, which came before
            self.files.unstage(number)

    def _ended(
        self,
        way: _UnderWay,
        state: str,
        reason: str = "",
        traceback: str = "",
    ) -> None:
        if state == "pruned":
            self.store.prune(way.trial, reason)
        elif state == "failed":
            self.store.fail(way.trial, reason, traceback)
        del self.under_way[way.trial.number]
        self.ran += 1
        self.store.spend(self.seconds)
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

    def confirmed(self, confirmation: Confirmation) -> Best:
        """Returns the winner of a confirmation."""
        number = confirmation.winning.trial
        trial = next(trial for trial in self.store.trials() if trial.number == number)
        confirmed = Confirmed.of(confirmation)
        return self._best(trial).model_copy(update={"confirmed": confirmed, "seed": confirmed.seed})

    # What others see

    def _snapshot(self) -> Snapshot:
        trials, minutes = self.budget.trials, self._minutes
        seconds = self.seconds
        left = None if minutes is None else max(0.0, 60 * minutes - seconds)
        eta = left
        if trials is not None and self.ran:
            each = (seconds - self.earlier_seconds) / self.ran
            needed = each * max(0, trials - self.counts.finished)
            eta = needed if left is None else min(needed, left)
        return Snapshot(
            study=self.spec.name,
            metric=self.metric,
            counts=self.counts,
            budget_trials=trials,
            running=tuple(way.view for way in self.under_way.values()),
            best=self.best,
            seconds=seconds,
            seconds_left=left,
            eta=eta,
        )


def trial_seed(study_seed: int, trial: int) -> int:
    """Returns the seed of a trial's initial weights, in [0, 2 ** 31)."""
    return (study_seed * 1_000_003 + trial * 7919 + 1) % 2**31
