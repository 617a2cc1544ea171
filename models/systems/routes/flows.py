"""Flows over routes as a user sees them: by station, by group and by route."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.routes import GraphRoutes, RouteFlow, RouteSet
from ...core.solution import finite_or_none

if TYPE_CHECKING:
    import xarray as xr

LinkEnds = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
SHOWN = 12  # stations and groups that a printed answer lists


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for JSON; infinite numbers are None."""
        stations, delay = list(self.stations), finite_or_none(self.delay)
        return {"stations": stations, "flow": self.flow, "share": self.share, "delay": delay}


@dataclass(frozen=True, eq=False, kw_only=True)
class RoutedFlows:
    """Flows of G groups over A stations; base class of `RouteSolution` and `RouteEvaluation`.

    Attributes
    ----------
    load : float
        Total load, jobs per unit of time.
    multiple : float
        Total load divided by that of the system.
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
    route_flow : RouteFlow
        Flows of the routes.
    link_ends : tuple of two ndarrays of int, shape (A,), or None
        First and last node of each station, where it is a link of a network.
    caveats : tuple of str
        Warnings about the latencies at these flows, such as that one is beyond all samples.
    """

    load: float
    multiple: float
    station_names: tuple[str, ...]
    group_names: tuple[str, ...]
    station_flow: Array
    station_latency: Array
    utilisation: Array
    group_load: Array
    group_delay: Array
    route_flow: RouteFlow
    link_ends: LinkEnds | None = None
    caveats: tuple[str, ...] = ()

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
        delays = columns.costs(self.station_latency).tolist()
        found = [
            UsedRoute(self._ordered(stations), x, x / float(self.group_load[k]), delay)
            for stations, x, delay in zip(columns.stations, flow.tolist(), delays, strict=True)
        ]
        return tuple(sorted(found, key=lambda route: -route.flow))

    def _ordered(self, stations: list[int]) -> tuple[str, ...]:
        """Return the names of the stations of a route; links in the order of travel."""
        return in_order(self.station_names, stations, self.link_ends)

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

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        """Return a record for each station and for each group, ready for JSON."""
        stations = zip(
            self.station_names,
            self.station_flow.tolist(),
            map(finite_or_none, self.station_latency),
            map(finite_or_none, self.utilisation),
            strict=True,
        )
        names = ("name", "flow", "latency", "utilisation")
        return {
            "stations": [dict(zip(names, row, strict=True)) for row in stations],
            "groups": [
                {
                    "name": name,
                    "load": float(self.group_load[k]),
                    "delay": finite_or_none(self.group_delay[k]),
                    "routes": [route.to_dict() for route in self.routes_between(name)],
                }
                for k, name in enumerate(self.group_names)
            ],
        }


def link_ends_of(routes: RouteSet) -> LinkEnds | None:
    """Return the first and last node of each link of a network, and None for listed routes."""
    return (routes.tail, routes.head) if isinstance(routes, GraphRoutes) else None


def in_order(
    names: tuple[str, ...], stations: list[int], link_ends: LinkEnds | None
) -> tuple[str, ...]:
    """Return the names of the stations of a route; links in the order of travel."""
    ordered = stations if link_ends is None else travelled(stations, link_ends)
    return tuple(names[a] for a in ordered)


def travelled(stations: list[int], link_ends: LinkEnds) -> list[int]:
    """Return the links of a route in the order of travel; as given where they have a loop."""
    tail, head = link_ends
    after = {int(tail[a]): a for a in stations}
    first = after.keys() - {int(head[a]) for a in stations}
    ordered: list[int] = []
    node = min(first, default=-1)
    while node in after:
        ordered.append(after.pop(node))
        node = int(head[ordered[-1]])
    return ordered if len(ordered) == len(stations) else stations


def _shown(what: str, names: tuple[str, ...], lines: list[str], size: Array) -> list[str]:
    """Return the lines with the largest sizes, each with its name, in order."""
    width = max(map(len, names))
    chosen = sorted(np.argsort(-size, kind="stable")[:SHOWN])
    hidden = len(lines) - len(chosen)
    return [f"  {names[i]:<{width}}  {lines[i]}" for i in chosen] + (
        [f"  ... and {hidden} more {what}"] if hidden else []
    )
