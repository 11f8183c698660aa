"""Commands that train further to answer a question about a study: rules, gains, sizes."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from ..running.ahead import start_workers
from ..running.arguments import check_audit, check_minutes
from .command import (
    AsJson,
    Cluster,
    GPUs,
    Storage,
    Study,
    Workers,
    checked,
    displayed,
    err,
    loading,
    out,
)


def audit(
    study: Study,
    rules: Annotated[
        Optional[str], typer.Option(help="Rules to judge, such as S7,S24; all if unset.")
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=2, help="Seeds that both sides of a comparison are trained over.")
    ] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Another one judges by other seeds.")] = 0,
    tolerance: Annotated[
        Optional[float], typer.Option(min=0, help="Difference in the metric that does not matter.")
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the error left that does not matter, without a tolerance."
        ),
    ] = 0.1,
    minutes: Annotated[
        Optional[float],
        typer.Option(help="Time that it may take; fewer rows and epochs where it must be."),
    ] = None,
    workers: Workers = None,
    devices: GPUs = None,
    cluster: Cluster = None,
    storage: Storage = None,
) -> None:
    """Judge the rules of thumb on the data of a study, each over many seeds.

    They are judged around the study's winner, or the modern default where nothing is tuned yet.
    """
    spec, chosen = checked(study, devices)
    judged = [] if rules is None else [rule.strip() for rule in rules.split(",")]
    check_audit(spec, judged, pairs, seed, tolerance, margin, minutes)
    start_workers(spec, workers, chosen, cluster)
    with loading():
        from ..answers.auditing import audit as run
        from .answered import show_audit
    with displayed() as display:
        found = run(
            study,
            rules=judged,
            pairs=pairs,
            seed=seed,
            tolerance=tolerance,
            margin=margin,
            minutes=minutes,
            workers=workers,
            devices=chosen,
            cluster=cluster,
            storage=storage,
            observer=display,
        )
    show_audit(out, found)


def ablate(
    study: Study,
    workers: Workers = None,
    devices: GPUs = None,
    cluster: Cluster = None,
    storage: Storage = None,
) -> None:
    """Show which change from the rules to the winner gained how much."""
    spec, chosen = checked(study, devices)
    start_workers(spec, workers, chosen, cluster)
    with loading():
        from ..answers.ablation import ablate as run
        from .answered import show_ablation
    with displayed() as display:
        found = run(
            study,
            workers=workers,
            devices=chosen,
            cluster=cluster,
            storage=storage,
            observer=display,
        )
    show_ablation(out, found)


def front(
    study: Study,
    minutes: Annotated[
        Optional[float],
        typer.Option(help="Time that it may take; networks over all sizes come first."),
    ] = None,
    as_json: AsJson = False,
    workers: Workers = None,
    devices: GPUs = None,
    cluster: Cluster = None,
    storage: Storage = None,
) -> None:
    """Show how good networks of each size are, down to very small ones, over the same seeds."""
    spec, chosen = checked(study, devices)
    check_minutes(minutes)
    start_workers(spec, workers, chosen, cluster)
    with loading():
        from ..answers.sizes import front as run
        from .answered import show_front
    with displayed(err if as_json else out) as display:
        found = run(
            study,
            minutes=minutes,
            workers=workers,
            devices=chosen,
            cluster=cluster,
            storage=storage,
            observer=display,
        )
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    show_front(out, found)
