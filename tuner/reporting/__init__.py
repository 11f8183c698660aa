"""One HTML file that tells a study, offline."""

from .write import report

__all__ = ["report"]
