"""Files that hold tables, by how their names end."""

from __future__ import annotations

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".feather")


def is_table(source: str) -> bool:
    """Says whether a source is a file with a table."""
    return source.lower().endswith(SUFFIXES)
