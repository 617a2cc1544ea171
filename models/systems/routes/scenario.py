"""Scenario files with tables ``stations`` and ``groups``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.plural import counted
from ...core.suggest import suggest
from ...frontend.fields import (
    Folder,
    ScenarioError,
    at_place,
    check_keys,
    plain,
    read_number,
    read_string,
)
from ...frontend.scenario import Described, noted
from ...frontend.servers import Server, banks, check_names, servers
from ...frontend.units import Units
from ...latency.base import Latency, as_latency
from ..parallel.linear_limit import Limit
from ..parallel.scenario_limits import limits
from .groups import Groups
from .limits import LimitRows
from .listed import Route, Routes
from .system import RouteSystem

WITHOUT_LIMITS = (
    "the limits are those of the optimum; the equilibrium, the price of anarchy and the curve are "
    "without them"
)
GROUP_KEYS = ("name", "load", "delay", "routes")


class Group(NamedTuple):
    """One group of a scenario file, in the unit of time of the system.

    Attributes
    ----------
    name : str
        Its name.
    load : float
        Its load, jobs per unit of time.
    delay : ndarray, shape (n,) or (R,)
        Fixed delay to each station, infinite where the group may not use it; or of each route.
    routes : list of routes, optional
        The routes that it may take; None for a group at a distance from each station.
    """

    name: str
    load: float
    delay: Array
    routes: list[Route] | None


def read(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system of a scenario file with ``stations`` and ``groups``.

    Parameters
    ----------
    given : mapping
        The parsed TOML file.
    folder : Folder
        Folder that paths are relative to.
    units : Units
        Units of the file.

    Raises
    ------
    ScenarioError
        On a field that does not fit, with its place in the file.
    """
    with noted() as notes:
        listed = servers(given.get("stations"), folder, units, "stations", "station")
        bank = as_latency(tuple(banks(listed, units)))
    names = [name for s in listed for name in s.names]
    tables = tables_of(given, "groups", "a load and a delay")
    groups = [_group(i, g, listed, names, units) for i, g in enumerate(tables)]
    check_names([(f"groups[{i}].", (g.name,)) for i, g in enumerate(groups)], "group")
    with at_place("groups"):
        system = _system(bank, names, groups, units)
    replicas = {s.name: s.replicas for s in listed}
    return described(system, notes, given, units, "station", replicas)


def described(
    system: RouteSystem,
    notes: Sequence[str],
    given: Mapping[str, Any],
    units: Units,
    word: str,
    replicas: Mapping[str, int] | None = None,
) -> Described:
    """Return the description of a system, with the limits of its file.

    Parameters
    ----------
    system : RouteSystem
        The system.
    notes : sequence of str
        Notes on the file.
    given : mapping
        The parsed TOML file.
    units : Units
        Units of the file.
    word : str
        Noun of a station.
    replicas : mapping of str to int, optional
        Number of replicas of each station of the file, by name; by default each is one.

    Raises
    ------
    ScenarioError
        On a limit that does not fit, with its place in the file.
    """

    def check(limit: Limit) -> None:
        LimitRows.of(limit, system.routed, system.bank, system.group_load)

    rows = replicas or dict.fromkeys(system.stations, 1)
    kept = limits(given.get("limits", []), rows, units, check, word)
    without = (WITHOUT_LIMITS,) if kept else ()
    return Described(system, (), (*notes, *without), None, kept, system.load)


def _system(
    bank: Latency, names: Sequence[str], groups: Sequence[Group], units: Units
) -> RouteSystem:
    """Return the system of groups at a distance, or of listed routes where a group has some."""
    loads = {g.name: g.load for g in groups}
    if all(g.routes is None for g in groups):
        delays = np.array([g.delay for g in groups])
        return Groups(bank, load=loads, delay=delays, names=names, time_unit=units.time)
    stations = {name: bank.take(np.array([a])) for a, name in enumerate(names)}
    routes, delay = {}, {}
    for g in groups:
        allowed = np.isfinite(g.delay)
        # to a group at a distance, each station is a route
        routes[g.name] = g.routes or [(name,) for name in compress(names, allowed)]
        delay[g.name] = g.delay[allowed]
    return Routes(stations, routes, loads, delay, units.time)


def tables_of(given: Mapping[str, Any], key: str, example: str) -> list[Any]:
    """Return the tables of an array; ScenarioError where there are none."""
    value = given.get(key)
    if not isinstance(value, list) or not value:
        problem = "is missing" if key not in given else "is not a list of tables"
        raise ScenarioError(key, value, problem, f"write each as [[{key}]] with {example}")
    return value


def table_of(given: object, place: str, keys: Sequence[str], *needed: str) -> Mapping[str, Any]:
    """Return a table of an array after a check of its keys; `place` ends in a dot."""
    if not isinstance(given, dict):
        remedy = f"write it as [[{place.partition('[')[0]}]]"
        raise ScenarioError(place[:-1], given, "is not a table", remedy)
    check_keys(given, keys, place)
    for key in needed:
        if key not in given:
            raise ScenarioError(f"{place}{key}", None, "is missing", f"give {', '.join(needed)}")
    return given


