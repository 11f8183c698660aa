"""What of the machine this process takes."""

import pytest

from tuner.system import resources


def test_one_process_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources.joblib, "cpu_count", lambda: 6)
    monkeypatch.setattr(resources, "available_bytes", lambda: 2**36)
    assert resources.processes_at_once() == 6
    monkeypatch.setattr(resources, "available_bytes", lambda: 2**31)
    assert resources.processes_at_once() == 2
    monkeypatch.setattr(resources, "available_bytes", lambda: 0)
    assert resources.processes_at_once() == 1
