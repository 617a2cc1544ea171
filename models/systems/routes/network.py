"""Networks: groups of users from origins to destinations over shared links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...latency.base import Latency
from .system import RouteSystem


class Network(RouteSystem):
    """Users from origins to destinations over the links of a directed graph.

    Parameters
    ----------
    *links : Latency
        Banks of links, A in all; each is a station.
    ends : sequence of (node, node)
        First and last node of each link, A pairs of names or numbers.
    load : mapping of (node, node) to float
        Load from origin to destination, jobs per unit of time, > 0.
    names : sequence of str, optional
        Names of the links; by default ``1 -> 2`` and so on.
    closed : sequence of node, optional
        Nodes that routes may start and end at, but not pass, such as the zones of a road network.
    positions : mapping of node to (float, float), optional
        Coordinates of nodes, for pictures.
    time_unit : str, default "s"
        Unit of time of all numbers.
    """

    def __init__(
        self,
        *links: Latency,
        ends: Sequence[tuple[Any, Any]],
        load: Any,
        names: Sequence[str] | None = None,
        closed: Sequence[Any] = (),
        positions: Any = None,
        time_unit: str = "s",
    ) -> None:
        raise NotImplementedError
