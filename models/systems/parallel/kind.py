"""Parallel servers as a kind of system."""

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
from .report import report
from .scenario import read
from .system import ParallelServers
from .verify import checks


class HowCurve(FormulationOptions, total=False):
    """Options of `ParallelServers.curve`."""

    which: str | None


def check_options(caller: str, options: Mapping[str, Any]) -> None:
    """Refuse options of a curve that no parallel servers take."""
    check_solve_options(caller, options, HowCurve)
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
        tables=("limits", "variants"),
        max_load_name="total rate",
        check_options=check_options,
        verify=checks,
        report=report,
        anarchy=anarchy,
    ),
)
