"""Every error that a user can meet, one tree.

```
TunerError                  1   the study failed
├── InputError              2   what the user wrote or gave is wrong; no trial was spent on it
│   ├── StudyFileError          a study file
│   ├── DataError               a data source or the rows in it
│   └── ChangedStudyError       a study file that no longer fits the study it would go on with
├── StudyFailedError        1   too many trials failed in a row, or none could be trained
├── WorkerLostError         1   a process that trains could not go on
│   └── SilentWorkerError       what trains in this process was silent for too long
├── StudyOwnedError         3   another process is tuning this study
├── StoreUnreadableError    4   the store of all studies cannot be read
├── StoreLostError          5   the store went away, or its disk is full
├── StopSearch              what an observer raises, which no one else sees
└── InterruptedStudyError   130 or 143: Ctrl-C or SIGTERM; the same command goes on
```

The number is the exit code of the command line.
"""

from __future__ import annotations

import signal


class TunerError(Exception):
    """Base of all errors of this package; its text is one sentence for the user."""

    exit_code = 1


class InputError(TunerError):
    """The user's input is wrong, and nothing was created.

    But for a metric that a module of the user's does not log, which shows only as it trains: that
    trial is kept as one that was cut.
    """

    exit_code = 2


class StudyFileError(InputError):
    """A study file is missing, is not TOML, or says something that cannot be."""


class DataError(InputError):
    """A data source is unknown or unreachable, or its rows cannot be learned from."""


class ChangedStudyError(InputError):
    """The study file differs from the one that the stored trials were made with."""


class StudyFailedError(TunerError):
    """Too many trials failed in a row, or all that ended diverged or failed."""


class WorkerLostError(TunerError):
    """A process that trains could not start or go on."""


class SilentWorkerError(WorkerLostError):
    """What trains in a thread of this process was silent for too long, and cannot be ended."""


class StudyOwnedError(TunerError):
    """Another process is tuning this study."""

    exit_code = 3


class StoreUnreadableError(TunerError):
    """The store of all studies exists and cannot be read."""

    exit_code = 4


class StoreLostError(TunerError):
    """The store could not be written; every trial that finished before is kept."""

    exit_code = 5


class StopSearch(TunerError):  # noqa: N818, like StopIteration
    """An observer wants no more of a search; its text says why."""


class InterruptedStudyError(TunerError):
    """A signal ended the search; what finished is kept and the same call goes on.

    Args:
        signal_number: the signal that came, SIGINT or SIGTERM.
        message: what to tell the user.
    """

    def __init__(self, signal_number: signal.Signals, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
