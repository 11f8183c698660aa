"""The front of sizes: nothing on it is beaten by what is smaller, and all rests on fresh seeds."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution

import tuner
from tuner import search, storage
from tuner.answers import sizes
from tuner.answers.confirmer import Confirmer
from tuner.errors import InputError, StopSearch
from tuner.network.config import DataFacts, MLPConfig
from tuner.results.arms import Arm
from tuner.results.front import kept_front
from tuner.results.winner import Confirmation
from tuner.running.kept_repeats import Repeat
from tuner.running.progress import Repeated
from tuner.storage.reading import CONFIRMATION_SECONDS, SECONDS

from ..conftest import SMALL, Write
from .test_ablation import Recorder

CONFIRMED = SMALL.replace("seeds = 0", "configs = 2\nseeds = 2")
FACTS = DataFacts(n_inputs=13, n_outputs=3, n_rows=100)


@pytest.mark.slow
def test_from_the_smallest_to_the_winner(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small", workers=1)
    confirmation = tuner.confirmation("small")
    assert confirmation is not None
    found = tuner.front("small", workers=1)
    every = {each.arm.name: each for each in (*found.points, *found.others)}
    assert len(every) == len(found.points) + len(found.others)
    # Larger ones are better (their loss is less), and the others are no better than a smaller one.
    for small, large in pairwise(found.points):
        assert small.arm.n_parameters < large.arm.n_parameters
        assert small.score.mean > large.score.mean
    for other in found.others:
        rivals = [each for each in found.points if each.arm.n_parameters <= other.arm.n_parameters]
        assert min(each.score.mean for each in rivals) <= other.score.mean
    # What was confirmed has the scores and errors that were told there.
    winner = confirmation.winning
    assert every[winner.name].arm.scores == winner.scores
    assert every[winner.name].score == confirmation.estimate(winner)
    assert every[winner.name].behind is None
    assert isinstance(winner.config, MLPConfig)
    for each in sizes.narrower(winner.config):
        point = every[f"{winner.name}, {each.width} wide"]
        assert point.arm.config == each
        assert point.arm.n_parameters == tuner.MLPConfig.size(each, tuner.best("small").facts)
        gains = [a - b for a, b in zip(point.arm.scores, winner.scores, strict=True)]  # of a loss
        assert point.behind is not None
        assert point.behind.mean == pytest.approx(sum(gains) / len(gains))
    # Kept, and nothing is trained again.
    assert kept_front("small") == found
    again = Recorder()
    assert tuner.front("small", workers=1, observer=again).points == found.points
    assert again.n_trained == 0
    # The winner has its row, on the front or not; two seeds are too few for an error.
    rows = [row for row in found.told if row[3] == f"{winner.name}, the winner"]
    assert len(rows) == 1 and "±" not in rows[0][1]
    text = tuner.report("small").read_text()
    assert "Smaller networks" in text and f'<td class="n">{found.told[0][1]}</td>' in text
    # It says so where the winner is another one by now.
    assert found.is_of(confirmation) and "of an earlier confirmation" not in text
    assert not found.is_of(confirmation.model_copy(update={"seeds": (1, 2)}))
    assert not found.is_of(confirmation.model_copy(update={"identity": "of other rows"}))
    assert not found.is_of(None)
    # The best that fits.
    least = found.points[0].arm.n_parameters
    assert found.at(10**9) == found.points[-1]
    assert found.at(least) == found.points[0]
    with pytest.raises(InputError, match=f"the smallest one of its front has {least:,}"):
        found.at(least - 1)
    assert found.points[0].arm.name in found._repr_html_()


TWO_GOALS = CONFIRMED.replace('"val_loss"', '["val_loss", "n_parameters"]')


@pytest.mark.slow
def test_a_search_that_looks_for_small_networks(write_study: Write) -> None:
    """It ends with its front, whose networks are confirmed; and may take up another's trials."""
    write_study(CONFIRMED)
    assert tuner.tune("small", workers=1).front is None
    with pytest.raises(InputError, match="'small' has no front yet"):
        kept_front("small")
    write_study(TWO_GOALS)
    result = tuner.tune("small", trials=12, workers=1)
    assert result.counts.finished == 12 and result.confirmation is not None
    found = result.front
    assert found is not None and found == kept_front("small")
    assert found.is_of(result.confirmation) and found.metric == "val_loss"
    assert all(len(each.arm.scores) == 2 for each in (*found.points, *found.others))
    # What was drawn for two goals is among its candidates.
    drawn = {f"trial {number}" for number in range(4, 12)}
    assert drawn & {each.arm.name for each in (*found.points, *found.others)}
    assert found.points[0].arm.name in result._repr_html_()
    # What it has is not trained again.
    recorder = Recorder()
    again = tuner.tune("small", trials=12, workers=1, observer=recorder)
    assert again.front is not None and again.front.points == found.points
    assert recorder.n_trained == 0


