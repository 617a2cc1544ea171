"""The solution of a system with routes: flows, mean delay and certificate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ....reference.errors import Array
from ....reference.html_table import HtmlTable
from ....reference.plural import counted
from ....reference.routes import RoutedSystem
from ....reference.routes.capacity import capacity
from ...core.solution import CertifiedAnswer, finite_or_none
from ..parallel.prices import Goal
from ..parallel.solution import ShadowPrice
from .flows import RoutedFlows


@dataclass(frozen=True, eq=False, kw_only=True)
class RouteSolution(RoutedFlows, CertifiedAnswer):
    """Flows of G groups over A stations, found by a solver, with a certificate of their error.

    The mean delay and the station flows are unique where latencies rise strictly. The flows of
    routes, and the split of a group, are one of many that have these station flows.

    It also has the attributes of `RoutedFlows` (``load``, ``multiple``, ``station_flow``,
    ``group_delay``, ``route_flow``, ...) and of `sojourn.models.core.solution.CertifiedAnswer`
    (``certified``, ``solver``, ``formulation``, ``status``, ``polished``, ``attempts``, ``timing``,
    ``problem``).

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
        The problem that was solved.
    players : float
        Number of equal players of an equilibrium; inf where no single user changes a delay.
    mean_delay : float
        Mean delay of a job, in units of time.
    potential_gap : float
        Relative duality gap of the program; of an equilibrium, the relative gap of the potential.
    mean_saving, largest_saving : float
        Cost that a job saves by a change to the cheapest route: the mean over all jobs, and the
        largest of any used route; in units of time.
    estimate : float
        Estimate, without a proof, of the true mean delay; NaN where there is none.
    certificate : RouteCertificate
        Bounds of the true mean delay, and the largest relative error.
    limits : tuple of ShadowPrice
        One for each limit of an optimum, in the order of ``subject_to``.
    """

    goal: Goal
    players: float
    mean_delay: float
    potential_gap: float
    mean_saving: float
    largest_saving: float
    estimate: float
    limits: tuple[ShadowPrice, ...] = ()

    choices: ClassVar[str] = "routes"
    times: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "station_latency",
        "group_delay",
        "mean_saving",
        "largest_saving",
        "estimate",
    )

    def __repr__(self) -> str:
        is_game = self.goal == "equilibrium" and math.isfinite(self.players)
        of_players = f" of {counted(self.players, 'player')}" if is_game else ""
        head = (
            f"{self.goal}{of_players} at load {self.load:g}: mean delay {self.mean_delay:.9g}, "
            f"{self.mean_saving:.1e} to save by other {self.choices}"
        )
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        limits = [f"  {limit}" for limit in self.limits]
        return "\n".join([head, *caveats, f"  {self.proof}", *self._lines(), *limits])

    def to_dict(self) -> dict[str, Any]:
        """Return all but the problem as plain numbers and strings, ready for JSON.

        Infinite numbers are None, since JSON has none.
        """
        return {
            "goal": self.goal,
            **super().to_dict(),
            **self._records(),
            "limits": [limit.to_dict() for limit in self.limits],
            "caveats": list(self.caveats),
        }


@dataclass(frozen=True, eq=False)
class LargestLoad(HtmlTable):
    """The largest multiple of the loads that the stations can carry, with its proof.

    Attributes
    ----------
    multiple : float
        Largest multiple of the loads of the groups; infinite where no station limits it.
    max_load : float
        The same as a total load, jobs per unit of time.
    lower, upper : float
        Proved bounds of the multiple: flows carry the lower, and prices of the stations exclude
        more than the upper.
    limiting : tuple of str
        Stations that limit it.
    price : ndarray, shape (A,)
        Price of each station in that proof; 0 for those that do not limit it.
    station_names : tuple of str
        Names of the A stations.
    """

    multiple: float
    max_load: float
    lower: float
    upper: float
    limiting: tuple[str, ...]
    price: Array
    station_names: tuple[str, ...]

    @classmethod
    def of(cls, system: RoutedSystem, **more: Any) -> Self:
        """Return the largest load of a system; `more` are the fields that a subclass adds."""
        most = capacity(system)
        return cls(
            multiple=most.multiple,
            max_load=most.max_load,
            lower=most.lower,
            upper=most.upper,
            limiting=tuple(system.stations[a] for a in most.limiting),
            price=most.price,
            station_names=system.stations,
            **more,
        )

    def __repr__(self) -> str:
        if math.isinf(self.multiple):
            return "no station limits the load"
        head = f"largest load {self.max_load:.9g}, {self.multiple:.9g} times the loads"
        return f"{head}\n  limited by {', '.join(self.limiting)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON. Infinite numbers are None."""
        names = ("multiple", "max_load", "lower", "upper")
        prices = zip(self.station_names, self.price.tolist(), strict=True)
        return {
            **{name: finite_or_none(getattr(self, name)) for name in names},
            "limiting": list(self.limiting),
            "price": dict(prices),
        }
