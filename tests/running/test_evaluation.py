"""How trials are scored: by the rows, and by what the budget holds."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner
from tuner import heuristics, storage
from tuner.data import load
from tuner.network.config import DataFacts, MLPConfig
from tuner.results.wording import handed_over, over_seeds
from tuner.running.evaluation import Evaluation, affordable, full_evaluation
from tuner.running.prepared import prepared
from tuner.running.progress import Observer
from tuner.study import load_study

from ..conftest import SMALL, Write
from ..study.test_modules import MODULE
from ..study.test_study import HEAD


def scored(epochs: int, folds: int) -> Evaluation:
    return Evaluation(epochs=epochs, folds=folds, confirm_epochs=epochs, final_epochs=epochs)


def facts(n_rows: int) -> DataFacts:
    return DataFacts(n_inputs=8, n_outputs=2, n_rows=n_rows)


@pytest.mark.parametrize(
    ("n_rows", "folds"), [(100, 5), (2_999, 5), (5_000, 2), (10_000, 1), (10**6, 1)]
)
def test_follows_from_the_rows(write_study: Write, n_rows: int, folds: int) -> None:
    """Else small tables are scored by chance, and large ones take for ever."""
    spec = load_study(write_study(HEAD))
    found = full_evaluation(spec, facts(n_rows))
    assert found == scored(heuristics.full_epochs(n_rows), folds)


def test_epochs_by_the_rows() -> None:
    """Else large tables take for ever, or more rows are trained with fewer steps than few."""
    sizes = [10, 100, 300, 1_000, 3_000, 10_000, 30_000, 10**5, 10**6]
    epochs = [heuristics.full_epochs(n_rows) for n_rows in sizes]
    assert all(10 <= n <= 150 for n in epochs)
    passes = [n * n_rows for n, n_rows in zip(epochs, sizes, strict=True)]
    assert all(more >= 0.95 * less for less, more in pairwise(passes))
    assert heuristics.full_epochs(5_120) == 100  # 4,000 steps of 128 rows
    assert epochs[-1] == 10


def test_what_is_written_stands(write_study: Write) -> None:
    """Else the user's own word on the length of trials is ignored."""
    spec = load_study(write_study(f"{HEAD}folds = 3\n[objective]\nepochs = 7\n"))
    for n_rows in (100, 10**6):
        assert full_evaluation(spec, facts(n_rows)) == scored(7, 3)
    assert full_evaluation(load_study(write_study(MODULE)), None) == scored(10, 1)


CONFIG = MLPConfig(width=100, batch_size=64)


def shortened(seconds: float, trials: int | None, folds: int = 2) -> tuple[Evaluation, float]:
    """Trials of 100 epochs shortened, and the seconds of an epoch of one fold of them."""
    pace = 1e-7
    found = affordable(
        scored(100, folds),
        CONFIG,
        facts(5_000),
        pace=pace,
        seconds=seconds,
        trials=trials,
        at_once=2,
    )
    return found, pace * heuristics.work(CONFIG, facts(5_000))


@pytest.mark.parametrize("trials", [None, 4])
@pytest.mark.parametrize("seconds", [5.0, 30.0, 100.0, 250.0, 1_000.0])
def test_rows_are_left_out_where_no_time_is_for_all(seconds: float, trials: int | None) -> None:
    """Else a large table ends without a trial, or with one: nothing is searched at all."""
    sizes, pace, n = facts(2_000_000), 3e-10, min(15, trials or 15)
    found = affordable(
        scored(10, 1), CONFIG, sizes, pace=pace, seconds=seconds, trials=trials, at_once=2
    )
    whole = pace * heuristics.work(CONFIG, sizes)
    held = 0.5 * seconds / (3 * whole)  # trials of all rows in the search's half of the time
    assert (found.rows is None) == (held >= min(10, n))
    if found.rows is not None:
        assert found.seen(sizes).n_rows == found.rows >= 10_000
        takes = n * found.epochs * pace * heuristics.work(CONFIG, found.seen(sizes))
        assert takes <= 0.51 * seconds or found.rows == 10_000
        assert f"{found.rows:,} rows" in str(found)
        assert [cut and cut.rows for cut in found.cuts(3)] == [found.rows]
        folded = found.model_copy(update={"folds": 2})
        assert [(each.fold, each.rows) for each in folded.cuts(3) if each] == [
            (0, found.rows),
            (1, found.rows),
        ]
    else:
        assert (found.seen(sizes), found.cuts(3)) == (sizes, (None,))
    assert affordable(  # few rows stay all of them
        scored(10, 1), CONFIG, facts(9_000), pace=pace, seconds=1e-3, trials=trials, at_once=2
    ).rows is None  # fmt: skip


