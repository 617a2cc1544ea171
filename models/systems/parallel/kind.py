"""Parallel servers as a kind of system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....reference.errors import one_of
from ...core.options import How, check_how
from ...frontend.kinds import SystemKind
from .anarchy_report import anarchy
from .curve import check_goals
from .formulations import FORMULATIONS
from .limits import no_limits
from .report import report
from .scenario import read
from .system import ParallelServers
from .verify import checks


class HowCurve(How, total=False):
    """Options of `ParallelServers.curve`."""

    which: str | None


def check_options(caller: str, how: Mapping[str, Any]) -> None:
    """Refuse options of a curve that no parallel servers take."""
    check_how(caller, how, HowCurve)
    if "equilibrium" in check_goals(how.get("which")):
        no_limits(how)
    one_of(
        "formulation",
        how.get("formulation", "auto"),
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
