"""Objects for other processes, whose arrays share memory."""

from __future__ import annotations

import errno
import io
import mmap
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data import Dataset, load
from tuner.errors import WorkerLostError
from tuner.workers.parcel import MOST_FILES, Parcel, shared


@pytest.fixture
def wine() -> Dataset:
    return load("wine", Path())


def root(array: Any) -> Any:
    """Returns what holds the memory of an array."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_arrays_are_mapped_and_equal(wine: Dataset) -> None:
    pixels = np.arange(5, dtype=np.uint8)
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    parcel = Parcel({"data": [wine, wine], "pixels": pixels, "columns": columns, "name": "x"})
    opened = parcel.slip.open(parcel.filenos())
    parcel.close()
    assert opened["data"][0] is opened["data"][1]
    assert opened["name"] == "x"
    pairs = [
        (opened["data"][0].train.x, wine.train.x),
        (opened["data"][0].validation.y, wine.validation.y),
        (opened["pixels"], pixels),
        (opened["columns"], columns),
    ]
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
        assert (one.dtype, one.strides) == (other.dtype, other.strides)
        assert one.flags.writeable
        assert one.flags.aligned
        assert isinstance(root(one), mmap.mmap)
    assert len(parcel.slip.pickled) < 2000


def test_who_writes_has_a_copy() -> None:
    parcel = Parcel(np.zeros(4))
    one, other = (parcel.slip.open(parcel.filenos()) for _ in range(2))
    parcel.close()
    one[0] = 1
    assert other[0] == 0


def test_what_is_shared_is_written_once(wine: Dataset) -> None:
    """Else each process that starts workers holds all rows twice."""
    first = shared(wine)
    assert isinstance(root(first.known.x), mmap.mmap)
    np.testing.assert_array_equal(first.known.x, wine.known.x)
    other = np.arange(1000.0)
    parcel = Parcel([first, first.known.x[7:9], other])
    assert os.fstat(parcel.filenos()[0]).st_size == other.nbytes
    again, rows, others = parcel.slip.open(parcel.filenos())
    parcel.close()
    del first
    np.testing.assert_array_equal(again.known.x, wine.known.x)
    np.testing.assert_array_equal(again.test.y, wine.test.y)
    np.testing.assert_array_equal(rows, wine.known.x[7:9])
    np.testing.assert_array_equal(others, other)


def test_arrays_of_nothing(wine: Dataset) -> None:
    """As a study without test rows has them, whose other arrays all lie in an earlier parcel."""
    none = replace(wine, test=wine.test.rows(np.arange(0)))
    for content in ([shared(none)], [np.zeros((0, 3)), np.zeros(0, np.int64)]):
        parcel = Parcel(content)
        opened = parcel.slip.open(parcel.filenos())
        parcel.close()
        for one, other in zip(opened, content, strict=True):
            if isinstance(other, Dataset):
                assert one.test.x.shape == (0, 13)
                np.testing.assert_array_equal(one.known.x, other.known.x)
            else:
                assert (one.shape, one.dtype) == (other.shape, other.dtype)


def test_several_earlier_parcels() -> None:
    """Only one of them goes along; what lies in the others is written again."""
    each = [shared(np.full(10, n)) for n in range(3)]
    parcel = Parcel(each)
    assert len(parcel.filenos()) == MOST_FILES
    opened = parcel.slip.open(parcel.filenos())
    parcel.close()
    np.testing.assert_array_equal(opened, each)


def test_nothing_to_share() -> None:
    parcel = Parcel(["no", "arrays"])
    assert parcel.slip.open(parcel.filenos()) == ["no", "arrays"]
    parcel.close()


def test_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    file = Full()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: file)
    with pytest.raises(WorkerLostError, match="no room for the data .*No space left"):
        Parcel(np.zeros(4))
    assert file.closed
