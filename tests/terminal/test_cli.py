"""The command line as a user runs it: real processes, exit codes, one line for each error."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import tuner
from tuner.storage import locate

from ..commands import TUNER, Command, run
from ..conftest import SMALL, Write
from ..study.test_study import SHIPPED_MLPS

pytestmark = pytest.mark.process


def really(*words: str, code: int = 0) -> str:
    """Runs a command in an interpreter of its own, as a user does."""
    done = subprocess.run([*TUNER, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_study_from_first_to_last_command(write_study: Write) -> None:
    write_study()
    told = run("tune", "small").stdout
    assert "4 of 4 trials are finished" in told
    assert "Best val_loss" in told
    assert "tuner best small" in told and "make " not in told
    assert told.count("trial ") >= 4
    alone = ("--workers", "1")
    assert "Nothing was left to do" in run("tune", "small", "--patience", "9", *alone).stdout
    assert "5 of 5" in run("tune", "small", "--trials", "5", *alone).stdout
    best = json.loads(run("best", "small", "--json").stdout)
    assert best == json.loads(tuner.best("small").model_dump_json())
    assert str(best["config"]["width"]) in run("best", "small").stdout
    listed = json.loads(run("studies", "--json").stdout)
    expected = {"study": "small", "finished": 5, "budget": 5, "metric": "val_loss"}
    assert listed == [{**expected, "best": best["value"]}]
    assert "5 of 5" in run("studies").stdout


def test_answers_with_error_bars(write_study: Write) -> None:
    """Confirmed, ablated, audited and reported, as a user does it."""
    write_study(SMALL.replace("seeds = 0", "configs = 2\nseeds = 2"))
    told = run("tune", "small").stdout
    assert "confirming 2 configs of the search and 2 presets over 2 seeds" in told
    best = tuner.best("small")
    assert best.confirmed is not None
    shown = run("best", "small").stdout
    for words in ("±", " than the note by ", " than the modern default by ", "opened once"):
        assert words in told
        assert words in shown
    assert "confirmed" in json.loads(run("best", "small", "--json").stdout)
    alone = ("--workers", "1")
    assert "not confirmed" in run("tune", "small", "--new", "--no-confirm", *alone).stdout
    assert "no confirmed winner yet" in run("ablate", "small", *alone, code=2).stderr
    run("tune", "small", *alone)
    told = run("compare", "small", "small.1").stdout
    assert "gain over small" in told and "unpaired" not in told and "±" in told
    assert "takes two studies" in run("compare", "small", code=2).stderr
    told = run("plan", "small", "--patience", "7", *alone).stdout
    assert "It ends once 7 trials in a row" in told
    assert "  modern default: " in told and "  note (once it can be pruned): " in told
    assert "An epoch of a usual network adds" in told
    assert "rules of thumb" in run("ablate", "small", *alone).stdout
    assert "no front yet" in run("best", "small", "--at", "n_parameters=99", code=2).stderr
    told = run("front", "small", *alone).stdout
    assert "the best networks of each size" in told and ", the winner" in told
    front = json.loads(run("front", "small", "--json", *alone).stdout)
    assert any(" wide" in each["arm"]["name"] for each in front["points"] + front["others"])
    least = int(told.split("n_parameters=")[1].split()[0])
    point = json.loads(run("best", "small", "--at", f"n_parameters={least}", "--json").stdout)
    assert point["arm"]["n_parameters"] == least
    assert f"{least:,}" in run("best", "small", "--at", f"n_parameters={least}").stdout
    for at in (f"n_parameters={least - 1}", "n_parameters=few", "n_parameters=5__0", "width=9"):
        assert run("best", "small", "--at", at, code=2).stderr.startswith("error")
    told = run("audit", "small", "--rules", "S7,S22", "--pairs", "2", *alone).stdout
    assert "inconclusive" in told or "equivalent" in told
    assert "not testable" in told
    for words in (("--rules", "S77"), ("--pairs", "1"), ("--tolerance", "-1")):
        assert "error" in run("audit", "small", *words, *alone, code=2).stderr.lower()
    assert "report.html" in run("report", "small").stdout
    html = Path("runs/small/report.html").read_text()
    assert "S7" in html and "From the rules to the winner" in html and "is both smaller" in html
    assert "error" in run("report", "nothing", code=2).stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED_MLPS, ids=lambda path: path.stem)
def test_the_shipped_studies_run(path: Path, project: Path) -> None:
    """Each as it is shipped, but for how long trials are, and how many."""
    short = {"mnist_mlp": (1, 1), "digits_mlp": (1, 12), "diabetes_mlp": (2, 20)}
    trials, epochs = short.get(path.stem, (1, 40))
    shorter = path.read_text().replace("[objective]\n", f"[objective]\nepochs = {epochs}\n")
    assert f"epochs = {epochs}\n" in shorter
    shorter += "[confirm]\nconfigs = 1\nseeds = 2\nmembers = 2\n"
    for table in path.parent.glob("*.csv"):
        shutil.copy(table, project / "studies")
    path = project / "studies" / path.name
    path.write_text(shorter)
    words = ("tune", "--workers", "1", str(path), "--trials", str(trials))
    if path.stem == "mnist_mlp":
        really(*words, "--no-confirm")
    else:
        run(*words)
    found = tuner.best(path)
    good = {
        "mnist_mlp": 0.9,
        "digits_mlp": 0.9,
        "wine_mlp": 0.7,
        "diabetes_mlp": 70,
        "penguins_mlp": 0.3,
    }[path.stem]
    value = found.value if found.confirmed is None else found.confirmed.validation.mean
    assert value is not None
    assert value > good if found.metric == "val_accuracy" else value < good


def test_home_moves(write_study: Write, tmp_path: Path) -> None:
    write_study()
    run("tune", "--workers", "1", "small", "--trials", "1", TUNER_HOME=str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "small" / "best.json").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tune", "smal"), r"studies/smal.toml: no such study file; did you mean small?"),
        (("tune", "small", "--trials", "0"), "trials must be >= 1, got 0"),
        (("tune", "small", "--trials", "x"), "Invalid value for '--trials'"),
        (("tune",), "Missing argument"),
        (("tnue", "small"), "No such command"),
        (("best", "small"), "study 'small' has no complete trial yet"),
        (("dashboard",), "no study has been tuned here yet"),
        (("recommend", "--inputs", "0", "--outputs", "1", "--rows", "1"), "--inputs"),
        (("recommend", "--inputs", "3", "--outputs", "1", "--rows", "9", "--task", "x"), "--task"),
    ],
)
def test_wrong_input_ends_with_2(write_study: Write, words: tuple[str, ...], message: str) -> None:
    path = write_study()
    done = run(*words, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (path.parent.parent / "runs").exists()


def test_brackets_in_a_message_are_shown(write_study: Write) -> None:
    write_study(SMALL + "batch_size = [32, 0]\n")
    assert "search.batch_size[1] must be >= 1, got 0" in run("tune", "small", code=2).stderr


def test_a_changed_study_shows_its_diff(write_study: Write) -> None:
    write_study()
    run("tune", "--workers", "1", "small", "--trials", "1")
    write_study(SMALL.replace("epochs = 3", "epochs = 2"))
    told = run("tune", "--workers", "1", "small", code=2).stderr
    assert "objective.epochs: 3 -> 2" in told
    assert "--new" in told
    run("tune", "--workers", "1", "small", "--trials", "1", "--new")


def test_failures_end_with_1(write_study: Write) -> None:
    write_study(SMALL + "batch_size = 1\nbatch_normalization = true\n[study]\nmax_failures = 2\n")
    assert "2 trials failed in a row" in run("tune", "small", "--fleet", "1", code=1).stderr


def test_another_owner_ends_with_3(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 100000"))
    with Command("tune", "small", "--workers", "1", "--fleet", "1") as first:
        owner = Path("runs/small/small.toml")
        while not owner.exists():
            assert first.poll() is None
            time.sleep(0.05)
        assert f"is being tuned by process {first.pid} on " in run("tune", "small", code=3).stderr
        first.kill()
        first.communicate()
    run("tune", "--workers", "1", "small", "--minutes", "0.01")


def test_an_unreadable_store_ends_with_4(write_study: Write) -> None:
    write_study()
    Path("runs").mkdir()
    Path("runs/optuna.db").write_bytes(b"no database" * 100)
    for words in (("tune", "--workers", "1", "small"), ("studies",), ("dashboard",)):
        assert "no SQLite database" in run(*words, code=4).stderr


def test_recommend() -> None:
    told = run("recommend", "--inputs", "784", "--outputs", "10", "--rows", "60000").stdout
    assert "533" in told
    assert "Petersen 2013" in told
    told = run("recommend", "--inputs", "4", "--outputs", "8", "--rows", "60").stdout
    assert "The rules disagree: S24 (two thirds) says 11" in told
    words = ("recommend", "--inputs", "9", "--outputs", "1", "--rows", "60", "--json")
    assert tuner.MLPConfig.from_json(run(*words).stdout).width == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("audit", "small", "--workers", "1", "--rules", "S1"), 0, "not testable"),
        (("ablate", "small", "--workers", "1"), 2, "no study has been tuned here yet"),
        (("front", "small", "--workers", "1"), 2, "no study has been tuned here yet"),
        (("report", "small"), 2, "no study has been tuned here yet"),
        (("dashboard",), 2, "no study has been tuned here yet"),
        (("export-heuristics",), 2, "no study has a confirmed winner yet"),
        (("recommend", "--inputs", "3", "--outputs", "1", "--rows", "9"), 0, "rules of thumb"),
        (("doctor",), 0, "GHSA-w37p-236h-pfx3"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_each_command_loads_is_there(
    words: tuple[str, ...], code: int, message: str, write_study: Write
) -> None:
    """In an interpreter that has loaded nothing else before."""
    write_study()
    assert message in really(*words, code=code)


def test_doctor(project: Path) -> None:
    assert "no release of GHSA-w37p-236h-pfx3" in run("doctor").stdout
    Path("runs").mkdir()
    locate().path.write_bytes(b"no database" * 100)
    run("doctor", code=1)
