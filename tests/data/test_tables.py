"""Tables as people have them: what is read, what columns are taken for, and what is refused."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import RobustScaler

from tuner.data import Cut, Dataset, Encoding, Part, Wanted, read_frame, split, table_of
from tuner.data import kinds as guessing
from tuner.data.columns import Categories, Dates, Embedded, Numbers
from tuner.data.kinds import MOST_VALUES, kinds_of
from tuner.data.tabular import read_table
from tuner.errors import DataError
from tuner.network.config import MLPConfig
from tuner.network.perceptron import Perceptron, smoothly_clipped

WANTED = Wanted(label=("y",))
Text = Callable[..., Path]


@pytest.fixture
def text(tmp_path: Path) -> Text:
    def write(content: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class TestFiles:
    @pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz", "rows.CSV"])
    @pytest.mark.parametrize("between", [",", ";", "\t", "|"])
    def test_what_separates_values_is_seen(self, name: str, between: str, text: Text) -> None:
        content = between.join("ab") + "\n1" + between + "x y\n2" + between + "z\n"
        packed = gzip.compress(content.encode()) if name.endswith("gz") else content
        frame = read_frame(text(packed, name))
        assert list(frame.columns) == ["a", "b"]
        assert list(frame["b"]) == ["x y", "z"]

    @pytest.mark.parametrize("kind", ["parquet", "feather"])
    def test_tables_of_arrow(self, kind: str, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]})
        path = tmp_path / f"rows.{kind}"
        getattr(frame, f"to_{kind}")(path)
        pd.testing.assert_frame_equal(read_frame(path), frame)
        path.write_bytes(b"no")
        with pytest.raises(DataError, match="rows.* cannot be read"):
            read_frame(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "rows.csv: is empty"),
            ("a,b\n", "rows.csv: has no rows"),
            ("a,a\n1,2\n", "two columns are called 'a', number 1 and number 2"),
            ("a,b\n1,2,3\n", "line 2 has 3 values, the first line names 2"),
            ("a,b\n1,2\n1,2,3\n", "line 3 has 3 values, the first line names 2"),
            ("a,b,c\n1,2,3\n1,2\n", "line 3 has 2 values, the first line names 3"),
            ("a,b\n1\n", "line 2 has 1 values, the first line names 2"),
            (b"a,b\n\xe9,2\n", 'is not utf-8 text .*encoding = "latin-1"'),
            (b"\x00\x01\x02", "is no table of text"),
        ],
    )
    def test_what_is_no_table_is_refused(
        self, content: str | bytes, message: str, text: Text
    ) -> None:
        """Else pandas mends it in silence, and rows mean something else."""
        with pytest.raises(DataError, match=message):
            read_frame(text(content))

    def test_options_of_the_reader(self, text: Text) -> None:
        path = text("a;b\n1,5;é\n2,5;x\n".encode("latin-1"))
        frame = read_frame(path, {"decimal": ",", "encoding": "latin-1"})
        assert list(frame["a"]) == [1.5, 2.5]
        with pytest.raises(DataError, match="pandas takes no such option"):
            read_frame(path, {"decimals": ",", "encoding": "latin-1"})
        with pytest.raises(DataError, match="is not klingon text"):
            read_frame(path, {"encoding": "klingon"})

    @pytest.mark.parametrize(
        ("content", "options", "last"),
        [
            ("# of 2024; of shops\n\na,b\n1,x # as told, twice\n2,y\n", {"comment": "#"}, "y"),
            ("#a,b,c\na;b\n1;x\n2;y\n", {"comment": "#"}, "y"),
            ("\n \na,b\n1,x\n2,y\n", {}, "y"),
            ("a,b\n1,'x,y'\n2,'y,z'\n", {"quotechar": "'"}, "y,z"),
            ("a,b\n1,x\\,y\n2,y\\,z\n", {"escapechar": "\\"}, "y,z"),
            ('a, b\n1, "x, y"\n2, "y, z"\n', {"skipinitialspace": True}, "y, z"),
            ('a,b\n1,"x\n2,"y\n', {"quoting": 3}, '"y'),
        ],
    )
    def test_lines_that_pandas_takes_otherwise(
        self, content: str, options: dict[str, Any], last: str, text: Text
    ) -> None:
        """Else a file that pandas reads as its study says is refused."""
        frame = read_frame(text(content), options)
        assert list(frame.columns) == ["a", "b"]
        assert list(frame["a"]) == [1, 2] and frame["b"].iloc[1] == last

    def test_a_gap_below_a_blank_line(self, text: Text) -> None:
        """Else the blank line is told as one of too few values."""
        frame = read_frame(text("\n \na,b\n1,x\n2,\n"))
        assert list(frame.columns) == ["a", "b"] and frame["b"].isna().tolist() == [False, True]

    def test_blank_lines_before_a_single_name(self, text: Text) -> None:
        """Else its name is a row, or a gap below it is none."""
        frame = read_frame(text("\n# of 2024\na\n1\n\n3\n"), {"comment": "#"})
        assert list(frame.columns) == ["a"] and len(frame) == 3

    @pytest.mark.parametrize("option", [{"quotechar": "ab"}, {"comment": 3}, {"quoting": "x"}])
    def test_options_of_another_kind(self, option: dict[str, Any], text: Text) -> None:
        with pytest.raises(DataError, match="rows.csv: "):
            read_frame(text("a,b\n1,2\n"), option)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"rows.csv: no such file"):
            read_frame(tmp_path / "rows.csv")


def kinds(**columns: Any) -> dict[str, Any]:
    found = kinds_of(pd.DataFrame(columns), "t", (), ())
    return {column.name: column for column in found.columns}


def many(*values: object) -> list[object]:
    return list(values) * (60 // len(values))


class TestKinds:
    def test_each_kind(self) -> None:
        found = kinds(
            number=many(1, 2.5, None),
            texts=many("1", "2.5", "3"),
            switch=many(True, False),
            word=many("a", "b", None),
            day=many("2024-01-31", "2023-12-01"),
            german=many("31.01.2024", "01.12.2023"),
            hour=many("2024-01-31 10:00", "2023-12-01 11:30"),
            stamp=many(pd.Timestamp(0), pd.Timestamp(10**18)),
        )
        expected: dict[str, type] = {
            **dict.fromkeys(("number", "texts"), Numbers),
            **dict.fromkeys(("switch", "word"), Categories),
            **dict.fromkeys(("day", "german", "hour", "stamp"), Dates),
        }
        assert {name: type(column) for name, column in found.items()} == expected
        assert {name for name, column in found.items() if column.has_gaps} == {"number", "word"}
        assert [found[name].has_times for name in ("day", "german", "hour")] == [False, False, True]
        assert found["german"].format == "%d.%m.%Y"

    def test_what_teaches_nothing_is_left_out(self) -> None:
        frame = pd.DataFrame(
            {
                "name": [f"n{i}" for i in range(60)],
                "same": 1,
                "none": [None] * 60,
                "x": range(60),
            }
        )
        found = kinds_of(frame, "t", (), ())
        assert [column.name for column in found.columns] == ["x"]
        told = "; ".join(found.remarks)
        for words in ("'name' is left out: text with", "'same' is left out: the same", "'none' is"):
            assert words in told
        with pytest.raises(DataError, match="no column is left"):
            kinds_of(frame[["name"]], "t", (), ())

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([*map(str, range(40)), "n.a. "], "has 'n.a. ' in row 40, where nearly all others"),
            (["1,5", "2,25"] * 30, "has '1,5' in row 0; .*decimal = \",\""),
            (["1,500", "12,250"] * 30, "has '1,500' in row 0; .*thousands"),
        ],
    )
    def test_numbers_that_are_none_are_refused(self, values: list[str], message: str) -> None:
        """Else a column of numbers becomes as many categories."""
        with pytest.raises(DataError, match="t: column 'x' " + message):
            kinds(x=values)

    def test_what_is_told_overrules(self) -> None:
        frame = pd.DataFrame({"zip": [10115, 1067] * 30, "code": ["7", "8"] * 30})
        found = kinds_of(frame, "t", ("zip",), ("code",))
        assert [type(column) for column in found.columns] == [Categories, Numbers]
        assert found.columns[0].values == ("10115", "1067")
        with pytest.raises(DataError, match="column 'code' has 'x' in row 3, expected numbers"):
            kinds_of(pd.DataFrame({"code": ["7", "8", None, "x"]}), "t", (), ("code",))

    def test_the_most_frequent_values_have_an_input(self) -> None:
        rare = [f"v{i:04d}" for i in range(500)]
        (column,) = kinds(x=[*rare, *(["a"] * 300), *(["b"] * 300), *rare[:70]]).values()
        assert len(column.values) == MOST_VALUES
        assert {"a", "b", "v0000"} <= set(column.values)


def encoded(frame: pd.DataFrame, **wanted: Any) -> tuple[Encoding, np.ndarray[Any, Any]]:
    table = table_of(frame, "t", Wanted(label=("y",), **wanted))
    assert table.encoding is not None
    return table.encoding, table.x


class TestEncoding:
    def test_each_kind(self) -> None:
        frame = pd.DataFrame(
            {
                "number": [1.0, None, 3.0],
                "word": ["b", None, "a"],
                "day": ["2024-01-01", "2024-07-01", "2023-01-01"],
                "y": [0, 1, 0],
            }
        )
        encoding, x = encoded(frame)
        assert encoding.inputs[:5] == (
            *("number", "number is missing", "word = a", "word = b", "word is missing"),
        )
        expected = [[1, 0, 0, 1, 0], [np.nan, 1, 0, 0, 1], [3, 0, 1, 0, 0]]
        assert np.array_equal(x[:, :5], expected, equal_nan=True)
        days = x[:, 5]
        assert (days[1] - days[0], days[2] - days[0]) == (182, -365)
        assert x[:, 6:].max() <= 1 and len(encoding.inputs) == x.shape[1] == 10

    def test_it_survives_json(self) -> None:
        frame = pd.DataFrame({"x": [1, 2, 3], "w": ["a", "b", "a"], "y": [0, 1, 0]})
        encoding, x = encoded(frame, read={"decimal": ","})
        again = Encoding.model_validate_json(encoding.model_dump_json())
        assert again == encoding
        assert np.array_equal(again.encode(frame[["w", "x"]], "t").x, x)

    def test_what_is_new_is_told(self) -> None:
        frame = pd.DataFrame({"x": [1, 2, 3], "w": ["a", "b", "a"], "y": [0, 1, 0]})
        encoding, _ = encoded(frame)
        new = pd.DataFrame({"w": ["c", None, "b", "d"], "x": [None, 2, 3, 4]})
        found = encoding.encode(new, "new")
        assert found.unknown == {"w": 2}
        assert np.array_equal(found.x[:, 1:], [[0, 0], [0, 0], [0, 1], [0, 0]])
        with pytest.raises(DataError, match="new: column 'x' is missing; there are w"):
            encoding.encode(new[["w"]], "new")
        with pytest.raises(DataError, match="new: column 'x' has 'q' in row 1, expected numbers"):
            encoding.encode(new.assign(x=[1, "q", 2, 3]), "new")

    def test_numbers_that_float32_cannot_tell_apart(self) -> None:
        """Such as identifiers and times in seconds: else a whole column is one number."""
        values = 1.7e18 + np.arange(60.0) * 1e6
        _, x = encoded(pd.DataFrame({"x": values, "y": [0, 1] * 30}))
        assert len(np.unique(x)) == 60

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"y": [0, None, 1] * 20}, "t: column 'y' has no value in row 1 .20 such"),
            ({"y": ["1", "2", "x"] * 20, "x": np.inf}, "column 'x' has inf in row 0"),
            ({"z": 1}, None),
        ],
    )
    def test_bad_rows(self, change: dict[str, Any], message: str | None) -> None:
        frame = pd.DataFrame({"x": range(60), "y": [0, 1] * 30}).assign(**change)
        if message is None:
            assert encoded(frame)[0].inputs == ("x",)
            return
        with pytest.raises(DataError, match=message):
            encoded(frame)

    def test_names_that_are_not_there(self) -> None:
        frame = pd.DataFrame({"age": range(60), "churned": [0, 1] * 30})
        with pytest.raises(DataError, match="'churnd' is missing; did you mean 'churned'"):
            table_of(frame, "t", Wanted(label=("churnd",)))
        with pytest.raises(DataError, match="'agee' is missing; did you mean 'age'"):
            table_of(frame, "t", Wanted(label=("churned",), drop=("agee",)))

    def test_a_column_that_is_the_label_again(self) -> None:
        frame = pd.DataFrame({"x": range(60), "again": [0.0, 1] * 30, "y": [0, 1] * 30})
        table = table_of(frame, "t", WANTED)
        assert table.columns == ("x",)
        assert "column 'again' is left out: it is 'y' again" in table.remarks[0]

    def test_test_rows_of_another_file(self, text: Text, tmp_path: Path) -> None:
        text("x,w,y\n" + "1,a,0\n2,b,1\n3,a,0\n" * 20)
        text("y,w,x\n1,c,5\n0,a,\n", "test.csv")
        table = read_table("rows.csv", tmp_path, Wanted(("y",), test_source="test.csv"))
        assert np.array_equal(table.x_test, [[5, 0, 0], [np.nan, 1, 0]], equal_nan=True)
        text("w,x\na,1\n", "test.csv")
        with pytest.raises(DataError, match="test.csv: column 'y' is missing"):
            read_table("rows.csv", tmp_path, Wanted(("y",), test_source="test.csv"))


class TestFilesAlike:
    """A new file means what the first one meant, however pandas reads its columns."""

    @pytest.mark.parametrize("written", [("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
    def test_switches_with_gaps(self, written: tuple[str, str], text: Text, tmp_path: Path) -> None:
        lines = [
            f"{value},{y}" for value, y in zip([*written, ""] * 20, [0, 1, 1] * 20, strict=True)
        ]
        text("flag,y\n" + "\n".join(lines))
        table = read_table("rows.csv", tmp_path, WANTED)
        assert table.encoding is not None
        for rest in (lines, [line for line in lines if line[0] != ","]):
            path = text("flag,y\n" + "\n".join(rest), "new.csv")
            frame = read_frame(path, {}, table.encoding.as_text)
            assert not table.encoding.encode(frame, "new").unknown

    @pytest.mark.parametrize("written", [("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
    def test_switches_beside_another_word(
        self, written: tuple[str, str], text: Text, tmp_path: Path
    ) -> None:
        """Else one odd value of a new file has all its rows predicted as if theirs were new."""
        lines = [f"{value},{y}" for value, y in zip([*written] * 30, [0, 1, 1] * 20, strict=True)]
        text("flag,y\n" + "\n".join(lines))
        table = read_table("rows.csv", tmp_path, WANTED)
        assert table.encoding is not None
        path = text("flag,y\n" + "\n".join([*lines, "unknown,0"]), "new.csv")
        found = table.encoding.encode(read_frame(path, {}, table.encoding.as_text), "new")
        assert found.unknown == {"flag": 1}
        assert np.array_equal(found.x[:-1], table.x)

    def test_text_that_could_be_numbers(self, text: Text, tmp_path: Path) -> None:
        text("c,y\n" + "01,no\n02,yes\nA3,no\n" * 20)
        text("c,y\n01,no\n02,yes\n", "test.csv")
        table = read_table("rows.csv", tmp_path, Wanted(("y",), test_source="test.csv"))
        assert np.array_equal(table.x_test, [[1, 0, 0], [0, 1, 0]])
        text("c,y\n07,no\n", "test.csv")
        table = read_table("rows.csv", tmp_path, Wanted(("y",), test_source="test.csv"))
        assert "test.csv: column 'c' has values in 1 rows" in table.remarks[-1]

    def test_classes_that_could_be_numbers(self, text: Text, tmp_path: Path) -> None:
        text("x,y\n" + "1,01\n2,02\n3,A\n" * 20)
        text("x,y\n1,01\n2,02\n", "test.csv")
        table = read_table("rows.csv", tmp_path, Wanted(("y",), test_source="test.csv"))
        assert table.y_test is not None
        assert list(table.y_test) == ["01", "02"]

    def test_the_index_that_pandas_writes(self, text: Text, tmp_path: Path) -> None:
        """Of rows that are sorted by class it tells the class."""
        frame = pd.DataFrame({"a": np.arange(60) % 7, "y": np.arange(60) // 30})
        frame.to_csv(tmp_path / "rows.csv")
        table = read_table("rows.csv", tmp_path, WANTED)
        assert table.columns == ("a",)
        assert "'Unnamed: 0' is left out: no name, and the number of the row" in table.remarks[0]

    def test_a_column_that_counts_rows_is_told(self) -> None:
        frame = pd.DataFrame({"id": range(1, 61), "a": [3, 1, 2] * 20})
        assert "column 'id' counts the rows" in kinds_of(frame, "t", (), ()).remarks[0]

    def test_a_mark_at_the_begin(self, text: Text) -> None:
        frame = read_frame(text('\ufeff"a,1",y\n1,2\n'))
        assert list(frame.columns) == ["a,1", "y"]

    def test_blank_lines_of_a_single_column(self, text: Text) -> None:
        assert len(read_frame(text("a\n1\n\n3\n"))) == 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"dtype": "str"}, "read.dtype must be a dict, got 'str'"),
            ({"encoding": 5}, "read.encoding must be a str, got 5"),
            ({"chunksize": 1}, "read.chunksize gives no table"),
        ],
    )
    def test_options_that_give_no_table(
        self, options: dict[str, Any], message: str, text: Text
    ) -> None:
        with pytest.raises(DataError, match=message):
            read_frame(text("a,b\n1,2\n"), options)

    def test_options_that_are_of_one_file_alone(self, text: Text, tmp_path: Path) -> None:
        """Else predictions are for the first rows only."""
        text("x;y\n" + "1,5;0\n2,5;1\n" * 30)
        wanted = Wanted(("y",), read={"decimal": ",", "nrows": 20})
        table = read_table("rows.csv", tmp_path, wanted)
        assert table.encoding is not None
        assert (len(table.x), table.encoding.read) == (20, {"decimal": ","})


def test_dates_far_away() -> None:
    """Such as those that stand for never."""
    frame = pd.DataFrame({"d": ["9999-12-31", "0001-01-01", "2024-01-01"] * 20, "y": [0, 1] * 30})
    x = encoded(frame)[1]
    assert np.isfinite(x).all()
    assert x[0, 0] - x[2, 0] == (date(9999, 12, 31) - date(2024, 1, 1)).days


def test_lists_are_told() -> None:
    frame = pd.DataFrame({"x": [[1], [2]] * 30, "z": range(60), "y": [0, 1] * 30})
    with pytest.raises(DataError, match="t: column 'x' holds lists or other objects"):
        encoded(frame)


def test_one_number_far_away_hides_no_other() -> None:
    """Such as a 0 among times in seconds, by which the others differ less than float32 tells."""
    values = 1.7e9 + np.arange(1000) * 3.6
    values[5] = 0
    _, x = encoded(pd.DataFrame({"t": values, "y": [0, 1] * 500}))
    assert len(np.unique(x)) == 1000


def test_whole_numbers_of_pandas_are_classes() -> None:
    y = pd.Series([0, 1, 2] * 20, dtype="Int64")
    table = table_of(pd.DataFrame({"x": range(60), "y": y}), "t", WANTED)
    assert table.y.dtype == np.int64


def test_a_category_of_many_values_is_embedded_where_networks_can() -> None:
    """Else zips and shops beyond the 64 most frequent are all one, or a table is far too wide."""
    generator = np.random.default_rng(0)
    often = np.array([f"z{number}" for number in generator.integers(0, 500, 4_000)])
    frame = pd.DataFrame(
        {
            "zip": np.where(np.arange(4_000) < 20, [f"rare {each}" for each in often], often),
            "few": [f"f{number}" for number in generator.integers(0, 64, 4_000)],
            "y": generator.choice(["no", "yes"], 4_000),
        }
    )
    frame.loc[[5, 6], "zip"] = None
    encoding = table_of(frame, "t", replace(WANTED, embeds=True)).encoding
    assert encoding is not None
    zips, few = encoding.columns
    counts = frame["zip"].value_counts()
    assert isinstance(zips, Embedded) and zips.has_gaps and isinstance(few, Categories)
    assert set(zips.values) == set(counts[counts >= 4].index)
    assert encoding.embedded == ((0, len(zips.values) + 1),)
    new = pd.DataFrame({"zip": ["z17", "no such", None], "few": "f1"})
    encoded = encoding.encode(new, "new")
    assert encoded.x[:, :2].tolist() == [[zips.values.index("z17") + 1, 0], [0, 0], [0, 1]]
    assert encoded.unknown == {"zip": 1}
    assert Encoding.model_validate_json(encoding.model_dump_json()) == encoding
    plain = table_of(frame, "t", WANTED).encoding
    assert plain is not None and not plain.embedded and len(plain.inputs) == 64 + 1 + 64


@pytest.mark.parametrize(("n_values", "known"), [(5, "40eec95041db4ab1"), (90, "48ea30499ae6fd1a")])
def test_tables_are_the_data_that_they_were(n_values: int, known: str) -> None:
    """Else a study that an earlier version made is refused: of other data, it is told."""
    row = np.arange(600)
    gap = [None if i % 7 == 0 else "ab"[i % 2] for i in row]
    frame = pd.DataFrame({"x": row * 0.5, "shop": [f"s{i % n_values}" for i in row], "gap": gap})
    table = table_of(frame.assign(y=["no", "yes"] * 300), "t", WANTED)
    assert split(table, quartiles=False).fingerprint == known


def test_a_large_table_has_fewer_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else twenty columns of categories and two million rows are ten gigabytes."""
    monkeypatch.setattr(guessing, "_MOST_NUMBERS", 60 * 2 * 20)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({name: generator.integers(0, 40, 60).astype(str) for name in "ab"})
    found = kinds_of(frame, "t", ("a", "b"), ())
    assert [len(column.inputs) for column in found.columns] == [16, 16]
    assert "at most 16 values of a category" in found.remarks[-1]


