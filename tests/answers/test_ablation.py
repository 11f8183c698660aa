"""The way from the rules to the winner."""

import pytest

import tuner
from tuner import heuristics, storage
from tuner.answers.ablation import CHANGES, changed, differing
from tuner.errors import InputError
from tuner.network.config import DataFacts, MLPConfig
from tuner.running.progress import Observer, Repeated

from ..conftest import SMALL, Write

FACTS = DataFacts(n_inputs=13, n_outputs=3, n_rows=100)


def test_every_field_changes_with_one_name() -> None:
    fields = [field for names in CHANGES.values() for field in names]
    assert sorted([*fields, "epochs"]) == sorted(MLPConfig.model_fields)


def test_all_changes_lead_to_the_end() -> None:
    start, end = heuristics.note(FACTS), heuristics.modern_default(FACTS)
    names = differing(start, end)
    assert "optimizer and rate" in names and "activation" not in names
    config = start
    for name in names:
        assert name in differing(config, end)
        config = changed(config, name, end)
        assert name not in differing(config, end)
    assert config == end


def test_a_warm_up_goes_with_its_schedule() -> None:
    start = MLPConfig(schedule="plateau")
    end = MLPConfig(schedule="cosine", warmup=0.1)
    assert changed(start, "schedule", end).warmup == 0.1
    assert changed(end, "schedule", start).warmup == 0.0


class Recorder(Observer):
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.n_trained = 0
        self.counted: list[tuple[int, int]] = []

    def begin(self, message: str) -> None:
        self.begun.append(message)

    def repeated(self, training: Repeated) -> None:
        self.n_trained += 1
        self.counted.append((training.done, training.of))


@pytest.mark.slow
def test_from_the_note_to_the_winner(write_study: Write) -> None:
    write_study(SMALL.replace("seeds = 0", "configs = 2\nseeds = 2"))
    tuner.tune("small")
    confirmation = tuner.confirmation("small")
    assert confirmation is not None
    recorder = Recorder()
    found = tuner.ablate("small", observer=recorder)
    first, *rest = found.steps
    names = [step.change for step in rest]
    assert (first.config, first.change) == (confirmation.arm("note").config, "")
    assert sorted(names) == sorted(differing(first.config, confirmation.winning.config))
    assert rest[-1].config == confirmation.winning.config
    # Over the seeds of the confirmation, so both ends have the scores that were told there.
    assert first.scores == confirmation.arm("note").scores
    assert rest[-1].scores == confirmation.winning.scores
    for before, step in zip(found.steps, rest, strict=False):
        assert step.gain is not None
        gains = [a - b for a, b in zip(before.scores, step.scores, strict=True)]  # of a loss
        assert step.gain.mean == pytest.approx(sum(gains) / len(gains))
        assert step.words
    assert f"{len(names)} changes from the rules of thumb to the winner" in recorder.begun[-1]
    # They are counted as parts of what was announced, to its end.
    n = int(recorder.begun[-1].split(", ")[1].split()[0])
    done, of = zip(*recorder.counted, strict=True)
    assert set(of) == {n}
    assert list(done) == sorted(set(done))
    stored = storage.read_study("small").user_attrs["ablation"]
    assert tuner.Ablation.model_validate_json(stored) == found
    again = Recorder()
    assert tuner.ablate("small", observer=again).steps == found.steps
    assert again.n_trained == 0


def test_nothing_to_lead_to(write_study: Write) -> None:
    write_study()
    with pytest.raises(InputError):
        tuner.ablate("small")
    tuner.tune("small", trials=1)
    with pytest.raises(InputError, match="small.toml: the study has no confirmed winner yet"):
        tuner.ablate("small")
