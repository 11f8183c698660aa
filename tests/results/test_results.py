"""What a study leaves behind: files that agree with the store, whatever cut the search."""

from pathlib import Path

import pandas as pd
import pytest
import torch

import tuner
from tuner import storage
from tuner.data import load
from tuner.errors import InputError, StoreLostError
from tuner.results.best import Best
from tuner.results.files import ResultFiles
from tuner.running.progress import Observer
from tuner.storage import best_trial, locate
from tuner.system import paths

from ..conftest import SMALL, Write


@pytest.fixture
def tuned(write_study: Write) -> tuner.TuneResult:
    write_study()
    return tuner.tune("small", trials=4)


def test_files_agree_with_the_store(tuned: tuner.TuneResult, project: Path) -> None:
    folder = project / "runs" / "small"
    visible = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert not list(folder.glob(".trial-*"))
    own = ["ledger.json", "owner", "reserve", "small.toml"]
    assert visible == ["best.ckpt", "best.json", *own, "trials.csv"]
    assert (folder / "small.toml").read_text() == SMALL
    stored = best_trial(storage.read_study("small"))
    assert stored is not None
    found = tuner.best("small")
    assert found == tuned.best
    assert (found.trial, found.value) == (stored.number, stored.value)
    assert stored.user_attrs["config"] == found.config.to_json()
    assert tuner.best_config("small") == tuner.best_config("studies/small.toml") == found.config


def test_leaderboard(tuned: tuner.TuneResult, project: Path) -> None:
    frame = tuner.leaderboard("small")
    assert len(frame) == 4
    assert frame["state"].tolist() == sorted(frame["state"], key=["complete", "pruned"].index)
    values = frame.loc[frame["state"] == "complete", "value"]
    assert values.is_monotonic_increasing
    assert frame.loc[0, "trial"] == tuner.best("small").trial
    sources = {"modern default", "shallow", "periodic embedding", "without normalization"}
    assert set(frame["source"]) == sources
    assert {"width", "learning_rate", "seed", "val_accuracy", "seconds"} <= set(frame.columns)
    written = pd.read_csv(project / "runs" / "small" / "trials.csv")
    assert written["trial"].tolist()[:4] == frame["trial"].tolist()
    assert written["value"].tolist()[:4] == pytest.approx(frame["value"].tolist(), nan_ok=True)


def test_the_loaded_winner_scores_what_was_promised(tuned: tuner.TuneResult) -> None:
    model = tuner.load_model("small")
    assert not model.training
    wine = load("wine", Path(), seed=0)
    with torch.no_grad():
        logits = model(torch.from_numpy(wine.validation.x))
        alone = tuner.load_ensemble("small")(torch.from_numpy(wine.validation.x))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(wine.validation.y))
    assert float(loss) == pytest.approx(tuner.best("small").value, rel=1e-5)
    torch.testing.assert_close(alone.softmax(1), logits.softmax(1))  # as long as there is but one


def test_nothing_yet(write_study: Write) -> None:
    write_study()
    with pytest.raises(InputError, match="'small' has no complete trial yet"):
        tuner.best_config("small")
    with pytest.raises(InputError, match="'small' has no trained network"):
        tuner.load_model("small")
    with pytest.raises(InputError, match="no study has been tuned here yet"):
        tuner.leaderboard("small")