def mixed(n: int = 450, seed: int = 0, *, embeds: bool = False) -> Dataset:
    """Numbers with outliers and gaps, categories, some of them rare or many, and dates."""
    generator = np.random.default_rng(seed)
    x = generator.standard_t(2, n) * 10
    frame = pd.DataFrame(
        {
            "x": np.where(generator.random(n) < 0.1, np.nan, x),
            "w": generator.choice([*"abcdefgh"], n, p=[0.4, 0.3, 0.2, *[0.02] * 5]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 900, n), "D"),
            "y": generator.choice(["no", "yes"], n),
        }
    )
    if embeds:
        frame["zip"] = [f"z{number}" for number in generator.permutation(np.arange(n) % 70)]
        frame.insert(0, "shop", np.where(generator.random(n) < 0.1, None, "s" + frame["zip"]))
    return split(table_of(frame, "t", replace(WANTED, embeds=embeds)))


def test_numbers_are_what_has_three_values() -> None:
    """Also where only a late row shows it, and whatever is missing."""
    x = np.zeros((9_000, 4), np.float32)
    x[::2, :] = 1
    x[8_999, 1], x[5, 2], x[6, 2] = 0.5, np.nan, np.nan
    x[:, 3] = np.nan
    assert Part(x, np.zeros(len(x), np.int64)).numeric == (1,)
    x[::3, 0] = -1
    assert Part(x, np.zeros(len(x), np.int64)).numeric == (0, 1)


