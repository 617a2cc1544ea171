"""Simulation of jobs on routes through stations that are queues or processor sharing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.routes import Columns, RouteFlow
from ....reference.validation import as_positive
from ...simulation.answer import beside, split_of
from ...simulation.families import stations_of
from ...simulation.jobs import Discipline, Index, JobClass, Node
from ...simulation.network import Network
from ...simulation.record import Record, check_run, dataset, delays, mean_of, record
from ...simulation.service import Deterministic, Exponential, Service
from ...simulation.station import SHARING, Station
from ...simulation.statistics import Estimate
from ..parallel.prices import GOALS
from .flows import link_ends_of, travelled
from .tasks import RouteTasks

if TYPE_CHECKING:
    import xarray as xr

    from .evaluation import RouteEvaluation
    from .solution import RouteSolution
    from .system import RouteSystem

    Flows = RouteSolution | RouteEvaluation

FAMILIES = "MM1, MD1, MG1, MMc, MG1PS and Constant, without batches and priorities"


class SimulatedRoutes(RouteTasks):
    """Base class of `RouteSystem`: its simulation."""

    def _visits(self, columns: Columns) -> list[list[int]]:
        """Return the stations of each route in the order of the visits."""
        ends = link_ends_of(self.routed.routes)
        return [own if ends is None else travelled(own, ends) for own in columns.stations]

    def simulate(
        self,
        load: float | None = None,
        *,
        flow: Any = None,
        share: Any = None,
        by_origin: Any = None,
        station_flow: Any = None,
        split: str | None = None,
        tolerance: float = 1e-6,
        jobs: int = 1_000_000,
        seed: int = 0,
        service: Service | str | npt.ArrayLike | None = None,
        level: float = 0.99,
    ) -> xr.Dataset:
        """Simulate jobs on their routes, and return their delays beside the closed forms.

        Departures from one station are the arrivals at the next. `MM1`, `MD1`, `MG1` and `MMc` are
        queues, first come, first served, which a route with work 2 passes twice; an `MM1` or `MMc`
        at which a route has a work that is no whole number is processor sharing, as `MG1PS` is.

        Parameters
        ----------
        load, flow, share, by_origin, station_flow, tolerance
            As for `RouteSystem.evaluate`.
        split : {"optimum", "equilibrium"}, optional
            The flows where none are given; by default the optimum.
        jobs : int, default 1,000,000
            Number of jobs that are counted, after a warm-up.
        seed : int, default 0
            The same seed gives the same numbers.
        service : str, array_like or Service, optional
            Distribution of the service times: ``"exponential"``, ``"deterministic"``, or with the
            cv of each station ``"gamma"``, ``"lognormal"`` or ``"hyperexponential"``; samples; an
            object of `sojourn.models.simulation.service`; or a list of these, one a station. By
            default that of each family, gamma for `MG1`.
        level : float, default 0.99
            Confidence level of the intervals.

        Returns
        -------
        xarray.Dataset
            ``mean_delay`` of all jobs, and the ``percentile`` of their delay; ``group_delay``;
            ``route_delay`` of each used route; ``station_latency``, and
            ``utilisation``. The last dimension ``number`` has the simulated mean, the ends of its
            interval, and the closed form. The attribute ``notes`` says where the run is too short,
            and where the closed form is an approximation.

        Raises
        ------
        LoadError, InputError
            As `optimum` and `RouteSystem.evaluate`; where a station is overloaded; and on a station
            whose family has no queue that could be simulated.

        Notes
        -----
        The closed form takes the arrivals at each station as a Poisson stream, as they are behind
        M/M/c queues and processor sharing (F. P. Kelly, *Reversibility and Stochastic Networks*).
        Behind other queues it is an approximation.

        Examples
        --------
        >>> from sojourn.models import MM1, Routes
        >>> chain = Routes({"edge": MM1(2.0), "cloud": MM1(4.0)}, {"all": [("edge", "cloud")]},
        ...                load={"all": 1.0})
        >>> found = chain.simulate(jobs=100_000).mean_delay
        >>> round(float(found.sel(number="closed form")), 6)
        1.333333
        >>> bool(found.sel(number="low") < 1.333333 < found.sel(number="high"))
        True
        """
        given = {"flow": flow, "share": share, "by_origin": by_origin, "station_flow": station_flow}
        system, run = cast("RouteSystem", self), check_run(jobs, seed, level)
        tolerance = as_positive("tolerance", tolerance, "give a relative error such as 1e-6")
        servers = servers_of(system, service)
        flows = _flows(system, load, given, split, tolerance)
        used = flows.route_flow.used()
        network = network_of(system, used, servers)
        found = record(network, _kinds(used.columns, network), *run[:2])
        return _answer(system, flows, servers, network, found, run)


def _flows(
    system: RouteSystem,
    load: float | None,
    given: dict[str, Any],
    split: str | None,
    tolerance: float,
) -> Flows:
    """Return given flows or those of a split; InputError where a station is overloaded."""
    named = {name: value for name, value in given.items() if value is not None}
    if goal := split_of(split, GOALS, named):
        solution: RouteSolution = getattr(system, goal)(load)
        return solution
    flows = system.evaluate(load, **named, tolerance=tolerance)
    if flows.overloaded:
        problem = f"lets the queue of {' and '.join(flows.overloaded)} grow without bound"
        name, value = next(iter(named.items()))
        raise InputError(name, value, problem, "send fewer jobs there")
    return flows


@dataclass(frozen=True)
class Servers:
    """The stations of a system, shape (A,) each.

    Attributes
    ----------
    nodes : tuple of Node
    mean : ndarray
        Mean time of one unit of work.
    delay : ndarray
        Fixed delay of one unit of work.
    base : ndarray
        Base load, jobs per unit of time.
    """

    nodes: tuple[Node, ...]
    mean: Array
    delay: Array
    base: Array


def servers_of(system: RouteSystem, service: Any) -> Servers:
    """Return the stations; InputError on a family that cannot be simulated."""
    listed, nodes = system.routed.routes.listed, list[Node]()
    divided = np.zeros(len(system.stations), dtype=np.bool_)
    if listed is not None:
        divided[listed.work.indices[listed.work.data % 1.0 != 0.0]] = True
    found = stations_of(system.bank, service, field="stations")
    each = zip(system.stations, found, stations_of(system.bank), divided.tolist(), strict=True)
    for name, station, own, parts in each:
        discipline = _discipline(f"stations[{name!r}]", own, divided=parts)
        law = Deterministic() if discipline == "delay" else station.service
        nodes.append(Node(name, discipline, law, station.servers))
    mean, delay, base = np.array([(1.0 / s.rate, s.delay, s.base) for s in found]).T
    # a station of infinite rate is its delay, which jobs pass as a work
    fixed = mean == 0.0
    return Servers(tuple(nodes), np.where(fixed, delay, mean), np.where(fixed, 0.0, delay), base)


def _discipline(field: str, station: Station, *, divided: bool) -> Discipline:
    """Return how a station serves; InputError on what is simulated for parallel servers alone."""
    more = {
        "batches": station.batch > 1.0,
        "a priority": station.base > 0.0 and station.base_priority != "equal",
        "set-ups": station.setup > 0.0,
        "vacations": station.vacation > 0.0,
        "a second station in one": station.then is not None,
    }
    for what, has in more.items():
        if has:
            problem = "is simulated for ParallelServers alone"
            remedy = f"on routes use {FAMILIES}"
            if station.then is not None:
                remedy = "list its stations one after the other on the routes"
            raise InputError(field, what, problem, remedy)
    if not np.isfinite(station.rate):
        return "delay"
    if station.discipline == SHARING:
        return "sharing"
    if divided and station.service != Exponential():
        problem = "is passed with a work that is no whole number of visits"
        raise InputError(field, station.service, problem, "use MM1, MMc or MG1PS, or whole numbers")
    return "sharing" if divided else "queue"


def network_of(system: RouteSystem, flows: RouteFlow, servers: Servers) -> Network:
    """Return the network of routes with a flow: a class of jobs for each, then the base loads."""
    columns, classes = flows.columns, list[JobClass]()
    rates, works = flows.flow, columns.work
    for r, way in enumerate(system._visits(columns)):
        row = works[[r]]
        work = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        visits, times = list[int](), list[float]()
        for a in way:
            if a not in work:
                continue  # listed with a work of 0
            # a work of 2 at a queue is two visits
            again = servers.nodes[a].discipline == "queue" and way.count(a) == 1
            n = round(work[a]) if again else 1
            visits += [a] * n
            times += [work[a] * float(servers.mean[a]) / (way.count(a) * n)] * n
        fixed = float(columns.delay[r]) + sum(w * float(servers.delay[a]) for a, w in work.items())
        classes.append(JobClass(float(rates[r]), tuple(visits), tuple(times), fixed))
    for a in np.flatnonzero(servers.base > 0).tolist():
        base, mean = float(servers.base[a]), float(servers.mean[a])
        classes.append(JobClass(base, (a,), (mean,), counted=False))
    return Network(servers.nodes, tuple(classes))


def _kinds(columns: Columns, network: Network) -> tuple[Index, Index]:
    """Return the group and the route of each class of jobs; those of base loads do not count."""
    base = np.zeros(len(network.classes) - len(columns), dtype=np.intp)
    routes = np.arange(len(columns))
    return np.concatenate([columns.group, base]), np.concatenate([routes, base])


def names_of(system: RouteSystem, columns: Columns) -> tuple[str, ...]:
    """Return a name for each route: its group and its stations."""
    ways = zip(columns.group.tolist(), system._visits(columns), strict=True)
    return tuple(
        f"{system.groups[k]}: {', '.join(system.stations[a] for a in dict.fromkeys(way))}"
        for k, way in ways
    )


def _answer(
    system: RouteSystem,
    flows: Flows,
    servers: Servers,
    network: Network,
    found: Record,
    run: tuple[int, int, float],
) -> xr.Dataset:
    """Return the dataset of a run."""
    used, level = flows.route_flow.used(), run[2]
    columns = used.columns
    groups, routes = ([mean_of(own, level) for own in kind] for kind in found.kinds)
    known = columns.costs(flows.station_latency)
    latency, busy = _at_stations(flows, servers, network, found, level)
    variables = {
        **delays(found, flows.mean_delay, level),
        "group_delay": (("group",), beside(groups, flows.group_delay), "mean delay"),
        "route_delay": (("route",), beside(routes, known), "mean delay"),
        "station_latency": (("station",), latency, "mean time"),
        "utilisation": (("station",), busy, "utilisation"),
    }
    labels = {
        "group": system.groups,
        "route": names_of(system, columns),
        "station": system.stations,
    }
    data = dataset(found, variables, labels, run, system.time_unit, _notes(system, network))
    return data.assign_attrs(load=flows.load).assign_coords(flow=("route", used.flow))


def _at_stations(
    flows: Flows, servers: Servers, network: Network, found: Record, level: float
) -> tuple[Array, Array]:
    """Return the latencies and the utilisations of the stations, shape (A, 4) each.

    The latency is the time of a unit of work, of which a visit may have more or less.
    """
    latency, busy = (np.full((len(servers.nodes), 4), np.nan) for _ in range(2))
    visits, work = network.flows()
    for a in np.flatnonzero(visits > 0).tolist():
        scale, own = visits[a] * servers.mean[a] / work[a], found.stations[a]
        mean = Estimate(*(scale * value + servers.delay[a] for value in mean_of(own, level)))
        latency[a] = beside(mean, flows.station_latency[a])
        if servers.nodes[a].discipline != "delay":
            busy[a] = beside(own.utilisation(level), flows.utilisation[a])
    return latency, busy


def _notes(system: RouteSystem, network: Network) -> list[str]:
    """Return notes on another law than the family's, and on arrivals that are no Poisson stream."""
    laws = zip(network.nodes, stations_of(system.bank), strict=True)
    other = any(n.discipline == "queue" and n.service != own.service for n, own in laws)
    notes = ["the closed form is that of the families' own service times"] if other else []
    steps = {step for kind in network.classes for step in pairwise(kind.visits)}
    exact = [n.discipline != "queue" or isinstance(n.service, Exponential) for n in network.nodes]
    behind: set[int] = set()
    while more := {b for a, b in steps if not exact[a] or a in behind} - behind:
        behind |= more
    if not behind:
        return notes
    names = ", ".join(network.nodes[a].name for a in sorted(behind))
    return [
        *notes,
        f"the closed form is an approximation: it takes the arrivals at {names} as Poisson "
        "streams, which they are not behind these queues",
    ]
