"""A winner as one file: what others predict with it, without this package."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tuner
from tuner.data import Dataset, Meaning, Table, Wanted, split, table_of
from tuner.errors import InputError, TunerError
from tuner.estimators import Predictor
from tuner.network.config import MLPConfig
from tuner.network.ensemble import Ensemble
from tuner.network.perceptron import Perceptron

from ..data.test_tables import mixed, prepared, sizes

CONFIG = MLPConfig(depth=2, width=8, dropout=0.2, numeric_embedding="periodic")


def asked(dataset: Dataset, *configs: MLPConfig) -> Predictor:
    """Predicts with networks that are not trained, but know what training tells them."""
    torch.manual_seed(0)
    networks = [prepared(Perceptron(each, **sizes(dataset)), dataset) for each in configs]
    for network in networks:  # as if batches had been normalized
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                assert module.running_mean is not None and module.running_var is not None
                torch.nn.init.normal_(module.running_mean)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return Predictor("some", Ensemble(networks), dataset.meaning)


def session(path: Path) -> Any:
    import onnxruntime  # in one process instead of in each that collects tests

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def columns(frame: pd.DataFrame, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """A frame as those who serve a model send it."""
    fed = {}
    for name in names:
        values = frame[name]
        if values.dtype.kind == "M":
            fed[name] = values.to_numpy("datetime64[s]").astype(np.int64) / 86_400
        elif values.dtype == object or values.dtype == "str":
            fed[name] = values.fillna("").to_numpy(object)
        else:
            fed[name] = values.to_numpy(np.float64, copy=True)
    return {name: values[:, None] for name, values in fed.items()}


def rows(n: int) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "day": pd.Timestamp("2024-03-01 12:30") + pd.to_timedelta(np.arange(n), "D"),
            "x": np.where(generator.random(n) < 0.2, np.nan, generator.normal(size=n) * 1e4),
            "w": generator.choice(["a", "h", "new"], n),
            "zip": generator.choice(["z1", "z69", "z70"], n),
            "shop": generator.choice(["sz1", "sz2", None], n),
        }
    )


@pytest.mark.slow
def test_a_table_in_onnx(tmp_path: Path) -> None:
    """Numbers, text, dates and gaps go in as they are; any number of rows."""
    dataset = mixed(embeds=True)
    own = asked(dataset, *[CONFIG.model_copy(update={"width": 8 + i}) for i in range(3)])
    found = tuner.export(own, tmp_path / "m.onnx")
    assert found.networks == 3 and found.inputs == own.columns
    model = session(tmp_path / "m.onnx")
    for n in (1, 200):
        frame = rows(n)
        classes, probabilities = model.run(None, columns(frame, own.columns))
        told = own.answer(frame)
        np.testing.assert_allclose(probabilities, told.probabilities, atol=1e-5)
        assert classes.tolist() == told.values.tolist()
    about = model.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["no", "yes"] and about["task"] == "classification"
    kinds = {each["name"]: each["kind"] for each in json.loads(about["columns"])}
    assert kinds == {
        "shop": "category",
        "x": "number",
        "w": "category",
        "day": "date",
        "zip": "category",
    }


@pytest.mark.slow
def test_a_table_in_torch(tmp_path: Path) -> None:
    own = asked(mixed(embeds=True), CONFIG, CONFIG)
    tuner.export(own, tmp_path / "m.pt2")
    files = {"about.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=files).module()
    named = {
        each["name"]: each.get("values") for each in json.loads(files["about.json"])["columns"]
    }
    for n in (1, 200):
        frame, fed = rows(n), []
        for name, values in columns(rows(n), own.columns).items():
            if named[name] is not None:
                places = {"": -2} | {value: at for at, value in enumerate(named[name])}
                values = np.array([[places.get(value, -1)] for value in values[:, 0]])
            fed.append(torch.from_numpy(values))
        numbers, probabilities = program(*fed)
        told = own.answer(frame)
        np.testing.assert_allclose(probabilities.detach(), told.probabilities, atol=1e-5)
        assert own.classes[numbers.numpy()].tolist() == told.values.tolist()


@pytest.mark.slow
def test_values_in_onnx(tmp_path: Path) -> None:
    """Of columns that are called as what a graph has of its own."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"value": generator.normal(size=200), "input 0": 1e9 + np.arange(200.0)})
    frame["rows"], frame["y"], frame["z"] = frame["value"] * 3, frame["value"] * 1e6, np.arange(200)
    dataset = split(table_of(frame, "t", Wanted(label=("y", "z"))), task="regression")
    own = asked(dataset, MLPConfig(depth=1, width=8, activation="selu"))
    found = tuner.export(own, tmp_path / "m.onnx", format="onnx")
    assert (found.inputs, found.outputs) == (("value", "input 0", "rows"), ("value_",))
    (values,) = session(tmp_path / "m.onnx").run(None, columns(frame, own.columns))
    np.testing.assert_allclose(values, own.answer(frame).values, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_an_empty_text_that_is_a_value(tmp_path: Path, format: Any) -> None:
    """Else no study whose categories have one among them can be exported."""
    frame = pd.DataFrame({"w": ["", "a", "b", None] * 50, "v": ["c", None] * 100, "x": range(200)})
    frame["y"] = np.where(np.arange(200) % 3, "no", "yes")
    own = asked(split(table_of(frame, "t", Wanted(label=("y",)))), CONFIG)
    found = tuner.export(own, tmp_path / ("m.onnx" if format == "onnx" else "m.pt2"))
    if format == "onnx":  # where a gap and that value are the same text
        model, new = session(found.path), frame.dropna().head(9)
        _, probabilities = model.run(None, columns(new, own.columns))
        np.testing.assert_allclose(probabilities, own.answer(new).probabilities, atol=1e-5)
        about = json.loads(model.get_modelmeta().custom_metadata_map["columns"])
        told = {each["name"]: each.get("empty_is_a_value") for each in about}
        assert told == {"w": True, "v": False, "x": None}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torch"])
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_rows_of_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Any, offset: float
) -> None:
    """As they are, and where float32 would not tell them apart."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 3)) + offset
    dataset = split(Table("t", x, np.arange(300) % 4))
    networks = asked(dataset, MLPConfig(depth=1, width=8))
    if dataset.ruler is not None:
        networks.ensemble.first.measure(dataset.ruler.offset, dataset.ruler.unit)
    else:
        x = x.astype(np.float32)
    found = tuner.export(networks, format=format)
    assert found.path == Path("some.onnx" if format == "onnx" else "some.pt2")
    if format == "onnx":
        classes, probabilities = session(found.path).run(None, {"rows": x})
        assert classes.tolist() == networks.predict(x).tolist()  # whole numbers
    else:
        _, probabilities = torch.export.load(found.path).module()(torch.from_numpy(x))
    np.testing.assert_allclose(
        torch.as_tensor(probabilities).detach(), networks.answer(x).probabilities, atol=1e-5
    )


@pytest.mark.slow
def test_a_single_network(tmp_path: Path) -> None:
    own = asked(mixed(), CONFIG, MLPConfig(depth=1, width=3))
    assert tuner.export(own, tmp_path / "m.onnx", single=True).networks == 1
    alone = Predictor("some", Ensemble([own.ensemble.first]), own.meaning)
    _, found = session(tmp_path / "m.onnx").run(None, columns(rows(9), own.columns))
    np.testing.assert_allclose(found, alone.answer(rows(9)).probabilities, atol=1e-5)


@pytest.mark.slow
def test_what_predicts_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a runtime that computes something else is found out in production."""
    own = asked(mixed(), CONFIG)
    answer = Predictor.answer

    def other(self: Predictor, x: Any, name: str = "rows") -> Any:
        told = answer(self, x, name)
        assert told.probabilities is not None
        told.probabilities[7] += 0.01
        return told

    monkeypatch.setattr(Predictor, "answer", other)
    with pytest.raises(TunerError, match=r"m\.onnx: predicts otherwise than the study, by 0\.01"):
        tuner.export(own, tmp_path / "m.onnx")
    assert not [*tmp_path.iterdir()]


def test_wrong_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Perceptron(MLPConfig(), 2, 2)
    own = Predictor("x", Ensemble([network]), Meaning(task="classification", classes=("a", "b")))
    for path, format, message in (
        ("m.txt", None, r"m\.txt: must end in \.onnx or \.pt2"),
        ("m.onnx", "torch", r"m\.onnx: must end in \.pt2"),
        ("m.onnx", "tf", "format must be one of onnx, torch, got 'tf'"),
        (tmp_path / "none" / "m.onnx", None, "there is no folder"),
    ):
        with pytest.raises(InputError, match=message):
            tuner.export(own, path, format=format)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime is not installed: .*\[onnx\]"):
        tuner.export(own, tmp_path / "m.onnx")
    assert not [*tmp_path.iterdir()]
