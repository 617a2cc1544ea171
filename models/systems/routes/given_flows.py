"""Flows that a user gives for a system with routes: by route, by origin, or in total by station.

Each of them becomes flows on routes that sum to the load of each group. The flow of a station may
have more than these routes bring: jobs that go round in circles, or need routes that were not
found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from scipy.sparse import csr_array

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.routes import Columns, GraphRoutes, RouteFlow
from ....reference.routes.given import decompose
from ....reference.validation import as_float, as_floats, check_list, raise_at_first

if TYPE_CHECKING:
    from .network import Network
    from .system import RouteSystem

WAYS = ("flow", "share", "by_origin", "station_flow")
REMEDY = "give flow=, share=, by_origin= or station_flow="
FEW = 12  # names that a message lists
FAR = 1e9  # multiple of all loads that no station is given; solvers fail on larger ones
ZERO = "give a number, 0 where nothing goes"

Found = tuple[RouteFlow, Array]
"""Flows on routes, and the flow of each station, which may have more than the routes bring."""
Given = tuple[float, float, Array]
"""The number that is given for a route, its fixed delay, and its work at the stations."""


def is_network(system: RouteSystem) -> TypeGuard[Network]:
    """Return whether the routes lead through a graph from origins to destinations."""
    return isinstance(system.routed.routes, GraphRoutes)


def given_flow(
    system: RouteSystem, load: Array, given: Mapping[str, Any], tolerance: float
) -> Found:
    """Return flows on routes from the one of `WAYS` that is given.

    Parameters
    ----------
    system : RouteSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    given : mapping of str to object
        Each of `WAYS`; None where it is not given.
    tolerance : float
        Part of a load, or of all flow, that may be missing or too much.

    Raises
    ------
    InputError
        Where the flows are not flows of these loads.
    """
    present = [name for name in WAYS if given[name] is not None]
    if len(present) != 1:
        raise InputError("evaluate", present, "is not one way to give the flows", REMEDY)
    (name,) = present
    if name == "station_flow":
        return _in_total(system, load, _by_station(system, name, given[name]), tolerance)
    if name == "by_origin":
        return _by_origin(system, load, given[name], tolerance)
    by_group = _by_group(system, name, given[name])
    rows = _routes_of_network if is_network(system) else _routes_of_list
    parts: list[list[Given]] = [[] for _ in load]
    for k, value in by_group.items():
        parts[k] = rows(system, k, f"{name}[{system.groups[k]!r}]", value)
    group = np.repeat(np.arange(load.size), [len(own) for own in parts])
    number, delay, work = (
        np.array(column) for column in zip(*(row for own in parts for row in own), strict=True)
    )
    columns = Columns(group, csr_array(work), delay)
    whole, what = (load, "load") if name == "flow" else (np.ones(load.size), "whole")
    sums = columns.group_flow(number, load.size)
    close = np.abs(sums - whole) <= tolerance * whole
    if not close.all():
        k = int(np.argmin(close))
        problem = f"sums to {sums[k]:.12g}, not to the {what} {whole[k]:.12g} of {system.groups[k]}"
        field = f"{name}[{system.groups[k]!r}]"
        raise InputError(field, float(sums[k]), problem, "give numbers that sum to it")
    found = RouteFlow(columns, number * (load / whole)[group]).fitted(load).used()
    return found, found.station_flow


def _by_group(system: RouteSystem, field: str, value: Any) -> dict[int, Any]:
    """Return what is given for each group, by its index."""
    index: dict[Any, int] = {name: k for k, name in enumerate(system.groups)}
    if not isinstance(value, Mapping):
        given = check_list(field, np.asarray(value, dtype=object).tolist())
        if len(given) != len(index):
            problem = f"has {counted(len(given), 'row')} for {counted(len(index), 'group')}"
            raise InputError(field, len(given), problem, "give a row for each group")
        value = dict(zip(system.groups, given, strict=True))
    elif is_network(system):
        index |= {pair: k for k, pair in enumerate(system.pairs)}
    for key in value:
        if key not in index:
            known = ", ".join(system.groups[:FEW])
            raise InputError(f"{field}[{key!r}]", value[key], "is of no group", f"use {known}")
    out = {index[key]: own for key, own in value.items()}
    missing = [name for k, name in enumerate(system.groups) if k not in out]
    if missing:
        remedy = f"give those of all {len(system.groups)} groups"
        raise InputError(field, list(value), f"has no flows of {missing[0]}", remedy)
    return out


def _numbers(field: str, value: Any, count: int, what: str) -> Array:
    """Return a finite number of 0 or more for each of several things."""
    array = as_floats(field, value)
    if array.shape != (count,):
        problem = f"is {counted(array.size, 'number')} for {count} {what}"
        raise InputError(field, array.tolist(), problem, f"give {counted(count, 'number')}")
    raise_at_first(field, array, np.isfinite(array), "is not a finite number", ZERO)
    raise_at_first(field, array, array >= 0, "is negative", ZERO)
    return array


def _routes_of_list(system: RouteSystem, k: int, field: str, value: Any) -> list[Given]:
    """Return what is given for each listed route of a group."""
    columns = system.routed.routes.listed
    assert columns is not None  # noqa: S101
    rows = np.flatnonzero(columns.group == k)
    works, n = columns.work[rows].toarray(), len(system.stations)
    single = (works.sum(axis=1) == 1) & (works.max(axis=1) == 1)
    if single.all() and np.size(value) == n != rows.size:
        # one number a server, also for those that the group may not use
        server, numbers = works.argmax(axis=1), _numbers(field, value, n, "servers")
        allowed = np.isin(np.arange(n), server) | (numbers == 0)
        what = f"is at a server that {system.groups[k]} may not use"
        raise_at_first(field, numbers, allowed, what, "give 0 there")
        parts = numbers[server]
    else:
        parts = _numbers(field, value, rows.size, f"routes of {system.groups[k]}")
    return list(zip(parts.tolist(), columns.delay[rows].tolist(), works, strict=True))


def _routes_of_network(system: RouteSystem, k: int, field: str, value: Any) -> list[Given]:
    """Return what is given for each route of a pair of nodes."""
    assert is_network(system)  # noqa: S101
    out = []
    for r, entry in enumerate(check_list(field, value)):
        place = f"{field}[{r}]"
        if not (isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 2):
            remedy = 'give pairs such as (["a", "b", "c"], 12.5)'
            raise InputError(place, entry, "is not a pair of a route and a number", remedy)
        links = _links(system, f"{place}[0]", entry[0])
        _check_way(system, k, f"{place}[0]", entry[0], links)
        part = _numbers(f"{place}[1]", [as_float(f"{place}[1]", entry[1])], 1, "route")
        work = np.bincount(links, minlength=len(system.stations)).astype(float)
        out.append((float(part[0]), 0.0, work))
    return out


def _links(system: Network, field: str, route: Any) -> list[int]:
    """Return the links of a route, given by their names or as the nodes that it passes."""
    steps = [route] if isinstance(route, str) else check_list(field, route)
    index = {name: a for a, name in enumerate(system.stations)}
    if all(isinstance(step, str) and step in index for step in steps):
        return [index[step] for step in steps]
    between: dict[Any, list[int]] = {}
    for a, ends in enumerate(system.ends):
        between.setdefault(ends, []).append(a)
    out = []
    for start, end in pairwise(steps):
        links = between.get((start, end), [])
        if len(links) != 1:
            problem = f"has {len(links) or 'no'} links from {start} to {end}"
            raise InputError(field, route, problem, "give the names of the links")
        out += links
    if not out:
        raise InputError(field, route, "is no route", "give its nodes, or the names of its links")
    return out


def _check_way(system: Network, k: int, field: str, route: Any, links: list[int]) -> None:
    """Raise InputError unless links lead from the origin to the destination of a group."""
    ends = [system.ends[a] for a in links]
    passed = [end for _, end in ends]
    breaks = [
        (end, start) for end, (start, _) in zip(passed, ends[1:], strict=False) if end != start
    ]
    closed = [node for node in passed[:-1] if node in system.closed]
    reached = (ends[0][0], passed[-1])
    if breaks:
        problem = f"is in pieces: a link ends at {breaks[0][0]}, the next starts at {breaks[0][1]}"
    elif reached != tuple(system.pairs[k]):
        problem = f"leads from {reached[0]} to {reached[1]}"
    elif closed:
        problem = f"passes {closed[0]}, which is closed"
    else:
        return
    raise InputError(field, route, problem, f"give a route of {system.groups[k]}")


def _by_station(system: RouteSystem, field: str, value: Any) -> Array:
    """Return the flow of each station, from numbers in order or by name; 0 for those not named."""
    if not isinstance(value, Mapping):
        return _numbers(field, value, len(system.stations), "stations")
    out, index = np.zeros(len(system.stations)), {n: a for a, n in enumerate(system.stations)}
    for name, flow in value.items():
        if name not in index:
            known = ", ".join(system.stations[:FEW])
            raise InputError(f"{field}[{name!r}]", flow, "is of no station", f"use {known}")
        number = as_float(f"{field}[{name!r}]", flow)
        out[index[name]] = _numbers(f"{field}[{name!r}]", [number], 1, "station")[0]
    return out


def _by_origin(system: RouteSystem, load: Array, value: Any, tolerance: float) -> Found:
    """Return flows on routes from flows of links by origin."""
    graph = system.routed.routes
    if not (is_network(system) and isinstance(graph, GraphRoutes)):
        problem = "is for networks: these routes have no origins"
        raise InputError("by_origin", value, problem, "give flow=, share= or station_flow=")
    starts = list(dict.fromkeys(origin for origin, _ in system.pairs))
    if not isinstance(value, Mapping) or set(value) != set(starts):
        problem, named = "does not have the flows of each origin", ", ".join(map(str, starts[:FEW]))
        shown = list(value) if isinstance(value, Mapping) else value
        remedy = f"give a mapping from {named} to flows of the links"
        raise InputError("by_origin", shown, problem, remedy)
    place = {origin: int(graph.origin_place[k]) for k, (origin, _) in enumerate(system.pairs)}
    flow = np.zeros((len(starts), len(system.stations)))
    for origin in starts:
        flow[place[origin]] = _by_station(system, f"by_origin[{origin!r}]", value[origin])
    balance = np.asarray((graph.incidence @ flow.T).T) - graph.demand(load)
    sent = np.maximum(-graph.demand(load), 0.0).sum(axis=1)
    for origin in starts:
        o = place[origin]
        field = f"by_origin[{origin!r}]"
        _check_balance(system, field, balance[o], float(sent[o]), tolerance, f" from {origin}")
    found = graph.columns_of(flow).fitted(load).used()
    return found, np.maximum(flow.sum(axis=0), found.station_flow)


def _check_balance(
    system: Network, field: str, balance: Array, sent: float, tolerance: float, where: str = ""
) -> None:
    """Raise InputError at the node where most jobs vanish or appear, if they are too many."""
    graph = system.routed.routes
    assert isinstance(graph, GraphRoutes)  # noqa: S101
    worst = int(np.argmax(np.abs(balance)))
    if abs(balance[worst]) <= tolerance * sent:
        return
    node = int(np.flatnonzero(graph.departure == worst)[0]) if worst >= graph.nodes else worst
    kind = "vanish" if balance[worst] > 0 else "appear"
    amount, name = abs(float(balance[worst])), system.nodes[node]
    shut = ", which routes do not pass" if graph.departure[node] != node else ""
    problem = f"of the {sent:.6g} jobs{where}, {amount:.6g} {kind} at node {name}{shut}"
    remedy = "give flows that are conserved at every node, with these loads"
    raise InputError(field, amount, problem, remedy)


def _in_total(system: RouteSystem, load: Array, flow: Array, tolerance: float) -> Found:
    """Return flows on routes from total flows of the stations."""
    graph, most = system.routed.routes, FAR * float(load.sum())
    remedy = "give the flows of these loads"
    raise_at_first("station_flow", flow, flow <= most, "is far above all loads", remedy)
    if is_network(system) and isinstance(graph, GraphRoutes):
        demand = graph.demand(load).sum(axis=0)
        balance = graph.incidence @ flow - demand
        _check_balance(system, "station_flow", balance, float(load.sum()), tolerance)
    parts = decompose(system.routed, load, flow)
    if parts.proved > tolerance * flow.sum():
        order = np.argsort(-np.abs(parts.price), kind="stable")
        named = [system.stations[a] for a in order[:FEW] if abs(parts.price[a]) > 0.5]
        problem = (
            f"is not a flow of these loads: at least {parts.proved:.6g} jobs are too few or too "
            f"many at {', '.join(named)}"
        )
        remedy = "give flows of these loads, or a wider tolerance="
        raise InputError("station_flow", flow.tolist(), problem, remedy)
    found = parts.found.used()
    return found, np.maximum(flow, found.station_flow)
