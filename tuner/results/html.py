"""HTML for notebooks: plain tables, which take the notebook's own style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def heading(text: str) -> str:
    """Returns a line in bold."""
    return f"<p><b>{escape(text)}</b></p>"


def line(text: str) -> str:
    """Returns a line; "" of none."""
    return f"<p>{escape(text)}</p>" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], bold: str = "") -> str:
    """Returns a table.

    Args:
        head: names of the columns.
        rows: texts of the cells.
        bold: first cell of the row that stands out.
    """

    def cells(texts: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag} style='text-align:left'>{escape(each)}</{tag}>" for each in texts)

    body = [
        f"<tr style='font-weight:bold'>{cells(row, 'td')}</tr>"
        if bold and row[0] == bold
        else f"<tr>{cells(row, 'td')}</tr>"
        for row in rows
    ]
    return (
        f"<table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
