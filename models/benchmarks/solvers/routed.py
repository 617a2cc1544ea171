"""Optimum and equilibrium of systems with routes as problems of the benchmark.

The true answer is that of Newton's method on the routes in use, in more digits than floats. Its
certificate is of the order of the root of the rounding errors at equilibria, so it is taken where
the potential is at its least value to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from ....reference.errors import Array, InputError
from ....reference.routes import (
    GraphRoutes,
    RouteCertificate,
    RoutedSystem,
    RouteFlow,
    capacity,
    certify,
)
from ....reference.routes import equilibrium as exact_equilibrium
from ...systems.parallel.prices import Goal
from ...systems.routes.formulations import Arcs, Cost, idle_delay
from ...systems.routes.formulations import formulations as formulations_of
from ...systems.routes.system import RouteSystem
from .accuracy import accuracy, for_any_values, gap_of
from .problem import Accuracy, Axes, Overload, Problem, ProblemInstance, Truth, Written

GAP = 1e-9  # of a certificate that proves a true answer
POTENTIAL_GAP = 1e-13  # of an answer that is at the minimum to the last digits


def routed(
    name: str,
    title: str,
    goal: Goal,
    draw: Callable[[Axes, np.random.Generator], RouteSystem],
    **axes: Any,
) -> Problem:
    """Return the problem of dividing loads over the routes of a random system.

    Parameters
    ----------
    name, title : str
        See `Problem`.
    goal : {"optimum", "equilibrium"}
    draw : callable
        Function from axes and a random generator to a system.
    **axes
        Sizes and spreads of the `Problem`.
    """
    return Problem(
        name,
        title,
        draw,
        lambda system: dict.fromkeys(
            formulations_of(system.routed, "auto")[:1],
            Cost.of(system.bank, goal, np.inf).kinds(),
        ),
        lambda system, formulation, part: instance(system, goal, formulation, part),
        overload=lambda system, formulation: overload(system, goal, formulation),
        **axes,
    )


@dataclass(frozen=True, eq=False)
class Variables:
    """The variables of a program: flows of listed routes, or of links by origin.

    Attributes
    ----------
    system : RoutedSystem
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    """

    system: RoutedSystem
    load: Array

    @cached_property
    def arcs(self) -> Arcs:
        """The links by origin, where these are the variables."""
        routes = self.system.routes
        if not isinstance(routes, GraphRoutes):
            raise TypeError("the routes are listed")
        return Arcs.of(routes)

    @cached_property
    def delay(self) -> Array:
        """Fixed delay of each variable, shape (m,)."""
        listed = self.system.routes.listed
        return np.zeros(self.arcs.link.size) if listed is None else listed.delay

    @cached_property
    def to_stations(self) -> csr_array:
        """Matrix from the variables to the loads of the stations, shape (A, m)."""
        listed = self.system.routes.listed
        return self.arcs.sums if listed is None else csr_array(listed.transposed)

    @cached_property
    def balance(self) -> tuple[csr_array, Array]:
        """Equations of the variables: a matrix and its right-hand side."""
        listed = self.system.routes.listed
        if listed is None:
            share = self.load / self.load.sum()
            matrix, right = self.arcs.balance(share)
            return matrix, right * self.load.sum()
        rows = np.arange(len(listed))
        shape = (self.load.size, rows.size)
        return csr_array((np.ones(rows.size), (listed.group, rows)), shape=shape), self.load

    def routes(self, flow: Array) -> RouteFlow:
        """Return the flows on routes of values of the variables, shape (m,)."""
        listed = self.system.routes.listed
        return self.arcs.found(flow) if listed is None else RouteFlow(listed, flow)

    def of(self, found: RouteFlow) -> Array:
        """Return the values of the variables of flows on routes, shape (m,)."""
        listed = self.system.routes.listed
        if listed is None:
            by_origin = self.arcs.routes.origin_flows(found)
            return np.asarray(by_origin[self.arcs.origin, self.arcs.link])
        flow = np.zeros(len(listed))
        flow[listed.places(found.columns)] = found.flow
        return flow


def instance(system: RouteSystem, goal: Goal, formulation: str, part: float) -> ProblemInstance:
    """Return the instance at a part of the largest multiple of the loads.

    Raises
    ------
    InputError
        Where the true answer is not found to the last digits.
    """
    multiple = part * capacity(system.routed).lower
    players = 1.0 if goal == "optimum" else np.inf
    found = exact_equilibrium(system.routed, multiple, players)
    _check(found.certificate, part)
    truth = Truth(found.mean_delay, found.flow.station_flow)
    load = multiple * system.routed.load
    total, variables = multiple * system.routed.total_load, Variables(system.routed, load)
    unit = total / load.size

    @for_any_values
    def judge(values: Mapping[str, Array]) -> Accuracy:
        x = values["flow"] * unit
        matrix, right = variables.balance
        stations = variables.to_stations @ x
        imbalance = np.abs(matrix @ x - right).max() / load.min()
        excess = (stations / system.bank.rate).max() - 1.0
        jobs = stations @ system.bank.latency(stations) + variables.delay @ x
        delay = float(jobs / total) if excess < 0 else np.inf
        proof = certify(system.routed, multiple, variables.routes(np.maximum(x, 0.0)), players)
        violations = imbalance, -x.min() / total, excess
        gap = gap_of(delay, proof.lower_bound, proof.upper_bound)
        return accuracy(truth, delay, violations, stations, gap)

    jobs = total * found.mean_delay
    if goal == "equilibrium":
        integral = system.bank.potential(truth.answer).sum()
        jobs = float(integral) + found.flow.fixed_delay
    optimum = jobs / (total * idle_delay(system.routed))
    best = {"flow": variables.of(found.flow) / unit}
    return ProblemInstance(
        truth, lambda: written(system, goal, formulation, total), judge, optimum, best
    )


def written(system: RouteSystem, goal: Goal, formulation: str, load: float) -> Written:
    """Return the program of a formulation at any total load."""
    model = system._task(goal, load).question.write(formulation, (np.array([load]),))
    return Written(model.problem, {"flow": model.variable})


def overload(system: RouteSystem, goal: Goal, formulation: str) -> Overload:
    """Return the function that writes the program at loads that the stations cannot carry.

    Lengths of the stations prove it: the loads need more length than the rates have.
    """

    def write(part: float) -> Written:
        total = part * capacity(system.routed).upper * system.routed.total_load
        return written(system, goal, formulation, total)

    return write


def _check(found: RouteCertificate, part: float) -> None:
    """Raise InputError unless an answer is the true one to the last digits."""
    close = not abs(found.estimate - found.mean_delay) > GAP * found.mean_delay
    if not (found.gap <= GAP or (close and found.potential_gap <= POTENTIAL_GAP)):
        problem = f"has no true answer on these routes: its gap is {found.gap:.1e}"
        raise InputError("load", part, problem, "lower it, or take fewer routes")
