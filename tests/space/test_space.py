"""The space: flat, static, and every starting point names every parameter inside its range."""

import math
from pathlib import Path

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.errors import StudyFileError
from tuner.network.config import DataFacts, MLPConfig
from tuner.space import MLPSpace, ModuleSpace
from tuner.study import ModuleStudySpec, load_study
from tuner.study.classes import UserClasses

from ..conftest import Write
from ..study.test_modules import MODULE
from ..study.test_study import HEAD, SHIPPED_MLPS

MNIST = DataFacts(n_inputs=784, n_outputs=10, n_rows=50_000)
TINY = DataFacts(n_inputs=3, n_outputs=2, n_rows=50)
EPOCHS = 10


def space_of(write_study: Write, search: str, facts: DataFacts = MNIST) -> MLPSpace:
    return MLPSpace.of(load_study(write_study(f"{HEAD}[search]\n{search}")), facts, EPOCHS)


@pytest.mark.parametrize("facts", [MNIST, TINY])
@pytest.mark.parametrize("path", SHIPPED_MLPS, ids=lambda path: path.stem)
def test_starting_points_name_every_parameter_inside_its_range(
    path: Path, facts: DataFacts
) -> None:
    space = MLPSpace.of(load_study(path), facts, EPOCHS) if path.stem != "diabetes_mlp" else None
    if space is None:
        regression = facts.model_copy(update={"task": "regression"})
        space = MLPSpace.of(load_study(path), regression, EPOCHS)
    for params in space.starting_points().values():
        assert params.keys() == space.distributions.keys()
        for name, distribution in space.distributions.items():
            assert distribution._contains(distribution.to_internal_repr(params[name]))
        space.config(params)


def test_the_notes_point_is_the_note(write_study: Write) -> None:
    space = space_of(write_study, "weight_decay = 0.0")
    note = space.config(space.starting_points()["note"])
    assert (note.depth, note.width, note.batch_size, note.dropout) == (1, 533, 32, 0)
    assert (note.optimizer, note.schedule) == ("sgd", "lambda")
    assert note.learning_rate == pytest.approx(0.001)
    assert note.final_ratio == pytest.approx(0.95**10)


def test_every_trial_has_the_same_parameters(write_study: Write) -> None:
    space = space_of(write_study, "")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        config = space.suggest(trial)
        assert trial.params.keys() == space.distributions.keys()
        assert 16 <= config.width <= 1024
        assert 1 <= config.depth <= 4
        study.tell(trial, 0.0)
    assert len({tuple(trial.distributions.items()) for trial in study.trials}) == 1


def test_width_is_a_log_ratio_to_the_rule(write_study: Write) -> None:
    space = space_of(write_study, "width = { around = 'two_thirds', factor = 2 }")
    assert space.distributions["width_ratio"] == FloatDistribution(0.5, 1024 / 533, log=True)
    space = space_of(write_study, "width = { around = 'mean', factor = 2, high = 9999 }")
    assert space.distributions["width_ratio"] == FloatDistribution(0.5, 2.0, log=True)
    assert space.width_rule == 397
    space = space_of(write_study, "width = { low = 10, high = 100 }")
    assert space.distributions["width_ratio"] == FloatDistribution(10 / 533, 100 / 533, log=True)


def test_numbers_are_embedded_where_there_are_some(write_study: Write) -> None:
    both = CategoricalDistribution(("none", "periodic"))
    space = space_of(write_study, "", TINY)
    assert space.distributions["numeric_embedding"] == both
    assert "periodic embedding" in space.starting_points()
    assert space.config(space.starting_points()["periodic embedding"]).numeric_embedding != "none"
    trial = {k: v for k, v in space.starting_points()["note"].items() if k != "numeric_embedding"}
    assert space.config(trial).numeric_embedding == "none"  # of a version that had none
    assert (
        "periodic embedding"
        not in space_of(write_study, 'numeric_embedding = "none"', TINY).starting_points()
    )
    for facts in (MNIST, TINY.model_copy(update={"numeric": ()})):
        assert "numeric_embedding" not in space_of(write_study, "", facts).distributions
    pixels = MNIST.model_copy(update={"numeric": ()})
    with pytest.raises(StudyFileError, match="numeric_embedding must be .none.: no input is"):
        space_of(write_study, 'numeric_embedding = ["none", "periodic"]', pixels)
    assert space_of(write_study, 'numeric_embedding = "periodic"').largest().size(MNIST) > 3e6


