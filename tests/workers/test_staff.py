"""How many workers there are, and where: on machines of other sizes than this one."""

import pytest

from tuner.errors import InputError
from tuner.system.devices import Devices, parse_devices
from tuner.workers import Staff, staff


def choose(
    *,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    at_most: int | None = None,
) -> Staff:
    return Staff.choose(
        workers=workers, devices=devices, cluster=cluster, at_most=at_most, epoch_seconds=60
    )


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(staff, "gpus", lambda: 3)
    monkeypatch.setattr(staff, "has_accelerator", lambda: True)


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "gpus", lambda: 0)
    monkeypatch.setattr(staff, "has_accelerator", lambda: False)
    monkeypatch.setattr(staff, "processes_at_once", lambda: 4)


@pytest.mark.usefixtures("three_gpus")
class TestWithGPUs:
    def test_a_process_for_each_by_default(self) -> None:
        found = choose()
        assert (found.size, found.devices, found.in_this_process) == (3, ("0", "1", "2"), False)
        assert str(found) == "3 worker processes on GPUs 0, 1, 2"

    def test_those_that_are_named(self) -> None:
        assert choose(devices=(0, 2)).devices == ("0", "2")
        one = choose(devices=(1,))
        assert (one.size, one.devices, one.in_this_process) == (1, ("1",), False)
        assert str(one) == "1 worker process on GPU 1"

    def test_several_share_one(self) -> None:
        found = choose(devices=(1,), workers=2)
        assert (found.size, found.devices) == (2, ("1",))

    def test_one_worker_without_a_word_of_devices_is_this_process(self) -> None:
        assert choose(workers=1).in_this_process

    def test_they_are_counted_among_those_that_this_process_sees(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8932f937,7")
        assert choose(devices=(1,)).devices == ("GPU-8932f937",)

    def test_none_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(staff, "processes_at_once", lambda: 4)
        found = choose(devices="cpu")
        assert (found.size, found.devices, found.on_cpu) == (4, (), True)

    def test_never_more_than_there_is_to_do(self) -> None:
        assert choose(at_most=2).size == 2
        assert choose(at_most=1).devices == ("0", "1", "2")

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match="no GPU 3; this machine has GPUs 0 to 2"):
            choose(devices=(0, 3))


@pytest.mark.usefixtures("four_cores")
class TestWithoutGPUs:
    def test_a_process_for_each_core(self) -> None:
        found = choose()
        assert (found.size, found.devices, found.in_this_process) == (4, (), False)
        assert str(found) == "4 worker processes"
        assert choose(at_most=1).in_this_process

    def test_a_gpu_is_refused(self) -> None:
        with pytest.raises(InputError, match="no GPU 0; this machine has no GPU of CUDA"):
            choose(devices=(0,))


def test_another_accelerator_is_used_by_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "gpus", lambda: 0)
    monkeypatch.setattr(staff, "has_accelerator", lambda: True)
    assert choose().in_this_process


def test_a_cluster_says_itself_how_many() -> None:
    found = choose(cluster="ray")
    assert (found.size, str(found)) == (None, "Ray actors on cluster ray")
    assert str(choose(cluster="ray://head:10001", workers=1)) == (
        "1 Ray actor on cluster ray://head:10001"
    )
    with pytest.raises(InputError, match="must be ray or ray://host:port, got 'slurm'"):
        choose(cluster="slurm")
    with pytest.raises(InputError, match="Ray chooses its own"):
        choose(cluster="ray", devices=(0,))


def test_devices_of_a_command_line() -> None:
    assert parse_devices("cpu") == "cpu"
    assert parse_devices("0, 2") == (0, 2)
    for text in ("", "gpu", "-1", "1.5", "0,"):
        with pytest.raises(InputError, match="must be cpu, or numbers of GPUs"):
            parse_devices(text)
    with pytest.raises(InputError, match="'0,0' names a GPU twice"):
        parse_devices("0,0")
