"""The coordinator, on real data and a real store: budgets, pruning, failures, resuming."""

import json
import math
import re
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

import tuner
from tuner import heuristics, storage
from tuner.errors import (
    ChangedStudyError,
    DataError,
    InputError,
    StoreLostError,
    StudyFailedError,
    StudyFileError,
    TunerError,
)
from tuner.network.config import DataFacts
from tuner.results.arms import difference
from tuner.results.importance import importances
from tuner.running.progress import Ended, Observer, Snapshot
from tuner.running.proposals import trial_seed
from tuner.storage import samplers
from tuner.storage.pruners import make_pruner
from tuner.storage.reading import IDENTITY, INTERRUPTED

from .conftest import SMALL, Write

SEARCHED = "[search]\ndepth = { low = 1, high = 2 }\n"


class Recorder(Observer):
    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.ends: list[Ended] = []

    def update(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def ended(self, trial: Ended) -> None:
        self.ends.append(trial)


def trials() -> list[optuna.trial.FrozenTrial]:
    return storage.read_study("small").trials


def test_a_whole_study(write_study: Write) -> None:
    write_study()
    recorder = Recorder()
    result = tuner.tune("small", observer=recorder)
    assert result.stopped == "4 of 4 trials are finished"
    assert (result.counts.finished, result.ran, len(recorder.ends)) == (4, 4, 4)
    assert result.best is not None
    assert result.best.value == min(t.value for t in trials() if t.state == TrialState.COMPLETE)
    assert result.best.facts == DataFacts(n_inputs=13, n_outputs=3, n_rows=113)
    assert result.best.classes == ("class_0", "class_1", "class_2")
    sources = [trial.user_attrs["source"] for trial in trials()]
    # What promises most comes first, and no more of it than the budget has room for.
    assert sources == ["modern default", "shallow", "without normalization", "periodic embedding"]
    for trial in trials()[:4]:
        config = tuner.MLPConfig.from_json(trial.user_attrs["config"])
        assert trial.user_attrs["width"] == config.width
        assert trial.user_attrs["learning_rate"] == config.learning_rate
        assert trial.user_attrs["seed"] == trial_seed(0, trial.number)
        assert trial.user_attrs["n_parameters"] == config.n_parameters(13, 3)
        if trial.state == TrialState.COMPLETE:
            assert list(trial.intermediate_values) == [1, 2, 3]
            assert trial.value == trial.intermediate_values[3]
            assert trial.user_attrs["val_accuracy"] <= 1


@pytest.mark.slow
def test_goes_on_to_a_raised_budget_and_does_nothing_when_done(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=2)
    before = trials()
    result = tuner.tune("small", trials=5)
    assert (result.ran, result.counts.finished) == (3, 5)
    assert [t.value for t in trials()[:2]] == [t.value for t in before[:2]]
    again = tuner.tune("small", trials=5)
    assert again.ran == 0
    assert again.best == result.best
    assert tuner.tune("small", trials=3).ran == 0


@pytest.mark.slow
def test_is_reproducible(write_study: Write) -> None:
    write_study(name="small")
    write_study(name="other")
    scores = []
    for name in ("small", "other"):
        # Hyperband's brackets follow from the name of a study, so nothing is pruned here.
        write_study(SMALL + "[study]\npruner = 'none'\n", name)
        tuner.tune(name, trials=12)
        found = storage.read_study(name).trials
        scores.append([(trial.params, trial.value) for trial in found])
    assert scores[0] == scores[1]
    assert len({str(params) for params, _ in scores[0]}) == 12


@pytest.mark.slow
def test_target_ends_it(write_study: Write) -> None:
    write_study()
    result = tuner.tune("small", target=100.0)
    assert result.stopped == "the target 100 is reached"
    assert result.counts.complete >= 1


@pytest.mark.slow
def test_patience_ends_it(write_study: Write) -> None:
    """Else a search goes on for nothing, ends before it was told to, or runs on when resumed."""
    study = SMALL.replace("epochs = 3", "epochs = 1").replace("[budget]\ntrials = 4\n", "")
    write_study(study)
    one = {"workers": 1, "fleet": 1}
    result = tuner.tune("small", patience=4, **one)
    assert result.stopped == "4 trials in a row were no better"

    def scores() -> list[float]:
        """Of the trials in the order in which they ended; infinite without one."""
        trials = [each for each in storage.read_study("small").trials if each.datetime_complete]
        trials.sort(key=lambda each: each.datetime_complete or datetime.max)
        complete = TrialState.COMPLETE
        return [each.values[0] if each.state == complete else math.inf for each in trials]

    found = scores()
    assert len(found) == result.counts.finished
    lowest = list(accumulate(found, min))
    better = [0, *(i for i in range(1, len(found)) if found[i] < lowest[i - 1])]
    assert all(after - before <= 4 for before, after in pairwise(better))
    assert len(found) - 1 - better[-1] == 4
    assert tuner.tune("small", patience=4, **one).ran == 0
    assert tuner.tune("small", patience=5, **one).ran >= 1
    assert scores()[: len(found)] == found


def test_patience_looks_at_one_goal(write_study: Write) -> None:
    two = SMALL.replace('"val_loss"', '["val_loss", "n_parameters"]')
    write_study(two.replace("seeds = 0", "seeds = 2"))
    with pytest.raises(InputError, match="^patience looks at the score alone"):
        tuner.tune("small", patience=4)
    write_study(two.replace("seeds = 0", "seeds = 2").replace("trials = 4", "patience = 4"))
    with pytest.raises(StudyFileError, match="budget.patience looks at the score alone"):
        tuner.tune("small")


@pytest.mark.slow
def test_what_is_under_way_may_still_be_better(write_study: Write) -> None:
    """Else patience throws trainings away that it has paid for."""
    write_study(SMALL.replace("trials = 4", "trials = 60\npatience = 3"))
    result = tuner.tune("small", workers=1, fleet=6)
    counts = result.counts
    assert re.fullmatch(r"[3-8] trials in a row were no better", result.stopped)
    assert (counts.interrupted, counts.running, counts.failed) == (0, 0, 0)
    assert counts.finished < 60
    # Trials on the command line stand for the whole budget of the file.
    assert tuner.tune("small", trials=counts.finished + 1, workers=1, fleet=6).ran == 1


@pytest.mark.slow
def test_the_time_ends_it_and_the_cut_trial_runs_again(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 100000") + "[study]\npruner = 'none'\n")
    result = tuner.tune("small", minutes=0.02, fleet=2)
    assert result.stopped == "the 0.02 minutes are over"
    assert result.counts.finished == 0
    # Two of them run again; the turn of those that come late did not come.
    assert (result.counts.interrupted, result.counts.waiting) == (2, 5)
    assert 1.2 <= result.seconds < 10
    assert result.best is None
    more = tuner.tune("small", minutes=0.02, fleet=2)
    assert more.ran == 0
    assert more.seconds >= result.seconds


@pytest.mark.slow
def test_pruned_trials_never_win(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 9") + "batch_size = [16, 32]\n")
    result = tuner.tune("small", trials=15)
    assert result.counts.pruned > 0
    assert result.best is not None
    winner = trials()[result.best.trial]
    assert winner.state == TrialState.COMPLETE
    for trial in trials():
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["reason"] == f"pruned after epoch {trial.last_step}"
            assert trial.last_step is not None
            assert trial.last_step < 9


def test_diverged_trials_are_pruned_with_the_reason(write_study: Write) -> None:
    wild = SMALL + (
        "optimizer = 'sgd'\nlearning_rate = 1e30\nbatch_normalization = false\n"
        "schedule = 'constant'\n"
    )
    write_study(wild)
    with pytest.raises(StudyFailedError, match="none of 3 trials could be trained, the first: div"):
        tuner.tune("small", trials=3)
    assert [trial.state for trial in trials()] == [TrialState.PRUNED] * 3
    with pytest.raises(StudyFailedError):  # nothing is left to do, and it is said again
        tuner.tune("small", trials=3)
    # One that was cut, and whose second try ended like the others, is no hope.
    cut = create_trial(state=TrialState.FAIL, user_attrs={INTERRUPTED: True, "reason": "a signal"})
    storage.read_study("small").add_trial(cut)
    with pytest.raises(StudyFailedError):
        tuner.tune("small", trials=3)
    reasons = [trial.user_attrs["reason"] for trial in trials()]
    assert all(reason.startswith("diverged: ") for reason in reasons[:3]) and len(reasons) == 4


def test_failed_trials_keep_their_reason_and_the_study_goes_on(write_study: Write) -> None:
    # A batch of one row fails with batch normalization, and works without.
    write_study(SMALL + "batch_size = 1\nbatch_normalization = [true, false]\n")
    result = tuner.tune("small", trials=12)
    assert result.counts.finished == 12
    assert result.counts.failed > 0
    assert result.counts.complete > 0
    failed = [trial for trial in trials() if trial.state == TrialState.FAIL]
    assert len(failed) == result.counts.failed
    for trial in failed:
        assert trial.params["batch_normalization"] is True
        assert trial.user_attrs["reason"].startswith("ValueError: Expected more than 1 value")
        assert "Traceback" in trial.user_attrs["traceback"]


def test_too_many_failures_in_a_row_stop_it(write_study: Write) -> None:
    text = SMALL + "batch_size = 1\nbatch_normalization = true\n[study]\nmax_failures = 2\n"
    write_study(text)
    with pytest.raises(StudyFailedError, match="2 trials failed in a row, the first with: Value"):
        tuner.tune("small", trials=9, fleet=1)
    assert [trial.state for trial in trials()[:2]] == [TrialState.FAIL] * 2
    assert StudyFailedError("").exit_code == 1


@pytest.mark.process
@pytest.mark.parametrize(("trainer", "fleet"), [("fleet", 5), ("solo", None)])
def test_several_processes(write_study: Write, trainer: Any, fleet: int | None) -> None:
    """They finish exactly the budget, and their scores are those of one process."""
    write_study(SMALL + "[study]\npruner = 'none'\n")
    result = tuner.tune("small", trials=10, trainer=trainer, fleet=fleet, workers=2)
    assert (result.counts.finished, len(trials())) == (10, 10)
    first = trials()[0]
    tuner.tune("small", trials=1, trainer=trainer, new=True)
    assert trials()[0].params == first.params
    assert trials()[0].value == pytest.approx(first.value, rel=1e-4)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(("trainer", "fleet", "epochs"), [("fleet", 5, 200), ("solo", None, 60)])
def test_several_processes_are_all_busy(
    write_study: Write, trainer: Any, fleet: int | None, epochs: int
) -> None:
    """Trials last long enough for all processes to have started meanwhile."""
    write_study(SMALL.replace("epochs = 3", f"epochs = {epochs}") + "[study]\npruner = 'none'\n")
    recorder = Recorder()
    n_trials = 2 * (fleet or 2)
    tuner.tune("small", trials=n_trials, trainer=trainer, fleet=fleet, workers=2, observer=recorder)
    assert max(len(snapshot.running) for snapshot in recorder.snapshots) == (fleet or 2)


@pytest.mark.parametrize("trainer", ["fleet", "solo"])
def test_both_trainers_give_the_same_first_score(write_study: Write, trainer: Any) -> None:
    """The first trial: the same weights, rows and steps, without dropout."""
    write_study(SMALL + "dropout = 0.0\n")
    scores = []
    for each in (trainer, "solo"):
        tuner.tune("small", trials=1, trainer=each, new=True)
        scores.append(list(trials()[0].intermediate_values.values()))
    assert len(scores[0]) == 3
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


@pytest.mark.slow
def test_a_fleet_gives_the_same_trials_again(write_study: Write) -> None:
    """Whatever the clock does: who is asked, who is pruned and every score."""
    write_study(SMALL.replace("epochs = 3", "epochs = 9") + "batch_size = [16, 32]\n")
    seen = []
    for _ in range(2):
        result = tuner.tune("small", trials=16, fleet=5, new=True)
        assert result.counts.pruned > 0
        seen.append(
            [
                (trial.state, trial.params, trial.intermediate_values)
                for trial in trials()
                if "interrupted" not in trial.user_attrs
            ]
        )
    assert seen[0] == seen[1]


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["fleet", "solo"])
def test_mixed_precision(write_study: Write, trainer: Any) -> None:
    """Wide layers compute with bfloat16 factors, so the scores are near, and not the same."""
    wide = SMALL.partition("[search]")[0].replace("wine", "digits")
    wide += "[search]\nwidth = 512\nbatch_size = 128\ndepth = 2\ndropout = 0.0\n"
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        write_study(f'{wide}\n[study]\nprecision = "{precision}"\n')
        tuner.tune("small", trials=1, trainer=trainer, new=True)
        losses.append(trials()[0].value)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.3)


def test_a_study_from_before_a_setting_goes_on(write_study: Write) -> None:
    """What its store does not know of had the default."""
    write_study()
    tuner.tune("small", trials=1)
    study = optuna.load_study(study_name="small", storage="sqlite:///runs/optuna.db")
    identity = json.loads(study.user_attrs[IDENTITY])
    del identity["study.precision"]
    study.set_user_attr(IDENTITY, json.dumps(identity))
    assert tuner.tune("small", trials=2).ran == 1
    write_study(f'{SMALL}\n[study]\nprecision = "bf16-mixed"\n')
    with pytest.raises(ChangedStudyError, match=r'study.precision: "32-true" -> "bf16-mixed"'):
        tuner.tune("small", trials=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trainer": "loop"}, "trainer must be one of"),
        ({"fleet": 0}, "fleet must be >= 1, got 0"),
        ({"workers": 0}, "workers must be >= 1, got 0"),
        ({"fleet": 2, "workers": 3}, "3 workers are too many for 2 trials at once"),
        ({"fleet": 2, "trainer": "solo"}, "solo trains one"),
    ],
)
def test_wrong_ways_to_train(write_study: Write, arguments: Any, message: str) -> None:
    write_study()
    with pytest.raises(InputError, match=message):
        tuner.tune("small", **arguments)
    assert not Path("runs").exists()


