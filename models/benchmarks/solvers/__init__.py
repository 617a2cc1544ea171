"""Every solver that CVXPY finds on problems whose answer is known: how fast, how near, and whether its `optimal` was true.

A problem is a file in `problems`, settings are a line in `settings`, one question to one solver is a `Row`.
"""

from .command import report, to_dataset
from .compare import compare, questions
from .problem import Judged, Problem, Task
from .problems import PROBLEMS
from .row import Row
from .settings import SETTINGS
from .tables import Summary, error_table, summaries, summary_table

__all__ = [
    "PROBLEMS", "SETTINGS", "Judged", "Problem", "Row", "Summary", "Task",
    "compare", "error_table", "questions", "report", "summaries", "summary_table", "to_dataset",
]  # fmt: skip
