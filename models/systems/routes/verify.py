"""Verification of systems with routes: CVXPY's programs against the reference's interior point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from ....reference.errors import Array
from ....reference.routes import RoutedSystem
from ....reference.routes.bounds import certify, group_delay
from ....reference.routes.engine import solve
from ...core.options import FormulationOptions, check_solve_options
from ...core.ratio import PriceOfAnarchy
from ...frontend.verification import Check, compare, compare_flows
from ..parallel.prices import GOALS

if TYPE_CHECKING:
    from .solution import RouteSolution
    from .system import RouteSystem

SHARED = "the end of the method: Newton steps and bounds"
SHARED_ALL = "the whole method: no solver of CVXPY has a certified answer"
SHARED_ROUTES = "the search for cheapest routes"
SOLVER, OWN_SOLVER = "CLARABEL", "INTERIOR-POINT"  # the second is the reference itself
LOOSE = 1e-4  # relative difference up to which a solver's own answer agrees
EXACT: Mapping[str, float] = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-12)
MOST_ROUNDS = 200  # of new routes in the linear program of the largest load


class Truth(NamedTuple):
    """The answer of the reference: mean delay, and that of each group, and station flows."""

    mean_delay: float
    group_delay: Array
    station_flow: Array

    @classmethod
    def of(cls, system: RoutedSystem, goal: str, multiple: float) -> Truth:
        """Return the answer of a goal at a multiple of the loads."""
        players = 1.0 if goal == "optimum" else math.inf
        found = solve(system, players, multiple)
        mean_delay = certify(system, multiple, found, players).mean_delay
        return cls(mean_delay, group_delay(system, found), found.station_flow)


def checks(
    system: RouteSystem, loads: Iterable[float], options: FormulationOptions
) -> Iterator[Check]:
    """Yield the checks of a system.

    Once: the largest load. At every load, for optimum and equilibrium: the mean delay of the answer
    and of the solver's own answer before any Newton step, each within its own certificate, and the
    flow of the station that differs most; the delay of the group that differs most at the
    equilibrium; and the price of anarchy.

    Parameters
    ----------
    system : RouteSystem
    loads : iterable of float
        Total loads, jobs per unit of time.
    options : FormulationOptions
        As for `RouteSystem.optimum`. By default Clarabel comes first also where the system is so
        large that the interior-point method would.
    """
    check_solve_options("verify", options)
    yield from _largest_load(system)
    for load in loads:
        yield from _at_load(system, load, options)


def _at_load(system: RouteSystem, load: float, options: Mapping[str, Any]) -> Iterator[Check]:
    """Compare both goals at a load with the reference."""
    multiple = load / system.load
    found = {goal: _answer(system, goal, load, options) for goal in GOALS}
    true = {goal: Truth.of(system.routed, goal, multiple) for goal in GOALS}
    own: dict[str, Any] = {**options, "polish": False, "throw": False}
    own["solver"] = options.get("solver") or SOLVER
    for goal in GOALS:
        model, reference = found[goal], true[goal]
        gap = model.certificate.gap
        check = compare(
            f"{goal} mean delay", load, model.mean_delay, reference.mean_delay, gap, "time"
        )
        yield replace(check, shares=SHARED_ALL if model.solver == OWN_SOLVER else SHARED)
        yield _own_answer(goal, load, getattr(system, goal)(load, **own), reference.mean_delay)
        yield from _flows(system, goal, load, model, reference)
    yield _group_delay(system, load, found["equilibrium"], true["equilibrium"])
    poa = PriceOfAnarchy.of(found["equilibrium"], found["optimum"])
    selfish, best = true["equilibrium"].mean_delay, true["optimum"].mean_delay
    ratio = selfish / best if best > 0 else 1.0
    yield compare("price of anarchy", load, poa, ratio, poa.spread, "number")


def _answer(
    system: RouteSystem, goal: str, load: float, options: Mapping[str, Any]
) -> RouteSolution:
    """Return the answer of the solver asked for; else that of Clarabel, if certified, or of any."""
    solve = getattr(system, goal)
    if options.get("solver") is None:
        found: RouteSolution = solve(load, **{**options, "solver": SOLVER, "throw": False})
        if found.certified:
            return found
    answer: RouteSolution = solve(load, **options)
    return answer


def _own_answer(goal: str, load: float, model: RouteSolution, reference: float) -> Check:
    """Check a solver's answer before Newton steps: its certificate covers the difference."""
    gap = model.certificate.gap
    quantity = f"{goal} of {model.solver.lower()} alone"
    check = compare(quantity, load, model.mean_delay, reference, gap, "time")
    within = check.difference <= gap * (1 + 1e-6) + 1e-12
    return replace(check, passed=bool(within and check.difference <= LOOSE))


def _flows(
    system: RouteSystem, goal: str, load: float, model: RouteSolution, reference: Truth
) -> Iterator[Check]:
    """Compare the flows of stations whose latency rises; those of others are not unique."""
    true = reference.station_flow
    with np.errstate(all="ignore"):
        rising = np.flatnonzero(system.bank.latency_slope(true) > 0)
    if rising.size:
        names = [system.stations[a] for a in rising]
        flows = model.station_flow[rising], true[rising]
        yield compare_flows(f"{goal} flow", load, names, *flows)


def _group_delay(system: RouteSystem, load: float, model: RouteSolution, reference: Truth) -> Check:
    """Compare the mean delay of the group that differs most at the equilibrium."""
    true = reference.group_delay
    worst = int(np.argmax(np.abs(model.group_delay - true) / np.where(true > 0, true, 1.0)))
    name = f"equilibrium delay ({system.groups[worst]})"
    values = float(model.group_delay[worst]), float(true[worst])
    return compare(name, load, *values, None, "time")


def _largest_load(system: RouteSystem) -> Iterator[Check]:
    """Compare the largest load with that of a linear program of CVXPY, where there is one."""
    true = system.max_load
    if np.isfinite(true):
        check = compare(
            "largest load", true, system.load * _multiple(system.routed), true, None, "rate"
        )
        yield replace(check, shares=SHARED_ROUTES)


def _multiple(system: RoutedSystem) -> float:
    """Return the largest multiple of the loads: the inverse of the least largest utilisation.

    Routes are added while the prices of the stations ask for them.
    """
    limited = np.flatnonzero(np.isfinite(system.bank.rate))
    rate, groups = system.bank.rate[limited], system.load.size
    price = np.zeros(len(system.bank))
    price[limited] = 1.0 / rate
    columns = system.routes.listed or system.routes.cheapest(price, delays=False)
    for _ in range(MOST_ROUNDS):
        flow, most = cp.Variable(len(columns), nonneg=True), cp.Variable()
        # in parts of the load of each group
        load = system.load[columns.group]
        work = csr_array(columns.transposed[limited]).multiply(load).multiply(1.0 / rate[:, None])
        sums = csr_array(
            (np.ones(len(columns)), (columns.group, np.arange(len(columns)))),
            shape=(groups, len(columns)),
        )
        full = csr_array(work) @ flow <= most
        problem = cp.Problem(cp.Minimize(most), [full, sums @ flow == 1])
        problem.solve(solver=SOLVER, **EXACT)
        price[limited] = np.maximum(full.dual_value, 0.0) / rate
        if system.routes.listed is not None:
            break
        joined, _places = columns.joined(system.routes.cheapest(price, delays=False))
        if len(joined) == len(columns):
            break
        columns = joined
    return 1.0 / float(np.asarray(most.value))
