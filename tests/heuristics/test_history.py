"""What studies found: kept, exported, and blended into what is recommended next."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner import heuristics, storage
from tuner.errors import InputError, StoreLostError
from tuner.heuristics import Experience
from tuner.network.config import DataFacts, MLPConfig
from tuner.system import paths

from ..commands import run
from ..conftest import SMALL, Write

FACTS = DataFacts(n_inputs=64, n_outputs=10, n_rows=1000)
RULE = heuristics.two_thirds(64, 10)


def experience(study: str = "one", facts: DataFacts = FACTS, **changes: Any) -> Experience:
    config = MLPConfig(
        **{"depth": 3, "width": 8 * RULE, "dropout": 0.4, "learning_rate": 0.004, **changes}
    )
    return Experience.of(
        study, config, facts, metric="val_accuracy", mean=0.9, standard_error=0.01, gain=0.1
    )


def recommended(*history: Experience, facts: DataFacts = FACTS) -> heuristics.Recommendation:
    return heuristics.recommend(
        **facts.model_dump(exclude={"numeric", "categories"}), history=history
    )


def test_a_winner_is_told_as_ratios() -> None:
    found = experience(optimizer="sgd", batch_size=32)
    assert found.width_ratio == 8
    assert found.base_learning_rate == pytest.approx(0.004 / 10 / math.sqrt(32 / 128))
    assert experience(depth=0).width_ratio is None


def test_weights() -> None:
    found = experience()
    assert found.weight(FACTS) == pytest.approx(3.0)
    wider = FACTS.model_copy(update={"n_inputs": 640})
    assert found.weight(wider) == pytest.approx(3 * math.exp(-0.5))
    far = FACTS.model_copy(update={"n_inputs": 64_000, "n_rows": 1_000_000})
    assert found.weight(far) == 0.0
    assert found.weight(FACTS.model_copy(update={"task": "regression"})) == 0.0


def test_without_history_the_rules_recommend() -> None:
    assert recommended() == heuristics.recommend(n_inputs=64, n_outputs=10, n_rows=1000)
    far = DataFacts(n_inputs=100_000, n_outputs=1, n_rows=10**7)
    assert recommended(experience(facts=far)) == recommended()


def test_numbers_are_means_and_names_are_votes() -> None:
    plain = recommended()
    found = recommended(experience(schedule="cosine", activation="gelu"))
    assert found.width == round(RULE * 8 ** (3 / 4))  # weights 1 and 3, of logarithms
    assert found.depth == round((1 + 3 * 3) / 4)
    assert found.dropout == pytest.approx(0.3)
    assert (found.schedule, found.activation) == ("cosine", "gelu")
    bases = [
        each.learning_rate / heuristics.rate_factor(each.optimizer, each.batch_size)
        for each in (plain, experience_config(), found)
    ]
    assert bases[2] == pytest.approx(bases[0] ** (1 / 4) * bases[1] ** (3 / 4))
    # Two studies that agree outvote one.
    votes = [experience(str(n), optimizer=name) for n, name in enumerate(("sgd", "sgd", "adamw"))]
    assert recommended(*votes).optimizer == "sgd"


def test_a_decay_means_the_same_over_other_steps() -> None:
    """Else what held on other rows decays the next network to nothing, or not at all."""
    plain, strong = recommended(), experience(weight_decay=0.3)
    n_rows = FACTS.n_rows
    found = heuristics.total_decay(recommended(strong), n_rows)
    ours = heuristics.total_decay(plain, n_rows)
    theirs = heuristics.total_decay(
        experience_config().model_copy(update={"weight_decay": 0.3}), n_rows
    )
    assert strong.total_decay == pytest.approx(theirs)
    assert found == pytest.approx(ours ** (1 / 4) * theirs ** (3 / 4))
    # One of an earlier version, which did not keep it, teaches the rest.
    earlier = strong.model_copy(update={"total_decay": None})
    assert heuristics.total_decay(recommended(earlier), n_rows) == pytest.approx(ours)
    assert recommended(earlier).width == recommended(strong).width


def experience_config() -> MLPConfig:
    return MLPConfig(depth=3, width=8 * RULE, dropout=0.4, learning_rate=0.004)


def test_reasons_name_the_studies_and_their_verdicts() -> None:
    one = experience("one").model_copy(
        update={"verdicts": {"S7 no dropout with BN": "held", "S19 one hidden layer": "equivalent"}}
    )
    reasons = {each.parameter: each for each in recommended(one, experience("two")).reasons}
    assert "one had 8 times two thirds (weight 3), two had 8 times" in reasons["width"].text
    assert "S7 no dropout with BN held on one" in reasons["dropout"].text
    assert "S19" not in reasons["depth"].text
    assert reasons["width"].source == "heuristics.json"


@pytest.mark.usefixtures("project")
def test_what_is_remembered() -> None:
    assert heuristics.history() == ()
    heuristics.remember(experience("one"))
    heuristics.remember(experience("two"))
    heuristics.remember_verdicts("one", {"S7 dropout": "held"})
    heuristics.remember_verdicts("three", {"S7 dropout": "held"})  # which has found nothing
    heuristics.remember(experience("one", width=5))
    one, two = heuristics.history()
    assert (one.study, one.verdicts) == ("one", {"S7 dropout": "held"})
    assert one.width_ratio == 5 / RULE
    assert two == experience("two")


@pytest.mark.process
@pytest.mark.usefixtures("project")
def test_many_processes_remember_at_once() -> None:
    code = (
        "import sys\nfrom tuner import heuristics\n"
        "from tuner.network.config import DataFacts, MLPConfig\n"
        "for n in range(10):\n"
        "    heuristics.remember(heuristics.Experience.of(f'{sys.argv[1]}-{n}', MLPConfig(),"
        " DataFacts(n_inputs=1, n_outputs=1, n_rows=1), metric='m', mean=0.0,"
        " standard_error=0.0, gain=None))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(heuristics.history()) == 30


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a file of heuristics"),
        ("[]", "not a file of heuristics"),
        ('{"version": 9, "studies": []}', "version must be 1, got 9"),
        ('{"version": 1, "studies": [{"study": "x"}]}', "facts: Field required"),
    ],
)
def test_a_broken_file(text: str, message: str) -> None:
    path = heuristics.history_file()
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        heuristics.history()
    with pytest.raises(InputError, match="x.json: not a file of heuristics"):
        heuristics.history("x.json")


@pytest.mark.usefixtures("project")
def test_a_disk_that_is_gone() -> None:
    paths.home().write_text("")
    with pytest.raises(StoreLostError, match=r"heuristics.json: cannot be written"):
        heuristics.remember(experience())


@pytest.mark.slow
def test_the_next_study_starts_from_it(write_study: Write) -> None:
    """And an audit's verdicts are kept beside; what a study itself found does not count for it."""
    confirmed = SMALL.replace("seeds = 0", "configs = 1\nseeds = 2")
    write_study(confirmed, "first")
    tuner.tune("first", trials=6)
    tuner.audit("first", rules=["S7"], pairs=2)
    (found,) = heuristics.history()
    best = tuner.best("first")
    assert best.confirmed is not None and isinstance(best.config, MLPConfig)
    assert (found.study, found.mean) == ("first", best.confirmed.validation.mean)
    assert list(found.verdicts) == ["S7 no dropout with BN"]
    for name, history in (("second", True), ("third", False)):
        start = f"history = {str(history).lower()}\nrate_range"
        write_study(SMALL.replace("rate_range", start), name)
        tuner.tune(name, trials=6)
    points = {
        name: next(
            trial.user_attrs
            for trial in storage.read_study(name).trials
            if trial.user_attrs["source"] == "recommendation"
        )
        for name in ("first", "second", "third")
    }
    assert points["first"]["config"] == points["third"]["config"]
    assert points["second"]["config"] != points["third"]["config"]


