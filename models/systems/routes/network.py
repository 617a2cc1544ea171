"""Networks: groups of users from origins to destinations over shared links."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ....reference.errors import InputError
from ....reference.routes import GraphRoutes
from ....reference.validation import as_names
from ...latency.base import Latency, as_latency
from ...latency.bpr import BPR
from .ends import Nodes, numbered, pair_loads, pair_names
from .gmns import read_gmns
from .system import RouteSystem
from .tables import LinkLatency, from_dataframe, from_networkx
from .tntp import read_tntp


class Network(RouteSystem):
    """Users from origins to destinations over the links of a directed graph.

    A group is a pair of an origin and a destination, and is named ``origin -> destination``. It may
    take every route through the links; no route passes a node twice.

    Parameters
    ----------
    *links : Latency
        Banks of links, A in all; each is a station.
    ends : sequence of (node, node)
        First and last node of each link, A pairs of names or numbers. Links with the same ends are
        parallel.
    load : mapping of (node, node) to float, mapping of node to mapping, or DataFrame
        Load from origin to destination, jobs per unit of time: by pair, as
        ``{(1, 20): 300}``; by origin and then destination, as ``{1: {20: 300}}``; or as a table of
        pandas with a row for each origin and a column for each destination. A load is above 0; in
        the last two forms a 0 is no group.
    names : sequence of str, optional
        Names of the links; by default ``1 -> 2``, and ``1 -> 2 (2)`` for the second of parallel
        links.
    closed : collection of node, optional
        Nodes that routes may start and end at, but not pass, such as the zones of a road network.
    positions : mapping of node to (float, float), optional
        Coordinates of nodes, for pictures.
    time_unit : str, default "s"
        Unit of time of all numbers. Loads and service rates are per this unit; with BPR latencies,
        which depend on load over capacity alone, both may also be per another unit.

    Attributes
    ----------
    nodes : tuple
        The nodes, as given, in the order in which the links name them.
    ends : tuple of (node, node)
        First and last node of each link.
    pairs : tuple of (node, node)
        Origin and destination of each group.
    closed : tuple
        Nodes that routes do not pass.
    positions : dict of node to (float, float)
        Coordinates of the nodes that have them.

    Raises
    ------
    InputError
        Where a link, a load or a node does not fit, an origin is its destination, or no route leads
        from an origin to its destination; it names the links or nodes.

    Examples
    --------
    Braess's network: six travellers, and a bridge that makes all of them slower.

    >>> from sojourn.models import Network, Polynomial
    >>> roads = Polynomial([[0, 10], [50, 1], [10, 1], [50, 1], [0, 10]])
    >>> ends = [("s", "v"), ("s", "w"), ("v", "w"), ("v", "t"), ("w", "t")]
    >>> network = Network(roads, ends=ends, load={("s", "t"): 6.0})
    >>> network
    Network(1 group, 5 stations, load 6)
    >>> network.stations
    ('s -> v', 's -> w', 'v -> w', 'v -> t', 'w -> t')
    """

    def __init__(
        self,
        *links: Latency,
        ends: Sequence[tuple[Any, Any]],
        load: Any,
        names: Sequence[str] | None = None,
        closed: Collection[Any] = (),
        positions: Mapping[Any, tuple[float, float]] | None = None,
        time_unit: str = "s",
    ) -> None:
        bank = as_latency(links)
        nodes = Nodes(ends, len(bank))
        pairs, loads = pair_loads(load, nodes)
        self.nodes, self.ends, self.pairs = nodes.names, nodes.ends, pairs
        self.closed = nodes.listed("closed", closed)
        self.positions = nodes.coordinates(positions)
        origin, destination = nodes.indices(pairs)
        shut = np.zeros(len(nodes.names), dtype=np.bool_)
        shut[[nodes.index[node] for node in self.closed]] = True
        tail, head = nodes.indices(nodes.ends)
        routes = GraphRoutes(len(nodes.names), tail, head, origin, destination, shut)
        self._check_reached(routes, loads)
        named = numbered(pair_names(self.ends)) if names is None else names
        stations = as_names("names", "link", named, len(bank))
        groups = tuple(numbered(pair_names(pairs)))
        super().__init__(bank, routes, loads, stations, groups, time_unit)

    def _check_reached(self, routes: GraphRoutes, loads: Any) -> None:
        """Raise InputError where no route leads from an origin to its destination."""
        cost = routes.least_cost(np.zeros(routes.stations))
        lost = np.flatnonzero(np.isinf(cost))
        if lost.size:
            k = int(lost[0])
            origin, destination = self.pairs[k]
            more = f", nor for {lost.size - 1} other groups" if lost.size > 1 else ""
            around = " without a pass through a closed node" if self.closed else ""
            problem = f"has no route: no links lead from {origin} to {destination}{around}{more}"
            remedy = "add links, or leave the load out"
            raise InputError(f"load[{self.pairs[k]!r}]", loads[k], problem, remedy)

    @classmethod
    def from_tntp(
        cls,
        net: Any,
        trips: Any,
        nodes: Any = None,
        *,
        latency: LinkLatency = BPR,
        load_factor: float = 1.0,
        toll_weight: float = 0.0,
        length_weight: float = 0.0,
        time_unit: str = "min",
    ) -> Self:
        """Return the network of files in the format of the collection TransportationNetworks.

        Nodes are their numbers in the files. Routes pass no node below ``<FIRST THRU NODE>``. Trips
        within a zone, and of 0, are no groups. A link of capacity 0 whose travel time rises with
        the load is closed: it is left out, with a warning.

        Parameters
        ----------
        net, trips : path
            The file of links, ``*_net.tntp``, and that of loads, ``*_trips.tntp``.
        nodes : path, optional
            The file of coordinates, ``*_node.tntp``.
        latency : family of latencies or function of the columns, default `BPR`
            A family takes its parameters from the columns of the same name: ``capacity``,
            ``length``, ``free_flow``, ``b``, ``power``, ``speed``, ``toll``, ``type``. A function
            gets a mapping of these columns, arrays of shape (A,), and returns a bank of A links;
            for queues ``lambda links: MM1(links["capacity"] / 60, delay=links["free_flow"])``
            brings rates per hour to the minutes of the times, with ``load_factor=1/60``.
        load_factor : float, default 1
            Factor of all loads.
        toll_weight, length_weight : float, default 0
            Time that one unit of ``toll`` and of ``length`` is worth; it is added to the delay of
            each link, so that delays are generalised costs.
        time_unit : str, default "min"
            Unit of time of all delays. The files do not state it; most are in minutes.

        Raises
        ------
        InputError
            Where a file cannot be read or an entry does not fit, with the file, the line, the field
            and the link; and as in the constructor.
        """
        found = read_tntp(net, trips, nodes, load_factor)
        bank = found.links.bank(latency, toll_weight=toll_weight, length_weight=length_weight)
        return cls(bank, **found.arguments, time_unit=time_unit)

    @classmethod
    def from_gmns(
        cls,
        folder: Any,
        load: Any = None,
        *,
        latency: LinkLatency = BPR,
        use: str | None = None,
        time_factor: float | None = None,
        load_factor: float = 1.0,
        toll_weight: float = 0.0,
        length_weight: float = 0.0,
        closed: Sequence[Any] = (),
        time_unit: str = "min",
    ) -> Self:
        """Return the network of a folder of the General Modeling Network Specification (GMNS).

        The folder has ``link.csv`` and ``node.csv``, and without `load` also ``demand.csv`` with
        the columns ``o_zone_id``, ``d_zone_id`` and ``volume``; the ``zone_id`` of a node places
        zones. Nodes are the text of their ``node_id``. A link that is not directed becomes two, one
        in each direction. The travel time is ``vdf_fftt`` in minutes, or else length over free
        speed; the capacity is ``capacity``, per lane, times ``lanes``; ``vdf_alpha`` and
        ``vdf_beta`` are ``b`` and ``power`` of the `BPR` function, 0.15 and 4 where a row has none.
        Links without lanes or capacity are left out, with a warning.

        Parameters
        ----------
        folder : path
            Folder of the tables.
        load : optional
            Load by pair of nodes, as in the constructor, in place of ``demand.csv``.
        latency, load_factor, toll_weight, length_weight
            See `from_tntp`; the columns are ``free_flow``, ``capacity``, ``b``, ``power``,
            ``length``, ``speed``, ``lanes`` and ``toll``.
        use : str, optional
            Keep the links whose ``allowed_uses`` has this use, ``ALL``, or nothing.
        time_factor : float, optional
            Units of time in one unit of length over one unit of speed: 60 for miles and miles per
            hour, in minutes. By default the factor that ``config.csv`` states, else 60.
        closed : sequence of str, optional
            Nodes that routes do not pass, such as the centroids of zones.
        time_unit : str, default "min"
            Unit of time of all delays.

        Raises
        ------
        InputError
            Where a table cannot be read or an entry does not fit, with the file, the line, the
            column and the link; and as in the constructor.
        """
        found = read_gmns(folder, load, use, time_factor, load_factor)
        bank = found.links.bank(latency, toll_weight=toll_weight, length_weight=length_weight)
        return cls(bank, **found.arguments, closed=closed, time_unit=time_unit)

    @classmethod
    def from_dataframe(
        cls,
        links: Any,
        load: Any,
        *,
        latency: LinkLatency = BPR,
        tail: str = "from",
        head: str = "to",
        **options: Any,
    ) -> Self:
        """Return the network of a table of links, with a row for each.

        Parameters
        ----------
        links : DataFrame, or mapping of str to sequence
            Columns by name; two of them are the first and the last node of each link.
        load
            As in the constructor.
        latency : family of latencies or function of the columns, default `BPR`
            A family takes its parameters from the columns of the same name, such as ``rate`` and
            ``delay`` of `MM1`. A function gets a mapping of the columns, arrays of shape (A,), and
            returns a bank of A links.
        tail, head : str, default "from" and "to"
            Names of the columns of the first and the last node.
        **options
            ``names``, ``closed``, ``positions`` and ``time_unit`` of the constructor.
        """
        found = from_dataframe(links, tail, head)
        return cls(found.bank(latency), ends=found.ends, load=load, **options)

    @classmethod
    def from_networkx(
        cls, graph: Any, load: Any, *, latency: LinkLatency = BPR, **options: Any
    ) -> Self:
        """Return the network of a graph of networkx, with the data of its edges as columns.

        Of a graph that is not directed, every edge is two links, one in each direction, each with
        all of the edge's capacity. Nodes are placed by their data ``pos``.

        Parameters
        ----------
        graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
            Any object with such ``edges`` and ``nodes``.
        load
            As in the constructor.
        latency, **options
            As of `from_dataframe`.
        """
        found, positions = from_networkx(graph)
        options = {"positions": positions, **options}
        return cls(found.bank(latency), ends=found.ends, load=load, **options)
