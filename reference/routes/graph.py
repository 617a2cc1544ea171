"""Routes through a directed graph whose links are the stations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ..errors import Array
from ..validation import raise_at_first
from .columns import Columns, RouteFlow
from .decomposition import traced
from .route_set import RouteSet

Index = npt.NDArray[np.intp]
MAX_ENTRIES = 2**23  # origins times nodes in one search, so that its tables stay below 100 MB


@dataclass(frozen=True, eq=False)
class GraphRoutes(RouteSet):
    """All routes from the origin to the destination of each group in a directed graph.

    Link a leads from node ``tail[a]`` to node ``head[a]`` and is station a. Parallel links are
    allowed. The destination of a group is another node than its origin.

    Attributes
    ----------
    nodes : int
        Number of nodes N.
    tail, head : ndarray of int, shape (A,)
        First and last node of each link.
    origin, destination : ndarray of int, shape (G,)
        Node at which each group starts, and node at which it ends.
    closed : ndarray of bool, shape (N,)
        Nodes that routes do not pass; they may start and end there. By default there are none.

    Notes
    -----
    A closed node is split: its links out start at a *departure node* of their own, with the index N
    or more, so that a route that arrives there cannot go on. The rows of `incidence` and the
    columns of `demand` are the nodes after the split.
    """

    nodes: int
    tail: Index
    head: Index
    origin: Index
    destination: Index
    closed: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        if not self.closed.size:
            object.__setattr__(self, "closed", np.zeros(self.nodes, dtype=np.bool_))

    @property
    def groups(self) -> int:  # type: ignore[override]
        """Number of groups G."""
        return int(self.origin.size)

    @property
    def stations(self) -> int:  # type: ignore[override]
        """Number of links A."""
        return int(self.tail.size)

    @cached_property
    def departure(self) -> Index:
        """Node at which the links out of each node start, shape (N,): itself unless closed."""
        out = np.arange(self.nodes)
        out[self.closed] = self.nodes + np.arange(np.count_nonzero(self.closed))
        return out

    @cached_property
    def split_nodes(self) -> int:
        """Number M of nodes after the split."""
        return self.nodes + int(np.count_nonzero(self.closed))

    @cached_property
    def origins(self) -> Index:
        """The O different nodes at which groups start, ascending."""
        return np.unique(self.origin)

    @cached_property
    def origin_place(self) -> Index:
        """Position in `origins` of the origin of each group, shape (G,)."""
        return np.searchsorted(self.origins, self.origin)

    @cached_property
    def incidence(self) -> csr_array:
        """Flow into each node less flow out of it, for one unit on each link, shape (M, A)."""
        ends, links = np.concatenate([self.head, self.departure[self.tail]]), self.stations
        sign = np.repeat([1.0, -1.0], links)
        columns = np.tile(np.arange(links), 2)
        return csr_array((sign, (ends, columns)), shape=(self.split_nodes, links))

    def demand(self, load: Array) -> Array:
        """Return the flow into each node less that out of it, by origin, shape (O, M).

        It is the load at destinations, and less the sum of the loads at the origin.

        Parameters
        ----------
        load : ndarray, shape (G,)
            Load of each group, jobs per unit of time.
        """
        out = np.zeros((self.origins.size, self.split_nodes))
        np.add.at(out, (self.origin_place, self.destination), load)
        np.add.at(out, (self.origin_place, self.departure[self.origin]), -load)
        return out

    def least_cost(self, price: Array, *, delays: bool = True) -> Array:
        """Return the least cost of each group by Dijkstra's algorithm, shape (G,).

        It is infinite for a group whose destination cannot be reached by links of finite price.

        Parameters
        ----------
        price : ndarray, shape (A,)
            Prices of the links, 0 or more, in units of time; infinite where a link is not usable.
        delays : bool, default True
            Without effect: routes have no fixed delays.

        Raises
        ------
        InputError
            Where a price is negative or not a number.
        """
        graph, cost = self._graph(price)[0], np.empty(self.groups)
        for origins, groups in self._parts:
            far = dijkstra(graph, indices=origins)
            row = self.origin_place[groups] - self.origin_place[groups[0]]
            cost[groups] = far[row, self.destination[groups]]
        return cost

    def cheapest(self, price: Array, *, delays: bool = True) -> Columns:
        """Return one cheapest route of each group, without a node twice; see `least_cost`.

        For a group whose routes all have an infinite price, the route has the fewest such links.
        """
        graph, link_of_pair = self._graph(price)
        found = [self._traced(graph, link_of_pair, *part) for part in self._parts]
        if sum(part[0].size for part in found) < self.groups:
            lost = np.setdiff1d(np.arange(self.groups), np.concatenate([p[0] for p in found]))
            others = self.cheapest(np.isinf(price).astype(np.float64)).work[lost]
            found.append((lost, np.diff(others.indptr), others.indices))
        group, counts, links = map(np.concatenate, zip(*found, strict=True))
        if np.any(np.diff(group) < 0):
            links = links[np.argsort(np.repeat(group, counts), kind="stable")]
            counts = counts[np.argsort(group)]
        ends, shape = np.concatenate([[0], np.cumsum(counts)]), (group.size, self.stations)
        work = csr_array((np.ones(links.size), links, ends), shape=shape)
        return Columns(np.arange(self.groups), work, np.zeros(self.groups))

    def _traced(
        self, graph: csr_array, link_of_pair: Index, origins: Index, groups: Index
    ) -> tuple[Index, Index, npt.NDArray[np.int32]]:
        """Return the groups that are reached, the counts of links of their routes, and the links.

        The links of each route are ascending. The search steps back from all destinations at once.
        """
        before = dijkstra(graph, indices=origins, return_predecessors=True)[1]
        nodes, rows = self.split_nodes, np.arange(origins.size)[:, None] * self.split_nodes
        key = before * np.int64(nodes) + np.arange(nodes)  # nodes without a link have no place
        link = link_of_pair[np.searchsorted(self._pairs, key.ravel())].astype(np.int32)
        last = (rows + before).ravel()
        place = self.origin_place[groups] - self.origin_place[groups[0]]
        state, start = place * nodes + self.destination[groups], place * nodes + origins[place]
        active, steps = np.flatnonzero(before.ravel()[state] >= 0), []
        while active.size:
            at = state[active]
            steps.append(np.full(groups.size, -1, dtype=np.int32))
            steps[-1][active] = link[at]
            state[active] = last[at]
            active = active[state[active] != start[active]]
        routes = np.sort(np.array(steps, dtype=np.int32).reshape(-1, groups.size).T, axis=1)
        passed = routes >= 0
        counts = np.count_nonzero(passed, axis=1)
        return groups[counts > 0], counts[counts > 0], routes[passed]

    def origin_flows(self, found: RouteFlow) -> Array:
        """Return the flow of each link by origin, shape (O, A), jobs per unit of time."""
        routes = found.columns
        place, shape = self.origin_place[routes.group], (self.origins.size, len(routes))
        by_origin = csr_array((found.flow, (place, np.arange(len(routes)))), shape=shape)
        return np.asarray((by_origin @ routes.work).toarray())

    def columns_of(self, flow: Array) -> RouteFlow:
        """Return routes that carry flows by origin, without the cycles of these flows.

        The load of a group is the flow into its destination less that out of it, divided equally
        between groups of one origin and destination. Where the flows do not reach a destination,
        the other routes of the group carry its load, or a route with the fewest links.

        Parameters
        ----------
        flow : ndarray, shape (O, A)
            Flow of each link by origin, jobs per unit of time; `origins` has the order.

        Returns
        -------
        RouteFlow
            At least one route of each group.
        """
        load, tail, head = self._loads(flow), self.departure[self.tail].tolist(), self.head.tolist()
        group, rows, values = [], [], []
        for o, start in enumerate(self.departure[self.origins].tolist()):
            groups = np.flatnonzero(self.origin_place == o)
            loads = list(zip(self.destination[groups].tolist(), load[groups].tolist(), strict=True))
            for place, (links, value) in traced(start, loads, tail, head, flow[o].tolist()):
                group.append(groups[place])
                rows.append(sorted(links))
                values.append(value)
        for k in sorted(set(range(self.groups)) - set(group)):
            route = self._shortest.work
            group.append(k)
            rows.append(route.indices[route.indptr[k] : route.indptr[k + 1]].tolist())
            values.append(0.0)
        ends = np.cumsum([0, *map(len, rows)])
        passed = np.array([a for row in rows for a in row], dtype=np.intp)
        work = csr_array((np.ones(passed.size), passed, ends), shape=(len(rows), self.stations))
        order = np.argsort(group, kind="stable")
        columns = Columns(np.array(group, dtype=np.intp)[order], work[order], np.zeros(len(rows)))
        return RouteFlow(columns, np.array(values)[order]).fitted(load)

    @cached_property
    def _shortest(self) -> Columns:
        """A route of each group with the fewest links."""
        return self.cheapest(np.ones(self.stations))

    def _loads(self, flow: Array) -> Array:
        """Return the load of each group: the flow into its destination less that out of it."""
        net = np.asarray((self.incidence @ flow.T).T)
        pair = self.origin_place * self.split_nodes + self.destination
        sharing = np.bincount(pair)[pair]
        return np.asarray(np.maximum(net[self.origin_place, self.destination], 0.0) / sharing)

    @cached_property
    def _parts(self) -> list[tuple[Index, Index]]:
        """Departure nodes for one search each, and the groups that start there, by origin."""
        order = np.argsort(self.origin_place, kind="stable")
        size = max(1, MAX_ENTRIES // self.split_nodes)
        lows = np.arange(0, self.origins.size, size)
        bounds = np.searchsorted(self.origin_place[order], [*lows, self.origins.size])
        return [
            (self.departure[self.origins[low : low + size]], order[a:b])
            for low, a, b in zip(lows, bounds[:-1], bounds[1:], strict=True)
        ]

    @cached_property
    def _order(self) -> Index:
        """Links ordered by their first and then their last node, after the split, shape (A,)."""
        return np.lexsort((self.head, self.departure[self.tail]))

    @cached_property
    def _keys(self) -> Index:
        """First node times M plus last node of each link, in the order of `_order`, shape (A,)."""
        tail, head = self.departure[self.tail[self._order]], self.head[self._order]
        return np.asarray(tail * np.int64(self.split_nodes) + head)

    @cached_property
    def _first(self) -> Index:
        """Position in `_order` of the first link of each pair of nodes, shape (P,)."""
        return np.flatnonzero(np.diff(self._keys, prepend=-1))

    @cached_property
    def _pairs(self) -> Index:
        """Keys of the P pairs of nodes that links join, ascending."""
        return np.asarray(self._keys[self._first])

    def _graph(self, price: Array) -> tuple[csr_array, Index]:
        """Return the least price of each pair of nodes as a graph, and the link that has it.

        SciPy sums or drops entries only when it builds or converts a matrix; entries that are
        stored in compressed rows are links, also those of price 0.
        """
        remedy = "give prices of 0 or more, inf for a link that is not usable"
        raise_at_first("price", price, price >= 0, "is negative or not a number", remedy)
        order, first = self._order, self._first
        link, least = order[first], price[order[first]]
        if first.size < order.size:  # parallel links
            least = np.minimum.reduceat(price[order], first)
            size = np.diff(first, append=order.size)
            best = np.flatnonzero(price[order] == np.repeat(least, size))
            pair = np.repeat(np.arange(first.size), size)[best]
            link = order[best[np.unique(pair, return_index=True)[1]]]
        indices, ends = self._structure
        shape = (self.split_nodes, self.split_nodes)
        return csr_array((least, indices, ends), shape=shape), link

    @cached_property
    def _structure(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Last node of each pair, and the position of the first pair of each node."""
        tail, head = np.divmod(self._pairs, self.split_nodes)
        counts = np.bincount(tail, minlength=self.split_nodes)
        ends = np.concatenate([[0], np.cumsum(counts)])
        return head.astype(np.int32), ends.astype(np.int32)
