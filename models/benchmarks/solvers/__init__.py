"""Every solver that CVXPY finds on problems whose answer is known: how fast, how near, and whether its `optimal` was true.

A problem is a file in `problems`, settings are a line in `settings`, one question to one solver is a `Row`.
"""

from sojourn.models.studies.solvers.compare import compare, questions
from sojourn.models.studies.solvers.problem import Judged, Problem, Task
from sojourn.models.studies.solvers.problems import PROBLEMS
from sojourn.models.studies.solvers.row import Row
from sojourn.models.studies.solvers.settings import SETTINGS
from sojourn.models.studies.solvers.tables import Summary, summaries, summary_table, table

__all__ = ["PROBLEMS", "SETTINGS", "Judged", "Problem", "Row", "Summary", "Task", "compare", "questions", "summaries", "summary_table", "table"]
