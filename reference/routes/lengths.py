"""The flow with the least largest utilisation, and lengths that prove it, by linear programming.

The program has a variable for each route in use. Where there are many routes they are added as the
lengths ask for them: the shortest route of each group, until no group has a shorter one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack

from ..errors import Array
from .columns import Columns, RouteFlow
from .routed import RoutedSystem

AT_ONCE = 4000  # routes up to which a list of them makes one program
ROUNDS = 12  # rounds of all-or-nothing flows that give the first routes
ADDED = 60  # largest number of programs
TOLERANCE = 1e-12  # relative distance of flow and lengths at which they are exact
USED = 1e-9  # part of a group's load, or of the sum of lengths times rates, that counts


class Program(NamedTuple):
    """Answer of the linear program over some routes.

    Attributes
    ----------
    share : ndarray, shape (R,)
        Part of its group's load that takes each route.
    length : ndarray, shape (A,)
        Lengths of the stations, with length times rate summing to 1.
    """

    share: Array
    length: Array


def least_largest_utilisation(system: RoutedSystem) -> tuple[RouteFlow, Array]:
    """Return a flow of the loads with the least largest utilisation, and the dual lengths."""
    routes, rate = system.routes, system.bank.rate
    limited = np.isfinite(rate)
    per_rate = np.where(limited, 1.0 / rate, 0.0)
    listed = routes.listed
    first = routes.cheapest(per_rate, delays=False)
    if not limited.any() or not np.any(first.costs(per_rate) - first.delay):
        return RouteFlow(first, system.load[first.group]), per_rate
    if listed is not None and len(listed) <= AT_ONCE:
        columns = listed
    else:
        columns = _first_columns(system, first, per_rate)
    for _ in range(ADDED):
        program = _solve(system, columns, per_rate)
        shortest = routes.cheapest(program.length, delays=False)
        if columns is listed or not _shorter(system, columns, program.length, shortest):
            break
        known = len(columns)
        columns, _ = columns.joined(_with_delays(shortest))
        if len(columns) == known:
            break
    flow = program.share * system.load[columns.group]
    return RouteFlow(columns, flow).fitted(system.load), program.length


def _with_delays(columns: Columns) -> Columns:
    return columns


def _shorter(system: RoutedSystem, columns: Columns, length: Array, shortest: Columns) -> bool:
    """Return whether other routes are shorter than the given ones, for the load as a whole."""
    groups = system.load.size
    zero = np.zeros(len(columns))
    present = Columns(columns.group, columns.work, zero).least(columns.work @ length, groups)
    least = Columns(shortest.group, shortest.work, zero[:0]).least(shortest.work @ length, groups)
    needed = float(system.load @ present)
    return float(system.load @ (present - least)) > TOLERANCE * needed


def _first_columns(system: RoutedSystem, first: Columns, per_rate: Array) -> Columns:
    """Return the routes of a few all-or-nothing flows, each at lengths that avoid the last."""
    columns, groups = first, system.load
    mean = np.zeros(per_rate.size)
    shortest = first
    for i in range(ROUNDS):
        mean += (shortest.station_flow(groups[shortest.group]) * per_rate - mean) / (i + 1)
        length = per_rate * np.exp(8.0 * (mean / np.max(mean) - 1.0))
        shortest = system.routes.cheapest(length, delays=False)
        columns, _ = columns.joined(shortest)
    return columns


def _solve(system: RoutedSystem, columns: Columns, per_rate: Array) -> Program:
    """Return the answer of the linear program over the given routes.

    Variables are the part of its group's load that takes each route, and the largest utilisation
    in units of that of even parts.
    """
    from scipy.optimize import linprog

    load, groups, routes = system.load, system.load.size, len(columns)
    used = np.flatnonzero((per_rate > 0) & (columns.transposed @ np.ones(routes) > 0))
    weight = csr_array(columns.work[:, used] * per_rate[used])
    weight = csr_array(weight.multiply(load[columns.group][:, None]))
    even = 1.0 / np.bincount(columns.group, minlength=groups)[columns.group]
    unit = float(np.max(weight.T @ even))
    limits = hstack([weight.T / unit, csc_array(-np.ones((used.size, 1)))], format="csc")
    rows = csc_array(
        (np.ones(routes), (columns.group, np.arange(routes))), shape=(groups, routes + 1)
    )
    cost = np.zeros(routes + 1)
    cost[-1] = 1.0
    answer = linprog(
        cost,
        A_ub=limits,
        b_ub=np.zeros(used.size),
        A_eq=rows,
        b_eq=np.ones(groups),
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    length = np.zeros(per_rate.size)
    length[used] = np.maximum(-answer.ineqlin.marginals, 0.0) * per_rate[used]
    return Program(np.maximum(answer.x[:-1], 0.0), length)
