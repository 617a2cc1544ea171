"""The mean delay of given flows over routes, compared with the least one and the equilibrium.

No solver of CVXPY runs: the methods of `sojourn.reference.routes` find the optimum and the
equilibrium, and cheapest routes certify them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ....reference.compensated_sum import EPS, TINY, exact_sum
from ....reference.errors import Array
from ....reference.routes import RoutedSystem, RouteFlow
from ....reference.routes.bounds import certify
from ....reference.routes.engine import solve
from ....reference.validation import as_positive
from ...core.ratio import ROUNDING, BoundedValue, within
from ...core.solution import Compared, finite_or_none
from .flows import RoutedFlows, in_order, link_ends_of
from .given_flows import given_flow

if TYPE_CHECKING:
    from .system import RouteSystem

FAR = 1e6  # price of a full station, in multiples of all other prices together


@dataclass(frozen=True)
class RouteMove:
    """A change of route that lowers the delay of a user.

    Attributes
    ----------
    group : str
        Group of the user.
    start, end : tuple of str
        Stations of the route that the user leaves, and of the cheapest one of the group.
    saving : float
        Decrease of the delay, in units of time; infinite from a station that is full.
    """

    group: str
    start: tuple[str, ...]
    end: tuple[str, ...]
    saving: float

    times: ClassVar[tuple[str, ...]] = ("saving",)

    def __str__(self) -> str:
        start, end = (", ".join(way) for way in (self.start, self.end))
        return f"a user of {self.group} saves {self.saving:.6g} by a change from {start} to {end}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON."""
        return {
            "group": self.group,
            "from": list(self.start),
            "to": list(self.end),
            "saving": finite_or_none(self.saving),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class RouteEvaluation(RoutedFlows, Compared):
    """Given flows over routes, with their mean delay and their distance from the optimum.

    It also has the attributes of `RoutedFlows` (``load``, ``multiple``, ``station_flow``,
    ``group_delay``, ``route_flow``, ...) and of `sojourn.models.core.solution.Compared`
    (``mean_delay``, ``overloaded``, ``stable``, ``optimum_delay``, ``equilibrium_delay``,
    ``ratio``, ``loss``). Routes that were not given are one of many.

    Attributes
    ----------
    potential_gap : float
        What all jobs together save when each takes the cheapest route at the present latencies,
        relative to their delay: 0 at an equilibrium.
    mean_saving, largest_saving : float
        The same for a job on average, and for the job that saves most.
    move : RouteMove or None
        The change of route that saves most; None where none saves anything.
    residual : float
        Part of the station flows that the routes found do not bring: jobs that go round in
        circles, or other routes. It counts in all numbers but those of groups, the largest saving
        and the move.

    Examples
    --------
    >>> from sojourn.models import MM1, Groups
    >>> regions = Groups(
    ...     MM1([100.0, 80.0]), load={"north": 60.0, "south": 40.0}, delay=[[0.0, 0.1], [0.1, 0.0]]
    ... )
    >>> nearest = regions.evaluate(share=[[1.0, 0.0], [0.0, 1.0]])
    >>> round(nearest.mean_delay, 4), nearest.move
    (0.025, None)
    """

    potential_gap: float
    mean_saving: float
    largest_saving: float
    move: RouteMove | None
    residual: float

    times: ClassVar[tuple[str, ...]] = (
        *Compared.times,
        "station_latency",
        "group_delay",
        "mean_saving",
        "largest_saving",
        "move",
    )

    def __repr__(self) -> str:
        lines = self._comparison("flows")
        if self.residual > ROUNDING:
            lines.append(f"  but a part of {self.residual:.1e} of all flow is on no route found")
        if self.move is not None:
            lines.append(f"  {self.move}")
        lines += [f"  but {caveat}" for caveat in self.caveats]
        return "\n".join([*lines, *self._instability(), *self._lines()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON; infinite numbers are None."""
        savings = ("potential_gap", "mean_saving", "largest_saving", "residual")
        return {
            **super().to_dict(),
            **{name: finite_or_none(getattr(self, name)) for name in savings},
            "move": None if self.move is None else self.move.to_dict(),
            **self._records(),
            "caveats": list(self.caveats),
        }


def evaluate(
    system: RouteSystem, load: float, given: Mapping[str, Any], tolerance: float
) -> RouteEvaluation:
    """Return the evaluation of flows that are given in one way; see `RouteSystem.evaluate`."""
    tolerance = as_positive("tolerance", tolerance, "give a relative error such as 1e-6")
    multiple, bank, routed = load / system.load, system.bank, system.routed
    loads = multiple * system.group_load
    found, v = given_flow(system, loads, given, tolerance)
    columns, latency, full = found.columns, bank.latency(v), bank.spare_capacity(v) <= 0
    utilisation = bank.utilisation(v)
    delay = _mean_delay(system, load, found, v)
    best, selfish = (_bounded(routed, multiple, players) for players in (1.0, math.inf))
    # a finite price of full stations, beyond all that routes without them cost
    finite = np.isfinite(latency)
    far = FAR * (float(latency[finite].sum() + columns.delay.max(initial=0.0)) or 1.0)
    listed = routed.routes.listed
    if listed is not None:  # also for the route with the least work at a full station
        sizes = listed.work.data[listed.work.data > 0]
        far *= max(float(sizes.max()), 1.0) / min(float(sizes.min()), 1.0)
    price = np.where(finite, latency, far)
    cheapest, costs = routed.routes.cheapest(price), columns.costs(price)
    least = cheapest.costs(price)
    paid = math.inf if full.any() else float(v @ price) + found.fixed_delay
    saving = max(paid - float(loads @ least), 0.0)
    blocked, all_blocked = (of.work @ np.where(finite, 0.0, 1.0) > 0 for of in (columns, cheapest))
    # who waits for ever on each route saves nothing
    stuck = blocked & all_blocked[columns.group]
    saved = np.where(stuck, 0.0, np.where(blocked, np.inf, costs - least[columns.group]))
    r = int(np.argmax(saved))
    largest = max(float(saved[r]), 0.0)
    move = None
    if largest > ROUNDING * costs[r]:
        k, ends = int(columns.group[r]), link_ends_of(routed.routes)
        start, end = (
            in_order(system.stations, work.indices.tolist(), ends)
            for work in (columns.work[[r]], cheapest.work[[k]])
        )
        move = RouteMove(system.groups[k], start, end, largest)
    costs = np.where(blocked, np.inf, costs)
    return RouteEvaluation(
        load=load,
        mean_delay=delay,
        overloaded=tuple(np.array(system.stations, dtype=object)[full]),
        multiple=multiple,
        station_names=system.stations,
        group_names=system.groups,
        station_flow=v,
        station_latency=latency,
        utilisation=utilisation,
        group_load=loads,
        group_delay=columns.group_flow(found.flow * costs, loads.size) / loads,
        optimum_delay=best,
        equilibrium_delay=selfish,
        potential_gap=saving / paid if 0 < paid < math.inf else saving,
        mean_saving=saving / load,
        largest_saving=largest,
        move=move,
        residual=float(np.abs(v - found.station_flow).sum()) / max(float(v.sum()), TINY),
        route_flow=found,
        caveats=tuple(bank.caveats(v, system.stations)),
        link_ends=link_ends_of(routed.routes),
    )


def _mean_delay(system: RouteSystem, load: float, found: RouteFlow, flow: Array) -> BoundedValue:
    """Return the mean delay at station flows of shape (A,), with the bounds of rounding."""
    bank = system.bank
    latency, used = bank.latency(flow), flow > 0
    if not np.isfinite(latency[used]).all():
        return within(math.inf, 0.0)
    # a station without flow adds nothing to the mean, even where its latency is infinite
    terms = np.append(flow[used] * latency[used], found.flow * found.columns.delay)
    total = float(exact_sum(terms)[0])
    # the flows, and so the spare capacities, are exact only up to the rounding of floats
    marginal = np.where(used, bank.marginal(np.where(used, flow, 0.0)), 0.0)
    steepness = float(flow @ marginal) / total if total else 0.0
    return within(total / load, ROUNDING + 4 * EPS * steepness)


def _bounded(system: RoutedSystem, multiple: float, players: float) -> BoundedValue:
    """Return the mean delay of the equilibrium of K players, with the bounds of a certificate."""
    proof = certify(system, multiple, solve(system, players, multiple), players)
    value = proof.mean_delay
    return BoundedValue(value, min(proof.lower_bound, value), max(proof.upper_bound, value))
