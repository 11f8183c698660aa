"""The figure of what goes on inside the networks of S2 and S3, by layer."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ..answers.auditing import Inside
from .figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, figure_of

_COLORS = (BLUE, ORANGE, RED, SKY, PURPLE, GREEN, GREY)


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
