"""What a study will do, before it does it."""

from pathlib import Path

import pytest
from rich.console import Console

import tuner
from tuner.errors import InputError, StudyFileError
from tuner.network.perceptron import Perceptron
from tuner.terminal.planned import show_plan

from ..conftest import SMALL, Write


def test_what_is_said_is_what_happens(write_study: Write, project: Path) -> None:
    """Rows, starting points and sizes are those of the search; nothing is created."""
    write_study()
    plan = tuner.plan("small", workers=1)
    assert {path.name for path in project.iterdir()} == {"studies"}
    assert plan.rows == {"training": 113, "validation": 29, "test": 36}
    assert plan.facts is not None and sum(plan.classes.values()) == 113 + 29
    assert (plan.metric, plan.direction, plan.team) == ("val_loss", "minimize", "1 worker process")
    network = plan.networks["largest"]
    torch_counts = sum(each.numel() for each in Perceptron(network.config, 13, 3).parameters())
    assert network.n_parameters == torch_counts
    assert plan.networks["smallest"].n_parameters < plan.networks["usual"].n_parameters
    assert plan.networks["usual"].n_parameters < network.n_parameters
    searched = {value.name: value for value in plan.searched}
    assert searched["depth"].domain == "1 to 2" and searched["warmup"].domain == ""
    assert searched["width"].domain == "4 to 48, logarithmic"  # at most 4 times 12
    result = tuner.tune("small", workers=1)
    table = tuner.leaderboard("small")
    for trial, (name, config) in enumerate(plan.starting_points.items()):
        if trial < result.counts.finished:
            row = table[table["trial"] == trial].iloc[0]
            assert row["source"] == name
            assert (row["width"], row["depth"]) == (config.width, config.depth)
            assert searched["width"].points[name] == config.width


def test_how_far_a_budget_reaches(write_study: Write) -> None:
    write_study(SMALL.replace("seeds = 0", "seeds = 3").replace("epochs = 3\n", ""))
    plan = tuner.plan("small", minutes=0.2, workers=1)
    assert plan.epoch_seconds is not None and plan.trials is not None and plan.seconds is None
    assert plan.trials * plan.epoch_seconds * plan.evaluation.epochs == pytest.approx(6, rel=0.01)
    assert plan.confirmations is not None
    confirmed = plan.confirmations * plan.epoch_seconds * plan.evaluation.confirm_epochs
    assert confirmed == pytest.approx(6, rel=0.01)
    trials = tuner.plan("small", trials=10, workers=1)
    assert trials.trials is None and trials.seconds is not None and trials.epoch_seconds is not None
    assert trials.seconds == pytest.approx(10 * trials.epoch_seconds * trials.evaluation.epochs)


def test_networks_of_each_size_take_their_part(write_study: Write) -> None:
    """Of a study that has them as a goal; else more trials are told than there is time for."""
    text = SMALL.replace("seeds = 0", "seeds = 3").replace("epochs = 3\n", "")
    write_study(text.replace('"val_loss"', '["val_loss", "n_parameters"]'))
    plan = tuner.plan("small", minutes=0.2, workers=1)
    assert plan.finds_sizes and plan.trials is not None and plan.epoch_seconds is not None
    search = plan.trials * plan.epoch_seconds * plan.evaluation.epochs
    assert search == pytest.approx(12 * (1 / 2 - 1 / 7), rel=0.01)
    assert "Networks of each size" in plan._repr_html_()
    console = Console(width=200)
    with console.capture() as capture:
        show_plan(console, plan)
    assert "n_parameters, to minimize" in capture.get()


def test_a_module_is_not_timed(write_study: Write, project: Path) -> None:
    (project / "planned_module.py").write_text(
        "import lightning, torch\n"
        "class Net(lightning.LightningModule):\n"
        "    def __init__(self, n_inputs, n_outputs, units: int = 3):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(n_inputs, n_outputs)\n"
    )
    write_study(
        '[model]\nmodule = "planned_module:Net"\n[data]\nsource = "wine"\n'
        '[objective]\nmetric = "val_loss"\n'
        'direction = "minimize"\n[search]\nunits = { low = 1, high = 9 }\n'
    )
    plan = tuner.plan("small", workers=1)
    assert plan.epoch_seconds is None and not plan.networks
    (units,) = plan.searched
    assert (units.domain, dict(units.points)) == ("1 to 9", {"defaults": 3})


def test_it_changes_nothing_that_is_there(write_study: Write, project: Path) -> None:
    """Else what an earlier version had trained is trained again."""
    kept = project / "runs" / "small" / "repeats.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"config": {}, "half a line')
    write_study()
    tuner.plan("small", workers=1)
    assert kept.read_text() == '{"config": {}, "half a line'
    assert [path.name for path in kept.parent.iterdir()] == ["repeats.jsonl"]


def test_a_starting_point_that_breaks_a_limit_is_none(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 3\nlimits = { n_parameters = 400 }"))
    plan = tuner.plan("small", workers=1)
    assert "modern default" not in plan.starting_points and "note" in plan.starting_points
    assert plan.limits == {"n_parameters": 400}


def test_wrong_input(write_study: Write, project: Path) -> None:
    write_study(SMALL + "[trainer]\n")
    with pytest.raises(StudyFileError, match="trainer belongs to a study with a"):
        tuner.plan("small")
    write_study()
    with pytest.raises(InputError, match="minutes"):
        tuner.plan("small", minutes=-1)
    assert not (project / "runs").exists()
