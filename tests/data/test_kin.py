"""Rows that have to do with each other: groups stay together, and no network sees the future."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier

from tuner.data import Cut, Dataset, Wanted, split, table_of
from tuner.data.kin import Groups, Times
from tuner.errors import DataError

N = 400


def frame(n: int = N, n_groups: int = 40) -> pd.DataFrame:
    """Groups, each with its own place and its own label, which nothing else tells."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, n_groups, n)
    places, labels = generator.normal(size=(n_groups, 6)), generator.integers(0, 2, n_groups)
    x = places[group] + generator.normal(scale=0.05, size=(n, 6))
    found = pd.DataFrame(x, columns=[*"abcdef"])
    found["group"] = [f"g{number}" for number in group]
    days = pd.to_timedelta(generator.integers(0, 60, n), "D")
    found["day"] = (pd.Timestamp("2024-01-01") + days).strftime("%d.%m.%Y")
    found["y"] = np.where(labels[group] == 1, "yes", "no")
    return found


def cut_by(**wanted: str) -> tuple[Dataset, pd.DataFrame]:
    """Splits the rows; a column that is learned says which row of the frame each is."""
    rows = frame().assign(number=np.arange(N, dtype=float))
    rest = tuple({"group", "day"} - {*wanted.values()})
    return split(table_of(rows, "t", Wanted(("y",), drop=rest, **wanted))), rows


def rows_of(dataset: Dataset, part: str) -> Any:
    """Returns which rows of the frame are in a part."""
    assert dataset.encoding is not None
    return getattr(dataset, part).x[:, dataset.encoding.inputs.index("number")].astype(int)


CUTS = [None, *(Cut(7, fold) for fold in range(12)), *(Cut(seed) for seed in range(5))]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_group_lies_on_one_side(cut: Cut | None) -> None:
    """Else what a network has learned by heart of a group counts as what it can do."""
    dataset, rows = cut_by(group="group")
    assert dataset.encoding is not None and "group" not in dataset.encoding.inputs
    dataset = dataset if cut is None else dataset.cut_anew(cut)
    groups = [
        {*rows["group"].to_numpy()[rows_of(dataset, part)]}
        for part in ("train", "validation", "test")
    ]
    assert all(groups)
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert 40 <= len(dataset.validation) <= 110 and 50 <= len(dataset.test) <= 110


def test_each_row_of_a_group_validates_once() -> None:
    dataset, _ = cut_by(group="group")
    seen = np.concatenate([dataset.cut_anew(Cut(7, fold)).validation_rows for fold in range(5)])
    assert np.array_equal(np.sort(seen), np.arange(len(dataset.known)))


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_what_trains_comes_first(cut: Cut | None) -> None:
    """Else a network is scored on days that others of its rows have told it of."""
    dataset, rows = cut_by(time="day")
    dataset = dataset if cut is None else dataset.cut_anew(cut)
    at = pd.to_datetime(rows["day"], format="%d.%m.%Y").to_numpy()
    parts = ("train", "validation", "test")
    train, validation, test = (at[rows_of(dataset, part)] for part in parts)
    assert train.max() < validation.min() and validation.max() < test.min()
    assert len(train) >= 120 and len(validation) >= 30


def test_cuts_by_time_differ() -> None:
    """Else the seeds of a confirmation are one cut, whose luck has no error bar."""
    dataset, _ = cut_by(time="day")
    found = {tuple(dataset.cut_anew(Cut(seed)).validation_rows) for seed in range(8)}
    assert len(found) >= 4
    whole = dataset.cut_anew(Cut(1, whole=True))
    assert len(whole.train_rows) == len(dataset.known)


@pytest.mark.slow
def test_groups_that_decide_the_label_are_noise() -> None:
    """By a network that this project did not make: it learns by heart only what it has seen."""
    accuracy = {}
    for name in ("", "group"):
        drop = ("day",) if name else ("day", "group")
        dataset = split(table_of(frame(1000, 100), "t", Wanted(("y",), drop=drop, group=name)))
        network = MLPClassifier((200,), max_iter=3000, random_state=0)
        network.fit(dataset.train.x, dataset.train.y)
        accuracy[name] = network.score(dataset.test.x, dataset.test.y)
    assert accuracy[""] > 0.95
    assert accuracy["group"] < 0.5 + 3 * 0.5 / np.sqrt(20)  # groups among the test rows


