"""All trials of a study as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreUnreadableError
from ..network.config import config_from_json
from .best import study_name

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def leaderboard(study: str | Path, *, storage: str | None = None) -> pd.DataFrame:
    """Returns all trials of a study, the best first and the unfinished last.

    Args:
        study: name of a study, or the path of its file.
        storage: as `tune` takes it.

    Columns: trial, state, value, epochs (done), seconds, source (rules, or sampler), reason (of
    an early end), every field of the config, n_parameters, seed, and the other metrics.

    Raises:
        InputError: there is no such study.
        StoreUnreadableError: the store cannot be read.
    """
    from ..storage import locate, read_study, translated

    location = locate(storage)
    found = read_study(study_name(study), location)
    with translated(location, StoreUnreadableError, "reading the trials"):
        return leaderboard_of(found)


def leaderboard_of(study: optuna.Study) -> pd.DataFrame:
    """As `leaderboard`, of a study that is open."""
    import pandas as pd
    from optuna.study import StudyDirection

    rows: list[dict[str, Any]] = []
    for trial in study.get_trials(deepcopy=False):
        attributes = dict(trial.user_attrs)
        text = attributes.pop("config", None)
        config = {} if text is None else config_from_json(text).flat()
        config.pop("epochs", None)
        seconds = trial.duration.total_seconds() if trial.duration else None
        first = {name: attributes.pop(name, None) for name in ("source", "reason")}
        attributes.pop("traceback", None)
        row = {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "epochs": trial.last_step or 0,
            "seconds": seconds,
            **first,
        }
        # A name that a user gave to an argument may be one of ours.
        row |= {f"search.{name}" if name in row else name: config[name] for name in config}
        rows.append(row | {name: attributes[name] for name in attributes if name not in row})
    columns = ["trial", "state", "value", "epochs", "seconds", "source", "reason"]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    if "n_parameters" in frame:  # of a module it is known when it is complete
        frame["n_parameters"] = frame["n_parameters"].astype("Int64")
    order = {"complete": 0, "pruned": 1, "fail": 2, "running": 3, "waiting": 4}
    better_first = study.direction == StudyDirection.MINIMIZE
    return (
        frame.assign(_order=frame["state"].map(order))
        .sort_values(["_order", "value", "trial"], ascending=[True, better_first, True])
        .drop(columns="_order")
        .reset_index(drop=True)
    )
