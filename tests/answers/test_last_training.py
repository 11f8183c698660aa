"""The training of the network that is handed over: as long as there is time for it."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tuner import heuristics
from tuner.answers import entrants, rounds
from tuner.answers.entrants import sharing
from tuner.answers.last_training import LastTraining
from tuner.data import Cut, Dataset, load
from tuner.errors import WorkerLostError
from tuner.network.checkpoints import ensemble_of, to_checkpoint, together
from tuner.network.config import Config, MLPConfig
from tuner.network.perceptron import Perceptron
from tuner.results.arms import Arm
from tuner.results.winner import Refit
from tuner.running.progress import Observer
from tuner.running.repeats import Repeats

from .test_confirmer import trial

#: Epochs of a training to the end, and of those before it.
WHOLE, SHORT = 40, 3
NETWORK = Perceptron(MLPConfig(depth=0), n_inputs=2, n_outputs=2)


class Trained:
    """Stands for the repeats of a study: says how long an epoch takes, and notes what it trains."""

    places = 1

    has_waited = False
    #: Seeds whose training diverges.
    failing: tuple[int, ...] = ()

    def wait(self, seconds: float) -> None:
        self.has_waited = True

    def __init__(self, timed: float | None, n_rows: int | None = None) -> None:
        self.n_rows = n_rows or len(load("wine", Path()).train)
        self._timed = timed
        self.is_timed = False
        self.epochs: list[int] = []

    def epoch_seconds(
        self, config: MLPConfig, seeds: object, *, n: int, epochs: int, rows: int, is_alone: bool
    ) -> float:
        assert epochs >= 2 and is_alone == (n == 1)
        self.is_timed, self.rows, self.n_timed = True, rows, n
        if self._timed is None:
            raise WorkerLostError("timing an epoch failed")
        return self._timed * rows / self.n_rows / n

    def whole(
        self, config: MLPConfig, seeds: Sequence[int], *, at_once: int, cut: Cut,
        end: float | None = None, late: float = 0.0,
    ) -> dict[int, bytes | None]:  # fmt: skip
        assert self.has_waited  # else workers that have yet to start count for none
        self.epochs.append(config.epochs)
        self.seeds, self.at_once, self.n_left = tuple(seeds), at_once, cut.rows
        return {seed: None if seed in self.failing else to_checkpoint(NETWORK) for seed in seeds}


class Told(Observer):
    """Notes what is prepared."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, message: str) -> None:
        self.begun.append(message)


def arm(name: str, width: int = 32, **changes: Any) -> Arm:
    config = MLPConfig(epochs=SHORT, width=width)
    known: dict[str, Any] = {"trial": None, "n_parameters": 0, "search": None, "scores": ()}
    return Arm(name=name, config=config, **{**known, **changes})


def more() -> float:
    """Rows of a last training over those of another one."""
    dataset = load("wine", Path())
    return 1 + len(dataset.validation) / len(dataset.train)


def training(
    repeats: Trained, epoch: float, seeds: Sequence[int] = (7,), *, seen: float = 1.0
) -> LastTraining:
    """Of a study whose trials let an epoch of it be expected to take so many seconds.

    They see a share of the training rows.
    """
    dataset = load("wine", Path())
    facts = dataset.facts.model_copy(update={"n_rows": round(seen * dataset.facts.n_rows)})
    ended = trial(0, 0.5, 10)
    share = facts.n_rows / dataset.facts.n_rows
    ended.user_attrs |= {"epoch_seconds": share * epoch / more()}

    def handed_over(arm: Arm, epochs: int | None, rows: int | None = None) -> Config:
        # A longer training has a smaller decay at each step, as a study's own do.
        epochs = epochs or WHOLE
        return arm.config.model_copy(update={"epochs": epochs, "weight_decay": 1e-3 / epochs})

    return LastTraining(cast(Repeats, repeats), lambda: [ended], handed_over, dataset, facts, seeds)


def kept_for(last: LastTraining, arms: list[Arm], pace: float | None, seconds: float) -> float:
    return rounds.last(last.trainings(arms, pace), seconds)