def test_a_regression_has_no_classes_to_weigh(write_study: Write) -> None:
    facts = TINY.model_copy(update={"task": "regression"})
    with pytest.raises(StudyFileError, match="class_weight must be .none. in a regression"):
        space_of(write_study, 'class_weight = ["none", "balanced"]', facts)


def test_rates_scale_with_the_root_of_the_batch(write_study: Write) -> None:
    space = space_of(write_study, "")
    params = space.starting_points()["modern default"]
    rates = {
        (optimizer, batch): space.config(
            {**params, "optimizer": optimizer, "batch_size": batch, "base_learning_rate": 0.001}
        ).learning_rate
        for optimizer in ("adamw", "sgd")
        for batch in (32, 128)
    }
    assert rates["adamw", 128] == pytest.approx(0.001)
    assert rates["adamw", 32] == pytest.approx(0.0005)
    assert rates["sgd", 128] == pytest.approx(0.01)


def test_a_fixed_value_is_no_parameter_and_is_taken_as_it_stands(write_study: Write) -> None:
    space = space_of(write_study, "learning_rate = 0.001\nwidth = 100\noptimizer = 'sgd'")
    assert not {"learning_rate", "base_learning_rate", "width_ratio"} & space.distributions.keys()
    config = space.config(space.starting_points()["note"])
    assert (config.learning_rate, config.width) == (0.001, 100)


def test_lists_of_numbers_are_taken_as_they_stand(write_study: Write) -> None:
    space = space_of(
        write_study, "learning_rate = [0.001, 0.1]\nwidth = [100, 500]\ndepth = [1, 8]"
    )
    assert space.distributions["learning_rate"] == CategoricalDistribution((0.001, 0.1))
    config = space.config(space.starting_points()["note"])
    assert (config.learning_rate, config.width, config.depth) == (0.001, 500, 1)


def test_kinds(write_study: Write) -> None:
    space = space_of(write_study, "batch_size = { low = 8, high = 256, log = true }")
    assert space.distributions["batch_size"] == IntDistribution(8, 256, log=True)
    assert space.distributions["depth"] == IntDistribution(1, 4)


def test_a_twin_schedule_stands_in(write_study: Write) -> None:
    space = space_of(write_study, "schedule = ['cosine', 'exponential']")
    assert space.starting_points()["note"]["schedule"] == "exponential"


def test_config_and_params_are_inverse(write_study: Write) -> None:
    space = space_of(write_study, "")
    config = MLPConfig(width=77, learning_rate=0.003, dropout=0.25, optimizer="sgd", batch_size=32)
    assert space.config(space.params(config)) == config


def test_refuses_widths_that_leave_no_room(write_study: Write) -> None:
    with pytest.raises(StudyFileError, match="search.width leaves no width: two_thirds says 4"):
        space_of(write_study, "width = { around = 'two_thirds', factor = 2, low = 16 }", TINY)


def test_refuses_label_smoothing_in_a_regression(write_study: Write) -> None:
    facts = TINY.model_copy(update={"task": "regression"})
    with pytest.raises(StudyFileError, match="search.label_smoothing must be 0 in a regression"):
        space_of(write_study, "label_smoothing = { low = 0.0, high = 0.1 }", facts)


@pytest.mark.parametrize(("n_rows", "epochs"), [(50, 3), (114, 20), (1_000, 3), (50_000, 10)])
def test_the_modern_default_is_allowed_whatever_the_rows(
    write_study: Write, n_rows: int, epochs: int
) -> None:
    """Else what is often the best network of small data cannot win, and the file gets the blame."""
    facts = DataFacts(n_inputs=20, n_outputs=2, n_rows=n_rows)
    space = MLPSpace.of(load_study(write_study(HEAD)), facts, epochs)
    assert space.allowed_presets()["modern default"]
    preset = space.presets(epochs)["modern default"]
    assert preset == space.config(space.starting_points()["modern default"])


