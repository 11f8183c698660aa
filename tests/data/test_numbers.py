"""Numbers beyond float32, and what targets are for: no column becomes one number unseen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.multiclass import type_of_target

import tuner
from tuner.data import Cut, Dataset, Table, split
from tuner.data.rulers import Ruler, need_ruler
from tuner.errors import DataError

from ..conftest import Write

CLASSES = np.arange(300) % 3
NOISE = np.random.default_rng(0).normal(size=(300, 2))


def table(x: Any, y: Any = CLASSES) -> Table:
    return Table("rows.npz", np.asarray(x), np.asarray(y))


def column(values: Any, other: float = 0.0) -> Any:
    """Rows of two columns, the first of which tells the class."""
    values = np.asarray(values)
    return np.stack([values, np.full_like(values, other)], 1)


#: By name: rows whose class is in numbers that float32 does not hold.
LOSSY = {
    "seconds": column(1.7e9 + 20.0 * CLASSES),
    "bits": column(2**60 + 20 * CLASSES),
    "negative bits": column(-(2**62) - 20 * CLASSES),
    "unsigned": column((2**61 + 20 * CLASSES).astype(np.uint64)),
    "foreign bits": column(2**60 + 20 * CLASSES).astype(">i8"),
    "tiny": column(1e-40 * (1 + CLASSES)),
    "tiny floats": column((1e-40 * (1 + CLASSES)).astype(np.float32)),
    "huge": column(1e100 * (1 + CLASSES)),
    "overflowing": column(1e39 * (1 + CLASSES), 1.0),
}
FINE = {
    "normal": NOISE + CLASSES[:, None],
    "years": column(1990.0 + 10 * CLASSES),
    "bytes": column(CLASSES.astype(np.uint8)),
    "whole": column(1000 * CLASSES),
    "switches": column(CLASSES > 0),
    "outlier": np.where(np.arange(300)[:, None] == 7, 1e9, NOISE),
}


def standardized(dataset: Dataset) -> Any:
    """What a network is given of the training rows."""
    norm, measured = dataset.standardization, dataset.measured(dataset.train.x)
    return (measured.astype(np.float32) - norm.input_mean) / norm.input_scale


@pytest.mark.parametrize("name", LOSSY)
def test_what_float32_cannot_tell_apart_stays_apart(name: str) -> None:
    """Else a column of timestamps or of identifiers is a constant to the network."""
    dataset = split(table(LOSSY[name]))
    assert dataset.train.x.dtype in (np.float64, np.int64)
    seen = standardized(dataset)[:, 0]
    means = np.array([seen[dataset.train.y == label].mean() for label in range(3)])
    spread = np.array([np.ptp(seen[dataset.train.y == label]) for label in range(3)])
    assert seen.mean() == pytest.approx(0, abs=1e-3)
    assert seen.std() == pytest.approx(1, rel=1e-3)
    assert np.all(np.abs(np.diff(means)) == pytest.approx(1.22, abs=0.05))
    assert spread.max() < 1e-3


@pytest.mark.parametrize("name", FINE)
def test_what_float32_can_tell_apart_takes_no_more_memory(name: str) -> None:
    dataset = split(table(FINE[name]))
    assert dataset.ruler is None
    assert dataset.train.x.dtype in (np.float32, np.uint8)


def test_cuts_measure_alike() -> None:
    """Else the rows of a cut could not be shared with those of another."""
    dataset = split(table(LOSSY["seconds"]))
    assert dataset.cut_anew(Cut(3)).ruler is dataset.ruler


def test_pixels_are_measured_in_one_unit() -> None:
    images = 1.7e9 + np.random.default_rng(0).normal(size=(300, 4, 4)) * [[1], [2], [3], [4]]
    dataset = split(table(images))
    assert dataset.ruler is not None
    assert len(set(dataset.ruler.offset)) == len(set(dataset.ruler.unit)) == 1
    deviations = standardized(dataset).std(0).reshape(4, 4).mean(1)
    assert deviations[3] / deviations[0] == pytest.approx(4, rel=0.3)


def test_no_difference_overflows() -> None:
    """Else the ends of a column of 64 bits change places."""
    low, high = -(2**63) + 1, 2**63 - 1
    x = np.array([[low, 2**60], [0, 2**60 + 1], [high, 2**60 + 2]])
    assert need_ruler(x)
    measured = Ruler.of(x).measure(x)
    assert np.all(np.diff(measured, axis=0) > 0)


@pytest.mark.parametrize("name", ["seconds", "bits", "tiny"])
@pytest.mark.parametrize("trainer", ["fleet", "solo"])
def test_a_network_learns_from_them(
    name: str, trainer: Any, write_study: Write, project: Path
) -> None:
    """Else the search ends at chance, and the network that is handed over predicts one class."""
    np.savez(project / "studies" / "rows.npz", x=LOSSY[name], y=CLASSES.astype(str))
    write_study(
        '[data]\nsource = "rows.npz"\nfolds = 1\n[objective]\nepochs = 30\n'
        "[budget]\ntrials = 1\n[confirm]\nseeds = 0\n[start]\nrate_range = false\n"
        "[search]\nwidth = 32\ndepth = 1\noptimizer = 'adamw'\nlearning_rate = 0.01\n"
        "batch_normalization = true\nschedule = 'cosine'\n"
    )
    result = tuner.tune("small", workers=1, trainer=trainer)
    assert result.best is not None
    assert result.best.value is not None
    assert result.best.value < 0.2 if result.metric == "val_loss" else result.best.value > 0.97
    with torch.no_grad():
        found = tuner.load_model("small")(torch.from_numpy(LOSSY[name])).argmax(1)
    assert np.mean(found.numpy() == CLASSES) > 0.97


@pytest.mark.slow
def test_squares_of_large_targets_are_no_infinity(write_study: Write, project: Path) -> None:
    """Else a regression in small units is called diverged, whatever it learns."""
    x = NOISE
    np.savez(project / "studies" / "rows.npz", x=x, y=1e20 * (x[:, 0] + 0.1 * x[:, 1]))
    write_study(
        '[data]\nsource = "rows.npz"\nfolds = 1\n[objective]\nepochs = 30\nmetric = "val_rmse"\n'
        "[budget]\ntrials = 1\n[confirm]\nseeds = 0\n[start]\nrate_range = false\n"
        "[search]\nwidth = 32\nlearning_rate = 0.01\n"
    )
    for trainer in ("fleet", "solo"):
        result = tuner.tune("small", workers=1, trainer=trainer, new=True)  # type: ignore[arg-type]
        assert result.best is not None
        assert result.best.value is not None
        assert 1e17 < result.best.value < 5e19


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(300, 7.5), "y is 7.5 in all rows"),
        (np.ones((300, 2)), "column 0 of y is 1 in all rows"),
        (2.0**53 + NOISE[:, 0], "y has a standard deviation of .* cannot tell apart; subtract"),
        (1e35 * NOISE[:, 0], r"y has -?\d.* in row 0, column 0.*; expected numbers of at most 1e"),
        (1e-35 * NOISE[:, 0], "y has a standard deviation of .*change its unit"),
    ],
)
def test_targets_that_cannot_be_learned(y: Any, message: str) -> None:
    """Else an hour goes into a study whose every trial means nothing."""
    with pytest.raises(DataError, match=message):
        split(table(NOISE, y), task="regression")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (column(np.r_[NOISE[:-1, 0], 1e200]), r"x has 1e\+200 in row 299, column 0; expected num"),
        (column(np.full(300, 2**63 + 5, np.uint64)), "x has 92.* in row 0, column 0; .* 2 .. 63"),
    ],
)
def test_inputs_that_are_no_measurements(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(table(x))


@pytest.mark.parametrize(
    ("y", "task", "said"),
    [
        (CLASSES % 2 * 1.0, "classification", "a classification of 2 classes (0, 1)"),
        (CLASSES, "classification", "a classification of 3 classes (0, 1, 2)"),
        (np.arange(300) % 25, "classification", "25 classes (0, 1, ..., 24)"),
        (CLASSES > 1, "classification", ""),
        (CLASSES.astype(str), "classification", ""),
        (NOISE[:, 0], "regression", ""),
        (NOISE, "regression", ""),
    ],
)
def test_the_task_is_what_scikit_learn_calls_it_and_is_said(y: Any, task: str, said: str) -> None:
    """Else labels 0.0 and 1.0 are learned as amounts, and no one hears of it."""
    dataset = split(table(NOISE, y))
    assert dataset.task == task
    kind = type_of_target(y)
    assert kind.startswith("continuous") == (task == "regression")
    assert said in " ".join(dataset.remarks)
    assert bool(said) == any("overrules" in remark for remark in dataset.remarks)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (CLASSES * 1.0, "y holds 3 whole numbers written as decimals .0, 1, 2.*say which: task ="),
        (np.arange(300) // 7, "y holds 43 whole numbers .0, 1, ..., 42. in 300 rows.*say which"),
    ],
)
def test_what_may_be_either_is_refused(y: Any, message: str) -> None:
    """Else 39 amounts are silently 39 classes, or the other way round."""
    with pytest.raises(DataError, match=message):
        split(table(NOISE, y))
    for task in ("classification", "regression"):
        assert split(table(NOISE, y), task=task).task == task


def test_constant_inputs_are_said_and_harmless() -> None:
    x = np.stack([NOISE[:, 0], np.full(300, 3.0)], 1)
    dataset = split(Table("rows.npz", x, CLASSES.astype(str), columns=("size", "unit")))
    (said,) = dataset.remarks
    assert "1 of 2 inputs are the same in all training rows" in said
    assert "column unit" in said
    assert np.all(standardized(dataset)[:, 1] == 0)


def test_the_rows_of_cuts_are_not_copied() -> None:
    """Else each of five cuts takes the memory of all rows again, in every worker."""
    dataset = split(table(NOISE))
    cut = dataset.cut_anew(Cut(3))
    assert cut.known is dataset.known
    assert np.shares_memory(dataset.train.x, dataset.known.x)
    assert np.shares_memory(dataset.validation.x, dataset.known.x)