def test_damaged_files(tuned: tuner.TuneResult) -> None:
    folder = paths.study_folder("small")
    whole = (folder / "best.ckpt").read_bytes()
    for damaged in (b"damaged", b"", whole[:-1], whole[: len(whole) // 2]):
        (folder / "best.ckpt").write_bytes(damaged)
        for loaded in (tuner.load_model, tuner.load_ensemble):
            with pytest.raises(InputError, match=r"best\.ckpt: damaged .only --new makes another"):
                loaded("small")
    (folder / "best.json").write_text("{}")
    for loaded in (tuner.load_model, tuner.load_ensemble):
        with pytest.raises(InputError, match="not a checkpoint"):
            loaded("small")
    with pytest.raises(InputError, match=r"best\.json: cannot be read"):
        tuner.best_config("small")


class TestCrashes:
    """Each moment that a crash can pick between a trial's end and its files."""

    @pytest.fixture
    def best(self, tuned: tuner.TuneResult) -> Best:
        assert tuned.best is not None
        return tuned.best

    def resumed(self) -> tuple[Best, Path]:
        tuner.tune("small", trials=4)
        return tuner.best("small"), paths.study_folder("small")

    def test_after_telling_before_promoting(self, best: Best) -> None:
        folder = paths.study_folder("small")
        good = (folder / "best.ckpt").read_bytes()
        ResultFiles("small").stage(best.trial, good)
        (folder / "best.ckpt").write_bytes(b"an earlier one")
        (folder / "best.json").write_text(best.model_copy(update={"trial": 99}).model_dump_json())
        found, folder = self.resumed()
        assert found == best
        assert (folder / "best.ckpt").read_bytes() == good
        assert not list(folder.glob(".*"))

    @pytest.mark.slow
    def test_between_checkpoint_and_json(self, best: Best) -> None:
        folder = paths.study_folder("small")
        (folder / "best.json").unlink()
        assert self.resumed()[0] == best

    def test_before_telling(self, best: Best) -> None:
        folder = paths.study_folder("small")
        good = (folder / "best.ckpt").read_bytes()
        ResultFiles("small").stage(77, b"of a trial that was never told")
        (folder / ".best.json.123.part").write_text("half")
        found, folder = self.resumed()
        assert found == best
        assert (folder / "best.ckpt").read_bytes() == good
        assert not list(folder.glob(".*"))


def test_files_of_a_store_that_is_gone_are_put_aside(tuned: tuner.TuneResult) -> None:
    locate().path.unlink()
    for rest in paths.home().glob("optuna.db-*"):
        rest.unlink()
    ResultFiles("small").repair(None)
    folder = paths.study_folder("small")
    assert not (folder / "best.json").exists()
    assert (folder / "earlier-best.json").exists()
    assert (folder / "earlier-best.ckpt").exists()


def test_a_network_of_another_trial_is_put_aside(tuned: tuner.TuneResult) -> None:
    """Else it is sealed as the network of a trial that ended on another machine."""
    assert tuned.best is not None
    folder = paths.study_folder("small")
    network = (folder / "best.ckpt").read_bytes()
    elsewhere = tuned.best.model_copy(update={"trial": 99, "seed": 7, "checkpoint": ""})
    ResultFiles("small").repair(elsewhere)
    assert tuner.best("small") == elsewhere
    assert (folder / "earlier-best.ckpt").read_bytes() == network
    with pytest.raises(InputError, match="'small' has no trained network"):
        tuner.load_model("small")


def test_what_is_told_of_a_network_may_change(write_study: Write) -> None:
    """Else the networks of a finished study are trained again where a later version tells more."""
    write_study(SMALL.replace("seeds = 0", "seeds = 2\nconfigs = 1"))
    result = tuner.tune("small", workers=1)
    assert result.best is not None and result.best.confirmed is not None
    folder = paths.study_folder("small")
    network, told = (folder / "best.ckpt").read_bytes(), (folder / "best.json").read_bytes()
    wider = result.best.confirmed.validation.model_copy(update={"standard_error": 9.0})
    confirmed = result.best.confirmed.model_copy(update={"validation": wider})
    earlier = result.best.model_copy(update={"confirmed": confirmed, "tuner": "0"})
    (folder / "best.json").write_text(earlier.model_dump_json())
    trained: list[str] = []

    class Reader(Observer):
        def begin(self, message: str) -> None:
            trained.append(message)

    assert tuner.tune("small", workers=1, observer=Reader()).best == result.best
    assert (folder / "best.ckpt").read_bytes() == network
    assert (folder / "best.json").read_bytes() == told
    assert not [each for each in trained if "training" in each]


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    (project / "runs").write_text("a file where the folder should be")
    with pytest.raises(StoreLostError, match="cannot be written"):
        ResultFiles("small").stage(1, b"")


def test_replacing_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), paths.replacing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_damaged_network_of_a_winner_is_made_again(write_study: Write) -> None:
    """Else the network of a finished study is lost with one bad sector."""
    write_study(SMALL.replace("seeds = 0", "seeds = 2\nconfigs = 1"))
    tuner.tune("small", workers=1)
    folder = paths.study_folder("small")
    names = ("best.ckpt", "confirmation.json", "best.json")
    whole = {name: (folder / name).read_bytes() for name in names}
    x = torch.from_numpy(load("wine", Path()).test.x)
    with torch.no_grad():
        before = tuner.load_model("small")(x)
    for name in names:
        (folder / name).write_bytes(whole[name][: len(whole[name]) // 2])
        tuner.tune("small", workers=1)
        assert tuner.confirmation("small") is not None
        with torch.no_grad():
            assert torch.allclose(tuner.load_model("small")(x), before)


@pytest.mark.slow
def test_a_crash_before_the_winner_is_crowned(write_study: Write) -> None:
    """Else another network is handed over as the confirmed winner's, with a seal on it."""
    write_study(SMALL.replace("seeds = 0", "seeds = 2\nconfigs = 1"))
    result = tuner.tune("small", workers=1)
    assert result.best is not None
    folder = paths.study_folder("small")
    x = torch.from_numpy(load("wine", Path()).test.x)
    with torch.no_grad():
        confirmed = tuner.load_model("small")(x)
    # As the search leaves its files, before the confirmation makes others of them.
    files = ResultFiles("small")
    of_the_search = result.best.model_copy(update={"confirmed": None, "checkpoint": ""})
    files.stage(result.best.trial, b"the network of the search")
    files.promote(of_the_search)
    files.repair(result.best.model_copy(update={"checkpoint": ""}))
    assert not files.has(result.best)
    again = tuner.tune("small", workers=1)
    assert again.best == result.best
    with torch.no_grad():
        assert torch.allclose(tuner.load_model("small")(x), confirmed)
    assert (folder / "best.ckpt").read_bytes() != b"the network of the search"
