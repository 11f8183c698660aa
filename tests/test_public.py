"""The public surface: its names, and that importing it is light."""

import subprocess
import sys

import pytest

import tuner

NAMES = [
    "Ablation",
    "Audit",
    "Best",
    "DataFacts",
    "MLPConfig",
    "ModuleConfig",
    "TuneResult",
    "TunerError",
    "ablate",
    "audit",
    "best",
    "best_config",
    "confirmation",
    "heuristics",
    "leaderboard",
    "load_model",
    "report",
    "tune",
]


def test_public_names() -> None:
    assert tuner.__all__ == NAMES
    assert set(NAMES) <= set(dir(tuner))
    for name in NAMES:
        assert getattr(tuner, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tunes'"):
        tuner.tunes  # noqa: B018


def modules_after(code: str) -> set[str]:
    """Runs code in a fresh interpreter and returns the heavy modules that it loaded."""
    report = "import sys; print(*({'torch', 'optuna', 'lightning', 'pandas', 'sklearn', 'rich'}"
    report += " & set(sys.modules)))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light() -> None:
    assert modules_after("import tuner") == set()


def test_rules_are_light() -> None:
    code = "from tuner import heuristics\nassert heuristics.two_thirds(784, 10) == 533"
    assert modules_after(code) == set()


def test_help_loads_no_torch() -> None:
    code = "import sys; sys.argv = ['tuner', '--help']\n"
    code += "from tuner.cli import app\ntry: app()\nexcept SystemExit: sys.stdout.flush()"
    done = modules_after(code + "\nprint()")
    assert not done & {"torch", "optuna", "lightning", "pandas", "sklearn"}
