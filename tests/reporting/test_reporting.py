"""The report: one file that a browser shows whole, offline, and whose numbers are the store's."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest

import tuner
from tuner import storage
from tuner.errors import InputError
from tuner.reporting.predictions import calibration
from tuner.results.wording import estimate, number
from tuner.running.rate_range import RateRange

from ..conftest import SMALL, Write
from ..study.test_modules import MODULE

SECTIONS = (
    "winner gain use time curves importances slices ablation sizes verdicts rates about".split()  # noqa: SIM905
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CONFIRMED = SMALL.replace("seeds = 0", "configs = 2\nseeds = 2")


class Page(HTMLParser):
    """Ids, and all addresses that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids += [values["id"]] if values.get("id") else []
        self.addresses += [
            value for name in ("src", "href") if (value := values.get(name)) is not None
        ]


def text_of(study: str = "small") -> str:
    return tuner.report(study).read_text()


@pytest.mark.slow
def test_a_confirmed_study(write_study: Write) -> None:
    write_study(CONFIRMED)
    result = tuner.tune("small", trials=8)
    text = text_of()
    page = Page(text)
    assert set(SECTIONS) <= set(page.ids)
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    # Numbers are those of best.json and of the store.
    best, found = tuner.best("small"), tuner.confirmation("small")
    assert found is not None and best.confirmed is not None
    assert found == result.confirmation
    told = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    for value in (
        estimate(best.confirmed.validation),
        estimate(best.confirmed.test),
        number(best.value),
        f"{best.n_parameters:,}",
        *(number(score) for arm in found.arms for score in arm.scores),
        *(number(score) for score in best.confirmed.metrics.values()),
        "".join(f"<td>{n}</td>" for n in best.confirmed.confusion[0]),
        "(the most likely class of each row)",
        *(estimate(found.estimate(arm)) for arm in found.arms),
        str(best.config.flat()["learning_rate"]),
        f"{result.counts.complete} trials complete, {result.counts.pruned} pruned",
    ):
        assert value in told, value
    assert found.refit is not None
    drawn = calibration(found.refit.calibration).data[1]
    assert list(zip(drawn.x, drawn.y, strict=True)) == [row[:2] for row in found.refit.calibration]
    machine = storage.read_study("small").user_attrs["machine"]
    assert machine["torch"] in told and machine["optuna"] in told
    assert "two_thirds" in told  # the study file


@pytest.mark.slow
def test_what_is_not_there_yet_is_said(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1)
    text = text_of()
    assert "in the search, and not confirmed over other seeds: expect less" in text
    assert "They are not judged yet" in text
    assert "It was not measured for this study" in text
    study = optuna.create_study(study_name="empty", storage="sqlite:///runs/optuna.db")
    assert study.trials == []
    assert "No trial is complete yet" in text_of("empty")


@pytest.mark.slow
def test_a_module_of_the_users(write_study: Write) -> None:
    write_study(
        MODULE + "epochs = 2\n[budget]\ntrials = 3\n[confirm]\nseeds = 2\n"
        "[search]\nwidth = { low = 2, high = 16 }\nbatch_size = [16, 32]\n"
        "learning_rate = { low = 1e-3, high = 1e-1 }\n"
    )
    tuner.tune("small")
    text = text_of()
    assert "(winner)" in text
    assert "learning_rate" in text


def test_a_study_that_is_none(write_study: Write) -> None:
    write_study()
    with pytest.raises(InputError):
        tuner.report("small")
    assert not Path("runs/small/report.html").exists()


def test_html_in_a_study_file_stays_text(write_study: Write) -> None:
    write_study(f"# <script>alert(1)</script>\n{SMALL}")
    tuner.tune("small", trials=1)
    assert "&lt;script&gt;alert(1)" in text_of()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser(write_study: Write, tmp_path: Path) -> None:
    """No error, no request, every figure drawn, and nothing wider than the window."""
    write_study(CONFIRMED.replace("epochs = 3", "epochs = 2"))
    tuner.tune("small", trials=24)
    tuner.ablate("small")
    tuner.front("small")
    tuner.audit("small", rules=["S2", "S7", "S16"], pairs=2)
    text = text_of()
    measure = (
        "<script>addEventListener('load', () => setTimeout(() => {"
        "const right = (box) => box.getBoundingClientRect().right;"
        "const all = (what) => [...document.querySelectorAll(what)];"
        "const cut = all('.main-svg').filter("
        "(svg) => right(svg) > right(svg.closest('.figure, .slices > div')) + 1).length;"
        "parent.postMessage(JSON.stringify({"
        "scrolls: document.documentElement.scrollWidth, window: innerWidth, cut,"
        "drawn: all('.main-svg').length, figures: all('.plotly-graph-div').length,"
        "ids: all('[id]').map((each) => each.id),"
        "ink: getComputedStyle(document.body).color}), '*')"
        "}, 500))"
        "</script></body>"
    )
    page = tmp_path / "page.html"
    page.write_text(text.replace("</body>", measure))
    looks = {(width, False): found for width, found in _look(page, (360, 1280), False).items()}
    looks |= {(width, True): found for width, found in _look(page, (768,), True).items()}
    assert set(looks) == {(360, False), (1280, False), (768, True)}
    for (width, is_dark), found in looks.items():
        assert found["scrolls"] <= width and found["cut"] == 0
        assert set(SECTIONS) <= set(found["ids"])
        assert found["figures"] == text.count("plotly-graph-div") > 8
        assert found["drawn"] >= found["figures"]
        assert found["ink"] == ("rgb(230, 230, 230)" if is_dark else "rgb(27, 27, 27)")


def _look(page: Path, widths: tuple[int, ...], is_dark: bool) -> dict[int, dict[str, Any]]:
    """Opens a page in frames of so many pixels, narrower than a window can be.

    Returns:
        What each of them says, by the width that it sees.
    """
    frame = page.with_name("frame.html")
    frame.write_text(
        "".join(
            f"<iframe src='{page.name}' style='width:{width}px;height:2000px;border:0'></iframe>"
            for width in widths
        )
        + "<script>addEventListener('message', (told) => "
        "document.body.append(document.createElement('pre').innerText = `FOUND${told.data}END`))"
        "</script>"
    )
    done = subprocess.run(
        [
            CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--enable-logging=stderr", "--virtual-time-budget=20000",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,2100",
            f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
            f"--user-data-dir={page.with_name('profile')}", frame.as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    told = re.findall(r"FOUND(\{.*?\})END", done.stdout)
    found = [json.loads(each.replace("&quot;", '"')) for each in told]
    assert len(found) == len(widths)
    return {each["window"]: each for each in found}


def test_a_range_of_rates() -> None:
    rates = [10.0**power for power in range(-5, 2)]
    found = RateRange.of(rates, [2.0, 1.9, 1.4, 1.0, 0.5, 1.2, None])
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(1e-2), pytest.approx(1.0))
    assert found.suggested == pytest.approx((1e-2 * 1e-1) ** 0.5)
    assert RateRange.of(rates, [None] * 7) is None
    assert RateRange.of(rates, [1.0, *[2.0] * 6]) is None
