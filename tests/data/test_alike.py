"""New rows in files: each value gets to the column that it is of, or the file is refused."""

from pathlib import Path
from typing import Any

import pytest

from tuner.data import Encoding, Wanted, split
from tuner.data.alike import read_alike
from tuner.data.tabular import read_table
from tuner.errors import DataError

NAMES = ["age", "y", "city"]
LINES = [f"{20 + i % 37},{'yes' if i % 5 else 'no'},{'abc'[i % 3]}\n" for i in range(60)]


def learned(folder: Path, read: dict[str, Any], head: str = "") -> Encoding:
    """How the columns of a file became inputs, as it is kept with a network."""
    (folder / "rows.csv").write_text(head + "".join(LINES))
    encoding = read_table("rows.csv", folder, Wanted(("y",), read=read)).encoding
    assert encoding is not None
    return Encoding.model_validate_json(encoding.model_dump_json())


def new(folder: Path, content: str) -> Path:
    path = folder / "new.csv"
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("31,no,b\n32,yes,c\n", NAMES),
        ("31,b\n32,c\n", ["age", "city"]),
        ("age,y,city\n31,no,b\n32,no,c\n", NAMES),
        ("city,age\nb,31\nc,32\n", ["city", "age"]),
        ("id,age,shop,city,day\n1,31,7,b,5\n2,32,7,c,5\n", ["id", "age", "shop", "city", "day"]),
    ],
)
def test_rows_whose_names_the_study_says(content: str, columns: list[str], tmp_path: Path) -> None:
    """Else who tuned on a file without a line of names can predict for none that is like it."""
    encoding = learned(tmp_path, {"names": NAMES})
    frame = read_alike(new(tmp_path, content), encoding)
    assert list(frame.columns) == columns
    assert list(frame["age"]) == [31, 32] and list(frame["city"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("1,0,2,yes\n0,1,2,no\n", ["0", "1", "2", "3"]),
        ("1,0,1,no\n0,1,2,no\n", ["0", "1", "2", "3"]),
        ("1,0,2\n0,1,2\n", ["0", "1", "2"]),
        ("0,1,2\n1,0,2\n0,1,2\n", ["0", "1", "2"]),
    ],
)
def test_names_that_are_numbers(content: str, columns: list[str], tmp_path: Path) -> None:
    """Else a row of values is taken for the names, and the columns are exchanged."""
    lines = [f"{i % 2},{i % 3},{i % 5},{i % 7}\n" for i in range(60)]
    (tmp_path / "rows.csv").write_text("".join(lines))
    wanted = Wanted(("3",), read={"names": ["0", "1", "2", "3"]})
    encoding = read_table("rows.csv", tmp_path, wanted).encoding
    assert encoding is not None

    frame = read_alike(new(tmp_path, content), encoding)
    assert list(frame.columns) == columns
    assert list(frame["0"]) == [1, 0] and list(frame["1"]) == [0, 1]


@pytest.mark.parametrize(
    ("read", "head"),
    [
        ({"skiprows": 2}, "Rows of 2024\nby shop\nage,y,city\n"),
        ({"header": 1}, "Rows of 2024\nage,y,city\n"),
        ({"names": NAMES, "header": 0}, "Alter,Wahl,Stadt\n"),
        ({"names": NAMES, "skiprows": 1}, "Rows of 2024\n"),
    ],
)
def test_lines_before_the_rows(read: dict[str, Any], head: str, tmp_path: Path) -> None:
    """With them, and without where a line of names comes first."""
    encoding = learned(tmp_path, read, head)
    for first in (head, "age,y,city\n"):
        frame = read_alike(new(tmp_path, first + "31,no,b\n32,yes,c\n"), encoding)
        assert list(frame.columns) == NAMES and list(frame["age"]) == [31, 32]


def test_values_between_spaces(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("".join(LINES).replace(",", "  "))
    wanted = Wanted(("y",), read={"names": NAMES, "sep": r"\s+"})
    encoding = read_table("rows.csv", tmp_path, wanted).encoding
    assert encoding is not None
    for content in ("31 b\n32 c\n", "city age\nb 31\nc 32\n"):
        frame = read_alike(new(tmp_path, content), encoding)
        assert list(frame["age"]) == [31, 32] and list(frame["city"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (
            {"names": NAMES},
            "31,no,b,1\n",
            "has 4 columns without a line of names; expected the 3 of read.names, or the 2",
        ),
        ({"names": NAMES}, "31\n", "new.csv: has 1 columns without a line of names"),
        ({"names": NAMES}, "Age,city\n31,b\n", "column 'age' has 'Age' in row 0, expected numbers"),
        ({"names": NAMES}, "Age,city,y\n31,b,no\n", "column 'age' is missing; did you mean 'Age'"),
        ({"names": ["age", "y"], "usecols": [0, 1]}, "31,b\n", "new.csv: needs a line of names"),
    ],
)
def test_columns_that_could_be_others(
    read: dict[str, Any], content: str, message: str, tmp_path: Path
) -> None:
    """Else values move to the column beside theirs, and predictions are of other rows."""
    encoding = learned(tmp_path, read)
    with pytest.raises(DataError, match=message):
        encoding.encode(read_alike(new(tmp_path, content), encoding), "new.csv")


def test_where_names_are_is_not_what_the_data_are(tmp_path: Path) -> None:
    """Else a study that an earlier version made is refused: of other data, it is told."""
    cases: list[tuple[dict[str, Any], str]] = [({}, "age,y,city\n"), ({"names": NAMES}, "")]
    prints = []
    for read, head in cases:
        (tmp_path / "rows.csv").write_text(head + "".join(LINES))
        table = read_table("rows.csv", tmp_path, Wanted(("y",), read=read))
        prints.append(split(table).fingerprint)
    assert prints[0] == prints[1]
