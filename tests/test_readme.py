"""What README and pages show works: their Python runs, their studies load, their commands exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tuner
from tuner.study import ModuleStudySpec, load_study
from tuner.study.base import OF_TABLES
from tuner.study.classes import UserClasses

from .conftest import Write

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs").glob("*.md")}
#: Pages whose Python is run, in this order, after that of the README.
RUN = ("watching", "index", "api", "modules")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_python_blocks(project: Path) -> None:
    shutil.copytree(ROOT / "examples", project / "examples")
    studies = {"digits_mlp": "epochs = 2", "digits_cnn": "epochs = 1"}  # what they find: no matter
    for name, epochs in studies.items():
        text = (ROOT / "studies" / f"{name}.toml").read_text()
        text = re.sub(r"(\[objective\]\n)(epochs = .*\n)?", rf"\1{epochs}\n", text)
        text = re.sub(r"\nepochs = 12\n", "\n", text)
        path = project / "studies" / f"{name}.toml"
        seeds = 2 if name == "digits_mlp" else 0
        path.write_text(f"{text}\n[confirm]\nconfigs = 2\nseeds = {seeds}\nmembers = 2\n")
        tuner.tune(name, trials=2)
    texts = (README, *(PAGES[name] for name in RUN))
    code = "\n".join(block for text in texts for block in blocks("python", text))
    assert code.count("import tuner") >= 9
    assert code.count("minutes=0.1") == 2
    code = code.replace("minutes=0.1", "trials=1, workers=1")
    code = re.sub(r"trials=[456](, workers=1)?", "trials=2, workers=1", code)
    # Trials, and trainings to the end, of few epochs.
    named = ('name="wines", ', 'name="cancer", ', 'name="api', "epochs=5)")
    assert [code.count(each) for each in named] == [1, 1, 7, 2]
    code = re.sub(r'(name="(?:wines|cancer|api\w*)", )', r"\1**short, ", code)
    short = {
        "data": {"folds": 1},
        "objective": {"epochs": 2},
        "start": {"rate_range": False},
        "confirm": {"configs": 2, "seeds": 2, "members": 2},
    }
    code = f"short = {short}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    confirmed = tuner.best("digits_mlp").confirmed
    assert confirmed is not None
    assert f"validation={confirmed.validation!r}" in done.stdout


def test_the_study_file(write_study: Write) -> None:
    (text,) = blocks("toml", PAGES["studies"])
    spec = load_study(write_study(text))
    # It names every key that there is.
    for section in ("data", "objective", "budget", "study", "start", "confirm", "log", "search"):
        written = set(getattr(spec, section).model_fields_set)
        missing = set(type(getattr(spec, section)).model_fields) - written
        assert missing <= {*OF_TABLES, *(["patience"] if section == "search" else [])}
    (text,) = blocks("toml", PAGES["tables"])
    both = {"group", "time"}  # which exclude each other
    assert "# time = " in text
    assert {*OF_TABLES} - both <= set(load_study(write_study(text)).data.model_fields_set)


def test_the_study_file_of_a_module(write_study: Write) -> None:
    """It is the shipped one, but for the budget and a shorter search."""
    text = blocks("toml", PAGES["modules"])[0]
    spec = load_study(write_study(text))
    assert isinstance(spec, ModuleStudySpec)
    shipped = load_study(ROOT / "studies" / "digits_cnn.toml")
    assert isinstance(shipped, ModuleStudySpec)
    assert (spec.model, spec.data) == (shipped.model, shipped.data)
    assert spec.objective == shipped.objective
    assert spec.search.items() <= shipped.search.items()
    UserClasses.of(spec)


def test_every_public_name_is_in_the_reference() -> None:
    """Else one has to read the code to learn of it."""
    told = set(re.findall(r"^::: tuner\.(\w+)", PAGES["api"], re.MULTILINE))
    assert set(tuner.__all__) <= told
    # And used, in code that `test_python_blocks` runs.
    code = "\n".join(blocks("python", PAGES["api"]))
    assert set(tuner.__all__) <= {"heuristics", *re.findall(r"\btuner\.(\w+)", code)}
    pages = re.findall(r"([a-z]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_commands_exist() -> None:
    texts = (README, *PAGES.values())
    lines = [line for text in texts for block in blocks("sh", text) for line in block.splitlines()]
    makefile = (ROOT / "Makefile").read_text()
    rules = re.findall(r"^([a-z ]+):", makefile, re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    told = {line.split()[1] for line in lines if line.startswith("make")}
    assert told <= targets
    help_text = subprocess.run(
        [sys.executable, "-m", "tuner", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for line in lines:
        if line.startswith("tuner"):
            assert line.split()[1] in help_text


def test_links_and_pictures_are_there() -> None:
    for folder, text in ((ROOT, README), *((ROOT / "docs", text) for text in PAGES.values())):
        for target, place in re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", text):
            if target:
                assert (folder / target).stat().st_size > 500, target
            if place:
                there = (folder / target).read_text() if target else text
                assert place in map(anchor, re.findall(r"^#+ (.*)", there, re.MULTILINE)), place


def anchor(heading: str) -> str:
    """What a link to a heading is written as."""
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


def test_every_picture_is_shown() -> None:
    shown = re.findall(r"images/([\w.]+)", "".join((README, *PAGES.values())))
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} == set(shown)
    assert (ROOT / "docs" / "images" / "dashboard.png").read_bytes().startswith(b"\x89PNG")
