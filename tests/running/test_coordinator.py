"""What a search gives its workers, and when: a real store and real trainings, written down."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import optuna
import pytest
from optuna.trial import TrialState

import tuner
from tuner import heuristics, storage
from tuner.data import Cut, load
from tuner.errors import SilentWorkerError, WorkerLostError
from tuner.network.config import MLPConfig
from tuner.running.coordinator import Coordinator
from tuner.running.deciding import earlier_pace
from tuner.running.minutes import Minutes
from tuner.running.open_study import OpenStudy, opened
from tuner.running.progress import Ended, Observer, Snapshot
from tuner.running.proposals import Proposals
from tuner.running.rate_range import RangeTest
from tuner.running.under_way import UnderWay
from tuner.space import MLPSpace
from tuner.study import BudgetSpec, load_study
from tuner.system.closing import Closing
from tuner.workers import Event, Failed, Finished, FleetCrew, Job, Progress, ThreadWorker

from ..conftest import SMALL, Write

FOLDED = SMALL.replace("folds = 1", "folds = 2")
UNPRUNED = "[study]\npruner = 'none'\n"
#: Number of the first job of a range test.
RANGE_TEST = 2_000_000


class Written(Closing):
    """A worker that writes down what it is given, and what it tells."""

    def __init__(self, worker: ThreadWorker) -> None:
        self._worker = worker
        self.log: list[tuple[str, int]] = []

    @property
    def capacity(self) -> int:
        return self._worker.capacity

    @property
    def is_complete(self) -> bool:
        return self._worker.is_complete

    def submit(self, job: Job) -> None:
        self.log.append(("submit", job.id))
        self._worker.submit(job)

    def cancel(self, job: int) -> None:
        self.log.append(("cancel", job))
        self._worker.cancel(job)

    def events(self, timeout: float) -> list[Event]:
        events = self._worker.events(timeout)
        self.log += [("end", event.job) for event in events if isinstance(event, Finished | Failed)]
        return events

    def close(self) -> None:
        self._worker.close()


class Recorder(Observer):
    def __init__(self) -> None:
        self.at_once: list[int] = []
        self.ends: list[Ended] = []

    def update(self, snapshot: Snapshot) -> None:
        self.at_once.append(len(snapshot.running))

    def ended(self, trial: Ended) -> None:
        self.ends.append(trial)


@contextmanager
def study_opened(capacity: int) -> Iterator[tuple[OpenStudy, Written]]:
    spec = load_study("small")
    with opened(spec, workers=1, observer=Observer()) as found:
        assert found.dataset is not None
        crew = FleetCrew(found.dataset, capacity, accelerator="cpu")
        with Written(ThreadWorker(crew, epoch_seconds=60)) as worker:
            yield found, worker


def coordinator(
    found: OpenStudy,
    worker: Written,
    observer: Observer,
    budget: BudgetSpec,
    range_test: RangeTest | None = None,
    at_once: int | None = None,
) -> Coordinator:
    return Coordinator(
        found.spec,
        budget,
        found.evaluation,
        found.metric,
        found.facts,
        (),
        found.space,
        found.store,
        worker,
        observer,
        found.interruption,
        minutes=Minutes(budget.minutes),
        limits=found.limits,
        range_test=range_test,
        fleet=at_once,
    )


def trials() -> list[optuna.trial.FrozenTrial]:
    return storage.read_study("small").trials


# Folds


def scores_alone(jobs: Sequence[Job]) -> dict[int, float]:
    """The last validation loss of each job, each trained with no other beside it."""
    found: dict[int, float] = {}
    for job in jobs:
        crew = FleetCrew(load("wine", Path()), 1, accelerator="cpu")
        with ThreadWorker(crew, epoch_seconds=60) as worker:
            worker.submit(job)
            while job.id not in found:
                for event in worker.events(0.1):
                    assert not isinstance(event, Failed)
                    if isinstance(event, Finished):
                        found[event.job] = event.metrics["val_loss"]
    return found


def test_a_trial_over_folds_is_the_mean_of_trainings_alone(write_study: Write) -> None:
    """Else its score is of other rows or other weights than is told, and cannot be had again."""
    write_study(FOLDED + UNPRUNED)
    result = tuner.tune("small", trials=3, fleet=2, workers=1)
    assert (result.counts.finished, result.ran) == (3, 3)  # trials are counted, not their folds
    for trial in trials()[:3]:
        config = MLPConfig.from_json(trial.user_attrs["config"])
        seed, shuffles = trial.user_attrs["seed"], trial.user_attrs["shuffle_seed"]
        alone = scores_alone([Job(n, config, seed, shuffles, Cut(shuffles, n)) for n in range(2)])
        assert trial.user_attrs["fold_scores"] == pytest.approx([alone[0], alone[1]], rel=1e-4)
        assert trial.value == pytest.approx(fmean(alone.values()), rel=1e-4)
        assert alone[0] != alone[1]
        assert list(trial.intermediate_values) == [1, 2, 3]
        assert trial.intermediate_values[3] == trial.value


@pytest.mark.parametrize("trainer", ["fleet", "solo"])
def test_folds_train_wherever_there_is_room(write_study: Write, trainer: str) -> None:
    """Else more folds than places are an error, or hang; or the trainers score them differently."""
    write_study(SMALL.replace("folds = 1", "folds = 5") + "dropout = 0.0\n" + UNPRUNED)
    for each in (trainer, "fleet"):
        tuner.tune("small", trials=1, trainer=each, workers=1, new=True)  # type: ignore[arg-type]
        first = trials()[0]
        assert len(first.user_attrs["fold_scores"]) == 5
        if each == trainer:
            before = first.user_attrs["fold_scores"]
    assert first.user_attrs["fold_scores"] == pytest.approx(before, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [1, 3])
def test_a_worker_has_no_more_jobs_than_places(write_study: Write, capacity: int) -> None:
    """Else folds pile up at one worker, while another one stands idle."""
    write_study(FOLDED + UNPRUNED)
    with study_opened(capacity) as (found, worker):
        search = coordinator(found, worker, Recorder(), BudgetSpec(trials=4))
        search.run()
        assert not search.in_hand.has_waiting
    has, most = set[int](), 0
    for what, job in worker.log:
        has = has | {job} if what == "submit" else has - {job}
        most = max(most, len(has))
    assert most == capacity
    assert [len(trial.user_attrs["fold_scores"]) for trial in trials()[:4]] == [2] * 4


def test_epochs_that_are_not_scored_are_passed_over() -> None:
    """Else a module that validates every second epoch has no scores, and is never pruned."""
    study = optuna.create_study()
    way = UnderWay(
        study.ask(),
        "sampler",
        MLPConfig(epochs=6),
        seed=1,
        shuffle_seed=0,
        cuts=[Cut(0, 0), Cut(0, 1)],
    )
    first, second = (job.id for job in way.jobs)
    told = []
    for epoch in (2, 4, 6):
        for job, score in ((first, epoch), (second, epoch + 1)):
            event = Progress(job, epoch, {"val_loss": float(score)}, shuffle=epoch - 1)
            told += [
                (each.trial.epoch, each.trial.score) for each in way.progressed(event, "val_loss")
            ]
    assert told == [(2, 2.5), (4, 4.5), (6, 6.5)]


def test_a_declined_trial_counts_for_nothing_even_if_it_was_cut() -> None:
    """Else a crash while a trial is declined lets one trial too many run."""
    study = optuna.create_study()
    cut, whole = study.ask(), study.ask()
    for trial in (cut, whole):
        trial.set_user_attr("declined", True)
    study.tell(whole, state=TrialState.PRUNED)
    assert (storage.count(study.trials).pruned, storage.count(study.trials).finished) == (0, 0)


@pytest.mark.slow
def test_a_pruned_trial_ends_all_its_folds(write_study: Write) -> None:
    """Else its other folds keep a place that another trial could have, to the end of the search."""
    write_study(FOLDED.replace("epochs = 3", "epochs = 9") + "batch_size = [16, 32]\n")
    with study_opened(capacity=6) as (found, worker):
        recorder = Recorder()
        search = coordinator(found, worker, recorder, BudgetSpec(trials=25))
        search.run()
        assert not search.in_hand.trials and not search.in_hand.n_begun
    pruned = [trial for trial in trials() if trial.state == TrialState.PRUNED]
    assert pruned
    ended = {job for what, job in worker.log if what == "end"}
    for trial in pruned:
        folds = {2 * trial.number, 2 * trial.number + 1}
        assert folds <= {job for what, job in worker.log if what == "cancel"} | ended
        assert not folds <= ended
        assert "fold_scores" not in trial.user_attrs
    assert search.standing.counts.finished == len(recorder.ends) == 25


# How many at once


@pytest.mark.parametrize(("n_trials", "most"), [(10, 5), (100, 20)])
def test_a_share_of_the_budget_is_under_way(write_study: Write, n_trials: int, most: int) -> None:
    """Else a search on a large machine is a random one: all is begun before anything is known."""
    write_study()
    with study_opened(capacity=64) as (found, worker):
        recorder = Recorder()
        coordinator(found, worker, recorder, BudgetSpec(trials=n_trials, target=100.0)).run()
    assert max(recorder.at_once) == most


@pytest.mark.parametrize("folds", [1, 2])
def test_a_fleet_that_is_asked_for_is_taken(write_study: Write, folds: int) -> None:
    """Else the user's own word on how many train at once is overruled."""
    write_study(SMALL.replace("folds = 1", f"folds = {folds}") + UNPRUNED)
    recorder = Recorder()
    tuner.tune("small", trials=12, fleet=8, workers=1, observer=recorder)
    assert max(recorder.at_once) == 8