@pytest.mark.slow
def test_a_search_on_some_of_the_rows(write_study: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials and repetitions see as many, each score is told of as many, and a resume goes on."""
    write_study(
        SMALL.replace("seeds = 0", "seeds = 2\nconfigs = 1").replace("val_loss", "val_accuracy")
        .replace("epochs = 3\n", "")
    )  # fmt: skip

    def short(full: Evaluation, *_: object, **more: object) -> Evaluation:
        return Evaluation(epochs=2, folds=1, confirm_epochs=2, final_epochs=3, rows=60)

    with monkeypatch.context() as patch:
        patch.setattr("tuner.running.deciding.planned", short)
        result = tuner.tune("small", minutes=5, trials=3, workers=1)
    found, best = result.confirmation, result.best
    assert found is not None and best is not None and best.confirmed is not None
    train, validation = (
        len(getattr(load("wine", Path()), part)) for part in ("train", "validation")
    )
    n = round(validation * 60 / train)
    scores = [trial.value for trial in storage.read_study("small").trials if trial.value]
    scores += [score for arm in found.arms for score in arm.scores]
    assert all(score * n == pytest.approx(round(score * n), abs=1e-3) for score in scores)
    assert not all(
        score * validation == pytest.approx(round(score * validation), abs=1e-3) for score in scores
    )
    assert (found.rows, best.confirmed.rows) == (60, 60)
    assert found.n_rows == math.ceil((train + validation) * 60 / train)
    # There was time for all of them in the last training, whose decay is that of the others.
    assert found.refit is not None and (found.refit.rows, found.refit.config.epochs) == (None, 3)
    decay = heuristics.total_decay(found.refit.config, train)
    assert decay == pytest.approx(heuristics.total_decay(found.winning.config, 60), rel=0.1)
    assert "each trained on 60 rows" in over_seeds(best)
    assert "3 epochs on all rows but the test rows" in handed_over(best)
    again = tuner.tune("small", minutes=5, trials=5, workers=1)
    assert again.ran == 2 and again.confirmation is not None and again.confirmation.rows == 60


def test_a_part_of_the_rows_has_all_classes(write_study: Write, project: Path) -> None:
    """Else a rare class is in no trial, and whoever never predicts it wins; groups stay whole."""
    generator = np.random.default_rng(0)
    n = 60_000
    frame = pd.DataFrame({"x": generator.normal(size=n), "who": np.arange(n) // 4})
    frame["y"] = np.where(np.arange(n) % 100 == 0, "rare", "usual")
    frame.to_csv(project / "studies" / "rows.csv", index=False)
    least = {}
    for name, more in (("drawn", "drop = ['who']"), ("grouped", "group = 'who'")):
        path = write_study(f"[data]\nsource = 'rows.csv'\nlabel = 'y'\n{more}\n", name)
        ready = prepared(load_study(path), workers=1, observer=Observer())
        assert ready.dataset is not None
        least[name] = (ready.least_rows, len(ready.dataset.train_rows))
    assert least["drawn"][0] in (10_000, 10_001) and least["drawn"][1] > 30_000
    assert least["grouped"][0] == least["grouped"][1]
    frame["y"] = np.where(np.arange(n) % 300 == 0, "rare", "usual")
    frame.to_csv(project / "studies" / "rows.csv", index=False)
    rarer = prepared(load_study("drawn"), workers=1, observer=Observer())
    assert rarer.least_rows == pytest.approx(100 * 300, rel=0.02)


@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize("trials", [None, 4, 40])
@pytest.mark.parametrize("seconds", [0.1, 60, 300, 1000, 10_000])
def test_enough_trials_fit(seconds: float, trials: int | None, folds: int) -> None:
    """Else a short search ends with a few full trials, from which nothing can be learned."""
    found, epoch = shortened(seconds, trials, folds)
    n = min(15, trials or 15)
    assert found.folds == folds
    assert 3 <= found.epochs <= found.confirm_epochs <= found.final_epochs <= 100
    search = n * found.folds * found.epochs * epoch
    if found.epochs > 3:
        assert search <= seconds / 2
        confirmation, last = 12 * found.confirm_epochs * epoch, 2 * found.final_epochs * epoch
        assert search + confirmation <= 0.8 * seconds
        assert last <= 0.3 * seconds
    if found.epochs < found.confirm_epochs:  # not shorter than need be
        assert search + n * found.folds * epoch > seconds / 2


@pytest.mark.parametrize(("fifteen", "epochs"), [(14, 14), (48, 48), (60, 48), (96, 48), (112, 56)])
def test_trainings_that_are_long_enough_are_more(fifteen: int, epochs: int) -> None:
    """Else ten minutes of MNIST confirm over two seeds, of which no error can be told.

    There are 30 instead of 15, as long as each of them sees 240,000 rows: 48 epochs of 5,000.
    """
    pace = 1e-7
    seconds = 1.001 * 15 * fifteen * pace * heuristics.work(CONFIG, facts(5_000)) / 0.3
    found = affordable(
        scored(1000, 1), CONFIG, facts(5_000), pace=pace, seconds=seconds, trials=None, at_once=2
    )
    assert found.confirm_epochs == epochs


@pytest.mark.parametrize(("at_once", "epochs"), [(2, 20), (7, 20), (15, 10), (32, 4), (99, 3)])
def test_a_machine_of_many_cores_confirms_over_two_cuts(at_once: int, epochs: int) -> None:
    """Else one cut of four arms takes half of the minutes on 32 cores, and the search has none."""
    pace = 1e-7
    seconds = 1.001 * 15 * 20 * pace * heuristics.work(CONFIG, facts(5_000)) / 0.3
    found = affordable(
        scored(1000, 1), CONFIG, facts(5_000), pace=pace, seconds=seconds, trials=None,
        at_once=at_once,
    )  # fmt: skip
    assert found.confirm_epochs == epochs


def test_never_below_the_least_and_as_long_as_there_is_time() -> None:
    """Else trials are of no epoch at all, or are shortened though there is time for whole ones."""
    assert shortened(1e-9, None)[0] == scored(3, 2)
    assert shortened(1e9, None)[0] == scored(100, 2)
    short = affordable(
        scored(2, 1), CONFIG, facts(100), pace=1.0, seconds=1.0, trials=None, at_once=2
    )
    assert short == scored(2, 1)  # what the rows ask for is the most


UNTOLD = SMALL.replace("epochs = 3\n", "").replace("wine", "digits").replace("folds = 1\n", "")


def begun() -> list[str]:
    """Configs of the trials that were given to a worker."""
    attributes = [trial.user_attrs for trial in storage.read_study("small").trials]
    return [each["config"] for each in attributes if "config" in each]


@pytest.mark.slow
def test_it_is_decided_once(write_study: Write) -> None:
    """Else scores of one study are of trainings of different lengths, and cannot be compared."""
    write_study(UNTOLD)
    minutes = 0.03
    tuner.tune("small", minutes=minutes, workers=1)
    while not storage.count((study := storage.read_study("small")).trials).finished:  # if slow
        minutes *= 2
        tuner.tune("small", minutes=minutes, workers=1)
    kept = Evaluation.model_validate_json(study.user_attrs["evaluation"])
    assert kept.folds == 5
    assert 3 <= kept.epochs < 150
    before = configs = begun()
    while len(configs) == len(before):
        minutes += 0.03
        tuner.tune("small", minutes=minutes, workers=1)
        configs = begun()
    study = storage.read_study("small")
    assert Evaluation.model_validate_json(study.user_attrs["evaluation"]) == kept
    assert {MLPConfig.from_json(config).epochs for config in configs} == {kept.epochs}


@pytest.mark.slow
def test_written_epochs_are_not_shortened(write_study: Write) -> None:
    """Else a file that says how long trials are is overruled by the clock."""
    write_study(UNTOLD.replace("[objective]", "[objective]\nepochs = 50"))
    tuner.tune("small", minutes=0.02, workers=1)
    kept = storage.read_study("small").user_attrs["evaluation"]
    assert Evaluation.model_validate_json(kept) == scored(50, 5)
