"""Text of others on its way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Returns text with what would steer a terminal written out.

    >>> printable("a\x1b[31m red" + chr(10) + "line")
    'a\\x1b[31m red\nline'
    """
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1]
        for letter in text
    )
