"""Benchmarks of the library, for ``sojourn bench``.

They compare it with the clock, with other tools and with local solvers, compare the solvers of
CVXPY with closed forms, and search for systems on which the worst-case rule fails.

Each benchmark is a command of its own: a function in a file of `COMMAND_FILES`, written like the
commands of folders (see `sojourn.models.frontend.command`).
"""

from __future__ import annotations

COMMAND_FILES = (
    "speed/command.py",
    "searches.py",
    "other_tools/command.py",
    "solvers/command.py",
    "solvers/peers/command.py",
)
"""Files with a tuple ``COMMANDS``, in the order of ``sojourn bench --help``."""
