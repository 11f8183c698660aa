"""Repetitions: what ended is kept, follows from config and seed, and never runs twice."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tuner.data import Cut, load
from tuner.errors import InterruptedStudyError, StoreLostError, WorkerLostError
from tuner.network.config import Config, MLPConfig
from tuner.network.model import MLP
from tuner.running import trainings as trainings_
from tuner.running.kept_repeats import KeptRepeats
from tuner.running.progress import Observer, Repeated
from tuner.running.repeats import Repeats
from tuner.running.trainings import seeds
from tuner.system.interruption import Interruption
from tuner.workers import Event, Failed, Finished, FleetCrew, Job, Progress, ThreadWorker, Worker

A, B = (MLPConfig(depth=1, width=width, batch_size=32, epochs=2) for width in (4, 8))
BAD = A.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd"})

WHOLE = Cut(1, whole=True)


class Recorder(Observer):
    def __init__(self) -> None:
        self.told: list[Repeated] = []

    def repeated(self, training: Repeated) -> None:
        self.told.append(training)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    crew = FleetCrew(load("wine", Path()), 3, accelerator="cpu")
    with ThreadWorker(crew, epoch_seconds=60) as worker:
        yield worker


def opened(folder: Path, worker: Worker, identity: str = "rows") -> Repeats:
    return Repeats(KeptRepeats(folder, identity, Observer()), worker, Interruption())


@pytest.fixture
def repeats(tmp_path: Path, worker: Worker) -> Repeats:
    return opened(tmp_path, worker)


def ran(repeats: Repeats, *wanted: tuple[Config, int]) -> list[Repeated]:
    recorder = Recorder()
    assert repeats.run(wanted, observer=recorder)
    return recorder.told


def test_seeds_are_of_one_purpose() -> None:
    first = seeds(0, "confirm", 5)
    assert len(set(first)) == 5
    assert seeds(0, "confirm", 3) == first[:3]
    assert not {*first} & {*seeds(0, "audit", 5), *seeds(1, "confirm", 5)}
    assert all(0 <= seed < 2**31 for seed in first)


def test_what_ended_runs_no_more(repeats: Repeats, tmp_path: Path, worker: Worker) -> None:
    assert [each.done for each in ran(repeats, (A, 1), (A, 2), (B, 1), (A, 1))] == [1, 2, 3]
    assert ran(repeats, (A, 1), (B, 1)) == []
    again = opened(tmp_path, worker)
    assert ran(again, (A, 1), (B, 2)) == [Repeated(B, 1, 1)]
    for config, seed in ((A, 1), (A, 2), (B, 1)):
        found, before = again.find(config, seed), repeats.find(config, seed)
        assert found is not None
        assert found == before
    assert again.find(B, 3) is None


def test_scores_follow_from_config_and_seed(
    repeats: Repeats, tmp_path: Path, worker: Worker
) -> None:
    ran(repeats, (A, 1), (B, 1), (A, 2))
    other = opened(tmp_path / "other", worker)
    ran(other, (A, 1))
    alone, among = other.find(A, 1), repeats.find(A, 1)
    assert alone is not None
    assert alone == among
    second = repeats.find(A, 2)
    assert second is not None
    assert second.metrics != alone.metrics


def test_a_failure_is_kept_with_its_reason(
    repeats: Repeats, tmp_path: Path, worker: Worker
) -> None:
    ran(repeats, (BAD, 1), (A, 1))
    again = opened(tmp_path, worker)
    found = again.find(BAD, 1)
    assert found is not None
    assert (found.metrics, found.n_parameters) == ({}, 0)
    assert "after epoch" in found.reason
    assert ran(again, (BAD, 1)) == []


def test_networks(repeats: Repeats, tmp_path: Path) -> None:
    ran(repeats, (A, 1))
    with pytest.raises(WorkerLostError, match="could not be trained again"):
        repeats.network(A, 1)
    recorder = Recorder()
    repeats.run([(A, 1), (B, 1)], networks="keep", observer=recorder)
    assert [each.config for each in recorder.told] == [B]
    repeats.run([(A, 1), (B, 1)], networks="need", observer=recorder)
    assert [each.config for each in recorder.told] == [B, A]
    path = tmp_path / "a.ckpt"
    path.write_bytes(repeats.network(A, 1))
    assert MLP.load_from_checkpoint(path, weights_only=True).config == A
    repeats.forget_networks()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ckpt", "repeats.jsonl"]


def test_a_line_that_a_crash_tore(repeats: Repeats, tmp_path: Path, worker: Worker) -> None:
    ran(repeats, (A, 1), (B, 1))
    file = tmp_path / "repeats.jsonl"
    whole = file.read_text()
    file.write_text(whole[:-30])
    again = opened(tmp_path, worker)
    assert len(ran(again, (A, 1), (B, 1))) == 1
    assert len(ran(opened(tmp_path, worker), (A, 1), (B, 1))) == 0
    lines = file.read_text().splitlines()
    assert json.loads(lines[0]) == json.loads(whole.splitlines()[0])


def test_a_signal_and_the_end_of_the_time(tmp_path: Path, worker: Worker) -> None:
    interruption = Interruption()
    repeats = Repeats(KeptRepeats(tmp_path, "rows", Observer()), worker, interruption)

    class Cutting(Observer):
        def repeated(self, training: Repeated) -> None:
            interruption.signal = signal.SIGINT

    with pytest.raises(InterruptedStudyError):
        repeats.run([(A, seed) for seed in range(20)], observer=Cutting())
    kept = sum(repeats.find(A, seed) is not None for seed in range(20))
    assert 1 <= kept <= 3
    interruption.signal = None
    assert not repeats.run([(A, seed) for seed in range(20)], end=0.0, observer=Observer())
    assert len(ran(repeats, *((A, seed) for seed in range(20)))) == 20 - kept


def test_a_disk_that_is_gone(tmp_path: Path, worker: Worker) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    with pytest.raises(StoreLostError, match=r"file.*cannot be written"):
        ran(opened(folder / "study", worker), (A, 1))


class Paced:
    """Stands for a worker: trains at a pace, on a clock that goes on while it is waited for."""

    def __init__(self, seconds: float, capacity: int = 1) -> None:
        self.now, self._seconds, self.capacity = 0.0, seconds, capacity
        self.jobs: list[Job] = []
        self._told: dict[int, tuple[Job, float, int]] = {}

    def monotonic(self) -> float:
        return self.now

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self._told[job.id] = job, self.now, 0

    def cancel(self, job: int) -> None:
        self._told.pop(job, None)

    def events(self, timeout: float) -> list[Event]:
        self.now += timeout
        told: list[Event] = []
        for job, began, before in [*self._told.values()]:
            done = min(job.config.epochs, int((self.now - began) / self._seconds))
            told += [Progress(job.id, epoch, {}, epoch) for epoch in range(before + 1, done + 1)]
            self._told[job.id] = job, began, done
            if done == job.config.epochs:
                del self._told[job.id]
                told.append(Finished(job.id, {}, b"trained", 1))
        return told


def paced_repeats(
    seconds: float, folder: Path, monkeypatch: pytest.MonkeyPatch, capacity: int = 1
) -> tuple[Paced, Repeats]:
    paced = Paced(seconds, capacity)
    monkeypatch.setattr(trainings_, "time", paced)
    interruption = cast(Interruption, SimpleNamespace(signal=None))
    return paced, Repeats(
        KeptRepeats(folder, "rows", Observer()), cast(Worker, paced), interruption
    )


def test_a_seed_has_the_rows_that_are_told_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an audit of 500 rows trains on all of them, or a confirmation draws a row twice."""
    paced, repeats = paced_repeats(0.1, tmp_path, monkeypatch)
    repeats.cut_by({7: Cut(7, rows=500)})
    repeats.cut_by({8: Cut(1, fold=2)})
    repeats.run([(A, 7), (A, 8), (A, 9)], observer=Observer())
    assert [job.cut for job in paced.jobs] == [Cut(7, rows=500), Cut(1, fold=2), Cut(9)]
    assert [repeats.cut(seed) for seed in (7, 8, 9)] == [job.cut for job in paced.jobs]


