"""Benchmark of this library and other tools on the same systems.

It compares the error and the time of each method, and what the method certifies. A system is a line
in `instance`, a method is a file in `methods`.
"""

from .answer import Answer, Unavailable
from .compare import ToolRow, compare
from .instance import INSTANCES, Instance
from .methods import METHODS
from .table import report, summary

__all__ = [
    "INSTANCES",
    "METHODS",
    "Answer",
    "Instance",
    "ToolRow",
    "Unavailable",
    "compare",
    "report",
    "summary",
]