# The order of the first trials


@pytest.mark.slow
def test_the_range_test_runs_beside_the_first_trial(write_study: Write) -> None:
    """Else workers wait for a range test before the search, or its rate comes too late."""
    rates = "learning_rate = { low = 1e-5, high = 10.0, log = true }\n"
    write_study(SMALL.replace("epochs = 3", "epochs = 6") + rates + UNPRUNED)
    with study_opened(capacity=12) as (found, worker):
        assert isinstance(found.space, MLPSpace)
        test = RangeTest(
            found.space.recommendation, found.space.facts, first_job=RANGE_TEST, seed=1
        )
        coordinator(found, worker, Recorder(), BudgetSpec(trials=14), test).run()
    submitted = [job for what, job in worker.log if what == "submit"]
    # The modern default begins at once; range tests fill the other places.
    assert submitted[:12] == [0, *range(RANGE_TEST, RANGE_TEST + 11)]
    by_source = {trial.user_attrs.get("source"): trial for trial in trials()}
    assert by_source["modern default"].number == 0
    recommended = by_source["recommendation"]
    begun = worker.log.index(("submit", recommended.number))
    ends = [n for n, (what, job) in enumerate(worker.log) if what == "end" and job >= RANGE_TEST]
    assert len(ends) == 32
    assert max(ends) < begun
    # It begins at the rate that was found.
    assert test.found is not None
    config = MLPConfig.from_json(recommended.user_attrs["config"])
    assert config.learning_rate == pytest.approx(test.found.suggested, rel=1e-3)
    assert config.learning_rate != pytest.approx(found.space.recommendation.learning_rate)


