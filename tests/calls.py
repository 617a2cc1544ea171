"""Every public call of the library with valid arguments, found by walking the public modules.

A call that is added to the library is among them without an edit here.
A parameter without a default has the value of `GOOD` for its name, for its method and name, or for
its class, method and name.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any

import cvxpy as cp
import networkx as nx
import numpy as np

from sojourn import models, reference
from sojourn.models import (
    MG1,
    MM1,
    DualMode,
    MaxShare,
    Measured,
    MMc,
    ParallelServers,
    TunableMode,
    latency,
    studies,
)
from sojourn.models.benchmarks import local_minima
from sojourn.models.core import ratio
from sojourn.models.core.options import FormulationOptions
from sojourn.models.frontend import dataset_plot, measured_plot, trajectory_plot, verification
from sojourn.models.frontend.kinds import SystemKind
from sojourn.models.systems import parallel, routes, service_modes
from sojourn.models.systems.parallel import anarchy_plots
from sojourn.models.systems.parallel import certificate as certificates
from sojourn.models.systems.parallel import plots as parallel_plots
from sojourn.models.systems.parallel.decisions.sizes import plots as size_plots
from sojourn.models.systems.service_modes import plots as mode_plots
from sojourn.reference import ServerBank
from sojourn.reference import service_modes as exact_modes

MODULES = (
    models,
    latency,
    parallel,
    service_modes,
    routes,
    studies,
    reference,
    reference.parallel,
    exact_modes,
)
"""Whose `__all__` is public."""


def judge_flow(flow):
    """Evaluate a split given by its flows."""
    return servers().evaluate(6.0, flow=flow)


def judge_share(share):
    """Evaluate a split given by its shares."""
    return servers().evaluate(6.0, share=share)


MORE = (
    dataset_plot.plot_dataset,
    measured_plot.plot_measured,
    trajectory_plot.plot_trajectory,
    parallel_plots.plot_curve,
    anarchy_plots.plot_anarchy,
    size_plots.plot_frontier,
    mode_plots.plot_dual_mode,
    certificates.certify,
    local_minima.count_local_minima,
    judge_flow,
    judge_share,
)
"""Public functions that no `__all__` names."""

RATE, DELAY = [10.0, 5.0], [0.1, 0.2]
LOADS = [1.0, 2.0, 4.0, 6.0, 8.0]
OF_MODES = ("DualMode", "MultiMode", "SharedModes", "TunableMode")


@cache
def servers():
    return ParallelServers(MM1(RATE, DELAY))


@cache
def pools():
    return models.Pools(MMc(RATE))


@cache
def dual():
    return DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


@cache
def shared():
    return service_modes.SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


@cache
def regions():
    return routes.Groups(MM1(RATE, DELAY), load={"north": 4.0, "south": 2.0})


def road():
    graph = nx.DiGraph()
    graph.add_edge(1, 2, free_flow=1.0, capacity=9.0)
    return graph


def write_network(folder):
    """Write the files from which networks are read: one link, and a load over it."""
    metadata = "<NUMBER OF ZONES> 2\n<NUMBER OF NODES> 2\n<FIRST THRU NODE> 1\n"
    link = "~ init term capacity length time b power speed toll type\n1 2 9 1 1 0.15 4 0 0 1 ;\n"
    links = f"{metadata}<NUMBER OF LINKS> 1\n<END OF METADATA>\n{link}"
    trips = "<NUMBER OF ZONES> 2\n<TOTAL OD FLOW> 4\n<END OF METADATA>\nOrigin 1\n2 : 4.0;\n"
    gmns = folder / "gmns"
    gmns.mkdir()
    for path, text in {
        folder / "net.tntp": links,
        folder / "trips.tntp": trips,
        gmns / "node.csv": "node_id,x_coord,y_coord,zone_id\n1,0,0,1\n2,1,0,2\n",
        gmns / "link.csv": "link_id,from_node_id,to_node_id,directed,length,free_speed,lanes,"
        "capacity\n1,1,2,1,1,60,1,9\n",
        gmns / "demand.csv": "o_zone_id,d_zone_id,volume\n1,2,4\n",
    }.items():
        path.write_text(text)


@cache
def modes():
    return dual().rates


@cache
def three_points():
    return servers().curve([3.0, 6.0, 9.0])


class Half(MaxShare):
    """A limit that can be registered."""


GOOD: dict[str, Callable[[], Any]] = {
    "rate": lambda: RATE,
    "delay": lambda: DELAY,
    "cv": lambda: [1.0, 0.5],
    "arrival_cv": lambda: 1.0,
    "setup": lambda: 0.1,
    "vacation": lambda: 0.1,
    "MM1Percentile.p": lambda: 0.9,
    "MMc.servers": lambda: [2, 3],
    "free_flow": lambda: [1.0, 2.0],
    "capacity": lambda: [10.0, 5.0],
    "coefficients": lambda: [[1.0, 1.0], [2.0, 1.0]],
    "Function.function": lambda: lambda x: 1.0 / (20.0 - x),
    "Function.rate": lambda: [20.0, 20.0],
    "Measured.load": lambda: [LOADS, LOADS],
    "Measured.latency": lambda: [[1 / (10 - x) for x in LOADS], [1 / (9 - x) for x in LOADS]],
    "Measured.outliers.server": lambda: 0,
    "Measured.residuals.server": lambda: 0,
    "from_csv.path": lambda: str(Path("samples.csv").resolve()),
    "first": lambda: MM1(RATE),
    "second": lambda: MM1(RATE),
    "MixedLatency.banks": lambda: [MM1([10.0]), MG1([5.0], 2.0)],
    "MixedBank.banks": lambda: [MM1([10.0]), MG1([5.0], 2.0)],
    "flow": lambda: [3.0, 2.0],
    "rows": lambda: [0, 1],
    "share": lambda: 0.8,
    "MinShare.share": lambda: 0.1,
    "ParallelServers.evaluate.weights": lambda: [1.0, 1.0],
    "ParallelServers.weights.total": lambda: 10,
    "Solution.weights.total": lambda: 10,
    "ParallelServers.size.delay_cost": lambda: 1.0,
    "rate_price": lambda: [1.0, 2.0],
    "budgets": lambda: [30.0, 40.0],
    "money": lambda: 40.0,
    "MeanDelay.time": lambda: 2.0,
    "ServerDelay.time": lambda: [1.0, 2.0],
    "k": lambda: [1.0, 0.5],
    "rates_at_split.budget": lambda: 30.0,
    "joint_sizes.budget": lambda: 30.0,
    "rates_for_late_share.at_most": lambda: 0.1,
    "rates_for_targets.late": lambda: [(5.0, 0.1)],
    "rates_for_flows.flow": lambda: [[3.0, 2.0], [6.0, 1.0]],
    "rates_for_flows.delay_cost": lambda: 1.0,
    "rates_for_day.load": lambda: [3.0, 6.0],
    "rates_for_day.delay_cost": lambda: 1.0,
    "duration": lambda: [0.5, 0.5],
    "variability": lambda: [1.0, 0.5],
    "whole_weights.total": lambda: 10,
    "Pools.*servers": lambda: MMc(RATE),
    "Pools.load": lambda: [12.0, 8.0],
    "Pools.staff.total": lambda: 9,
    "ParallelServers.staff.price": lambda: 3.0,
    "delay_cost": lambda: 10.0,
    "ServerBudget.money": lambda: 100.0,
    "MeanWait.time": lambda: 0.1,
    "PoolWait.time": lambda: 0.1,
    "LateWait.at_most": lambda: 0.1,
    "PoolLateWait.at_most": lambda: 0.1,
    "least_servers.at_most": lambda: 0.1,
    "staff_pools.budget": lambda: 9.0,
    "staff_split.price": lambda: 3.0,
    "whole_delays.totals": lambda: [10, 20],
    "Pools.curve.totals": lambda: [8, 9],
    "Pools.simulate.servers": lambda: [5, 4],
    "play.jobs": lambda: 200,
    "play.rounds": lambda: 3,
    "plot_trajectory.data": lambda: servers().play(6.0, rounds=3, jobs=200),
    "judge_flow.flow": lambda: [4.0, 2.0],
    "judge_share.share": lambda: [0.5, 0.5],
    "Tandem.from_fields.servers": lambda: [{"first": MM1([10.0]), "second": MM1([5.0])}],
    "latency": lambda: [0.4, 0.5],
    "marginal": lambda: [0.4, 0.5],
    "excess": lambda: [0.4, 0.5],
    "price": lambda: [1.0, 2.0],
    "least": lambda: [0.0, 0.0],
    "most": lambda: [9.0, 4.0],
    "points": lambda: [[1.0, 1.0], [2.0, 2.0]],
    "index": lambda: np.array([1]),
    "unit": lambda: 2.0,
    "scaled.rate": lambda: 2.0,
    "scaled.time": lambda: 0.5,
    "with_extra_delay.delay": lambda: [0.1, 0.1],
    "cone": lambda: "total",
    "total_cone.flow": lambda: cp.Variable(2),
    "potential_cone.flow": lambda: cp.Variable(2),
    "latency_cone.flow": lambda: cp.Variable(2),
    "overrides.name": lambda: "marginal",
    "caveats.names": lambda: ["a", "b"],
    "from_fields.servers": lambda: [{"rate": 10.0}, {"rate": 5.0}],
    "MG1.from_fields.servers": lambda: [{"rate": 10.0, "cv": 1.0}],
    "MM1.from_fields.servers": lambda: [{"rate": 10.0}],
    "Measured.from_fields.servers": lambda: [{"load": LOADS, "latency": LOADS}],
    "*servers": lambda: MM1(RATE, DELAY),
    "load": lambda: 6.0,
    "loads": lambda: [3.0, 6.0],
    "players": lambda: 3.0,
    "goal": lambda: "optimum",
    "fraction": lambda: 0.5,
    "bank": lambda: MM1(RATE, DELAY),
    "Budget.at_most": lambda: 100.0,
    "GroupShare.at_most": lambda: 0.5,
    "GroupShare.servers": lambda: [0],
    "LateShare.at_most": lambda: 0.9,
    "ServerPercentile.p": lambda: 0.9,
    "within": lambda: 5.0,
    "late_jobs.time": lambda: 1.0,
    "simulate.jobs": lambda: 1000,
    "late_waits.time": lambda: 1.0,
    "utilisation": lambda: 0.9,
    "matrix": lambda: [1.0, 1.0],
    "limited_optimum.matrix": lambda: [[1.0, 0.0]],
    "bound": lambda: 9.0,
    "limited_optimum.bound": lambda: [5.0],
    "n": lambda: 2,
    "value.flow": lambda: np.array([3.0, 2.0]),
    "field": lambda: "rate",
    "value": lambda: 1.0,
    "problem": lambda: "is wrong",
    "remedy": lambda: "correct it",
    "lower": lambda: 0.9,
    "upper": lambda: 1.1,
    "factor": lambda: 2.0,
    "of.found": lambda: servers().equilibrium(6.0),
    "of.least": lambda: servers().optimum(6.0),
    "to.found": lambda: ratio.BoundedValue(2.0, 1.9, 2.1),
    "to.least": lambda: ratio.BoundedValue(1.0, 0.9, 1.1),
    "local": lambda: [4.0, 2.0],
    "cloud": lambda: [30.0, 40.0],
    "mu0": lambda: 1.0,
    "K": lambda: 4.0,
    "f": lambda: 0.2,
    "canonical.f": lambda: (0.1, 0.3),
    "f1": lambda: 0.1,
    "f2": lambda: 0.3,
    "p": lambda: 0.5,
    "u": lambda: 0.5,
    "modes": modes,
    **{
        f"{name}.rate": lambda: [[4.0, 2.0], [30.0, 40.0]]
        for name in ("MultiMode", "Modes", "SharedModes")
    },
    "work": lambda: [[0.25, 0.5], [0.03, 0.025]],
    "assignment": lambda: [0.5, 0.5],
    "is_stable.partition": lambda: [[0.5, 0.5], [0.5, 0.5]],
    "system": servers,
    "assumed": servers,
    "actual": servers,
    "systems": lambda: [servers()],
    "servers": lambda: MM1(RATE, DELAY),
    "scenario": lambda: "scenario-1",
    "folder": lambda: str(Path("kept").resolve()),
    "register.name": lambda: "M/M/1/K",
    "register.kind": lambda: MM1,
    "register_limit.name": lambda: "Half",
    "register_limit.kind": lambda: Half,
    "register_system.kind": lambda: SystemKind("mine", ParallelServers, lambda *_: None),
    "SystemKind.name": lambda: "mine",
    "SystemKind.system": lambda: ParallelServers,
    "SystemKind.read": lambda: lambda *_: None,
    "caller": lambda: "study",
    "options": dict,
    "data": three_points,
    "profile": lambda: service_modes.delay_profile(dual(), [2.0, 4.0], 11),
    "plot_dual_mode.data": lambda: dual().curve([2.0, 4.0]),
    "plot_frontier.data": lambda: servers().size_frontier(6.0, [30.0, 40.0], rate_price=1.0),
    "plot_measured.bank": lambda: instance(Measured),
    "plot_anarchy.players": lambda: parallel.players_curve(servers(), [3.0, 6.0], [1.0, math.inf]),
    "plot_anarchy.control": lambda: parallel.control_curve(servers(), 6.0, [0.2, 0.5]),
    "plot_anarchy.found": lambda: servers().worst_case(),
    "count_local_minima.systems": lambda: 1,
    **{f"{name}.system": dual for name in ("delay_profile",)},
    **{f"{name}.load": lambda: 2.0 for name in OF_MODES},
    **{f"{name}.loads": lambda: [1.0, 2.0] for name in (*OF_MODES, "delay_profile")},
    **{
        f"{name}.system": lambda: dual().canonical_form
        for name in ("decompose", "regime", "regimes", "touch_points")
    },
    **{f"{name}.load": lambda: 2.0 for name in exact_modes.__all__},
    **{f"{name}.loads": lambda: np.array([1.0, 2.0]) for name in exact_modes.__all__},
    "mean_delay.assignment": lambda: exact_modes.partition(modes(), 2.0, 0.5).assignment,
    "mean_delay.share": lambda: exact_modes.partition(modes(), 2.0, 0.5).share,
    "Segment.rows.index": lambda: 0,
    "SharedThresholds.used.load": lambda: 2.0,
    "SharedModes.evaluate.p": lambda: 0.5,
    "SharedEvaluation.routes_between.*group": lambda: "jobs",
    # the constructor alone: a method takes a total load
    "Groups..load": lambda: {"north": 4.0, "south": 2.0},
    "Routes..load": lambda: {"north": 4.0, "south": 2.0},
    "Network..load": lambda: {(1, 2): 4.0},
    "Network.ends": lambda: [(1, 2), (1, 2)],
    "*links": lambda: MM1(RATE, DELAY),
    "from_tntp.net": lambda: str(Path("net.tntp").resolve()),
    "from_tntp.trips": lambda: str(Path("trips.tntp").resolve()),
    "from_gmns.folder": lambda: str(Path("gmns").resolve()),
    "from_dataframe.links": lambda: {"from": [1], "to": [2], "free_flow": [1.0], "capacity": [9.0]},
    "from_dataframe.load": lambda: {(1, 2): 4.0},
    "from_networkx.graph": road,
    "from_networkx.load": lambda: {(1, 2): 4.0},
    "Routes.stations": lambda: {"a": MM1([10.0]), "b": MM1([5.0])},
    "Routes.routes": lambda: {"north": [["a"], ["b"]], "south": [["a", "b"]]},
    "MaxGroupFlow.group": lambda: "north",
    "MaxGroupFlow.station": lambda: "server 1",
    "MaxGroupFlow.share": lambda: 0.5,
    "Groups.size.rate_price": lambda: [1.0, 1.0],
    "Groups.size_model.rate_price": lambda: [1.0, 1.0],
    "groups_at": lambda: [[0.0, 0.0], [1.0, 0.0]],
    "sites_at": lambda: [[0.0, 1.0], [1.0, 1.0]],
    "Groups.evaluate.share": lambda: {"north": [0.5, 0.5], "south": [0.5, 0.5]},
    "routes_between.*group": lambda: "north",
}

ANSWERS: dict[type, Callable[[], Any]] = {
    models.Certificate: lambda: servers().optimum(6.0).certificate,
    models.Cone: lambda: MM1(RATE).total_cone(cp.Variable(2)),
    models.ConvexTerms: lambda: models.LateShare(5.0, 0.9).terms(
        MM1(RATE), np.array([3.0, 2.0]), 6.0
    ),
    models.ControlledSplit: lambda: servers().control(6.0, 0.5),
    models.Evaluation: lambda: servers().evaluate(6.0, weights=[1, 1]),
    models.LateSplit: lambda: servers().least_late_share(6.0, 1.0),
    models.LatencyReport: lambda: models.check_latency(MM1(RATE)),
    models.OperatingEvaluation: lambda: dual().evaluate(2.0, 0.5),
    models.OperatingPoint: lambda: dual().partition(2.0, 0.5),
    models.PercentileSplit: lambda: servers().least_percentile(6.0),
    models.PriceOfAnarchy: lambda: servers().price_of_anarchy(6.0),
    models.Solution: lambda: servers().optimum(6.0),
    models.WholeSplit: lambda: servers().weights(6.0, 10),
    models.StaffedPools: lambda: pools().staff([12.0, 8.0], total=9),
    models.StaffedServers: lambda: ParallelServers(MMc(RATE)).staff(6.0, price=3.0, delay_cost=9.0),
    models.SizedServers: lambda: servers().size(6.0, rate_price=1.0, delay_cost=1.0),
    reference.SizedRates: lambda: reference.rates_at_split(
        [3.0, 2.0], 1.0, DELAY, 1.0, budget=30.0
    ),
    reference.DayRates: lambda: reference.rates_for_day([3.0, 6.0], None, 1.0, DELAY, 1.0, 1.0),
    reference.JointSizes: lambda: reference.joint_sizes(5.0, 1.0, DELAY, 1.0, budget=30.0),
    models.Tolls: lambda: servers().tolls(6.0),
    routes.LargestLoad: lambda: regions().capacity(),
    routes.RouteEvaluation: lambda: regions().evaluate(share=[[0.5, 0.5], [0.5, 0.5]]),
    routes.RouteMove: lambda: regions().evaluate(share=[[0.5, 0.5], [0.5, 0.5]]).move,
    routes.RouteTolls: lambda: regions().tolls(),
    routes.RouteSolution: lambda: regions().optimum(),
    routes.RouteSystem: regions,
    routes.SizedSites: lambda: regions().size(rate_price=1.0, delay_cost=2.0),
    routes.UsedRoute: lambda: regions().optimum().routes_between("north")[0],
    service_modes.MaxLoad: lambda: dual().capacity(),
    service_modes.PriceOfReserving: lambda: shared().price_of_reserving(2.0),
    service_modes.SharedEvaluation: lambda: shared().evaluate(2.0, 0.5),
    service_modes.SharedSolution: lambda: shared().optimum(2.0),
    service_modes.SharedThresholds: lambda: shared().thresholds(),
    service_modes.SharedTolls: lambda: shared().tolls(2.0),
    service_modes.TunableEvaluation: lambda: TunableMode(1.0, 4.0).evaluate(2.0, 0.5),
    service_modes.TunableSolution: lambda: TunableMode(1.0, 4.0).optimum(2.0),
    latency.PropertyCheck: lambda: models.check_latency(MM1(RATE)).checks[0],
    exact_modes.Segment: lambda: exact_modes.segment(modes(), 2.0),
    verification.Verification: lambda: models.verify(servers(), [3.0]),
}
"""What is returned, not made by a user: whose methods are public, but whose constructor is not."""


OWNERS: dict[str, Callable[[], Any]] = {
    "ParallelServers.staff": lambda: ParallelServers(MMc(RATE)),
}
"""Objects with a method that others of their class refuse, by class and method."""

OPTIONS = {
    name: known.__forward_arg__ for name, known in FormulationOptions.__annotations__.items()
}


@dataclass(frozen=True)
class Call:
    """A public function or method and its parameters; ``*`` and ``**`` as in a signature."""

    name: str
    function: Callable[..., Any]
    good: dict[str, Callable[[], Any]]
    said: dict[str, str]

    def __call__(self, **changed):
        given = {name: make() for name, make in self.good.items()} | changed
        return self.function(
            *(value for name, value in given.items() if name[0] == "*"),
            **{k: v for k, v in given.items() if k[0] != "*"},
        )


def _good(owner: str, method: str, name: str) -> Callable[[], Any] | None:
    places = (
        f"{owner}.{method}.{name}",
        f"{owner}.{name}" if not method else "",
        f"{method}.{name}",
        f"{owner}.{name}",
        name,
    )
    return next((GOOD[place] for place in places if place in GOOD), None)


def _call(owner: str, method: str, function: Callable[..., Any]) -> Call:
    good, said = {}, {}
    for p in inspect.signature(function).parameters.values():
        name = "*" + p.name if p.kind is p.VAR_POSITIONAL else p.name
        if p.kind is p.VAR_KEYWORD:
            said |= OPTIONS
            continue
        said[name] = str(p.annotation)
        make = _good(owner, method, name)
        needed = (
            p.default is p.empty
            or f"{owner}.{name}" in GOOD
            or f"{owner}.{method}.{name}" in GOOD
            or f"{method}.{name}" in GOOD
        )
        if needed:
            assert make is not None, f"{owner}.{method}({name}): add what is good to GOOD"
            good[name] = make
    return Call(f"{owner}.{method}" if method else owner, function, good, said)


@cache
def instance(kind: type) -> Any:
    """Return a valid object of a class."""
    return ANSWERS[kind]() if kind in ANSWERS else _call(kind.__name__, "", kind)()


def public() -> dict[str, Any]:
    """Return the public objects of the modules, and `MORE`."""
    found = {
        f"{module.__name__.removeprefix('sojourn.')}.{name}": getattr(module, name)
        for module in MODULES
        for name in module.__all__
    }
    once = {id(thing): name for name, thing in reversed(found.items())}
    names = reversed(once.values())  # in the order of the modules
    return {name: found[name] for name in names} | {f.__name__: f for f in MORE}


def made_by_users(kind: type) -> bool:
    """Whether users make objects of the class: it is neither an answer nor an error."""
    if issubclass(kind, BaseException):
        return False
    plain = (
        is_dataclass(kind)
        and kind.__module__.startswith("sojourn.reference.")
        and not hasattr(kind, "__post_init__")
    )
    return kind not in ANSWERS and (not plain or issubclass(kind, ServerBank))


HOOKS = {
    *("from_fields", "linearise", "value", "check_options", "of", "to"),
    *("check", "terms", "terms_at", "bound_at", "unit_at", "LateShare.cone"),
    *("MaxGroupFlow.rows", "MaxGroupFlow.unit", "ServerPercentile.caveats"),
}
"""Calls that the library alone makes, with values that it has checked before."""


SIZE_TARGETS = (models.RateBudget, models.MeanDelay, models.ServerDelay)
"""Targets of rates."""
STAFF_TARGETS = (
    models.LateWait,
    models.MeanWait,
    models.PoolLateWait,
    models.PoolWait,
    models.ServerBudget,
)
"""Targets of numbers of servers."""


def where_used(kind: type) -> Callable[..., Any]:
    """Use limits and targets in a question, since they check their values where they are used."""
    if kind in STAFF_TARGETS:
        question = partial(pools().staff, [12.0, 8.0])
    elif kind in SIZE_TARGETS:
        question = partial(servers().size, 6.0, rate_price=1.0)
    elif issubclass(kind, models.Limit):
        question = partial((regions if kind is routes.MaxGroupFlow else servers)().optimum, 6.0)
    else:
        return kind

    @wraps(kind)
    def used(*given, **named):
        return question(subject_to=[kind(*given, **named)])

    return used


TAILS = ("late_jobs", "late_waits")
"""Methods that families refuse whose `tail_kind` is empty."""


def calls() -> list[Call]:
    """Return every public call; a method that several classes share once."""
    found, seen = [], set()
    for name, thing in public().items():
        short = name.rpartition(".")[2]
        if not inspect.isclass(thing):
            found.append(_call(short, "", thing))
            continue
        if inspect.isabstract(thing):
            continue
        if made_by_users(thing):
            found.append(_call(short, "", where_used(thing)))
        elif thing not in ANSWERS:
            continue
        for method in dir(thing):
            static = inspect.getattr_static(thing, method)
            known = (
                not HOOKS.isdisjoint((method, f"{short}.{method}"))
                or method.startswith("_")
                or id(static) in seen
                or not callable(getattr(thing, method))
            )
            if known or not any(
                method in vars(c) and c.__module__.startswith("sojourn.") for c in thing.__mro__
            ):
                continue
            if method in TAILS and "" in instance(thing).tail_kind:
                continue
            seen.add(id(static))
            bound = (
                getattr(thing, method)
                if isinstance(static, classmethod | staticmethod)
                else getattr(OWNERS.get(f"{short}.{method}", partial(instance, thing))(), method)
            )
            found.append(_call(short, method, bound))
    return found
