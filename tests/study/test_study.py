"""Study files: the shipped ones load, wrong ones end with one line that names file and key."""

from pathlib import Path

import pytest

from tuner.errors import StudyFileError
from tuner.study import direction, load_study
from tuner.study.domains import Around, Choices, Fixed, Range

from ..conftest import Write

SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
SHIPPED_MLPS = [path for path in SHIPPED if path.stem.endswith("_mlp")]
HEAD = "[data]\nsource = 'digits'\n"
TWO_GOALS = HEAD + "[objective]\nmetric = ['val_accuracy', 'n_parameters']\n[study]\n"


def test_the_shipped_studies() -> None:
    assert [path.stem for path in SHIPPED] == [
        "diabetes_mlp",
        "digits_cnn",
        "digits_mlp",
        "mnist_mlp",
        "penguins_mlp",
        "wine_mlp",
    ]
    for path in SHIPPED:
        spec = load_study(path)
        assert spec.budget.trials
        assert spec.budget.minutes


def test_by_name_and_by_path(write_study: Write) -> None:
    path = write_study()
    assert load_study("small").model_dump() == load_study(path).model_dump()


def test_defaults_and_what_overrules_them(write_study: Write) -> None:
    text = HEAD + "[search]\ndepth = 2\nbatch_size = [32, 64]\ndropout = {low = 0.1, high = 0.2}\n"
    domains = load_study(write_study(text)).domains(10)
    assert domains["depth"] == Fixed(value=2)
    assert domains["batch_size"] == Choices(values=(32, 64))
    assert domains["dropout"] == Range(low=0.1, high=0.2)
    assert domains["width"] == Around()
    assert len(domains["schedule"].values) == 8  # type: ignore[union-attr]


def test_the_notes_schedules_as_they_stand(write_study: Write) -> None:
    text = HEAD + (
        "[objective]\nepochs = 5\n[search]\nschedule = 'lambda'\noptimizer = 'sgd'\n"
        "learning_rate = 0.001\nfinal_ratio = [{ per_epoch = 0.95 }, { per_epoch = 0.997 }, 0.5]\n"
    )
    domains = load_study(write_study(text)).domains(5)
    assert domains["final_ratio"] == Choices(values=(0.95**5, 0.997**5, 0.5))
    one = text.replace("[{ per_epoch = 0.95 }, { per_epoch = 0.997 }, 0.5]", "{ per_epoch = 0.95 }")
    assert load_study(write_study(one)).domains(5)["final_ratio"] == Fixed(value=0.95**5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = = 3", "not valid TOML: .*line 1"),
        ("", "data is missing"),
        ("[data]\n", "data.source is missing"),
        ("[data]\nsorce = 'digits'", r"data.sorce is an unknown key; did you mean source\?"),
        (HEAD + "[budgt]\ntrials = 3", r"budgt is an unknown key; did you mean budget\?"),
        (HEAD + "name = 'x'\n[budget]\nname = 'x'", "data.name is an unknown key"),
        ("name = 'x'\n" + HEAD, "name is an unknown key"),
        (HEAD + "validation = 1.5", "data.validation must be < 1, got 1.5"),
        (HEAD + "validation = '0.2'", "data.validation must be a valid number, got '0.2'"),
        ("[data]\nsource = 3", "data.source must be a valid string, got 3"),
        (HEAD + "[budget]\ntrials = 0", "budget.trials must be >= 1, got 0"),
        (HEAD + "[budget]\ntrials = 1.5", "budget.trials must be a valid integer, got 1.5"),
        (HEAD + "[[budget]]", "budget must be a table"),
        (HEAD + "[objective]\nmetric = ['val_accuracy']", "must be a metric, or a metric and"),
        (HEAD + "[objective]\nmetric = ['n_parameters', 'val_loss']", "got \\['n_parameters',"),
        (
            HEAD + "[objective]\nmetric = ['acc', 'n_parameters']",
            "objective.metric must be a metric",
        ),
        (HEAD + "[objective]\nmetric = ['val_loss', 'val_accuracy']", "or a metric and"),
        (
            TWO_GOALS + "sampler = 'cmaes'",
            "study.sampler must not be 'cmaes' with \"n_parameters\"",
        ),
        (
            TWO_GOALS + "pruner = 'median'",
            "study.pruner must not be 'median' with \"n_parameters\"",
        ),
        (TWO_GOALS + "[confirm]\nseeds = 0", "confirm.seeds must be at least 2 with"),
        (
            TWO_GOALS.replace("[study]", "direction = 'minimize'\n"),
            "must be 'maximize' for val_acc",
        ),
        (
            HEAD + "[objective]\nlimits = { miliseconds = 2 }",
            r"objective.limits.miliseconds is an unknown key; did you mean milliseconds\?",
        ),
        (HEAD + "[objective]\nmetric = 'acc'", "objective.metric must be 'val_accuracy'"),
        (HEAD + "[study]\nseed = -1", "study.seed must be >= 0, got -1"),
        (HEAD + "[study]\npruner = 'asha'", "study.pruner must be 'gain'"),
        (HEAD + "[search]\nwidht = 3", r"search.widht is an unknown key; did you mean width\?"),
        (
            HEAD + "[search]\nwidth = { around = 'two_thirds', factor = 0.5 }",
            "search.width.factor must be > 1, got 0.5",
        ),
        (HEAD + "[search]\nwidth = { around = 'x' }", "search.width.around must be 'two_thirds'"),
        (
            HEAD + "[search]\nwidth = { around = 'mean', facto = 3 }",
            r"search.width.facto is an unknown key; did you mean factor\?",
        ),
        (HEAD + "[search]\nwidth = 0", "search.width must be >= 1, got 0"),
        (HEAD + "[search]\ndepth = { low = 3, high = 1 }", "search.depth low must be <= high"),
        (HEAD + "[search]\ndepth = { low = 1, high = 9 }", "search.depth.high must be <= 8, got 9"),
        (
            HEAD + "[search]\ndepth = { low = 1.5, high = 3 }",
            "search.depth.low must be a valid int",
        ),
        (HEAD + "[search]\ndepth = { high = 3 }", "search.depth.low is missing"),
        (HEAD + "[search]\ndepth = true", "search.depth must be a valid integer, got True"),
        (
            HEAD + "[search]\ndropout = { low = 0, high = 0.5, log = true }",
            "search.dropout low must be > 0 on a log scale, got 0",
        ),
        (HEAD + "[search]\ndropout = nan", "search.dropout must be a finite number"),
        (HEAD + "[search]\nbatch_size = []", "search.batch_size must name at least one value"),
        (HEAD + "[search]\nbatch_size = [32, 0]", r"search.batch_size\[1\] must be >= 1, got 0"),
        (HEAD + "[search]\nbatch_size = [32, 32]", "search.batch_size must not name a value twice"),
        (HEAD + "[search]\nactivation = 'rely'", "search.activation must be 'relu'"),
        (HEAD + "[search]\nactivation = { low = 1, high = 2 }", "takes a value or a list"),
        (HEAD + "[search]\nlearning_rate = '1e-3'", "search.learning_rate must be a valid number"),
        (HEAD + "[search]\nfinal_ratio = { per_epoch = 2 }", "final_ratio.per_epoch must be <= 1"),
        (HEAD + "[search]\nwarmup = 0.1", "search.warmup must be 0 while search.schedule has"),
    ],
)
def test_wrong_files(write_study: Write, text: str, message: str) -> None:
    path = write_study(text)
    with pytest.raises(StudyFileError, match=message) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_file_suggests_a_near_name(write_study: Write) -> None:
    write_study(name="mnist_mlp")
    with pytest.raises(StudyFileError, match=r"did you mean mnist_mlp\?"):
        load_study("mnist_mpl")
    with pytest.raises(StudyFileError, match=r"must end in \.toml"):
        load_study("studies/mnist_mlp")


