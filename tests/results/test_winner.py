"""Who wins a confirmation, and what is said of the winner."""

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tuner.data import Cut
from tuner.network.config import DataFacts, MLPConfig
from tuner.results.arms import Arm, Direction, Estimate, difference, share_error
from tuner.results.best import Best
from tuner.results.choice import Select, choose, usual_error
from tuner.results.shown import of_best
from tuner.results.winner import Confirmation, Confirmed, Refit
from tuner.results.wording import (
    comparisons,
    handed_over,
    in_the_search,
    over_seeds,
    unconfirmed,
)


def arm(
    name: str, *scores: float, size: int = 100, trial: int | None = 0, search: float | None = 0.9
) -> Arm:
    return Arm(
        name=name,
        trial=trial,
        config=MLPConfig(),
        n_parameters=size,
        search=search,
        scores=scores,
        reason="" if scores else "diverged",
    )


def test_an_estimate_is_scipys() -> None:
    scores = np.random.default_rng(0).normal(size=7).tolist()
    found = Estimate.of(scores)
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.standard_error == pytest.approx(stats.sem(scores))
    assert found.n == 7
    # Equal scores whose mean is rounded: with any error they would be told with 18 digits.
    assert Estimate.of([0.7] * 3).standard_error == 0.0


@pytest.mark.parametrize(
    ("arms", "direction", "winner"),
    [
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "maximize", "b"),
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "minimize", "a"),
        # b is the best by 0.01, and a within its standard error of 0.03.
        ([arm("a", 0.89, 0.91, size=10), arm("b", 0.88, 0.94)], "maximize", "a"),
        ([arm("a", 0.89, 0.91, size=999), arm("b", 0.88, 0.94)], "maximize", "b"),
        ([arm("a", 0.81, 0.83, size=10), arm("b", 0.88, 0.94)], "maximize", "b"),
        # The error is that of the differences, however much the cuts differ.
        ([arm("a", 0.5, 1.2, size=10), arm("b", 0.52, 1.23)], "maximize", "b"),
        ([arm("a", 0.5, 1.2, size=10), arm("b", 0.899, 0.901)], "maximize", "a"),
        ([arm("a", 0.9, 0.9), arm("b")], "maximize", "a"),
        # Of equally small ones the better.
        ([arm("a", 0.89, 0.91), arm("b", 0.88, 0.94), arm("c", 0.9, 0.9)], "maximize", "b"),
    ],
)
def test_the_smallest_within_an_error(arms: list[Arm], direction: Direction, winner: str) -> None:
    """Else who asks for a small network gets one that is too large, or one that is worse."""
    chosen = choose(arms, direction, "one_se")
    assert chosen is not None
    assert chosen.name == winner


@pytest.mark.parametrize(
    ("arms", "direction", "winner"),
    [
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "maximize", "b"),
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95)], "minimize", "a"),
        # However near a smaller one is.
        ([arm("a", 0.89, 0.91, size=10), arm("b", 0.88, 0.94)], "maximize", "b"),
        ([arm("a", 0.9, 0.9), arm("b")], "maximize", "a"),
        # Of equally good ones the smaller.
        ([arm("a", 0.5, 0.75), arm("b", 0.75, 0.5, size=10)], "maximize", "b"),
        ([arm("a", 0.5, 0.75), arm("b", 0.75, 0.5, size=10)], "minimize", "b"),
        # One that was given up after two seeds, for looking worse over them, does not win.
        ([arm("a", 0.9, 0.9), arm("b", 0.95, 0.95, 0.7)], "maximize", "b"),
        ([arm("a", 0.99, 0.99), arm("b", 0.95, 0.95, 0.7)], "maximize", "b"),
    ],
)
def test_the_best_wins(arms: list[Arm], direction: Direction, winner: str) -> None:
    """Else the user is handed a config that scored worse over the same seeds than another one."""
    chosen = choose(arms, direction)
    assert chosen is not None
    assert chosen.name == winner


def test_a_preset_wins_if_it_is_best_and_allowed() -> None:
    """Else a search that found nothing better than today's practice hands out something worse."""
    found = arm("trial 3", 0.9, 0.91)
    preset = arm("modern default", 0.95, 0.96, trial=None, search=None)
    preset = preset.model_copy(update={"is_preset": True})
    forbidden = preset.model_copy(update={"is_allowed": False})
    for select in ("best", "one_se"):
        chosen = choose([found, preset], "maximize", select)
        assert chosen is preset
        # What the file does not allow is compared, and never handed out.
        assert choose([found, forbidden], "maximize", select) is found
        assert choose([forbidden], "maximize", select) is None


