"""Arguments and results are plain data: a process that gets them returns them unchanged."""

import copy
import multiprocessing
import pickle
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
import xarray as xr
from every_family import FAMILIES

from sojourn import models, reference
from sojourn.models import (
    MM1,
    Budget,
    DualMode,
    FormulationError,
    Groups,
    GroupShare,
    InputError,
    LatencyCheckError,
    LateShare,
    LateWait,
    LinearLimit,
    LoadError,
    MaxGroupFlow,
    MaxShare,
    MaxUtilisation,
    MeanDelay,
    MeanWait,
    MinShare,
    MMc,
    MultiMode,
    Network,
    NotCertifiedError,
    ParallelServers,
    PoolLateWait,
    Pools,
    PoolWait,
    RateBudget,
    Routes,
    ServerBudget,
    ServerDelay,
    ServerPercentile,
    SharedModes,
    SolverNameError,
    TunableMode,
    check_latency,
    load_scenario,
    verify,
)
from sojourn.models.core.refinement import CurveInterruptedError
from sojourn.models.frontend.kinds import kinds
from sojourn.models.latency.polynomial import Unlimited
from sojourn.models.studies.batch.run import StudyInterruptedError, StudyStoppedError
from sojourn.models.systems.parallel.worst_case import WorstCaseInterruptedError


def _pickled(protocol, value):
    return pickle.loads(pickle.dumps(value, protocol))  # noqa: S301


THERE_AND_BACK = [
    copy.copy,
    copy.deepcopy,
    *(partial(_pickled, p) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)),
]
WITHOUT_LAMBDAS = [
    name for name in FAMILIES if not name.startswith("function")
]  # those need cloudpickle, as everywhere
SERVERS = ParallelServers(MM1([10.0, 5.0], [0.1, 0.2]), time_unit="ms")
MODES = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
SHARED = SharedModes.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))
TUNABLE = TunableMode(1.0, 4.0)
REGIONS = Groups(MM1([10.0, 5.0]), load=[4.0, 2.0], delay=[[0.0, 0.1], [0.1, 0.0]])
CHAIN = Routes({"a": MM1(10.0), "b": MM1(5.0)}, {"all": [["a"], ["a", "b"]]}, {"all": 3.0})
ROADS = Network(MM1([10.0, 5.0]), ends=[("s", "t"), ("s", "t")], load={("s", "t"): 6.0})
MANY = MultiMode([[4.0, 2.0], [30.0, 40.0]])
SYSTEMS = [SERVERS, MODES, SHARED, TUNABLE, MANY, REGIONS, CHAIN, ROADS]
POOLS, STATIONS = Pools(MMc([3.0, 10.0])), ParallelServers(MMc([3.0, 4.0]))
STAFF_TARGETS = [PoolWait(0.1), PoolLateWait(0.2, [0.1, 0.2]), MeanWait(0.05)]
MORE_TARGETS = [LateWait(0.1, 0.2), ServerBudget(100.0)]
BANK = reference.MM1([10.0, 5.0], [0.1, 0.2])
LIMITS = [
    MinShare([0.1, 0.2]), MaxShare(0.9), MaxUtilisation(0.8), ServerPercentile(0.9, 5.0),
    Budget([1.0, 2.0], 20.0),
    GroupShare([0], 0.9), LateShare(5.0, 0.9), LinearLimit([[1.0, 0.0]], [9.0]),
]  # fmt: skip
TARGETS = [RateBudget(20.0), ServerDelay([1.0, 2.0]), MeanDelay(0.5)]


@dataclass(eq=False)
class Slotted(Unlimited):
    """A family whose fields are slots."""

    __slots__ = ("delay",)
    delay: Any

    def latency(self, flow, spare_capacity=None):
        return np.asarray(flow) + self.delay


