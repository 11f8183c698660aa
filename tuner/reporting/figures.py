"""The figures of a report, in colours that the colour-blind can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from .. import heuristics
from ..answers.ablation import Ablation
from ..network.config import DataFacts, MLPConfig, config_from_json
from ..results.front import Front
from ..results.winner import Confirmation
from ..running.rate_range import RateRange

#: Okabe and Ito 2008, Color universal design.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#767676",
)  # fmt: skip
_STATES = {
    TrialState.COMPLETE: ("complete", BLUE, "circle"),
    TrialState.PRUNED: ("pruned", ORANGE, "x-thin-open"),
}


def figure_of(x: str, y: str, height: int = 340, **layout: Any) -> go.Figure:
    """Returns an empty figure with these axes.

    Args:
        x: title of the axis.
        y: title of the other.
        height: in pixels.
        layout: more of plotly's.
    """
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 16, "t": 16, "b": 48},
        template="simple_white",
        font={"size": 13},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis_title=x,
        yaxis_title=y,
        **layout,
    )
    return figure


def score_over_time(study: optuna.Study, metric: str) -> go.Figure:
    """Every complete trial over the minutes in which the study ran, and the best so far."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.duration is not None]
    minutes = _busy_minutes(trials)
    figure = figure_of("minutes of search", metric)
    for state, (name, color, symbol) in _STATES.items():
        shown = [trial for trial in trials if trial.state == state and _last(trial) is not None]
        figure.add_scatter(
            x=[minutes[trial.number] for trial in shown],
            y=[_last(trial) for trial in shown],
            mode="markers",
            name=name,
            marker={"color": color, "symbol": symbol, "size": 7},
            text=[f"trial {trial.number}" for trial in shown],
        )
    complete = sorted(
        (trial for trial in trials if trial.state == TrialState.COMPLETE),
        key=lambda trial: minutes[trial.number],
    )
    better = max if study.direction == StudyDirection.MAXIMIZE else min
    best: list[float] = []
    for trial in complete:
        assert trial.value is not None
        best.append(better([*best[-1:], trial.value]))
    figure.add_scatter(
        x=[minutes[trial.number] for trial in complete],
        y=best,
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": "#000000", "width": 2},
    )
    return figure