@pytest.mark.slow
def test_importances_once_there_are_enough(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 1") + "[study]\npruner = 'none'\n")
    assert tuner.tune("small", trials=19).importances == {}
    importances = tuner.tune("small", trials=20).importances
    assert sum(importances.values()) == pytest.approx(1)
    assert "base_learning_rate" in importances
    assert list(importances.values()) == sorted(importances.values(), reverse=True)


def test_snapshots(write_study: Write) -> None:
    write_study()
    recorder = Recorder()
    tuner.tune("small", trials=3, minutes=5, observer=recorder)
    last = recorder.snapshots[-1]
    assert (last.budget_trials, last.metric) == (3, "val_loss")
    assert last.seconds_left is not None
    assert 200 < last.seconds_left < 300
    running = [view for snapshot in recorder.snapshots for view in snapshot.running]
    sources = {"modern default", "shallow", "without normalization"}
    assert {view.source for view in running} == sources
    assert sorted(end.trial.number for end in recorder.ends) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (SMALL.replace("wine", "wines"), DataError, "data.source: unknown source 'wines'"),
        (SMALL.replace("wine", "rows.npz"), DataError, "rows.npz: no such file"),
        (SMALL.replace("val_loss", "val_r2"), StudyFileError, "objective.metric must be one of"),
        (
            SMALL.replace("wine", "diabetes").replace("val_loss", "val_accuracy"),
            StudyFileError,
            "objective.metric must be one of",
        ),
        (
            SMALL.replace("wine", "diabetes") + "label_smoothing = 0.1",
            StudyFileError,
            "search.label_smoothing must be 0",
        ),
        (
            SMALL.replace("factor = 4, low = 4", "factor = 1.1, low = 60"),
            StudyFileError,
            "search.width leaves no width",
        ),
    ],
)
def test_wrong_input_creates_nothing(
    write_study: Write, text: str, kind: type[TunerError], message: str
) -> None:
    path = write_study(text)
    with pytest.raises(kind, match=message) as caught:
        tuner.tune("small")
    assert str(caught.value).startswith(str(path.relative_to(path.parent.parent)))
    assert not (path.parent.parent / "runs").exists()


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"trials": 0}, "trials must be >= 1, got 0"),
        ({"trials": 1.5}, "trials must be a valid integer, got 1.5"),
        ({"minutes": 0.0}, "minutes must be > 0, got 0.0"),
        ({"minutes": float("inf")}, "minutes must be a finite number, got inf"),
        ({"patience": 0}, "patience must be >= 1, got 0"),
        ({"target": float("nan")}, "target must be a finite number, got nan"),
    ],
)
def test_wrong_budgets(write_study: Write, budget: dict[str, Any], message: str) -> None:
    write_study()
    with pytest.raises(InputError, match=message):
        tuner.tune("small", **budget)