@pytest.mark.parametrize(
    ("default", "overlap", "searched", "winner"),
    [
        # The trial is better by 0.03, 0.01 and 0.02: 0.02 with an error of 0.006.
        ((0.87, 0.90, 0.88), 0.0, 1.0, "trial 3"),
        ((0.87, 0.90, 0.88), 0.25, 1.0, "trial 3"),
        # By 0.03, -0.01 and 0.01: 0.01 with an error of 0.012.
        ((0.87, 0.92, 0.89), 0.0, 1.0, "modern default"),
        # By 0.03, 0.0 and 0.015: 0.015, where 1.645 errors are 0.0142, or 0.0149 for other rows
        # where 3% as many validate as train, and 0.0188 where a quarter does.
        ((0.87, 0.91, 0.885), 0.0, 1.0, "trial 3"),
        ((0.87, 0.91, 0.885), 0.03, 1.0, "trial 3"),
        ((0.87, 0.91, 0.885), 0.25, 1.0, "modern default"),
        # Most of the rows that confirm it are rows that the search has not chosen by.
        ((0.87, 0.91, 0.885), 0.25, 0.7, "trial 3"),
        # Given up after two cuts.
        ((0.87, 0.92), 0.25, 1.0, "trial 3"),
    ],
)
def test_a_trial_must_be_proven_better_than_a_preset(
    default: tuple[float, ...], overlap: float, searched: float, winner: str
) -> None:
    """Else the luckiest of hundreds of trials is handed out, and new rows fare worse with it."""
    found = arm("trial 3", 0.90, 0.91, 0.90)
    preset = arm("modern default", *default, trial=None, search=None)
    preset = preset.model_copy(update={"is_preset": True})
    how = {"overlap": overlap, "searched": searched}
    chosen = choose([found, preset], "maximize", "proven", **how)
    assert chosen is not None
    assert chosen.name == winner
    assert choose([found, preset], "maximize", "best", **how) is found
    forbidden = preset.model_copy(update={"is_allowed": False})
    assert choose([found, forbidden], "maximize", "proven", **how) is found


def test_the_error_for_other_rows_is_that_of_nadeau_and_bengio() -> None:
    """Their corrected variance of a mean over n cuts: (1 / n + test / train) of the sample's."""
    best, other = arm("a", 0.90, 0.91, 0.90), arm("b", 0.87, 0.91, 0.885)
    variance = np.var([0.03, 0.0, 0.015], ddof=1)
    for overlap in (0.0, 0.1, 0.25, 2.0):
        error = np.sqrt((1 / 3 + overlap) * variance)
        assert usual_error([best, other], overlap) == pytest.approx(error)


def test_two_seeds_that_happen_to_differ_by_the_same_prove_nothing() -> None:
    """Else a trial that is better by a hair wins with an error of 0, and new rows fare worse."""
    found, other = arm("trial 3", 0.900, 0.910), arm("trial 5", 0.895, 0.875)
    preset = arm("modern default", 0.899, 0.909, trial=None, search=None)
    preset = preset.model_copy(update={"is_preset": True})
    assert choose([found, preset, other], "maximize", "proven") is preset
    # One that cannot win tells the error, too.
    other = other.model_copy(update={"is_allowed": False})
    assert choose([found, preset, other], "maximize", "proven") is preset
    assert choose([found, preset, other], "maximize") is found


def test_the_smaller_network() -> None:
    """Else the user is not told of a network as good at a fraction of the size, or of a bad one."""
    best = arm("trial 1", 0.90, 0.80, 0.71, size=1000)
    arms = {
        # Within one error of the differences: they are 0.01, -0.01 and 0.01.
        "near": arm("near", 0.89, 0.81, 0.70, size=100),
        # Further away than its error, though the cuts themselves differ by far more.
        "worse": arm("worse", 0.88, 0.78, 0.69, size=10),
        "larger": arm("larger", 0.90, 0.80, 0.70, size=5000),
        "given up": arm("given up", 0.90, 0.80, size=10),
        "forbidden": arm("forbidden", 0.89, 0.81, 0.70, size=1).model_copy(
            update={"is_allowed": False}
        ),
        "diverged": arm("diverged", size=1),
    }
    assert winning_over(best, *arms.values()).smaller is arms["near"]
    del arms["near"]
    assert winning_over(best, *arms.values()).smaller is None


