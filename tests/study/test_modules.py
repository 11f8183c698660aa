"""Studies of LightningModules: what a file may say, and what goes to which constructor."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.errors import InputError, StudyFileError
from tuner.network.config import DataFacts, ModuleConfig, config_from_json
from tuner.study import ModuleStudySpec, load_study
from tuner.study.classes import UserClasses
from tuner.study.domains import Choices, Fixed, Range
from tuner.system.imports import class_named

from ..conftest import Write

MODEL = "[model]\nmodule = 'tests.networks:Net'\n"
DATA = "[data]\nmodule = 'tests.networks:Wine'\n"
OBJECTIVE = "[objective]\nmetric = 'val_loss'\ndirection = 'minimize'\n"
MODULE = MODEL + DATA + OBJECTIVE
ROWS = MODEL + "[data]\nsource = 'wine'\n" + OBJECTIVE
MLP = "[data]\nsource = 'wine'\n"
FACTS = DataFacts(n_inputs=13, n_outputs=3, n_rows=113)


@pytest.fixture(autouse=True)
def same_path() -> Iterator[None]:
    """Takes back what an import puts on `sys.path`."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def classes(write_study: Write, text: str) -> UserClasses:
    spec = load_study(write_study(text))
    assert isinstance(spec, ModuleStudySpec)
    return UserClasses.of(spec)


def test_what_a_file_says(write_study: Write) -> None:
    search = "[search]\nwidth = { low = 2, high = 8 }\nlearning_rate = [0.1, 1]\nfault = ''\n"
    trainer = "[trainer]\ngradient_clip_val = 1\nlogger = 'csv'\n"
    spec = load_study(write_study(MODULE + search + trainer))
    assert isinstance(spec, ModuleStudySpec)
    assert spec.search == {
        "width": Range(low=2, high=8),
        "learning_rate": Choices(values=(0.1, 1)),
        "fault": Fixed(value=""),
    }
    assert spec.loggers == ("csv",)
    assert spec.trainer_arguments == {"precision": "32-true", "gradient_clip_val": 1}
    assert (spec.metric(None), spec.direction("val_loss")) == ("val_loss", "minimize")
    assert load_study(write_study(MODULE)).model_dump()["search"] == {}


