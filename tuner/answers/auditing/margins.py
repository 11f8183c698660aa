"""What a difference must be to matter: a share of the error left, and of what is learned."""

from __future__ import annotations

import numpy as np

from ...data import Dataset


def trivial_score(metric: str, dataset: Dataset) -> float:
    """Returns what a network scores that knows the targets' distribution, and no input.

    Args:
        metric: as a study file names it.
        dataset: whose known rows have that distribution.
    """
    y = dataset.known.y
    if dataset.classes:
        shares = np.bincount(y, minlength=len(dataset.classes)) / len(y)
        if metric == "val_accuracy":
            return float(shares.max())
        return float(-np.sum(shares * np.log(shares)))  # of each class there are rows
    match metric:
        case "val_r2":
            return 0.0
        case "val_rmse":
            return float(np.sqrt(np.mean(np.var(y.astype(np.float64), axis=0))))
        case _:  # the squared error of standardized targets
            return 1.0


def one_row(metric: str, dataset: Dataset) -> float:
    """Returns what a single validation row is of a metric that counts rows; 0 of another one."""
    return 1 / len(dataset.validation_rows) if metric == "val_accuracy" else 0.0


def margin(score: float, trivial: float, sign: int, share: float, least: float = 0.0) -> float:
    """Returns the difference in a metric that does not matter.

    It is a share of the error that is left: what a score lacks of 1, or a loss as it is; but at
    least what two scores can differ by. And it is no more than that share of what is learned, so
    that where nothing is learned nothing is "enough".

    Args:
        score: of the tuned config.
        trivial: as `trivial_score` returns it.
        sign: 1 where more is better, else -1.
        share: from 0 to 1.
        least: difference below which no two scores can be told apart.
    """
    error, learned = abs(score - (1.0 if sign > 0 else 0.0)), sign * (score - trivial)
    return min(max(least, share * error), share * max(0.0, learned))
