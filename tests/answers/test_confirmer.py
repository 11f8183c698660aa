"""Confirming a study: what is entered, what there is time for, and what is kept of it."""

import math
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from optuna.trial import TrialState, create_trial
from sklearn.metrics import log_loss

import tuner
from tuner import heuristics, storage
from tuner.answers import entrants as entrants_
from tuner.answers import halving
from tuner.answers.confirmer import shared_by_folds
from tuner.answers.entrants import costs, entrants
from tuner.answers.halving import Halving
from tuner.answers.ranking import Ranking
from tuner.answers.rounds import Plan, Round, fitting, kept, last, least, plan, rounds
from tuner.data import Cut, load
from tuner.errors import InputError, InterruptedStudyError, StudyFileError
from tuner.network.config import MLPConfig
from tuner.results.arms import Arm, Direction
from tuner.results.choice import choose
from tuner.results.files import ResultFiles
from tuner.results.winner import Confirmation
from tuner.running.kept_repeats import Repeat
from tuner.running.progress import Observer, Repeated
from tuner.running.repeats import Repeats
from tuner.space import MLPSpace
from tuner.storage.reading import CONFIRMATION_SECONDS, SECONDS
from tuner.study import load_study

from ..conftest import SMALL, Write
from ..study.test_modules import MODULE, ROWS

CONFIRMED = SMALL.replace("seeds = 0", "configs = 2\nseeds = 3").replace(
    "[search]", "[study]\npruner = 'none'\n[search]"
)


class Recorder(Observer):
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.told: list[Repeated] = []

    def begin(self, message: str) -> None:
        self.begun.append(message)

    def repeated(self, training: Repeated) -> None:
        self.told.append(training)


def trial(number: int, value: float, width: int, state: TrialState = TrialState.COMPLETE) -> Any:
    found = create_trial(
        state=state,
        value=value,
        user_attrs={"config": MLPConfig(width=width).to_json(), "source": "sampler"},
    )
    found.number = number
    return found


class TestEntrants:
    def test_are_the_best_configs(self) -> None:
        trials = [trial(0, 0.3, 10), trial(1, 0.1, 20), trial(2, 0.2, 30)]
        for direction, names in (("minimize", [1, 2]), ("maximize", [0, 2])):
            found, presets = entrants(trials, direction, 2, {"note": MLPConfig(width=5)})  # type: ignore[arg-type]
            assert [arm.trial for arm in found] == names
            assert [(arm.name, arm.trial, arm.search) for arm in presets] == [("note", None, None)]
        assert found[0].search == 0.3
        assert found[0].config == MLPConfig(width=10)

    def test_are_complete_and_differ(self) -> None:
        trials = [
            trial(0, 0.2, 10),
            trial(1, 0.1, 10),
            trial(2, 0.0, 30, TrialState.PRUNED),
            trial(3, 0.3, 40),
        ]
        found, _ = entrants(trials, "minimize", 3, {})
        assert [arm.trial for arm in found] == [1, 3]

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_of_equal_ones_the_lower_loss_comes_first(self, direction: Direction) -> None:
        """Else accuracies over few rows, many of which are the same, leave it to chance."""
        trials = [trial(0, 0.5, 10), trial(1, 0.5, 20), trial(2, 0.5, 30), trial(3, 0.5, 40)]
        for each, loss in zip(trials, (0.3, 0.1, 0.4, 0.2), strict=True):
            each.user_attrs["val_loss"] = loss
        found, _ = entrants(trials, direction, 3, {})
        assert [arm.trial for arm in found] == [1, 3, 0]

    def test_a_config_of_a_preset_is_the_preset(self) -> None:
        """Else it is trained twice, or cannot win though the search found it."""
        presets = {"note": MLPConfig(width=10), "modern default": MLPConfig(width=99)}
        found, others = entrants(
            [trial(0, 0.5, 10), trial(1, 0.4, 20)],
            "minimize",
            5,
            presets,
            {"note": True, "modern default": False},
        )
        assert [arm.name for arm in found] == ["trial 1"]
        assert [(arm.name, arm.trial, arm.search, arm.is_allowed) for arm in others] == [
            ("note", 0, 0.5, True),
            ("modern default", None, None, False),
        ]
        assert all(arm.is_preset for arm in others) and not found[0].is_preset


