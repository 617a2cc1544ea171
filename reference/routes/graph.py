"""Routes through a directed graph whose links are the stations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ..errors import Array
from .columns import Columns
from .route_set import RouteSet

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class GraphRoutes(RouteSet):
    """All routes from the origin to the destination of each group in a directed graph.

    Link a leads from node ``tail[a]`` to node ``head[a]`` and is station a. Parallel links are
    allowed.

    Attributes
    ----------
    nodes : int
        Number of nodes N.
    tail, head : ndarray of int, shape (A,)
        First and last node of each link.
    origin, destination : ndarray of int, shape (G,)
        Node at which each group starts, and node at which it ends.
    first_through : int, default 0
        Routes pass through no node with a smaller index; they may start and end there.
    """

    nodes: int
    tail: Index
    head: Index
    origin: Index
    destination: Index
    first_through: int = 0

    @property
    def groups(self) -> int:  # type: ignore[override]
        """Number of groups G."""
        return int(self.origin.size)

    @property
    def stations(self) -> int:  # type: ignore[override]
        """Number of links A."""
        return int(self.tail.size)

    def least_cost(self, price: Array, *, delays: bool = True) -> Array:
        """Return the least cost of each group by Dijkstra's algorithm; see `RouteSet`."""
        raise NotImplementedError

    def cheapest(self, price: Array, *, delays: bool = True) -> Columns:
        """Return a cheapest route of each group; see `RouteSet.cheapest`."""
        raise NotImplementedError
