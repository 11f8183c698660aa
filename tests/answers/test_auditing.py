"""The audit: verdicts are right on made-up scores, and its sides are what the rules say."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, root_mean_squared_error

import tuner
from tuner import heuristics, storage
from tuner.answers.auditing import COLUMNS, Claim, Evidence, Side, claims, exponents, judge
from tuner.answers.auditing.claims import FACTORS
from tuner.answers.auditing.cost import seconds, trainings
from tuner.answers.auditing.found import Audit, Finding, Verdict
from tuner.answers.auditing.margins import margin, trivial_score
from tuner.answers.auditing.quantities import Quantities
from tuner.answers.auditing.sample import Sample, fitting, samples
from tuner.answers.auditing.verdicts import least_pairs
from tuner.data import load
from tuner.errors import InputError
from tuner.heuristics import ITEMS
from tuner.network.config import DataFacts, MLPConfig
from tuner.running.kept_repeats import Repeat
from tuner.running.progress import Observer, Repeated
from tuner.running.repeats import Repeats

from ..conftest import SMALL, Write

N_PAIRS, N_CLAIMS = 12, 20
#: Validation rows over training rows, where a fifth is cut off to validate on.
OVERLAP = 0.25
FACTS = DataFacts(n_inputs=13, n_outputs=3, n_rows=500)
BASE = MLPConfig(depth=2, width=64, epochs=5, learning_rate=0.002)


def family(
    random: np.random.Generator, kind: str, effect: float, margin: float = 1.0
) -> list[Evidence]:
    """Claims of one kind with the same effect, in standard deviations between pairs.

    What is peculiar to the rows that all pairs are cut from is common to the pairs of a claim. Of
    scores that are means over rows its variance is `OVERLAP`, where that between cuts is 1.
    """
    shifts = random.normal(effect, OVERLAP**0.5, N_CLAIMS)
    return [
        Evidence(kind, tuple(random.normal(shift, 1.0, N_PAIRS)), margin, OVERLAP)  # type: ignore[arg-type]
        for shift in shifts
    ]


@pytest.mark.parametrize(
    ("kind", "effect"),
    # At the edge of each hypothesis: worse, or apart, by the whole margin.
    [("better", 0.0), ("enough", -1.0), ("equal", 0.0), ("equal", 1.0)],
)
def test_false_verdicts_are_rare(kind: str, effect: float) -> None:
    """Of audits in which nothing is to be found, those with a find are about 5% at most."""
    random = np.random.default_rng(0)
    wrong = {"held", "refuted"}
    if kind == "equal":
        wrong = {"held"} if effect else {"refuted"}
    families = [{each.verdict for each in judge(family(random, kind, effect))} for _ in range(200)]
    assert sum(bool(verdicts & wrong) for verdicts in families) / len(families) <= 0.07


@pytest.mark.parametrize("margin", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_what_is_worse_is_not_held_without_a_word(
    margin: float, record_property: Callable[[str, object], None]
) -> None:
    """Else a rule that is worse by half a standard deviation passes for as good."""
    random = np.random.default_rng(0)
    found = [each for _ in range(50) for each in judge(family(random, "enough", -0.5, margin))]
    held = [each for each in found if each.verdict == "held"]
    silent = [each for each in held if not each.warning]
    record_property(f"held at a margin of {margin:g} deviations", len(held) / len(found))
    record_property("without a word", len(silent) / len(found))
    assert len(silent) / len(found) < 0.05
    if margin < 0.5:
        assert len(held) / len(found) < 0.05
    if margin == 4.0:
        assert len(held) / len(found) > 0.95
        assert any(each.warning.startswith("surely worse by ") for each in held)


def test_nothing_is_called_equivalent_that_differs_by_the_margin() -> None:
    random = np.random.default_rng(0)
    found = [
        each.verdict
        for _ in range(50)
        for effect in (1.0, -1.0)
        for each in judge(family(random, "better", effect))
    ]
    assert found.count("equivalent") / len(found) <= 0.05


def test_power(record_property: Callable[[str, object], None]) -> None:
    """What is right is found: at three standard deviations nearly always, after Holm over 20."""
    random = np.random.default_rng(0)

    def share(kind: str, effect: float, verdict: str) -> float:
        found = [each.verdict for _ in range(50) for each in judge(family(random, kind, effect))]
        return found.count(verdict) / len(found)

    for effect, least in ((1.0, 0.03), (2.0, 0.4), (3.0, 0.95)):
        power = share("better", effect, "held")
        record_property(f"power at {effect:g} standard deviations", power)
        assert power >= least
    assert share("better", -3.0, "refuted") >= 0.95
    assert share("enough", 2.0, "held") >= 0.95
    assert share("enough", -4.0, "refuted") >= 0.95


def test_verdicts() -> None:
    steady = np.linspace(-0.01, 0.01, N_PAIRS)

    def verdict(kind: str, effect: float, margin: float) -> str:
        evidence = Evidence(kind, tuple(steady + effect), margin, 0.0)  # type: ignore[arg-type]
        return judge([evidence])[0].verdict

    assert verdict("better", 1.0, 0.1) == "held"
    assert verdict("better", -1.0, 0.1) == "refuted"
    assert verdict("better", 0.0, 0.1) == "equivalent"
    assert verdict("better", 0.0, 0.0) == "inconclusive"
    assert verdict("enough", 0.0, 0.1) == "held"
    assert verdict("enough", -0.05, 0.1) == "held"
    assert verdict("enough", -0.2, 0.1) == "refuted"
    assert verdict("enough", -0.1, 0.1) == "inconclusive"
    assert verdict("equal", 0.0, 0.1) == "held"
    assert verdict("equal", 0.5, 0.1) == "refuted"
    assert verdict("equal", 0.1, 0.1) == "refuted" or verdict("equal", 0.1, 0.1) == "inconclusive"


def test_a_rule_that_is_held_and_worse_is_said_to_be() -> None:
    steady = np.linspace(-0.01, 0.01, N_PAIRS)

    def warning(effect: float) -> str:
        (found,) = judge([Evidence("enough", tuple(steady + effect), 0.1, OVERLAP)])
        assert found.verdict == "held"
        return found.warning

    assert warning(0.05) == ""
    assert warning(0.002).startswith("maybe worse by up to 0.00")
    assert warning(-0.001) == "worse by 0.001, within the margin"
    assert warning(-0.05) == "surely worse by 0.05, within the margin"


def test_every_variant_is_tuned_alike() -> None:
    """Else the side with more variants loses for lack of tuning."""
    found = claims(BASE, FACTS, range_rate=0.01)
    sides = {side for claim in found for side in (claim.ours, claim.theirs)}
    for side in sides:
        if side.is_tuned:
            assert len(side.candidates) == len(FACTORS) * len(side.variants)
    assert all(
        len(side.candidates) == len(side.variants) == 1 for side in sides if not side.is_tuned
    )


def test_sides_are_what_the_rules_say() -> None:
    found = {claim.name: claim for claim in claims(BASE, FACTS, range_rate=0.01)}
    assert len(found) == len(claims(BASE, FACTS, range_rate=0.01))

    def values(side: Side, field: str) -> set[object]:
        return {getattr(each, field) for each in side.candidates}

    assert values(found["two thirds"].ours, "width") == {12}  # 2/3 of 13, and 3
    assert values(found["mean"].ours, "width") == {8}
    assert values(found["between"].theirs, "width") == {26, 52}
    assert values(found["below twice"].ours, "width") == {25}
    assert values(found["one hidden layer"].ours, "depth") == {1}
    assert values(found["one hidden layer"].theirs, "depth") == {2, 3}
    assert values(found["some hidden layer"].theirs, "depth") == {0}
    assert values(found["no dropout with BN"].ours, "dropout") == {0.0}
    assert values(found["no dropout with BN"].theirs, "batch_normalization") == {True}
    assert values(found["BN rescues sigmoid"].theirs, "batch_normalization") == {False}
    assert values(found["batch at most 32"].ours, "batch_size") == {16, 32}
    ghost = found["normalization batch 32 to 128"]
    assert values(ghost.ours, "normalization_batch_size") == {32, 64, 128}
    assert values(ghost.ours, "batch_size") == values(ghost.theirs, "batch_size") == {128}
    literal = found["LambdaLR 0.95 ** epoch, SGD 0.001"].ours
    assert values(literal, "learning_rate") == {0.001}
    assert values(literal, "final_ratio") == {0.95**5}
    assert values(found["no perfect first rate"].theirs, "learning_rate") == {0.01}
    assert values(found["large rates overshoot"].theirs, "learning_rate") == {0.06}


def test_a_gap_is_not_decided_by_how_its_sides_were_tuned() -> None:
    """Else on labels that are noise "large batches overfit" is held or refuted by a coin."""
    gaps = [claim for claim in claims(BASE, FACTS, range_rate=None) if claim.quantity != "score"]
    assert {claim.name for claim in gaps} == {"large batches overfit", "large batches are faster"}
    for claim in gaps:
        rates = {
            each.batch_size: each.learning_rate
            for side in (claim.ours, claim.theirs)
            for each in side.candidates
        }
        assert rates == pytest.approx({32: 0.002 / 2**0.5, 128: 0.002 * 2**0.5})


@pytest.mark.parametrize("schedule", ["plateau", "onecycle"])
def test_any_base_config_makes_valid_sides(schedule: str) -> None:
    for depth in (0, 1, 4):
        base = BASE.model_copy(update={"depth": depth, "schedule": schedule, "dropout": 0.4})
        for claim in claims(base, FACTS, range_rate=None):
            assert isinstance(claim, Claim)
            assert claim.ours.candidates and claim.theirs.candidates


def test_rules_of_hidden_layers_are_judged_where_there_is_one() -> None:
    """Else two networks without any are the same, and a rule is held for it."""
    linear = BASE.model_copy(update={"depth": 0})
    named = {"no dropout with BN", "BN helps", "normalization batch 32 to 128"}
    for claim in claims(linear, FACTS, range_rate=None):
        if claim.name in named:
            sides = (*claim.ours.candidates, *claim.theirs.candidates)
            assert {each.depth for each in sides} == {1}
            named.remove(claim.name)
    assert not named


def test_fewer_pairs_than_a_verdict_takes_are_told() -> None:
    """Else an hour goes into an audit that no data can decide, as it was advised."""
    for n_tests in (1, 3, 29):
        least = least_pairs(n_tests)
        for n, verdict in ((least, "held"), (least - 1, "inconclusive")):
            clear = [Evidence("better", (1.0,) * n, 0.1, 0.0)]
            unclear = [Evidence("better", (1.0, -1.0) * n, 0.1, 0.0)] * (n_tests - 1)
            assert judge(clear + unclear)[0].verdict == verdict
            near = Evidence("equal", (0.0,) * (n - 1) + (1e-9,), 1.0, 0.0)  # of two tests
            assert n_tests == 1 or judge([near, *unclear[1:]])[0].verdict == verdict
    n_of_all = len(claims(BASE, FACTS, range_rate=0.01)) + exponents.N_TESTS
    assert n_of_all <= 29


def test_a_training_that_failed_has_the_widest_gap() -> None:
    """Else a side that diverges seems not to overfit at all."""
    trained = {
        (BASE, 1): Repeat(BASE, 1, {"val_loss": 0.5, "train_loss": 0.2}, 9),
        (BASE, 2): Repeat(BASE, 2, {"val_loss": 0.9, "train_loss": 0.1}, 9),
        (BASE, 3): Repeat(BASE, 3, {}, 0, "diverged"),
    }
    repeats = cast(Repeats, SimpleNamespace(find=lambda *pair: trained.get(pair)))
    found = Quantities(repeats, (1, 2, 3), "val_loss", -1, trained)
    gap = next(each for each in claims(BASE, FACTS, None) if each.quantity == "gap")
    assert found.of(gap, BASE) == pytest.approx([0.3, 0.8, 0.8])
    assert found.scores(BASE) == [0.5, 0.9, 0.9]


def test_what_an_audit_costs() -> None:
    trained = trainings(BASE, FACTS, 10, lambda rule: rule == "S21")
    # The tuned config, and the side without a hidden layer: 5 candidates, 3 seeds, 10 pairs.
    assert len(trained) == 2 * (5 * 3 + 10) + 10
    with_exponents = trainings(BASE, FACTS, 10, lambda rule: rule == "S12")
    assert len(with_exponents) == 5 * 3 + 10 + 4 * 13 * 10
    # In proportion to epochs, and more for larger networks and smaller batches.
    assert seconds([BASE] * 7, BASE, FACTS, 2.0) == pytest.approx(7 * BASE.epochs * 2.0)
    for change in ({"width": 512}, {"depth": 3}, {"batch_size": 16}):
        other = BASE.model_copy(update=change)
        assert seconds([other], BASE, FACTS, 2.0) > 1.1 * BASE.epochs * 2.0


class Recorder(Observer):
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.remarks: list[str] = []
        self.n_trained = 0

    def begin(self, message: str) -> None:
        self.begun.append(message)

    def remark(self, message: str) -> None:
        self.remarks.append(message)

    def repeated(self, training: Repeated) -> None:
        self.n_trained += 1


@pytest.fixture
def small(write_study: Write) -> None:
    write_study(SMALL.replace("epochs = 3", "epochs = 2"))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_audit_of_some_rules() -> None:
    recorder = Recorder()
    found = tuner.audit("small", rules=["S7", "S21", "S22"], pairs=3, observer=recorder)
    assert [each.rule for each in found.findings] == ["S7", "S21", "S22"]
    dropout, linear, silent = found.findings
    assert (silent.verdict, silent.kind) == ("not testable", None)
    assert "it depends" in silent.remark
    for finding in (dropout, linear):
        assert finding.n_pairs == 3
        assert finding.low <= finding.effect <= finding.high
        assert finding.p <= finding.adjusted_p
        # With 3 pairs no p-value is below 0.25.
        assert finding.verdict in ("inconclusive", "equivalent")
    assert found.origin == "modern default"
    assert found.n_trainings == recorder.n_trained
    (announced,) = [text for text in recorder.begun if "trainings over 3 pairs" in text]
    (warned,) = [text for text in recorder.remarks if "3 pairs are too few" in text]
    assert "it takes 7 for" in warned
    # The tuned config is counted with its candidates, and trained once.
    assert 0.8 <= found.n_trainings / int(announced.split()[0]) <= 1.0
    # Files and store hold what was returned.
    stored = storage.read_study("small").user_attrs["audit"]
    assert tuner.Audit.model_validate_json(stored) == found
    again = Recorder()
    second = tuner.audit("small", rules=["S7", "S21", "S22"], pairs=3, observer=again)
    assert again.n_trained == 0
    assert second.findings == found.findings
    other = tuner.audit("small", rules=["S7"], pairs=3, seed=1)
    assert other.findings[0].effect != dropout.effect


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_small_and_large_batches_are_one_comparison() -> None:
    alone = tuner.audit("small", rules=["S9"], pairs=2)
    assert {each.rule for each in alone.findings} == {"S8", "S9"}
    both = {each.name: each for each in alone.findings}
    large, small = both["large batches overfit"], both["small batches regularise"]
    assert (large.effect, large.adjusted_p) == (small.effect, small.adjusted_p)
    assert both["large batches are faster"].n_pairs == 2


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_every_rule_has_a_verdict_or_a_reason() -> None:
    tuner.tune("small")
    found = tuner.audit("small", pairs=2, tolerance=0.5)
    assert found.origin.startswith("trial ")
    judged = {each.rule for each in found.findings}
    assert judged == set(ITEMS)
    assert all(each.verdict != "not testable" or each.remark for each in found.findings)
    assert all(each.margin == 0.5 for each in found.findings if each.unit == "val_loss")
    assert found.rate_range is not None
    assert len(found.rate_range.rates) == len(found.rate_range.losses) == 32
    # Both sides of S2 and S3 were looked into, at the rates that they were judged with.
    bare = {f"{name}, no BN" for name in ("relu", "sigmoid", "tanh")}
    normalized = {"sigmoid with BN", "tanh with BN", "with BN", "without BN"}
    assert {each.side for each in found.inside} == bare | normalized
    (finding,) = (each for each in found.findings if each.name == "BN rescues sigmoid")
    (one,) = (each for each in found.inside if each.side == "sigmoid, no BN")
    assert finding.theirs == f"sigmoid, no BN (rate {one.config.learning_rate:.2g})"
    assert len(one.gradients) == 3 and len(one.told) == len(COLUMNS)
    assert tuner.audit("small", pairs=2, tolerance=0.5).inside == found.inside
    text = tuner.report("small").read_text()
    assert "Inside these networks" in text and f"<td>{one.told[0]}</td><td>{one.told[1]}" in text
    assert text.count("gradient, first epoch") == 1
    assert tuner.audit("small", pairs=2, rules=["S7"]).inside == ()


def test_samples_take_less_and_less_time() -> None:
    """First fewer epochs, then units, then rows: a rule speaks of the rows that a user has."""
    facts = DataFacts(n_inputs=784, n_outputs=10, n_rows=48_000)
    base = MLPConfig(depth=3, width=700, epochs=40)
    found = list(samples(base, facts))
    costs = [
        seconds([each.base], base, each.facts(facts), 1.0)
        * heuristics.work(base, each.facts(facts))
        / heuristics.work(base, facts)
        for each in found
    ]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)
    assert found[0] == Sample(48_000, 48_000, base)
    last = found[-1]
    assert (last.rows, last.base.epochs, last.base.width) == (500, 5, 64)
    fewer_rows = [each for each in found if not each.is_whole]
    assert all(each.base.epochs <= 10 and each.base.width <= 256 for each in fewer_rows)
    takes = [1000.0, 900.0, 80.0, 79.0]
    estimates = iter(takes)
    assert fitting(base, facts, 85.0, lambda each: next(estimates)) == found[2]
    assert fitting(base, facts, 0.0, lambda each: 1.0) == last
    few = list(samples(MLPConfig(epochs=3, width=8), facts.model_copy(update={"n_rows": 90})))
    assert len(few) == 1


@pytest.mark.slow
def test_an_audit_that_ends(write_study: Write) -> None:
    """Else judging MNIST takes a day. It says of how many rows it is."""
    write_study(SMALL.replace("wine", "digits").replace("epochs = 3", "epochs = 1"))
    recorder, rules = Recorder(), ["S7", "S8", "S16", "S21", "S22"]
    began = time.monotonic()
    found = tuner.audit("small", rules=rules, pairs=4, minutes=0.01, observer=recorder)
    assert time.monotonic() - began < 30
    assert (found.facts.n_rows, found.n_known) == (500, 1_149)
    assert found.rests_on == "500 of 1,149 training rows"
    assert [each for each in recorder.begun if each.startswith("judging on 500 of 1,149")]
    assert {each.rule for each in found.findings} == {"S7", "S8", "S9", "S16", "S21", "S22"}
    assert all(each.verdict != "not testable" or each.remark for each in found.findings)
    rules = ["S7", "S16", "S22"]
    more = tuner.audit("small", rules=rules, pairs=2, minutes=1, observer=recorder)
    assert time.monotonic() - began < 90
    judged = [each for each in more.findings if each.kind is not None]
    assert judged and all(each.n_pairs == 2 for each in judged)
    assert more.n_trainings <= recorder.n_trained
    n_trained = recorder.n_trained
    again = tuner.audit("small", rules=rules, pairs=2, minutes=1, observer=recorder)
    assert (recorder.n_trained, again.base) == (n_trained, more.base)
    scores, same = (
        [(each.name, each.effect) for each in audit.findings if each.unit == "val_loss"]
        for audit in (more, again)
    )
    assert scores and scores == same
    stored = storage.read_study("small").user_attrs["audit"]
    assert tuner.Audit.model_validate_json(stored) == again


@pytest.mark.slow
def test_an_audit_without_time(small: None) -> None:
    """It says so of each rule, and takes nothing away that is known."""
    rules = ["S7", "S9", "S12", "S16", "S22"]
    known = tuner.audit("small", rules=["S21"], pairs=2)
    found = tuner.audit("small", rules=rules, pairs=2, minutes=1e-6)
    assert [each.rule for each in found.findings] == ["S7", "S8", "S8", "S9", "S9", *rules[2:]]
    assert {each.verdict for each in found.findings} == {"not testable"}
    assert all("the time was over" in each.remark for each in found.findings[:-1])
    assert found.n_trainings == 0
    assert tuner.Audit.model_validate_json(Path("runs/small/audit.json").read_text()) == known


def test_what_fewer_rows_say_stands_beside() -> None:
    def audit(n_rows: int, **verdicts: Verdict) -> Audit:
        findings = [
            Finding(rule="S7", name=name, claim="", kind="better", verdict=verdict)
            for name, verdict in verdicts.items()
        ]
        findings.append(Finding(rule="S1", name="S1", claim="", remark="a reason"))
        return Audit(
            study="x", metric="val_loss", direction="minimize", base=BASE, origin="trial 1",
            facts=FACTS.model_copy(update={"n_rows": n_rows}), n_pairs=2, seed=0, deviation=0.0,
            tolerance=None, findings=tuple(findings), rate_range=None, n_trainings=10, seconds=1.0,
            n_known=9_000,
        )  # fmt: skip

    found = audit(3_000, a="held", b="refuted", c="held")
    both = found.beside(audit(1_000, a="held", b="inconclusive"))
    assert [each.remark for each in both.findings] == [
        "with 1,000 rows: the same", "with 1,000 rows: inconclusive", "", "a reason"
    ]  # fmt: skip
    assert (both.n_trainings, both.seconds, both.rests_on) == (
        20, 2.0, "3,000 of 9,000 training rows"
    )  # fmt: skip
    assert audit(9_000).rests_on == ""
    # Where there was no time for the larger one, the smaller one stands.
    alone = audit(3_000).beside(audit(1_000, a="held"))
    assert [each.verdict for each in alone.findings] == ["held", "not testable"]
    assert (alone.n_trainings, alone.rests_on) == (20, "1,000 of 9,000 training rows")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": ["S7", "S99"]}, "rules must be among S1 to S24, got 'S99'"),
        ({"pairs": 1}, "pairs must be >= 2, got 1"),
        ({"seed": -1}, "seed must be >= 0"),
        ({"tolerance": -0.1}, "tolerance must be >= 0"),
        ({"tolerance": float("nan")}, "tolerance must be >= 0"),
        ({"margin": 1.1}, "margin must be a share from 0 to 1, got 1.1"),
        ({"minutes": 0}, "minutes must be > 0, got 0"),
        ({"minutes": float("nan")}, "minutes must be > 0, got nan"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tuner.audit("small", **arguments)  # type: ignore[arg-type]


@pytest.mark.slow
def test_what_else_was_trained_changes_no_verdict(write_study: Write) -> None:
    """Else a diverged side is judged by whatever lies in the file of trainings."""
    write_study(SMALL.replace("epochs = 3", "epochs = 2"))
    rules = ["S13", "S14"]
    alone = tuner.audit("small", rules=rules, pairs=2, seed=3)
    tuner.audit("small", rules=["S2", "S21"], pairs=2, seed=4)
    again = tuner.audit("small", rules=rules, pairs=2, seed=3)
    assert again.findings == alone.findings


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_margin_is_a_share_of_the_error_and_is_stated_before() -> None:
    """Else noisier data make any rule "enough"."""

    class Reader(Recorder):
        def remark(self, message: str) -> None:
            assert self.n_trained <= 5 * 3  # the tuning of the base config alone
            self.begun.append(message)

    reader = Reader()
    found = tuner.audit("small", rules=["S21"], pairs=2, margin=0.25, observer=reader)
    assert any(
        "does not matter, 25% of the error that is left or of" in each for each in reader.begun
    )
    assert found.share == 0.25
    assert found.margin is not None
    assert 0 <= found.margin < 0.25 * 3
    assert {each.margin for each in found.findings} == {found.margin}


@pytest.mark.parametrize(
    ("score", "trivial", "sign", "expected"),
    [
        (0.97, 0.1, 1, 0.003),  # of the error
        (0.11, 0.1, 1, 0.001),  # of what is learned
        (0.09, 0.1, 1, 0.0),  # nothing is: no rule is "enough"
        (0.2, 1.1, -1, 0.02),
        (1.0, 1.1, -1, 0.01),
        (1.0, 0.3, 1, 0.002),  # a perfect score: as little as two scores can differ by
    ],
)
def test_what_does_not_matter(score: float, trivial: float, sign: int, expected: float) -> None:
    """Else on labels that are noise, where all networks are alike, most rules are "held"."""
    assert margin(score, trivial, sign, 0.1, least=0.002) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("source", "metric"),
    [
        ("wine", "val_accuracy"),
        ("wine", "val_loss"),
        ("diabetes", "val_r2"),
        ("diabetes", "val_rmse"),
    ],
)
def test_a_network_that_knows_no_input_is_scikit_learns_dummy(source: str, metric: str) -> None:
    dataset = load(source, Path())
    x, y = dataset.known.x, dataset.known.y
    if dataset.classes:
        dummy = DummyClassifier(strategy="prior").fit(x, y)
        chances = dummy.predict_proba(x)
        expected = dummy.score(x, y) if metric == "val_accuracy" else log_loss(y, chances)
    else:
        dummy = DummyRegressor().fit(x, y)
        error = root_mean_squared_error(y, dummy.predict(x))
        expected = dummy.score(x, y) if metric == "val_r2" else error
    assert trivial_score(metric, dataset) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(("inner", "outer"), [(0.0, 12), (0.75, 3), (1.0, 0)])
def test_a_rate_at_the_end_of_those_tried_tells_no_exponent(inner: float, outer: int) -> None:
    """Else on noise, where the smallest rate is the best, the grid's own root is found."""
    found = exponents.grid(BASE)
    n_inner = round(inner * N_PAIRS)
    assert n_inner + outer == N_PAIRS

    class Known:
        """Losses with a minimum that grows like the batch, or at the smallest rate."""

        def find(self, config: MLPConfig, seed: int) -> Repeat:
            best = 0.002 * config.batch_size / 64 if seed < n_inner else 1e-9
            loss = math.log(config.learning_rate / best) ** 2
            return Repeat(config, seed, {"val_loss": loss}, 1)

    judged = exponents.judged(found, cast(Repeats, Known()), range(N_PAIRS), OVERLAP)
    assert len(judged) == (3 if inner >= 0.5 else 0)
    for finding, evidence in judged:
        assert finding.n_pairs == len(evidence.differences) == n_inner
        assert np.mean(evidence.differences) == pytest.approx(1.0 - float(finding.theirs), abs=1e-6)