class TestPlan:
    def test_all_where_time_is_not_limited(self) -> None:
        rows = [[1.0] * 5, [2.0] * 5, [3.0] * 5]
        assert plan(rows, [[0.5] * 5], 5) == Plan(rounds(3, 5), 1, True, 5 * 6.5)

    def test_the_first_preset_is_the_one_that_goes_on(self) -> None:
        """Else a costly one that falls behind takes away a seed of all others."""
        rows, dear = [[1.0] * 3] * 3, [9.0] * 3
        assert plan(rows, [[1.0] * 3, dear], 3, 31 / 0.9).seconds == 2 * (3 + 10) + 3 + 1
        assert plan(rows, [dear, [1.0] * 3], 3, 31 / 0.9).n_seeds == 2

    @pytest.mark.parametrize(
        ("n_configs", "n_seeds", "expected"),
        [
            (8, 5, [(8, 2), (4, 3), (3, 5)]),
            (20, 10, [(20, 2), (10, 3), (5, 5), (3, 8), (3, 10)]),
            (3, 5, [(3, 2), (3, 3), (3, 5)]),
            (2, 3, [(2, 2), (2, 3)]),
            (1, 2, [(1, 2)]),
            (8, 2, [(8, 2)]),
        ],
    )
    def test_rounds(self, n_configs: int, n_seeds: int, expected: list[tuple[int, int]]) -> None:
        """Fewer configs over more cuts: else the time goes to those that were already behind."""
        assert [(each.n_configs, each.n_cuts) for each in rounds(n_configs, n_seeds)] == expected

    def test_counts_what_drops_out_only_as_far_as_it_came(self) -> None:
        """Else less is confirmed than there is time for, or more is begun than ends in time."""
        configs, presets = [[1.0] * 5] * 8, [[10.0] * 5] * 2
        # 8 over two cuts, 4 over a third, 3 over two more; presets over all, or but one of them
        # over the first two.
        ours = 8 * 2 + 4 + 3 * 2
        assert plan(configs, presets, 5) == Plan(rounds(8, 5), 2, True, ours + 2 * 5 * 10.0)
        dropped = plan(configs, presets, 5, 110.0)
        assert dropped == Plan(rounds(8, 5), 2, False, ours + 2 * 2 * 10.0 + 3 * 10.0)
        assert dropped.seconds <= 0.9 * 110 < ours + 2 * 5 * 10.0

    def test_the_least(self) -> None:
        """Two configs and the presets over two cuts: else the search leaves too little for it."""
        assert least([[3.0] * 5, [2.0] * 5, [9.0] * 5], [[0.5] * 5]) == 2 * (3 + 2 + 0.5)
        assert least([[3.0] * 5], [[0.5] * 5]) == 2 * (3 + 0.5)

    @pytest.mark.parametrize(
        ("seconds", "n_configs", "n_seeds"),
        [
            (100, 5, 5),
            (48, 5, 5),
            (42, 4, 5),
            (38, 3, 5),
            (31, 3, 4),
            (28, 4, 3),
            (23, 3, 3),
            (17, 2, 3),
            (16, 3, 2),
            (12, 2, 2),
            (10, 1, 2),
        ],
    )
    def test_fewer_configs_then_fewer_seeds(
        self, seconds: float, n_configs: int, n_seeds: int
    ) -> None:
        found = plan([[2.0] * 5] * 5, [[0.5] * 5] * 2, 5, seconds)
        assert (found.n_configs, found.n_seeds) == (n_configs, n_seeds)

    def test_two_seeds_of_the_best_at_least(self) -> None:
        assert plan([[100.0] * 5, [1.0] * 5], [], 5, 1.0) == Plan(rounds(1, 2), 0, False, 200.0)
        assert plan([[100.0] * 2], [], 2, 1.0) == Plan(rounds(1, 2), 0, False, 200.0)

    @pytest.mark.parametrize(
        ("seconds", "n_configs", "n_presets"),
        [(20, 2, 2), (17, 1, 2), (14, 1, 1), (6, 1, 0), (1, 1, 0)],
    )
    def test_presets_are_left_out_last(
        self, seconds: float, n_configs: int, n_presets: int
    ) -> None:
        """Else all of them begin, none ends over two cuts, and that time is lost."""
        configs, presets = [[2.0] * 5] * 5, [[1.0] * 5, [4.0] * 5]
        found = plan(configs, presets, 5, seconds)
        assert (found.n_configs, found.n_presets, found.n_seeds) == (n_configs, n_presets, 2)
        assert plan([], presets, 5, seconds).n_presets == (2 if seconds >= 14 else 1)

    def test_three_cuts_are_worth_a_part_of_the_last_training(self) -> None:
        """Of two no error can be told. For a fourth or fifth it gives nothing."""
        configs, presets = [[1.0] * 5] * 3, [[0.5] * 5]
        needed = 2 * 3 + 3 * 0.5
        two, ending = fitting(configs, presets, 5, needed / 0.9 + 8 - 0.1, (10.0, 8.0))
        assert (two.n_seeds, ending) == (2, 10.0)
        three, ending = fitting(configs, presets, 5, needed / 0.9 + 8 + 0.1, (10.0, 8.0))
        assert (three.n_configs, three.n_seeds, ending) == (2, 3, 8.0)
        more, ending = fitting(configs, presets, 5, 4 * (needed / 3) / 0.9 + 9, (10.0, 8.0))
        assert (more.n_seeds, ending) == (3, 10.0)

    def test_few_that_are_large_leave_a_part_of_the_machine_idle(self) -> None:
        """Else a third cut begins that cannot end, and is lost."""
        configs, presets = [[4.0] * 3] * 2, [[1.0] * 3]
        # Of a cut's nine units: two large ones for 8 seconds, then the small one for 2. All of the
        # first cut have ended when the second begins.
        assert plan(configs, presets, 3, at_once=2).seconds == 3 * 10
        assert plan(configs, presets, 3).seconds == 3 * 9
        assert plan(configs, presets, 3, 27 / 0.9, at_once=2).n_seeds == 2
        assert least(configs, presets, 8) == 2 * 8 * 4
        found, _ = fitting(configs, presets, 3, 27 / 0.9, (0.0, 0.0), at_once=2)
        assert found.n_seeds == 2

    def test_the_last_training_of_whoever_wins(self) -> None:
        """Else the modern default wins over a small network, and is cut to half of its epochs."""
        small, large = (1.0, 4.0), (3.0, 12.0)
        assert last([small], 100.0) == 4.0
        assert last([small, large], 100.0) == last([large, small], 100.0) == 12.0
        # A share of the time is enough, and as many epochs as its other trainings had the least.
        assert last([small, large], 10.0) == 0.65 * 10
        assert last([small, large], 4.0) == 3.0
        assert last([], 5.0) == 0.0
        # Of what has all its epochs a share is enough; of what has not, nothing can be taken.
        assert last([large], 100.0, 0.8) == pytest.approx(0.8 * 12)
        assert last([large], 10.0, 0.8) == 0.65 * 10

    def test_the_least_comes_first_and_then_the_last_training(self) -> None:
        """Else more cuts take the time, and a network is handed out after a fifth of its epochs."""
        assert kept(20.0, 9.0, 31.0) == 20.0
        found = kept(20.0, 9.0, 25.0)
        assert 14.5 < found < 15.0
        # What is left is enough for a plan of the least, though a moment has passed.
        assert plan([[2.0] * 2] * 2, [[0.5] * 2], 5, 25.0 - found - 0.1).seconds == 9.0
        assert kept(20.0, 9.0, 5.0) == 0.0
        assert kept(20.0, 9.0, math.inf) == 20.0

    def test_what_has_ended_costs_nothing(self) -> None:
        rows = [[0.0] * 5, [0.0, 0.0, 0.0, 0.0, 2.0]]
        assert plan(rows, [[0.0] * 5], 5, 3.0) == Plan(rounds(2, 5), 1, True, 2.0)