@pytest.mark.parametrize(
    ("estimate", "timed", "is_timed", "epochs"),
    [
        (2.0, 9.9, False, WHOLE),  # fits by what is known
        (5.0, 3.0, True, 0.9 * 100 / 3.0),
        (5.0, 7.0, True, 0.9 * 100 / 7.0),
        (5.0, 1e-6, True, 0.9 * 100 / 2.5),  # half of the estimate is the least that is believed
        (4.0, 1e-6, True, WHOLE),
        (20.0, 3.0, False, 0.9 * 100 / 20.0),  # to time it would take two fifths of the time
        (5.0, None, True, 0.9 * 100 / 5.0),
        (60.0, 3.0, False, SHORT),  # never less than the trainings that were confirmed
    ],
)
def test_as_many_epochs_as_there_is_time_for(
    estimate: float, timed: float | None, is_timed: bool, epochs: float
) -> None:
    """Else what a user takes away is trained for fewer epochs than there were minutes for."""
    repeats = Trained(None if timed is None else timed / more())
    found = training(repeats, estimate).train(
        arm("trial 0", trial=0), None, time.monotonic() + 100, Observer()
    )
    assert found is not None
    assert (found.config.epochs, found.seeds) == (repeats.epochs[0], (7,))
    assert repeats.is_timed == is_timed
    # A moment of the 100 s is gone.
    assert epochs - 1.1 <= found.config.epochs <= epochs


@pytest.mark.parametrize(
    ("epoch", "epochs", "share"),
    [
        (2.0, WHOLE, None),
        (4.0, 0.9 * 100 / 4.0, None),
        (20.0, 0.9 * 100 / 20.0, None),  # more than the others, of all rows
        (90.0, SHORT, 0.9 * 100 / 90.0 / SHORT),
        (900.0, SHORT, 0.1),  # never less than was confirmed
    ],
)
def test_where_others_leave_rows_out(epoch: float, epochs: float, share: float | None) -> None:
    """Else what is handed over never ends in time, and is one of the short trainings after all."""
    repeats = Trained(None)
    last, told = training(repeats, epoch, seen=0.1), Told()
    found = last.train(arm("trial 0", trial=0), None, time.monotonic() + 100, told)
    assert found is not None and found.rows == repeats.n_left
    assert told.begun == ["training the winner on as many rows as there is time for"]
    assert epochs - 1.1 <= found.config.epochs <= epochs
    if share is None:
        assert found.rows is None
    else:
        assert found.rows is not None
        assert 0.95 * share <= found.rows / repeats.n_rows <= share + 0.01
    # The time of a training as short as the others', which sees as few rows, is kept for it.
    ((short, whole),) = last.trainings([arm("trial 0", trial=0)], None)
    assert (short, whole) == pytest.approx((0.1 * SHORT * epoch, WHOLE * epoch), rel=0.03)