RESULTS = {
    "optimum": lambda: SERVERS.optimum(6.0),
    "equilibrium": lambda: SERVERS.equilibrium(6.0),
    "players": lambda: SERVERS.equilibrium(6.0, players=3),
    "within limits": lambda: SERVERS.optimum(6.0, subject_to=LIMITS),
    "price of anarchy": lambda: SERVERS.price_of_anarchy(6.0),
    "evaluation": lambda: SERVERS.evaluate(6.0, share=[0.5, 0.5]),
    "whole weights": lambda: SERVERS.weights(6.0, 10),
    "pools staffed": lambda: POOLS.staff([12.0, 8.0], subject_to=STAFF_TARGETS),
    "pools of a total": lambda: POOLS.staff([12.0, 8.0], total=9),
    "servers staffed": lambda: STATIONS.staff(12.0, price=3.0, delay_cost=9.0),
    "sizes": lambda: SERVERS.size(6.0, rate_price=1.0, subject_to=TARGETS[:2]),
    "sizes of a day": lambda: SERVERS.size([0.0, 6.0], rate_price=1.0, delay_cost=3.0),
    "frontier of sizes": lambda: SERVERS.size_frontier(6.0, [20.0, 30.0], rate_price=1.0),
    "worst case": lambda: SERVERS.worst_case(),
    "control": lambda: SERVERS.control(6.0, 0.5),
    "tolls": lambda: SERVERS.tolls(6.0),
    "sensitivity": lambda: SERVERS.sensitivity(6.0),
    "thresholds": lambda: SERVERS.thresholds(),
    "curve": lambda: SERVERS.curve([3.0, 6.0]),
    "partition": lambda: MODES.partition(2.0, 0.5),
    "assignment": lambda: MODES.assignment(4.5),
    "capacity": lambda: MODES.capacity(),
    "breakaway": lambda: MODES.breakaway(),
    "stable interval": lambda: MODES.stable_interval(2.0),
    "modes judged": lambda: MODES.evaluate(2.0, p=0.5),
    "curve of modes": lambda: MODES.curve([1.0, 2.0]),
    "shared modes": lambda: SHARED.equilibrium(4.0),
    "shared modes judged": lambda: SHARED.evaluate(4.0, 0.5),
    "tolls of shared modes": lambda: SHARED.tolls(4.0),
    "price of reserving": lambda: SHARED.price_of_reserving(4.0),
    "thresholds of shared modes": lambda: SHARED.thresholds(),
    "largest load of shared modes": lambda: SHARED.capacity(),
    "curve of shared modes": lambda: SHARED.curve([1.0, 4.0]),
    "tunable": lambda: TUNABLE.optimum(3.0),
    "tunable judged": lambda: TUNABLE.evaluate(3.0, 0.2),
    "over routes": lambda: REGIONS.equilibrium(),
    "over links": lambda: ROADS.optimum(),
    "limit of a group": lambda: MaxGroupFlow(group="group 1", station="server 1", share=0.5),
    "judged routes": lambda: REGIONS.evaluate(share=[[0.5, 0.5], [0.5, 0.5]]),
    "tolls over routes": lambda: REGIONS.tolls(),
    "sites": lambda: REGIONS.size(rate_price=1.0, delay_cost=2.0),
    "largest multiple": lambda: REGIONS.capacity(),
    "used route": lambda: REGIONS.optimum().routes_between("group 1")[0],
    "curve of routes": lambda: CHAIN.curve([1.0, 2.0]),
    "verification": lambda: verify(SERVERS, [3.0]),
    "report": lambda: check_latency(MM1([3.0, 2.0])),
    "reference split": lambda: reference.optimum(BANK, 6.0),
    "reference limits": lambda: reference.limited_optimum(BANK, 6.0, most=[5.0, 4.0]),
    "terms of a limit": lambda: LateShare(5.0, 0.9).terms(BANK, np.array([3.0, 2.0]), 6.0),
    "reference control": lambda: reference.controlled(BANK, 6.0, 0.5, "scale"),
    "reference weights": lambda: reference.whole_weights(BANK, 6.0, 10),
    "reference pools": lambda: reference.staff_pools([3.0, 10.0], [12.0, 8.0], budget=9),
    "reference stations": lambda: reference.staff_split([3, 4], 12.0, price=3.0, delay_cost=9.0),
    "least percentile": lambda: SERVERS.least_percentile(6.0),
    "fewest late jobs": lambda: SERVERS.least_late_share(6.0, 1.0),
    "reference percentile": lambda: reference.least_percentile(BANK, 6.0),
    "reference late jobs": lambda: reference.least_late_share(BANK, 6.0, 1.0),
    "reference sizes of a day": lambda: reference.rates_for_day(
        [3.0, 6.0], None, 1.0, 0.1, 1.0, 1.0
    ),
    "reference split and rates": lambda: reference.joint_sizes(5.0, 1.0, 0.1, 1.0, budget=9.0),
    "reference sizes": lambda: reference.rates_at_split([3.0, 2.0], 1.0, 0.1, 1.0, budget=9.0),
    "reference worst case": lambda: reference.worst_case(BANK),
    "reference candidate": lambda: reference.candidate_worst_case(BANK),
    "pool": lambda: reference.MixedBank([BANK, reference.MG1([3.0], 2.0), reference.MD1([3.0])]),
    "pools": lambda: POOLS,
    "slots": lambda: Slotted(np.array([1.0, 2.0])),
    **{f"scenario {name}": partial(load_scenario, name) for name in ("scenario-1", "dual-a")},
    **{f"target {type(t).__name__}": lambda t=t: t for t in (*STAFF_TARGETS, *MORE_TARGETS)},
    **{f"target {type(target).__name__}": lambda target=target: target for target in TARGETS},
    **{f"limit {type(limit).__name__}": lambda limit=limit: limit for limit in LIMITS},
    **{f"family {name}": lambda name=name: FAMILIES[name] for name in WITHOUT_LAMBDAS},
    **{f"kind {kind.name}": lambda kind=kind: kind for kind in kinds()},
    **{f"system {i}": lambda i=i: SYSTEMS[i] for i in range(len(SYSTEMS))},
}
"""One of each kind of what users receive, and of what they give."""