@pytest.mark.parametrize(
    ("seconds", "late", "ends", "after"),
    [(0.9, 0.0, True, 9.0), (1.1, 3.0, True, 11.0), (1.1, 0.0, False, 10.0), (1.5, 3.0, False, 10)],
    ids=["in time", "soon after", "not to be late", "much too late"],
)
def test_what_will_soon_have_ended_is_waited_for(
    seconds: float, late: float, ends: bool, after: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Else a machine that becomes slower throws the winner's network away: letter had .047."""
    paced, found = paced_repeats(seconds, tmp_path, monkeypatch)
    trained = found.whole(MLPConfig(epochs=10), [1], cut=WHOLE, end=10.0, late=late)
    assert trained == ({1: b"trained"} if ends else {})
    assert paced.now == pytest.approx(after, abs=0.2)


@pytest.mark.parametrize(
    ("seconds", "at_once", "ended", "after"),
    [(0.4, 2, [1, 2, 3, 4, 5], 12.0), (0.4, 8, [1, 2, 3, 4, 5], 8.0), (0.6, 2, [1, 2, 3, 4], 15.0),
     (0.9, 1, [1], 15.0)],
    ids=["in turns", "as many as there are places for", "the last one is too late", "alone"],
)  # fmt: skip
def test_networks_that_ended_in_time_are_kept(
    seconds: float, at_once: int, ended: list[int], after: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Else one that is late takes those with it that were there."""
    paced, found = paced_repeats(seconds, tmp_path, monkeypatch, capacity=3)
    trained = found.whole(
        MLPConfig(epochs=10), [1, 2, 3, 4, 5], at_once=at_once, cut=WHOLE, end=15.0
    )
    assert [*trained] == ended
    assert paced.now == pytest.approx(after, abs=0.5)
    # All see the same rows, and none takes the cores of another.
    assert len({job.cut for job in paced.jobs}) == 1
    assert all(job.is_alone == (at_once == 1) for job in paced.jobs)


@pytest.mark.parametrize(
    ("seconds", "late", "n", "ended"),
    [(0.9, 0.0, 1, 1), (1.1, 3.0, 1, 1), (1.1, 0.0, 1, 0), (1.5, 3.0, 1, 0), (0.55, 3.0, 2, 2),
     (0.55, 0.0, 2, 1), (0.4, 3.0, 4, 2)],
    ids=["in time", "soon after", "not to be late", "much too late", "the last one is late",
         "the last one is not to be late", "one has not begun"],
)  # fmt: skip
def test_a_round_that_will_soon_have_ended_is_waited_for(
    seconds: float, late: float, n: int, ended: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Else a minute of a confirmation is lost, and its third cut, for the few seconds it lacks."""
    _, found = paced_repeats(seconds, tmp_path, monkeypatch)
    config = MLPConfig(epochs=10)
    wanted = [(config, seed) for seed in range(n)]
    in_time = found.run(wanted, end=10.0, late=late, observer=Observer())
    assert in_time == (ended == n)
    assert [found.find(config, seed) is not None for seed in range(n)] == [
        seed < ended for seed in range(n)
    ]


class Broken(Paced):
    """Stands for a worker whose device has failed."""

    def events(self, timeout: float) -> list[Event]:
        told = super().events(timeout)
        ended = [event.job for event in told if isinstance(event, Finished)]
        return [Failed(job, "RuntimeError: CUDA error: the device is lost") for job in ended]


class Remarks(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def remark(self, message: str) -> None:
        self.told.append(message)


def test_a_fault_of_the_machine_is_told_and_tried_again(tmp_path: Path, worker: Worker) -> None:
    """Else a device that failed once leaves a study without a winner for ever, and says nothing."""
    reader, broken = Remarks(), cast(Worker, Broken(0.1))
    repeats = opened(tmp_path, broken)
    assert repeats.run([(A, 1), (B, 1)], observer=reader)
    assert reader.told == [
        "2 of 2 trainings failed, the first with: RuntimeError: CUDA error: the device is lost; "
        "the same command tries them again"
    ]
    found = repeats.find(A, 1)
    assert found is not None and "CUDA" in found.reason  # this process tries no more
    again = opened(tmp_path, worker)
    assert again.find(A, 1) is None
    ran(again, (A, 1), (B, 1))
    scored = again.find(A, 1)
    assert scored is not None and scored.metrics
    # Nor is what an earlier version kept of such a failure.
    file = tmp_path / "repeats.jsonl"
    kept = file.read_text()
    told = {**json.loads(kept.splitlines()[0]), "metrics": {}, "reason": "RuntimeError: CUDA error"}
    file.write_text(json.dumps(told) + "\n")
    assert opened(tmp_path, worker).find(A, 1) is opened(tmp_path, worker).find(B, 1) is None
    file.write_text(kept)
    # What was trained before keeps its score, though its network cannot be had.
    other = opened(tmp_path, broken)
    with pytest.raises(WorkerLostError, match="could not be trained again"):
        other.run([(A, 1)], networks="need", observer=Observer())
    assert other.find(A, 1) == scored == opened(tmp_path, worker).find(A, 1)


def test_what_was_of_other_data_is_not_known(tmp_path: Path, worker: Worker) -> None:
    """Else the verdicts on one data set are told of another."""
    ran(opened(tmp_path, worker, "these rows"), (A, 1))
    others = opened(tmp_path, worker, "other rows")
    assert others.find(A, 1) is None
    assert len(ran(others, (A, 1))) == 1
    assert opened(tmp_path, worker, "these rows").find(A, 1) is not None


def test_what_cannot_be_used_is_said_and_put_aside(tmp_path: Path, worker: Worker) -> None:
    """Else a damaged line ends in a traceback, or is lost without a word."""

    ran(opened(tmp_path, worker), (A, 1), (B, 1))
    ran(opened(tmp_path, worker, "other rows"), (A, 1))
    file = tmp_path / "repeats.jsonl"
    bad = [b"\xff\xfe\x00", b"[1, 2]", b'{"of": "rows", "config": 3}', b'{"of": "rows"}', b"{"]
    file.write_bytes(file.read_bytes() + b"\n".join(bad))
    reader = Remarks()
    again = Repeats(KeptRepeats(tmp_path, "rows", reader), worker, Interruption())
    assert again.find(A, 1) is not None
    assert again.find(B, 1) is not None
    damaged, others = reader.told
    assert "5 lines cannot be read" in damaged
    assert "1 trainings were of other data or settings" in others
    assert len((tmp_path / "repeats.jsonl.aside").read_bytes().splitlines()) == 5
    assert len(file.read_bytes().splitlines()) == 3


def test_what_an_earlier_version_kept_is_decided_once(tmp_path: Path, worker: Worker) -> None:
    """Else it is refused as other data at first, and believed a run later."""
    ran(opened(tmp_path, worker), (A, 1))
    file = tmp_path / "repeats.jsonl"
    line = json.loads(file.read_text())
    del line["of"]

    def reopened(identity: str, adopts: bool) -> bool:
        found = Repeats(
            KeptRepeats(tmp_path, identity, Observer(), adopts=adopts), worker, Interruption()
        )
        return found.find(A, 1) is not None

    file.write_text(json.dumps(line) + "\n")
    assert not reopened("rows", adopts=False)
    assert not reopened("rows", adopts=True)
    file.write_text(json.dumps(line) + "\n")
    assert reopened("rows", adopts=True)
    assert not reopened("other rows", adopts=True)
    assert reopened("rows", adopts=False)
