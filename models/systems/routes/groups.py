"""Groups of users at different distances from shared servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ....reference.errors import Array, InputError
from ....reference.routes import Columns, ListedRoutes
from ....reference.validation import as_names
from ...latency.base import Latency, as_latency
from .inputs import as_rows, named_loads
from .system import RouteSystem


class Groups(RouteSystem):
    """Groups of users who share servers, each group at its own distance from each server.

    The users of group k bring the load q_k, which is divided among the servers that they may use.
    A job of group k at server i has the mean delay d_ki + l_i(v_i), with v_i the load that all
    groups bring to the server.

    Parameters
    ----------
    *servers : Latency
        Banks of servers, n in all.
    load : mapping of str to float, or array_like, shape (G,)
        Load of each group, jobs per unit of time, > 0; a mapping, or a Series of pandas, gives the
        names of the groups.
    delay : array_like, shape (G, n), mapping or DataFrame, default 0
        Fixed delay from each group to each server, in units of time, >= 0; ``inf`` where the group
        may not use the server. It comes on top of the delays of the servers. One row holds for all
        groups; a mapping, or a DataFrame of pandas, has a row for each group by its name.
    names : sequence of str, optional
        Names of the servers; by default ``server 1``, ``server 2``, ...
    time_unit : str, default "s"
        Unit of time of all numbers.

    Attributes
    ----------
    delay : ndarray, shape (G, n)
        Fixed delay from each group to each server.

    Raises
    ------
    InputError
        Where there is no server or no group, a number or a name does not fit, or a group may use no
        server.

    See Also
    --------
    ParallelServers : the case of one group.

    Examples
    --------
    >>> import math
    >>> from sojourn.models import Groups, MM1
    >>> regions = Groups(
    ...     MM1([100.0, 80.0, 400.0]),
    ...     load={"north": 90.0, "south": 60.0},
    ...     delay=[[0.005, 0.020, 0.030], [0.020, 0.005, math.inf]],
    ... )
    >>> regions
    Groups(2 groups, 3 stations, load 150)
    >>> round(regions.price_of_anarchy(), 6)
    1.243057
    """

    delay: Array

    def __init__(
        self,
        *servers: Latency,
        load: Mapping[str, float] | npt.ArrayLike,
        delay: Any = 0.0,
        names: Sequence[str] | None = None,
        time_unit: str = "s",
    ) -> None:
        bank = as_latency(servers)
        groups, loads = named_loads(load)
        stations = as_names("names", "server", names, len(bank))
        self.delay = as_rows("delay", delay, groups, stations, "server")
        if not (good := self.delay >= 0).all():
            k, i = np.argwhere(~good)[0].tolist()
            field, problem = f"delay[{k}][{i}]", f"is no delay from {groups[k]} to {stations[i]}"
            raise InputError(field, self.delay[k, i], problem, "give 0 or more, or inf")
        allowed = np.isfinite(self.delay)
        for k in np.flatnonzero(~allowed.any(axis=1)).tolist():
            problem = f"allows {groups[k]} no server"
            given = self.delay[k].tolist()
            raise InputError(f"delay[{k}]", given, problem, "give a finite delay")
        group, server = np.nonzero(allowed)
        ones, ends = np.ones(server.size), np.arange(server.size + 1)
        work = csr_array((ones, server, ends), shape=(server.size, len(bank)))
        routes = ListedRoutes(Columns(group, work, self.delay[allowed]), loads.size)
        super().__init__(bank, routes, loads, stations, groups, time_unit)