def test_loggers_and_precision(write_study: Write) -> None:
    text = MODULE + "[trainer]\nlogger = ['csv', 'tensorboard']\nprecision = '64-true'\n"
    spec = load_study(write_study(text))
    assert isinstance(spec, ModuleStudySpec)
    assert spec.loggers == ("csv", "tensorboard")
    assert spec.trainer_arguments == {"precision": "64-true"}
    none = load_study(write_study(MODULE + "[trainer]\nlogger = false\n"))
    assert isinstance(none, ModuleStudySpec)
    assert none.loggers == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODEL + OBJECTIVE, "data is missing"),
        (MODEL + DATA, "objective is missing"),
        (MODULE.replace("module = 'tests.networks:Net'", ""), "model.module is missing"),
        (MODULE.replace("module = 'tests.networks:Net'", "module = 3"), "model.module must be a"),
        ("model = 'a:B'\n" + DATA + OBJECTIVE, "model must be a table"),
        (MODULE.replace("[model]", "[modle]"), r"modle is an unknown key; did you mean model\?"),
        (MODULE + "[train]\n", r"train is an unknown key; did you mean trainer\?"),
        (MODULE.replace("metric = 'val_loss'\n", ""), "objective.metric is missing"),
        (
            MODULE.replace("'val_loss'", "['val_loss', 'n_parameters']"),
            "fronts of sizes are of MLPs",
        ),
        (MODULE.replace("direction = 'minimize'\n", ""), "objective.direction is missing"),
        (MODULE.replace("'minimize'", "'min'"), "objective.direction must be 'maximize' or 'min"),
        (MODULE.replace("[data]", "[data]\nsource = 'wine'"), "data must have either .* got both"),
        (MODEL + "[data]\n" + OBJECTIVE, 'data must have either "source" or "module", got neither'),
        (MODULE.replace("[data]", "[data]\ntest = 0.3"), "data.test belongs to a source"),
        (MLP + "module = 'a:B'", r"data.module belongs to a study with a \[model\]"),
        (MLP + "[trainer]\nlogger = 'csv'", r"trainer belongs to a study with a \[model\]"),
        (
            MLP + "[objective]\nmetric = 'val_loss'\ndirection = 'maximize'",
            "objective.direction must be 'minimize' for val_loss, got 'maximize'",
        ),
        (MLP + "[objective]\ndirection = 'maximize'", "direction needs objective.metric"),
        (MLP + "[objective]\nmetric = 'acc'\ndirection = 'maximize'", "objective.metric must be"),
        ("search = 3\n" + MODULE, "search must be a table, got 3"),
        ("trainer = 3\n" + MODULE, "trainer must be a table, got 3"),
        (MODULE + "[search]\nepochs = 3", "search.epochs is not searched: objective.epochs says"),
        (MODULE + "[search]\n'a b' = 3", "search.a b must be the name of an argument"),
        (MODULE + "[search]\nclass = 3", "search.class must be the name of an argument"),
        (MODULE + "[search]\nwidth = {}", "search.width.low is missing"),
        (MODULE + "[search]\nwidth = { lo = 3 }", r"search.width.lo is an .* did you mean low\?"),
        (MODULE + "[search]\nwidth = { low = 3, high = 2 }", "search.width low must be <= high"),
        (MODULE + "[search]\nwidth = { around = 'mean' }", "search.width.around is an unknown key"),
        (MODULE + "[search]\nwidth = []", "search.width must name at least one value"),
        (MODULE + "[search]\nwidth = [[1], [2]]", "search.width must be a finite number"),
        (MODULE + "[search]\nwidth = nan", "search.width must be a finite number"),
        (ROWS + "[search]\nbatch_size = [16, 0]", "search.batch_size must be whole numbers >= 1"),
        (ROWS + "[search]\nbatch_size = 1.5", "batch_size must be whole numbers .*, got 1.5"),
        (MODULE + "[trainer]\nlogger = 'wandb'", 'trainer.logger must be false or of "csv", "tens'),
        (MODULE + "[trainer]\nlogger = true", "trainer.logger must be false or of"),
        (
            MODULE + "[trainer]\nprecision = '64-true'\n[study]\nprecision = 'bf16-mixed'",
            "trainer.precision and study.precision say the same",
        ),
    ],
)
def test_wrong_files(write_study: Write, text: str, message: str) -> None:
    path = write_study(text)
    with pytest.raises(StudyFileError, match=message) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_an_mlp_may_say_its_direction(write_study: Write) -> None:
    written = MLP + "[objective]\nmetric = 'val_loss'\n"
    one = load_study(write_study(written))
    other = load_study(write_study(written + "direction = 'minimize'\n"))
    assert one.model_dump() == other.model_dump()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests.networks", "model.module must be \"package.module:Class\", got 'tests.networks'"),
        ("tests/networks.py:Net", "must be \"package.module:Class\", got 'tests/networks.py:Net'"),
        ("tests.nets:Net", "model.module names no module: there is no 'tests.nets' in"),
        ("nowhere.at.all:Net", "model.module names no module: there is no 'nowhere' in"),
        ("tests.networks:Nets", r"names no class: tests.networks has no Nets; did you mean Net\?"),
        ("tests.networks:Alias", "must name a class, and tests.networks:Alias is a Net"),
        ("tests.networks:NoModule", "must name a LightningModule, and tests.networks:NoModule is"),
        ("tests.networks:Wine", "must name a LightningModule, and tests.networks:Wine is none"),
    ],
)
def test_classes_that_cannot_be_had(write_study: Write, text: str, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        classes(write_study, MODULE.replace("tests.networks:Net", text))


def test_data_that_are_none(write_study: Write) -> None:
    with pytest.raises(StudyFileError, match="data.module must name a LightningDataModule, and"):
        classes(write_study, MODULE.replace(":Wine", ":Net"))


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("broken_syntax", "def f(:\n", r"SyntaxError: .* \(.*broken_syntax.py, line 1\)"),
        ("broken_import", "\nimport no_such_package\n", r"ModuleNotFoundError: No .*, line 2\)"),
        ("broken_value", "x = 1\ny = x / 0\n", r"ZeroDivisionError: .*broken_value.py, line 2\)"),
        ("broken_exit", "import sys\nsys.exit('bye')\n", r"SystemExit: bye .*, line 2\)"),
    ],
)
def test_files_that_cannot_be_imported(
    write_study: Write, project: Path, name: str, code: str, message: str
) -> None:
    (project / f"{name}.py").write_text(code)
    path = write_study(MODULE.replace("tests.networks:Net", f"{name}:Net"))
    with pytest.raises(StudyFileError) as caught:
        classes(write_study, path.read_text())
    assert str(caught.value).startswith(f"{path}: model.module cannot be imported: {name} raises ")
    caught.match(message)
    assert "\n" not in str(caught.value)


