"""Stores and files that are damaged, lost or another's: told before anything is written."""

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import optuna
import pytest

import tuner
from tuner.errors import ChangedStudyError, StoreLostError, StoreUnreadableError
from tuner.network.config import DataFacts
from tuner.storage import StudyStore, count, locate, reading
from tuner.storage.inspection import inspect
from tuner.storage.ledger import Ledger
from tuner.storage.reserve import Reserve
from tuner.study import StudySpec, load_study
from tuner.system import paths

from ..conftest import SMALL, Write


@pytest.fixture
def spec(write_study: Write) -> StudySpec:
    return load_study(write_study())


def open_store(spec: StudySpec, *, new: bool = False) -> StudyStore:
    return StudyStore(spec, metric="val_loss", facts=None, fingerprint="abc", new=new)


@pytest.fixture
def ended(spec: StudySpec) -> StudySpec:
    """A study with three finished trials, whose store is closed."""
    with open_store(spec) as store:
        for number in range(3):
            trial = store.ask()
            trial.suggest_float("x", 0, 1)
            store.complete(trial, float(number))
            store.note_finished(number + 1)
    return spec


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that only say who is at work."""
    idle = ("owner", "optuna.lock", "reserve")
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        # SQLite makes these two whenever it reads, and takes them away.
        if file.is_file() and file.name not in idle and not file.name.endswith(("-shm", "-wal"))
    }


def refused(spec: StudySpec, message: str = "failed") -> None:
    """Opening ends with an error that names the store, and changes no byte."""
    before = contents(paths.home())
    with pytest.raises(StoreUnreadableError, match=message) as caught:
        open_store(spec).close()
    assert str(locate().path) in str(caught.value)
    assert contents(paths.home()) == before


@pytest.mark.parametrize("left", ["nothing", "no bytes", "a letter"])
def test_a_store_that_is_gone(ended: StudySpec, left: str) -> None:
    """Else a search silently begins anew beside the results of the earlier one."""
    locate().path.unlink()
    if left != "nothing":
        locate().path.write_bytes(b"" if left == "no bytes" else b"S")
    message = "no SQLite database" if left == "a letter" else "3 of 3 finished trials of study 'sm"
    refused(ended, message)


def test_what_is_left_can_be_gone_on_with(ended: StudySpec) -> None:
    """The command that the message names works."""
    locate().path.unlink()
    with pytest.raises(StoreUnreadableError, match="`rm (.*)` and the same command") as caught:
        open_store(ended)
    file = str(caught.value).split("`rm ")[1].split("`")[0]
    Path(file).unlink()
    with open_store(ended) as store:
        assert not store.trials()


def test_new_puts_the_files_of_a_lost_store_aside(ended: StudySpec) -> None:
    locate().path.unlink()
    (paths.study_folder("small") / "best.json").write_text("{}")
    with open_store(ended, new=True) as store:
        assert not store.trials()
    assert (paths.study_folder("small.1") / "best.json").exists()
    assert not (paths.study_folder("small") / "best.json").exists()


def test_a_write_ahead_log_that_is_gone(spec: StudySpec) -> None:
    """Else the last trials are lost, and no one hears of it."""
    store = open_store(spec)
    trial = store.ask()
    store.complete(trial, 1.0)
    store.note_finished(1)
    # What a copy of the file alone has: the log still holds the trial.
    copy = locate().path.read_bytes()
    assert locate().path.with_name("optuna.db-wal").stat().st_size > 0
    store.close()
    for file in paths.home().glob("optuna.db*"):
        file.unlink()
    locate().path.write_bytes(copy)
    with pytest.raises(StoreUnreadableError, match="1 of 1 finished trials|no SQLite|damaged"):
        open_store(spec)


def test_a_file_that_is_cut(ended: StudySpec) -> None:
    """Wherever it is cut, it is refused as it is or holds all that finished; never a traceback."""
    whole = locate().path.read_bytes()
    assert not locate().path.with_name("optuna.db-wal").exists()
    page = 4096
    for size in [1, 15, 99, 100, 101, 511, 4095, *range(page, len(whole), 3 * page), len(whole)]:
        locate().path.write_bytes(whole[:size])
        if size < len(whole):
            refused(ended)
    with open_store(ended) as store:
        assert count(store.trials()).complete == 3


def test_pages_of_garbage(ended: StudySpec) -> None:
    whole = bytearray(locate().path.read_bytes())
    for page in range(1, len(whole) // 4096, 2):
        damaged = bytearray(whole)
        damaged[4096 * page : 4096 * (page + 1)] = b"\x5a" * 4096
        locate().path.write_bytes(damaged)
        try:
            with open_store(ended) as store:
                assert count(store.trials()).complete == 3
        except StoreUnreadableError as error:
            assert str(locate().path) in str(error)


@pytest.mark.parametrize("content", [b"x,y\n" * 100, b"PK\x03\x04" + bytes(5000)])
def test_a_file_of_another_kind(spec: StudySpec, content: bytes) -> None:
    paths.home().mkdir()
    locate().path.write_bytes(content)
    refused(spec, r"no SQLite database; `mkdir .*aside && mv .*optuna.db\* .*aside` puts it aside")


def test_a_database_of_something_else(spec: StudySpec) -> None:
    """Else our tables come into the user's own database."""
    paths.home().mkdir()
    with sqlite3.connect(locate().path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    refused(spec, r"a database of something else \(tables customers\)")
    with pytest.raises(StoreUnreadableError, match="something else"):
        reading.summaries()


def schema(version: str) -> None:
    with sqlite3.connect(locate().path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.execute("UPDATE version_info SET library_version = '9.8.7'")
    connection.close()


@pytest.mark.process
def test_a_schema_of_an_older_optuna(ended: StudySpec) -> None:
    """The message has the command, as it can be typed here, and the command works."""
    schema("v3.0.0.d")
    with pytest.raises(StoreUnreadableError, match="made by Optuna 9.8.7, .* after") as caught:
        open_store(ended)
    command = str(caught.value).split("`")[1].split()
    assert command[1:4] == ["storage", "upgrade", "--storage"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_store(ended) as store:
        assert count(store.trials()).complete == 3


def test_a_schema_of_a_newer_optuna(ended: StudySpec) -> None:
    schema("v99.0.0.a")
    refused(ended, r"made by Optuna 9.8.7, .*`\S+ -m pip install --upgrade optuna`")


def test_another_store_has_its_own_count(ended: StudySpec) -> None:
    """Else who moves to a database of the team's cannot begin there."""
    Ledger("small", "postgresql://host/team").compare(0, None)
    with pytest.raises(StoreUnreadableError):
        Ledger("small", str(locate())).compare(2, 1)
    Ledger("small", str(locate())).compare(2, 7)  # of a --new that someone else gave
    (paths.study_folder("small") / "ledger.json").write_text('{"store"')
    Ledger("small", str(locate())).compare(0, 1)  # a damaged one says nothing


def test_a_torn_file_of_what_is_untold(ended: StudySpec) -> None:
    """Else one bad line stands between the user and all trials."""
    store = str(locate())
    good = {"store": store, "trial_id": 99, "state": "COMPLETE", "values": [1.0]}
    lines = [json.dumps(good).encode(), b'{"store": "x', b"\xff\xfe", b"[1]", b'{"store": 3}']
    file = paths.study_folder("small") / "untold.jsonl"
    file.write_bytes(b"\n".join(lines))
    with open_store(ended) as opened:
        assert count(opened.trials()).complete == 3
    assert not file.exists()
    assert file.with_name("untold.jsonl.aside").read_bytes().count(b"\n") == 4


def test_room_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what ended while the disk was full has nowhere to go."""
    reserve = Reserve(tmp_path / "reserve")
    assert (tmp_path / "reserve").stat().st_size == 256 * 1024
    reserve.release()
    assert not (tmp_path / "reserve").exists()
    reserve.release()

    def full(*_: object, **__: object) -> None:
        raise StoreLostError("no room")

    monkeypatch.setattr(paths, "write", full)
    with pytest.raises(StoreLostError):
        Reserve(tmp_path / "reserve")


def test_a_full_disk_is_told_as_such(spec: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else exit code 4 sends the user to mend a file that is not damaged."""
    full = sqlite3.OperationalError("database or disk is full")
    with (
        pytest.raises(StoreLostError),
        reading.translated(locate(), StoreUnreadableError, "taking the study"),
    ):
        raise full


def test_a_store_without_studies_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "optuna.db"
    path.write_bytes(b"")
    inspect(path, thoroughly=True)
    optuna.create_study(storage=f"sqlite:///{path}")
    inspect(path, thoroughly=True)
    shutil.copy(path, tmp_path / "copy.db")
    inspect(tmp_path / "copy.db", thoroughly=True)


@pytest.mark.slow
def test_a_study_of_other_labels_is_another(write_study: Write, project: Path) -> None:
    """Else an audit of noise shows the verdicts on the data before."""
    import numpy as np

    x = np.random.default_rng(0).normal(size=(200, 3))
    y = (x[:, 0] > 0).astype(int).astype(str)
    file = project / "studies" / "rows.npz"
    study = write_study(
        '[data]\nsource = "rows.npz"\nfolds = 1\n[objective]\nepochs = 2\n[budget]\ntrials = 2\n'
        "[confirm]\nseeds = 2\nconfigs = 1\n[start]\nrate_range = false\n[search]\nwidth = 8\n"
    )
    np.savez(file, x=x, y=y)
    tuner.tune(study, workers=1)
    kept = (paths.study_folder("small") / "repeats.jsonl").read_text()
    for left in paths.home().glob("optuna.db*"):
        left.unlink()
    (paths.study_folder("small") / "ledger.json").unlink()
    np.savez(file, x=x, y=np.random.default_rng(1).permutation(y))
    result = tuner.tune(study, workers=1)
    after = (paths.study_folder("small") / "repeats.jsonl").read_text()
    assert after.startswith(kept)
    assert after.count("\n") == 2 * kept.count("\n")
    assert result.confirmation is not None
    scores = [json.loads(line)["metrics"]["val_accuracy"] for line in after.splitlines()]
    n = len(scores) // 2
    told = {score for arm in result.confirmation.arms for score in arm.scores}
    assert told <= set(scores[n:])


def test_tables_that_were_half_made_are_completed(spec: StudySpec) -> None:
    """Else a death in the first second of the first study ends all later ones."""
    paths.home().mkdir()
    with sqlite3.connect(locate().path) as connection:
        connection.execute(
            "CREATE TABLE studies (study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512))"
        )
    connection.close()
    with open_store(spec) as store:
        assert not store.trials()


def test_a_task_that_was_decided_may_be_said_later(spec: StudySpec, write_study: Write) -> None:
    """Else what a newer version asks for is a change that it refuses."""
    facts = DataFacts(n_inputs=3, n_outputs=1, n_rows=50, task="regression")

    def opened(written: StudySpec) -> StudyStore:
        return StudyStore(written, metric="val_loss", facts=facts, fingerprint="abc")

    with opened(spec) as store:
        trial = store.ask()
        store.complete(trial, 1.0)
    said = SMALL.replace("folds = 1", "folds = 1\ntask = 'regression'")
    with opened(load_study(write_study(said))) as store:
        assert count(store.trials()).complete == 1
    other = SMALL.replace("folds = 1", "folds = 1\ntask = 'classification'")
    with pytest.raises(ChangedStudyError, match="data.task"):
        opened(load_study(write_study(other)))
