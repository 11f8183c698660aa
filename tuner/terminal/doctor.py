"""What would trip a user on this machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.version import Version

from ..errors import TunerError
from ..system import paths

#: Releases of lightning that carried malware: GHSA-w37p-236h-pfx3.
MALICIOUS_LIGHTNING = ("2.6.2", "2.6.3")

_MINIMUM = {"optuna": "5", "torch": "2.5", "lightning": "2.5", "scikit-learn": "1.5"}
_FREE_BYTES = 2 * 2**30
#: That the driver of a GPU may take to answer.
_DRIVER_SECONDS = 20


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: it would not trip a user.
        found: what was found, and if it is not ok, what to do.
    """

    name: str
    ok: bool
    found: str


def examine(storage: str | None = None) -> list[Check]:
    """Looks at versions, devices, disk, the store and the data that is at hand.

    Args:
        storage: as `tune` takes it.
    """
    checks = [_python(), *map(_package, _MINIMUM), _lightning()]
    return [*checks, _devices(), *_places(), _store(storage), _mnist()]


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, platform.python_version() + ("" if ok else ": 3.11 is needed"))


def _package(name: str) -> Check:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed: make install")
    wanted = _MINIMUM[name]
    ok = Version(found) >= Version(wanted)
    return Check(name, ok, found if ok else f"{found}: {wanted} or later is needed")


def _lightning() -> Check:
    """Looks at both names under which Lightning's files are shipped."""
    versions = {}
    for name in ("lightning", "pytorch-lightning"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    bad = [f"{name} {found}" for name, found in versions.items() if found in MALICIOUS_LIGHTNING]
    if bad:
        advice = "malicious (GHSA-w37p-236h-pfx3): remove it, and change every secret of this user"
        return Check("lightning is safe", False, f"{', '.join(bad)} is {advice}")
    return Check("lightning is safe", True, "no release of GHSA-w37p-236h-pfx3")


def _devices() -> Check:
    try:
        import torch
    except Exception as error:  # whatever a broken installation raises
        return Check("devices", False, f"torch cannot be imported: {error}")
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Check("devices", True, f"{cores}, GPUs: {', '.join(names)}")
    if torch.backends.mps.is_available():
        told = "Apple's GPU, which was never tested: --devices cpu leaves it out"
        return Check("devices", True, f"{cores}, {told}")
    there = _nvidia()
    if there and os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return Check("devices", True, f"{cores}, GPUs are hidden by CUDA_VISIBLE_DEVICES")
    if not there:
        return Check("devices", True, f"{cores}, no GPU")
    return Check("devices", False, f"{cores}; {there}, and {_unused(torch.version.cuda)}")


def _nvidia() -> str:
    """Says which GPU the driver sees, and up to which CUDA it goes; "" if there is none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run([command], capture_output=True, text=True, timeout=_DRIVER_SECONDS)
        listed = subprocess.run(
            [command, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_DRIVER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    names = listed.stdout.split("\n")[0].strip()
    if done.returncode or listed.returncode or not names:
        return ""
    limit = re.search(r"CUDA Version:\s*([0-9.]+)", done.stdout)
    return f"{names}, whose driver goes up to CUDA {limit[1]}" if limit else names


def _unused(cuda: str | None) -> str:
    """Says why a GPU is not used by a torch that was built for this CUDA, and what to do."""
    if cuda is None:
        return (
            "torch was built for CPUs alone: install a build for a CUDA of the driver "
            "(https://pytorch.org/get-started/locally says with which --index-url)"
        )
    return (
        f"torch, built for CUDA {cuda}, cannot use it: update the driver, or install a build for "
        "a CUDA of the driver (https://pytorch.org/get-started/locally says with which "
        "--index-url)"
    )


def _places() -> list[Check]:
    return [_place("results", paths.home()), _place("downloads", paths.cache())]


def _place(name: str, folder: Path) -> Check:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written: {error.strerror}")
    gigabytes = f"{folder}, {free / 2**30:.1f} GiB free"
    return Check(name, free >= _FREE_BYTES, gigabytes)


def _store(named: str | None) -> Check:
    from ..storage import SQLiteFile, locate, summaries

    try:
        location = locate(named)
    except TunerError as error:
        return Check("store", False, str(error))
    if not location.exists():
        return Check("store", True, f"{location} does not exist yet")
    if isinstance(location, SQLiteFile) and not os.access(location.path, os.W_OK):
        return Check("store", False, f"{location} cannot be written")
    return _try("store", lambda: f"{location}, {len(summaries(location))} studies")


def _mnist() -> Check:
    path = paths.cache() / "mnist.npz"
    return Check("mnist", True, f"{path}" if path.exists() else "not downloaded yet")


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except TunerError as error:
        return Check(name, False, str(error))