def test_the_current_folder_comes_before_that_of_the_study(
    write_study: Write, project: Path
) -> None:
    (project / "studies" / "where_found.py").write_text("class Beside: where = 'beside'\n")
    found = class_named("where_found:Beside", [project / "studies"])
    assert vars(found)["where"] == "beside"
    (project / "where_both.py").write_text("class Here: pass\n")
    (project / "studies" / "where_both.py").write_text("class There: pass\n")
    assert class_named("where_both:Here", [project / "studies"]).__name__ == "Here"
    assert sys.path[:2] == [str(project), str(project / "studies")]
    length = len(sys.path)
    class_named("where_both:Here", [project / "studies"])
    assert len(sys.path) == length


def test_each_name_goes_to_each_constructor_that_has_it(write_study: Write) -> None:
    search = "[search]\nwidth = 5\nbatch_size = 8\n"
    made = classes(write_study, MODULE + search).config({"width": 5, "batch_size": 8}, None)
    assert made == ModuleConfig(
        module="tests.networks:Net",
        values={"epochs": 10, "width": 5},
        data_module="tests.networks:Wine",
        data_values={"batch_size": 8},
        epochs=10,
    )
    assert config_from_json(made.to_json()) == made
    assert made.flat() == {"epochs": 10, "width": 5, "batch_size": 8}
    assert made.build().hparams["width"] == 5
    assert vars(made.build_data())["batch_size"] == 8


def test_the_sizes_of_a_source_are_filled_in(write_study: Write) -> None:
    made = classes(write_study, ROWS).config({}, FACTS)
    assert made.values == {"epochs": 10, "n_inputs": 13, "n_outputs": 3}
    assert made.data_values == {"batch_size": 64}
    assert made.data_module is None
    with pytest.raises(ValueError, match="tuner.data.load reads"):
        made.build_data()


def test_open_constructors_take_what_no_one_spells_out(write_study: Write) -> None:
    text = MODULE.replace(":Net", ":Open") + "[search]\nlearning_rate = 1.0\nbatch_size = 8\n"
    made = classes(write_study, text).config({"learning_rate": 1.0, "batch_size": 8}, None)
    assert made.values == {"learning_rate": 1.0}
    assert made.data_values == {"batch_size": 8}
    assert made.build().hparams["learning_rate"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODULE + "[search]\nwidht = 3", r"search.widht is no argument of Net\(.*mean width\?"),
        (MODULE + "[search]\nbath_size = 3", r"or Wine\(batch_size\); did you mean batch_size\?"),
        (ROWS + "[search]\nchannels = 3", r"search.channels is no argument of Net\(n_inputs, "),
        (
            MODULE.replace(":Net", ":Bare") + "[search]\nwidth = 3",
            r"search.width is no argument of Bare\(\) or Wine",
        ),
        (
            MODULE.replace(":Net", ":Needy"),
            r"search.channels is missing: Needy\(channels, width\) has no default for it",
        ),
        (
            MODULE + "[trainer]\nmax_epochs = 3",
            "trainer.max_epochs cannot be set: objective.epochs",
        ),
        (MODULE + "[trainer]\ndevices = 2", "trainer.devices cannot be set: each worker trains on"),
        (
            MODULE + "[trainer]\ngradient_clip_value = 1.0",
            r"trainer.gradient_clip_value is no argument of .* did you mean gradient_clip_val\?",
        ),
        (MODULE + "[trainer]\ngradient_clip_val = 'x'", "trainer is not what Lightning's Trainer"),
        (MODULE + "[trainer]\nprecision = '31'", "trainer is not what .*31"),
        (
            MODULE + "[trainer]\ncheck_val_every_n_epoch = 3",
            "trainer.check_val_every_n_epoch must divide objective.epochs = 10, got 3",
        ),
    ],
)
def test_what_the_classes_or_the_trainer_do_not_take(
    write_study: Write, text: str, message: str
) -> None:
    path = write_study(text)
    with pytest.raises(StudyFileError, match=message) as caught:
        classes(write_study, text)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_logger_whose_package_is_missing(
    write_study: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(StudyFileError, match='is missing for "tensorboard": pip install tensorb'):
        classes(write_study, MODULE + "[trainer]\nlogger = 'tensorboard'\n")


def test_building_says_what_cannot_be_imported() -> None:
    with pytest.raises(InputError, match="names no module: there is no 'nowhere'"):
        ModuleConfig(module="nowhere:Net").build()
