"""Limits on the flows of stations and of groups: their rows, and those that no flow meets.

The limits of `sojourn.models.systems.parallel.limits` hold here with stations in the place of
servers; `MaxGroupFlow` is for systems with routes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array

from ....reference.errors import Array, InputError, LoadError
from ....reference.routes import RoutedSystem, RouteFlow
from ....reference.routes.limited import Inside, inside
from ....reference.routes.route_rows import RouteRows
from ....reference.validation import LARGEST, as_fraction, as_integer, check_choice, check_within
from ...core.table import Mask
from ...latency.base import Latency
from ..parallel.limits import limits_of, register_limit
from ..parallel.linear_limit import Limit, LinearLimit
from ..parallel.solution import ShadowPrice

BINDS = 1e-6  # part of the largest price in a proof that counts


@register_limit("MaxGroupFlow")
@dataclass(frozen=True, kw_only=True)
class MaxGroupFlow(Limit):
    """At most a given flow of one group at a station, or on one of its listed routes.

    Parameters
    ----------
    group : str
        Name of the group.
    station : str, optional
        Name of the station. Either `station` or `route` is given.
    route : int, optional
        Index of the route in the list of the group, from 0.
    share : float, optional
        Largest share of the group's load, from 0 to 1. Either `share` or `flow` is given.
    flow : float, optional
        Largest flow, jobs per unit of time.

    Examples
    --------
    >>> from sojourn.models import MM1, Groups, MaxGroupFlow
    >>> pair = Groups(MM1([100.0, 80.0]), load={"north": 60.0, "south": 30.0})
    >>> limit = MaxGroupFlow(group="south", station="server 1", share=0.0)
    >>> pair.optimum(subject_to=[limit]).route_flow.flow.round(3)
    array([52.492,  7.508, 30.   ])
    """

    group: str
    station: str | None = None
    route: int | None = None
    share: float | None = None
    flow: float | None = None

    def linearise(self, bank: Latency, load: float) -> NoReturn:
        """Raise InputError: servers alone have no groups."""
        problem = "limits a group of users, which parallel servers do not have"
        remedy = "use Groups, Routes or Network; in a file, stations and groups, or a network"
        raise InputError("MaxGroupFlow", self.group, problem, remedy)

    def rows(self, system: RoutedSystem, load: Array) -> RouteRows:
        """Return the limit as one row on flows of routes.

        Parameters
        ----------
        system : RoutedSystem
            A stations, and the routes of G groups.
        load : ndarray, shape (G,)
            Load of each group, jobs per unit of time.
        """
        problem = "is not a group"
        check_choice("MaxGroupFlow.group", self.group, system.groups, problem)
        k = system.groups.index(self.group)
        for names in (("station", "route"), ("share", "flow")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) != 1:
                both, nor = ("both", "and") if given else ("neither", "nor")
                problem = f"has {both} {names[0]} {nor} {names[1]}"
                raise InputError("MaxGroupFlow", self.group, problem, f"give {' or '.join(names)}")
        bound = np.array([self._bound(float(load[k]))])
        station = np.zeros((1, len(system.bank)))
        if self.station is not None:
            problem = "is not a station"
            check_choice("MaxGroupFlow.station", self.station, system.stations, problem)
            station[0, system.stations.index(self.station)] = 1.0
            return RouteRows(csr_array(station), np.array([k]), (None,), bound)
        listed = system.routes.listed
        if listed is None:
            problem = "is for listed routes, which a network does not have"
            raise InputError("MaxGroupFlow.route", self.route, problem, "limit a station")
        own = np.flatnonzero(listed.group == k)
        field, what = "MaxGroupFlow.route", f"a route of {self.group}"
        place = as_integer(field, self.route, what, 0, own.size - 1)
        key = listed.keys[int(own[place])]
        return RouteRows(csr_array(station), np.array([-1]), (key,), bound)

    def unit(self, load: float) -> float:
        """Return the flow that one unit of the limit stands for, at a load of the group."""
        return 1.0 if self.share is None else load

    def _bound(self, load: float) -> float:
        """Return the largest flow at a load of the group."""
        if self.share is not None:
            return as_fraction("MaxGroupFlow.share", self.share, "the group's load") * load
        problem, remedy = "is not a flow", "give jobs per unit of time, 0 or more"
        return check_within("MaxGroupFlow.flow", self.flow, 0, LARGEST, problem, remedy)

    @property
    def name(self) -> str:
        """Name in messages and results."""
        where = f"at {self.station}" if self.station is not None else f"on route {self.route}"
        return f"{'flow' if self.share is None else 'share'} of {self.group} {where}"


@dataclass(frozen=True, eq=False)
class LimitRows:
    """One limit as rows on flows of routes.

    Attributes
    ----------
    limit : Limit
        The limit as it was given.
    name : str
        Name in messages and results.
    rows : RouteRows
        Its m rows, those with infinite bounds included.
    unit : ndarray, shape (m,)
        Change of each bound when the limit is relaxed by one unit of its own.
    linear : LinearLimit or None
        The limit of stations in its own unit; None for that of a group.
    """

    limit: Limit
    name: str
    rows: RouteRows
    unit: Array
    linear: LinearLimit | None

    @classmethod
    def of(cls, limit: Limit, system: RoutedSystem, bank: Latency, load: Array) -> LimitRows:
        """Return a limit at the loads of the groups, shape (G,)."""
        if isinstance(limit, MaxGroupFlow):
            rows = limit.rows(system, load)
            unit = limit.unit(float(load[system.groups.index(limit.group)]))
            return cls(limit, limit.name, rows, np.array([unit]), None)
        linear, n = limit.linearise(bank, float(load.sum()))._checked(len(bank)), len(bank)
        matrix = np.asarray(linear.matrix)
        station = csr_array(diags_array(np.full(n, matrix)) if linear._per_server else matrix)
        if system.routes.listed is None and station.size and station.min() < 0:
            problem = "is a limit from below, which a network does not take"
            raise InputError("subject_to", linear.name, problem, "limit flows from above")
        rows = RouteRows.of_stations(station, np.ravel(np.asarray(linear.bound)))
        return cls(limit, linear.name, rows, np.ravel(np.asarray(linear.bound_per_unit)), linear)

    def shadow_price(self, bank: Latency, found: RouteFlow, z: Array, load: Array) -> ShadowPrice:
        """Return the shadow price of the limit.

        Parameters
        ----------
        bank : Latency
            A stations.
        found : RouteFlow
            Flows at the optimum.
        z : ndarray, shape (m,)
            Multipliers of the rows, in units of time.
        load : ndarray, shape (G,)
            Load of each group.
        """
        total, price = float(load.sum()), z * np.abs(self.unit)
        price = price / total
        if self.linear is None:
            value = (self.rows.matrix(found.columns) @ found.flow / self.unit)[0]
            bound = (self.rows.bound / self.unit)[0]
            return ShadowPrice(
                self.name, np.asarray(bound), np.asarray(value), price[0:1].reshape(())
            )
        shape = np.shape(self.linear.bound)
        return ShadowPrice(
            self.name,
            np.asarray(self.linear.own_bound),
            self.limit.value(bank, found.station_flow, total),
            price.reshape(shape),
            self.linear.of_time,
            "station" if self.linear._per_server else "row",
        )


@dataclass(frozen=True, eq=False)
class RouteLimits:
    """All limits of a system with routes at one load.

    Attributes
    ----------
    parts : tuple of LimitRows
        The limits, one after another.
    rows : RouteRows
        Their rows with finite bounds.
    kept : ndarray of bool
        Which of all rows have a finite bound.
    safe : RouteFlow
        Flows within the limits and below the rates of the stations.
    """

    parts: tuple[LimitRows, ...]
    rows: RouteRows
    kept: Mask
    safe: RouteFlow

    def shadow_prices(
        self, bank: Latency, found: RouteFlow, z: Array, load: Array
    ) -> tuple[ShadowPrice, ...]:
        """Return the shadow price of every limit; `z` has the multipliers of the kept rows."""
        every = np.zeros(self.kept.size)
        every[self.kept] = z
        ends = np.cumsum([len(part.rows) for part in self.parts])[:-1]
        return tuple(
            part.shadow_price(bank, found, own, load)
            for part, own in zip(self.parts, np.split(every, ends), strict=True)
        )


def route_limits(
    system: RoutedSystem, bank: Latency, limits: Sequence[Limit], load: Array
) -> RouteLimits:
    """Return all limits at the loads of the groups, with flows that meet them.

    Raises
    ------
    InputError
        On something that is not a limit, or a limit that does not fit.
    LoadError
        Where no flow of the loads meets the limits; it names those that contradict each other.
    """
    parts = tuple(LimitRows.of(limit, system, bank, load) for limit in limits_of(limits))
    every = RouteRows.joined([part.rows for part in parts])
    kept = np.isfinite(every.bound)
    rows = every.only(kept)
    found = inside(system, load, rows)
    if found.found is None:
        owner = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])[kept]
        raise _contradiction(system, parts, owner, rows, found, load)
    return RouteLimits(parts, rows, kept, found.found)


def _contradiction(
    system: RoutedSystem,
    parts: Sequence[LimitRows],
    owner: npt.NDArray[np.intp],
    rows: RouteRows,
    proof: Inside,
    load: Array,
) -> LoadError:
    """Return the error of limits that no flow meets.

    It names a smallest set of them: without any one of these, there is a flow.
    """
    for i in np.unique(owner):
        without = owner != i
        if without.any() and (other := inside(system, load, rows.only(without))).found is None:
            owner, rows, proof = owner[without], rows.only(without), other
    binding = np.flatnonzero(proof.z > BINDS * proof.z.max(initial=0.0))
    names = [parts[i].name for i in np.unique(owner)]
    full = np.flatnonzero(proof.station > BINDS * proof.station.max(initial=0.0))
    total = float(load.sum())
    if binding.size == 1 and not full.size:
        j = int(binding[0])
        own = parts[int(owner[j])]
        place = np.flatnonzero(np.isfinite(own.rows.bound))[j]
        unit = float(own.unit[place])
        least, most = proof.least / proof.z[j] / unit, rows.bound[j] / unit
        worse, better = ("less", "at most") if unit > 0 else ("more", "at least")
        problem = (
            f"leave the {own.name} no {worse} than {least:.6g} "
            f"where it is to be {better} {most:.6g}"
        )
        return LoadError("subject_to", names, problem, "relax it or lower the load")
    stations = ", ".join(system.stations[a] for a in full[:12])
    below = f" below the rate of {stations}" if full.size else ""
    together = " together" if len(names) > 1 else ""
    problem = f"cannot be met{together} by any flow of the load {total:.6g}{below}"
    remedy = "relax one of them" if len(names) > 1 else "relax it or lower the load"
    return LoadError("subject_to", names, problem, remedy)
