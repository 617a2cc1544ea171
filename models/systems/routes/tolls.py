"""Tolls that make selfish users choose the flows of the optimum."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np

from ....reference.errors import Array
from ....reference.html_table import HtmlTable
from ....reference.plural import counted
from ....reference.routes.price_bounds import ROUNDING, largest_load
from ....reference.routes.tolls import tolled_excess
from ...core.certificate import Bounds, bounds
from ...core.options import FormulationOptions
from ...core.signatures import show_options
from ...core.solution import finite
from ...core.tolerance import GapTolerance
from ..parallel.limits import no_limits
from .solution import RouteSolution

if TYPE_CHECKING:
    from .system import RouteSystem

SHOWN = 12  # stations that printed tolls list


@dataclass(frozen=True, eq=False)
class RouteTolls(HtmlTable):
    """Marginal-cost tolls of stations, and the equilibrium of users who pay them.

    Attributes
    ----------
    station_names : tuple of str
        Names of the A stations.
    toll : ndarray, shape (A,)
        Toll of each station, in units of time: v l'(v) at the optimum, the delay that a job adds
        to the other jobs.
    optimum : RouteSolution
        The optimum.
    equilibrium : RouteSolution
        The equilibrium of the stations with the tolls added to their latencies.
    mean_delay : float
        Mean delay of that equilibrium without the tolls: the mean delay of the optimum.
    mean_toll : float
        Toll that a job pays on average at that equilibrium, in units of time.
    certificate : Bounds
        Bounds of that mean delay. The lower bound is that of the optimum, so the gap is the largest
        relative distance of the equilibrium from the optimum.
    certified : bool
        Whether this gap and that of the optimum are small enough.
    difference : float
        Largest difference of a station flow between equilibrium and optimum, divided by the load.
        The flows of stations whose latency does not rise, and those of groups and routes, are not
        unique.

    Examples
    --------
    Braess's network: with tolls nobody takes the bridge.

    >>> from sojourn.models import Polynomial, Routes
    >>> links = {name: Polynomial([c]) for name, c in {
    ...     "a": (0.0, 10.0), "b": (50.0, 1.0), "c": (50.0, 1.0), "d": (0.0, 10.0),
    ...     "bridge": (10.0, 1.0)}.items()}
    >>> ways = [("a", "b"), ("c", "d"), ("a", "bridge", "d")]
    >>> tolls = Routes(links, {"all": ways}, load={"all": 6.0}).tolls()
    >>> tolls.toll.round(6), round(tolls.mean_delay, 6), tolls.certified
    (array([30.,  3.,  3., 30.,  0.]), 83.0, True)
    """

    station_names: tuple[str, ...]
    toll: Array
    optimum: RouteSolution
    equilibrium: RouteSolution
    mean_delay: float
    mean_toll: float
    certificate: Bounds
    certified: bool
    difference: float

    times: ClassVar[tuple[str, ...]] = ("toll", "mean_delay", "mean_toll", "certificate")

    @property
    def gap(self) -> float:
        """Largest relative error of the mean delay, and distance from the optimum."""
        return self.certificate.gap

    @property
    def _head(self) -> str:
        """First line of the text."""
        state = "" if self.certified else "NOT CERTIFIED as "
        return (
            f"tolls at load {self.optimum.load:g}: with them the equilibrium is {state}the "
            f"optimum: mean delay {self.mean_delay:.9g} within {self.gap:.1e}, "
            f"mean toll {self.mean_toll:.6g}"
        )

    def __repr__(self) -> str:
        shown = sorted(np.argsort(-self.toll, kind="stable")[:SHOWN])
        width = max(map(len, self.station_names))
        lines = [f"  {self.station_names[a]:<{width}}  toll {self.toll[a]:.6g}" for a in shown]
        hidden = self.toll.size - len(shown)
        last = [f"  ... and {counted(hidden, 'more station')}"] * (hidden > 0)
        return "\n".join([self._head, *lines, *last])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON."""
        return {
            "load": self.optimum.load,
            "mean_delay": self.mean_delay,
            "mean_toll": self.mean_toll,
            "certificate": finite(vars(self.certificate)),
            "certified": self.certified,
            "difference": self.difference,
            "toll": dict(zip(self.station_names, self.toll.tolist(), strict=True)),
        }


@show_options
def tolls(
    system: RouteSystem, load: float | None, **options: Unpack[FormulationOptions]
) -> RouteTolls:
    """Return tolls from the optimum and the equilibrium under them; see `RouteSystem.tolls`."""
    no_limits(options)
    best, bank = system.optimum(load, **options), system.bank
    v = best.station_flow
    if bank.uses_finite_differences:
        toll = np.maximum(bank.marginal(v) - bank.latency(v), 0.0)
    else:  # keeps its digits where it is small
        with np.errstate(invalid="ignore"):  # a slope may be infinite at 0
            toll = v * bank.latency_slope(v)
    toll = np.where(v > 0, toll, 0.0)
    tolled = copy(system)
    tolled.bank = bank.with_extra_delay(toll)
    tolled.routed = replace(system.routed, bank=tolled.bank)
    found = tolled.equilibrium(best.load, **options)
    v, rate, proof = found.station_flow, found.load, found.certificate
    mean_toll = float(toll @ v) / rate
    delay = float(v @ bank.latency(v) + found.route_flow.fixed_delay) / rate
    most = largest_load(system.routed, found.group_load)
    above = tolled_excess(bank, v, toll, proof.mean_saving * rate, most) / rate
    # no flow is better than the optimum
    certificate = bounds(delay, best.certificate.lower_bound, delay + above, ROUNDING)
    rounding = max(best.certificate.rounding, proof.rounding * found.mean_delay / delay)
    certified = best.certified and bool(GapTolerance.of(options).met(certificate.gap, rounding))
    difference = float(np.max(np.abs(v - best.station_flow))) / rate
    return RouteTolls(
        station_names=system.stations,
        toll=toll,
        optimum=best,
        equilibrium=found,
        mean_delay=delay,
        mean_toll=mean_toll,
        certificate=certificate,
        certified=certified,
        difference=difference,
    )