class TestStandardization:
    def test_numbers_are_scaled_as_by_scikit_learn(self) -> None:
        dataset = mixed()
        norm, x = dataset.standardization, dataset.train.x[:, :1]
        scaler = RobustScaler().fit(x)
        assert norm.input_mean[0] == pytest.approx(scaler.center_[0])
        assert norm.input_scale[0] == pytest.approx(scaler.scale_[0])

    def test_only_training_rows_have_a_say(self) -> None:
        """Else what is measured on validation rows is not what new rows will see."""
        dataset = mixed()
        changed = dataset.known.x.copy()
        changed[dataset.validation_rows] = 1e6
        dataset.__dict__.pop("standardization", None)
        before = dataset.standardization
        dataset.known.x[:] = changed
        dataset.__dict__.pop("standardization")
        for name in ("input_mean", "input_scale"):
            assert np.array_equal(getattr(before, name), getattr(dataset.standardization, name))

    def test_a_category_that_no_training_row_has_is_as_one_that_is_new(self) -> None:
        """Its weights are what they were at the start, and say nothing."""
        dataset = mixed()
        column = dataset.encoding.inputs.index("w = h") if dataset.encoding else 0
        rare = np.flatnonzero(dataset.known.x[:, column] == 1)
        assert len(rare)
        train = np.setdiff1d(np.arange(len(dataset.known)), rare)
        cut = Dataset(**{**dataset.__dict__, "train_rows": train, "validation_rows": rare})
        network = prepared(Perceptron(MLPConfig(), cut.facts.n_inputs, 2), cut).eval()
        rows = torch.from_numpy(cut.known.x[rare])
        without = rows.clone()
        without[:, column] = 0
        assert torch.equal(network(rows), network(without))
        assert network(rows).isfinite().all()

    def test_a_value_that_no_training_row_has_has_the_vector_of_a_new_one(self) -> None:
        """Else its vector is what it was at the start: noise that no row has had a say in."""
        dataset = mixed(embeds=True)
        assert dataset.encoding is not None
        (column, n_codes), *_ = dataset.encoding.embedded
        rows = dataset.known.x[:, column]
        rare = np.flatnonzero(rows == 5)
        assert len(rare) and rows.max() == n_codes - 1 and (rows == 0).any()
        train = np.setdiff1d(np.arange(len(rows)), rare)
        cut = Dataset(**{**dataset.__dict__, "train_rows": train, "validation_rows": rare})
        network = prepared(Perceptron(MLPConfig(), **sizes(cut)), cut).eval()
        raw = torch.from_numpy(cut.known.x[rare])
        unknown = raw.clone()
        unknown[:, column] = 0
        assert torch.equal(network(raw), network(unknown))
        unknown[:, column] = 6
        assert not torch.equal(network(raw), network(unknown))

    def test_numbers_of_categories_are_neither_scaled_nor_clipped(self) -> None:
        dataset = mixed(embeds=True)
        norm = dataset.standardization
        for index, n in dataset.facts.categories:
            assert n > 64 and (norm.input_mean[index], norm.input_scale[index]) == (0, 1)
            assert index not in (dataset.facts.numeric or ())
        network = prepared(Perceptron(MLPConfig(), **sizes(dataset)), dataset)
        assert network.input_limit is not None
        indexes = [index for index, _ in dataset.facts.categories]
        assert network.input_limit.isinf().nonzero().flatten().tolist() == indexes

    def test_inputs_tend_to_the_limit(self) -> None:
        rows = torch.tensor([[0.1, -1.0, 1e30, -torch.inf, torch.nan]])
        found = smoothly_clipped(rows, torch.tensor(3.0))[0]
        assert found[:2].tolist() == pytest.approx([0.1 / np.sqrt(1 + 0.1**2 / 9), -0.9486833])
        assert 2.99 < found[2] < 3 and -3 < found[3] < -2.99
        assert found[4] == 0


