"""`MLP` against networks written out by hand with torch's own layers."""

import math
from pathlib import Path
from typing import Any, get_args

import lightning.pytorch as lightning
import pytest
import torch
from sklearn.metrics import mean_squared_error, r2_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tuner.network.checkpoints import to_checkpoint
from tuner.network.config import Activation, DataFacts, MLPConfig
from tuner.network.embedding import CategoryEmbedding
from tuner.network.model import MLP
from tuner.network.normalization import GhostBatchNorm1d
from tuner.network.perceptron import ACTIVATIONS, Perceptron
from tuner.network.scores import scores

from .test_schedules import ALL


def rows(n: int = 96, n_inputs: int = 5, n_outputs: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, n_inputs, generator=generator)
    return x, (x[:, :n_outputs] + x[:, 1 : n_outputs + 1]).argmax(1)


def fit(model: MLP, x: Tensor, y: Tensor, epochs: int = 2, batch_size: int = 32) -> dict[str, Any]:
    """Trains with a plain Trainer and a plain DataLoader, in order."""
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader, loader)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*`isinstance.treespec, LeafSpec.`")
class TestTraining:
    @pytest.mark.parametrize("schedule", ALL)
    def test_with_a_plain_trainer(self, schedule: Any) -> None:
        torch.manual_seed(0)
        config = MLPConfig(depth=1, width=16, schedule=schedule, learning_rate=0.05, batch_size=32)
        metrics = fit(config.build(5, 3), *rows(), epochs=4)
        assert set(metrics) == {"train_loss", "val_loss", "val_accuracy"}
        assert metrics["val_accuracy"] > 0.8

    @pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
    @pytest.mark.parametrize("clipping", [None, 0.05])
    def test_equals_a_loop_of_torch(self, optimizer: Any, clipping: float | None) -> None:
        """Two hidden layers with BN, written out, with torch's own optimizer and loss."""
        config = MLPConfig(
            depth=2, width=7, activation="gelu", optimizer=optimizer, learning_rate=0.02,
            momentum=0.8, weight_decay=0.1, label_smoothing=0.1, gradient_clipping=clipping,
            schedule="constant", batch_size=32,
        )  # fmt: skip
        torch.manual_seed(1)
        model = config.build(5, 3).double()
        model.standardize(torch.ones(5), torch.full((5,), 2.0), torch.zeros(3), torch.ones(3))
        own = nn.Sequential(
            nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.GELU(),
            nn.Linear(7, 7, bias=False), nn.BatchNorm1d(7), nn.GELU(),
            nn.Linear(7, 3),
        ).double()  # fmt: skip
        with torch.no_grad():
            for mine, theirs in zip(own.parameters(), model.parameters(), strict=True):
                mine.copy_(theirs)
        weights = [p for p in own.parameters() if p.ndim == 2]
        others = [p for p in own.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
        optimizers = {
            "adamw": lambda: torch.optim.AdamW(groups, lr=0.02),
            "sgd": lambda: torch.optim.SGD(groups, lr=0.02, momentum=0.8),
        }
        steps = optimizers[optimizer]()
        x, y = rows()
        x = x.double()
        loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
        for _ in range(20):
            losses = []
            for a, b in zip(x.split(32), y.split(32), strict=True):
                loss = loss_of(own((a - 1) / 2), b)
                steps.zero_grad()
                loss.backward()
                if clipping:
                    nn.utils.clip_grad_norm_(own.parameters(), clipping)
                steps.step()
                losses.append(float(loss.detach()))
        metrics = fit(model, x, y, epochs=20)
        assert metrics["train_loss"] == pytest.approx(sum(losses) / 3, rel=1e-6)
        for mine, theirs in zip(own.parameters(), model.parameters(), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-9)
        own.eval()
        model.eval()
        assert torch.allclose(own((x - 1) / 2), model(x), atol=1e-9)
        expected = float(nn.functional.cross_entropy(own((x - 1) / 2), y).detach())
        assert metrics["val_loss"] == pytest.approx(expected, rel=1e-6)

    @pytest.mark.slow
    @pytest.mark.parametrize("unit", [1.0, 1e-6])
    def test_regression_in_the_targets_own_unit(self, unit: float) -> None:
        torch.manual_seed(0)
        x, _ = rows()
        x = x[:, :3]
        y = unit * (100 + 50 * x.sum(1, keepdim=True)).float()
        model = MLPConfig(depth=1, width=16, learning_rate=0.03).build(3, 1, "regression")
        model.standardize(x.mean(0), x.std(0), y.mean(0), y.std(0))
        metrics = fit(model, x, y, epochs=60)
        assert set(metrics) == {"train_loss", "val_loss", "val_r2", "val_rmse"}
        predictions = model.eval()(x).detach()
        rmse = float((predictions - y).square().mean().sqrt())
        assert metrics["val_rmse"] == pytest.approx(rmse, rel=1e-5)
        assert metrics["val_loss"] == pytest.approx((rmse / float(y.std())) ** 2, rel=1e-5)
        assert metrics["val_r2"] == pytest.approx(
            1 - rmse**2 / float(y.var(correction=0)), rel=1e-4
        )
        assert rmse < 25 * unit

    def test_needs_a_number_of_epochs(self) -> None:
        with pytest.raises(ValueError, match="max_epochs"):
            fit(MLPConfig().build(5, 3), *rows(), epochs=-1)


def test_no_bias_before_normalization() -> None:
    names = dict(MLPConfig(depth=2, batch_normalization=True).build(4, 2).named_parameters())
    assert "hidden.0.0.bias" not in names
    assert "output.bias" in names
    names = dict(MLPConfig(depth=2, batch_normalization=False).build(4, 2).named_parameters())
    assert "hidden.0.0.bias" in names


@pytest.mark.parametrize("depth", range(9))
def test_depths(depth: int) -> None:
    model = MLPConfig(depth=depth, width=6).build(4, 2)
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == depth + 1
    assert model(torch.zeros(3, 2, 2)).shape == (3, 2)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_initial_weights_keep_the_scale(activation: Activation) -> None:
    """Through eight layers the spread of the units neither vanishes nor explodes."""
    torch.manual_seed(0)
    config = MLPConfig(depth=8, width=256, activation=activation, batch_normalization=False)
    model = config.build(256, 2)
    hidden = torch.randn(512, 256)
    first = float(model.hidden[0](hidden).detach().std())
    last = float(model.hidden(hidden).detach().std())
    # Sigmoid is S2's own case: its units carry their mean of 1/2, and little spread, onward.
    low = 0.002 if activation == "sigmoid" else 0.1
    assert low < last / first < 3
    assert isinstance(model.hidden[0][1], ACTIVATIONS[activation])


class TestGhostBatchNorm:
    def test_groups_are_normalized_apart(self) -> None:
        ghost, x = GhostBatchNorm1d(4, 16), torch.randn(64, 4) * 3 + 1
        expected = torch.cat([nn.BatchNorm1d(4)(group) for group in x.split(16)])
        assert torch.allclose(ghost(x), expected, atol=1e-6)

    def test_a_whole_batch_is_plain_normalization(self) -> None:
        x = torch.randn(20, 4)
        for size in (16, 20, 99):
            ghost, plain = GhostBatchNorm1d(4, size), nn.BatchNorm1d(4)
            assert torch.equal(ghost(x), plain(x))
            assert torch.equal(ghost.running_var, plain.running_var)

    def test_a_step_weighs_the_momentum(self) -> None:
        ghost = GhostBatchNorm1d(1, 8)
        ghost(torch.full((32, 1), 5.0) + torch.randn(32, 1) * 1e-3)
        assert float(ghost.running_mean) == pytest.approx(0.1 * 5, rel=1e-2)
        assert int(ghost.num_batches_tracked) == 1

    @pytest.mark.parametrize("n", [2, 9, 17, 31, 33])
    def test_no_group_is_a_single_row(self, n: int) -> None:
        ghost = GhostBatchNorm1d(3, 2)
        assert torch.isfinite(ghost(torch.randn(n, 3))).all()

    def test_evaluation_uses_the_running_statistics(self) -> None:
        ghost = GhostBatchNorm1d(2, 4).eval()
        x = torch.randn(8, 2)
        assert torch.allclose(ghost(x), x / math.sqrt(1 + 1e-5))


def test_bytes_and_floats_of_the_same_unit_agree() -> None:
    model = MLPConfig(depth=1).build(4, 2).eval()
    pixels = torch.randint(0, 256, (3, 2, 2), dtype=torch.uint8)
    assert torch.equal(model(pixels), model(pixels.float()))


def test_checkpoint_is_lightnings(tmp_path: Path) -> None:
    config = MLPConfig(depth=2, width=9, normalization_batch_size=8, dropout=0.2)
    model = config.build(4, 2).eval()
    model.standardize(torch.ones(4), torch.full((4,), 3.0), torch.zeros(2), torch.ones(2))
    path = tmp_path / "model.ckpt"
    path.write_bytes(to_checkpoint(model))
    again = MLP.load_from_checkpoint(path, weights_only=True).eval()
    assert again.config == config
    x = torch.randn(6, 4)
    assert torch.equal(model(x), again(x))


def test_regression_takes_no_label_smoothing() -> None:
    with pytest.raises(ValueError, match="label_smoothing must be 0 in a regression"):
        MLPConfig(label_smoothing=0.1).build(4, 1, "regression")


def test_scores_are_scikit_learns() -> None:
    """A column that is constant in the validation rows too, met and not met."""
    model = MLPConfig(depth=0).build(4, 4, "regression")
    targets = torch.randn(50, 4, dtype=torch.float64)
    targets[:, 2:] = 3.0
    outputs = targets + 0.1 * torch.randn(50, 4, dtype=torch.float64)
    outputs[:, 3] = 3.0
    found = scores(model.double(), outputs, targets)
    assert float(found["r2"]) == pytest.approx(r2_score(targets, outputs))
    assert float(found["rmse"]) == pytest.approx(mean_squared_error(targets, outputs) ** 0.5)
    outputs[0] = math.nan
    assert math.isnan(float(scores(model, outputs, targets)["r2"]))


def test_r2_of_targets_in_units_that_are_far_apart() -> None:
    """Else a column in a small unit counts as constant, and noise in it as perfect."""
    generator = torch.Generator().manual_seed(0)
    model = Perceptron(MLPConfig(depth=0), n_inputs=2, n_outputs=2, task="regression")
    scale = torch.tensor([1e9, 1e-12])
    model.standardize(torch.zeros(2), torch.ones(2), torch.zeros(2), scale)
    outputs, targets = torch.randn(2, 200, 2, generator=generator).unbind()
    found = scores(model, outputs, targets * scale)
    columns = [
        r2_score(targets[:, column].numpy(), outputs[:, column].numpy()) for column in range(2)
    ]
    assert float(found["r2"]) == pytest.approx(sum(columns) / 2, rel=1e-4)
    squares = ((outputs - targets) * scale).double().square()
    assert float(found["rmse"]) == pytest.approx(float(squares.mean().sqrt()), rel=1e-4)


def test_vectors_of_categories_are_looked_up_as_torch_does() -> None:
    """Else a value has another one's vector: its own is torch's, wherever the column is."""
    layer = CategoryEmbedding(4, categories=[(1, 30), (3, 12)])
    rows = torch.randn(50, 4)
    rows[:, 1], rows[:, 3] = torch.randint(30, (50,)), torch.randint(12, (50,))
    first, second = (
        nn.Embedding.from_pretrained(part) for part in layer.weight.detach().split([30, 12])
    )
    expected = [rows[:, [0, 2]], first(rows[:, 1].long()), second(rows[:, 3].long())]
    assert torch.equal(layer(rows), torch.cat(expected, 1))
    assert not layer(torch.zeros(1, 4))[0, 2:].any()  # what is new begins in the middle
    wrong = torch.tensor([[0.0, 1e9, 0.0, -5.0]])
    assert torch.equal(layer(wrong)[0, 2:10], first(torch.tensor(29)))


def test_a_network_with_categories_has_as_many_numbers_as_it_says() -> None:
    for config in (MLPConfig(depth=2, width=5), MLPConfig(depth=0, numeric_embedding="periodic")):
        network = config.build(4, 3, numeric=[0], categories=[(1, 30), (3, 12)])
        facts = DataFacts(
            n_inputs=4, n_outputs=3, n_rows=9, numeric=(0,), categories=((1, 30), (3, 12))
        )
        assert sum(each.numel() for each in network.parameters()) == config.size(facts)
