"""What docs/reliability.md says is tested is tested by tests that there are."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent


def names_in(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {each.name for each in found if isinstance(each, ast.FunctionDef)}


def test_each_fault_has_tests() -> None:
    """Else a promise is made that nobody looks after."""
    text = (TESTS.parent / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", text, re.M)
    assert [int(number) for number, _, _ in rows] == list(range(1, 32))
    for number, fault, cell in rows:
        path, n_tests = None, 0
        for word in re.findall(r"`([^`]+)`", cell):
            if word.endswith(".py"):
                path = TESTS / word
                continue
            assert path is not None, f"{number}: {word} in which file?"
            assert word in names_in(path), f"{number}, {fault}: no test {word} in {path}"
            n_tests += 1
        assert n_tests, f"{number}, {fault}: no test"