PARTS = ("input_mean", "input_scale", "target_mean", "target_scale")


def sizes(dataset: Dataset) -> dict[str, Any]:
    """What a network for these rows is made with, besides its config."""
    facts = dataset.facts
    return {
        **{name: getattr(facts, name) for name in ("n_inputs", "n_outputs", "task", "numeric")},
        "categories": facts.categories,
    }


def prepared(network: Perceptron, dataset: Dataset) -> Perceptron:
    """A network that knows of the rows what training tells it."""
    norm = dataset.standardization
    network.standardize(*(torch.from_numpy(getattr(norm, name)) for name in PARTS))
    if norm.input_limit is not None:
        network.limit(torch.from_numpy(norm.input_limit))
    if norm.codes is not None:
        network.know(torch.from_numpy(norm.codes))
    return network


def test_a_fresh_cut_is_standardized_anew() -> None:
    dataset = mixed()
    other = dataset.cut_anew(Cut(1))
    assert not np.array_equal(dataset.standardization.input_mean, other.standardization.input_mean)


def test_another_kind_of_column_is_other_data() -> None:
    """Else a study goes on with trials of other inputs."""
    frame = pd.DataFrame({"x": [1, 2, 3] * 20, "z": range(60), "y": [0, 1] * 30})
    one, other = (
        split(table_of(frame, "t", Wanted(label=("y",), categorical=each))) for each in ((), ("x",))
    )
    assert one.fingerprint != other.fingerprint