def test_a_changed_file_needs_new(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1)
    write_study(SMALL.replace("epochs = 3", "epochs = 2"))
    with pytest.raises(ChangedStudyError, match="objective.epochs: 3 -> 2"):
        tuner.tune("small", trials=1)
    result = tuner.tune("small", trials=1, new=True)
    assert result.ran == 1
    assert {summary.name for summary in storage.summaries()} == {"small", "small.1"}


def test_pruners() -> None:
    kinds = {
        "gain": "GainPruner",
        "hyperband": "HyperbandPruner",
        "median": "MedianPruner",
        "none": "NopPruner",
    }
    for name, kind in kinds.items():
        assert type(make_pruner(name, 10)).__name__ == kind  # type: ignore[arg-type]


MINE = """
import optuna


class Mine(optuna.samplers.RandomSampler):
    def __init__(self, seed=None):
        super().__init__(seed)
        print("mine draws with", seed)


class Other:
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["gp", "qmc", "random", "mine:Mine"])
def test_samplers(sampler: str, write_study: Write, capfd: pytest.CaptureFixture[str]) -> None:
    """Each draws, also after its startup trials, and goes on; one of the user's has its seed."""
    Path("studies").mkdir(exist_ok=True)
    Path("studies/mine.py").write_text(MINE)
    text = SMALL.replace("epochs = 3", "epochs = 1") + f"[study]\nsampler = '{sampler}'\n"
    write_study(text)
    assert tuner.tune("small", trials=11, workers=1).counts.finished == 11
    assert tuner.tune("small", trials=12, workers=1).ran == 1
    assert len({str(trial.params) for trial in trials()}) == 12
    if sampler == "mine:Mine":
        assert "mine draws with 0" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        ("tpee", "study.sampler must be one of 'tpe', 'gp'"),
        ("mine:Nobody", "study.sampler names no class: mine has no Nobody"),
        ("mine:Other", "study.sampler must be a sampler, an optuna.samplers.BaseSampler"),
        ("nowhere:Mine", "study.sampler names no module"),
        ("optuna.samplers:GridSampler", "study.sampler optuna.samplers:GridSampler cannot be made"),
    ],
)
def test_no_sampler(sampler: str, told: str, write_study: Write) -> None:
    """It is told before anything is made."""
    Path("studies").mkdir(exist_ok=True)
    Path("studies/mine.py").write_text(MINE)
    write_study(SMALL + f"[study]\nsampler = '{sampler}'\n")
    with pytest.raises(StudyFileError, match=re.escape(told)):
        tuner.tune("small")
    assert not Path("runs").exists()


