"""The solution of a system with routes: flows, mean delay and certificate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.html_table import HtmlTable
from ....reference.routes import RouteFlow
from ...core.solution import CertifiedAnswer, finite_or_none
from ..parallel.prices import Goal

if TYPE_CHECKING:
    import xarray as xr

Index = npt.NDArray[np.intp]
SHOWN = 12  # stations and groups that a printed solution lists


@dataclass(frozen=True, eq=False)
class UsedRoute:
    """A route with a flow.

    Attributes
    ----------
    stations : tuple of str
        Stations of the route.
    flow : float
        Jobs per unit of time on this route.
    share : float
        Part of the load of its group.
    delay : float
        Mean time of a job on this route, with its fixed delay, in units of time.
    """

    stations: tuple[str, ...]
    flow: float
    share: float
    delay: float

    times: ClassVar[tuple[str, ...]] = ("delay",)


@dataclass(frozen=True, eq=False, kw_only=True)
class RouteSolution(CertifiedAnswer):
    """Flows of G groups over A stations, found by a solver, with a certificate of their error.

    The mean delay and the station flows are unique where latencies rise strictly. The flows of
    routes, and the split of a group, are one of many that have these station flows.

    Attributes
    ----------
    goal : {"optimum", "equilibrium"}
        The problem that was solved.
    load : float
        Total load, jobs per unit of time.
    multiple : float
        Total load divided by that of the system.
    players : float
        Number of equal players of an equilibrium; inf where no single user changes a delay.
    mean_delay : float
        Mean delay of a job, in units of time.
    station_names, group_names : tuple of str
        Names.
    station_flow : ndarray, shape (A,)
        Load of each station, jobs per unit of time.
    station_latency : ndarray, shape (A,)
        Latency of each station, in units of time.
    utilisation : ndarray, shape (A,)
        Load of each station divided by its full load; NaN where it has none.
    group_load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    group_delay : ndarray, shape (G,)
        Mean delay of the jobs of each group, in units of time.
    potential_gap : float
        Relative duality gap of the program; of an equilibrium, the relative gap of the potential.
    mean_saving, largest_saving : float
        Cost that a job saves by a change to the cheapest route: the mean over all jobs, and the
        largest of any used route; in units of time.
    estimate : float
        Estimate, without a proof, of the true mean delay; NaN where there is none.
    route_flow : RouteFlow
        Flows of the routes.
    link_ends : tuple of two ndarrays of int, shape (A,), or None
        First and last node of each station, where it is a link of a network.
    certificate : RouteCertificate
        Bounds of the true mean delay, and the largest relative error.
    caveats : tuple of str
        Warnings about the latencies at these flows, such as that one is beyond all samples.
    certified, solver, formulation, status, polished, attempts, timing, problem
        See `sojourn.models.core.solution.CertifiedAnswer`.
    """

    goal: Goal
    load: float
    multiple: float
    players: float
    mean_delay: float
    station_names: tuple[str, ...]
    group_names: tuple[str, ...]
    station_flow: Array
    station_latency: Array
    utilisation: Array
    group_load: Array
    group_delay: Array
    potential_gap: float
    mean_saving: float
    largest_saving: float
    estimate: float
    route_flow: RouteFlow
    link_ends: tuple[Index, Index] | None = None
    caveats: tuple[str, ...] = ()

    times: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "station_latency",
        "group_delay",
        "mean_saving",
        "largest_saving",
        "estimate",
    )

    @cached_property
    def stations(self) -> xr.Dataset:
        """Flow, latency and utilisation by station, as an `xarray.Dataset`."""
        return self._dataset(
            "station",
            self.station_names,
            flow=self.station_flow,
            latency=self.station_latency,
            utilisation=self.utilisation,
        )

    @cached_property
    def groups(self) -> xr.Dataset:
        """Load and mean delay by group, as an `xarray.Dataset`."""
        return self._dataset(
            "group", self.group_names, load=self.group_load, delay=self.group_delay
        )

    def _dataset(self, over: str, names: tuple[str, ...], **columns: Array) -> xr.Dataset:
        import xarray as xr  # the import takes time

        variables = {name: (over, values) for name, values in columns.items()}
        return xr.Dataset(variables, {over: list(names)})

    def routes_between(self, *group: Any) -> tuple[UsedRoute, ...]:
        """Return the routes that a group uses, that with the largest flow first.

        They are one of many ways to have these station flows: other routes, and other groups on
        them, can give the same delays.

        Parameters
        ----------
        *group : str
            Name of the group; in a network also its origin and its destination, as two names.

        Raises
        ------
        InputError
            Where there is no such group.
        """
        name = " -> ".join(str(part) for part in group if isinstance(part, str | int))
        if name not in self.group_names:
            known = ", ".join(self.group_names[:SHOWN])
            raise InputError("group", group, "is not a group", f"use {known}")
        k = self.group_names.index(name)
        first, end = np.searchsorted(self.route_flow.columns.group, [k, k + 1])
        used = first + np.flatnonzero(self.route_flow.flow[first:end] > 0)
        columns, flow = self.route_flow.columns.only(used), self.route_flow.flow[used]
        latency = np.where(self.station_flow > 0, self.station_latency, 0.0)
        routes = zip(columns.stations, flow.tolist(), columns.costs(latency).tolist(), strict=True)
        found = [
            UsedRoute(self._in_order(stations), x, x / float(self.group_load[k]), delay)
            for stations, x, delay in routes
        ]
        return tuple(sorted(found, key=lambda route: -route.flow))

    def _in_order(self, stations: list[int]) -> tuple[str, ...]:
        """Return the names of the stations of a route; links in the order of travel."""
        if self.link_ends is not None:
            tail, head = self.link_ends
            after = {int(tail[a]): a for a in stations}
            (node,) = after.keys() - {int(head[a]) for a in stations}
            stations = []
            while node in after:
                stations.append(after[node])
                node = int(head[after[node]])
        return tuple(self.station_names[a] for a in stations)

    def __repr__(self) -> str:
        is_game = self.goal == "equilibrium" and math.isfinite(self.players)
        of_players = f" of {self.players:g} players" if is_game else ""
        head = (
            f"{self.goal}{of_players} at load {self.load:g}: mean delay {self.mean_delay:.9g}, "
            f"{self.mean_saving:.1e} to save by other routes"
        )
        caveats = [f"  but {caveat}" for caveat in self.caveats]
        return "\n".join([head, *caveats, f"  {self.proof}", *self._lines()])

    def _lines(self) -> list[str]:
        """Return a line of text for each of the groups and stations with the largest flows."""
        groups = [
            f"load {load:8.6g}  delay {delay:.6g}"
            for load, delay in zip(self.group_load, self.group_delay, strict=True)
        ]
        stations = [
            f"flow {flow:8.6g}  latency {latency:.6g}"
            + ("" if math.isnan(busy) else f"  utilisation {busy:.4f}")
            for flow, latency, busy in zip(
                self.station_flow, self.station_latency, self.utilisation, strict=True
            )
        ]
        return [
            *_shown("groups", self.group_names, groups, self.group_load),
            *_shown("stations", self.station_names, stations, self.station_flow),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all but the problem as plain numbers and strings, ready for JSON.

        Infinite numbers are None, since JSON has none.
        """
        stations = zip(
            self.station_names,
            self.station_flow.tolist(),
            map(finite_or_none, self.station_latency),
            map(finite_or_none, self.utilisation),
            strict=True,
        )
        return {
            "goal": self.goal,
            **super().to_dict(),
            "stations": [
                dict(zip(("name", "flow", "latency", "utilisation"), row, strict=True))
                for row in stations
            ],
            "groups": [
                {
                    "name": name,
                    "load": float(self.group_load[k]),
                    "delay": finite_or_none(self.group_delay[k]),
                    "routes": [
                        {**vars(route), "stations": list(route.stations)}
                        for route in self.routes_between(name)
                    ],
                }
                for k, name in enumerate(self.group_names)
            ],
            "caveats": list(self.caveats),
        }


def _shown(what: str, names: tuple[str, ...], lines: list[str], size: Array) -> list[str]:
    """Return the lines with the largest sizes, each with its name, in order."""
    width = max(map(len, names))
    chosen = sorted(np.argsort(-size, kind="stable")[:SHOWN])
    hidden = len(lines) - len(chosen)
    return [f"  {names[i]:<{width}}  {lines[i]}" for i in chosen] + (
        [f"  ... and {hidden} more {what}"] if hidden else []
    )


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
