"""Tables in files, as pandas reads them; what pandas would guess or mend in silence is told."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_BINARY = (".parquet", ".feather")
#: Options of pandas' reader that say how a text is written, and so hold for other files, too.
_OF_FORMAT = (
    *("sep", "delimiter", "decimal", "thousands", "encoding", "quotechar", "quoting"),
    *("doublequote", "escapechar", "comment", "skipinitialspace", "na_values"),
    *("keep_default_na", "true_values", "false_values"),
)
#: Options that make pandas return other things than a table.
_NO_TABLE = ("chunksize", "iterator")
#: What may stand between two values of a line.
_SEPARATORS = (",", ";", "\t", "|")


def of_format(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those options of pandas' reader that say how a text is written."""
    return {key: value for key, value in options.items() if key in _OF_FORMAT}


def read_frame(
    path: Path, options: Mapping[str, Any] | None = None, as_text: Sequence[str] = ()
) -> pd.DataFrame:
    """Reads a table.

    Args:
        path: ends in one of `formats.SUFFIXES`.
        options: of pandas' reader, such as `{"decimal": ","}`.
        as_text: columns whose values stay as they are written, such as `01067`.

    Raises:
        DataError: the file is missing, no table, or has no rows; two columns share a name; a line
            has more or fewer values than the first.
    """
    options = dict(options or {})
    for key in _NO_TABLE:
        if key in options:
            raise DataError(f"{path}: read.{key} gives no table")
    for key, kind in (("dtype", dict), ("encoding", str)):
        if not isinstance(options.get(key, kind()), kind):
            raise DataError(f"{path}: read.{key} must be a {kind.__name__}, got {options[key]!r}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    frame = (
        _read_binary(path, options)
        if path.name.lower().endswith(_BINARY)
        else _read_text(path, options, as_text)
    )
    give_back_memory()
    if not len(frame.columns) or not len(frame):
        raise DataError(f"{path}: has no rows")
    frame.columns = [str(column) for column in frame.columns]
    check_names(path, list(frame.columns))
    return frame


def give_back_memory() -> None:
    """Gives back what was read with, and the columns of frames that are gone: Arrow keeps it."""
    import pyarrow

    pyarrow.default_memory_pool().release_unused()


def _read_binary(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    options = {key: value for key, value in options.items() if key not in _OF_FORMAT}
    is_parquet = path.name.lower().endswith(".parquet")
    read = pd.read_parquet if is_parquet else pd.read_feather
    if is_parquet and "engine" not in options:
        options = {**_frugal(), **options}
    try:
        frame: pd.DataFrame = read(path, **options)
    except TypeError as error:
        raise DataError(f"{path}: pandas takes no such option ({error})") from error
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({_line(error)})") from error
    return frame.reset_index(drop=True)


def _read_text(path: Path, options: dict[str, Any], as_text: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    encoding = options.setdefault("encoding", "utf-8")
    told = {"sep", "delimiter"} & options.keys()
    with _told(path, encoding):
        header, first = _first_lines(path, encoding, options, is_told=bool(told))
        if "header" not in options and "names" not in options and "skiprows" not in options:
            check_names(path, header)
            if first and len(first) != len(header):
                raise DataError(
                    f"{path}: line 2 has {len(first)} values, the first line names {len(header)}"
                )
        kinds = {**dict.fromkeys(as_text, str), **options.pop("dtype", {})}
        try:
            more: dict[str, Any] = {"low_memory": False, "index_col": False, **options}
            if len(header) == 1:  # a blank line is a gap
                more.setdefault("skip_blank_lines", False)
            frame: pd.DataFrame = pd.read_csv(path, dtype=kinds, **more)
        except TypeError as error:
            raise DataError(f"{path}: pandas takes no such option ({error})") from error
        if len(frame) and frame.iloc[:, -1].isna().any():
            _check_lengths(path, encoding, options)
    return frame


def _frugal() -> dict[str, Any]:
    """Returns how a large Parquet file is read with half of the memory, and faster.

    Neither the whole file is kept beside its columns, nor all columns beside those of the frame.
    """
    import pandas as pd

    options: dict[str, Any] = {"pre_buffer": False}
    if int(pd.__version__.split(".")[0]) >= 3:
        options["to_pandas_kwargs"] = {"split_blocks": True, "self_destruct": True}
    return options


@contextmanager
def _told(path: Path, encoding: str) -> Iterator[None]:
    """Names the file in what Python and pandas raise while it is read.

    Raises:
        DataError: it cannot be read.
    """
    import pandas as pd

    try:
        yield
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: is empty") from error
    except (UnicodeError, LookupError) as error:
        raise DataError(
            f'{path}: is not {encoding} text ({_line(error)}); read = {{ encoding = "latin-1" }} '
            "in [data] names another encoding"
        ) from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: is no table of text ({_ragged(_line(error))})") from error


def _ragged(message: str) -> str:
    """Says what the C parser says of a line that is too long, as one would say it."""
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found is None:
        return message
    expected, line, saw = found.groups()
    return f"line {line} has {saw} values, the first line names {expected}"


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _open(path: Path, encoding: str) -> TextIO:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # a mark at its begin is none of the first name
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _first_lines(
    path: Path, encoding: str, options: dict[str, Any], *, is_told: bool
) -> tuple[list[str], list[str]]:
    """Returns the values of the first two lines; decides what separates them, unless that is told.

    It is what splits the line of names most often.
    """
    with _open(path, encoding) as file:
        text = file.readline()
        if "\0" in text:
            raise DataError(f"{path}: is no table of text")
        if not is_told:
            counts = [
                (len(next(csv.reader([text], delimiter=each), [])), each) for each in _SEPARATORS
            ]
            most = max(n for n, _ in counts)
            options["sep"] = next(each for n, each in counts if n == most)
        file.seek(0)
        between = options.get("sep", options.get("delimiter"))
        if not isinstance(between, str) or len(between) != 1:
            return [], []
        reader = csv.reader(file, delimiter=between)
        return next(reader, []), next(reader, [])


def check_names(path: Path | str, names: Sequence[str]) -> None:
    """Looks for columns of one name, which pandas would give others.

    Raises:
        DataError: there are some.
    """
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in seen:
            raise DataError(
                f"{path}: two columns are called {name!r}, number {seen[name]} and number {number}"
            )
        seen[name] = number


def _check_lengths(path: Path, encoding: str, options: dict[str, Any]) -> None:
    """Looks for lines with fewer values than the first, which pandas fills up.

    Raises:
        DataError: there is one.
    """
    between = options.get("sep", options.get("delimiter"))
    if (
        not isinstance(between, str)
        or len(between) != 1
        or {"skiprows", "comment"} & options.keys()
    ):
        return
    with _open(path, encoding) as file:
        reader = csv.reader(file, delimiter=between)
        n = len(next(reader))
        for values in reader:
            if values and len(values) < n:
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(values)} values, the first line "
                    f"names {n}"
                )
