"""Confirming a study: what is entered, what there is time for, and what is kept of it."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState, create_trial

import tuner
from tuner import heuristics, storage
from tuner.config import MLPConfig
from tuner.confirmer import Plan, costs, entrants, plan
from tuner.data import load
from tuner.errors import InputError, InterruptedStudyError, StudyFileError
from tuner.progress import Observer, Repeated
from tuner.study import load_study
from tuner.winner import Arm, Confirmation, choose

from .conftest import SMALL, Write
from .test_modules import MODULE, ROWS

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


class TestPlan:
    def test_all_where_time_is_not_limited(self) -> None:
        rows = [[1.0] * 5, [2.0] * 5, [3.0] * 5]
        assert plan(rows, [[0.5] * 5], 5) == Plan(3, 5, 5 * 6.5)

    @pytest.mark.parametrize(
        ("seconds", "n_configs", "n_seeds"),
        [(100, 5, 5), (55, 4, 5), (42, 3, 5), (30, 2, 5), (23, 2, 4), (18, 2, 3), (12, 1, 3)],
    )
    def test_fewer_configs_then_fewer_seeds(
        self, seconds: float, n_configs: int, n_seeds: int
    ) -> None:
        found = plan([[2.0] * 5] * 5, [[0.5] * 5] * 2, 5, seconds)
        assert (found.n_configs, found.n_seeds) == (n_configs, n_seeds)

    def test_two_seeds_of_the_best_at_least(self) -> None:
        assert plan([[100.0] * 5, [1.0] * 5], [], 5, 1.0) == Plan(1, 2, 200.0)
        assert plan([[100.0] * 2], [], 2, 1.0) == Plan(1, 2, 200.0)

    def test_what_has_ended_costs_nothing(self) -> None:
        assert plan([[0.0] * 5, [0.0, 0.0, 0.0, 0.0, 2.0]], [[0.0] * 5], 5, 3.0) == Plan(2, 5, 2.0)


def test_costs_are_those_of_the_trials() -> None:
    trials = [trial(0, 0.1, 10), trial(1, 0.2, 20), trial(2, 0.3, 30)]
    trials[0].user_attrs |= {"epoch_seconds": 0.5, "source": "note"}
    trials[1].user_attrs["epoch_seconds"] = 2.0
    arms = [
        Arm(name=name, trial=n, config=MLPConfig(epochs=8), n_parameters=0, search=None, scores=())
        for name, n in (("trial 1", 1), ("note", None), ("trial 2", 2), ("modern default", None))
    ]
    assert costs(arms, trials, side_by_side=4) == (4.0, 1.0, 2.5, 2.5)


def test_a_confirmed_study(write_study: Write, project: Path) -> None:
    write_study(CONFIRMED)
    recorder = Recorder()
    result = tuner.tune("small", observer=recorder)
    found = result.confirmation
    assert found is not None
    assert len(recorder.told) == 4 * 3
    assert "confirming 2 configs of the search and 2 presets over 3 seeds" in recorder.begun[-1]
    facts = load("wine", Path()).facts
    assert [(arm.name, arm.config) for arm in found.presets] == [
        ("note", heuristics.note(facts, 3)),
        ("modern default", heuristics.modern_default(facts, 3)),
    ]
    values = {t.number: t.value for t in storage.read_study("small").trials}
    ours = [arm for arm in found.arms if arm.trial is not None]
    best_two = sorted(values.values())[:2]  # type: ignore[type-var]
    assert sorted(arm.search for arm in ours) == best_two  # type: ignore[type-var]
    winner = choose(ours, "minimize")
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
    assert best.value == values[best.trial]
    assert best.confirmed.validation == found.winning.confirmed
    assert not (project / "runs" / "small" / "repeats").exists()


def test_the_network_is_the_one_of_the_median_seed(write_study: Write) -> None:
    """Its scores are what was told: on its own cut, and on the test rows."""
    write_study(CONFIRMED)
    tuner.tune("small")
    best, found = tuner.best("small"), tuner.confirmation("small")
    assert best.confirmed is not None and found is not None
    dataset = load("wine", Path())
    model = tuner.load_model("small")
    index = found.seeds.index(best.seed)
    cut = dataset.cut_anew(best.seed)
    winning = found.winning
    for part, scores in ((cut.validation, winning.scores), (dataset.test, winning.tests)):
        with torch.no_grad():
            outputs = model(torch.from_numpy(part.x))
            loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(part.y))
        assert float(loss) == pytest.approx(scores[index], rel=1e-4)
    assert sorted(winning.scores)[1] == winning.scores[index]


def test_the_same_again_trains_nothing_and_opens_no_test(write_study: Write) -> None:
    write_study(CONFIRMED)
    first = tuner.tune("small")
    recorder = Recorder()
    again = tuner.tune("small", observer=recorder)
    assert (recorder.told, again.confirmation, again.best) == ([], first.confirmation, first.best)
    more = tuner.tune("small", trials=8, observer=recorder)
    assert more.confirmation is not None and first.confirmation is not None
    opened = [each.confirmation.winning.config.to_json() for each in (first, more)]
    assert more.confirmation.test_openings == len({*opened})
    # What runs again are networks that the test rows need; what is new are the other configs.
    before = {arm.config.to_json() for arm in first.confirmation.arms}
    after = {arm.config.to_json() for arm in more.confirmation.arms}
    ran = {told.config.to_json() for told in recorder.told}
    assert after - before <= ran <= (after - before) | {opened[1]}


def test_the_time_is_for_all_calls_together(write_study: Write) -> None:
    """What there was no time for the first time, there is no time for the second time."""
    text = CONFIRMED.replace("trials = 4", "minutes = 0.06").replace("seeds = 3", "seeds = 400")
    write_study(text)
    first = tuner.tune("small")
    recorder = Recorder()
    again = tuner.tune("small", observer=recorder)
    assert len(recorder.told) <= 8
    if first.confirmation is not None:
        assert again.confirmation is not None
        assert len(again.confirmation.seeds) >= len(first.confirmation.seeds)
    spent = storage.read_study("small").user_attrs["confirmation_seconds"]
    assert 1.0 < spent < 10.0


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


def test_a_lost_network_of_the_winner_is_trained_again(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small")
    path = Path("runs/small/best.ckpt")
    before = torch.load(path, weights_only=True)["state_dict"]
    path.unlink()
    tuner.tune("small")
    after = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_time_there_is_no_winner_to_confirm(write_study: Write) -> None:
    text = CONFIRMED.replace("trials = 4", "minutes = 0.02").replace("seeds = 3", "seeds = 300")
    write_study(text.replace("configs = 2", "configs = 2\nshare = 0.01"))
    result = tuner.tune("small")
    assert result.best is not None
    if result.confirmation is not None:
        assert 2 <= len(result.confirmation.seeds) < 300
    assert (tuner.best("small").confirmed is None) == (result.confirmation is None)


def test_a_share_of_the_minutes_is_kept(write_study: Write) -> None:
    write_study(
        CONFIRMED.replace("trials = 4", "minutes = 0.1").replace("epochs = 3", "epochs = 1")
    )
    result = tuner.tune("small")
    assert result.stopped == "the 0.05 minutes are over"
    assert result.confirmation is not None
    assert tuner.tune("small", minutes=0.07, confirm=False).stopped == "the 0.07 minutes are over"


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
