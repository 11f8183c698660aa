"""The package as it is shipped: built, installed elsewhere, and used there."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parent.parent


#: Runs a program of Python's with several lines of words, in one interpreter.
ONE_AFTER_THE_OTHER = """
import json, runpy, sys
program, lines = sys.argv[1:]
for words in json.loads(lines):
    sys.argv = [program, *words]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""


def run(*words: str | Path, folder: Path) -> str:
    own = ("PYTHONPATH", "TUNER_HOME")
    kept = {name: text for name, text in os.environ.items() if name not in own}
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=kept, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_works_outside_the_clone(tmp_path: Path) -> None:
    """Else a file that only a clone has is missed by everyone who installs it."""
    source = tmp_path / "source"
    wanted = ("tuner", "pyproject.toml", "README.md", "LICENSE")
    source.mkdir()
    for name in wanted:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    built = "; ".join(f"b.build_{kind}({str(tmp_path)!r})" for kind in ("sdist", "wheel"))
    run(sys.executable, "-c", f"from setuptools import build_meta as b; {built}", folder=source)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "LICENSE", "tuner/py.typed", "tuner/search.py"} <= names
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(source)
    # What it needs is there already; what it is comes from the wheel alone.
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
        python,
    )
    run(*pip, "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "needs.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    where = run(python, "-c", "import tuner; print(tuner.__file__)", folder=folder)
    assert Path(where.strip()).is_relative_to(environment)
    shutil.copy(ROOT / "studies" / "penguins.csv", folder)
    command = environment / "bin" / "tuner"
    short = ("--trials", "2", "--workers", "1", "--no-confirm")
    assert run(command, "--version", folder=folder).startswith("tuner ")
    words = [
        ["tune", "penguins.csv", "--label", "species", *short],
        ["predict", "penguins", "penguins.csv", "--out", "p.csv"],
        ["report", "penguins"],
    ]
    told = run(python, "-c", ONE_AFTER_THE_OTHER, command, json.dumps(words), folder=folder)
    assert "344 rows" in told
    assert (folder / "runs" / "penguins" / "report.html").stat().st_size > 100_000
