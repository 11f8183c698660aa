"""Commands around a table: its study file, predictions for new rows, and a file that predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from ..errors import InputError
from ..study.of_table import study_of_table
from ..system.formats import SUFFIXES, is_table
from .command import Study, err, loading, out

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ..estimators import Answers, Predictor

Label = Annotated[
    Optional[list[str]],
    typer.Option(help="Column of the table that is predicted; may be said again in a regression."),
]
Single = Annotated[
    bool, typer.Option("--single", help="One network, instead of all that predict together.")
]


def init(
    table: Annotated[str, typer.Argument(help="A file with a table: .csv, .parquet, ...")],
    label: Label = None,
) -> None:
    """Write the study file of a table, with what its columns were taken for."""
    from ..data import Wanted
    from ..data.tabular import read_table

    if not is_table(table):
        raise InputError(f"{table}: is no table ({', '.join(SUFFIXES)})")
    path = study_of_table(table, label or ()).path
    if path.exists():
        raise InputError(f"{path}: is there already")
    with loading():
        found = read_table(table, Path(), Wanted(label=tuple(label or ()), embeds=True))
    assert found.encoding is not None
    spec = study_of_table(table, label or (), [*found.remarks, *map(str, found.encoding.columns)])
    spec.save()
    print(spec.text, end="")
    out.print(f"written: {path}; next: tuner tune {path.stem}", highlight=False, soft_wrap=True)


def predict(
    study: Study,
    rows: Annotated[str, typer.Argument(help="A file with the new rows, as the study's own.")],
    to: Annotated[
        Optional[str], typer.Option("--out", help="The .csv file to write; else it is printed.")
    ] = None,
    single: Single = False,
) -> None:
    """Predict for new rows: a class and its probabilities, or a value."""
    path = Path(rows)
    if not path.is_file():
        raise InputError(f"{rows}: no such file")
    if to is not None and not to.endswith(".csv"):
        raise InputError(f"--out must end in .csv, got {to!r}")
    if not is_table(rows) and path.suffix != ".npz":
        raise InputError(f"{rows}: is no table and no .npz file")
    with loading():
        from ..estimators import predictor

        asked = predictor(study, single=single)
        read = _table(asked, path) if is_table(rows) else _arrays(path)
        answers = asked.answer(read, rows)
    for column, n in answers.unknown.items():
        err.print(
            f"{rows}: column {column!r} has values in {n} of {len(answers.values)} rows that are "
            "rare in the training rows or not there",
            highlight=False,
            soft_wrap=True,
        )
    written = _written(asked, answers).to_csv(index=False)
    if to is None:
        print(written, end="")
        return
    try:
        Path(to).write_text(written, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{to}: cannot be written ({error.strerror})") from error
    out.print(f"written: {to}, {len(answers.values)} rows", highlight=False, soft_wrap=True)


def export(
    study: Study,
    to: Annotated[
        Optional[str],
        typer.Option("--out", help="The file to write, .onnx or .pt2; STUDY.onnx if unset."),
    ] = None,
    format: Annotated[
        Optional[str], typer.Option(help="onnx, or torch for torch.export.load.")
    ] = None,
    single: Single = False,
) -> None:
    """Write the winner as one file that predicts without tuner, and compare both."""
    with loading():
        from ..estimators import export as write

        found = write(study, to, format=format, single=single)  # type: ignore[arg-type]  # which it checks
    networks = "1 network" if found.networks == 1 else f"{found.networks} networks"
    out.print(
        f"written: {found.path}, {networks}, {found.path.stat().st_size / 1e6:.2g} MB; on 1,000 "
        f"rows that were made up it is within {found.apart:.1g} of the study's own predictions",
        highlight=False,
        soft_wrap=True,
    )
    out.print(
        f"inputs:  {', '.join(found.inputs)}\noutputs: {', '.join(found.outputs)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _table(asked: Predictor, path: Path) -> pd.DataFrame:
    from ..data import read_frame
    from ..data.alike import read_alike

    encoding = asked.meaning.encoding
    return read_frame(path) if encoding is None else read_alike(path, encoding)


def _arrays(path: Path) -> np.ndarray[Any, Any]:
    from ..data.arrays import read_inputs

    return read_inputs(path)


def _written(asked: Predictor, answers: Answers) -> pd.DataFrame:
    """Lays out what is predicted as a table."""
    import pandas as pd

    names = list(asked.targets) or ["prediction"]
    if answers.probabilities is None:
        values = answers.values.reshape(len(answers.values), -1)
        if len(names) != values.shape[1]:
            names = [f"prediction {index}" for index in range(values.shape[1])]
        return pd.DataFrame(values, columns=names)
    frame = pd.DataFrame({names[0]: answers.values})
    for index, label in enumerate(asked.classes):
        frame[f"probability of {label}"] = answers.probabilities[:, index]
    return frame