def test_few_inputs_leave_wide_networks(write_study: Write) -> None:
    """Else the rule of a table with few inputs keeps the networks away that would do best."""
    few = DataFacts(n_inputs=5, n_outputs=2, n_rows=1000)
    space = space_of(write_study, "", few)
    ratios = space.distributions["width_ratio"]
    assert isinstance(ratios, FloatDistribution)
    params = space.starting_points()["modern default"]
    widths = [
        space.config({**params, "width_ratio": ratio}).width for ratio in (ratios.low, ratios.high)
    ]
    assert widths == [16, 1024]
    assert space.largest().width == 1024
    # A factor narrows them where it is written.
    narrow = space_of(write_study, "width = { around = 'two_thirds', factor = 32 }", few)
    assert narrow.largest().width == 32 * space.width_rule


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("total", [1e-3, 0.1, 1.0, 3.0, 10.0])
def test_a_total_decay_shrinks_a_weight_alike(
    write_study: Write, optimizer: str, total: float
) -> None:
    """Else one range of decays is none at all for one optimizer, and too much for the other."""
    space = space_of(write_study, "schedule = 'constant'\nbatch_size = 128\n")
    params = space.starting_points()["modern default"]
    config = space.config({**params, "optimizer": optimizer, "total_decay": total})
    assert space.params(config)["total_decay"] == pytest.approx(total)
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    settings = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    stepping: torch.optim.Optimizer
    if optimizer == "adamw":
        stepping = torch.optim.AdamW([weight], **settings)
    else:
        stepping = torch.optim.SGD([weight], momentum=config.momentum, **settings)
    for _ in range(EPOCHS * math.ceil(MNIST.n_rows / 128)):
        stepping.step()
    assert -math.log(weight.item()) == pytest.approx(total, rel=0.05)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_no_step_takes_more_than_half_of_a_weight(write_study: Write, optimizer: str) -> None:
    """Else a short training with a large total decay has weights that turn round, and diverges."""
    space = space_of(write_study, "batch_size = 128\n", TINY)  # ten steps in all
    params = space.starting_points()["modern default"]
    config = space.config({**params, "optimizer": optimizer, "total_decay": 10.0})
    step = config.learning_rate * config.weight_decay
    assert step / (1 - config.momentum if optimizer == "sgd" else 1) == pytest.approx(0.5)


# Spaces of LightningModules


def module_space(write_study: Write, search: str, module: str = "Net") -> ModuleSpace:
    text = MODULE.replace(":Net", f":{module}")
    spec = load_study(write_study(f"{text}[search]\n{search}"))
    assert isinstance(spec, ModuleStudySpec)
    return ModuleSpace.of(UserClasses.of(spec), None)


def test_a_module_is_searched_as_declared(write_study: Write) -> None:
    space = module_space(
        write_study,
        "width = { low = 2, high = 64, log = true }\nlearning_rate = { low = 1e-3, high = 1 }\n"
        "batch_size = [8, 16]\nfault = ''\n",
    )
    assert space.distributions == {
        "width": IntDistribution(2, 64, log=True),
        "learning_rate": FloatDistribution(1e-3, 1.0),  # both ends must be whole numbers
        "batch_size": CategoricalDistribution((8, 16)),
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        config = space.suggest(trial)
        assert config.values == {
            "epochs": 10,
            "fault": "",
            "width": trial.params["width"],
            "learning_rate": trial.params["learning_rate"],
        }
        assert config.data_values == {"batch_size": trial.params["batch_size"]}
        assert space.attributes(config) == {}


@pytest.mark.parametrize(
    ("search", "points"),
    [
        ("width = { low = 2, high = 64 }", {"defaults": {"width": 8}}),
        ("width = { low = 16, high = 64 }", {"defaults": {"width": 16}}),
        ("learning_rate = { low = 0.1, high = 1 }", {"defaults": {"learning_rate": 0.1}}),
        ("width = [2, 7, 64]", {"defaults": {"width": 7}}),
        ("fault = ['exit', '']", {"defaults": {"fault": ""}}),
        ("fault = ['exit', 'hang']", {}),  # no name is nearer than another
        ("width = { low = 2, high = 64 }\nfault = ['exit', 'hang']", {}),
        ("batch_size = { low = 2, high = 8 }", {"defaults": {"batch_size": 8}}),
        ("width = 3", {}),
    ],
)
def test_the_starting_point_is_the_defaults(
    write_study: Write, search: str, points: dict[str, object]
) -> None:
    assert module_space(write_study, search).starting_points() == points


def test_an_argument_without_a_default_leaves_no_starting_point(write_study: Write) -> None:
    search = "channels = { low = 1, high = 3 }\nwidth = { low = 1, high = 3 }"
    assert module_space(write_study, search, "Needy").starting_points() == {}
