"""Passing an object to other processes: pickled once, its arrays in memory that all share."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ..errors import WorkerLostError

#: Where an array may begin in the file, in bytes; a cache line, which suits every kernel.
_ALIGNMENT = 64
#: Files that hold the arrays of a parcel: its own, and that of an earlier one.
MOST_FILES = 2

Content = TypeVar("Content")


class _Mapped(mmap.mmap):
    """A file in memory, which knows its file; who writes into it has a copy of the page."""

    def __new__(cls, descriptor: int) -> _Mapped:
        return super().__new__(cls, descriptor, 0, access=mmap.ACCESS_COPY)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)

    def __del__(self) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True)
class Slip:
    """What a process needs, beside the files, to open a parcel.

    Attributes:
        pickled: the object without its arrays.
        places: number of the file, first byte and size of each array.
    """

    pickled: bytes
    places: tuple[tuple[int, int, int], ...]

    def open(self, descriptors: Sequence[int]) -> Any:
        """Returns the object; a process that writes into an array has a copy of the page.

        Args:
            descriptors: of the files.
        """
        contents: dict[int, memoryview] = {}
        arrays: list[memoryview] = []
        for file, begin, size in self.places:
            if not size:
                arrays.append(memoryview(bytearray()))
                continue
            if file not in contents:
                contents[file] = memoryview(_Mapped(descriptors[file]))
            arrays.append(contents[file][begin : begin + size])
        return pickle.loads(self.pickled, buffers=arrays)  # noqa: S301  we pickled it


class Parcel:
    """A file without a name that holds the arrays of an object.

    Those that lie in an earlier parcel are not written again; if several do, in one of them.

    Args:
        content: what to pass; pickled.

    Attributes:
        slip: tells a process how to open it.

    Raises:
        WorkerLostError: there is no room for the file.
    """

    def __init__(self, content: Any) -> None:
        arrays: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(content, protocol=5, buffer_callback=arrays.append)
        self._earlier: _Mapped | None = None
        places = []
        with contextlib.ExitStack() as opened:
            try:
                self._file = opened.enter_context(tempfile.TemporaryFile())
                for array in arrays:
                    with array.raw() as raw:
                        places.append(self._found(raw) or self._written(raw))
                self._file.flush()
            except OSError as error:
                raise WorkerLostError(
                    f"{tempfile.gettempdir()}: no room for the data that processes share "
                    f"({error.strerror})"
                ) from error
            opened.pop_all()  # it stays open
        self.slip = Slip(pickled, tuple(places))

    def _written(self, raw: memoryview) -> tuple[int, int, int]:
        """Writes an array; returns its place."""
        begin = -(-self._file.tell() // _ALIGNMENT) * _ALIGNMENT
        self._file.seek(begin)
        self._file.write(raw)
        return 0, begin, raw.nbytes

    def _found(self, raw: memoryview) -> tuple[int, int, int] | None:
        """Returns the place of an array that lies in an earlier parcel."""
        holder = _holder(raw)
        if not isinstance(holder, _Mapped) or not raw.nbytes:
            return None
        self._earlier = self._earlier or holder
        if holder is not self._earlier:
            return None
        return 1, _address(raw) - _address(memoryview(holder)), raw.nbytes

    def filenos(self) -> list[int]:
        """Returns the descriptors of the files."""
        earlier = [] if self._earlier is None else [self._earlier.descriptor]
        return [self._file.fileno(), *earlier]

    def close(self) -> None:
        """Gives the file back; processes keep what they have opened."""
        self._file.close()
        self._earlier = None


def shared(content: Content) -> Content:
    """Returns an object whose arrays are where other processes will find them.

    A parcel of it takes no memory for them. They are not to be written any more: others would not
    see it.

    Args:
        content: pickled.

    Raises:
        WorkerLostError: there is no room for the file.
    """
    parcel = Parcel(content)
    try:
        opened: Content = parcel.slip.open(parcel.filenos())
    finally:
        parcel.close()
    return opened


def _holder(held: object) -> object:
    """Returns what holds the memory of an array or a view."""
    while True:
        if isinstance(held, memoryview):
            held = held.obj
        elif isinstance(held, np.ndarray) and held.base is not None:
            held = held.base
        else:
            return held


def _address(view: memoryview) -> int:
    """Returns where in memory a view begins."""
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])
