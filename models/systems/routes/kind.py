"""Systems with routes as kinds, for scenario files, studies and the command."""

from __future__ import annotations

from ...frontend.kinds import SystemKind
from .network import Network
from .network_scenario import read as read_network
from .report import report
from .scenario import read as read_stations
from .system import RouteSystem

KINDS = (
    SystemKind("stations", RouteSystem, read_stations, tables=("groups",), report=report),
    SystemKind("network", Network, read_network, tables=("links", "demands"), report=report),
)