@pytest.mark.slow
def test_a_range_test_is_run_for_a_trial_of_the_budget(write_study: Write) -> None:
    """Else the sampler takes the place of the recommendation, whose rate was paid for."""
    rates = "learning_rate = { low = 1e-5, high = 10.0, log = true }\n"
    write_study(SMALL + rates + UNPRUNED)
    with study_opened(capacity=40) as (found, worker):
        assert isinstance(found.space, MLPSpace)
        facts = found.space.facts
        test = RangeTest(found.space.recommendation, facts, first_job=RANGE_TEST, seed=1)
        coordinator(found, worker, Recorder(), BudgetSpec(trials=5), test, at_once=5).run()
    sources = [trial.user_attrs["source"] for trial in trials()]
    assert len(sources) == 5 and "recommendation" in sources and "sampler" not in sources


def test_a_tested_rate_outlives_the_process(write_study: Write) -> None:
    """Else a study that is cut and resumed starts its recommendation where no test said to."""
    wide = "learning_rate = { low = 1e-6, high = 10.0, log = true }\n"
    write_study(SMALL.replace("rate_range = false", "rate_range = true") + wide)
    tuner.tune("small", trials=3, fleet=40)
    assert "recommendation" not in {trial.user_attrs["source"] for trial in trials()}
    tuner.tune("small", trials=6, fleet=40)
    tested = json.loads(storage.read_study("small").user_attrs["rate_range"])["suggested"]
    (found,) = [trial for trial in trials() if trial.user_attrs["source"] == "recommendation"]
    assert found.user_attrs["learning_rate"] == pytest.approx(tested)


