"""The dashboard over HTTP: it shows the study, and answers this machine only."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner.errors import InputError
from tuner.reporting.dashboard import serve

from ..conftest import SMALL, Write


@pytest.fixture
def address(write_study: Write) -> Iterator[str]:
    write_study()
    tuner.tune("small", trials=4)
    ready = threading.Event()
    found: list[str] = []

    def note(url: str) -> None:
        found.append(url)
        ready.set()

    threading.Thread(target=serve, args=(0, note), daemon=True).start()
    assert ready.wait(60)
    yield found[0].removesuffix("/dashboard/")


#: Whatever proxy this machine has, or a test before has set: they are not for this machine itself.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, **headers: str) -> Any:
    request = urllib.request.Request(url, headers=headers)
    with OPENER.open(request, timeout=30) as answer:
        return answer.read()


def test_shows_the_study(address: str) -> None:
    assert b"<html" in get(f"{address}/dashboard/").lower()
    (summary,) = json.loads(get(f"{address}/api/studies"))["study_summaries"]
    assert summary["study_name"] == "small"
    study = json.loads(get(f"{address}/api/studies/{summary['study_id']}"))
    assert study["objective_names"] == ["val_loss"]
    assert SMALL in study["note"]["body"]
    assert len(study["trials"]) == 4
    for trial in study["trials"]:
        attributes = {attr["key"]: attr["value"] for attr in trial["user_attrs"]}
        config = tuner.MLPConfig.from_json(attributes["config"])
        assert int(attributes["width"]) == config.width
        assert float(attributes["learning_rate"]) == config.learning_rate
        assert len(trial["intermediate_values"]) >= 1


def test_refuses_other_sites(address: str) -> None:
    host = address.removeprefix("http://")
    assert get(f"{address}/api/studies", Origin=address)
    for headers in ({"Host": "evil.example"}, {"Host": host, "Origin": "http://evil.example"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(f"{address}/api/studies", **headers)


def test_nothing_to_show(project: Path) -> None:
    with pytest.raises(InputError, match="no study has been tuned here yet"):
        serve(0)


def test_a_port_that_is_taken(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be used: .*in use"):
            serve(taken.getsockname()[1])
