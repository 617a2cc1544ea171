"""Which sites to open for groups of users, at which rates, and which site serves each group.

`sojourn.reference.routes.sites` has the theory and the search; no cones are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ....reference.amounts import LARGE, RANGE, SMALL, as_amount, as_amounts
from ....reference.errors import Array
from ....reference.html_table import HtmlTable
from ....reference.parallel.decisions.scalable import check_scalable
from ....reference.routes.sites import SiteCosts, choose_sites
from ....reference.validation import as_positive, as_server_array, raise_at_first
from ...core.certificate import Bounds, bounds
from ...core.ratio import ROUNDING
from ...core.solution import finite
from ...core.tolerance import check_gap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .groups import Groups
    from .sites_plot import Places

SHOWN = 12  # groups that a printed answer lists
WHOLE = 1.0 - 1e-9  # share from which on one site serves a group


class SiteNumbers(NamedTuple):
    """Groups and sites as `sojourn.reference.routes.sites` takes them.

    Attributes
    ----------
    costs : SiteCosts
        Costs of the n sites.
    fixed : ndarray, shape (G, n)
        Cost of the distance of a job.
    """

    costs: SiteCosts
    fixed: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class SizedSites(HtmlTable):
    """Open sites, their rates and the groups that they serve, with the least cost.

    Costs are money per unit of time.

    Attributes
    ----------
    load : float
        Total load of the G groups, jobs per unit of time.
    group_names, site_names : tuple of str
        Names of the groups and of the n sites.
    group_load : ndarray, shape (G,)
        Loads of the groups.
    open : ndarray of bool, shape (n,)
        Sites with a load.
    site : tuple of str
        Site of each group; empty for a group that several sites serve.
    share : ndarray, shape (G, n)
        Part of the load of each group that each site serves.
    flow, rate : ndarray, shape (n,)
        Load and rate of each site, jobs per unit of time; 0 where it is closed.
    mean_delay : float
        Mean time of a job with its distance, in units of time.
    group_delay : ndarray, shape (G,)
        The same for the jobs of each group.
    cost : float
        Sum of the three costs below.
    rate_cost, opening_cost, delay_cost : float
        Money for the rates, for open sites, and for the time of the jobs.
    certificate : Bounds
        Bounds of the least cost.
    certified : bool
        Whether the gap of the certificate meets the required gap.
    proof : {"prices", "cuts"}
        Proof of the lower bound: prices of the groups, without a solver; or a mixed-integer linear
        program, as far as the tolerances of its solver hold.
    nodes, cuts : int
        Branches of the search, and cuts of that program; 0 where prices alone proved the answer.
    caveats : tuple of str
        Assumptions about the servers.

    Examples
    --------
    >>> from sojourn.models import Groups, MM1
    >>> towns = Groups(
    ...     MM1([1.0, 1.0, 1.0]),
    ...     load={"a": 4.0, "b": 3.0, "c": 6.0},
    ...     delay=[[0.0, 0.5, 0.9], [0.5, 0.0, 0.6], [0.9, 0.6, 0.0]],
    ...     names=["west", "mid", "east"],
    ... )
    >>> found = towns.size(rate_price=1.0, opening=2.0, delay_cost=3.0)
    >>> found.site, round(found.cost, 6), found.certified
    (('west', 'west', 'east'), 39.150433, True)
    >>> found.rate.round(4)
    array([11.5826,  0.    , 10.2426])
    """

    load: float
    group_names: tuple[str, ...]
    site_names: tuple[str, ...]
    group_load: Array
    open: npt.NDArray[np.bool_]
    site: tuple[str, ...]
    share: Array
    flow: Array
    rate: Array
    mean_delay: float
    group_delay: Array
    cost: float
    rate_cost: float
    opening_cost: float
    delay_cost: float
    certificate: Bounds
    certified: bool
    proof: str
    nodes: int
    cuts: int
    caveats: tuple[str, ...] = ()

    times: ClassVar[tuple[str, ...]] = ("mean_delay", "group_delay")

    def __repr__(self) -> str:
        head = (
            f"{int(self.open.sum())} of {self.open.size} sites open for load {self.load:g}: "
            f"cost {self.cost:.9g}, mean delay {self.mean_delay:.6g}"
        )
        verdict = "certified" if self.certified else "NOT CERTIFIED"
        width = max(map(len, self.site_names))
        lines = [
            f"  {name:<{width}}  flow {self.flow[i]:8.6g}  rate {self.rate[i]:8.6g}  "
            f"{self._served(i)}"
            for i, name in enumerate(self.site_names)
        ]
        return "\n".join(
            [
                head,
                *(f"  but {caveat}" for caveat in self.caveats),
                f"  {verdict} within {self.certificate.gap:.1e} ({self.proof})",
                f"  rates {self.rate_cost:.6g}, opening {self.opening_cost:.6g}, "
                f"delays {self.delay_cost:.6g}",
                *lines,
            ]
        )

    def _served(self, i: int) -> str:
        """Return the groups of a site in words, with the share of those that are divided."""
        if not self.open[i]:
            return "closed"
        groups = np.flatnonzero(self.share[:, i] > 0).tolist()
        words = [
            self.group_names[g] + ("" if self.site[g] else f" ({self.share[g, i]:.4g})")
            for g in groups[:SHOWN]
        ]
        more = len(groups) - SHOWN
        return ", ".join(words) + (f" and {more} more" if more > 0 else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        names = ("load", "cost", "rate_cost", "opening_cost", "delay_cost", "mean_delay")
        numbers = zip(self.open.tolist(), self.flow.tolist(), self.rate.tolist(), strict=True)
        return {
            **finite({name: float(getattr(self, name)) for name in names}),
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "proof": self.proof,
            "nodes": self.nodes,
            "cuts": self.cuts,
            "sites": [
                {"name": name, "open": is_open, "flow": flow, "rate": rate}
                for name, (is_open, flow, rate) in zip(self.site_names, numbers, strict=True)
            ],
            "groups": [
                {
                    "name": name,
                    "site": self.site[g] or None,
                    "share": self.share[g].tolist(),
                    "delay": float(self.group_delay[g]),
                }
                for g, name in enumerate(self.group_names)
            ],
            "caveats": list(self.caveats),
        }

    def plot(self, groups_at: Places, sites_at: Places, title: str = "") -> Figure:
        """Draw a map of the sites and of the groups that they serve.

        Parameters
        ----------
        groups_at, sites_at : array_like, shape (G, 2) and (n, 2), or mapping
            Coordinates, in order or by name.
        title : str, optional
            Title of the figure.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            Where there are no two finite coordinates for each.
        """
        from .sites_plot import plot_sites  # the import takes time

        return plot_sites(self, groups_at, sites_at, title)


def size_sites(
    groups: Groups,
    rate_price: npt.ArrayLike,
    opening: npt.ArrayLike,
    delay_cost: float,
    max_rate: npt.ArrayLike | None,
    gap: float,
    max_seconds: float,
) -> SizedSites:
    """Return the open sites, rates and assignment of least cost; see `Groups.size`."""
    gap = check_gap(gap)
    max_seconds = as_positive("max_seconds", max_seconds, "give a time in seconds above 0")
    costs, fixed = sized(groups, rate_price, opening, delay_cost, max_rate)
    load = groups.group_load
    found = choose_sites(costs, fixed, load, gap=gap, max_seconds=max_seconds)
    flow, rate, share = np.sum(found.jobs, axis=0), found.rate, found.jobs / load[:, None]
    is_open = flow > 0
    time = np.zeros(flow.size)
    x, mu = flow[is_open], rate[is_open]
    time[is_open] = 1.0 / mu + costs.k[is_open] * x / (mu * (mu - x)) + groups.bank.delay[is_open]
    far = np.where(share > 0, groups.delay, 0.0)
    group_delay = np.sum(share * (far + time), axis=1)
    # the parts, so that they sum to the cost
    paid, opened = float(costs.price @ rate), float(np.sum(costs.opening, where=is_open))
    waited = costs.weight * float(load @ group_delay)
    certificate = bounds(found.cost, found.lower, found.cost, ROUNDING)
    whole = np.max(share, axis=1) >= WHOLE
    best = np.argmax(share, axis=1)
    return SizedSites(
        load=float(np.sum(load)),
        group_names=groups.groups,
        site_names=groups.stations,
        group_load=load,
        open=is_open,
        site=tuple(groups.stations[best[g]] if whole[g] else "" for g in range(load.size)),
        share=share,
        flow=flow,
        rate=rate,
        mean_delay=float(load @ group_delay / np.sum(load)),
        group_delay=group_delay,
        cost=paid + opened + waited,
        rate_cost=paid,
        opening_cost=opened,
        delay_cost=waited,
        certificate=certificate,
        certified=bool(certificate.gap <= gap + ROUNDING),
        proof=found.proof,
        nodes=found.branches,
        cuts=found.cuts,
        caveats=_caveats(groups, costs, is_open),
    )


def sized(
    groups: Groups,
    rate_price: npt.ArrayLike,
    opening: npt.ArrayLike,
    delay_cost: float,
    max_rate: npt.ArrayLike | None,
) -> SiteNumbers:
    """Return the costs of sites after a check of all numbers; see `Groups.size`."""
    n = len(groups.bank)
    check_scalable(groups.bank, groups.stations)
    variability: Any = groups.bank  # the base class of banks has none
    price = as_amounts("rate_price", rate_price, n)
    opening = as_amounts("opening", opening, n)
    weight = as_amount("delay_cost", delay_cost, "give money per job and unit of time")
    most = np.full(n, np.inf) if max_rate is None else as_server_array("max_rate", max_rate, n)
    good = (most >= SMALL) & ((most <= LARGE) | (most == np.inf))
    raise_at_first(
        "max_rate", most, good, "is no rate", f"give a rate above 0{RANGE}, or inf for none"
    )
    problem = "is free, and there is no largest rate"
    remedy = "give a price above 0, or max_rate"
    raise_at_first("rate_price", price, (price > 0) | np.isfinite(most), problem, remedy)
    fixed = weight * (groups.delay + groups.bank.delay)
    return SiteNumbers(SiteCosts(price, opening, np.asarray(variability.k), weight, most), fixed)


def _caveats(groups: Groups, costs: SiteCosts, is_open: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Return a warning where a coefficient of variation is kept while the rate changes."""
    kept = is_open & (costs.k != 1.0) & (costs.k != 0.5)
    if not kept.any():
        return ()
    names = [groups.stations[i] for i in np.flatnonzero(kept)]
    shown = ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
    return (f"the coefficient of variation of the service time is the same at every rate: {shown}",)