@pytest.mark.slow
def test_a_first_rate_by_a_range_test(write_study: Write) -> None:
    path = write_study(SMALL.replace("rate_range = false", "rate_range = true"))
    tuner.tune("small", trials=12, fleet=40)
    study = storage.read_study("small")
    found = json.loads(study.user_attrs["rate_range"])
    trial = next(t for t in study.trials if t.user_attrs["source"] == "recommendation")
    assert found["epochs"] == 3  # all that a trial has: an epoch has 4 steps
    most = trial.distributions["base_learning_rate"].high
    base = found["suggested"] / math.sqrt(trial.params["batch_size"] / 128)
    assert trial.params["base_learning_rate"] == pytest.approx(min(base, most))
    assert found["low"] <= found["suggested"] <= found["high"]
    assert len(found["rates"]) == len(found["losses"]) == 32
    # It is tried once: a later call goes on from what is known.
    tuner.tune("small", trials=14, fleet=40)
    study = storage.read_study("small")
    assert json.loads(study.user_attrs["rate_range"]) == found
    sources = [trial.user_attrs["source"] for trial in study.trials]
    assert sources.count("recommendation") == sources.count("modern default") == 1
    # A rate that the file fixes is not tried.
    fixed = SMALL.replace("[search]", "[search]\nlearning_rate = 0.01")
    path.write_text(fixed.replace("rate_range = false", ""))
    tuner.tune("small", trials=1, new=True)
    assert "rate_range" not in storage.read_study("small").user_attrs


@pytest.mark.process
@pytest.mark.usefixtures("project")
def test_the_command_exports_what_the_standard_library_reads() -> None:
    assert "no study has a confirmed winner yet" in run("export-heuristics", code=2).stderr
    heuristics.remember(experience())
    assert "written: mine.json, 1 studies" in run("export-heuristics", "mine.json").stdout
    content = json.loads(Path("mine.json").read_text())
    assert content["studies"][0]["width_ratio"] == 8
    assert heuristics.history("mine.json") == heuristics.history()
    told = run("recommend", "--inputs", "64", "--outputs", "10", "--rows", "1000").stdout
    assert "one had 8 times two thirds (weight 3)" in " ".join(told.split())
    assert "cannot be written" in run("export-heuristics", "no/such/folder.json", code=2).stderr
