"""The command line: each command is a thin call of a public function."""

from __future__ import annotations

import contextlib
import json
from importlib import metadata
from typing import Annotated, Optional

import typer
from rich.table import Table

from ..errors import InputError
from ..running.ahead import start_workers
from ..running.arguments import budget_of, check_trainers
from ..system.formats import is_table
from ..system.quiet import quiet_optuna
from . import on_answers, on_rules, on_tables
from .command import (
    AsJson,
    Cluster,
    GPUs,
    Storage,
    Study,
    Tuned,
    Workers,
    checked,
    displayed,
    err,
    loading,
    out,
    run_and_exit,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"tuner {metadata.version('tuner')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Finds the best settings of a neural network."""


@app.command()
def tune(
    study: Tuned,
    label: on_tables.Label = None,
    trials: Annotated[
        Optional[int], typer.Option(help="Finished trials in all, earlier runs included.")
    ] = None,
    minutes: Annotated[
        Optional[float], typer.Option(help="Minutes in all, earlier runs included.")
    ] = None,
    target: Annotated[Optional[float], typer.Option(help="Score that is good enough.")] = None,
    patience: Annotated[
        Optional[int], typer.Option(help="Trials in a row that are no better.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Put an earlier study of this name aside, begin anew.")
    ] = False,
    trainer: Annotated[
        Optional[str],
        typer.Option(help="fleet: many MLPs at once. solo: one trial at a time, any module."),
    ] = None,
    fleet: Annotated[
        Optional[int],
        typer.Option(help="Trials that train at once, in all; 2 a core or more if unset."),
    ] = None,
    workers: Workers = None,
    devices: GPUs = None,
    cluster: Cluster = None,
    storage: Storage = None,
    confirm: Annotated[
        bool,
        typer.Option(help="Train the best configs again over fresh seeds, as \\[confirm] says."),
    ] = True,
) -> None:
    """Tune a study until its budget is used; go on where an earlier run ended.

    --trials and --minutes replace the budget of the study file; --target and --patience without
    them are added to it.
    """
    spec, chosen = checked(study, devices, label)
    check_trainers(spec, trainer, fleet, workers)  # type: ignore[arg-type]  # which it checks
    budget = budget_of(spec, trials, minutes, target, patience)
    few = [number for number in (budget.trials, fleet) if number is not None]
    at_most = min(few, default=None)
    start_workers(spec, workers, chosen, cluster, at_most, is_solo=trainer == "solo")
    with loading():
        from ..search import tune as run
        from .tables import show_result
    with displayed() as display:
        result = run(
            spec,
            trials=trials,
            minutes=minutes,
            target=target,
            patience=patience,
            new=new,
            trainer=trainer,  # type: ignore[arg-type]  # checked where it is used
            fleet=fleet,
            workers=workers,
            devices=chosen,
            cluster=cluster,
            storage=storage,
            confirm=confirm,
            observer=display,
        )
    named = spec.name if is_table(study) else study
    is_of_table = is_table(spec.data.source or "")
    show_result(out, result, named, is_of_table=is_of_table)


@app.command()
def plan(
    study: Tuned,
    label: on_tables.Label = None,
    trials: Annotated[Optional[int], typer.Option(help="As tune takes it.")] = None,
    minutes: Annotated[Optional[float], typer.Option(help="As tune takes it.")] = None,
    patience: Annotated[Optional[int], typer.Option(help="As tune takes it.")] = None,
    workers: Workers = None,
    devices: GPUs = None,
    storage: Storage = None,
) -> None:
    """Say what tune would do: data as read, space, sizes, how far the budget reaches."""
    spec, chosen = checked(study, devices, label)
    budget = budget_of(spec, trials, minutes, patience=patience)
    start_workers(spec, workers, chosen, None, budget.trials)
    with loading():
        from ..running.planning import plan as make
        from .planned import show_plan
    with displayed() as display:
        found = make(
            spec,
            trials=trials,
            minutes=minutes,
            patience=patience,
            workers=workers,
            devices=chosen,
            storage=storage,
            observer=display,
        )
    show_plan(out, found)


app.command()(on_tables.init)
app.command()(on_tables.predict)
app.command()(on_tables.export)


app.command()(on_answers.audit)
app.command()(on_answers.ablate)
app.command()(on_answers.front)


@app.command()
def best(
    study: Study,
    at: Annotated[
        Optional[str],
        typer.Option(help="Of the front (tuner front), such as n_parameters=50000, at most."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the winner of a study: how sure its score is, and its config."""
    from ..results import best as results

    if at is not None:
        from ..results.front import kept_front
        from .answered import show_point

        most, kept = _n_parameters(at), kept_front(study)
        confirmed = None
        with contextlib.suppress(InputError):
            confirmed = results.confirmation(study)
        if not kept.is_of(confirmed):
            err.print(
                f"of an earlier confirmation: tuner front {study} goes on to today's",
                style="yellow",
            )
        if as_json:
            print(kept.at(most).model_dump_json(indent=2))
        else:
            show_point(out, kept, kept.at(most))
        return
    found = results.best(study)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    from .tables import show_winner

    show_winner(out, found, results.confirmation(study))


def _n_parameters(at: str) -> int:
    """Reads n_parameters=50000."""
    name, _, value = at.partition("=")
    try:
        most = int(value)
    except ValueError:
        most = 0
    if name.strip() != "n_parameters" or most < 1:
        raise InputError(f"--at must be such as n_parameters=50000, got {at!r}")
    return most


@app.command()
def compare(
    studies: Annotated[list[str], typer.Argument(help="Two studies or more.")],
    storage: Storage = None,
) -> None:
    """Put studies side by side: scores with errors, time, size; the first is compared with."""
    from ..results.compared import compare as run
    from .tables import show_compared

    show_compared(out, run(*studies, storage=storage))


@app.command()
def report(study: Study, storage: Storage = None) -> None:
    """Write report.html: all that is known of a study, in one file that works offline."""
    with loading():
        from ..reporting import report as write
    out.print(f"written: {write(study, storage=storage)}", highlight=False, soft_wrap=True)


@app.command()
def studies(as_json: AsJson = False, storage: Storage = None) -> None:
    """List the studies with their progress and best score."""
    from pathlib import Path

    from ..storage import locate, summaries

    tuned = {summary.name: summary for summary in summaries(locate(storage))}
    written = sorted(file.stem for file in Path("studies").glob("*.toml"))
    names = sorted({*tuned, *written})
    if as_json:
        rows = [
            {
                "study": name,
                "finished": tuned[name].counts.finished if name in tuned else 0,
                "budget": tuned[name].budget if name in tuned else None,
                "metric": tuned[name].metric if name in tuned else None,
                "best": tuned[name].best if name in tuned else None,
            }
            for name in names
        ]
        print(json.dumps(rows, indent=2))
        return
    from .tables import show_studies

    show_studies(out, names, tuned)


app.command()(on_rules.recommend)
app.command()(on_rules.export_heuristics)


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 8080,
    storage: Storage = None,
) -> None:
    """Serve every study in optuna-dashboard, to this machine only."""
    with loading():
        from ..reporting.dashboard import serve
        from ..storage import locate

    def ready(url: str) -> None:
        out.print(f"optuna-dashboard: {url}  (Ctrl-C ends it)", highlight=False)

    # Ctrl-C is how one ends a server, so it is no error.
    with contextlib.suppress(KeyboardInterrupt), quiet_optuna():
        serve(port, ready, locate(storage))


@app.command()
def doctor(storage: Storage = None) -> None:
    """Say what would trip you on this machine; exit with 1 if something would."""
    from .doctor import examine

    checks = examine(storage)
    table = Table("check", "", "found")
    for check in checks:
        table.add_row(check.name, "[green]ok[/]" if check.ok else "[red]no[/]", check.found)
    out.print(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def main() -> None:
    """Runs the command line, and ends the process as the command did."""
    run_and_exit(app)
