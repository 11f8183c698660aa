"""`report`: gathers what is known of a study and writes it as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import optuna
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..answers.ablation import Ablation
from ..answers.auditing import COLUMNS, Audit
from ..errors import InputError, StoreUnreadableError
from ..network.config import DataFacts, MLPConfig, ModuleConfig
from ..results.best import Best, study_name
from ..results.best import best as best_of
from ..results.front import Front
from ..results.importance import ENOUGH_FOR_IMPORTANCES, importances
from ..results.winner import Confirmation
from ..results.wording import (
    all_metrics,
    clock,
    comparisons,
    estimate,
    handed_over,
    in_the_search,
    number,
    origin,
    over_seeds,
    unconfirmed,
)
from ..running.rate_range import RateRange
from ..storage import (
    ABLATION,
    AUDIT,
    CONFIRMATION,
    FACTS,
    FRONT,
    MACHINE,
    RATE_RANGE,
    SECONDS,
    Counts,
    count,
    locate,
    read_study,
    translated,
)
from ..system import paths
from . import audited, figures, predictions


@dataclass(frozen=True)
class _Told:
    """What the template tells of a study."""

    name: str
    metric: str
    counts: Counts
    seconds: float
    best: Best | None
    confirmation: Confirmation | None
    ablation: Ablation | None
    audit: Audit | None
    front: Front | None
    rate_range: RateRange | None
    importances: Mapping[str, float]
    machine: Mapping[str, str]
    study_file: str


class Report(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """The path of a report, which a notebook shows."""

    def _repr_html_(self) -> str:
        """As a notebook shows it: the file itself, which it does not copy."""
        source = escape(os.path.relpath(self), quote=True)
        frame = f'<iframe src="{source}" width="100%" height="600"></iframe>'
        return f'<a href="{source}">{escape(str(self))}</a>{frame}'


def report(study: str | Path, *, storage: str | None = None) -> Report:
    """Writes `report.html` of a study into its folder: one file, which works offline.

    Args:
        study: name of a study, or the path of its file.
        storage: as `tune` takes it.

    Returns:
        The path of the file.

    Raises:
        InputError: there is no such study.
        StoreUnreadableError: the store cannot be read.
        StoreLostError: the disk is full or gone.
    """
    name = study_name(study)
    location = locate(storage)
    opened = read_study(name, location)
    with translated(location, StoreUnreadableError, "reading the study"):
        told, drawn = _told(opened), _drawn(opened)
    confirmed = None if told.best is None or told.best.confirmed is None else told.best
    html = _template().render(
        told=told,
        figures={key: _html(figure) for key, figure in drawn.items()},
        slices={
            key: _html(figure)
            for key, figure in figures.slices(opened, told.metric, _facts(opened)).items()
        },
        comparisons=[] if told.confirmation is None else comparisons(told.confirmation),
        config=None if told.best is None else _config(told.best),
        origin="" if told.best is None else origin(told.best),
        unconfirmed="" if told.best is None else unconfirmed(told.best),
        seeds=over_seeds(confirmed) if confirmed is not None else "",
        searched=in_the_search(confirmed) if confirmed is not None else "",
        handed_over="" if told.best is None else handed_over(told.best),
        all_metrics="" if told.best is None else all_metrics(told.best),
        enough=ENOUGH_FOR_IMPORTANCES,
        of_inside=COLUMNS,
        plotly=get_plotlyjs(),
        written=datetime.now(UTC),
    )
    path = paths.study_folder(name) / "report.html"
    paths.write(path, html)
    return Report(path)


def _told(study: optuna.Study) -> _Told:
    name = study.study_name
    try:
        best = best_of(name)
    except InputError:
        best = None
    ablation, audit, front = (study.user_attrs.get(key) for key in (ABLATION, AUDIT, FRONT))
    confirmation = Confirmation.kept(study.user_attrs.get(CONFIRMATION))
    tried = study.user_attrs.get(RATE_RANGE)
    file = paths.study_folder(name) / f"{name}.toml"
    return _Told(
        name=name,
        metric=(study.metric_names or ["value"])[0],
        counts=count(study.get_trials(deepcopy=False)),
        seconds=float(study.user_attrs.get(SECONDS, 0.0)),
        best=best,
        confirmation=confirmation if best is not None and best.confirmed is not None else None,
        ablation=None if ablation is None else Ablation.model_validate_json(ablation),
        audit=None if audit is None else Audit.model_validate_json(audit),
        front=None if front is None else Front.model_validate_json(front),
        rate_range=None if tried is None else RateRange.model_validate_json(tried),
        importances=importances(study),
        machine=study.user_attrs.get(MACHINE, {}),
        study_file=file.read_text(encoding="utf-8") if file.exists() else "",
    )


def _facts(study: optuna.Study) -> DataFacts | None:
    facts = study.user_attrs.get(FACTS)
    return None if facts is None else DataFacts.model_validate(facts)


def _drawn(study: optuna.Study) -> dict[str, go.Figure]:
    """The figures that there is something for, by the section they belong to."""
    told = _told(study)
    drawn = {}
    if told.counts.finished:
        winner = None if told.best is None else told.best.trial
        drawn["time"] = figures.score_over_time(study, told.metric)
        drawn["curves"] = figures.learning_curves(study, told.metric, winner)
    if told.importances:
        drawn["importances"] = figures.importances(dict(told.importances))
    if told.confirmation is not None:
        drawn["confirmation"] = figures.confirmation(told.confirmation)
    if told.ablation is not None:
        drawn["ablation"] = figures.ablation(told.ablation)
    if told.front is not None:
        drawn["sizes"] = figures.front(told.front)
    if told.audit is not None:
        drawn["verdicts"] = audited.verdicts(told.audit)
        if any(each.reach is not None for each in told.audit.inside):
            drawn["inside"] = audited.gradients(told.audit.inside)
    refit = None if told.confirmation is None else told.confirmation.refit
    if refit is not None and refit.calibration:
        drawn["predictions"] = predictions.calibration(refit.calibration)
    if refit is not None and refit.agreement:
        drawn["predictions"] = predictions.agreement(refit.agreement)
    if told.rate_range is not None:
        config = told.audit.base if told.best is None and told.audit is not None else None
        if told.best is not None and isinstance(told.best.config, MLPConfig):
            config = told.best.config
        drawn["rates"] = figures.rate_range(told.rate_range, config)
    return drawn


def _config(best: Best) -> dict[str, Any]:
    config = best.config
    if not isinstance(config, ModuleConfig):
        return config.flat()
    classes = {"module": config.module}
    if config.data_module is not None:
        classes["data_module"] = config.data_module
    return {**classes, **config.flat()}


def _html(figure: go.Figure) -> str:
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"responsive": True, "displaylogo": False, "displayModeBar": False},
        default_height=f"{figure.layout.height}px",
    )
    return html


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {
        "number": number,
        "clock": clock,
        "estimate": estimate,
        "signed": "{:+.2g}".format,
    }
    text = (resources.files(__package__) / "report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)
