"""Networks that may take so much and no more."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

import tuner
from tuner import storage
from tuner.errors import ChangedStudyError, StudyFailedError, StudyFileError
from tuner.network.config import DataFacts, MLPConfig
from tuner.running import limits, proposals
from tuner.space import MLPSpace
from tuner.study import load_study

from ..conftest import SMALL, Write


def limited(text: str, study: str = SMALL) -> str:
    return study.replace("epochs = 3", f"epochs = 3\nlimits = {{ {text} }}")


def test_no_network_is_larger(write_study: Write) -> None:
    """Neither a starting point, nor a drawn one, nor the winner, nor what is handed over."""
    study = SMALL.replace("seeds = 0\nmembers = 2", "configs = 2\nseeds = 2\nmembers = 3")
    write_study(limited("n_parameters = 400", study))
    result = tuner.tune("small", trials=6, workers=1)
    table = tuner.leaderboard("small")
    declined = table["reason"].fillna("").str.contains("parameters, and 400 are allowed")
    trained = table[~declined]
    assert len(trained) == 6 == result.counts.finished and declined.any()
    assert trained["n_parameters"].max() <= 400
    assert "modern default" not in set(table["source"])
    assert result.best is not None and result.best.n_parameters <= 400
    assert len(tuner.load_ensemble("small").members) == 1
    assert result.confirmation is not None
    allowed = {arm.name: arm.is_allowed for arm in result.confirmation.presets}
    assert not allowed["modern default"]  # it is compared, and cannot win


def test_no_prediction_takes_longer(write_study: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "milliseconds", lambda config, facts: 1.0 * config.depth)
    write_study(limited("milliseconds = 1.5"))
    tuner.tune("small", workers=1)
    table = tuner.leaderboard("small")
    trained = table[table["state"] == "complete"]
    assert len(trained) and set(trained["depth"]) == {1}


def test_a_prediction_is_timed() -> None:
    facts = DataFacts(n_inputs=20, n_outputs=3, n_rows=100)
    small, large = (MLPConfig(depth=depth, width=width) for depth, width in ((0, 1), (8, 1024)))
    assert 0 < limits.milliseconds(small, facts) < limits.milliseconds(large, facts) < 1_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_parameters = 5", "leave no network: of the smallest one of the space, it has 71 para"),
        ("n_parameters = 0", "n_parameters must be"),
        ("milliseconds = 1e-9", "leave no network: of the smallest one of the space, a prediction"),
        ("parameters = 5", "unknown"),
    ],
)
def test_wrong_limits(write_study: Write, project: Path, text: str, message: str) -> None:
    write_study(limited(text))
    with pytest.raises(StudyFileError, match=message):
        tuner.tune("small", workers=1)
    assert not (project / "runs").exists()


def test_other_limits_are_another_study(write_study: Write) -> None:
    write_study()
    tuner.tune("small", trials=1, workers=1)
    write_study(limited("n_parameters = 400"))
    with pytest.raises(ChangedStudyError, match=r"limits.n_parameters: null -> 400"):
        tuner.tune("small", trials=2)


def test_a_module(write_study: Write, project: Path) -> None:
    (project / "limited_module.py").write_text(
        "import lightning, torch\n"
        "class Net(lightning.LightningModule):\n"
        "    def __init__(self, n_inputs, n_outputs, units: int = 30):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Sequential(\n"
        "            torch.nn.Linear(n_inputs, units), torch.nn.Linear(units, n_outputs))\n"
        "    def _loss(self, batch):\n"
        "        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])\n"
        "    def training_step(self, batch, index):\n"
        "        return self._loss(batch)\n"
        "    def validation_step(self, batch, index):\n"
        "        self.log('val_loss', self._loss(batch))\n"
        "    def configure_optimizers(self):\n"
        "        return torch.optim.SGD(self.parameters(), lr=0.01)\n"
    )
    file = (
        '[model]\nmodule = "limited_module:Net"\n[data]\nsource = "wine"\n[objective]\n'
        'metric = "val_loss"\ndirection = "minimize"\nepochs = 1\nlimits = {{ {} }}\n'
        "[confirm]\nseeds = 0\n[search]\nunits = {{ low = 1, high = 40 }}\n"
    )
    write_study(file.format("n_parameters = 100"))  # 17 for each unit, and 3
    tuner.tune("small", trials=3, workers=1)
    table = tuner.leaderboard("small")
    trained = table[table["n_parameters"].notna()]
    assert len(trained) == 3 and trained["n_parameters"].max() <= 100
    write_study(file.format("milliseconds = 1.0"))
    with pytest.raises(StudyFileError, match="milliseconds belongs to perceptrons"):
        tuner.tune("small", new=True)


def test_a_limit_that_no_draw_keeps_ends_it(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the search draws for ever, and fills the store."""
    monkeypatch.setattr(proposals, "_MOST_BROKEN", 40)
    write_study(limited("n_parameters = 80"))  # the smallest has 71, and hardly any has fewer
    with pytest.raises(StudyFailedError, match="40 draws in a row broke a limit: it has"):
        tuner.tune("small", trials=20, workers=1)


class Stubborn(optuna.samplers.RandomSampler):
    """Draws the widest network each time, as a model may that does not see what was declined."""

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, domain: BaseDistribution
    ) -> Any:
        drawn = super().sample_independent(study, trial, name, domain)
        return domain.high if "width" in name and hasattr(domain, "high") else drawn


@pytest.mark.slow
def test_a_sampler_that_repeats_itself_is_helped(write_study: Write) -> None:
    """Else a search ends in an error though there are networks that keep the limit."""
    sampler = f'[study]\nsampler = "{__name__}:Stubborn"\n'
    write_study(limited("n_parameters = 400") + sampler)
    result = tuner.tune("small", trials=8, workers=1)
    assert result.counts.finished == 8
    sizes = [
        trial.user_attrs["n_parameters"]
        for trial in storage.read_study("small").trials
        if trial.user_attrs.get("source") == "sampler"  # one that was declined has none
    ]
    assert sizes and max(sizes) <= 400


def test_a_network_without_layers_may_be_larger(write_study: Write) -> None:
    """Of many inputs and outputs: the smallest one has a narrow layer between them."""
    text = '[data]\nsource = "digits"\n[search]\ndepth = { low = 0, high = 2 }\n'
    path = write_study(text + "width = { low = 1, high = 8 }\n")
    facts = DataFacts(n_inputs=64, n_outputs=10, n_rows=100)
    smallest = MLPSpace.of(load_study(path), facts, 3).smallest()  # type: ignore[arg-type]
    assert (smallest.depth, smallest.width) == (1, 1)
    assert smallest.size(facts) < MLPConfig(depth=0).size(facts)


def test_timing_draws_no_number() -> None:
    """Else who draws initial weights at the same moment gets others."""
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    facts = DataFacts(n_inputs=3, n_outputs=2, n_rows=9, categories=((1, 90),), numeric=(0,))
    config = MLPConfig(depth=2, width=5, numeric_embedding="periodic")
    assert limits.milliseconds(config, facts) > 0
    assert torch.equal(before, torch.random.get_rng_state())
