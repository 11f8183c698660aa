"""Commands on the rules of thumb: a config that follows them, and what studies found."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from ..errors import InputError
from .command import AsJson, out


def recommend(
    inputs: Annotated[int, typer.Option(min=1, help="Features of one row.")],
    outputs: Annotated[int, typer.Option(min=1, help="Classes, or targets of a regression.")],
    rows: Annotated[int, typer.Option(min=1, help="Training rows.")],
    task: Annotated[str, typer.Option(help="classification or regression.")] = "classification",
    epochs: Annotated[
        Optional[int], typer.Option(min=1, help="Length of one training; if unset by the rows.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a config from the rules and earlier studies here, with the reason of each value."""
    from .. import heuristics

    if task not in ("classification", "regression"):
        raise InputError(f"--task must be classification or regression, got {task!r}")
    config = heuristics.recommend(
        n_inputs=inputs,
        n_outputs=outputs,
        n_rows=rows,
        task="regression" if task == "regression" else "classification",
        epochs=epochs,
        history=heuristics.history(),
    )
    if as_json:
        print(config.to_json())
        return
    from .tables import show_recommended

    show_recommended(out, config)


def export_heuristics(
    path: Annotated[str, typer.Argument(help="The file to write.")] = "heuristics.json",
) -> None:
    """Write what the studies here found as one JSON file, for use elsewhere."""
    from pathlib import Path

    from .. import heuristics

    found = heuristics.history()
    if not found:
        raise InputError(f"{heuristics.history_file()}: no study has a confirmed winner yet")
    try:
        Path(path).write_text(heuristics.to_json(found), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    out.print(f"written: {path}, {len(found)} studies", highlight=False, soft_wrap=True)
