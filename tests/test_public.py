"""The public surface: its names, and that importing it is light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tuner

from .conftest import Write

pytestmark = pytest.mark.process

NAMES = [
    "Ablation",
    "Audit",
    "Best",
    "Compared",
    "DataFacts",
    "Exported",
    "Front",
    "MLPConfig",
    "ModuleConfig",
    "Observer",
    "Plan",
    "Predictor",
    "StopSearch",
    "Study",
    "TuneResult",
    "TunedMLPClassifier",
    "TunedMLPRegressor",
    "TunerError",
    "ablate",
    "audit",
    "best",
    "best_config",
    "compare",
    "confirmation",
    "export",
    "front",
    "heuristics",
    "leaderboard",
    "load_ensemble",
    "load_model",
    "plan",
    "predictor",
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


def test_workers_are_quick_to_start() -> None:
    """Lightning takes longer to load than all else, torch's compiler as long as torch."""
    assert modules_after("import tuner.search") == {"optuna", "pandas", "torch"}
    code = """
import sys
import tuner.workers.process
assert not {'optuna', 'lightning', 'pandas', 'sklearn', 'rich'} & set(sys.modules)
from pathlib import Path
from tuner.data import load
from tuner.network.config import MLPConfig
from tuner.training.fleet import Fleet
with Fleet(load("wine", Path()), accelerator="cpu", hands=1) as fleet:
    for number, schedule in enumerate(("cosine", "onecycle", "plateau")):
        config = MLPConfig(width=8, epochs=1, schedule=schedule, dropout=0.1)
        fleet.join(number, config, seed=1, shuffle_seed=2)
    fleet.run_epoch()
assert "torch._dynamo" not in sys.modules
"""
    assert "lightning" not in modules_after(code)


def test_rules_are_light() -> None:
    code = "from tuner import heuristics\nassert heuristics.two_thirds(784, 10) == 533"
    assert modules_after(code) == set()


#: What a user may get wrong, or only ask, and the exit code.
WORDS = [
    ("--help", 0),
    ("--version", 0),
    ("tune --help", 0),
    ("tune smal", 2),
    ("tune small --trials 0", 2),
    ("tune small --trainer fast", 2),
    ("tune small --devices 0,0", 2),
    ("audit smal", 2),
    ("audit small --rules S7,S77", 2),
    ("ablate smal", 2),
    ("front smal", 2),
    ("best small --at n_parameters=9", 2),
    ("best small --at width=9", 2),
    ("best small", 2),
]
#: Says of each line its exit code, and what has been loaded by then, in one interpreter.
ASKED = """
import json, sys
from tuner.terminal.cli import main
found = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["tuner", *words.split()]
    code = None
    try:
        main()
    except SystemExit as end:
        code = end.code
    heavy = {"torch", "optuna", "lightning", "pandas", "sklearn"} & set(sys.modules)
    found.append([words, code, sorted(heavy)])
with open("found.json", "w") as file:
    json.dump(found, file)
"""


def test_what_is_wrong_is_said_before_torch_is_loaded(write_study: Write) -> None:
    """Else a user waits for seconds to read that a name is wrong."""
    write_study()
    words = json.dumps([each for each, _ in WORDS])
    command = [sys.executable, "-c", ASKED, words]
    subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(Path("found.json").read_text())
    assert found == [[words, code, []] for words, code in WORDS]
