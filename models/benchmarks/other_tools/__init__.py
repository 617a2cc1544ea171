"""The same systems by this library and by others: how near, how fast, and what each certifies.

A system is a line in `case`, a method is a file in `methods`.
"""

from .answer import Answer, Skipped
from .compare import PeerRow, compare
from .instance import CASES, Case
from .methods import METHODS
from .table import report, summary

__all__ = [
    "CASES",
    "METHODS",
    "Answer",
    "Case",
    "PeerRow",
    "Skipped",
    "compare",
    "report",
    "summary",
]
