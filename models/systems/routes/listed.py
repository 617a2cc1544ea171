"""Groups of users who take one of several listed routes through stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ....reference.errors import InputError
from ....reference.routes import Columns, ListedRoutes
from ....reference.validation import as_float
from ...latency.base import Latency, as_latency
from .system import RouteSystem, named_loads

Route = Sequence[str] | Mapping[str, float]
"""The stations of a route, or its work at each: the load there of one unit of flow."""


class Routes(RouteSystem):
    """Groups of users, each of whom takes one of the listed routes through shared stations.

    Parameters
    ----------
    stations : mapping of str to Latency
        Each station by its name: a bank of one server.
    routes : mapping of str to sequence of routes
        The routes that each group may take. A route is a sequence of stations, or a mapping from
        station to work: a route with work w at a station brings w times its flow there, and waits w
        times the latency. A station that is listed twice has work 2.
    load : mapping of str to float
        Load of each group, jobs per unit of time, > 0.
    delay : mapping of str to float or sequence of float, optional
        Fixed delay of each group, or of each of its routes, in units of time; 0 for those not
        named.
    time_unit : str, default "s"
        Unit of time of all numbers.
    """

    def __init__(
        self,
        stations: Mapping[str, Latency],
        routes: Mapping[str, Sequence[Route]],
        load: Mapping[str, float],
        delay: Mapping[str, npt.ArrayLike] | None = None,
        time_unit: str = "s",
    ) -> None:
        names = tuple(stations)
        bank = as_latency(tuple(stations.values()))
        if len(bank) != len(names):
            raise InputError("stations", len(bank), "is not one server a station", "give MM1(200)")
        groups, loads = named_loads(load)
        index = {name: a for a, name in enumerate(names)}
        delays = delay or {}
        group, rows, fixed = [], [], []
        for k, name in enumerate(groups):
            listed = list(routes[name])
            of_group = np.broadcast_to(np.asarray(delays.get(name, 0.0), float), len(listed))
            for r, route in enumerate(listed):
                place = f"routes[{name!r}][{r}]"
                row = np.zeros(len(names))
                for station, work in _works(route, place).items():
                    if station not in index:
                        known = ", ".join(names[:12])
                        raise InputError(place, station, "is not a station", f"use {known}")
                    row[index[station]] += work
                rows.append(row)
                group.append(k)
                fixed.append(of_group[r])
        columns = Columns(
            np.array(group, dtype=np.intp), csr_array(np.array(rows)), np.array(fixed)
        )
        super().__init__(bank, ListedRoutes(columns, len(groups)), loads, names, groups, time_unit)


def _works(route: Route, place: str) -> dict[str, float]:
    """Return the work of a route at each of its stations."""
    if isinstance(route, Mapping):
        return {s: as_float(f"{place}[{s!r}]", w) for s, w in route.items()}
    out: dict[str, float] = {}
    for station in route:
        out[station] = out.get(station, 0.0) + 1.0
    return out