@pytest.mark.slow
def test_some_points_come_after_three_complete_trials(write_study: Write) -> None:
    """Else starts that promise little for their time take all of it before they can be pruned."""
    text = SMALL.replace("seeds = 0", "configs = 2\nseeds = 2")
    write_study(text.replace("epochs = 3", "epochs = 12") + "batch_size = [16, 32]\n")
    result = tuner.tune("small", trials=10, fleet=1, workers=1)
    source = {trial.user_attrs.get("source"): trial for trial in trials()}
    wide, note = (source[name] for name in heuristics.LATE_POINTS)
    completed = sorted(
        trial.datetime_complete
        for trial in trials()
        if trial.state == TrialState.COMPLETE and trial.datetime_complete is not None
    )
    for late in (wide, note):
        assert late.datetime_start is not None and late.datetime_start >= completed[2]
    assert source["recommendation"].number < min(wide.number, note.number)
    # It learns next to nothing in so few epochs, so it is pruned; it is compared all the same.
    assert note.state == TrialState.PRUNED
    assert result.confirmation is not None
    arm = result.confirmation.arm("note")
    assert (arm.is_preset, arm.trial, arm.search, len(arm.scores)) == (True, None, None, 2)


def test_a_late_point_begins_only_if_it_would_end_in_time(write_study: Write) -> None:
    """Else the end of a search goes into a large network that it then cuts."""
    write_study(SMALL)
    with study_opened(capacity=1) as (found, _):
        assert isinstance(found.space, MLPSpace) and found.facts is not None
        wide = found.space.config(found.space.starting_points()["wide"])
        work = 3 * heuristics.work(wide, found.facts)
        minutes = Minutes(1.0)
        minutes.completed(2.0, work / 4)
        proposals = Proposals(
            0, found.space, found.evaluation, found.facts, found.store, minutes, found.limits
        )
        proposals.take_up()
        for n_complete, seconds, begins in ((2, 60.0, False), (3, 7.9, False), (3, 8.1, True)):
            proposals.begin_points(20, n_complete, seconds, is_testing=False)
            begun = {trial.user_attrs.get("source") for trial in found.store.trials()}
            assert {"modern default", "recommendation"} <= begun
            assert ("wide" in begun) == begins


# Targets


LUCKY = SMALL.replace("seeds = 0", "configs = 3\nseeds = 3") + UNPRUNED


@pytest.mark.slow
def test_a_target_that_was_reached_by_luck_does_not_end_it(write_study: Write) -> None:
    """Else the search stops for a score that its winner, trained again, does not have."""
    write_study(LUCKY)
    first = tuner.tune("small", trials=14, fleet=1, workers=1)
    assert first.best is not None and first.best.confirmed is not None
    lucky = min(trial.value for trial in trials() if trial.value is not None)
    assert first.best.confirmed.validation.mean > lucky
    again = tuner.tune("small", trials=14, target=lucky, fleet=1, workers=1, new=True)
    assert again.stopped == "14 of 14 trials are finished"
    assert again.counts.finished == 14
    # Its first confirmation came before the last trials, and the last one counts.
    assert again.best is not None and again.best.confirmed is not None
    assert not again.best.confirmed.validation.mean <= lucky


@pytest.mark.slow
def test_a_target_that_is_confirmed_ends_it(write_study: Write) -> None:
    """Else the search goes on for hours after it found what was asked for."""
    write_study(LUCKY)
    result = tuner.tune("small", trials=14, target=2.0, fleet=1, workers=1)
    assert result.stopped == "the target 2 is reached"
    assert result.counts.finished < 14
    assert result.best is not None and result.best.confirmed is not None
    assert result.best.confirmed.validation.mean <= 2.0


def test_a_search_that_goes_on_knows_its_pace(write_study: Write) -> None:
    """Else it begins trials that take all of its time, until it has seen a few epochs of others."""
    write_study(FOLDED + UNPRUNED)
    tuner.tune("small", trials=3, workers=1)
    with study_opened(capacity=2) as (found, _):
        assert found.facts is not None
        done = 0.0
        for trial in trials()[:3]:
            config = MLPConfig.from_json(trial.user_attrs["config"])
            done += 2 * 3 * heuristics.work(config, found.facts)  # 2 folds, 3 epochs
        assert found.store.seconds > 0
        assert earlier_pace(found) == pytest.approx(found.store.seconds / done)


