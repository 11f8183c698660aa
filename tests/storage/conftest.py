"""A store on disk, whose tables Optuna itself has made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import RDBStorage


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: its tables take longer than most tests that use them."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture
def disk(empty_store: Path, tmp_path: Path) -> Iterator[RDBStorage]:
    path = shutil.copy(empty_store, tmp_path / "store.db")
    storage = RDBStorage(f"sqlite:///{path}", skip_compatibility_check=True)
    yield storage
    storage.engine.dispose()