def test_bad_name_and_bytes(write_study: Write) -> None:
    with pytest.raises(StudyFileError, match="name of a study is made of"):
        load_study(write_study(name="a b"))
    path = write_study()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(StudyFileError, match="not UTF-8"):
        load_study(path)


def test_two_goals(write_study: Write) -> None:
    spec = load_study(write_study(TWO_GOALS + "sampler = 'gp'\npruner = 'none'\n"))
    assert spec.objective.finds_sizes and spec.metric("classification") == "val_accuracy"
    alone = load_study(write_study(HEAD + "[objective]\nmetric = 'val_accuracy'"))
    assert not alone.objective.finds_sizes
    with pytest.raises(StudyFileError, match=r"must be one of val_loss, .* got 'val_accuracy'"):
        spec.metric("regression")


def test_metric_must_fit_the_task(write_study: Write) -> None:
    spec = load_study(write_study(HEAD + "[objective]\nmetric = 'val_r2'"))
    assert spec.metric("regression") == "val_r2"
    with pytest.raises(StudyFileError, match=r"objective.metric must be one of val_accuracy"):
        spec.metric("classification")


def test_directions() -> None:
    assert direction("val_accuracy") == direction("val_r2") == "maximize"
    assert direction("val_loss") == direction("val_rmse") == "minimize"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("Depth = 3", r"search.Depth is an unknown key; did you mean depth\?"),
        ("width = { low = 9, high = 99, log = false }", "search.width.log must be true"),
        (
            "final_ratio = [{ per_epoch = 1.0 }, 1.0]",
            "search.final_ratio must not name a value twice",
        ),
        (
            "final_ratio = [{ per_epoc = 1.0 }]",
            r"search.final_ratio.per_epoc is an unknown key; did you mean per_epoch\?",
        ),
    ],
)
def test_wrong_searches(write_study: Write, search: str, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        load_study(write_study(f"{HEAD}[search]\n{search}\n"))


def test_an_unknown_table_with_a_capital(write_study: Write) -> None:
    with pytest.raises(StudyFileError, match=r"Data is an unknown key; did you mean data\?"):
        load_study(write_study(HEAD.replace("data", "Data")))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning_rate = { low = nan, high = 0.1 }", "learning_rate.low must be a finite number"),
        ("learning_rate = { low = 0.1, high = inf }", "learning_rate.high must be a finite number"),
        ("learning_rate = { low = 'a', high = 1.0 }", "low must be a finite number, got 'a'"),
        ("width = { low = true, high = 3 }", "low must be a finite number, got True"),
    ],
)
def test_ends_that_are_no_numbers(write_study: Write, line: str, message: str) -> None:
    """Else the message speaks of integers where the user wrote NaN."""
    with pytest.raises(StudyFileError, match=message):
        load_study(write_study(f"[data]\nsource = 'wine'\n[search]\n{line}\n"))
