"""Makes the pictures of the report that README and pages show: `make pictures`, needs Chromium.

Their study is tuned anew, so that they show what the report looks like now.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images"
#: The study, and pixels of the width of each picture.
STUDY, WIDTH = "digits_mlp", 1100
#: Pictures, and for each what of the report it does not show.
PICTURES = {
    "report": "section:not(#winner, #gain)",
    "predictions": "header, section:not(#use), #use > h2, #use > pre, #use > .scroll:first-of-type",
}


def browser() -> str:
    """Returns the path of Chromium, or ends."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("needs Chromium, which is not installed")
    return found


def pictured(report: str, hidden: str, path: Path) -> None:
    """Writes a picture of what a CSS selector leaves of a report, as high as that is."""
    style = f"<style>nav, {hidden} {{ display: none !important }}</style>"
    tell = (
        "<script>addEventListener('load', () => setTimeout(() => {"
        "document.title = 'high ' + document.body.scrollHeight}, 1000))"
        "</script>"
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(report.replace("</body>", f"{style}{tell}</body>"))
        shown = [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--virtual-time-budget=20000", f"--user-data-dir={folder}/profile",
        ]  # fmt: skip
        size = f"--window-size={WIDTH},400"
        told = subprocess.run(
            [*shown, size, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True
        ).stdout
        high = re.search(r"<title>high (\d+)</title>", told)
        assert high is not None
        size = f"--window-size={WIDTH},{high[1]}"
        subprocess.run(
            [*shown, size, f"--screenshot={path}", page.as_uri()], capture_output=True, check=True
        )


def main() -> None:
    """Tunes the study in a folder of its own, and writes the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "studies", Path(folder) / "studies")
        for word in ("tune", "report"):
            command = [sys.executable, "-m", "tuner", word, STUDY]
            subprocess.run(command, check=True, cwd=folder)
        report = (Path(folder) / "runs" / STUDY / "report.html").read_text()
    for name, hidden in PICTURES.items():
        pictured(report, hidden, IMAGES / f"{name}.png")
        print(f"made docs/images/{name}.png")


if __name__ == "__main__":
    main()
