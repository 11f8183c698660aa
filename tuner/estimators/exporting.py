"""A winner as a file that predicts without this package: ONNX, or a program of torch's."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from ..data.columns import Dates, Encoding, Values
from ..errors import InputError, TunerError
from ..results.best import study_name
from ..system import paths
from ..system.extras import required
from ..system.quiet import quiet
from .portable import OTHER, Array, Portable, made_up, places, places_of
from .predictor import Answers, Predictor, predictor

Format = Literal["onnx", "torch"]
SUFFIX: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}

#: Rows that a file is compared with its study on, and how far apart they may be: probabilities, and
#: values in deviations of the targets.
_ROWS, _APART = 1_000, 1e-3
#: That tell of torch's own ways as it exports.
_LOGGERS = ("torch.onnx", "torch.export", "onnxscript")
#: Of ONNX, and of its operators for text.
_OPSET, _TEXT_OPSET = 18, 4


@dataclass(frozen=True)
class Exported:
    """A file that predicts.

    Attributes:
        path: of it.
        networks: that predict together.
        inputs: names of its inputs: columns, or one matrix.
        outputs: names of its outputs.
        apart: how far its probabilities, or its values in deviations of the targets, are from those
            of the study, at most, on 1,000 rows that were made up.
    """

    path: Path
    networks: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    apart: float


def export(
    study: str | Path | Predictor,
    path: str | Path | None = None,
    *,
    format: Format | None = None,
    single: bool = False,
) -> Exported:
    """Writes the winner of a study as a file that predicts by itself, and compares both.

    What columns become, and softmax, are part of it, and any number of rows is taken. A table has
    an input for each column: numbers are float64 `(rows, 1)`, NaN where they are missing; dates
    likewise, as days after 1970 (UTC); categories are text `(rows, 1)` in ONNX, "" where it is
    missing (unless "" is a value of the column, as `empty_is_a_value` says), and int64 in torch:
    the place among the values that the file names, -1 for others, and -2 where it is missing.
    Other rows are one input, "rows", `(rows, inputs)`. A classification gives the class `(rows,)`,
    in torch its number, and the probability of each `(rows, classes)`; a regression gives
    `(rows, targets)`. What they mean is in the file as JSON: `metadata_props` of ONNX,
    `extra_files["about.json"]` of torch.

    Args:
        study: its name or its file, or what predicts with it.
        path: to write, which ends in .onnx or .pt2. None is the study's name in this folder.
        format: "onnx", for any of its runtimes, or "torch", for `torch.export.load`. None is as the
            path ends.
        single: the one network of `load_model`, instead of all that predict together.

    Raises:
        InputError: no trial of the study is complete yet, its networks cannot be used so, the path
            cannot be written, or `tuner[onnx]` is not installed.
        TunerError: the file predicts otherwise than the study, and is not written.
    """
    name = study.study if isinstance(study, Predictor) else study_name(study)
    format, path = _target(name, path, format)
    asked = study if isinstance(study, Predictor) else predictor(study)
    asked = asked.single if single else asked
    make = _onnx if format == "onnx" else _program
    content, inputs, outputs, answered = make(asked)
    apart = _apart(asked, *answered)
    if not apart <= _APART:
        raise TunerError(f"{path}: predicts otherwise than the study, by {apart:.2g}; not written")
    try:
        with paths.replacing(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return Exported(path, len(asked.ensemble.members), inputs, outputs, apart)


def _target(study: str, path: str | Path | None, format: Format | None) -> tuple[Format, Path]:
    """Returns the format and the path that are meant."""
    if format is not None and format not in get_args(Format):
        raise InputError(f"format must be one of {', '.join(get_args(Format))}, got {format!r}")
    if path is None:
        format = format or "onnx"
        return format, Path(study + SUFFIX[format])
    path = Path(path)
    ends = {suffix: name for name, suffix in SUFFIX.items()}
    by_end = ends.get(path.suffix)
    if by_end is None or format not in (None, by_end):
        wanted = " or ".join(SUFFIX.values()) if format is None else SUFFIX[format]
        raise InputError(f"{path}: must end in {wanted}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    return by_end, path


#: A file, the names of its inputs and outputs, and what it said of rows: the rows as a predictor
#: takes them, and its probabilities or values.
_Made = tuple[bytes, tuple[str, ...], tuple[str, ...], tuple[Any, Array]]


def _about(asked: Predictor) -> dict[str, Any]:
    """Says what inputs and outputs mean."""
    encoding, told = asked.meaning.encoding, list[dict[str, Any]]()
    for column in () if encoding is None else encoding.columns:
        one: dict[str, Any] = {"name": column.name, "kind": column.kind}
        if isinstance(column, Values):
            values = list(column.values)
            one |= {"kind": "category", "values": values, "empty_is_a_value": "" in values}
        elif isinstance(column, Dates):
            one |= {"unit": "days after 1970 (UTC)"}
        told.append(one)
    return {
        "tuner": metadata.version("tuner"),
        "study": asked.study,
        "task": asked.task,
        "targets": list(asked.targets),
        "classes": asked.classes.tolist(),
        "columns": told,
    }


def _apart(asked: Predictor, rows: Any, found: Array) -> float:
    """Returns how far what a file said of rows is from what the study says, at most."""
    own: Answers = asked.answer(rows)
    if own.probabilities is not None:
        return float(np.abs(own.probabilities - found).max())
    scale = asked.ensemble.first.target_scale.numpy()
    return float((np.abs(own.values.reshape(found.shape) - found) / scale).max())


def _program(asked: Predictor) -> _Made:
    """Makes a program of torch's."""
    encoding = asked.meaning.encoding
    network = Portable(asked.ensemble, encoding)
    rows, columns = made_up(asked.ensemble, encoding, _ROWS)
    names, tensors = asked.columns or ("rows",), places(columns, encoding)
    with quiet(_LOGGERS, ""):
        program = torch.export.export(
            network, tuple(tensors), dynamic_shapes=(_any_rows(tensors),), strict=False
        )
        written = io.BytesIO()
        about = json.dumps(_about(asked))
        torch.export.save(program, written, extra_files={"about.json": about})
        loaded = torch.export.load(io.BytesIO(written.getvalue())).module()
        found = loaded(*tensors)
    is_regression = asked.task == "regression"
    outputs = ("value",) if is_regression else ("class", "probabilities")
    values = found if is_regression else found[1]
    return written.getvalue(), names, outputs, (rows, values.detach().numpy())


