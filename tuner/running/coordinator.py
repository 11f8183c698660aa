"""The coordinator: ask -> config -> worker -> report, prune -> tell, until the budget is used.

It alone touches the study; the worker alone trains.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from .. import heuristics
from ..errors import (
    InterruptedStudyError,
    SilentWorkerError,
    StopSearch,
    StoreLostError,
    StudyFailedError,
    WorkerLostError,
)
from ..network.config import Config, DataFacts, MLPConfig
from ..results.files import ResultFiles
from ..results.winner import Confirmation
from ..space import SearchSpace
from ..storage import TIME_OVER, StudyStore, is_gone
from ..study import BudgetSpec, StudySpec
from ..system.interruption import Interruption
from ..system.machine import machine
from ..workers import Event, Failed, Finished, Progress, Worker
from .allowance import Allowance
from .evaluation import Evaluation
from .in_hand import InHand
from .limits import Limits
from .minutes import Minutes
from .outcomes import Outcomes
from .progress import Observer, Snapshot
from .proposals import Proposals
from .rate_range import RangeTest
from .standing import DIVERGED, Standing
from .under_way import UnderWay

#: Drawn trials that may be declined between two looks at what workers say.
_MOST_DECLINED = 30
#: Seconds between two looks at the clock and at signals.
_TICK = 0.1


class Coordinator:
    """Runs one study to the end of its budget.

    Of a budget of minutes it leaves what `reserve` asks for, as soon as a trial is complete.

    Attributes:
        standing: the trials counted, and the best of them.
        files: of the study's results.
        allowance: what of the budget is left.
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
        limits: Limits,
        reserve: Callable[[float | None], float] = lambda pace: 0.0,
        range_test: RangeTest | None = None,
        fleet: int | None = None,
        fills_places: bool = False,
    ) -> None:
        self.spec, self.evaluation = spec, evaluation
        self.reserve = reserve
        self.range_test = range_test
        self.metric = metric
        self.facts = facts
        self.store = store
        self.worker = worker
        self.observer = observer
        self.interruption = interruption
        self.standing = Standing(
            spec.name, metric, spec.direction(metric), facts, classes, store, evaluation.rows
        )
        self.files = ResultFiles(spec.name)
        self.inbox: deque[Event] = deque()
        self.proposals = Proposals(
            spec.study.seed, space, evaluation, facts, store, minutes, limits
        )
        self.in_hand = InHand(worker)
        self.allowance = Allowance(
            budget,
            minutes,
            fleet,
            fills_places,
            self.standing,
            self.in_hand,
            store,
        )
        self.outcomes = Outcomes(
            metric,
            evaluation.folds,
            store,
            self.files,
            self.standing,
            self.in_hand,
            self.allowance,
            observer,
        )
        self._cut_by, self._is_loss = "an error ended the search", False

    def run(self) -> str:
        """Takes up what an earlier process left, and searches; returns what ended the search.

        Raises:
            InterruptedStudyError: a signal came.
            StopSearch: an observer ended it.
            StudyFailedError: too many trials failed in a row, or all of them diverged or failed.
            StudyFileError: the module of the user's logs no metric of the objective's name.
            StoreLostError: the store cannot be written any more.
        """
        self._take_up()
        try:
            while not (stopped := self._end()):
                if self.worker.capacity:
                    self.allowance.minutes.start()  # the start of workers is no search
                # Here the worker goes on with what it has, while new trials are asked for.
                self.inbox += self.worker.events(0)
                self._fill()
                if self.in_hand.n_begun:
                    self.store.describe()
                self.observer.update(self._snapshot())
                self.inbox += [] if self.inbox else self.worker.events(_TICK)
                self._handle_all()
            self._cut_by = TIME_OVER
        except StoreLostError as error:
            told = self._go_on_beside(error)
            if told is error:
                raise
            raise told from error
        except StopSearch:
            self._cut_by = "an observer ended the search"
            raise
        except WorkerLostError as error:
            self._cut_by = str(error)
            # Only who trained alone is to blame for it.
            self._is_loss = isinstance(error, SilentWorkerError) and self.in_hand.n_at_work == 1
            raise
        finally:
            self._let_go()
        if self.standing.failure:
            raise StudyFailedError(self.standing.failure)
        return stopped

    # Beginning and end

    def _take_up(self) -> None:
        self.store.recover()
        self.proposals.take_up()
        self._begin_points()
        self.store.set_budget(self.allowance.budget.trials)
        self.store.keep_machine(machine())
        self.files.write_study(self.spec.text)
        self.allowance.minutes.reserved = self.reserve(self.allowance.minutes.pace)
        kept, best = self.kept_confirmation, self.standing.best
        if kept is not None:
            best = self.standing.confirmed(kept)
        self.files.repair(best)
        if self.files.damage:
            again = "only --new makes another network"
            if Confirmation.kept(self.store.confirmation) is not None and best is not None:
                again = "the confirmed winner's network is made again"
            self.observer.remark(f"{self.files.damage}; {again}")

    def _begin_points(self) -> None:
        """Has the starting points tried whose turn it is, if the budget has room."""
        self.standing.recount()
        counts = self.standing.counts
        self.proposals.begin_points(
            self.allowance.trials - counts.waiting if self.allowance.has_time else 0,
            counts.complete,
            self.allowance.seconds,
            is_testing=self.range_test is not None,
        )

    def _end(self) -> str:
        """Says what ends the search, or "" to go on.

        Raises:
            InterruptedStudyError: a signal came.
            StudyFailedError: too many trials failed in a row.
        """
        if self.interruption.signal is not None:
            raise InterruptedStudyError(
                self.interruption.signal,
                f"interrupted; {self.standing.counts.finished} finished trials are kept, "
                "the same command goes on",
            )
        failures = self.in_hand.failures_in_a_row()
        if len(failures) >= self.spec.study.max_failures:
            raise StudyFailedError(
                f"{len(failures)} trials failed in a row, the first with: {failures[0]}"
            )
        return self.allowance.end()

    def _let_go(self) -> None:
        """Ends what is under way, to be run again, and keeps time and table."""
        if self.interruption.signal is not None:
            self._cut_by = "a signal came"
        for way in list(self.in_hand.trials.values()):
            self.in_hand.cancel(way)
            if not self.store.is_beside:
                self.store.interrupt(way.trial, self._cut_by, is_loss=self._is_loss)
        if self.range_test is not None:
            for job in self.range_test.jobs:
                self.worker.cancel(job.id)
            self.range_test = None  # a search that goes on does without
        self.allowance.minutes.stop()
        self.store.spend(self.allowance.minutes.spent)
        self.standing.recount()
        if not self.store.is_beside:
            if self.in_hand.had_any:
                self.store.describe(waits=self.interruption.signal is None)
            self.files.write_trials(self.store.study)

    def _go_on_beside(self, error: StoreLostError) -> StoreLostError:
        """Keeps what ended until a store that is away was given up, and says where."""
        if not is_gone(error):
            return error
        self.store.go_on_beside(error)
        before = self.standing.counts.finished
        with contextlib.suppress(StoreLostError):  # the disk of the files is full, too
            self.inbox += self.worker.events(0)
            self._handle_all()
        more = self.standing.counts.finished - before
        if not more:
            return error
        return StoreLostError(
            f"{error}; trials that ended meanwhile: {more}, kept in {self.store.untold.path} and "
            "told when the same command goes on"
        )

    # Trials

    def _fill(self) -> None:
        """Gives the worker as many trials as it takes and the budget has left."""
        n_declined = 0
        while self._has_place and n_declined < _MOST_DECLINED:
            if self.in_hand.has_waiting:
                self.in_hand.begin_next()
                continue
            if not (self.allowance.has_time or self.store.owes):
                return
            # The first trial has begun by then, which is a starting point.
            if self.range_test is not None and self.in_hand.had_any and self.range_test.is_waiting:
                if self.allowance.trials <= 0:
                    return
                self.worker.submit(self.range_test.begin())
            else:
                at_once = self.allowance.at_once(self.worker.capacity)
                if len(self.in_hand.trials) >= at_once or self.allowance.trials <= self._n_kept:
                    return
                way = self.proposals.ask()
                if way is None:
                    n_declined += 1
                else:
                    self.in_hand.add(way)
                    if self.store.is_owed(way.trial):
                        self.allowance.owe(way.trial.number)

    @property
    def _n_kept(self) -> int:
        """Trials of the budget that nothing is drawn for: the one that a range test is run for."""
        if self.range_test is None or not self.in_hand.had_any or self.store.has_waiting:
            return 0
        return int(self.proposals.has_recommendation)

    @property
    def _has_place(self) -> bool:
        """Whether the worker has a free place."""
        testing = 0 if self.range_test is None else self.range_test.n_under_way
        return self.in_hand.n_begun + testing < self.worker.capacity

    def _handle_all(self) -> None:
        """Handles what came; an event whose handling failed is still the first."""
        while self.inbox:
            self._handle(self.inbox[0])
            self.inbox.popleft()

    def _handle(self, event: Event) -> None:
        if self.range_test is not None and self.range_test.takes(event):
            if isinstance(event, Finished | Failed):
                self.allowance.minutes.did(self.range_test.work)
            self._end_range_test()
            return
        way = self.in_hand.trial_of(event.job)
        if way is None:
            return
        match event:
            case Progress():
                self._count_work(way.view.config)
                self.outcomes.progressed(way, event)
            case Finished():
                # The last one is let go when the store has it: until then it is handled again.
                if way.finished(event):
                    self._complete(way)
                else:
                    self.in_hand.ended(event.job)
            case Failed(diverged=True, reason=reason):
                self.outcomes.cut(way, "pruned", DIVERGED + reason)
            case Failed(hopeless=True, reason=reason):
                # The trial is left under way, to run again once that is put right.
                raise self.spec.error("objective.metric", reason)
            case Failed(reason=reason, traceback=traceback):
                self.in_hand.failed(way, reason)
                self.outcomes.cut(way, "failed", reason, traceback)

    def _count_work(self, config: Config) -> None:
        if isinstance(config, MLPConfig) and self.facts is not None:
            seen = self.evaluation.seen(self.facts)
            self.allowance.minutes.did(heuristics.work(config, seen))

    def _end_range_test(self) -> None:
        """Lets the recommendation begin at the rate that a range test picked, once it has."""
        test = self.range_test
        if test is None or not test.is_over:
            return
        self.range_test = None
        if test.found is not None:
            self.proposals.found(test.found)
        self._begin_points()

    def _complete(self, way: UnderWay) -> None:
        self.outcomes.complete(way)
        if not self.store.is_beside:  # else nothing begins any more
            self.allowance.minutes.reserved = self.reserve(self.allowance.minutes.pace)
            self._begin_points()
        self.outcomes.tell(way, "complete")

    def misses(self, confirmation: Confirmation | None) -> bool:
        """Says whether the search stopped for a target that its confirmed winner misses.

        Then it may go on; what was confirmed does not stop it again.
        """
        target = self.allowance.budget.target
        if target is None or confirmation is None:
            return False
        return self.standing.misses(target, confirmation)

    # What others see

    @property
    def kept_confirmation(self) -> Confirmation | None:
        """What was confirmed before, if nothing better was found since."""
        kept, best = Confirmation.kept(self.store.confirmation), self.standing.best
        is_of_it = kept is not None and best is not None and kept.search_best == best.trial
        return kept if is_of_it else None

    def _snapshot(self) -> Snapshot:
        left, eta = self.allowance.eta()
        return Snapshot(
            study=self.spec.name,
            metric=self.metric,
            counts=self.standing.counts,
            budget_trials=self.allowance.budget.trials,
            running=tuple(way.view for way in self.in_hand.trials.values()),
            best=self.standing.best,
            seconds=self.allowance.minutes.spent,
            seconds_left=left,
            eta=eta,
        )