WRONG, DONE = (
    InputError("rate[1]", -1.0, "is negative", "give a positive rate"),
    xr.Dataset({"delay": ("load", [1.0])}),
)
ERRORS = {
    "input": lambda: WRONG,
    "load": lambda: LoadError("load", np.float64(20.0), "is too much", "lower it"),
    "solver": lambda: SolverNameError("solver", "NONE", "is not known", "use CLARABEL"),
    "formulation": lambda: FormulationError("formulation", "none", "is not known", "use auto"),
    "latency": lambda: LatencyCheckError("convex", WRONG, made("report")),
    "not certified": lambda: NotCertifiedError(
        "no certified optimum", made("optimum"), made("optimum").attempts
    ),
    "curve": lambda: CurveInterruptedError(DONE),
    "study": lambda: StudyInterruptedError("stopped", DONE),
    "disk": lambda: StudyStoppedError("no disk", DONE),
    "search": lambda: WorstCaseInterruptedError(made("worst case")),
}


@cache
def made(name):
    """Return the object of a name."""
    return (RESULTS | ERRORS)[name]()


def held(value):
    """Return the contents of a value, to be compared: numbers by bits, objects by fields."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: held(v) for name, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return type(value), [held(v) for v in value]
    if isinstance(value, xr.Dataset):
        return held(value.to_dict(encoding=True))
    names = (
        []
        if callable(value)
        else [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    )
    kept = {
        name
        for name in names
        if name in ("write_problem", "write_model", "round_to", "percentile_at")
        or isinstance(getattr(type(value), name, None), cached_property)
    }
    plain = repr(value) if not names or isinstance(value, float) else ""
    return (
        type(value),
        plain,
        {name: held(getattr(value, name)) for name in names if name not in kept},
    )


@pytest.mark.parametrize("sent", THERE_AND_BACK)
@pytest.mark.parametrize("name", list(RESULTS))
def test_whatever_users_give_and_receive_comes_back_as_it_was(name, sent):
    there = made(name)
    again = sent(there)
    assert held(again) == held(there)
    if hasattr(there, "to_dict"):
        assert held(again.to_dict()) == held(there.to_dict())


def test_no_public_class_is_left_out():
    """Except classes made of CVXPY expressions, and base classes."""
    there = {
        c
        for value in [*map(made, RESULTS | ERRORS), *FAMILIES.values(), made("optimum").certificate]
        for c in type(value).__mro__
    }
    public = {getattr(home, name) for home in (models, reference) for name in home.__all__}
    assert {c for c in public if isinstance(c, type)} - there == {models.Cone}


@pytest.mark.parametrize(
    "name",
    [
        "optimum",
        "within limits",
        "control",
        "tolls",
        "partition",
        "assignment",
        "capacity",
        "tunable",
    ],
)
def test_the_problem_stays_behind(name):
    answer = made(name)
    assert b"cvxpy" not in pickle.dumps(answer)
    assert getattr(answer, "optimum", answer).problem.status
    assert all(
        getattr(sent(answer), "optimum", sent(answer)).problem is None
        for sent in THERE_AND_BACK[1:]
    )


@pytest.mark.parametrize("sent", THERE_AND_BACK)
@pytest.mark.parametrize("name", list(ERRORS))
def test_errors_come_back_as_they_were_raised(name, sent):
    error, again = made(name), sent(made(name))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert held(again) == held(error)


@pytest.mark.parametrize("name", range(len(SYSTEMS)))
def test_a_system_that_was_asked_is_as_light_as_a_new_one(name):
    fresh = pickle.loads(pickle.dumps(SYSTEMS[name]))  # noqa: S301
    light = pickle.dumps(fresh)
    ask = getattr(fresh, "optimum", None) or partial(fresh.partition, p=0.5)
    ask(2.0)
    fresh.curve([1.0, 2.0])
    assert pickle.dumps(fresh) == light


def _pool(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map_async(SERVERS.optimum, LOADS).get(60)


def _joblib(backend):
    with joblib.parallel_config(backend, n_jobs=2):
        return joblib.Parallel()(joblib.delayed(SERVERS.optimum)(load) for load in LOADS)


LOADS = [3.0, 6.0, 9.0]
WORKERS = {
    "pool by fork": partial(_pool, "fork"),
    "joblib by fork": partial(_joblib, "multiprocessing"),
    "pool by spawn": partial(_pool, "spawn"),
    "loky": partial(_joblib, "loky"),
}


@pytest.mark.parametrize(
    "options",
    [pytest.param(name, marks=[pytest.mark.slow] * ("fork" not in name)) for name in WORKERS],
)
def test_systems_are_asked_in_other_processes(options):
    SERVERS.optimum(6.0)
    assert [held(a.to_dict()["servers"]) for a in WORKERS[options]()] == [
        held(SERVERS.optimum(load).to_dict()["servers"]) for load in LOADS
    ]


def test_an_error_in_another_process_is_the_error_here():
    """A pool waits for ever for an error that cannot be unpickled."""
    with (
        multiprocessing.get_context("fork").Pool(1) as pool,
        pytest.raises(LoadError, match=r"^load = 99\.0: not below the total rate 15: "),
    ):
        pool.map_async(SERVERS.optimum, [99.0]).get(30)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_goes_to_another_process(name):
    """By cloudpickle, as joblib sends it: a user's function may be a lambda."""
    system = ParallelServers(FAMILIES[name])
    system.bank.latency(np.zeros(len(system)))
    again = pickle.loads(cloudpickle.dumps(system))  # noqa: S301
    flow = 0.3 * np.where(np.isfinite(system.bank.rate), system.bank.rate, 1.0)
    np.testing.assert_array_equal(again.bank.latency(flow), system.bank.latency(flow))
    assert (again.names, again.time_unit) == (system.names, system.time_unit)


@pytest.mark.parametrize("sent", THERE_AND_BACK)
def test_a_solved_system_pickles_and_solves_alike(sent):
    """Programs belong to the process: solved CVXPY problems do not pickle."""
    system = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3), time_unit="ms")
    first = system.assignment(4.5)
    again = sent(system)
    assert again.assignment(4.5).mean_delay == first.mean_delay
    assert (again.canonical_form, again.time_unit, again.modes) == (
        system.canonical_form,
        "ms",
        system.modes,
    )


def test_a_tunable_mode_over_loads_is_its_optimum_at_each():
    system, loads = TunableMode(1.0, 4.0, time_unit="ms"), [2.0, 3.5, 4.9]
    data = system.curve(loads)
    for load, delay, flow in zip(
        loads, data["optimum_delay"].values, data["optimum_flow"].values, strict=True
    ):
        assert delay == pytest.approx(system.optimum(load).mean_delay, rel=1e-9)
        assert flow[0] / load == pytest.approx(system.optimum(load).f, abs=1e-9)
    assert list(data["server"].values) == ["local", "cloud"]
    assert data["optimum_delay"].attrs["units"] == "ms"