class TestWeights:
    def frame(self) -> pd.DataFrame:
        n = np.arange(60)
        return pd.DataFrame({"x": n % 7, "w": n + 1.0, "g": n // 3, "y": np.where(n % 2, "p", "q")})

    @pytest.mark.parametrize("more", [{}, {"group": "g"}, {"time": "g"}])
    def test_they_stay_with_their_rows(self, more: dict[str, str]) -> None:
        """Through the split, and through cuts anew."""
        frame = self.frame().assign(x=np.arange(60) + 0.5)
        dataset = split(table_of(frame, "t", Wanted(label=("y",), weight="w", **more)))
        for cut in (dataset, dataset.cut_anew(Cut(3))):
            for part in (cut.train, cut.validation, cut.test):
                assert part.weights is not None
                share = part.weights / (part.x[:, 0] + 0.5)  # x is the weight less a half
                assert np.allclose(share, share[0])
            assert cut.weights is not None
            assert cut.weights[cut.train_rows].mean() == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (-1.0, "column 'w' has -1 in row 3, expected weights from 0 up"),
            (np.nan, "column 'w' has no value in row 3"),
            (np.inf, "column 'w' has inf in row 3"),
        ],
    )
    def test_what_is_none(self, value: float, message: str) -> None:
        frame = self.frame()
        frame.loc[3, "w"] = value
        with pytest.raises(DataError, match=message):
            table_of(frame, "t", Wanted(label=("y",), weight="w"))

    def test_none_at_all(self) -> None:
        frame = self.frame().assign(w=0)
        with pytest.raises(DataError, match="'w' is 0 in every row: no row counts"):
            table_of(frame, "t", Wanted(label=("y",), weight="w"))
        with pytest.raises(DataError, match="'ww' is missing; did you mean 'w'"):
            table_of(frame, "t", Wanted(label=("y",), weight="ww"))

    def test_those_of_a_test_file(self) -> None:
        wanted = Wanted(label=("y",), weight="w")
        test = self.frame().assign(w=[0.0, 2.0] * 30)
        table = table_of(self.frame(), "t", wanted, lambda _: test, "u")
        assert table.test_weights is not None and list(table.test_weights) == [2.0] * 30
        assert "u: 30 rows of weight 0 are left out" in table.remarks
        dataset = split(table)
        assert dataset.test.weights is not None
        assert list(dataset.test.weights) == [1.0] * 30