def known(value: object, place: str, what: str, names: Collection[str]) -> str:
    """Return a name after a check that it is a known one; `what` is such as ``"a station"``."""
    name = plain(value) if isinstance(value, str) else value
    if not isinstance(name, str) or name not in names:
        few = ", ".join(list(names)[:12]) + (", ..." if len(names) > 12 else "")
        remedy = suggest(str(value)[:200], names, f"use {few}")
        raise ScenarioError(place, value, f"is not {what}", remedy)
    return name


def values_by_name(
    given: Mapping[str, Any], place: str, what: str, names: Collection[str]
) -> Iterator[tuple[str, str, Any]]:
    """Yield name, place and value of each entry of a table by name; see `known`."""
    taken = set[str]()
    for key, value in given.items():
        name = known(key, f"{place}.{key}", what, names)
        if name in taken:
            raise ScenarioError(f"{place}.{key}", value, f"{name} is given twice", "keep one")
        taken.add(name)
        yield name, f"{place}.{key}", value


def _group(
    i: int, given: object, listed: Sequence[Server], names: Sequence[str], units: Units
) -> Group:
    """Return one group of the file."""
    place = f"groups[{i}]."
    table = table_of(given, place, GROUP_KEYS, "load")
    name = read_string(table, "name", place, f"group {i + 1}")
    load = read_number(table["load"], f"{place}load", above=True)
    if "routes" in table:
        routes = _routes(table["routes"], f"{place}routes", names)
        delay = _route_delays(table.get("delay", 0.0), f"{place}delay", len(routes), units)
        return Group(name, load, delay, routes)
    if "delay" not in table:
        remedy = "give the delay to each station, such as [5, 20, inf], or routes"
        raise ScenarioError(f"{place}delay", None, "is missing", remedy)
    delay = _distances(table["delay"], f"{place}delay", listed, units)
    if not np.isfinite(delay).any():
        problem = f"allows {name} no station"
        raise ScenarioError(f"{place}delay", table["delay"], problem, "give a finite delay")
    return Group(name, load, np.repeat(delay, [s.replicas for s in listed]), None)


def _distances(given: object, place: str, listed: Sequence[Server], units: Units) -> Array:
    """Return the delay to each station of the file: a number, a list, or a table by name."""
    names = [s.name for s in listed]
    if isinstance(given, dict):
        out = np.full(len(names), math.inf)
        for station, here, value in values_by_name(given, place, "a station", names):
            out[names.index(station)] = _delay(value, here, units)
        return out
    if not isinstance(given, list):
        return np.full(len(names), _delay(given, place, units))
    if len(given) != len(names):
        problem = f"has {counted(len(given), 'number')} for {counted(len(names), 'station')}"
        remedy = "give one a station, inf where it is not allowed, or a table by name"
        raise ScenarioError(place, given, problem, remedy)
    return np.array([_delay(v, f"{place}[{j}]", units) for j, v in enumerate(given)])


def _delay(value: object, place: str, units: Units) -> float:
    """Return a delay of 0 or more, or infinity, in the unit of time of the system."""
    return math.inf if value == math.inf else read_delay(value, place, units)


def read_delay(value: object, place: str, units: Units) -> float:
    """Return a finite delay of 0 or more, in the unit of time of the system."""
    time = units.from_delay(read_number(value, place))
    if not math.isfinite(time):
        raise ScenarioError(place, value, "is out of range", "give a shorter delay")
    return time


def _route_delays(given: object, place: str, count: int, units: Units) -> Array:
    """Return the fixed delay of each route, from one number or a list."""
    if not isinstance(given, list):
        return np.full(count, read_delay(given, place, units))
    if len(given) != count:
        problem = f"has {counted(len(given), 'number')} for {counted(count, 'route')}"
        raise ScenarioError(place, given, problem, "give one number, or one a route")
    return np.array([read_delay(v, f"{place}[{r}]", units) for r, v in enumerate(given)])


def _routes(given: object, place: str, names: Sequence[str]) -> list[Route]:
    """Return the routes of a group: lists of stations, or tables from station to work."""
    remedy = 'give lists of stations, such as [["radio", "edge"], ["radio", "wan", "cloud"]]'
    if not isinstance(given, list) or not given:
        raise ScenarioError(place, given, "is not a list of routes", remedy)
    out: list[Route] = []
    for r, route in enumerate(given):
        here = f"{place}[{r}]"
        if not isinstance(route, list | dict) or not route:
            raise ScenarioError(here, route, "is not a list of stations", remedy)
        if isinstance(route, dict):
            works = values_by_name(route, here, "a station", names)
            out.append({s: read_number(work, at, above=True) for s, at, work in works})
        else:
            out.append([known(s, f"{here}[{j}]", "a station", names) for j, s in enumerate(route)])
    return out
