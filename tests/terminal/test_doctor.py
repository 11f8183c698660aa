from importlib import metadata
from pathlib import Path

import pytest

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
