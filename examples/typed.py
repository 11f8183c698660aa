"""What a type checker knows of the public names: `mypy --strict examples/typed.py`."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import pandas as pd

import tuner


def searched(frame: pd.DataFrame) -> tuner.Best | None:
    """Searches a table for a minute; returns its winner."""
    result = tuner.tune(frame, label="y", name="typed", minutes=1, search={"depth": [1, 2]})
    assert_type(result, tuner.TuneResult)
    assert_type(result.seconds, float)
    return result.best


def used() -> np.ndarray[Any, np.dtype[Any]]:
    """Predicts with a winner, and compares it with another one."""
    config = tuner.best_config("typed")
    width = config.width if isinstance(config, tuner.MLPConfig) else 0
    assert_type(width, int)
    assert_type(tuner.leaderboard("typed"), pd.DataFrame)
    for each in tuner.compare("typed", "other"):
        assert_type(each, tuner.Compared)
    asked = tuner.predictor("typed")
    assert_type(asked, tuner.Predictor)
    return asked.predict_proba(np.zeros((1, 4)))


class Enough(tuner.Observer):
    """Ends a search after an hour."""

    def __init__(self) -> None:
        self.n_epochs = 0

    def remark(self, message: str) -> None:
        """Passes it on."""
        print(message)

    def update(self, snapshot: Any) -> None:
        """Looks at the clock."""
        if snapshot.seconds > 3600:
            raise tuner.StopSearch("an hour is enough")
