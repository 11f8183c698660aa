"""Figures of an audit: effects and verdicts, and what goes on inside the networks of S2 and S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ..answers.auditing import Audit, Finding, Inside
from .figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, figure_of

_VERDICTS = {
    "held": (GREEN, "circle"),
    "refuted": (RED, "x"),
    "equivalent": (SKY, "diamond"),
    "inconclusive": (GREY, "circle-open"),
}
#: Effects beyond so many deviations are drawn at the edge.
_FAR = 8.0
_COLORS = (BLUE, ORANGE, RED, SKY, PURPLE, GREEN, GREY)


def verdicts(found: Audit) -> go.Figure:
    """Effects in standard deviations between seeds, with intervals; the band does not matter."""
    shown = [
        each
        for each in found.findings
        if each.kind is not None and each.unit == found.metric and found.deviation > 0
    ]
    labels = [f"{each.rule} {each.name}" for each in shown][::-1]
    figure = figure_of(
        "effect, in standard deviations between seeds", "", height=110 + 26 * len(shown)
    )
    band = found.allowed / found.deviation if found.deviation > 0 else 0.0
    figure.add_vrect(x0=-band, x1=band, fillcolor="#000000", opacity=0.07, line_width=0)
    figure.add_vline(x=0, line={"color": "#000000", "width": 1})
    for verdict, (color, symbol) in _VERDICTS.items():
        rows = [each for each in shown if each.verdict == verdict]
        figure.add_scatter(
            x=[_clipped(each.effect / found.deviation) for each in rows],
            y=[f"{each.rule} {each.name}" for each in rows],
            error_x=_errors(rows, found.deviation),
            mode="markers",
            name=verdict,
            marker={"color": color, "symbol": symbol, "size": 9},
        )
    figure.update_layout(margin={"l": 230})
    figure.update_xaxes(range=[-_FAR, _FAR])
    figure.update_yaxes(categoryorder="array", categoryarray=labels)
    return figure


def _clipped(value: float) -> float:
    return max(-_FAR + 0.3, min(_FAR - 0.3, value))


def _errors(rows: Sequence[Finding], deviation: float) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [(each.high - each.effect) / deviation for each in rows],
        "arrayminus": [(each.effect - each.low) / deviation for each in rows],
        "thickness": 1.5,
        "width": 3,
    }


def gradients(sides: Sequence[Inside]) -> go.Figure:
    """The gradient by each layer's weights in the first epoch, each side a line.

    Args:
        sides: one at least; those without batch normalization have broken lines.
    """
    figure = figure_of("layer", "gradient, first epoch", height=380)
    shown = [each for each in sides if each.config.depth > 1 and each.n_epochs]
    for each, color in zip(shown, _COLORS * len(shown), strict=False):
        layers = [*(f"hidden {index + 1}" for index in range(each.config.depth)), "output"]
        found = each.by_layer(each.gradients, 0)
        figure.add_scatter(
            x=layers,
            y=[mean for mean, *_ in found],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [most - mean for mean, _, most in found],
                "arrayminus": [mean - least for mean, least, _ in found],
                "thickness": 1.2,
                "width": 3,
            },
            mode="lines+markers",
            name=each.side,
            line={
                "color": color,
                "dash": "solid" if each.config.batch_normalization else "dash",
            },
        )
    figure.update_yaxes(type="log", exponentformat="power")
    return figure
