"""Groups of users who take one of several listed routes through stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.routes import Columns, ListedRoutes
from ....reference.validation import as_float, as_floats, as_names
from ...latency.base import Latency, as_latency
from .inputs import by_name, check_known, entries, is_mapping, named_loads
from .system import RouteSystem

Route = Sequence[str] | Mapping[str, float]
"""The stations of a route, or its work at each: the load there of one unit of flow."""
CONSTANT = "name its stations; a time that no load changes is a station Constant(0.03)"


class Routes(RouteSystem):
    """Groups of users, each of whom takes one of the listed routes through shared stations.

    Parameters
    ----------
    stations : mapping of str to Latency
        Each station by its name: a bank of one server.
    routes : mapping of str to sequence of routes
        The routes that each group may take. A route is a sequence of stations, or a mapping from
        station to work: a route with work w at a station brings w times its flow there, and waits w
        times the latency. A station that is listed twice has work 2.
    load : mapping of str to float
        Load of each group, jobs per unit of time, > 0.
    delay : mapping of str to float or sequence of float, optional
        Fixed delay of each group, or of each of its routes, in units of time; 0 for those not
        named.
    time_unit : str, default "s"
        Unit of time of all numbers.

    Raises
    ------
    InputError
        Where a station is not one server, a route is empty or passes an unknown station, a group
        has no route, or a number does not fit.

    Examples
    --------
    A device sends its jobs over the radio to an edge server, or on to the cloud:

    >>> from sojourn.models import MG1, MM1, Constant, Routes
    >>> chain = Routes(
    ...     stations={"radio": MM1(200), "edge": MG1(120, cv=2), "wan": Constant(0.03),
    ...               "cloud": MM1(500)},
    ...     routes={"near": [("radio", "edge"), ("radio", "wan", "cloud")],
    ...             "far": [("radio", "wan", "cloud")]},
    ...     load={"near": 150, "far": 30},
    ... )
    >>> round(chain.optimum().mean_delay, 6), round(chain.equilibrium().mean_delay, 6)
    (0.07966, 0.0826)
    >>> chain.capacity()
    largest load 200, 1.11111111 times the loads
      limited by radio
    """

    def __init__(
        self,
        stations: Mapping[str, Latency],
        routes: Mapping[str, Sequence[Route]],
        load: Mapping[str, float],
        delay: Mapping[str, npt.ArrayLike] | None = None,
        time_unit: str = "s",
    ) -> None:
        names, bank = _stations(stations)
        groups, loads = named_loads(load)
        listed = by_name("routes", routes, "groups to routes", '{"near": [("radio", "edge")]}')
        check_known("routes", listed, groups, "group with a load")
        delays = by_name("delay", {} if delay is None else delay, "groups to delays", '{"near": 1}')
        check_known("delay", delays, groups, "group with a load")
        self._ways: dict[tuple[int, bytes, float], tuple[int, ...]] = {}
        group, works, fixed = list[int](), list[Array](), list[Array]()
        for k, name in enumerate(groups):
            place = f"routes[{name!r}]"
            if name not in listed:
                remedy = f"list the routes that {name} may take"
                raise InputError(place, None, "is missing: the group has a load", remedy)
            given = entries(place, listed[name], "routes", '[("radio", "edge"), ("radio", "wan")]')
            rows = [_work(f"{place}[{r}]", route, names) for r, route in enumerate(given)]
            passed = [route.keys() if is_mapping(route) else route for route in given]
            ways = [tuple(names.index(name) for name in way) for way in passed]
            times = _delays(f"delay[{name!r}]", delays.get(name, 0.0), len(rows))
            _check_different(place, rows, times, given)
            self._ways |= {
                (k, row.tobytes(), time): way
                for row, time, way in zip(rows, times.tolist(), ways, strict=True)
            }
            group += [k] * len(rows)
            works += rows
            fixed.append(times)
        work = csr_array(np.array(works))
        columns = Columns(np.array(group, dtype=np.intp), work, np.concatenate(fixed))
        super().__init__(bank, ListedRoutes(columns, len(groups)), loads, names, groups, time_unit)

    def _visits(self, columns: Columns) -> list[list[int]]:
        """Return the stations of each route in the order in which it was given."""
        keys = zip(columns.group.tolist(), columns.dense, columns.delay.tolist(), strict=True)
        others = super()._visits(columns)
        return [
            list(self._ways.get((k, work.tobytes(), delay), other))
            for (k, work, delay), other in zip(keys, others, strict=True)
        ]


def _stations(stations: Any) -> tuple[tuple[str, ...], Latency]:
    """Return the names of stations, and all stations as one bank."""
    example = '{"edge": MM1(200), "cloud": MM1(500)}'
    named = by_name("stations", stations, "names to servers", example)
    if not named:
        raise InputError("stations", {}, "is empty: there is no station", f"give {example}")
    names = as_names("stations", "station", list(named), len(named))
    for name, bank in named.items():
        place = f"stations[{name!r}]"
        if not isinstance(bank, Latency):
            remedy = "use the classes of sojourn.models, such as MM1(200)"
            raise InputError(place, bank, "is not a server", remedy)
        if len(bank) != 1:
            remedy = "name each of its servers as a station of its own"
            raise InputError(place, bank, f"is a bank of {counted(len(bank), 'server')}", remedy)
    return names, as_latency(tuple(named.values()))


def _work(place: str, route: Any, names: tuple[str, ...]) -> Array:
    """Return the work of a route at each of A stations, shape (A,)."""
    row = np.zeros(len(names))
    if is_mapping(route):
        works = by_name(place, route, "stations to work", '{"radio": 1, "edge": 2}')
        check_known(place, works, names, "station")
        for name, value in works.items():
            field = f"{place}[{name!r}]"
            work = as_float(field, value)
            if not 0 <= work < np.inf:
                raise InputError(field, work, "is no amount of work", "give 0 or more")
            row[names.index(name)] = work
        if not row.any():
            raise InputError(place, route, "is empty: it has no work at any station", CONSTANT)
        return row
    passed = entries(place, route, "stations", '("radio", "edge")')
    check_known(place, passed, names, "station")
    for name in passed:
        row[names.index(name)] += 1.0
    return row


def _delays(place: str, value: Any, n: int) -> Array:
    """Return the fixed delays of the n routes of a group, from one for all or one for each."""
    times = as_floats(place, value)
    if times.shape not in ((), (n,)):
        problem = f"has shape {times.shape}, and the group has {counted(n, 'route')}"
        raise InputError(place, value, problem, "give one number, or one a route")
    for i, time in enumerate(times.ravel().tolist()):
        if not 0 <= time < np.inf:
            where = f"{place}[{i}]" if times.ndim else place
            raise InputError(where, time, "is not a finite delay of 0 or more", "give 0 or more")
    return np.array(np.broadcast_to(times, n))


def _check_different(place: str, works: list[Array], delays: Array, given: list[Any]) -> None:
    """Raise InputError where a group has one route twice."""
    seen: dict[bytes, int] = {}
    for r, (work, delay) in enumerate(zip(works, delays, strict=True)):
        first = seen.setdefault(work.tobytes() + delay.tobytes(), r)
        if first != r:
            problem, remedy = f"is {place}[{first}] again", "list each route once"
            raise InputError(f"{place}[{r}]", given[r], problem, remedy)
