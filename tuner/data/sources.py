"""The sources by name: which reader takes what a study file says."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..network.config import Task
from ..system.formats import SUFFIXES, is_table
from .base import Dataset, Table
from .splitting import split
from .tabular import Wanted, read_table


def read(source: str, folder: Path, wanted: Wanted | None = None) -> Table:
    """Reads the rows of a source.

    Args:
        source: `mnist`, a set that scikit-learn ships, `openml:<name>`, an `.npz` file, or a file
            with a table.
        folder: what a relative file resolves against.
        wanted: what of a table is learned.

    Raises:
        DataError: the source is unknown, missing or out of reach.
    """
    # Readers are loaded for who reads: workers get the rows without.
    if source == "mnist":
        from .mnist import read_mnist

        return read_mnist()
    if source.startswith("openml:"):
        from .openml import read_openml

        return read_openml(source.removeprefix("openml:"))
    if source.endswith(".npz"):
        from .arrays import read_arrays

        return read_arrays(folder / source)
    if is_table(source):
        if wanted is None or not wanted.label:
            raise DataError(f"{folder / source}: which column is predicted? label names it")
        return read_table(source, folder, wanted)
    from .bundled import BUNDLED, read_bundled

    if source in BUNDLED:
        return read_bundled(source)
    known = ", ".join(("mnist", *BUNDLED))
    raise DataError(
        f"unknown source {source!r}: expected one of {known}, openml:<name>, a file.npz, or a "
        f"table ({', '.join(SUFFIXES)})"
    )


def load(
    source: str,
    folder: Path,
    *,
    validation: float = 0.2,
    test: float = 0.2,
    task: Task | None = None,
    seed: int = 0,
    wanted: Wanted | None = None,
) -> Dataset:
    """Reads a source, checks its rows and splits them; see `read` and `split`.

    Raises:
        DataError: the source is unknown or its rows cannot be learned from.
    """
    table = read(source, folder, wanted)
    return split(table, validation=validation, test=test, task=task, seed=seed)
