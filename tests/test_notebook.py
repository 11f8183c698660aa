"""The tour, in a real kernel: what a notebook shows of a search and of its answers."""

import re
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

NAMED = re.compile(r'(name="(?:wines|linear)", )')
SHORT = {"objective": {"epochs": 3}, "confirm": {"configs": 2, "seeds": 3, "members": 2}}
TOUR = Path(__file__).parent.parent / "examples" / "tour.ipynb"


@pytest.mark.filterwarnings("ignore")  # of the kernel's own client
def test_the_tour(project: Path) -> None:
    import nbformat  # in one process instead of in each that collects tests
    from nbclient import NotebookClient

    shutil.copy(TOUR, project)
    notebook = nbformat.read(project / "tour.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # it is shipped empty
    # What it finds does not matter.
    assert sum(len(NAMED.findall(cell["source"])) for cell in notebook.cells) == 3
    for cell in notebook.cells:
        cell["source"] = NAMED.sub(r"\1**short, ", cell["source"])
    first = next(cell for cell in notebook.cells if cell["cell_type"] == "code")
    first["source"] = f"short = {SHORT}\n{first['source']}"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(project)}})
    client.execute()
    shown: list[str] = []
    for cell in notebook.cells:
        outputs = [each["data"] for each in cell.get("outputs", []) if "data" in each]
        shown.append("".join(data.get("text/html", data["text/plain"]) for data in outputs))
        assert not [each for each in cell.get("outputs", []) if each.get("name") == "stderr"], cell
    told = dict(zip((cell["id"] for cell in notebook.cells), shown, strict=True))
    assert "first trials" in told["cell-3"] and "largest" in told["cell-3"]
    assert "8 of 8 trials" in told["cell-5"]  # the progress, and below it the result
    assert "8 of 8 trials are finished" in told["cell-5"] and "fANOVA" not in told["cell-5"]
    assert "modern default" in told["cell-5"] and "±" in told["cell-5"]
    assert "linear" in told["cell-9"] and "±" in told["cell-9"]
    assert "runs/wines/report.html" in told["cell-13"] and "iframe" in told["cell-13"]
