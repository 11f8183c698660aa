"""Who is pruned: studies built by hand, told epoch by epoch."""

from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import TrialState

from tuner.storage.pruners import GainPruner

Direction = str
EPOCHS = 30
#: Looked at after a ninth, a third and two thirds of the epochs.
RUNGS = (3, 10, 20)
DIRECTIONS = pytest.mark.parametrize("direction", ["maximize", "minimize"])


def curve(*, middle: float, end: float, epochs: int = EPOCHS) -> list[float]:
    """Scores that stay in the middle for two thirds of the epochs, and gain at the end."""
    return [middle] * (epochs * 2 // 3) + [end] * (epochs - epochs * 2 // 3)


def study_of(
    direction: Direction, complete: Sequence[Sequence[float]], pruner: optuna.pruners.BasePruner
) -> optuna.Study:
    """A study that has these complete trials; scores are of a direction in which more is better."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    for scores in complete:
        trial = study.ask()
        for epoch, score in enumerate(scores, 1):
            trial.report(told(score, direction), epoch)
        study.tell(trial, told(scores[-1], direction))
    return study


def told(score: float, direction: Direction) -> float:
    return score if direction == "maximize" else -score


def pruned_after(study: optuna.Study, direction: Direction, scores: Sequence[float]) -> list[int]:
    """The epochs after which a trial with these scores would be pruned."""
    trial = study.ask()
    found = []
    for epoch, score in enumerate(scores, 1):
        trial.report(told(score, direction), epoch)
        if trial.should_prune():
            found.append(epoch)
    return found


@DIRECTIONS
def test_a_hopeless_trial_is_pruned(direction: Direction) -> None:
    """Else time goes to trials that nothing could lift over the best one."""
    study = study_of(direction, [curve(middle=0.8, end=0.9)] * 3, GainPruner(EPOCHS))
    assert pruned_after(study, direction, [0.1] * EPOCHS) == [*RUNGS]
    # One that a usual gain lifts as high as the best goes on.
    assert pruned_after(study, direction, [0.81] * EPOCHS) == []


@DIRECTIONS
@pytest.mark.parametrize("epochs", [1, 2, 3, 9, 30, 100])
def test_none_is_pruned_early_or_late(direction: Direction, epochs: int) -> None:
    """Else trials are ended for one epoch's chance, or where ending them saves little."""
    study = study_of(direction, [[0.9] * epochs] * 5, GainPruner(epochs))
    found = pruned_after(study, direction, [0.1] * epochs)
    assert all(1 < epoch <= epochs * 2 / 3 for epoch in found)
    assert bool(found) == (epochs >= 3)


@DIRECTIONS
def test_two_trials_must_be_complete(direction: Direction) -> None:
    """Else a search of few trials ends them for what a single other one happened to gain."""
    good, bad = curve(middle=0.9, end=0.9), [0.1] * EPOCHS
    study = study_of(direction, [good], GainPruner(EPOCHS))
    for _ in range(5):  # that ended early do not count
        trial = study.ask()
        trial.report(told(0.9, direction), 3)
        study.tell(trial, state=TrialState.PRUNED)
    assert pruned_after(study, direction, bad) == []
    trial = study.ask()
    for epoch, score in enumerate(good, 1):
        trial.report(told(score, direction), epoch)
    study.tell(trial, told(good[-1], direction))
    assert pruned_after(study, direction, bad) == [*RUNGS]


@DIRECTIONS
def test_one_that_gains_late_goes_on(direction: Direction) -> None:
    """Else cosine and step schedules never win: half way they look bad, and gain at their end."""
    complete = [curve(middle=0.85, end=0.86)] * 3 + [curve(middle=0.2, end=0.9)] * 2
    ours = curve(middle=0.25, end=0.95)
    study = study_of(direction, complete, GainPruner(EPOCHS))
    assert pruned_after(study, direction, ours) == []
    by_median = study_of(direction, complete, optuna.pruners.MedianPruner())
    assert pruned_after(by_median, direction, ours)  # as a pruner does that compares epochs


def test_a_rung_between_two_reports_counts_for_the_next() -> None:
    """Else trials that are validated every few epochs are never pruned, or at every epoch."""
    study = optuna.create_study(direction="maximize", pruner=GainPruner(EPOCHS))
    for _ in range(3):
        trial = study.ask()
        for epoch in range(4, EPOCHS + 1, 4):
            trial.report(0.9, epoch)
        study.tell(trial, 0.9)
    trial = study.ask()
    found = []
    for epoch in range(4, EPOCHS + 1, 4):
        trial.report(0.1, epoch)
        if trial.should_prune():
            found.append(epoch)
    assert found == [4, 12, 20]


@DIRECTIONS
def test_a_trial_is_measured_by_those_that_are_no_larger(direction: Direction) -> None:
    """Else the best network of a small size is ended because a large one is better."""

    def sized(n_parameters: int) -> optuna.Trial:
        trial = study.ask()
        trial.set_user_attr("n_parameters", n_parameters)
        return trial

    study = optuna.create_study(direction=direction, pruner=GainPruner(EPOCHS, of_each_size=True))
    for score, n_parameters in ((0.9, 1_000), (0.7, 100), (0.8, 500)):
        trial = sized(n_parameters)
        for epoch, each in enumerate(curve(middle=score - 0.05, end=score), 1):
            trial.report(told(each, direction), epoch)
        study.tell(trial, told(score, direction))
    for score, n_parameters, rungs in (
        (0.1, 99, []),  # no network is as small
        (0.72, 100, []),
        (0.6, 100, [*RUNGS]),
        (0.72, 499, []),
        (0.72, 500, [*RUNGS]),
        (0.8, 1_000, [*RUNGS]),
    ):
        trial, found = sized(n_parameters), []
        for epoch in range(1, EPOCHS + 1):
            trial.report(told(score, direction), epoch)
            found += [epoch] if trial.should_prune() else []
        assert found == rungs, (score, n_parameters)
