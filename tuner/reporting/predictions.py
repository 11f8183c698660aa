"""Figures of what the winner's networks say of the test rows."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ..results.arms import share_error
from .figures import BLUE, GREY, figure_of


def calibration(bins: Sequence[tuple[float, float, int]]) -> go.Figure:
    """How often what is predicted with a probability is so.

    Args:
        bins: mean probability, share of the rows that it was true of, and number of rows.
    """
    figure = figure_of("predicted probability", "share of test rows")
    _diagonal(figure, 0.0, 1.0)
    probabilities, shares, counts = zip(*bins, strict=True)
    figure.add_scatter(
        x=probabilities,
        y=shares,
        mode="lines+markers",
        name="test rows",
        text=[f"{n} rows" for n in counts],
        error_y={"array": [share_error(share, n) for _, share, n in bins], "thickness": 1.5},
        line={"color": BLUE},
    )
    figure.update_xaxes(range=[-0.02, 1.02])
    figure.update_yaxes(range=[-0.02, 1.02])
    return figure


def agreement(points: Sequence[tuple[float, float]]) -> go.Figure:
    """What was predicted over what is true.

    Args:
        points: true and predicted values of test rows.
    """
    figure = figure_of("true value", "predicted value")
    true, predicted = zip(*points, strict=True)
    _diagonal(figure, min(*true, *predicted), max(*true, *predicted))
    figure.add_scatter(
        x=true,
        y=predicted,
        mode="markers",
        name="test rows",
        marker={"color": BLUE, "size": 6, "opacity": 0.5},
    )
    return figure


def _diagonal(figure: go.Figure, low: float, high: float) -> None:
    """Draws where all points of a perfect prediction would be."""
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        name="perfect",
        line={"color": GREY, "dash": "dash"},
    )
