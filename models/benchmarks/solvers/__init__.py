"""Benchmark of the solvers that CVXPY finds, on problems with known answers.

It measures the time and the error of each solver, and counts the false claims: answers with the
status ``optimal`` that are not accurate. A problem is a file in `problems`, a choice of settings a
line in `settings`, and one case of one solver a `Row`.
"""

from .command import report, to_dataset
from .compare import cases, compare
from .problem import Accuracy, Problem, ProblemInstance
from .problems import PROBLEMS
from .row import Row
from .settings import SETTINGS
from .tables import Summary, error_table, summaries, summary_table

__all__ = [
    "PROBLEMS",
    "SETTINGS",
    "Accuracy",
    "Problem",
    "ProblemInstance",
    "Row",
    "Summary",
    "cases",
    "compare",
    "error_table",
    "report",
    "summaries",
    "summary_table",
    "to_dataset",
]
