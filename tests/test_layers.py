"""Who may import whom: the table of docs/architecture.md, read from the code itself."""

import ast
from pathlib import Path

import pytest

import tuner

PACKAGE = Path(tuner.__file__).parent

#: Modules (or folders) and what of ours each may import; `errors` and `paths` are for all.
MAY_IMPORT = {
    "errors": set(),
    "closing": set(),
    "extras": set(),
    "interruption": set(),
    "paths": set(),
    "imports": set(),
    "config": {"imports"},
    "domains": {"config"},
    "heuristics": {"config"},
    "complaints": {"domains"},
    "study": {"complaints", "config", "domains"},
    "data": {"config"},
    "schedules": {"config"},
    "normalization": set(),
    "model": {"config", "normalization", "schedules"},
    "quiet": set(),
    "solo": {"config", "imports", "schedules", "model", "data", "quiet"},
    "modules": {"config", "imports", "quiet", "study"},
    "fleet": {"closing", "config", "data", "model", "normalization", "quiet", "schedules"},
    "space": {"config", "domains", "heuristics", "modules", "study"},
    "workers": {"closing", "config", "data", "extras", "fleet", "model", "solo"},
    "winner": {"config"},
    "storage": {"closing", "config", "extras", "study", "winner"},
    "results": {"config", "imports", "storage", "study", "winner"},
    "progress": {"config", "results", "storage"},
    "importance": set(),
    "machine": set(),
    "minutes": set(),
    "paired": set(),
    "evaluation": {"config", "heuristics", "study"},
    "under_way": {"config", "data", "progress", "workers"},
    "rate_range": {"config", "data", "heuristics", "progress", "repeats", "workers"},
    "open_study": {
        "config",
        "data",
        "evaluation",
        "heuristics",
        "interruption",
        "modules",
        "progress",
        "solo",
        "space",
        "storage",
        "study",
        "workers",
    },
    "ablation": {
        "config",
        "heuristics",
        "progress",
        "repeats",
        "open_study",
        "storage",
        "study",
        "winner",
        "workers",
    },
    "auditing": {
        "config",
        "heuristics",
        "paired",
        "progress",
        "rate_range",
        "repeats",
        "open_study",
        "storage",
        "study",
        "winner",
        "workers",
    },
    "repeats": {"config", "data", "interruption", "progress", "workers"},
    "rounds": set(),
    "entrants": {"config", "heuristics", "storage", "winner"},
    "last_training": {
        "config",
        "data",
        "entrants",
        "fleet",
        "progress",
        "repeats",
        "rounds",
        "winner",
    },
    "halving": {
        "config",
        "entrants",
        "last_training",
        "progress",
        "repeats",
        "rounds",
        "study",
        "winner",
    },
    "confirmer": {
        "config",
        "data",
        "halving",
        "last_training",
        "progress",
        "repeats",
        "solo",
        "storage",
        "study",
        "winner",
        "workers",
    },
    "coordinator": {
        "evaluation",
        "heuristics",
        "rate_range",
        "under_way",
        "machine",
        "minutes",
        "winner",
        "interruption",
        "config",
        "study",
        "space",
        "workers",
        "storage",
        "results",
        "progress",
    },
    "search": {
        "complaints",
        "config",
        "domains",
        "evaluation",
        "fleet",
        "heuristics",
        "importance",
        "minutes",
        "rate_range",
        "space",
        "confirmer",
        "coordinator",
        "progress",
        "repeats",
        "results",
        "open_study",
        "storage",
        "study",
        "winner",
        "workers",
    },
    "dashboard": {"storage"},
    "doctor": {"storage"},
    "display": {
        "ablation",
        "auditing",
        "config",
        "importance",
        "progress",
        "results",
        "search",
        "winner",
    },
    "reporting": {
        "ablation",
        "auditing",
        "config",
        "display",
        "heuristics",
        "importance",
        "rate_range",
        "results",
        "storage",
        "winner",
    },
}
#: The public names and the command line may import all.
TOP = {"__init__", "__main__", "cli"}

#: Imports that point up, each with its reason.
EXCEPTIONS = {
    ("config", "model"),  # MLPConfig.build makes the module that the config means
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports from, anywhere in it."""
    found = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {name.split(".")[0] for name in names if name}
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            assert node.module.split(".")[0] != "tuner", f"{path}: import relatively"
        if isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] != "tuner" for alias in node.names), path
    return found


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if room(path) not in TOP]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_what_lies_below(path: Path) -> None:
    here = room(path)
    allowed = MAY_IMPORT[here] | {here, "errors", "paths"}
    allowed |= {there for above, there in EXCEPTIONS if above == here}
    assert imports(path) <= allowed


def test_the_table_has_no_cycle() -> None:
    placed: set[str] = set()
    rest = dict(MAY_IMPORT)
    while rest:
        free = {name for name, below in rest.items() if below <= placed}
        assert free, f"a cycle among {sorted(rest)}"
        placed |= free
        rest = {name: below for name, below in rest.items() if name not in free}


def test_the_rules_need_neither_torch_nor_optuna() -> None:
    rooms = {"complaints", "config", "domains", "errors", "heuristics", "imports", "paths", "study"}
    rooms |= {"evaluation", "winner"}
    for path in (path for path in FILES if room(path) in rooms):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []  # not imported when it runs
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = {(node.module or "").split(".")[0]}
            else:
                continue
            assert not modules & {"torch", "optuna", "lightning", "numpy", "pandas"}
