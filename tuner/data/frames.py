"""Tables in files, as pandas reads them; what pandas would guess or mend in silence is told."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
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
#: Options that say where in a text the columns and their names are.
_OF_LAYOUT = ("names", "header", "skiprows", "usecols")
#: Options of a text that Python's reader of lines takes as pandas does.
_OF_LINES = ("quotechar", "escapechar", "doublequote", "skipinitialspace")
#: Options that make pandas return other things than a table.
_NO_TABLE = ("chunksize", "iterator")
#: What may stand between two values of a line.
_SEPARATORS = (",", ";", "\t", "|")


def of_format(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those options of pandas' reader that say how a text is written."""
    return {key: value for key, value in options.items() if key in _OF_FORMAT}


def of_layout(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those options of pandas' reader that say where columns and their names are."""
    return {key: value for key, value in options.items() if key in _OF_LAYOUT}


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
    frame = _read_text(path, options, as_text) if is_text(path) else _read_binary(path, options)
    give_back_memory()
    if not len(frame.columns) or not len(frame):
        raise DataError(f"{path}: has no rows")
    frame.columns = [str(column) for column in frame.columns]
    check_names(path, list(frame.columns))
    return frame


def is_text(path: Path) -> bool:
    """Says whether the table of a file is written as text."""
    return not path.name.lower().endswith(_BINARY)


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
    with _told(path, encoding):
        begin = _begin(path, encoding, options)
        kinds = {**dict.fromkeys(as_text, str), **options.pop("dtype", {})}
        more: dict[str, Any] = {"low_memory": False, "index_col": False, **options}
        if not {"names", "header", "skiprows"} & options.keys():
            check_names(path, begin.names)
            if begin.values and len(begin.values) != len(begin.names):
                raise DataError(
                    f"{path}: line {begin.line + 1} has {len(begin.values)} values, the first line "
                    f"names {len(begin.names)}"
                )
            if begin.blank:  # which are no names
                more["skiprows"] = begin.blank
        if len(begin.names) == 1:  # a blank line is a gap
            more.setdefault("skip_blank_lines", False)
        frame: pd.DataFrame = pd.read_csv(path, dtype=kinds, **more)
        if len(frame) and frame.iloc[:, -1].isna().any():
            _check_lengths(path, encoding, options, begin)
    return frame


def peek(path: Path, options: Mapping[str, Any]) -> pd.DataFrame:
    """Reads the first row of a text as it is written; its columns are as many as it has values.

    Args:
        path: of a text.
        options: of pandas' reader; without a `header` the first line is a row.

    Raises:
        DataError: it cannot be read.
    """
    import pandas as pd

    told: dict[str, Any] = {"header": None, **options, "keep_default_na": False}
    encoding = told.setdefault("encoding", "utf-8")
    with _told(path, encoding):
        _begin(path, encoding, told)
        frame: pd.DataFrame = pd.read_csv(path, dtype=str, index_col=False, nrows=1, **told)
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
    except TypeError as error:
        raise DataError(f"{path}: pandas takes no such option ({error})") from error
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


@dataclass(frozen=True)
class _Begin:
    """What a text begins with, but for comments.

    Attributes:
        names: values of the first line.
        values: values of the next one.
        line: number of the first line, from 1.
        blank: numbers of the blank lines before it, from 0.
    """

    names: list[str]
    values: list[str]
    line: int
    blank: list[int]


def _begin(path: Path, encoding: str, options: dict[str, Any]) -> _Begin:
    """Reads what a text begins with; decides what separates values, unless that is told.

    It is what splits the line of names most often.
    """
    how, text, line, blank = _how(options), "", 0, list[int]()
    with _open(path, encoding) as file:
        for line, each in enumerate(file, start=1):
            text = _uncommented(each, options)
            if text.strip(" \r\n"):
                break
            if text:
                blank.append(line - 1)
        if "\0" in text:
            raise DataError(f"{path}: is no table of text")
        if not {"sep", "delimiter"} & options.keys():
            counts = [
                (len(next(csv.reader([text], delimiter=each, **how), [])), each)
                for each in _SEPARATORS
                if each not in how.values()
            ]
            most = max(n for n, _ in counts)
            options["sep"] = next(each for n, each in counts if n == most)
        between = options.get("sep", options.get("delimiter"))
        if not isinstance(between, str) or len(between) != 1:
            return _Begin([], [], line, blank)
        rest = filter(None, (_uncommented(each, options) for each in file))
        reader = csv.reader(chain([text], rest), delimiter=between, **how)
        return _Begin(next(reader, []), next(reader, []), line, blank)


def _how(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how Python's reader of lines takes a text as pandas does."""
    how = {key: options[key] for key in _OF_LINES if key in options}
    is_plain = options.get("quoting") == csv.QUOTE_NONE  # the others are of those who write
    return {**how, "quoting": csv.QUOTE_NONE} if is_plain else how


def _uncommented(line: str, options: Mapping[str, Any]) -> str:
    """Returns a line without its comment; "" where it is nothing else."""
    comment = options.get("comment")
    before = line.partition(comment)[0] if comment else line
    return line if options.get("quotechar", '"') in before else before


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


def _check_lengths(path: Path, encoding: str, options: dict[str, Any], begin: _Begin) -> None:
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
        reader, n = csv.reader(file, delimiter=between, **_how(options)), len(begin.names)
        for values in reader:
            if values and len(values) < n and reader.line_num >= begin.line:
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(values)} values, the first line "
                    f"names {n}"
                )
