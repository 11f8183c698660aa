"""What people read: numbers, lines, and the live panel."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import tuner
from tuner.errors import InputError
from tuner.network.config import MLPConfig, ModuleConfig
from tuner.results.result import TuneResult
from tuner.results.wording import clock, comparisons, describe, number
from tuner.running.display import Display
from tuner.running.progress import Ended, Observer, Repeated, Running, Snapshot
from tuner.storage import Counts
from tuner.terminal.tables import config_table, show_result

from ..conftest import Write
from ..results.test_winner import arm, winning_over

ROOT = Path(__file__).parents[2]


def test_words() -> None:
    assert (number(0.98625), number(None), number(77.185)) == ("0.98625", "-", "77.185")
    assert [clock(seconds) for seconds in (61, 3599.6, 3723)] == ["1:01", "1:00:00", "1:02:03"]
    assert clock(None) == "-"
    config = MLPConfig(depth=2, width=64, dropout=0.1, batch_size=32, learning_rate=0.001)
    assert describe(config) == "2 x 64 relu, bn, dropout 0.10, batch 32, adamw 0.001, cosine"
    more = config.model_copy(update={"numeric_embedding": "periodic", "class_weight": "balanced"})
    assert describe(more).startswith("2 x 64 relu, periodic inputs, bn,")
    assert describe(more).endswith(", cosine, balanced classes")
    values: dict[str, Any] = {"epochs": 3, "n_inputs": 4, "width": 8, "rate": 0.00123456}
    module = ModuleConfig(module="a:B", values=values, data_values={"batch_size": 64}, epochs=3)
    assert describe(module) == "width 8, rate 0.001235, batch_size 64"


def test_a_table_of_a_module() -> None:
    console = Console(file=io.StringIO(), width=80)
    config = ModuleConfig(module="a:B", values={"width": 8}, data_module="[a]:C", epochs=3)
    with console.capture() as capture:
        console.print(config_table(config))
    assert capture.get().split() == ["module", "a:B", "data_module", "[a]:C", "width", "8"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_search(terminal: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120)
    view = Running(3, "note", MLPConfig(), epoch=4, score=0.9625)
    snapshot = Snapshot(
        study="digits_mlp", metric="val_accuracy", counts=Counts(complete=2, pruned=1),
        budget_trials=40, running=(view,), best=None, seconds=12.0, seconds_left=48.0, eta=30.0,
    )  # fmt: skip
    with Display(console) as display:
        display.update(snapshot)
        display.ended(Ended(view, "failed", "ValueError: a [bad] value"))
    text = stream.getvalue()
    assert "trial   3" in text
    assert "ValueError: a [bad] value" in text
    for words in (
        "digits_mlp",
        "of 40",
        "1 pruned",
        "epoch 4/10",
        "left 0:48",
        "ETA 0:30",
    ):
        assert (words in text) == terminal
    bars = [line for line in text.splitlines() if "━" in line]
    assert bool(bars) == terminal
    assert not any("trial" in line for line in bars)


def test_the_end_of_a_search_without_a_complete_trial(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    ended = TuneResult(
        study="digits_mlp", metric="val_accuracy", best=None, counts=Counts(pruned=2),
        confirmation=None, importances={}, folder=tmp_path,
        stopped="the 0.1 minutes are over", ran=2, seconds=6.0,
    )  # fmt: skip
    with console.capture() as capture:
        show_result(console, ended, "digits_mlp")
    text = capture.get()
    assert "No trial is complete yet" in text and "larger budget" in text
    assert "best.json" not in text and "tuner best" not in text


@pytest.mark.parametrize(
    ("makefile", "advice"),
    [
        ((ROOT / "Makefile").read_text(), "make tune STUDY=wine"),
        ("test:\n\tpytest\n", "tuner tune wine"),
        (None, "tuner tune wine"),
    ],
    ids=["ours", "another", "none"],
)
def test_what_comes_next_can_be_typed(
    makefile: str | None, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever has installed the package is sent to targets that are not there."""
    monkeypatch.chdir(tmp_path)
    if makefile is not None:
        Path("Makefile").write_text(makefile)
    ended = TuneResult(
        study="wine", metric="val_loss", best=None, counts=Counts(), confirmation=None,
        importances={}, folder=tmp_path, stopped="over", ran=0, seconds=1.0,
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        show_result(console, ended, "wine")
    assert advice in capture.get()
    assert ("make" in capture.get()) == ("make" in advice)


def test_two_seeds_have_no_error_bar() -> None:
    """Else two seeds that differ by the same are told as a gain without any doubt."""
    preset = arm("note", 0.90, 0.91, 0.90, trial=None)
    preset = preset.model_copy(update={"is_preset": True, "config": MLPConfig(width=5)})
    three = winning_over(arm("trial 1", 0.92, 0.93, 0.95), preset)
    assert "better than the note by 3 ± 1 points of val_accuracy" in comparisons(three)[0]
    preset = preset.model_copy(update={"scores": (0.90, 0.91)})
    two = winning_over(arm("trial 1", 0.92, 0.93), preset)
    assert comparisons(two)[0].startswith(
        "better than the note by 2 points of val_accuracy (too few seeds for an error)"
    )


def test_what_ctrl_c_leaves_begins_no_line() -> None:
    """Else a terminal's own ^C pushes a line of the panel to where nothing clears it."""
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    display = Display(console)
    with display:
        display.repeated(Repeated(MLPConfig(), 3, 7))
        shown = console.file.getvalue()  # type: ignore[attr-defined]
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown).replace("\r", "\n").split("\n")
    assert any("3 of 7 trainings" in line for line in lines)
    assert max(map(len, lines)) <= 80 - 2 * len("^C")


def test_from_python(write_study: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A search shows itself where it is asked to, and says nothing where no one watches."""
    write_study()
    tuner.tune("small", trials=1)
    told = capsys.readouterr()
    assert told.out == told.err == ""
    tuner.tune("small", trials=2, progress=True)
    told = capsys.readouterr()
    assert "trial   1 done" in told.out and "reading wine ..." in told.out
    assert "A new study" not in told.err
    with pytest.raises(InputError, match="progress=False"):
        tuner.tune("small", progress=True, observer=Observer())