def test_a_machine_with_room_for_more_is_shared_by_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a search on a GPU with 32 places stops early, for a training that it takes for slow."""
    facts = load("wine", Path()).facts
    trials = [trial(number, 0.5, 10 * (1 + number)) for number in range(3)]
    pace = 1e-6
    for each, n in zip(trials, (4, 5, 9), strict=True):
        work = heuristics.work(MLPConfig(width=10 * (1 + each.number)), facts)
        each.user_attrs["epoch_seconds"] = n * pace * work
    monkeypatch.setattr(entrants, "busy_with", lambda: 80)
    shared = sharing(trials, 99, pace, facts)
    assert 5 < shared < 8
    assert sharing(trials, 99, 0.1 * pace, facts) == pytest.approx(10 * shared)
    assert sharing(trials, 99, 1e3 * pace, facts) == 1
    assert sharing(trials, 99, 1e-3 * pace, facts) == sharing(trials, 99, None, facts) == 80
    assert sharing([], 4, pace, facts) == sharing(trials, 4, pace, facts) == 4


def test_what_is_kept_goes_by_those_that_shared_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entrants, "busy_with", lambda: 8)
    repeats, pace = Trained(1.0), 1e-6
    repeats.places = 32
    searched = arm("trial 0", 10, trial=0, search=0.5)
    facts = load("wine", Path()).facts
    busy = pace * heuristics.work(searched.config, facts)
    for n, shared in ((3.0, 3.0), (20.0, 8.0), (0.1, 1.0)):
        last = training(repeats, n * busy * more())
        expected = WHOLE * more() * shared * busy
        assert kept_for(last, [searched], pace, 1e9) == pytest.approx(expected)


def test_what_was_timed_is_known() -> None:
    """Else a third cut is left out for a training that takes half of what it is taken for."""
    repeats = Trained(1.2 / more())
    last = training(repeats, 2.0)
    small = arm("trial 0", trial=0, search=0.5)
    large = arm("modern default", 64, is_preset=True)
    forbidden = arm("note", 512, is_preset=True, is_allowed=False)
    arms = [small, large, forbidden]
    assert kept_for(last, arms, 1e-6, 1e9) == kept_for(last, [large], 1e-6, 1e9)
    expected = kept_for(last, [small], None, 1e9)
    assert expected == pytest.approx(WHOLE * 2.0)
    assert not last.time_longest(arms, None, 1.0, 1.0)  # it would take too much of a second
    assert last.time_longest([small], None, 1.0, 100.0) and repeats.is_timed
    # By now it is known, whatever the search lets expect.
    assert last.trainings([small], None, 3.0) == [(SHORT * 1.2, pytest.approx(WHOLE * 1.2))]
    assert last.trainings([large], None, 3.0)[0][1] == pytest.approx(WHOLE * 3.0 * 2.0)
    assert not last.time_longest([small], None, 1.0, 100.0)
    assert not last.time_longest([forbidden], None, 1.0, 100.0)


def test_it_is_timed_on_a_share_of_the_rows() -> None:
    """Else an epoch of many rows is never timed, and is taken for twice as long as it is."""
    repeats = Trained(8.0, n_rows=100_000)
    facts = load("wine", Path()).facts.model_copy(update={"n_rows": 100_000})
    rows = SimpleNamespace(train_rows=range(100_000), validation_rows=range(20_000))
    ended = trial(0, 0.5, 10)
    ended.user_attrs |= {"epoch_seconds": 12.5}
    last = LastTraining(
        cast(Repeats, repeats), lambda: [ended],
        lambda arm, epochs: arm.config.model_copy(update={"epochs": epochs or WHOLE}),
        cast(Dataset, rows), facts, (7,),
    )  # fmt: skip
    winner = arm("trial 0", trial=0)
    assert last.trainings([winner], None) == [(pytest.approx(SHORT * 15), WHOLE * 15)]
    assert last.time_longest([winner], None, 1.0, 100.0)
    assert repeats.rows == pytest.approx(100_000 * 0.5 / 15, abs=1)  # for about half a second
    assert last.trainings([winner], None)[0][1] == pytest.approx(WHOLE * 1.2 * 8.0)


def test_without_a_limit_it_is_whole_and_without_time_there_is_none() -> None:
    repeats = Trained(1.0)
    last = training(repeats, 5.0)
    winner = arm("trial 0", trial=0)
    assert last.train(winner, None, time.monotonic() - 1, Observer()) is None
    assert repeats.epochs == []
    found = last.train(winner, None, math.inf, Observer())
    assert found is not None and found.config.epochs == WHOLE
    assert not repeats.is_timed


def test_what_is_kept_for_it_is_for_whoever_may_win() -> None:
    """Else a preset that wins over a small trial is trained for half of its epochs."""
    last = training(Trained(1.0), 2.0)
    small = arm("trial 0", trial=0, search=0.5)
    large = arm("trial 0", 512, trial=0, search=0.5)
    preset = arm("modern default", 512, is_preset=True)
    forbidden = preset.model_copy(update={"is_allowed": False})
    alone, whole = (kept_for(last, [each], 1e-6, 1e9) for each in (small, large))
    assert alone < 0.1 * whole
    assert kept_for(last, [small, preset], 1e-6, 1e9) == whole
    assert kept_for(last, [small, forbidden], 1e-6, 1e9) == alone
    assert kept_for(last, [forbidden], 1e-6, 1e9) == kept_for(last, [], 1e-6, 1e9) == 0.0
    # Of little time a share is enough, and as many epochs as the others had the least.
    assert kept_for(last, [large], None, 1e9) == pytest.approx(WHOLE * 2.0)
    assert kept_for(last, [large], None, 30.0) == pytest.approx(0.65 * 30)
    assert kept_for(last, [large], None, 1.0) == pytest.approx(SHORT * 2.0)


@pytest.mark.parametrize(
    ("places", "seconds", "n", "epochs"),
    [(1, 2.0, 1, WHOLE), (1, 0.7, 3, WHOLE), (2, 2.0, 2, WHOLE), (2, 0.7, 6, WHOLE),
     (2, 0.1, 8, WHOLE), (16, 2.0, 8, WHOLE), (2, 5.0, 2, 18)],
    ids=["one", "one after the other", "side by side", "both", "no more than wanted",
         "many cores", "fewer epochs"],
)  # fmt: skip
def test_as_many_networks_as_there_is_time_for(
    places: int, seconds: float, n: int, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else cores and seconds are idle that would have made the predictions better."""
    monkeypatch.setattr(entrants, "busy_with", lambda: places)
    repeats = Trained(seconds / more())
    repeats.places = places
    last = training(repeats, seconds, seeds=range(8))
    found = last.train(arm("trial 0", trial=0), None, time.monotonic() + 100, Observer())
    assert found is not None
    config, seeds = found.config, found.seeds
    assert seeds == repeats.seeds == tuple(range(n))
    assert repeats.at_once == min(places, 8)
    assert config.epochs == pytest.approx(epochs, abs=1.1)
    assert len(ensemble_of(found.checkpoint).members) == n


