"""Passing an object to other processes: pickled once, its arrays in memory that all share."""

from __future__ import annotations

import contextlib
import mmap
import pickle
import tempfile
from dataclasses import dataclass
from typing import Any

from ..errors import WorkerLostError

#: Where an array may begin in the file, in bytes; a cache line, which suits every kernel.
_ALIGNMENT = 64


@dataclass(frozen=True)
class Slip:
    """What a process needs, beside the file, to open a parcel.

    Attributes:
        pickled: the object without its arrays.
        places: first byte and size of each array in the file.
    """

    pickled: bytes
    places: tuple[tuple[int, int], ...]

    def open(self, descriptor: int) -> Any:
        """Returns the object; a process that writes into an array has a copy of the page.

        Args:
            descriptor: of the file.
        """
        arrays: list[memoryview] = []
        if self.places:
            content = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
            arrays = [content[begin : begin + size] for begin, size in self.places]
        return pickle.loads(self.pickled, buffers=arrays)  # noqa: S301  we pickled it


class Parcel:
    """A file without a name that holds the arrays of an object.

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
        places = []
        with contextlib.ExitStack() as opened:
            try:
                self._file = opened.enter_context(tempfile.TemporaryFile())
                for array in arrays:
                    with array.raw() as raw:
                        begin = -(-self._file.tell() // _ALIGNMENT) * _ALIGNMENT
                        self._file.seek(begin)
                        self._file.write(raw)
                        places.append((begin, raw.nbytes))
                self._file.flush()
            except OSError as error:
                raise WorkerLostError(
                    f"{tempfile.gettempdir()}: no room for the data that processes share "
                    f"({error.strerror})"
                ) from error
            opened.pop_all()  # it stays open
        self.slip = Slip(pickled, tuple(places))

    def fileno(self) -> int:
        """Returns the descriptor of the file."""
        return self._file.fileno()

    def close(self) -> None:
        """Gives the file back; processes keep what they have opened."""
        self._file.close()
