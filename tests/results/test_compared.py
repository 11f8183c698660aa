"""Studies side by side: what each found, and how sure a difference is."""

import math
import statistics
from pathlib import Path

import pytest

import tuner
from tuner.errors import InputError

from ..conftest import SMALL, Write

CONFIRMED = SMALL.replace("seeds = 0\nmembers = 2", "configs = 1\nseeds = 4\nmembers = 1")


@pytest.fixture
def two(write_study: Write) -> None:
    """One of small networks, one of none."""
    write_study(CONFIRMED)
    tuner.tune("small", trials=2, workers=1)
    linear = CONFIRMED.replace("depth = { low = 1, high = 2 }", "depth = 0")
    write_study(linear, name="linear")
    tuner.tune("linear", trials=2, workers=1)


def test_pair_by_pair(two: None) -> None:
    """Over the same cuts of the same rows, a difference is that of the pairs."""
    first, other = tuner.compare("small", "linear")
    assert (first.gain, other.is_paired, other.has_same_data) == (None, True, True)
    ours, theirs = tuner.confirmation("linear"), tuner.confirmation("small")
    assert ours is not None and theirs is not None
    pairs = zip(theirs.winning.scores, ours.winning.scores, strict=True)
    differences = [a - b for a, b in pairs]  # of a loss
    assert other.gain is not None
    assert other.gain.mean == pytest.approx(statistics.fmean(differences))
    variance = statistics.variance(differences) * (1 / 4 + ours.overlap)
    assert other.gain.standard_error == pytest.approx(math.sqrt(variance))
    best = tuner.best("linear")
    assert (other.n_parameters, other.trials, other.networks) == (best.n_parameters, 2, 1)
    assert best.confirmed is not None and other.validation == best.confirmed.validation
    assert other.seconds is not None and other.seconds > ours.seconds
    html = tuner.compare("small", "linear")._repr_html_()
    assert html.count("<tr>") == 3 and "linear" in html


def test_other_cuts_are_told_apart(two: None, write_study: Write) -> None:
    """Else luck with the rows is taken for a gain that is sure."""
    write_study(CONFIRMED.replace("[confirm]", "[study]\nseed = 3\n[confirm]"), name="other")
    tuner.tune("other", trials=2, workers=1)
    *_, other = tuner.compare("small", "linear", "other")
    assert other.has_same_data and not other.is_paired
    assert other.gain is not None and other.validation is not None
    first = tuner.best("small").confirmed
    assert first is not None
    errors = (other.validation.standard_error, first.validation.standard_error)
    assert other.gain.standard_error == pytest.approx(math.hypot(*errors))
    assert other.gain.mean == pytest.approx(first.validation.mean - other.validation.mean)


@pytest.mark.slow
def test_what_cannot_be_compared(write_study: Write, project: Path) -> None:
    write_study()
    tuner.tune("small", trials=1, workers=1)
    write_study(SMALL.replace("val_loss", "val_accuracy"), name="other")
    tuner.tune("other", trials=1, workers=1)
    for studies, message in (
        (("small",), "takes two studies or more"),
        (("small", "small"), "each once"),
        (("small", "none"), "'none' has no complete trial"),
        (("small", "other"), "other is searched by val_accuracy, and small by val_loss"),
    ):
        with pytest.raises(InputError, match=message):
            tuner.compare(*studies)
    write_study(name="third")
    tuner.tune("third", trials=1, workers=1)
    assert tuner.compare("small", "third")[1].gain is None  # neither is confirmed


def test_unknown_data_are_not_the_same(write_study: Write, project: Path) -> None:
    """Of modules that bring their own rows nothing is known: their seeds say nothing of rows."""
    (project / "compared_module.py").write_text(
        "import lightning, torch\n"
        "class Rows(lightning.LightningDataModule):\n"
        "    def __init__(self, offset: float = 0.0):\n"
        "        super().__init__()\n"
        "        self.rows = torch.randn(40, 2) + offset\n"
        "    def _loader(self):\n"
        "        return torch.utils.data.DataLoader(self.rows, batch_size=20)\n"
        "    train_dataloader = val_dataloader = _loader\n"
        "class Net(lightning.LightningModule):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(2, 1)\n"
        "    def training_step(self, batch, index):\n"
        "        return self.layer(batch).square().mean()\n"
        "    def validation_step(self, batch, index):\n"
        "        self.log('val_loss', self.training_step(batch, index))\n"
        "    def configure_optimizers(self):\n"
        "        return torch.optim.SGD(self.parameters(), lr=0.01)\n"
    )
    for name, offset in (("near", 0.0), ("far", 5.0)):
        write_study(
            '[model]\nmodule = "compared_module:Net"\n[data]\nmodule = "compared_module:Rows"\n'
            '[objective]\nmetric = "val_loss"\ndirection = "minimize"\nepochs = 1\n'
            f"[confirm]\nconfigs = 1\nseeds = 2\n[search]\noffset = {offset}\n",
            name=name,
        )
        tuner.tune(name, trials=1, workers=1)
    _, far = tuner.compare("near", "far")
    assert far.gain is not None and not far.is_paired and not far.has_same_data
