"""Groups of users at different distances from shared servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ....reference.errors import InputError
from ....reference.routes import Columns, ListedRoutes
from ....reference.validation import as_names, raise_at_first
from ...latency.base import Latency, as_latency
from .system import RouteSystem, as_rows, named_loads


class Groups(RouteSystem):
    """Groups of users who share servers, each group at its own distance from each server.

    Parameters
    ----------
    *servers : Latency
        Banks of servers, n in all.
    load : mapping of str to float, or array_like, shape (G,)
        Load of each group, jobs per unit of time, > 0; a mapping gives the names of the groups.
    delay : array_like, shape (G, n), default 0
        Fixed delay from each group to each server, in units of time, >= 0; ``inf`` where the group
        may not use the server. It comes on top of the delays of the servers.
    names : sequence of str, optional
        Names of the servers; by default ``server 1``, ``server 2``, ...
    time_unit : str, default "s"
        Unit of time of all numbers.
    """

    def __init__(
        self,
        *servers: Latency,
        load: Mapping[str, float] | npt.ArrayLike,
        delay: npt.ArrayLike = 0.0,
        names: Sequence[str] | None = None,
        time_unit: str = "s",
    ) -> None:
        bank = as_latency(servers)
        groups, loads = named_loads(load)
        n = len(bank)
        delays = as_rows("delay", delay, (loads.size, n))
        raise_at_first("delay", delays, delays >= 0, "is negative", "give 0 or more, or inf")
        allowed = np.isfinite(delays)
        if not allowed.any(axis=1).all():
            i = int(np.argmin(allowed.any(axis=1)))
            problem = f"allows {groups[i]} no server"
            raise InputError(f"delay[{i}]", delays[i].tolist(), problem, "give a finite delay")
        group, server = np.nonzero(allowed)
        ones, ends = np.ones(server.size), np.arange(server.size + 1)
        work = csr_array((ones, server, ends), shape=(server.size, n))
        routes = ListedRoutes(Columns(group, work, delays[allowed]), loads.size)
        stations = as_names("names", "server", names, n)
        super().__init__(bank, routes, loads, stations, groups, time_unit)
