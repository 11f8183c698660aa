"""Networks that predict together: what they say, and their one file."""

import io

import pytest
import torch

from tuner.network.checkpoints import ensemble_of, from_checkpoint, to_checkpoint, together
from tuner.network.config import MLPConfig, Task
from tuner.network.ensemble import Ensemble
from tuner.network.model import MLP
from tuner.network.perceptron import Perceptron

ROWS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


def network(seed: int, task: Task = "classification") -> Perceptron:
    """One that a training might have left: with running statistics and units of its own."""
    torch.manual_seed(seed)
    made = Perceptron(MLPConfig(depth=2, width=6), n_inputs=4, n_outputs=3, task=task)
    made.standardize(
        torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 0.5, 2.0, 3.0]),
        torch.tensor([5.0, 0.0, -9.0]), torch.tensor([2.0, 1.0, 100.0]),
    ) if task == "regression" else None  # fmt: skip
    made.train()(ROWS)
    return made.eval()


def test_probabilities_are_averaged() -> None:
    """Else a network that is sure of one row decides it for all the others."""
    members = [network(seed) for seed in range(3)]
    with torch.no_grad():
        found = Ensemble(members)(ROWS).exp()
        expected = torch.stack([member(ROWS).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(len(ROWS)))


def test_targets_are_averaged_in_their_own_unit() -> None:
    members = [network(seed, "regression") for seed in range(3)]
    with torch.no_grad():
        found = Ensemble(members)(ROWS)
        torch.testing.assert_close(found, torch.stack([m(ROWS) for m in members]).mean(0))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_one_file_holds_all_of_them(task: Task) -> None:
    """Else what was trained cannot be handed on, or is read by running what a stranger wrote."""
    members = [network(seed, task) for seed in range(3)]
    content = together([to_checkpoint(member) for member in members])
    torch.load(io.BytesIO(content), weights_only=True)
    with torch.no_grad():
        found = ensemble_of(content).eval()
        assert len(found.members) == 3
        assert torch.equal(found(ROWS), Ensemble(members)(ROWS))
        # Whoever knows of no ensemble, Lightning for one, finds the first network.
        assert torch.equal(from_checkpoint(content).eval()(ROWS), members[0](ROWS))
        lightning = MLP.load_from_checkpoint(io.BytesIO(content), weights_only=True)
        assert torch.equal(lightning.eval()(ROWS), members[0](ROWS))


def test_one_network_is_an_ensemble_of_one() -> None:
    """Else whoever loads an ensemble has to know whether there was time for one."""
    alone = network(0)
    content = to_checkpoint(alone)
    assert together([content]) == content
    found = ensemble_of(content).eval()
    with torch.no_grad():
        torch.testing.assert_close(found(ROWS).softmax(1), alone(ROWS).softmax(1))