def test_costs_are_those_of_the_trials() -> None:
    trials = [trial(0, 0.1, 10), trial(1, 0.2, 20), trial(2, 0.3, 30)]
    trials[0].user_attrs |= {"epoch_seconds": 0.5, "source": "note"}
    trials[1].user_attrs["epoch_seconds"] = 2.0
    arms = [
        Arm(name=name, trial=n, config=MLPConfig(epochs=8), n_parameters=0, search=None, scores=())
        for name, n in (("trial 1", 1), ("note", None), ("trial 2", 2), ("modern default", None))
    ]
    assert costs(arms, trials, side_by_side=4) == (4.0, 1.0, 2.5, 2.5)


@pytest.mark.parametrize(("sign", "first"), [(1, "good"), (-1, "bad")])
def test_presets_in_the_order_in_which_they_are_likely_to_go_on(sign: int, first: str) -> None:
    """Else time is kept for the training of one that is far behind."""
    scores = {"good": 0.9, "bad": 0.1, "seen": 0.5, "unknown": None, "forbidden": 5.0 * sign}
    presets = [
        Arm(
            name=name,
            trial=None,
            config=MLPConfig(width=width),
            n_parameters=0,
            search=score,
            scores=(),
            is_preset=True,
            is_allowed=name != "forbidden",
        )
        for width, (name, score) in enumerate(scores.items(), 10)
    ]
    seen = next(arm.config for arm in presets if arm.name == "seen")
    found = Repeat(seen, 7, {"val_accuracy": 99.0 * sign}, 1)
    repeats = SimpleNamespace(find=lambda config, seed: found if config == seen else None)
    direction: Direction = "maximize" if sign == 1 else "minimize"
    ranking = Ranking("val_accuracy", direction, (7,), cast(Repeats, repeats))
    ordered = ranking.likeliest_first(presets)
    last = "bad" if first == "good" else "good"
    assert [arm.name for arm in ordered] == ["seen", first, last, "unknown", "forbidden"]


class Ending:
    """Stands for the last training: says what it takes, and what it really takes when timed."""

    def __init__(self, expected: float, timed: float | None = None) -> None:
        self.whole, self._timed = expected, timed

    def trainings(
        self, arms: object, pace: object, slower: float = 1.0
    ) -> list[tuple[float, float]]:
        return [(1.0, self.whole)]

    def time_longest(self, *_: object) -> bool:
        if self._timed is None:
            return False
        self.whole, self._timed = self._timed, None
        return True


def halves_of_two(trainings: Ending) -> tuple[Halving, list[Arm]]:
    """Two arms over two cuts, whose trainings take 5 seconds each."""
    arms = [
        Arm(
            name=f"trial {width}",
            trial=width,
            config=MLPConfig(width=width, epochs=1),
            n_parameters=0,
            search=0.5,
            scores=(0.5, 0.5),
        )
        for width in (10, 20)
    ]
    ended = SimpleNamespace(places=1, find=lambda config, seed: None)
    spec = SimpleNamespace(configs=2, seeds=5, share=0.5)
    each = trial(10, 0.5, 10)
    each.user_attrs["epoch_seconds"] = 5.0
    halves = Halving(
        cast(Any, spec), "val_accuracy", "maximize", range(5), lambda: [each], {}, {},
        lambda trial: MLPConfig(), cast(Any, ended), cast(Any, trainings), None, Observer(),
    )  # fmt: skip
    return halves, arms


def one_more(
    halves: Halving, arms: list[Arm], n_cuts: int, end: float
) -> tuple[list[Round], float]:
    """Asks for a round after one of two configs over so many cuts, of 100 s in all."""
    planned, expected = Plan(rounds(2, 2), 0, False, 1.0), halves._expected(None)
    return halves._one_more(arms, Round(2, n_cuts), planned, expected, 1.0, end, 100.0)


@pytest.mark.parametrize(("left", "n_cuts"), [(55.0, 3), (25.0, None)])
def test_one_more_cut_leaves_the_last_training_its_share(left: float, n_cuts: int | None) -> None:
    """Else cut after cut takes a third of it: letters had 4 of 40 epochs, and twice the error."""
    halves, arms = halves_of_two(Ending(40.0))
    end = time.monotonic() + left
    more, until = one_more(halves, arms, 2, end)
    assert [step.n_cuts for step in more] == ([] if n_cuts is None else [n_cuts])
    if more:
        assert end - until == pytest.approx(0.8 * 40)
        # A fourth one would take of what the last training has at least.
        assert not one_more(halves, arms, 3, end - 10)[0]


