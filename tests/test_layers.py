"""Who may import whom: the table of docs/architecture.md, read from the code itself."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tuner

PACKAGE = Path(tuner.__file__).parent
ROOT = PACKAGE.parent

#: Rooms from the lowest floor up, and which of ours each may import; `errors` and `system` are for
#: all. A room may import only what stands above it in this list.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "system": set(),
    "network": set(),
    "data": {"network"},
    "heuristics": {"network"},
    "study": {"network"},
    "space": {"heuristics", "network", "study"},
    "storage": {"network", "study"},
    "training": {"data", "network"},
    "results": {"network", "storage"},
    "workers": {"data", "network", "training"},
    "running": {
        "data",
        "heuristics",
        "network",
        "results",
        "space",
        "storage",
        "study",
        "training",
        "workers",
    },
    "answers": {
        "data",
        "heuristics",
        "network",
        "results",
        "running",
        "storage",
        "study",
        "training",
        "workers",
    },
    "reporting": {"answers", "heuristics", "network", "results", "running", "storage"},
    "search": {
        "answers",
        "heuristics",
        "network",
        "results",
        "running",
        "space",
        "storage",
        "study",
        "training",
        "workers",
    },
    "estimators": {
        "data",
        "heuristics",
        "network",
        "reporting",
        "results",
        "running",
        "search",
        "training",
    },
    "terminal": {
        "answers",
        "data",
        "estimators",
        "heuristics",
        "network",
        "reporting",
        "results",
        "running",
        "search",
        "storage",
        "study",
    },
}
#: The public names and the command may import all.
TOP = {"__init__", "__main__"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module(path: Path) -> tuple[str, ...]:
    """The name of a module of ours, without that of an `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    """The modules of ours that a file imports anywhere in it, for typing or in a call too."""
    here = path.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*here[: len(here) - node.level], *(node.module or "").split("."))
            base = tuple(part for part in base if part)
            for alias in node.names:
                full = (*base, alias.name)
                yield full if full in MODULES else base
        elif isinstance(node, ast.ImportFrom):
            assert here[0] != "tuner" or node.module.split(".")[0] != "tuner", (
                f"{path}: import relatively"
            )
        elif isinstance(node, ast.Import) and here[0] == "tuner":
            assert all(alias.name.split(".")[0] != "tuner" for alias in node.names), path


FILES = sorted(PACKAGE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
MODULES = {module(path) for path in (*FILES, *BENCHMARKS)}
IN_ROOMS = [path for path in FILES if room(path) not in TOP]


@pytest.mark.parametrize("path", IN_ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_what_its_room_may(path: Path) -> None:
    here = room(path)
    allowed = MAY_IMPORT[here] | {here, "errors", "system"}
    assert {found[1] for found in imports(path)} <= allowed


def test_the_table_points_down() -> None:
    floors = list(MAY_IMPORT)
    assert set(floors) == {room(path) for path in IN_ROOMS}
    for number, name in enumerate(floors):
        assert MAY_IMPORT[name] <= set(floors[:number]), name


@pytest.mark.slow
@pytest.mark.parametrize("files", [FILES, BENCHMARKS], ids=["tuner", "benchmarks"])
def test_no_module_imports_itself_by_others(files: list[Path]) -> None:
    """Typing included: what goes in a circle has to be read all at once."""
    graph = {module(path): {*imports(path)} - {module(path)} for path in files}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def test_the_house_is_small() -> None:
    """A newcomer sees from the list of folders what happens to a study."""
    rooms = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) <= 16
    assert {path.name for path in PACKAGE.glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "errors.py",
        "search.py",
    }


def test_the_rules_need_neither_torch_nor_optuna() -> None:
    light = [path for path in IN_ROOMS if room(path) in {"errors", "heuristics", "study", "system"}]
    light += [PACKAGE / "network" / "config.py"]
    light += [PACKAGE / "results" / f"{name}.py" for name in ("arms", "choice", "stored", "winner")]
    for path in light:
        if path.name in {"classes.py", "quiet.py", "machine.py"}:  # for whoever trains
            continue
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
            assert not modules & {"torch", "optuna", "lightning", "numpy", "pandas"}, path
