"""What commands share: their options, how they load and are displayed, how they end."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.console import Console
from rich.markup import escape

from ..errors import InputError, InterruptedStudyError, StoreLostError, TunerError
from ..running.given import spec_of
from ..study import AnyStudySpec
from ..system import imports
from ..system.devices import Devices, parse_devices
from ..system.folder_lock import refuse_owned
from ..system.formats import SUFFIXES, is_table
from ..system.quiet import quiet_optuna
from ..system.text import printable

if TYPE_CHECKING:
    from ..running.display import Display

out = Console()
err = Console(stderr=True)

#: Errors of an output that lies on a disk that is full or gone.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

Study = Annotated[str, typer.Argument(help="A name in studies/, or the path of a study file.")]
Tuned = Annotated[
    str,
    typer.Argument(help="A name in studies/, the path of a study file, or a table (with --label)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Storage = Annotated[
    Optional[str],
    typer.Option(
        help="Database of all studies, postgresql://user@host/database, if not runs/optuna.db. "
        "TUNER_STORAGE says the same."
    ),
]
Workers = Annotated[
    Optional[int],
    typer.Option(help="Processes that train; if unset one a GPU, or a core without GPUs."),
]
GPUs = Annotated[
    Optional[str], typer.Option(help="GPUs to use, such as 0,2, or cpu for none; else all.")
]
Cluster = Annotated[
    Optional[str],
    typer.Option(help="Train on a Ray cluster: ray, or ray://host:10001 for one elsewhere."),
]


def checked(
    study: str, devices: str | None, label: Sequence[str] | None = None
) -> tuple[AnyStudySpec, Devices | None]:
    """Reads the study file and who is to train it, before what trains is loaded for seconds.

    Args:
        study: its name, its file, or the table that it is of.
        devices: to use.
        label: columns of the table that are predicted.

    Raises:
        InputError: what the user wrote is wrong.
        StudyOwnedError: another process is tuning the study.
    """
    if label and not is_table(study):
        raise InputError(f"{study}: --label belongs to a table ({', '.join(SUFFIXES)})")
    spec = spec_of(study, label=label)
    refuse_owned(spec.name)
    return spec, None if devices is None else parse_devices(devices)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Says that modules are being loaded; from its end on, Ctrl-C is a KeyboardInterrupt again."""
    with err.status("loading"), imports.loading():
        yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def displayed(console: Console = out) -> Iterator[Display]:
    """Shows what happens to a study, and nothing else."""
    with loading():
        from ..running.display import Display
    with quiet_optuna(), Display(console) as display:
        yield display


def run_and_exit(app: Callable[[], None]) -> None:
    """Runs a command line and ends the process with the exit code of `tuner.errors`.

    Output that cannot be written ends it, too, as where a disk is full; one that nobody reads any
    more ends it without a word, with 1. What finished is kept.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know few letters
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except InterruptedStudyError as error:
        err.print(f"[yellow]{escape(printable(str(error)))}[/]", highlight=False)
        _leave(error.exit_code)
    except TunerError as error:
        told = escape(printable(str(error)))
        err.print(f"[red]error:[/] {told}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        with contextlib.suppress(OSError):
            err.print(f"[red]error:[/] output cannot be written ({error.strerror})")
        os._exit(StoreLostError.exit_code)


def _leave(code: int) -> None:
    """Ends the process at once, without waiting for a training step to end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