def _last(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.COMPLETE:
        return trial.value
    return None if trial.last_step is None else trial.intermediate_values[trial.last_step]


def _busy_minutes(trials: Sequence[FrozenTrial]) -> dict[int, float]:
    """When each trial ended, pauses between two runs of the search left out."""
    spans = sorted(
        (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp(), trial.number)
        for trial in trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
    )
    pauses: list[tuple[float, float]] = []  # where each ended, and how long it was
    until = spans[0][0] if spans else 0.0
    for begin, end, _ in spans:
        if begin > until:
            pauses.append((begin, begin - until))
        until = max(until, end)
    first = spans[0][0] if spans else 0.0
    return {
        number: (end - first - sum(length for at, length in pauses if at <= end)) / 60
        for _, end, number in spans
    }


def learning_curves(study: optuna.Study, metric: str, winner: int | None) -> go.Figure:
    """The metric after each epoch of all trials; the winner's on top."""
    figure = figure_of("epoch", metric)
    for state, (name, color, _) in _STATES.items():
        x: list[float | None] = []
        y: list[float | None] = []
        for trial in study.get_trials(deepcopy=False, states=(state,)):
            if trial.number != winner:
                x += [*trial.intermediate_values, None]
                y += [*trial.intermediate_values.values(), None]
        figure.add_scatter(
            x=x, y=y, mode="lines", name=name, line={"color": color, "width": 1}, opacity=0.5
        )
    for trial in study.get_trials(deepcopy=False):
        if trial.number == winner:
            figure.add_scatter(
                x=list(trial.intermediate_values),
                y=list(trial.intermediate_values.values()),
                mode="lines+markers",
                name=f"trial {winner}, the winner",
                line={"color": "#000000", "width": 2.5},
            )
    return figure


def importances(shares: dict[str, float]) -> go.Figure:
    """The share of each parameter in the spread of the scores."""
    names = list(shares)[::-1]
    figure = figure_of("share of the spread of the scores", "", height=60 + 28 * len(names))
    figure.add_bar(
        x=[shares[name] for name in names],
        y=names,
        orientation="h",
        marker={"color": BLUE},
        text=[f"{shares[name]:.0%}" for name in names],
        textposition="auto",
    )
    figure.update_layout(margin={"l": 150}, xaxis_tickformat=".0%")
    return figure


def slices(study: optuna.Study, metric: str, facts: DataFacts | None) -> dict[str, go.Figure]:
    """The score over each searched value, with the rules drawn as lines where they fall."""
    every: list[tuple[dict[str, Any], float, int]] = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        config = config_from_json(trial.user_attrs["config"])
        assert trial.value is not None
        every.append((config.flat(), trial.value, trial.number))
    figures = {}
    for name in dict.fromkeys(name for config, *_ in every for name in config):
        rows = [row for row in every if name in row[0]]  # it may depend on another one
        values = [row[0][name] for row in rows]
        if name == "epochs" or len({str(value) for value in values}) < 2:
            continue
        is_number = all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in values
        )
        figure = figure_of(name, metric, height=280, showlegend=False)
        figure.add_scatter(
            x=values if is_number else [str(value) for value in values],
            y=[row[1] for row in rows],
            mode="markers",
            marker={"color": BLUE, "size": 7, "opacity": 0.7},
            text=[f"trial {row[2]}" for row in rows],
        )
        is_wide = is_number and min(values) > 0 and max(values) / min(values) > 20
        if is_wide:
            figure.update_xaxes(type="log", exponentformat="power")
        elif all(isinstance(value, int) for value in values) and max(values) < 10:
            figure.update_xaxes(dtick=1)
        if facts is not None and is_number:
            _draw_rules(figure, name, facts)
        figures[name] = figure
    return figures


def _draw_rules(figure: go.Figure, parameter: str, facts: DataFacts) -> None:
    """Draws the value of each rule, those of one place as one line."""
    places: dict[float, list[str]] = {}
    for rule in heuristics.RULES:
        if rule.parameter != parameter or rule.value is None:
            continue
        value = rule.value(facts)
        if isinstance(value, int | float):
            places.setdefault(float(value), []).append(f"{rule.id} {rule.name}")
    for index, (place, names) in enumerate(sorted(places.items())):
        _mark(figure, place, ", ".join(names), RED, row=index)


def _mark(figure: go.Figure, x: float, words: str, color: str, row: int = 0) -> None:
    """Draws a vertical line with words beside its top; several begin in rows below each other."""
    figure.add_shape(
        type="line",
        x0=x,
        x1=x,
        y0=0,
        y1=1,
        yref="paper",
        line={"color": color, "dash": "dash", "width": 1.5},
    )
    is_log = figure.layout.xaxis.type == "log"
    figure.add_annotation(
        x=math.log10(x) if is_log and x > 0 else x,  # plotly's annotations want the logarithm
        y=1,
        yref="paper",
        yshift=-14 * row,
        text=words,
        font={"size": 11, "color": color},
        bgcolor="rgba(255, 255, 255, 0.75)",
        showarrow=False,
        xanchor="left",
        yanchor="top",
    )


