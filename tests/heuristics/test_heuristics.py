"""Rules against the note's own words and numbers worked out by hand."""

import math
from pathlib import Path

import pytest

from tuner import heuristics
from tuner.network.config import DataFacts, MLPConfig

MNIST = DataFacts(n_inputs=784, n_outputs=10, n_rows=60_000)
WIDE = DataFacts(n_inputs=4, n_outputs=8, n_rows=60)


@pytest.mark.parametrize(
    ("n_inputs", "n_outputs", "units"), [(784, 10, 533), (64, 10, 53), (13, 3, 12), (1, 1, 2)]
)
def test_two_thirds(n_inputs: int, n_outputs: int, units: int) -> None:
    assert heuristics.two_thirds(n_inputs, n_outputs) == units


def test_other_widths() -> None:
    assert heuristics.mean(784, 10) == 397
    assert heuristics.between(4, 8) == (4, 8)
    assert heuristics.between(784, 10) == (10, 784)
    assert heuristics.below_twice(784) == 1567


def test_scaling_is_one_at_the_reference() -> None:
    for rule in heuristics.SCALING_RULES:
        assert rule.scale(0.1, 128, 128) == pytest.approx(0.1)
        assert rule.scale(0.1, 512, 128) == pytest.approx(0.1 * 4**rule.exponent)


def test_every_rule_is_complete() -> None:
    names = [rule.name for rule in heuristics.RULES]
    assert len(set(names)) == len(names)
    for rule in heuristics.RULES:
        assert rule.parameter in MLPConfig.model_fields
        assert rule.claim.endswith(".")
        assert rule.source
        assert rule.value or rule.bounds or rule.choices
        assert heuristics.rule(rule.name) is rule


def test_rules_that_name_a_value_allow_it() -> None:
    for rule in heuristics.RULES:
        if rule.value:
            assert rule.allows(rule.value(MNIST), MNIST)


def test_the_items_that_speak_of_a_value_are_there() -> None:
    ids = {rule.id for rule in (*heuristics.RULES, *heuristics.SCALING_RULES)}
    assert ids == {
        "S2", "S3", "S7", "S10", "S11", "S12", "S15", "S17", "S18", "S19", "S20", "S21", "S24",
    }  # fmt: skip


def test_bounds_bite() -> None:
    assert not heuristics.rule("batch at most 32").allows(64, MNIST)
    assert heuristics.rule("batch 32 to 128").allows(64, MNIST)
    assert not heuristics.rule("some hidden layer").allows(0, MNIST)
    assert not heuristics.rule("no squeezing activations").allows("sigmoid", MNIST)


def test_contradictions() -> None:
    assert heuristics.contradictions(MNIST) == ()
    texts = [found.text for found in heuristics.contradictions(WIDE)]
    # 2/3 * 4 + 8 = 11 is above 8 = 2 * 4, and outside 4 to 8.
    assert texts == [
        "S24 (two thirds) says 11 hidden units, S20 (between) allows 4 to 8",
        "S24 (two thirds) says 11 hidden units, S24 (below twice) allows 1 to 7",
    ]


def test_note_is_literal() -> None:
    note = heuristics.note(MNIST, epochs=10)
    assert (note.depth, note.width, note.batch_normalization, note.dropout) == (1, 533, True, 0)
    assert (note.optimizer, note.learning_rate, note.schedule) == ("sgd", 0.001, "lambda")
    assert note.final_ratio == pytest.approx(0.95**10)
    assert 32 <= note.batch_size <= 32


def test_recommendation_gives_a_reason_for_each_value() -> None:
    config = heuristics.recommend(n_inputs=784, n_outputs=10, n_rows=60_000)
    assert isinstance(config, MLPConfig)
    assert (config.depth, config.width, config.batch_size) == (1, 533, 64)
    assert config.learning_rate == pytest.approx(1e-3 * math.sqrt(0.5))
    reasons = {reason.parameter for reason in config.reasons}
    assert reasons >= {"depth", "width", "batch_normalization", "dropout", "batch_size", "schedule"}
    assert all(reason.source for reason in config.reasons)
    assert MLPConfig.from_json(config.to_json()).width == 533


@pytest.mark.parametrize("epochs", [1, 5, 30])
@pytest.mark.parametrize("facts", [MNIST, WIDE])
def test_starting_points(facts: DataFacts, epochs: int) -> None:
    points = heuristics.starting_points(facts, epochs)
    names = ["modern default", "shallow", "without normalization", "periodic embedding"]
    names += ["recommendation", "wide", "note"]
    many = facts.n_inputs > 128  # which are too many to be embedded
    assert list(points) == [each for each in names if not (many and each == "periodic embedding")]
    assert all(config.epochs == epochs for config in points.values())


def row(rule: heuristics.Rule) -> str:
    """The rule's line in docs/rules.md."""
    said = []
    if rule.value:
        said.append(str(rule.value(MNIST)))
    if rule.bounds:
        said.append("{:g} to {:g}".format(*rule.bounds(MNIST)))
    if rule.choices:
        said.append(", ".join(str(choice) for choice in rule.choices))
    cells = (rule.id, rule.name, rule.parameter, "; ".join(said), rule.claim, rule.source)
    return f"| {' | '.join(cells)} |"


def test_the_page_of_rules_is_what_the_code_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text().splitlines()
    assert [line for line in page if line in {row(rule) for rule in heuristics.RULES}] == [
        row(rule) for rule in heuristics.RULES
    ]
    scaling = [(rule.id, rule.name, rule.claim, rule.source) for rule in heuristics.SCALING_RULES]
    assert all(f"| {' | '.join(cells)} |" in page for cells in scaling)
