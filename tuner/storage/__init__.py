"""The store: where all studies live, how they are read, and how one of them is written."""

from .location import Location, PostgreSQL, SQLiteFile, locate
from .patience import is_gone
from .reading import (
    ABLATION,
    AUDIT,
    CONFIG,
    EPOCH_SECONDS,
    FACTS,
    INTERRUPTED,
    MACHINE,
    RATE_RANGE,
    RETRY_OF,
    SECONDS,
    Counts,
    StudySummary,
    best_trial,
    confirmation_of,
    count,
    open_storage,
    read_study,
    summaries,
    translated,
)
from .study_store import StudyStore

__all__ = [
    "ABLATION",
    "AUDIT",
    "FACTS",
    "MACHINE",
    "RATE_RANGE",
    "SECONDS",
    "confirmation_of",
    "CONFIG",
    "EPOCH_SECONDS",
    "INTERRUPTED",
    "RETRY_OF",
    "Counts",
    "Location",
    "PostgreSQL",
    "SQLiteFile",
    "StudyStore",
    "StudySummary",
    "best_trial",
    "count",
    "is_gone",
    "locate",
    "open_storage",
    "read_study",
    "summaries",
    "translated",
]
