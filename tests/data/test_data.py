"""Sources and splits: what is learned from, what is refused, and what never leaks."""

import functools
import gzip
import hashlib
import json
import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from tuner import data
from tuner.data import Cut, Table, TensorBatches, Wanted, load, split, table_of
from tuner.data.batches import shuffled
from tuner.data.bundled import BUNDLED
from tuner.data.loading import RowsDataModule
from tuner.data.mnist import CHECKSUMS, _ArrayUnpickler, as_idx
from tuner.errors import DataError
from tuner.system import paths

HERE = Path()


def table(n: int = 100, **changes: Any) -> Table:
    random = np.random.default_rng(0)
    parts = {"x": random.normal(size=(n, 3)), "y": np.arange(n) % 2, **changes}
    return Table("rows.npz", **parts)


IMBALANCED = np.repeat([0, 1, 2], [70, 25, 8])
TARGETS = np.random.default_rng(1).lognormal(sigma=1.5, size=(103, 2)).astype(np.float32)


class TestCut:
    @pytest.mark.parametrize("turn", [0, 1])
    @pytest.mark.parametrize("y", [IMBALANCED, TARGETS], ids=["classes", "targets"])
    @pytest.mark.parametrize("n_parts", [2, 5, 10])
    def test_every_row_validates_once(self, y: Any, n_parts: int, turn: int) -> None:
        """Else the mean over the folds counts some rows twice, and others never."""
        cuts = [Cut(7, fold).rows_of(y, 103 // n_parts) for fold in range(10 * n_parts)]
        cuts = cuts[turn * n_parts : (turn + 1) * n_parts]
        seen = np.concatenate([validation for _, validation in cuts])
        assert np.array_equal(np.sort(seen), np.arange(103))
        for train, validation in cuts:
            assert np.array_equal(np.sort(np.r_[train, validation]), np.arange(103))
            assert np.array_equal(validation, np.sort(validation))
            assert np.array_equal(train, np.sort(train))

    def test_a_next_turn_is_another(self) -> None:
        """Else more folds than there are parts train the same networks again."""
        first, next_turn = (Cut(7, fold).rows_of(IMBALANCED, 20)[1] for fold in (0, 5))
        assert not np.array_equal(first, next_turn)

    @pytest.mark.parametrize("fold", range(5))
    def test_each_class_keeps_its_share(self, fold: int) -> None:
        """Else a rare class is missing from what scores a trial."""
        _, validation = Cut(7, fold).rows_of(IMBALANCED, 20)
        counts = np.bincount(IMBALANCED[validation], minlength=3)
        assert all(np.abs(counts - np.array([70, 25, 8]) / 5) < 2)
        assert counts.min() >= 1

    def test_targets_are_balanced(self) -> None:
        """Else one fold has the large targets, and the scores of folds differ by that alone."""
        folds = [Cut(7, fold).rows_of(TARGETS, 20)[1] for fold in range(5)]
        medians = [np.median(TARGETS[rows, 0]) for rows in folds]
        random = np.random.default_rng(0)
        drawn = [np.median(random.choice(TARGETS[:, 0], 20)) for _ in range(200)]
        assert np.std(medians) < np.std(drawn) / 3
        means = [np.log(TARGETS[rows, 0]).mean() for rows in folds]
        assert np.ptp(means) < np.log(TARGETS[:, 0]).std() / 2

    @pytest.mark.parametrize("fold", [None, 0, 3])
    @pytest.mark.parametrize("y", [IMBALANCED, TARGETS], ids=["classes", "targets"])
    def test_the_same_cut_has_the_same_rows(self, y: Any, fold: int | None) -> None:
        """Else scores over a cut cannot be compared, nor had again."""
        first, same, other = (Cut(seed, fold).rows_of(y, 20) for seed in (7, 7, 8))
        assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
        assert not np.array_equal(first[1], other[1])

    @pytest.mark.parametrize("fold", [None, 0, 3])
    @pytest.mark.parametrize("rows", [10, 40, 80])
    def test_fewer_rows(self, fold: int | None, rows: int) -> None:
        """Else a range test or a timing of a large table takes as long as a whole epoch."""
        train, validation = Cut(7, fold).rows_of(IMBALANCED, 20)
        fewer, scored = Cut(7, fold, rows).rows_of(IMBALANCED, 20)
        assert len(fewer) == rows
        assert len(scored) == max(2, round(len(validation) * rows / len(train)))
        assert {*fewer} <= {*train} and {*scored} <= {*validation}
        assert len({*fewer}) == rows and len({*scored}) == len(scored)
        # As many as there are is all of them.
        whole = Cut(7, fold, 103).rows_of(IMBALANCED, 20)
        assert np.array_equal(whole[0], train) and np.array_equal(whole[1], validation)


class TestSplit:
    @pytest.mark.parametrize("source", BUNDLED)
    def test_every_row_is_in_one_part(self, source: str) -> None:
        dataset = load(source, HERE, seed=3)
        parts = [dataset.train, dataset.validation, dataset.test]
        rows = np.concatenate([np.c_[part.x, part.y.reshape(len(part), -1)] for part in parts])
        whole = getattr(datasets, f"load_{source}")()
        assert len(rows) == len(whole.target)
        expected = whole.data.astype(np.float32).sum(dtype=np.float64)
        assert rows[:, : dataset.facts.n_inputs].sum() == pytest.approx(
            expected, rel=1e-6, abs=1e-5
        )

    def test_is_stratified(self) -> None:
        rare = table(200, y=np.r_[np.zeros(180, int), np.ones(20, int)])
        dataset = split(rare, validation=0.25, test=0.2, seed=1)
        assert [
            int(part.y.sum()) for part in (dataset.train, dataset.validation, dataset.test)
        ] == [
            12,
            4,
            4,
        ]

    @pytest.mark.parametrize("source", ["wine", "diabetes"])
    def test_is_cut_anew_without_the_test_part(self, source: str) -> None:
        dataset = load(source, HERE)
        first, same, other = (dataset.cut_anew(Cut(seed)) for seed in (1, 1, 2))
        assert np.array_equal(first.validation.x, same.validation.x)
        assert not np.array_equal(first.validation.x, other.validation.x)
        for cut in (first, other):
            assert cut.test is dataset.test
            assert cut.facts == dataset.facts
            ours, theirs = (
                np.sort(np.concatenate([each.train.x, each.validation.x]), axis=0)
                for each in (cut, dataset)
            )
            assert np.array_equal(ours, theirs)
            assert np.allclose(cut.standardization.input_mean, cut.train.x.mean(0), rtol=1e-5)
        if source == "wine":
            shares = [np.bincount(cut.validation.y) for cut in (dataset, first, other)]
            assert all(np.abs(share - shares[0]).max() <= 1 for share in shares)

    def test_folds_keep_the_test_part(self) -> None:
        """Else a trial over folds is scored on rows that no one may see before its end."""
        dataset = load("wine", HERE)
        whole = len(dataset.train) + len(dataset.validation)
        for fold in range(5):
            found = dataset.cut_anew(Cut(3, fold))
            assert found.test is dataset.test
            assert len(found.train) + len(found.validation) == whole
            assert abs(len(found.validation) - len(dataset.validation)) <= 1

    def test_follows_from_the_seed(self) -> None:
        first, same, other = (split(table(), seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first.train.x, same.train.x)
        assert not np.array_equal(first.train.x, other.train.x)
        assert first.fingerprint == same.fingerprint == other.fingerprint

    def test_statistics_are_of_training_rows_only(self) -> None:
        dataset = split(table(), seed=0, quartiles=False)
        assert dataset.standardization.input_limit is None
        assert dataset.standardization.input_mean == pytest.approx(
            dataset.train.x.mean(0), abs=1e-6
        )
        assert dataset.standardization.input_scale == pytest.approx(
            dataset.train.x.std(0), rel=1e-5
        )

    def test_a_constant_column_keeps_its_scale(self) -> None:
        rows = table()
        rows.x[:, 1] = 7.1
        assert split(rows, quartiles=False).standardization.input_scale[1] == 1

    def test_numbers_with_outliers_are_scaled_as_those_of_tables(self) -> None:
        """Else one value far away makes all others of an array alike; without any, nothing does."""
        calm, rows = table(), table()
        assert split(calm).standardization.input_limit is None
        train = split(calm).train.x
        rows.x[np.flatnonzero(np.isclose(rows.x, train[0]).all(1))[0], 1] = 1e4
        frame = pd.DataFrame(rows.x).assign(y=rows.y)
        frame.columns = [str(column) for column in frame.columns]
        theirs = split(table_of(frame, "t", Wanted(label=("y",)))).standardization
        ours, before = split(rows).standardization, split(calm).standardization
        assert ours.input_limit is not None and theirs.input_limit is not None
        assert ours.input_limit[1] == theirs.input_limit[1] == 3
        assert ours.input_scale[1] == theirs.input_scale[1] < 10
        others = np.arange(len(ours.input_scale)) != 1
        assert np.all(np.isinf(ours.input_limit[others]))
        assert np.array_equal(ours.input_scale[others], before.input_scale[others])

    def test_arrays_are_the_data_that_they_were(self) -> None:
        """Else a study that an earlier version made is refused: of other data, it is told."""
        x = (np.arange(1200).reshape(600, 2) % 17).astype(np.float32)
        found = split(Table("t", x, np.arange(600) % 2), quartiles=False)
        assert found.fingerprint == "3f8f80cc4024d138"

    def test_pixels_share_one_scale_and_stay_bytes(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8)
        dataset = split(table(50, x=images))
        assert dataset.train.x.dtype == np.uint8
        assert dataset.train.x.shape == (32, 16)
        assert len(set(dataset.standardization.input_scale)) == 1

    def test_targets_of_a_regression_are_standardized(self) -> None:
        dataset = split(table(y=np.linspace(0, 500, 100)))
        assert dataset.task == "regression"
        assert dataset.classes == ()
        assert dataset.standardization.target_scale == pytest.approx(dataset.train.y.std(0))

    def test_own_test_part_is_kept(self) -> None:
        own = table(x_test=np.ones((7, 3)), y_test=np.zeros(7, int))
        dataset = split(own)
        assert len(dataset.test) == 7
        assert len(dataset.train) + len(dataset.validation) == 100

    def test_classes_by_name(self) -> None:
        dataset = split(table(y=np.array(["dog", "cat"] * 50)))
        assert dataset.classes == ("cat", "dog")
        assert set(dataset.train.y) == {0, 1}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"y": np.zeros(100, int)}, "y has one class only, 0"),
            ({"y": np.r_[np.zeros(98, int), 1, 1]}, r"class 1 of y has 2 row\(s\)"),
            ({"y": np.arange(99)}, "x has 100 rows, y has 99"),
            ({"x": np.zeros(100)}, "x must have rows and columns"),
            ({"x": np.full((100, 3), "a")}, "x must hold numbers"),
            ({"x": np.zeros((100, 0))}, "x is empty"),
            ({"y": np.array([None, "a"] * 50, object)}, "y has no value in row 0"),
            ({"y": np.array([pd.NA, "a"] * 50, object)}, "y has no value in row 0"),
            ({"y": np.r_[np.linspace(0, 1, 99), np.inf]}, "y has inf in row 99, column 0;"),
            ({"y": np.array(3)}, "y must have rows, got a single value"),
            (
                {"x_test": np.zeros((5, 2)), "y_test": np.zeros(5, int)},
                r"rows of x_test have the shape \(2,\), expected \(3,\)",
            ),
            (
                {"x_test": np.zeros((5, 3)), "y_test": np.full(5, 7)},
                "y_test has class 7 in row 0, y has not",
            ),
        ],
    )
    def test_refuses(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            split(table(**changes))

    def test_a_class_has_a_row_for_each_part(self) -> None:
        """Else rows are refused for want of a test row that no one asked for."""
        few = table(y=np.r_[np.zeros(98, int), 1, 1])
        assert split(few, test=0).classes == ("0", "1")
        own: dict[str, Any] = {"x_test": np.ones((2, 3)), "y_test": np.array([0, 1])}
        assert split(table(y=few.y, **own), test=0).classes == ("0", "1")
        with pytest.raises(DataError, match="has 2 row.* at least 3: .* and one to test on"):
            split(few)
        for more in (dict[str, Any](), own):
            with pytest.raises(DataError, match="has 1 row.* at least 2: .* one to validate .for"):
                split(table(y=np.r_[np.zeros(99, int), 1], **more), test=0)

    def test_names_row_and_column_of_a_missing_input(self) -> None:
        rows = table(columns=("a", "b", "c"))
        rows.x[4, 2] = np.nan
        rows.x[9, 0] = np.inf
        with pytest.raises(DataError, match=r"x has nan in row 4, column 'c' \(2 such values"):
            split(rows)


class TestArrays:
    def write(self, folder: Path, **arrays: Any) -> Path:
        np.savez(folder / "rows.npz", **arrays)
        return folder

    def test_x_and_y(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path, x=np.eye(40, 5), y=np.arange(40) % 4)
        assert load("rows.npz", folder).facts.n_outputs == 4

    def test_named_parts(self, tmp_path: Path) -> None:
        names = ("x_train", "y_train", "x_test", "y_test")
        arrays = dict(zip(names, (np.eye(40, 5), np.arange(40) % 4) * 2, strict=True))
        assert len(load("rows.npz", self.write(tmp_path, **arrays)).test) == 40

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": np.eye(3)}, r"array 'y' is missing \(there are: x\)"),
            ({"x_train": np.eye(3), "y": np.eye(3)}, "array 'y_train' is missing"),
            ({"x": np.eye(3), "y": np.arange(3), "x_test": np.eye(3)}, "array 'y_test' is missing"),
            ({"x": np.eye(3), "y": np.array([{}] * 3)}, "array 'y' holds Python objects"),
        ],
    )
    def test_refuses(self, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            load("rows.npz", self.write(tmp_path, **arrays))

    def test_float_labels_that_are_whole_are_those_classes(self) -> None:
        whole = table(y=np.arange(100) % 2.0, x_test=np.ones((2, 3)), y_test=np.array([0, 1]))
        assert split(whole, task="classification").classes == ("0", "1")

    def test_a_damaged_member(self, tmp_path: Path) -> None:
        np.savez_compressed(
            tmp_path / "rows.npz", x=np.arange(4000).reshape(40, 100), y=np.arange(40)
        )
        raw = bytearray((tmp_path / "rows.npz").read_bytes())
        raw[200:300] = bytes(100)
        (tmp_path / "rows.npz").write_bytes(raw)
        with pytest.raises(DataError, match="not an .npz file"):
            load("rows.npz", tmp_path)
        np.save(tmp_path / "rows.npy", np.eye(3))
        (tmp_path / "rows.npy").rename(tmp_path / "rows.npz")
        with pytest.raises(DataError, match="not an .npz file"):
            load("rows.npz", tmp_path)

    def test_not_a_file_of_arrays(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file"):
            load("rows.npz", tmp_path)
        (tmp_path / "rows.npz").write_bytes(b"not a zip file")
        with pytest.raises(DataError, match="not an .npz file"):
            load("rows.npz", tmp_path)
        (tmp_path / "rows.npz").write_bytes(pickle.dumps([1]))
        with pytest.raises(DataError, match="not an .npz file"):
            load("rows.npz", tmp_path)


def test_unknown_source() -> None:
    with pytest.raises(DataError, match="unknown source 'digit': expected one of mnist, digits"):
        load("digit", HERE)


class TestMNIST:
    def test_is_byte_for_byte_the_original(self) -> None:
        rows = data.read("mnist", HERE)
        assert rows.x.shape == (60_000, 28, 28)
        for name, array in (("x_train", rows.x), ("y_test", rows.y_test)):
            assert array is not None
            assert hashlib.md5(as_idx(array)).hexdigest() == CHECKSUMS[name]

    @pytest.mark.process
    def test_a_damaged_cache_is_replaced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = paths.cache() / "mnist.npz"
        data.read("mnist", HERE)
        assert good.exists()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        (tmp_path / "tuner").mkdir()
        with np.load(good) as arrays:
            changed = {name: arrays[name].copy() for name in arrays.files}
        changed["x_train"][0, 0, 0] += 1
        np.savez(tmp_path / "tuner" / "mnist.npz", **changed)
        data.read("mnist", HERE)
        with np.load(tmp_path / "tuner" / "mnist.npz") as arrays:
            assert arrays["x_train"][0, 0, 0] == changed["x_train"][0, 0, 0] - 1

    @pytest.mark.process
    def test_out_of_reach(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        for proxy in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(proxy, "http://127.0.0.1:9")
        with pytest.raises(DataError, match="mnist cannot be had: .*openml.*pip cannot download"):
            data.read("mnist", HERE)

    def test_a_pickle_that_calls_something_is_refused(self) -> None:
        class Evil:
            def __reduce__(self) -> Any:
                return len, ("called",)

        import io

        with pytest.raises(pickle.UnpicklingError, match=r"builtins.len is not allowed"):
            _ArrayUnpickler(io.BytesIO(pickle.dumps(Evil()))).load()


class TestOpenML:
    """The real reader, on the cache that it keeps: the answers of the server as files."""

    @pytest.fixture
    def cached(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

        def keep(arff: str, target: str | None) -> None:
            api = tmp_path / "tuner" / "openml" / "openml.org" / "api" / "v1" / "json" / "data"
            lines = [line.split() for line in arff.splitlines() if line.startswith("@attribute")]
            features = [
                {
                    "index": str(index),
                    "name": name,
                    "data_type": "nominal" if kind.startswith("{") else "numeric",
                    "is_target": str(name == target).lower(),
                    "is_ignore": "false",
                    "is_row_identifier": "false",
                    "number_of_missing_values": "0",
                }
                for index, (_, name, kind) in enumerate(lines)
            ]
            found = {"dataset": [{"did": 1, "name": "toy", "version": 1, "status": "active"}]}
            described = {
                "id": "1", "name": "toy", "version": "1", "status": "active", "format": "ARFF",
                "description": "a toy",
                "url": "https://www.openml.org/data/v1/download/1/toy.arff", "file_id": "1",
                "md5_checksum": hashlib.md5(arff.encode()).hexdigest(),
            }  # fmt: skip
            if target:
                described["default_target_attribute"] = target
            answers = {
                "list/data_name/toy/limit/2/status/active/": {"data": found},
                "1": {"data_set_description": described},
                "features/1": {"data_features": {"feature": features}},
                "qualities/1": {"data_qualities": {"quality": []}},
            }
            for name, answer in answers.items():
                path = api / f"{name}.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(gzip.compress(json.dumps(answer).encode()))
            raw = api.parents[3] / "data" / "v1" / "download" / "1" / "toy.arff.gz"
            raw.parent.mkdir(parents=True)
            raw.write_bytes(gzip.compress(arff.encode()))

        return keep

    def test_categories_become_columns(self, cached: Any) -> None:
        rows = "".join(f"{i},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}\n" for i in range(30))
        cached(
            "@relation toy\n@attribute size numeric\n@attribute kind {a,b}\n"
            f"@attribute good {{yes,no}}\n@data\n{rows}",
            "good",
        )
        dataset = load("openml:toy", HERE)
        assert dataset.task == "classification"
        assert dataset.classes == ("no", "yes")
        assert dataset.facts.n_inputs == 3

    def test_numbers_are_a_regression(self, cached: Any) -> None:
        rows = "".join(f"{i},{i / 2}\n" for i in range(30))
        cached(f"@relation toy\n@attribute a numeric\n@attribute b numeric\n@data\n{rows}", "b")
        assert load("openml:toy", HERE).task == "regression"

    def test_out_of_reach(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        for proxy in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(proxy, "http://127.0.0.1:9")
        with pytest.raises(DataError, match="openml:toy: cannot be fetched"):
            load("openml:toy", HERE)


class TestBatches:
    def test_an_epoch_has_every_row_once(self) -> None:
        x = torch.arange(10)[:, None]
        batches = TensorBatches(x, x, 4, seed=0)
        seen = [batch[0].flatten().tolist() for batch in batches]
        assert [len(batch) for batch in seen] == [4, 4, 2] == [4] * (len(batches) - 1) + [2]
        assert sorted(functools.reduce(operator.iadd, seen, [])) == list(range(10))

    def test_order_follows_from_seed_and_epoch(self) -> None:
        x = torch.arange(50)[:, None]
        first, again = TensorBatches(x, x, 50, seed=3), TensorBatches(x, x, 50, seed=3)
        epochs = [next(iter(first))[0] for _ in range(2)]
        assert not torch.equal(*epochs)
        assert torch.equal(epochs[0], next(iter(again))[0])
        assert torch.equal(epochs[0].flatten(), shuffled(50, 3, 0))

    def test_a_last_training_batch_of_one_row_is_left_out(self) -> None:
        x = torch.arange(9)[:, None]
        assert [len(b[0]) for b in TensorBatches(x, x, 4, seed=0)] == [4, 4]
        assert [len(b[0]) for b in TensorBatches(x, x, 4)] == [4, 4, 1]
        assert [len(b[0]) for b in TensorBatches(x[:1], x[:1], 4, seed=0)] == [1]

    def test_module_without_a_trainer(self) -> None:
        dataset = load("wine", HERE)
        rows = RowsDataModule(dataset, 16, seed=0)
        assert sum(len(y) for _, y in rows.val_dataloader()) == len(dataset.validation)
        assert sum(len(y) for _, y in rows.test_dataloader()) == len(dataset.test)