def test_a_difference_is_over_the_seeds_that_both_have() -> None:
    """Else an arm that dropped out is compared over other cuts than the winner's."""
    ours, theirs = arm("a", 0.5, 0.9, 0.1), arm("b", 0.4, 0.7)
    found = difference(ours, theirs, "maximize")
    assert found is not None
    assert (found.n, found.mean) == (2, pytest.approx(0.15))
    assert found.standard_error == pytest.approx(stats.sem([0.1, 0.2]))
    lower = difference(ours, theirs, "minimize")
    assert lower is not None and lower.mean == pytest.approx(-0.15)
    assert difference(ours, arm("c"), "maximize") is None


def winning_over(winner: Arm, *others: Arm) -> Confirmation:
    return Confirmation(
        metric="val_accuracy",
        direction="maximize",
        seeds=(1, 2, 3),
        arms=(winner, *others),
        winner=winner.name,
        search_best=0,
        seconds=1.0,
    )


def test_a_preset_without_a_trial_has_no_optimism() -> None:
    """Else a study whose preset wins unseen by the search ends in an error."""
    preset = arm("note", 0.9, 0.92, 0.94, trial=None, search=None)
    found = winning_over(preset.model_copy(update={"is_preset": True}), arm("trial 1", 0.8, 0.8))
    assert found.optimism is None
    assert Confirmed.of(found).optimism is None
    assert [each.name for each in found.presets] == ["note"]


def test_no_one_wins_without_scores() -> None:
    assert choose([arm("a"), arm("b")], "maximize") is None


def confirmation(direction: Direction = "maximize") -> Confirmation:
    found = arm("trial 3", 0.90, 0.94, 0.92, search=0.95, trial=3).model_copy(
        update={"tests": (0.91, 0.89, 0.9)}
    )
    note = arm("note", 0.89, 0.92, 0.91, size=10, trial=None, search=None)
    diverged = arm("modern default", trial=None, search=None)
    return Confirmation(
        metric="val_accuracy",
        direction=direction,
        seeds=(11, 22, 33),
        arms=(found, note, diverged),
        winner="trial 3",
        search_best=3,
        test_metric="test_accuracy",
        test_openings=1,
        seconds=1.0,
    )


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_what_the_search_promised_and_gained(direction: Direction, sign: int) -> None:
    found = confirmation(direction)
    assert found.optimism == pytest.approx(sign * 0.03)
    note, diverged = found.presets
    gain = found.gain(note)
    assert gain is not None
    assert gain.mean == pytest.approx(sign * (0.01 + 0.02 + 0.01) / 3)
    assert gain.standard_error == pytest.approx(np.std([1, 2, 1], ddof=1) / 100 / math.sqrt(3))
    assert found.gain(diverged) is None


def test_what_the_best_file_says() -> None:
    found = confirmation()
    confirmed = Confirmed.of(found)
    assert confirmed.seed == 33  # the median of 0.90, 0.94 and 0.92
    assert confirmed.test == Estimate.of([0.91, 0.89, 0.9])
    assert Confirmation.model_validate_json(found.model_dump_json()) == found


def errors_over_truth(n_cuts: int, *, folds: bool) -> tuple[float, float]:
    """Two errors, the usual and that for other rows, over what other rows do to a mean score.

    By simulation: 60 rows of a kind, a mean learned from 48 of them, its squared error on others.
    """
    random = np.random.default_rng(0)
    means, usual, corrected = [], [], []
    for _ in range(2000):
        rows = random.normal(size=60)
        cuts = [
            Cut(0, fold=fold, by_target=False) if folds else Cut(fold) for fold in range(n_cuts)
        ]
        scores = []
        for cut in cuts:
            train, validation = (rows[part] for part in cut.rows_of(rows[:, np.newaxis], 12))
            scores.append(float(np.mean((validation - train.mean()) ** 2)))
        means.append(np.mean(scores))
        usual.append(Estimate.of(scores).standard_error)
        corrected.append(Estimate.of(scores, overlap=12 / 48).standard_error)
    found = [
        float(np.sqrt(np.mean(np.square(each))) / np.std(means)) for each in (usual, corrected)
    ]
    return found[0], found[1]