@pytest.mark.parametrize(
    ("before", "seconds", "trained"),
    [
        ({"epochs": WHOLE, "others": (8, 9)}, math.inf, ()),  # all there is to have
        ({"epochs": WHOLE, "others": (8,)}, math.inf, (7, 8, 9)),
        ({"epochs": WHOLE, "others": (8,)}, math.inf, (7, 8, 9)),  # time was short
        ({"epochs": WHOLE, "others": (8,), "failed": None}, math.inf, ()),  # of an earlier version
        ({"epochs": WHOLE, "others": (8,), "failed": (9,)}, math.inf, ()),
        ({"epochs": 10, "others": (8, 9)}, math.inf, (7, 8, 9)),
        ({"epochs": 10, "others": (8, 9), "failed": (6,)}, math.inf, (7, 8, 9)),
        ({"epochs": WHOLE + 9, "rows": 50, "others": (8, 9)}, math.inf, (7, 8, 9)),
        # There is time for one of them, or for shorter ones.
        ({"epochs": WHOLE, "others": (8,)}, 60.0, ()),
        ({"epochs": WHOLE - 1, "others": ()}, 20.0, ()),
        ({"epochs": WHOLE - 1, "others": ()}, 60.0, (7,)),
        ({"epochs": 10, "others": ()}, -1.0, ()),
    ],
)
def test_networks_of_an_earlier_call_stay_unless_there_are_more_or_longer_ones(
    before: dict[str, Any], seconds: float, trained: tuple[int, ...]
) -> None:
    """Else `members` and minutes are ignored, or a call with less time takes networks away."""
    repeats = Trained(1.0 / more())
    last = training(repeats, 1.0, (7, 8, 9))
    known = {name: value for name, value in before.items() if name != "epochs"}
    known.setdefault("failed", ())
    refit = Refit(config=MLPConfig(epochs=before["epochs"]), seed=7, test=None, **known)
    end = time.monotonic() + seconds
    found = last.train(arm("trial 0", trial=0), None, end, Observer(), refit)
    assert (() if found is None else found.seeds) == trained
    assert bool(repeats.epochs) == bool(trained)


def test_a_network_that_diverges_is_told_and_not_trained_again() -> None:
    """Else each call trains all of them once more, to find that out."""
    repeats = Trained(1.0 / more())
    repeats.failing = (8,)
    last = training(repeats, 1.0, (7, 8, 9))
    found = last.train(arm("trial 0", trial=0), None, math.inf, Observer())
    assert found is not None and (found.seeds, found.failed) == ((7, 9), (8,))
    assert len(ensemble_of(found.checkpoint).members) == 2
    refit = Refit(config=found.config, seed=7, test=None, others=(9,), failed=found.failed)
    assert last.train(arm("trial 0", trial=0), None, math.inf, Observer(), refit) is None
    # One more of them was asked for, and is not to be had: that is told, too.
    fewer = Refit(config=found.config, seed=7, test=None, failed=())
    again = training(repeats, 1.0, (7, 8)).train(
        arm("trial 0", trial=0), None, math.inf, Observer(), fewer
    )
    assert again is not None and (again.seeds, again.failed) == ((7,), (8,))
    with pytest.raises(WorkerLostError):
        last.again(refit.model_copy(update={"others": (8,)}))


def test_fewer_networks_are_the_first_ones() -> None:
    """As they are in the file; else they are trained again."""
    repeats = Trained(None)
    last = training(repeats, 1.0, (7, 8))
    refit = Refit(config=MLPConfig(epochs=WHOLE), seed=7, test=None, others=(8, 9))
    found = last.first(refit, together([to_checkpoint(NETWORK)] * 3))
    assert (found.seeds, repeats.epochs) == ((7, 8), [])
    assert len(ensemble_of(found.checkpoint).members) == 2
    alone = training(repeats, 1.0).first(refit, together([to_checkpoint(NETWORK)] * 3))
    assert (alone.seeds, alone.checkpoint) == ((7,), to_checkpoint(NETWORK))
    assert last.first(refit, None).seeds == (7, 8)
    assert (repeats.epochs, repeats.seeds) == ([WHOLE], (7, 8))
