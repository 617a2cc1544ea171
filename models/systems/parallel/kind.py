"""Parallel servers as a kind of system, for scenario files, studies and the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....reference.validation import check_choice
from ...core.options import FormulationOptions, check_solve_options
from ...frontend.kinds import SystemKind
from .anarchy_report import anarchy
from .curve import check_goals
from .formulations import FORMULATIONS
from .limits import no_limits
from .prices import GOALS
from .report import report
from .scenario import read
from .system import ParallelServers
from .verify import checks


class CurveOptions(FormulationOptions, total=False):
    """Options of `ParallelServers.curve`."""

    which: str | None


def check_options(caller: str, options: Mapping[str, Any]) -> None:
    """Raise an error on options that the curve of parallel servers does not have.

    Parameters
    ----------
    caller : str
        Name of the function that was given the options, for messages.
    options : mapping
        The options.

    Raises
    ------
    TypeError
        On the name of an option that does not exist.
    InputError
        On a value that does not fit.
    """
    check_solve_options(caller, options, CurveOptions)
    if "equilibrium" in check_goals(options.get("which")):
        no_limits(options)
    check_choice(
        "formulation",
        options.get("formulation", "auto"),
        ("auto", *FORMULATIONS),
        "is not a formulation",
    )


KINDS = (
    SystemKind(
        "servers",
        ParallelServers,
        read,
        tables=("limits", "variants", "weights", "size"),
        max_load_name="total rate",
        check_options=check_options,
        verify=checks,
        splits={goal: f"{goal} mean delay" for goal in GOALS},
        report=report,
        anarchy=anarchy,
    ),
)