def test_a_sampler_whose_package_is_missing(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplers, "find_spec", lambda name: None)
    write_study(SMALL + "[study]\nsampler = 'cmaes'\n")
    with pytest.raises(StudyFileError, match="pip install cmaes"):
        tuner.tune("small")


@pytest.mark.slow
def test_one_epoch_and_every_pruner(write_study: Write) -> None:
    for pruner in ("gain", "hyperband", "median", "none"):
        text = SMALL.replace("epochs = 3", "epochs = 1") + f"[study]\npruner = '{pruner}'\n"
        write_study(text, name=pruner)
        assert tuner.tune(pruner, trials=3).counts.complete == 3


def test_a_target_alone_is_added_to_the_budget(write_study: Write) -> None:
    write_study(SMALL.replace("trials = 4", "trials = 2"))
    result = tuner.tune("small", target=0.0)
    assert result.stopped == "2 of 2 trials are finished"


FINE = """
[data]
source = "rows.npz"
folds = 1

[objective]
metric = "val_accuracy"
epochs = 40

[budget]
trials = 4

[confirm]
configs = 1
seeds = 2
members = 1

[start]
rate_range = false

[search]
depth = 2
batch_size = 32
optimizer = "adamw"
"""


@pytest.mark.slow
def test_wide_networks_win_where_they_are_better(write_study: Write, project: Path) -> None:
    """Else a table of few inputs and a fine pattern is left to networks that cannot learn it."""
    x = np.random.default_rng(0).uniform(-1, 1, (600, 2)).astype(np.float32)
    y = (np.sin(8 * x[:, 0]) * np.sin(8 * x[:, 1]) > 0).astype(int)
    np.savez(project / "studies" / "rows.npz", x=x, y=y)
    wall = 32 * heuristics.two_thirds(2, 2)  # where the widths ended that the rule allowed
    found = {}
    for name, width in (("free", "low = 16"), ("walled", f"low = 16, high = {wall}")):
        write_study(FINE + f'width = {{ around = "two_thirds", {width} }}\n', name)
        result = tuner.tune(name, fleet=4, workers=1)
        assert result.confirmation is not None
        found[name] = result.confirmation.winning
    free, walled = found["free"].config, found["walled"].config
    assert isinstance(free, tuner.MLPConfig) and isinstance(walled, tuner.MLPConfig)
    assert free.width > wall >= walled.width
    # Over the same cuts it is better by more than chance.
    gain = difference(found["free"], found["walled"], "maximize")
    assert gain is not None
    assert gain.mean > 0.05


def test_scores_that_are_all_the_same_have_no_importances() -> None:
    study = optuna.create_study(direction="maximize")
    space = {"x": optuna.distributions.FloatDistribution(0, 25)}
    for x in range(25):
        study.add_trial(
            optuna.trial.create_trial(params={"x": float(x)}, distributions=space, value=1.0)
        )
    assert importances(study) == {}


def test_max_failures_may_be_raised(write_study: Write) -> None:
    broken = SMALL + "batch_size = 1\nbatch_normalization = true\n[study]\nmax_failures = "
    for limit in (1, 2):
        write_study(f"{broken}{limit}\n")
        with pytest.raises(StudyFailedError, match=f"{limit} trials failed in a row"):
            tuner.tune("small", trials=9, fleet=1)
    assert len(trials()) >= 3


def test_a_study_that_was_deleted_meanwhile(write_study: Write) -> None:
    """As someone can in the dashboard: what finished before is gone, and that is said."""
    write_study(SMALL.replace("epochs = 3", "epochs = 50"))

    class Deleter(Observer):
        def ended(self, trial: Ended) -> None:
            optuna.delete_study(study_name="small", storage=storage.open_storage())

    with pytest.raises(StoreLostError):
        tuner.tune("small", trials=3, observer=Deleter())