@pytest.mark.parametrize(
    ("left", "timed", "fits"),
    [(41.0, 20.0, True), (41.0, 38.0, False), (41.0, None, False), (25.0, 20.0, False)],
    ids=["as fast as it must be", "not as fast", "cannot be timed", "could not be fast enough"],
)
def test_the_last_training_is_timed_where_that_decides(
    left: float, timed: float | None, fits: bool
) -> None:
    """Else ten minutes of MNIST end after eight and a half, over two cuts, without an error."""
    ending = Ending(40.0, timed)
    halves, arms = halves_of_two(ending)
    end = time.monotonic() + left
    more, until = one_more(halves, arms, 2, end)
    assert bool(more) == fits
    assert end - until == pytest.approx(0.8 * 20 if fits else 0.0)
    assert ending.whole == (40.0 if timed is None or left == 25.0 else timed)


@pytest.mark.parametrize(("timed", "n_cuts"), [(20.0, 3), (None, 2)])
def test_the_last_training_is_timed_before_cuts_are_left_out_for_it(
    timed: float | None, n_cuts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else cores that share its steps leave time at the end that nothing is done with."""
    machine = Machine(5.0)
    monkeypatch.setattr(halving, "time", SimpleNamespace(monotonic=lambda: machine.now))
    halves = halves_on(machine, Ending(60.0, timed), n_seeds=3)
    arms = halves.run(80.0, None)  # three cuts of three take 45
    assert [len(arm.scores) for arm in arms] == [n_cuts] * 3


class Machine:
    """Stands for repetitions on a clock of its own, of which so many make it busy."""

    def __init__(self, seconds: float, places: int = 1) -> None:
        self.now, self._seconds, self._known = 0.0, seconds, dict[tuple[int, int], Repeat]()
        self.places = places

    def find(self, config: MLPConfig, seed: int) -> Repeat | None:
        return self._known.get((config.width, seed))

    def run(
        self, pairs: list[tuple[MLPConfig, int]], *, end: float, late: float, **_: object
    ) -> bool:
        waiting = [pair for pair in pairs if self.find(*pair) is None]
        while waiting:
            now, waiting = waiting[: self.places], waiting[self.places :]
            if self.now + self._seconds > end + (0.0 if waiting else late):
                self.now = end
                return False
            self.now += self._seconds
            for config, seed in now:
                self._known[config.width, seed] = Repeat(config, seed, {"val_accuracy": 0.5}, 1)
        return True


def halves_on(
    machine: Machine, trainings: Ending, *, n_seeds: int, seconds: float = 5.0
) -> Halving:
    """Two configs and a preset, whose trainings took so long each in the search."""
    trials = [trial(10, 0.6, 10), trial(20, 0.5, 20)]
    for each in trials:
        each.user_attrs["epoch_seconds"] = seconds
    return Halving(
        cast(Any, SimpleNamespace(configs=2, seeds=n_seeds, share=0.5)), "val_accuracy", "maximize",
        range(n_seeds), lambda: trials,
        {"modern default": MLPConfig(width=30, epochs=1)}, {"modern default": True},
        lambda trial: MLPConfig(width=trial.number, epochs=1), cast(Any, machine),
        cast(Any, trainings), None, Observer(),
    )  # fmt: skip


def test_a_round_may_be_late_by_what_the_last_training_can_spare() -> None:
    """Else a cut is lost for a second that it lacks, or the network that is handed over."""
    machine, told = Machine(5.0), list[float]()
    halves = halves_on(machine, Ending(60.0), n_seeds=2)
    run = machine.run
    machine.run = lambda *words, late, **more: told.append(late) or run(*words, late=late, **more)  # type: ignore[method-assign]
    now = time.monotonic()
    for until, end in ((now + 100, now + 200), (now + 100, now + 110), (math.inf, math.inf)):
        halves._run([], (), halves._expected(None), until, end)
    assert told == [pytest.approx(0.15 * 100, abs=0.1), pytest.approx(0.2 * 10), 0.0]


@pytest.mark.parametrize(("seconds", "needed"), [(60.0, 51.0), (40.0, 51.0), (39.0, 103 / 3)])
def test_three_cuts_may_take_a_little_more(seconds: float, needed: float) -> None:
    """Else ten minutes of MNIST end with a winner over two cuts, of which no error can be told."""
    halves = halves_on(Machine(5.0), Ending(0.0), n_seeds=3, seconds=5.0)
    few = halves.needs(seconds, None)
    trials = halves._trials()
    halves._trials = lambda: [*trials, *[trial(30 + n, 0.1, 10) for n in range(8)]]
    assert halves.needs(seconds, None) == pytest.approx(needed)
    # A search of few trials is worth more than a third cut.
    assert few == pytest.approx(103 / 3 if seconds < 60 else needed)


@pytest.mark.parametrize(("seconds", "n_cuts"), [(70.0, 3), (60.0, 2)])
def test_few_arms_take_as_long_as_a_busy_machine(
    seconds: float, n_cuts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what begins does not end: three trainings on eight cores are no faster than eight."""
    monkeypatch.setattr(entrants_, "busy_with", lambda: 8)
    machine = Machine(20.0, places=8)
    monkeypatch.setattr(halving, "time", SimpleNamespace(monotonic=lambda: machine.now))
    halves = halves_on(machine, Ending(0.0), n_seeds=3, seconds=20.0)
    arms = halves.run(seconds, None)
    assert [len(arm.scores) for arm in arms] == [n_cuts] * 3
    assert machine.now == n_cuts * 20.0  # nothing was begun that did not end


def test_workers_that_come_later_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a study that goes on with its confirmation leaves out cuts, as if one trained it."""
    monkeypatch.setattr(entrants_, "busy_with", lambda: 8)
    machine = Machine(5.0)
    expected = halves_on(machine, Ending(0.0), n_seeds=2)._expected(None)
    assert expected.at_once == 1
    machine.places = 4
    assert expected.at_once == 4


@pytest.mark.parametrize(("seconds", "n_arms"), [(5.0, 3), (9.0, 2)])
def test_where_trainings_are_slower_two_arms_are_compared(
    seconds: float, n_arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing is confirmed, and the time that was kept for the winner's training is lost."""
    machine = Machine(seconds)
    monkeypatch.setattr(halving, "time", SimpleNamespace(monotonic=lambda: machine.now))
    arms = halves_on(machine, Ending(60.0), n_seeds=2).run(100.0, None)
    assert [len(arm.scores) for arm in arms] == [2] * n_arms
    assert {arm.name for arm in arms} >= {"trial 10", "modern default"}
    # The last training has what it wants, or what two arms leave.
    assert 100.0 - machine.now == pytest.approx({3: 70.0, 2: 55.0}[n_arms])


@pytest.mark.slow
def test_a_confirmed_study(write_study: Write, project: Path) -> None:
    write_study(CONFIRMED)
    recorder = Recorder()
    result = tuner.tune("small", observer=recorder)
    found = result.confirmation
    assert found is not None
    assert len(recorder.told) == 4 * 3
    said = "confirming 2 configs of the search and 2 presets over 3 seeds"
    assert any(said in message for message in recorder.begun)
    facts = load("wine", Path()).facts
    space = MLPSpace.of(load_study("small"), facts, 3)  # type: ignore[arg-type]  # it is of an MLP
    assert {arm.name: arm.config for arm in found.presets} == space.presets(3)
    assert {arm.name: arm.is_allowed for arm in found.presets} == space.allowed_presets()
    assert not space.allowed_presets()["modern default"]  # it is wider than the file allows
    assert found.arm("modern default").config == heuristics.modern_default(facts, 3)
    complete = storage.read_study("small").get_trials(states=(TrialState.COMPLETE,))
    values = {trial.number: trial.value for trial in complete}
    ours = [arm for arm in found.arms if not arm.is_preset]
    best_two = sorted(values.values())[:2]  # type: ignore[type-var]
    assert sorted(arm.search for arm in ours) == best_two  # type: ignore[type-var]
    winner = choose(found.arms, "minimize")
    assert winner is not None
    assert found.winner == winner.name
    # The files, the store, and what was returned agree.
    assert found == tuner.confirmation("small")
    stored = storage.read_study("small").user_attrs["confirmation"]
    assert Confirmation.model_validate_json(stored) == found
    best = tuner.best("small")
    assert best == result.best
    assert best.confirmed is not None
    assert best.trial == found.winning.trial
    assert best.value == (None if best.trial is None else values[best.trial])
    assert best.preset == (found.winner if found.winning.is_preset else "")
    assert best.confirmed.validation == found.estimate(found.winning)
    assert not (project / "runs" / "small" / "repeats").exists()


@pytest.mark.slow
def test_the_better_half_goes_on(write_study: Write) -> None:
    """Else the winner is chosen over fewer seeds than were asked for, or time goes to losers."""
    text = CONFIRMED.replace("configs = 2", "configs = 6").replace("seeds = 3", "seeds = 5")
    write_study(text)
    recorder = Recorder()
    result = tuner.tune("small", trials=10, observer=recorder)
    found = result.confirmation
    assert found is not None
    ours = [arm for arm in found.arms if not arm.is_preset]
    n_cuts = sorted((len(arm.scores) for arm in ours), reverse=True)
    assert n_cuts == [5, 5, 5, 2, 2, 2]  # rounds(6, 5)
    # Time is not limited, so the presets stay to be compared with.
    assert [len(arm.scores) for arm in found.presets] == [5, 5]
    assert len(recorder.told) == sum(n_cuts) + 2 * 5
    assert len(found.winning.scores) == len(found.seeds) == 5
    assert len(found.winning.scores) == 5
    # Over the cuts that they share, those that went on were the better ones.
    after_two = {arm.name: sum(arm.scores[:2]) for arm in ours}
    went_on = [after_two[arm.name] for arm in ours if len(arm.scores) == 5]
    dropped = [after_two[arm.name] for arm in ours if len(arm.scores) == 2]
    assert max(went_on) <= min(dropped)
    # Those with most seeds are told first, the best of them before the others.
    assert [len(arm.scores) for arm in found.arms] == [5] * 5 + [2] * 3
    means = [sum(arm.scores) for arm in found.arms[:5]]
    assert means == sorted(means)


@pytest.mark.slow
def test_the_best_preset_lasts_to_the_end(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a short search is not compared with what takes no search, where that counts."""
    monkeypatch.setattr(halving, "fitting", lambda *_: (Plan(rounds(6, 5), 2, False, 1.0), 0.0))
    text = CONFIRMED.replace("configs = 2", "configs = 6").replace("seeds = 3", "seeds = 5")
    write_study(text)
    found = tuner.tune("small", trials=10).confirmation
    assert found is not None
    assert sorted(len(arm.scores) for arm in found.arms) == [2, 2, 2, 2, 5, 5, 5, 5]
    # It is behind all others, and the other preset, which cannot win, was given up.
    (kept,) = (arm for arm in found.presets if len(arm.scores) == 5)
    assert kept.is_allowed and kept == found.arms[3]
    assert [arm.is_allowed for arm in found.presets if len(arm.scores) == 2] == [False]


@pytest.mark.slow
def test_time_that_is_left_is_used(write_study: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a search whose trainings are faster than thought ends early, over two seeds."""
    recorder = Recorder()

    def planned(*_: object) -> tuple[Plan, float]:
        return Plan(rounds(3 if recorder.told else 1, 2), 2, False, 1.0), 0.0

    monkeypatch.setattr(halving, "fitting", planned)
    write_study(CONFIRMED.replace("configs = 2", "configs = 6").replace("seeds = 3", "seeds = 5"))
    found = tuner.tune("small", trials=10, observer=recorder).confirmation
    assert found is not None
    # After the first seed there is time for three configs, and after two for more seeds.
    said = [text for text in recorder.begun if text.startswith("confirming")]
    assert [text.split(" of the search")[0] for text in said] == [
        "confirming 1 of 6 configs",
        "confirming 3 of 6 configs",
    ]
    # Three last; a preset may be one of them.
    lasted = [arm for arm in found.arms if len(arm.scores) == 5]
    assert len(lasted) >= 3 and all(arm.trial is not None for arm in lasted)
    assert len(found.seeds) == 5


def test_the_likeliest_preset_alone_where_time_is_short(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halving, "fitting", lambda *_: (Plan(rounds(1, 2), 1, False, 1.0), 0.0))
    write_study(CONFIRMED.replace("seeds = 3", "seeds = 2"))
    found = tuner.tune("small").confirmation
    assert found is not None
    assert [arm.is_allowed for arm in found.presets] == [True]
    assert [len(arm.scores) for arm in found.arms] == [2, 2]


def test_what_cannot_end_in_time_is_not_begun(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time would be lost, and the command would end no sooner."""
    monkeypatch.setattr(halving, "fitting", lambda *_: (Plan(rounds(1, 2), 1, False, 60.0), 0.0))
    write_study(CONFIRMED.replace("trials = 4", "trials = 4\nminutes = 0.4"))
    recorder = Recorder()
    result = tuner.tune("small", observer=recorder)
    assert result.best is not None and result.confirmation is None
    assert not recorder.told
    assert not [text for text in recorder.begun if text.startswith("confirming")]


def test_the_network_is_the_one_of_the_median_seed(write_study: Write) -> None:
    """Its scores are what was told: on the rows of its fold, and on the test rows."""
    write_study(CONFIRMED.replace("seeds = 3", "seeds = 3\nrefit = false"))
    tuner.tune("small")
    best, found = tuner.best("small"), tuner.confirmation("small")
    assert best.confirmed is not None and found is not None
    dataset = load("wine", Path())
    model = tuner.load_model("small")
    index = found.seeds.index(best.seed)
    cut = dataset.cut_anew(Cut(found.seeds[0], fold=index, by_target=False))
    winning = found.winning
    for part, scores in ((cut.validation, winning.scores), (dataset.test, winning.tests)):
        with torch.no_grad():
            outputs = model(torch.from_numpy(part.x))
            loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(part.y))
        assert float(loss) == pytest.approx(scores[index], rel=1e-4)
    assert sorted(winning.scores)[1] == winning.scores[index]


def test_the_network_handed_over_has_seen_all_rows_but_the_test_rows(write_study: Write) -> None:
    """Else a fifth of the user's rows is wasted, or the test score is one of rows it trained on."""
    write_study(CONFIRMED)
    best = tuner.tune("small").best
    assert best is not None and best.confirmed is not None and best.confirmed.is_refit
    dataset = load("wine", Path())
    model = tuner.load_model("small")
    rows = torch.cat([torch.from_numpy(part.x) for part in (dataset.train, dataset.validation)])
    assert torch.allclose(model.input_mean, rows.double().mean(0).float(), rtol=1e-5)  # type: ignore[arg-type]
    with torch.no_grad():
        outputs = model(torch.from_numpy(dataset.test.x))
        loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(dataset.test.y))
    assert float(loss) == pytest.approx(best.confirmed.network_test, rel=1e-4)
    assert tuner.confirmation("small").test_openings == 1  # type: ignore[union-attr]


def test_networks_that_predict_together_differ_in_their_seeds_alone(write_study: Write) -> None:
    """Else the mean of their predictions is that of one, or its score is not what is told."""
    write_study(CONFIRMED.replace("seeds = 3", "seeds = 2").replace("members = 2", "members = 3"))
    best = tuner.tune("small").best
    assert best is not None and best.confirmed is not None and best.confirmed.members == 3
    single, ensemble = tuner.load_model("small"), tuner.load_ensemble("small")
    first, *others = [each.state_dict() for each in ensemble.members]
    assert len(others) == 2
    for name, value in single.state_dict().items():
        assert torch.equal(value, first[name])
    for other in others:
        assert torch.equal(other["input_mean"], first["input_mean"])
        assert not torch.equal(other["output.weight"], first["output.weight"])
    test = load("wine", Path()).test
    with torch.no_grad():
        outputs = ensemble(torch.from_numpy(test.x))
    loss = log_loss(test.y, outputs.double().softmax(1).numpy())
    assert loss == pytest.approx(best.confirmed.ensemble_test, rel=1e-4)
    assert tuner.confirmation("small").test_openings == 1  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_cut_last_training_loses_no_confirmation(write_study: Write) -> None:
    """Else Ctrl-C in the last seconds throws the winner away, and opens the test part again."""
    write_study(CONFIRMED)

    class Cutting(Recorder):
        def begin(self, message: str) -> None:
            super().begin(message)
            if message.startswith("training the winner"):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedStudyError):
        tuner.tune("small", observer=Cutting())
    stored = storage.read_study("small").user_attrs
    before = Confirmation.model_validate_json(stored["confirmation"])
    assert (before.refit, before.test_openings) == (None, 1)
    recorder = Recorder()
    after = tuner.tune("small", observer=recorder).confirmation
    assert after is not None and after.refit is not None
    assert (recorder.told, after.arms, after.winner) == ([], before.arms, before.winner)


@pytest.mark.slow
def test_the_same_again_trains_nothing_and_opens_no_test(write_study: Write) -> None:
    write_study(CONFIRMED)
    first = tuner.tune("small")
    recorder = Recorder()
    again = tuner.tune("small", observer=recorder)
    assert (recorder.told, again.confirmation, again.best) == ([], first.confirmation, first.best)
    more = tuner.tune("small", trials=8, observer=recorder)
    assert more.confirmation is not None and first.confirmation is not None
    tested = [arm.config for arm in first.confirmation.arms if arm.tests]
    is_new = more.confirmation.winning.config not in tested
    assert more.confirmation.test_openings == 1 + is_new
    # What runs again are networks that the test rows need; what is new are the other configs.
    before = {arm.config.to_json() for arm in first.confirmation.arms}
    after = {arm.config.to_json() for arm in more.confirmation.arms}
    ran = {told.config.to_json() for told in recorder.told}
    assert after - before <= ran <= (after - before) | {more.confirmation.winning.config.to_json()}


@pytest.mark.slow
def test_the_time_is_for_all_calls_together(write_study: Write) -> None:
    """What there was no time for the first time, there is no time for the second time."""
    write_study(CONFIRMED.replace("seeds = 3", "seeds = 400"))
    recorder, minutes, spent = Recorder(), 0.0, [0.0, 0.0]
    while not spent[1]:  # nothing is confirmed in time, if the machine is slow
        minutes += 0.05
        tuner.tune("small", minutes=minutes)
        study = storage.read_study("small")
        spent = [study.user_attrs.get(name, 0.0) for name in (SECONDS, CONFIRMATION_SECONDS)]
    assert spent[0] > 0
    # Of its own, each call would have time for as much once more.
    tuner.tune("small", trials=40, minutes=sum(spent) / 60, observer=recorder)
    assert (recorder.told, len(storage.read_study("small").trials)) == ([], len(study.trials))


@pytest.mark.slow
def test_a_better_trial_is_told_until_it_is_confirmed(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small")
    result = tuner.tune("small", trials=12, confirm=False)
    assert result.confirmation is None
    study = storage.read_study("small")
    best = tuner.best("small")
    assert best == result.best
    assert (best.trial, best.value, best.confirmed) == (
        study.best_trial.number,
        study.best_value,
        None,
    )
    assert tuner.confirmation("small") is None
    assert tuner.tune("small", trials=12).confirmation is not None
    assert tuner.best("small").confirmed is not None


@pytest.mark.slow
def test_a_cut_confirmation_goes_on(write_study: Write) -> None:
    write_study(CONFIRMED)

    class Cutting(Recorder):
        def repeated(self, training: Repeated) -> None:
            super().repeated(training)
            if len(self.told) == 1:  # the third one would end this process
                signal.raise_signal(signal.SIGINT)

    cutting = Cutting()
    with pytest.raises(InterruptedStudyError):
        tuner.tune("small", observer=cutting)
    assert tuner.best("small").confirmed is None
    recorder = Recorder()
    assert tuner.tune("small", observer=recorder).ran == 0
    assert len(cutting.told) + len(recorder.told) == 12
    assert tuner.best("small").confirmed is not None


@pytest.mark.slow
def test_a_lost_network_of_the_winner_is_trained_again(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small")
    path = Path("runs/small/best.ckpt")
    before = torch.load(path, weights_only=True)["state_dict"]
    path.unlink()
    tuner.tune("small")
    after = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_without_time_there_is_no_winner_to_confirm(write_study: Write) -> None:
    write_study(CONFIRMED.replace("seeds = 3", "seeds = 300"))
    tuner.tune("small", confirm=False)
    spent = storage.read_study("small").user_attrs[SECONDS]
    result = tuner.tune("small", trials=4, minutes=spent / 60)
    assert result.best is not None and result.confirmation is None
    assert tuner.best("small").confirmed is None


@pytest.mark.slow
def test_a_share_of_the_minutes_is_kept(write_study: Write) -> None:
    write_study(
        CONFIRMED.replace("trials = 4", "minutes = 0.07").replace("epochs = 3", "epochs = 1")
    )
    result = tuner.tune("small")
    assert result.stopped == "the 0.07 minutes are over"
    assert result.confirmation is not None
    # The search ended early enough for it, and both together end in time.
    spent = storage.read_study("small").user_attrs["confirmation_seconds"]
    assert result.seconds < 4.2 < 4.2 + spent
    assert result.seconds + spent < 4.2 + 2.0
    # Without it, the search has all of the time.
    alone = tuner.tune("small", minutes=0.03, confirm=False, new=True)
    assert alone.stopped == "the 0.03 minutes are over"
    assert alone.seconds > 0.8 * 1.8


@pytest.mark.slow
@pytest.mark.parametrize("head", [MODULE, ROWS], ids=["data module", "source"])
def test_a_module_of_the_users(write_study: Write, head: str) -> None:
    write_study(
        head + "epochs = 2\n[budget]\ntrials = 3\n[confirm]\nseeds = 2\nconfigs = 2\n"
        "[search]\nwidth = { low = 2, high = 16 }\nlearning_rate = { low = 1e-3, high = 1e-1 }\n"
        "batch_size = [16, 32]\n"
    )
    result = tuner.tune("small")
    found = result.confirmation
    assert found is not None
    assert [arm.name for arm in found.presets] == ["defaults"]
    assert len({*found.winning.scores}) == 2
    # Its class has no test_step, so the test part stays closed.
    assert (found.test_metric, found.test_openings, found.winning.tests) == ("", 0, ())
    assert "test_openings" not in storage.read_study("small").user_attrs


@pytest.mark.slow
def test_a_test_score_that_is_no_number_loses_no_confirmation(write_study: Write) -> None:
    """Else it cannot be read again, and each call confirms anew and opens the test part."""
    head = ROWS.replace("tests.networks:Net", "tests.networks:Untold")
    assert head != ROWS
    write_study(
        head + "epochs = 1\n[budget]\ntrials = 2\n[confirm]\nseeds = 2\nconfigs = 1\n"
        "[search]\nwidth = { low = 2, high = 16 }\n"
    )
    first = tuner.tune("small").confirmation
    assert first is not None and first.winning.tests == ()
    assert tuner.confirmation("small") == first
    recorder = Recorder()
    again = tuner.tune("small", observer=recorder)
    assert (again.confirmation, recorder.told) == (first, [])


@pytest.mark.slow
def test_no_last_training_is_wanted_any_more(write_study: Write) -> None:
    """Else `refit = false` is accepted and ignored, and fails once the network is to be made."""
    write_study(CONFIRMED)
    first = tuner.tune("small").confirmation
    assert first is not None and first.refit is not None
    write_study(CONFIRMED.replace("configs = 2", "configs = 2\nrefit = false"))
    Path("runs/small/best.ckpt").unlink()
    second = tuner.tune("small")
    assert second.confirmation == first.model_copy(update={"refit": None})
    assert second.best is not None and second.best.confirmed is not None
    assert not second.best.confirmed.is_refit
    assert tuner.load_model("small").config == second.best.config


@pytest.mark.slow
def test_other_numbers_of_networks_are_wanted(write_study: Write) -> None:
    """Else `members` is accepted and ignored once a winner is confirmed."""
    write_study(CONFIRMED)
    first = tuner.tune("small").confirmation
    assert first is not None and first.refit is not None and len(first.refit.seeds) == 2
    weights = tuner.load_model("small").state_dict()
    for n in (3, 1):
        write_study(CONFIRMED.replace("members = 2", f"members = {n}"))
        found = tuner.tune("small").confirmation
        assert found is not None and found.refit is not None
        assert (found.arms, found.winner) == (first.arms, first.winner)
        assert len(found.refit.seeds) == n and found.refit.seed == first.refit.seed
        assert (found.refit.ensemble_test is None) == (n == 1)
        assert len(tuner.load_ensemble("small").members) == n
    assert found.test_openings == 3
    for name, value in tuner.load_model("small").state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.slow
def test_networks_of_the_same_winner_stay(write_study: Write) -> None:
    """Else a call with less time left hands over fewer, or shorter ones, of the same config."""
    write_study(CONFIRMED)
    first = tuner.tune("small").confirmation
    assert first is not None
    network = Path("runs/small/best.ckpt").read_bytes()
    write_study(CONFIRMED.replace("configs = 2", "configs = 3"))
    recorder = Recorder()
    second = tuner.tune("small", observer=recorder).confirmation
    assert second is not None and len(second.arms) == len(first.arms) + 1
    assert second.winning.config == first.winning.config  # of another one there is nothing to see
    assert (second.refit, second.test_openings) == (first.refit, 1)
    assert not [each for each in recorder.begun if each.startswith("training the winner")]
    assert Path("runs/small/best.ckpt").read_bytes() == network


@pytest.mark.slow
def test_networks_outlive_a_better_trial_that_is_not_confirmed(write_study: Write) -> None:
    """Else more minutes may hand over fewer networks of the same winner, or another one's."""
    write_study(CONFIRMED)
    first = tuner.tune("small").confirmation
    assert first is not None and first.refit is not None
    folder = Path("runs/small")
    networks = (folder / "best.ckpt").read_bytes()
    files = ResultFiles("small")
    assert files.networks(first.refit) == networks
    best = tuner.best("small").model_copy(update={"confirmed": None, "seed": 1, "trial": 9})

    class Dying(ResultFiles):
        def _rename(self, path: Path, name: str) -> None:
            if path.name.startswith(".trial"):
                raise KeyboardInterrupt
            super()._rename(path, name)

    files.stage(9, b"of a trial")
    with pytest.raises(KeyboardInterrupt):
        Dying("small").promote(best)
    assert files.networks(first.refit) == networks
    files.promote(best)
    assert (folder / "best.ckpt").read_bytes() == b"of a trial"
    assert files.networks(first.refit) == networks
    recorder = Recorder()
    again = tuner.tune("small", observer=recorder)
    assert again.confirmation == first
    assert recorder.told == []
    assert not [each for each in recorder.begun if each.startswith("training the winner")]
    assert (folder / "best.ckpt").read_bytes() == networks
    assert not list(folder.glob("handed-over*"))


@pytest.mark.slow
def test_new_networks_open_the_test_part_once(write_study: Write) -> None:
    """Whether the winner is another one, too, or the same."""
    write_study(CONFIRMED)
    tuner.tune("small")
    write_study(CONFIRMED.replace("members = 2", "members = 3"))
    found = tuner.tune("small", trials=8).confirmation
    assert found is not None and found.refit is not None
    assert (len(found.refit.seeds), found.test_openings) == (3, 2)


def test_more_folds_than_parts_of_the_rows_prove_no_more() -> None:
    """Else the error of a comparison vanishes with seeds that validate the same rows again."""
    assert shared_by_folds(0.25, 5) == 0.0 == shared_by_folds(0.25, 3)
    # Of 20 folds in 5 parts the error is that of 5.
    assert 1 / 20 + shared_by_folds(0.25, 20) == pytest.approx(1 / 5)
    assert 1 / 5 + shared_by_folds(2 / 3, 5) == pytest.approx(1 / 2)


def test_one_seed_is_no_confirmation(write_study: Write) -> None:
    path = write_study(CONFIRMED.replace("seeds = 3", "seeds = 1"))
    with pytest.raises(StudyFileError, match="confirm.seeds must be 0, or at least 2"):
        load_study(path)


def test_a_file_that_is_gone(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small")
    Path("runs/small/confirmation.json").unlink()
    with pytest.raises(InputError, match="confirmation.json: cannot be read"):
        tuner.confirmation("small")
