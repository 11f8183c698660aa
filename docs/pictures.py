"""Makes the pictures of the report that the README shows: `make pictures`, needs Chromium.

A study is tuned anew for each, so that they show what the report looks like now.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tuner

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images"
#: Picture, study, sections of its report that are shown, and pixels of its width.
PICTURES = (
    ("report", "digits_mlp", ("winner", "gain"), 1100),
    ("predictions", "penguins_mlp", ("use",), 1100),
)


def browser() -> str:
    """Returns the path of Chromium, or ends."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("needs Chromium, which is not installed")
    return found


def pictured(report: str, sections: tuple[str, ...], width: int, path: Path) -> None:
    """Writes a picture of some sections of a report, as high as they are."""
    kept = ", ".join(f"#{name}" for name in sections)
    style = f"<style>section:not({kept}), nav, footer {{ display: none !important }}</style>"
    tell = (
        "<script>addEventListener('load', () => setTimeout(() => {"
        "document.title = 'high ' + document.querySelector('main, body').scrollHeight}, 1000))"
        "</script>"
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(report.replace("</body>", f"{style}{tell}</body>"))
        shown = [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--virtual-time-budget=20000", f"--user-data-dir={folder}/profile",
        ]  # fmt: skip
        size = f"--window-size={width},400"
        told = subprocess.run(
            [*shown, size, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True
        ).stdout
        high = re.search(r"<title>high (\d+)</title>", told)
        assert high is not None
        size = f"--window-size={width},{high[1]}"
        subprocess.run(
            [*shown, size, f"--screenshot={path}", page.as_uri()], capture_output=True, check=True
        )


def main() -> None:
    """Tunes the studies in a folder of their own, and writes the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "studies", Path(folder) / "studies")
        for name, study, sections, width in PICTURES:
            command = [sys.executable, "-m", "tuner", "tune", study]
            subprocess.run(command, check=True, cwd=folder)
            subprocess.run([*command[:3], "report", study], check=True, cwd=folder)
            report = (Path(folder) / "runs" / study / "report.html").read_text()
            pictured(report, sections, width, IMAGES / f"{name}.png")
            print(f"{IMAGES / name}.png of tuner {tuner.__version__}")


if __name__ == "__main__":
    main()