@pytest.mark.slow
def test_the_front_has_what_is_left_of_the_minutes(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a seventh at least: the confirmation is told to leave it."""
    write_study(TWO_GOALS.replace("trials = 4", "trials = 4\nminutes = 0.5"))
    left: list[float | None] = []

    def spied(*arguments: Any) -> Any:
        left.append(arguments[3])
        return sizes.front_of(*arguments)

    monkeypatch.setattr(search, "front_of", spied)
    confirming = Confirmer.run

    def told(confirmer: Confirmer, seconds: float | None, pace: float | None) -> Any:
        left.append(seconds)
        return confirming(confirmer, seconds, pace)

    monkeypatch.setattr(Confirmer, "run", told)
    result = tuner.tune("small")
    assert result.front is not None
    study = storage.read_study("small")
    confirmed, fronts = left
    assert confirmed == pytest.approx(30 * 6 / 7 - study.user_attrs[SECONDS])
    spent = sum(study.user_attrs[name] for name in (SECONDS, CONFIRMATION_SECONDS))
    assert fronts is not None
    assert 30 - spent < fronts < 30 - spent + result.front.seconds + 1
    assert result.front.seconds < study.user_attrs[CONFIRMATION_SECONDS]


class Ending(Recorder):
    """Ends the search once so many trainings have ended after the winner was told."""

    def __init__(self, stop: Exception) -> None:
        super().__init__()
        self.stop, self.is_told = stop, False

    def confirmed(self, confirmation: Confirmation) -> None:
        self.is_told = True

    def repeated(self, training: Repeated) -> None:
        super().repeated(training)
        if self.is_told:
            raise self.stop


@pytest.mark.slow
def test_a_front_that_is_cut_goes_on(write_study: Write) -> None:
    """The winner is there, and no network is trained twice."""
    write_study(TWO_GOALS)
    observer = Ending(StopSearch("enough"))
    result = tuner.tune("small", workers=1, observer=observer)
    assert (result.stopped, result.front) == ("enough", None)
    assert result.best is not None and result.best.confirmed is not None
    recorder = Recorder()
    again = tuner.tune("small", workers=1, observer=recorder)
    assert again.front is not None and again.front.n_networks > 1
    whole = Recorder()
    tuner.tune("small", workers=1, new=True, observer=whole)
    assert observer.n_trained + recorder.n_trained == whole.n_trained


@pytest.mark.slow
def test_what_was_known_of_a_front_stays(write_study: Write) -> None:
    """Without time for more, and where its trainings are on another machine."""
    write_study(TWO_GOALS)
    first = tuner.tune("small", workers=1).front
    assert first is not None
    Path("runs/small/repeats.jsonl").unlink()
    study, recorder = storage.read_study("small"), Recorder()
    spent = sum(study.user_attrs[name] for name in (SECONDS, CONFIRMATION_SECONDS))
    result = tuner.tune("small", minutes=spent / 60, trials=4, workers=1, observer=recorder)
    assert (recorder.n_trained, result.front) == (0, first)
    assert kept_front("small") == first


@pytest.mark.slow
def test_no_winner_has_no_front(write_study: Write) -> None:
    """It is said where one is a goal."""
    write_study(TWO_GOALS)
    remarks = []

    class Remarks(Recorder):
        def remark(self, message: str) -> None:
            remarks.append(message)

    assert tuner.tune("small", workers=1, confirm=False, observer=Remarks()).front is None
    assert "networks of each size are told once a winner is confirmed" in remarks


@pytest.mark.slow
def test_without_time_the_front_has_what_was_confirmed(write_study: Write) -> None:
    write_study(CONFIRMED)
    tuner.tune("small", workers=1)
    confirmation, recorder = tuner.confirmation("small"), Recorder()
    assert confirmation is not None
    found = tuner.front("small", minutes=1e-9, workers=1, observer=recorder)
    assert recorder.n_trained == 0
    names = {each.arm.name for each in (*found.points, *found.others)}
    assert confirmation.winner in names
    assert names <= {arm.name for arm in confirmation.arms}
    for minutes in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="minutes must be > 0"):
            tuner.front("small", minutes=minutes)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 16])
def test_networks_over_all_sizes_come_first(n: int) -> None:
    """Else where time is short a part of the sizes has none."""
    arms = [arm(str(width), width) for width in range(1, n + 1)]
    found = sizes._spread(arms)
    assert sorted(found, key=arms.index) == arms
    for k in range(1, n + 1):
        places = [-1, *sorted(arms.index(each) for each in found[:k]), n]
        assert max(b - a for a, b in pairwise(places)) <= 2 * n / (k + 1) + 2


def test_nothing_to_measure_sizes_of(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1)
    with pytest.raises(InputError, match="small.toml: the study has no confirmed winner yet"):
        tuner.front("small")
    with pytest.raises(InputError, match="'small' has no front yet \\(tuner front small\\)"):
        kept_front("small")


def confirmed(*arms: Arm) -> Confirmation:
    return Confirmation(
        metric="val_loss",
        direction="minimize",
        seeds=(1, 2, 3),
        arms=arms,
        winner=arms[0].name,
        search_best=0,
        seconds=0.0,
    )


def arm(name: str, width: int, *scores: float) -> Arm:
    config = MLPConfig(width=width)
    return Arm(
        name=name,
        trial=None,
        config=config,
        n_parameters=config.size(FACTS),
        search=None,
        scores=scores,
    )


class Known:
    """Repetitions that ended, by width; a width that is not there diverged."""

    def __init__(self, scores: dict[int, tuple[float, ...]]) -> None:
        self._scores = scores

    def find(self, config: MLPConfig, seed: int) -> Repeat:
        if config.width not in self._scores:
            return Repeat(config, seed, {}, 0, reason="diverged")
        return Repeat(config, seed, {"val_loss": self._scores[config.width][seed - 1]}, 1)


def test_what_diverged_is_left_out_and_differences_are_of_todays_scores() -> None:
    """Scores that were confirmed by another trainer are compared with none of today."""
    arms = [arm("trial 4", 32, 0.1, 0.2, 0.3), arm("small", 8), arm("lost", 4)]
    known: Any = Known({32: (0.4, 0.5, 0.6), 8: (0.5, 0.5, 0.8)})
    winner, small = sizes._points(arms, confirmed(*arms), known)
    assert winner.arm.scores == (0.4, 0.5, 0.6) and winner.behind is None
    assert small.behind is not None and small.behind.mean == pytest.approx(0.1)
    (alone,) = sizes._points(arms, confirmed(*arms), Known({8: (0.5, 0.5, 0.8)}))  # type: ignore[arg-type]
    assert alone.arm.name == "small" and alone.behind is None


def test_an_equal_score_is_no_reason_for_a_larger_network() -> None:
    arms = [arm("large", 32), arm("small", 8), arm("middle", 16)]
    known: Any = Known({32: (1, 1, 1), 16: (2, 2, 2), 8: (2, 2, 2)})
    points = sizes._points(arms, confirmed(*arms), known)
    front, others = sizes._split(points, maximize=False)
    assert [each.arm.name for each in front] == ["small", "large"]
    assert [each.arm.name for each in others] == ["middle"]


def test_networks_without_a_hidden_layer_are_the_same_whatever_its_width() -> None:
    linear = [MLPConfig(depth=0, width=width, dropout=width / 100) for width in (4, 30)]
    assert len({*map(sizes._key, linear)}) == 1
    assert len({sizes._key(MLPConfig(width=width)) for width in (4, 30)}) == 2


def test_narrower_ones_end_where_nothing_is_left() -> None:
    widths = [each.width for each in sizes.narrower(MLPConfig(depth=2, width=70))]
    assert widths == [35, 17, 8, 4]
    assert sizes.narrower(MLPConfig(depth=0, width=70)) == []
    assert len(sizes.narrower(MLPConfig(width=8192))) == 8


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_trials_that_a_smaller_one_beats_are_no_candidates(direction: str) -> None:
    """And of many that are, eight over all sizes."""
    sign = 1 if direction == "minimize" else -1
    losses = {4: 0.9, 8: 0.95, 16: 0.5, 32: 0.5, 64: 0.4, 128: 0.6}  # by width
    trials = [
        optuna.trial.create_trial(
            params={"width": width},
            distributions={"width": IntDistribution(1, 999)},
            value=sign * loss,
        )
        for width, loss in losses.items()
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    configs = {number: MLPConfig(width=width) for number, width in enumerate(losses)}
    assert sizes._unbeaten(trials, configs, FACTS, direction) == [0, 2, 4]
    many = [
        optuna.trial.create_trial(params={}, distributions={}, value=-sign * float(number))
        for number in range(40)
    ]
    for number, trial in enumerate(many):
        trial.number = number
    chosen = sizes._unbeaten(
        many, {number: MLPConfig(width=number + 1) for number in range(40)}, FACTS, direction
    )
    assert len(chosen) == 8 and chosen[0] == 0 and chosen[-1] == 39 and chosen == sorted(chosen)
