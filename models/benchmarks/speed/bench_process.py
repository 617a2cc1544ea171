"""Time of a new process: its first answer, and the command, against the import of CVXPY."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .plugin import Measure

FIRST = "from sojourn import MM1, ParallelServers as P; P(MM1([100, 80, 200])).optimum(190)"
ENTRY = "from sojourn.models.cli import main; main()"
COMMANDS = {
    "first answer": ["-c", FIRST],
    "sojourn run scenario-1": ["-c", ENTRY, "run", "scenario-1"],
    "import cvxpy": ["-c", "import cvxpy"],
}


@pytest.mark.parametrize("who", COMMANDS)
def bench_process(measure: Measure, who: str) -> None:
    """A process of Python from its start to its end."""
    command = [sys.executable, *COMMANDS[who]]
    measure(
        lambda: subprocess.run(command, check=True, capture_output=True),  # noqa: S603
        "a new process",
        who,
        rounds=5,
    )