@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        ({"group": "g"}, {"group": "group"}, "all rows are of one group"),
        ({"day": "01.01.2024"}, {"time": "day"}, "all rows are of one time"),
        ({"day": ["x", "y"] * (N // 2)}, {"time": "day"}, "'day' has 'x' in row 0, expected num"),
        ({"group": [None, *"ab" * 199, "a"]}, {"group": "group"}, "'group' has no value in row 0"),
        ({}, {"group": "grp"}, "'grp' is missing; did you mean 'group'"),
    ],
)
def test_rows_that_cannot_be_cut(
    change: dict[str, Any], wanted: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split(table_of(frame().assign(**change), "t", Wanted(("y",), **wanted)))


def test_rows_of_one_time_stay_together() -> None:
    times = Times(np.repeat(np.arange(10.0), 7))
    for n in range(1, 40):
        train, validation = times.cut_last(np.zeros(70), n, 0)
        assert times.at[train].max() < times.at[validation].min()


@pytest.mark.parametrize("counts", [[100] * 9 + [5], [1] * 500 + [311] + [1] * 189])
def test_the_newest_rows_are_in_a_part(counts: list[int]) -> None:
    """Else the newest rows neither train nor test, and a user is never told."""
    generator, n = np.random.default_rng(0), sum(counts)
    at = np.repeat(np.arange(len(counts)), counts)
    rows = pd.DataFrame({"at": at, "number": np.arange(n), "y": generator.choice(["p", "q"], n)})
    dataset = split(table_of(rows, "t", Wanted(("y",), time="at")))
    parts = (dataset.train, dataset.validation, dataset.test)
    seen = np.concatenate([part.x[:, 0] for part in parts]).astype(int)
    assert np.array_equal(np.sort(seen), np.arange(n))
    assert at[seen[: len(dataset.known)]].max() < at[dataset.test.x[:, 0].astype(int)].min()


def test_more_parts_than_groups() -> None:
    groups = Groups(np.repeat(np.arange(3), 20))
    for fold in range(6):
        train, validation = groups.cut(np.arange(60) % 2, 6, 0, fold)
        assert len(validation) == 20 and len(train) == 40


@pytest.mark.parametrize("key", ["group", "day"])
def test_groups_or_times_that_changed_are_other_data(key: str) -> None:
    """Else a study goes on with trials that saw what are test rows now."""
    rows, rest = frame(), "day" if key == "group" else "group"
    by = {"group": "group"} if key == "group" else {"time": "day"}
    turned = rows.assign(**{key: rows[key].to_numpy()[::-1]})
    one, other = (
        split(table_of(each, "t", Wanted(("y",), drop=(rest,), **by))) for each in (rows, turned)
    )
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("share", [0.2, 0.5, 0.6])
def test_many_rows_train_whatever_the_share(share: float) -> None:
    """Also where nearly all rows are of one time: else scores are those of a row or two."""
    for at in (np.arange(100.0), np.r_[0.0, np.ones(60), 2 + np.arange(39.0)]):
        times, n = Times(at), round(100 * share)
        for fold in (None, *range(5)):
            for seed in range(3):
                train, validation = times.cut(np.zeros(100), n, seed, fold)
                assert len(train) >= 0.3 * (100 - n) and len(validation)
                assert at[train].max() < at[validation].min()


def test_many_groups_are_dealt_out_at_once() -> None:
    generator = np.random.default_rng(0)
    groups = Groups(generator.integers(0, 5_000, 20_000))
    y = generator.integers(0, 2, 20_000)
    seen = []
    for fold in range(5):
        train, validation = groups.cut(y, 4_000, 1, fold)
        assert not {*groups.of[train]} & {*groups.of[validation]}
        assert 3_600 < len(validation) < 4_400
        assert abs(y[validation].mean() - 0.5) < 0.05
        seen.append(validation)
    assert np.array_equal(np.sort(np.concatenate(seen)), np.arange(20_000))
