"""Systems with routes as kinds, for scenario files, studies and the command."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ....reference.guards import check_players
from ...core.options import FormulationOptions, check_solve_options
from ...frontend.kinds import SystemKind
from ..parallel.curve import check_goals
from ..parallel.limits import no_limits
from ..parallel.prices import GOALS
from .anarchy_report import anarchy
from .groups import Groups
from .listed import Routes
from .network import Network
from .network_scenario import read as read_network
from .report import report
from .scenario import read as read_stations
from .system import RouteSystem
from .verify import checks


class CurveOptions(FormulationOptions, total=False):
    """Options of `RouteSystem.curve`."""

    which: str | None
    players: float


def check_options(caller: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError or InputError on options that `RouteSystem.curve` does not take."""
    check_solve_options(caller, options, CurveOptions)
    check_goals(options.get("which"))
    no_limits(options)
    if "players" in options:
        check_players(options["players"])


_kind = partial(
    SystemKind,
    check_options=check_options,
    verify=checks,
    splits={goal: f"{goal} mean delay" for goal in GOALS},
    report=report,
    anarchy=anarchy,
)
KINDS = (
    _kind(
        "stations",
        RouteSystem,
        read_stations,
        tables=("groups", "limits"),
        classes=(Groups, Routes, Network),
    ),
    _kind("network", Network, read_network, tables=("links", "demands", "limits")),
)