@pytest.mark.slow
def test_the_error_over_cuts_is_that_of_other_rows() -> None:
    """Else five cuts of the same rows pass for five data sets, with two thirds of the error."""
    usual, corrected = errors_over_truth(5, folds=False)
    assert usual < 0.7
    assert corrected == pytest.approx(1, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("n_cuts", [2, 5])
def test_the_error_over_folds_is_at_least_that_of_other_rows(n_cuts: int) -> None:
    """Else the rows of a confirmation, of which each validates once, promise too much."""
    _, corrected = errors_over_truth(n_cuts, folds=True)
    assert 1 <= corrected < 1.6


def test_the_error_of_a_test_score_is_of_rows_and_seeds() -> None:
    """Else 360 test rows seem to tell 0.976 from 0.972."""
    random = np.random.default_rng(0)
    truth, n_rows, n_seeds = 0.95, 360, 5
    means, errors = [], []
    for _ in range(1000):
        chance = np.clip(truth + 0.01 * random.normal(size=(n_seeds, 1)), 0, 1)
        hard = random.random(n_rows)  # the same rows are hard for all networks
        right = hard < chance
        scores = right.mean(1)
        rows_error = float(np.mean(right.std(1, ddof=1) / np.sqrt(n_rows)))
        found = Estimate.of(scores.tolist(), rows_error=rows_error)
        means.append(found.mean)
        errors.append(found.standard_error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.1)


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.95, 0.98, 0.99])
def test_a_share_near_one_is_not_sure(truth: float) -> None:
    """Else a network that is right on all of a hundred rows seems to be right for ever."""
    n = 100
    counts = np.arange(n + 1)
    chances = stats.binom.pmf(counts, n, truth)
    errors = np.array([share_error(k / n, n) for k in counts])
    covered = np.abs(counts / n - truth) <= 1.96 * errors
    assert chances[covered].sum() >= 0.93
    middle = share_error(0.5, 10_000)
    assert middle == pytest.approx(stats.binom.std(10_000, 0.5) / 10_000, rel=1e-3)


def test_an_accuracy_that_is_the_same_over_all_seeds_has_an_error() -> None:
    found = confirmation_of_two().model_copy(update={"n_rows": 100, "metric": "val_accuracy"})
    perfect = arm("perfect", 1.0, 1.0, 1.0)
    told = found.estimate(perfect)
    assert told == Estimate(mean=1.0, standard_error=share_error(1.0, 100), n=3)
    wide = found.estimate(arm("wide", 0.5, 1.0))  # whose error is larger by itself
    assert wide == Estimate.of([0.5, 1.0], overlap=found.overlap)
    # Of two cuts of a fifth, no more rows than these have validated it.
    of_fifths = found.model_copy(update={"overlap": 0.25})
    two = of_fifths.estimate(arm("perfect", 1.0, 1.0))
    assert two is not None and two.standard_error == share_error(1.0, 40)
    unknown = found.model_copy(update={"n_rows": 0}).estimate(perfect)
    assert unknown is not None
    assert unknown.standard_error == 0.0


def test_every_sentence_is_true_of_the_study_at_hand() -> None:
    """Else the user is told of a test part that nothing was scored on, or a plus that is worse."""
    found = confirmation_of_two()
    assert "better than the note by 1.3" in " ".join(comparisons(found))
    assert "The test part was opened once." in comparisons(found)
    unlogged = found.model_copy(update={"test_metric": ""})
    (said,) = [line for line in comparisons(unlogged) if "test part" in line]
    assert said == "The test part was opened, and the module logged no test_accuracy there."
    unopened = found.model_copy(update={"test_metric": "", "test_openings": 0})
    assert not any("test part" in line for line in comparisons(unopened))
    lower = confirmation_of_two("minimize")
    assert "worse than the note by 1.3" in " ".join(comparisons(lower))


@pytest.mark.parametrize("select", ["proven", "one_se"])
def test_what_may_not_win_is_not_called_unproven(select: Select) -> None:
    """Else a lead of five points of a network that the file forbids is called chance."""
    forbidden = arm("modern default", 0.99, 0.98, 0.99).model_copy(update={"is_allowed": False})
    found = confirmation_of_two().model_copy(update={"select": select})
    assert not any("best mean" in line for line in comparisons(found))
    with_it = found.model_copy(update={"arms": (forbidden, *found.arms[:2])})
    assert not any("best mean" in line for line in comparisons(with_it))
    better = arm("trial 5", 0.95, 0.96, 0.95, trial=5)
    unproven = found.model_copy(update={"arms": (forbidden, better, *found.arms)})
    (told,) = [line for line in comparisons(unproven) if "best mean" in line]
    assert "trial 5" in told


