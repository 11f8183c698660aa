from importlib import metadata
from pathlib import Path

import pytest
import torch

from tuner.terminal.doctor import MALICIOUS_LIGHTNING, examine


def found(name: str) -> tuple[bool, str]:
    check = {check.name: check for check in examine()}[name]
    return check.ok, check.found


def test_this_machine_is_fine(project: Path) -> None:
    bad = [check for check in examine() if not check.ok]
    assert bad == []


@pytest.mark.parametrize("version", MALICIOUS_LIGHTNING)
@pytest.mark.parametrize("package", ["lightning", "pytorch-lightning"])
def test_malicious_lightning(monkeypatch: pytest.MonkeyPatch, package: str, version: str) -> None:
    real = metadata.version
    found_here = {package: version}
    monkeypatch.setattr(metadata, "version", lambda name: found_here.get(name) or real(name))
    ok, words = found("lightning is safe")
    assert not ok
    assert f"{package} {version} is malicious (GHSA-w37p-236h-pfx3)" in words


def test_old_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "optuna":
            return "4.9.0"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert found("optuna") == (False, "4.9.0: 5 or later is needed")
    assert found("torch") == (False, "not installed: make install")


def test_a_broken_store(project: Path) -> None:
    (project / "runs").mkdir()
    (project / "runs" / "optuna.db").write_bytes(b"no database" * 100)
    ok, words = found("store")
    assert not ok
    assert "this is no SQLite database" in words


def test_a_place_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_HOME", "/proc/no/such/place")
    ok, words = found("results")
    assert not ok
    assert "cannot be written" in words


@pytest.mark.process
@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (None, "torch was built for CPUs alone: install a build for a CUDA of the driver"),
        ("13.0", "torch, built for CUDA 13.0, cannot use it: update the driver"),
    ],
)
def test_a_gpu_that_torch_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: str | None, expected: str
) -> None:
    """Else a search runs on the CPU for years, and no one knows why."""
    driver = tmp_path / "nvidia-smi"
    driver.write_text(
        "#!/bin/sh\n"
        'if [ -n "$1" ]; then echo "NVIDIA H100 80GB"; else echo "| CUDA Version: 12.4  |"; fi\n'
    )
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ok, words = found("devices")
    assert not ok
    assert "NVIDIA H100 80GB, whose driver goes up to CUDA 12.4, and" in words
    assert expected in words
    driver.write_text("#!/bin/sh\nexit 9\n")  # no driver runs
    assert found("devices")[0]