def _any_rows(tensors: list[torch.Tensor]) -> tuple[dict[int, Any], ...]:
    rows = torch.export.Dim("rows", min=1)
    return tuple({0: rows} for _ in tensors)


def _onnx(asked: Predictor) -> _Made:
    """Makes a model of ONNX, and runs it."""
    onnx, runtime = required("onnx", "onnx"), required("onnxruntime", "onnx")
    required("onnxscript", "onnx")
    encoding = asked.meaning.encoding
    network = Portable(asked.ensemble, encoding)
    rows, columns = made_up(asked.ensemble, encoding, _ROWS)
    names, tensors = asked.columns or ("rows",), places(columns, encoding)
    inner = [f"input {index}" for index in range(len(tensors))]
    is_regression = asked.task == "regression"
    wanted = ("value",) if is_regression else ("class", "probabilities")
    with quiet(_LOGGERS, ""):
        program = torch.onnx.export(
            network,
            tuple(tensors),
            input_names=inner,
            output_names=list(wanted),
            dynamic_shapes=(_any_rows(tensors),),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    # Names of columns are the user's, so all others have a name before theirs.
    model = onnx.compose.add_prefix(program.model_proto, "network/")
    outputs = tuple(name + "_" * (name in names) for name in wanted)
    graph = model.graph
    _take_columns(onnx, graph, names, inner, encoding)
    _give_answers(onnx, graph, wanted, outputs, asked.classes)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", _TEXT_OPSET))
    for key, value in _about(asked).items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    *_, found = session.run(list(outputs), dict(zip(names, columns, strict=True)))
    return content, names, outputs, (rows, found)


def _take_columns(
    onnx: Any, graph: Any, names: tuple[str, ...], inner: list[str], encoding: Encoding | None
) -> None:
    """Has a graph take columns by their names, categories as text."""
    made = []
    for index, (name, own) in enumerate(zip(names, inner, strict=True)):
        column = None if encoding is None else encoding.columns[index]
        info, node = graph.input[index], "Identity"
        kind, shape = _kind_and_shape(info)
        options: dict[str, Any] = {}
        if isinstance(column, Values):
            kind, node = onnx.TensorProto.STRING, "LabelEncoder"
            place = places_of(column)
            options = {
                "domain": "ai.onnx.ml",
                "keys_strings": list(place),
                "values_int64s": list(place.values()),
                "default_int64": OTHER,
            }
        made.append(onnx.helper.make_node(node, [name], [f"network/{own}"], **options))
        info.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, shape))
    nodes = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _give_answers(
    onnx: Any, graph: Any, wanted: tuple[str, ...], outputs: tuple[str, ...], classes: Array
) -> None:
    """Has a graph name its outputs, and say classes as they are called."""
    for index, (own, name) in enumerate(zip(wanted, outputs, strict=True)):
        info = graph.output[index]
        kind, shape = _kind_and_shape(info)
        if own == "class":
            is_text = classes.dtype == object
            number = onnx.TensorProto.BOOL if classes.dtype == bool else onnx.TensorProto.INT64
            kind = onnx.TensorProto.STRING if is_text else number
            called = [str(each).encode() if is_text else int(each) for each in classes]
            graph.initializer.append(
                onnx.helper.make_tensor("network/classes", kind, [len(called)], called)
            )
            node = onnx.helper.make_node("Gather", ["network/classes", f"network/{own}"], [name])
        else:
            node = onnx.helper.make_node("Identity", [f"network/{own}"], [name])
        graph.node.append(node)
        info.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, shape))


def _kind_and_shape(info: Any) -> tuple[int, list[str | int]]:
    """Returns the type of an input or output of a graph, and its sizes or their names."""
    tensor = info.type.tensor_type
    return tensor.elem_type, [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