def confirmation_of_two(direction: Direction = "maximize") -> Confirmation:
    """As `confirmation`, with a config of its own for each arm."""
    found = confirmation(direction)
    arms = [
        each.model_copy(update={"config": MLPConfig(width=width)})
        for width, each in enumerate(found.arms, start=1)
    ]
    return found.model_copy(update={"arms": tuple(arms)})


def best_of(facts: DataFacts | None, found: Confirmation) -> Best:
    return Best(
        study="small",
        trial=3,
        metric=found.metric,
        value=found.winning.search,
        config=MLPConfig(),
        facts=facts,
        classes=(),
        n_parameters=100,
        seed=1,
        finished=datetime(2026, 1, 1),
        tuner="1",
        confirmed=Confirmed.of(found),
    )


def test_what_the_seeds_decide_is_not_promised_of_a_module_that_keeps_its_rows() -> None:
    """Else an error bar of weights alone is taken for one of rows."""
    facts = DataFacts(n_inputs=3, n_outputs=2, n_rows=99)
    assert "and validation rows of its own" in over_seeds(best_of(facts, confirmation()))
    told = over_seeds(best_of(None, confirmation()))
    assert "validation rows of its own" not in told
    assert "only where the data module draws them" in told


def test_what_the_error_of_a_test_score_is_of_is_said() -> None:
    found = confirmation()
    facts = DataFacts(n_inputs=3, n_outputs=2, n_rows=99)
    assert over_seeds(best_of(facts, found)).endswith("of other seeds, not of other test rows")
    known = found.winning.model_copy(update={"rows_error": 0.01})
    found = found.model_copy(update={"arms": (known, *found.arms[1:])})
    assert over_seeds(best_of(facts, found)).endswith("of other seeds and other test rows")
    assert known.test is not None
    assert known.test.standard_error > 0.01


def test_the_search_and_the_confirmation_are_compared_in_words() -> None:
    facts = DataFacts(n_inputs=3, n_outputs=2, n_rows=99)
    told = in_the_search(best_of(facts, confirmation()))
    assert told == "In the search it had 0.95, and looked better by 0.03 than over these seeds."
    told = in_the_search(best_of(facts, confirmation("minimize")))
    assert told == "In the search it had 0.95, and looked worse by 0.03 than over these seeds."


def test_rows_that_a_trial_did_not_see_are_said() -> None:
    """Wherever its score stands: it is one of networks that saw less of the data."""
    kept = Path(__file__).parents[1] / "before" / "small" / "best.json"
    best = Best.model_validate_json(kept.read_text())
    alone = best.model_copy(update={"confirmed": None, "rows": 1_234})
    assert "of networks trained on 1,234 rows" in unconfirmed(alone)
    assert "In the search, of networks trained on 1,234 rows" in of_best(alone)
    assert "rows" not in unconfirmed(alone.model_copy(update={"rows": None}))


def test_what_is_handed_over_is_said() -> None:
    """Else nobody knows that there is more than one network, and which score is of what."""
    facts = DataFacts(n_inputs=3, n_outputs=2, n_rows=99)
    found = confirmation().model_copy(update={"test_metric": "test_accuracy"})
    assert handed_over(best_of(facts, found)) == ""
    one = Refit(config=MLPConfig(), seed=1, test=0.91)
    told = handed_over(best_of(facts, found.model_copy(update={"refit": one})))
    epochs = f"{MLPConfig().epochs} epochs on all rows but the test rows"
    assert told == f"best.ckpt was trained for {epochs} (test_accuracy 0.91)."
    more = one.model_copy(update={"others": (2, 3), "ensemble_test": 0.93})
    told = handed_over(best_of(facts, found.model_copy(update={"refit": more})))
    assert "3 networks" in told and epochs in told
    assert "tuner.load_ensemble averages what they predict (test_accuracy 0.93)" in told
    assert "tuner.load_model is the first of them (test_accuracy 0.91)" in told
