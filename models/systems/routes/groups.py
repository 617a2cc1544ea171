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
from .sites import SizedSites, size_sites
from .sites_program import SitesModel, sites_model
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

    def size(
        self,
        *,
        rate_price: npt.ArrayLike,
        delay_cost: float,
        opening: npt.ArrayLike = 0.0,
        max_rate: npt.ArrayLike | None = None,
        gap: float = 1e-6,
        max_seconds: float = 60.0,
    ) -> SizedSites:
        """Return the sites to open, their rates and the groups that they serve at the least cost.

        The servers are candidates for sites. Their own rates do not count; delays do.

        Parameters
        ----------
        rate_price : array_like, shape (n,) or ()
            Price of a unit of rate; 0 only with a largest rate.
        delay_cost : float
            Money per job and unit of time.
        opening : array_like, shape (n,) or (), default 0
            Cost of each open site.
        max_rate : array_like, shape (n,) or (), optional
            Largest rate of each site; inf where there is none. With it a group may be divided.
        gap : float, default 1e-6
            Relative distance of the cost from its lower bound at which the search ends.
        max_seconds : float, default 60
            Time after which the best choice is returned, with ``certified`` False.

        Returns
        -------
        SizedSites

        Raises
        ------
        InputError
            On numbers that do not fit, servers other than `MM1`, `MD1` and `MG1` without base load
            and batches, and largest rates that cannot carry the loads.

        Notes
        -----
        Without largest rates each group is at one site, since all costs are concave in the load.
        See `sojourn.reference.routes.sites` for the bounds and the search.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> pair = Groups(MM1([1.0, 1.0]), load=[4.0, 6.0], delay=[[0.0, 0.4], [0.4, 0.0]])
        >>> found = pair.size(rate_price=1.0, delay_cost=2.0, opening=3.0)
        >>> found.site, found.rate.round(4), round(found.cost, 4)
        (('server 2', 'server 2'), array([ 0.    , 14.4721]), 25.1443)
        """
        return size_sites(self, rate_price, opening, delay_cost, max_rate, gap, max_seconds)

    def size_model(
        self,
        *,
        rate_price: npt.ArrayLike,
        delay_cost: float,
        opening: npt.ArrayLike = 0.0,
        max_rate: npt.ArrayLike | None = None,
        whole: bool = False,
    ) -> SitesModel:
        """Return the choice of sites as a CVXPY problem of second-order cones.

        Its value is a lower bound of the cost; with `whole` it is the cost of whole groups, for a
        mixed-integer solver such as SCIP.

        Parameters
        ----------
        rate_price, delay_cost, opening, max_rate
            As for `size`.
        whole : bool, default False
            Whether the variables that assign groups to sites are 0 or 1.

        Returns
        -------
        sojourn.models.systems.routes.sites_program.SitesModel

        Raises
        ------
        InputError
            As for `size`, and on servers with a coefficient of variation above 1, whose delay has
            no such form.

        Examples
        --------
        >>> from sojourn.models import Groups, MM1
        >>> pair = Groups(MM1([1.0, 1.0]), load=[4.0, 6.0], delay=[[0.0, 0.4], [0.4, 0.0]])
        >>> model = pair.size_model(rate_price=1.0, delay_cost=2.0, opening=3.0)
        >>> bool(model.problem.solve(solver="CLARABEL") < 25.1443)
        True
        """
        return sites_model(self, rate_price, opening, delay_cost, max_rate, whole)
