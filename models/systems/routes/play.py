"""Users of routes who choose by the delays that they observe, in simulated rounds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.sparse import csr_array

from ....reference.errors import Array, InputError
from ....reference.routes import Columns, GraphRoutes, RouteFlow
from ...simulation.network import Network
from ...simulation.play import Game, observed, play
from .given_flows import given_flow
from .inputs import as_table
from .simulation import SimulatedRoutes, names_of, network_of, servers_of

if TYPE_CHECKING:
    import xarray as xr

    from .system import RouteSystem

MOST = 200  # routes between which users choose


class PlayedRoutes(SimulatedRoutes):
    """Base class of `RouteSystem`: users who play the game of the routes."""

    def play(
        self,
        load: float | None = None,
        *,
        rounds: int = 200,
        jobs: int = 20_000,
        share: Any = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """Let users choose routes by the delays that they observe, and return how the flows move.

        Each round is simulated; then users of each group go over to routes that were faster. The
        flows of the stations tend to those of the equilibrium, of which the rounds use no formula.

        Parameters
        ----------
        load : float, optional
            Total load, as for `equilibrium`.
        rounds : int, default 200
            Number of rounds.
        jobs : int, default 20,000
            Number of simulated jobs in each round.
        share : mapping or array_like, optional
            Shares of the routes in the first round, as for `RouteSystem.evaluate`; they may
            overload a station. By default equal ones.
        seed : int, default 0
            The same seed gives the same numbers.

        Returns
        -------
        xarray.Dataset
            The trajectory of the routes, the equilibrium beside it, and what the users found, with
            its error; see `sojourn.models.simulation.play.play`.

        Raises
        ------
        LoadError, InputError
            As `equilibrium`, `RouteSystem.evaluate` and `simulate`; and on a network with more than
            200 routes without loops.

        Notes
        -----
        See `sojourn.models.simulation.play`. Many flows of routes may have the same flows of
        stations; the distance is that of the stations.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> regions = Groups(MM1([10.0, 5.0]), load=[3.0, 2.0], delay=[[0.0, 0.3], [0.3, 0.0]])
        >>> moves = regions.play(rounds=50, jobs=5_000)
        >>> moves.route.values.tolist()[:2]
        ['group 1: server 1', 'group 1: server 2']
        >>> bool(moves.distance[-1] < 0.05)
        True
        """
        system = cast("RouteSystem", self)
        servers, columns = servers_of(system, None), _routes(system)
        best = system.equilibrium(load)
        loads = best.group_load

        def network(flow: Array) -> Network:
            used = np.flatnonzero(flow > 0)
            return network_of(system, RouteFlow(columns.only(used), flow[used]), servers)

        game = Game(
            over="route",
            names=names_of(system, columns),
            group=columns.group,
            load=loads,
            stations=tuple(system.stations),
            use=columns.dense,
            observe=partial(observed, network, columns.dense),
            equilibrium=_shares(columns, best.route_flow, loads),
            equilibrium_delay=best.mean_delay,
        )
        start = None
        if share is not None:
            table = as_table("share", share)
            ways = {"flow": None, "share": table, "by_origin": None, "station_flow": None}
            start = _shares(columns, given_flow(system, loads, ways, 1e-6)[0], loads)
        return play(game, rounds, jobs, start, seed, self.time_unit)


def _shares(columns: Columns, found: RouteFlow, loads: Array) -> Array:
    """Return the share of each route in the load of its group."""
    out = np.zeros(len(columns))
    np.add.at(out, columns.places(found.columns), found.flow)
    return np.asarray(out / loads[columns.group])


def _routes(system: RouteSystem) -> Columns:
    """Return the listed routes, or all routes of a network without loops."""
    routes = system.routed.routes
    if not isinstance(routes, GraphRoutes):
        assert routes.listed is not None  # noqa: S101
        return routes.listed
    group, works = list[int](), list[Array]()
    for k in range(routes.groups):
        for links in _paths(routes, k):
            if len(works) == MOST:
                remedy = "list those between which users choose, as Routes"
                raise InputError("ends", MOST, "are fewer than the routes without loops", remedy)
            group.append(k)
            works.append(np.bincount(links, minlength=routes.stations).astype(float))
    return Columns(np.array(group), csr_array(np.array(works)), np.zeros(len(group)))


def _paths(routes: GraphRoutes, k: int) -> list[list[int]]:
    """Return the routes of a group that pass no node twice, each as its links; at most `MOST`."""
    start, end = int(routes.origin[k]), int(routes.destination[k])
    after: dict[int, list[int]] = {}
    for a, tail in enumerate(routes.tail.tolist()):
        after.setdefault(tail, []).append(a)
    found = list[list[int]]()
    stack: list[tuple[int, tuple[int, ...], list[int]]] = [(start, (start,), [])]
    while stack and len(found) <= MOST:
        node, passed, links = stack.pop()
        if node == end:
            found.append(links)
            continue
        if routes.closed[node] and node != start:
            continue
        for a in reversed(after.get(node, [])):
            head = int(routes.head[a])
            if head not in passed:
                stack.append((head, (*passed, head), [*links, a]))
    return found