def confirmation(found: Confirmation) -> go.Figure:
    """The scores of all arms over the seeds, with mean and standard error."""
    names = [arm.name for arm in found.arms][::-1]
    figure = figure_of(found.metric, "", height=90 + 40 * len(names))
    scored = [arm for arm in found.arms if arm.scores]
    figure.add_scatter(
        x=[score for arm in scored for score in arm.scores],
        y=[arm.name for arm in scored for _ in arm.scores],
        mode="markers",
        name="one seed",
        marker={"color": SKY, "size": 7, "opacity": 0.8},
    )
    estimates = [each for arm in scored if (each := found.estimate(arm)) is not None]
    figure.add_scatter(
        x=[each.mean for each in estimates],
        y=[arm.name for arm in scored],
        error_x={"type": "data", "array": [each.standard_error for each in estimates]},
        mode="markers",
        name="mean ± standard error",
        marker={"color": BLUE, "size": 10, "symbol": "line-ns-open", "line": {"width": 3}},
    )
    searched = [arm for arm in scored if arm.search is not None]
    figure.add_scatter(
        x=[arm.search for arm in searched],
        y=[arm.name for arm in searched],
        mode="markers",
        name="in the search",
        marker={"color": ORANGE, "size": 10, "symbol": "x"},
    )
    figure.update_layout(margin={"l": 120})
    figure.update_yaxes(categoryorder="array", categoryarray=names)
    return figure


def ablation(found: Ablation) -> go.Figure:
    """The score after each change from the rules to the winner."""
    labels = [step.change or "the note's rules" for step in found.steps][::-1]
    figure = figure_of(found.metric, "", height=100 + 30 * len(labels), showlegend=False)
    shown = [(step, step.estimate) for step in found.steps]
    known = [(step, each) for step, each in shown if each is not None]
    figure.add_scatter(
        x=[each.mean for _, each in known],
        y=[step.change or "the note's rules" for step, _ in known],
        error_x={"type": "data", "array": [each.standard_error for _, each in known]},
        mode="lines+markers",
        line={"color": BLUE, "shape": "hv", "width": 1.5},
        marker={"size": 9},
        text=[step.words for step, _ in known],
    )
    figure.update_layout(margin={"l": 150})
    figure.update_yaxes(categoryorder="array", categoryarray=labels)
    return figure


def front(found: Front) -> go.Figure:
    """The score of each network over its parameters, those of the front joined."""
    figure = figure_of("parameters", found.metric)
    for points, name, color, mode in (
        (found.others, "no better than a smaller one", GREY, "markers"),
        (found.points, "the front", BLUE, "lines+markers"),
    ):
        figure.add_scatter(
            x=[each.arm.n_parameters for each in points],
            y=[each.score.mean for each in points],
            error_y={
                "type": "data",
                "array": [each.score.standard_error for each in points],
                "thickness": 1.2,
            },
            mode=mode,
            name=name,
            text=[each.arm.name for each in points],
            line={"color": color, "shape": "hv", "width": 1.5},
            marker={"color": color, "size": 8},
        )
    figure.update_xaxes(type="log", exponentformat="power")
    return figure


def rate_range(found: RateRange, config: MLPConfig | None) -> go.Figure:
    """The validation loss after one epoch at each learning rate."""
    figure = figure_of(
        "learning rate", f"val_loss after {found.epochs} epoch{'s' * (found.epochs > 1)}"
    )
    losses = [loss for loss in found.losses if loss is not None]
    figure.add_shape(
        type="rect",
        x0=found.low,
        x1=found.high,
        y0=0,
        y1=1,
        yref="paper",
        fillcolor=GREEN,
        opacity=0.12,
        line={"width": 0},
    )
    figure.add_scatter(
        x=found.rates,
        y=found.losses,
        mode="lines+markers",
        name="val_loss",
        line={"color": BLUE},
    )
    figure.update_xaxes(type="log", exponentformat="power")
    _mark(figure, found.suggested, f"suggested {found.suggested:.2g}", GREEN)
    if config is not None:
        words = f"{config.learning_rate:.2g} of the winner"
        _mark(figure, config.learning_rate, words, RED, row=1)
    start = losses[0]
    figure.update_yaxes(range=[0.9 * min(losses), min(max(losses), 2 * start) * 1.02])
    return figure
