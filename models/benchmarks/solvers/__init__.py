"""Every solver that CVXPY finds on problems whose answer is known: how fast, how near, and whether its `optimal` was true.

A problem is a file in `problems`, settings are a line in `settings`, one question to one solver is a `Row`.
"""

from .compare import compare, questions
from .problem import Judged, Problem, Task
from .problems import PROBLEMS
from .row import Row
from .settings import SETTINGS
from .tables import Summary, summaries, summary_table, table

__all__ = ["PROBLEMS", "SETTINGS", "Judged", "Problem", "Row", "Summary", "Task", "compare", "questions", "summaries", "summary_table", "table"]