# Time, and trials that were cut


def test_what_a_crash_cut_runs_whatever_the_time(write_study: Write) -> None:
    """Else a run that is cut early resumes to "nothing left to do", with its trials waiting."""
    write_study(SMALL + UNPRUNED)
    tuner.tune("small", trials=3, workers=1)
    with study_opened(capacity=1) as (found, _):
        trial = found.store.ask()
        config = found.space.suggest(trial)
        found.store.annotate(trial, config=config.to_json(), seed=1, source="sampler")
        found.store.spend(61)
    result = tuner.tune("small", minutes=1, workers=1)
    assert (result.ran, result.counts.complete, result.counts.waiting) == (1, 4, 0)
    assert trials()[-1].user_attrs["retry_of"] == 3
    again = tuner.tune("small", minutes=1, workers=1)
    assert (again.ran, again.counts) == (0, result.counts)


def test_a_study_whose_time_is_over_is_left_as_it_is(write_study: Write) -> None:
    """Else each look at a finished study adds starting points that no one runs."""
    write_study(SMALL + UNPRUNED)
    tuner.tune("small", trials=3, workers=1)
    for _ in range(2):
        assert tuner.tune("small", minutes=1e-6, workers=1).ran == 0
        assert [trial.state for trial in trials()] == [TrialState.COMPLETE] * 3


class Hanging(Written):
    """A worker that is silent as soon as it has a job of one seed: that of its first one."""

    seed: int | None = None

    def submit(self, job: Job) -> None:
        Hanging.seed = job.seed if Hanging.seed is None else Hanging.seed
        self.hangs = getattr(self, "hangs", False) or job.seed == Hanging.seed
        super().submit(job)

    def events(self, timeout: float) -> list[Event]:
        if getattr(self, "hangs", False):
            raise SilentWorkerError("training was silent for 3 minutes")
        return super().events(timeout)


def test_a_trial_that_hangs_alone_twice_has_failed(write_study: Write) -> None:
    """Else the same command tries it again for ever, and no other trial has its turn."""
    write_study(SMALL + UNPRUNED)
    Hanging.seed = None

    def tried() -> str:
        with study_opened(capacity=1) as (found, worker):
            hanging = Hanging(worker._worker)
            search = coordinator(found, hanging, Recorder(), BudgetSpec(trials=8), at_once=1)
            return search.run()

    for _ in range(2):
        with pytest.raises(WorkerLostError, match="silent for 3 minutes"):
            tried()
    assert tried() == "8 of 8 trials are finished"
    (lost,) = [
        trial
        for trial in trials()
        if trial.state == TrialState.FAIL and "interrupted" not in trial.user_attrs
    ]
    assert lost.user_attrs["seed"] == Hanging.seed
    assert lost.user_attrs["reason"] == "training was silent for 3 minutes"
    counts = storage.count(trials())
    assert (counts.complete + counts.pruned, counts.failed) == (7, 1)


@pytest.mark.slow
def test_a_fault_that_is_nobodys_counts_for_none(write_study: Write) -> None:
    """Else two outages of a cluster make failures of all trials that were under way."""
    write_study(SMALL + UNPRUNED)

    class Gone(Written):
        def events(self, timeout: float) -> list[Event]:
            if sum(what == "submit" for what, _ in self.log) >= 2:
                raise WorkerLostError("the cluster is gone")
            return super().events(timeout)

    class Silent(Gone):
        """Two train, so neither is known to be to blame."""

        def events(self, timeout: float) -> list[Event]:
            try:
                return super().events(timeout)
            except WorkerLostError as error:
                raise SilentWorkerError("training was silent") from error

    for kind in (Gone, Silent, Gone, Silent):
        with study_opened(capacity=2) as (found, worker):
            lost = kind(worker._worker)
            search = coordinator(found, lost, Recorder(), BudgetSpec(trials=4), at_once=2)
            with pytest.raises(WorkerLostError):
                search.run()
    counts = storage.count(trials())
    assert counts.failed == 0
    assert tuner.tune("small", trials=4, workers=1).counts.finished == 4
