import json

import pytest
from pydantic import ValidationError

from tuner.network.config import DataFacts, MLPConfig, ModuleConfig, config_from_json


def test_json_round_trip() -> None:
    config = MLPConfig(depth=3, width=77, dropout=0.1, normalization_batch_size=32, warmup=0.1)
    assert MLPConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["width"] == 77


def test_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MLPConfig().width = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", -1),
        ("depth", 9),
        ("width", 0),
        ("activation", "rely"),
        ("normalization_batch_size", 1),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("optimizer", "adam"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("momentum", 1.0),
        ("weight_decay", -1e-9),
        ("gradient_clipping", 0.0),
        ("batch_size", 0),
        ("epochs", 0),
        ("schedule", "linear"),
        ("final_ratio", 0.0),
        ("final_ratio", 1.1),
        ("warmup", 0.6),
        ("drops", 0),
        ("patience", 0.0),
        ("widht", 3),
    ],
)
def test_refuses(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        MLPConfig.model_validate({field: value})


def test_plateau_takes_no_warmup() -> None:
    with pytest.raises(ValidationError, match="warmup must be 0 with the plateau schedule"):
        MLPConfig(schedule="plateau", warmup=0.1)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("batch_normalization", [True, False])
def test_counts_what_torch_counts(depth: int, batch_normalization: bool) -> None:
    config = MLPConfig(depth=depth, width=11, batch_normalization=batch_normalization)
    model = config.build(n_inputs=7, n_outputs=3)
    assert config.n_parameters(7, 3) == sum(p.numel() for p in model.parameters())


def test_facts_are_at_least_one() -> None:
    with pytest.raises(ValidationError, match="n_rows"):
        DataFacts(n_inputs=1, n_outputs=1, n_rows=0)


def test_a_config_of_a_module_and_its_json() -> None:
    config = ModuleConfig(
        module="a:B",
        values={"whole": 3, "number": 3.0, "name": "3", "switch": True},
        data_module="a:C",
        data_values={"batch_size": 8, "whole": 3},
        epochs=5,
    )
    again = config_from_json(config.to_json())
    assert again == config == ModuleConfig.from_json(config.to_json())
    assert isinstance(again, ModuleConfig)
    assert [type(value) for value in again.values.values()] == [int, float, str, bool]
    assert again.flat() == {**config.values, "batch_size": 8}
    assert config_from_json(MLPConfig().to_json()) == MLPConfig()
    with pytest.raises(ValidationError):
        config_from_json('{"modul": "a:B"}')
