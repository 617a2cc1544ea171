"""Flows on independent routes: the same loads of stations on fewer routes, at no more fixed cost.

Next to capacity the costs of full stations have no digits left for the fixed delays of routes, and
for the latencies of stations that their loads do not change. But where a change of route flows
moves no other load, these fixed costs alone decide: along the change, in the direction in which the
sum of flow times fixed cost does not rise, a route is left without flow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, vstack

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow

MOST = 200  # routes up to which flows are moved
MOST_AT_ONCE = 20_000  # routes up to which a linear program finds the flows
LEAST = 1e-12  # flow of a route in the program, over the mean load, that is not its rounding error


def independent(bank: ServerBank, found: RouteFlow, groups: int) -> RouteFlow:
    """Return flows on independent routes, or the same where there are very many routes.

    Of more than a few routes a linear program has the flows of the least fixed cost at the same
    loads, and the simplex method leaves independent ones in use.

    Parameters
    ----------
    bank : ServerBank
        Stations with the cost as latency.
    found : RouteFlow
    groups : int
        Number of groups G, whose loads stay the same.
    """
    flow = found.used()
    stations = int(np.count_nonzero(flow.station_flow))
    if max(MOST, groups + stations) < len(flow.columns) <= MOST_AT_ONCE:
        flow = _least_fixed_cost(bank, flow, groups)
    while 1 < len(flow.columns) <= MOST:
        change = _free_change(bank, flow, groups)
        if change is None:
            break
        steps = np.where(change < 0, flow.flow / np.where(change < 0, -change, 1.0), np.inf)
        first = int(np.argmin(steps))
        x = np.maximum(flow.flow + steps[first] * change, 0.0)
        x[first] = 0.0
        flow = replace(flow, flow=x).used()
    return flow


def _free_change(bank: ServerBank, found: RouteFlow, groups: int) -> Array | None:
    """Return a change of flows at fixed costs and loads of groups; None if there is none."""
    columns = found.columns
    fixed, flat = _fixed_costs(bank, found)
    member = np.zeros((groups, len(columns)))
    member[columns.group, np.arange(len(columns))] = 1.0
    rows = np.vstack([columns.dense[:, ~flat].T, member])
    rows = rows[rows.any(axis=1)]
    rows /= rows.max(axis=1, keepdims=True)
    sizes = np.linalg.norm(rows, axis=0)
    _, values, directions = np.linalg.svd(rows / sizes)
    rank = int(np.sum(values > max(rows.shape) * EPS * values[0]))
    free = directions[rank:]
    if not len(free):
        return None
    slower = fixed / sizes
    change = -(free.T @ (free @ slower))
    if not np.max(np.abs(change)) > np.sqrt(EPS) * np.max(np.abs(slower), initial=0.0):
        change = free[-1]
    change = np.asarray(change / sizes)
    return change if (change < 0).any() else -change


def _fixed_costs(bank: ServerBank, found: RouteFlow) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the costs of routes that no loads change, and the stations where none do."""
    v = found.station_flow
    flat = bank.latency_slope(v) == 0
    return found.columns.costs(np.where(flat, bank.latency(v), 0.0)), flat


def _least_fixed_cost(bank: ServerBank, found: RouteFlow, groups: int) -> RouteFlow:
    """Return flows of the least fixed cost at the same loads of groups and stations."""
    from scipy.optimize import linprog

    columns, x = found.columns, found.flow
    fixed, flat = _fixed_costs(bank, found)
    unit, each = float(np.sum(x)) / groups, np.arange(x.size)
    member = csr_array((np.ones(x.size), (columns.group, each)), shape=(groups, x.size))
    rows = vstack([member, columns.work[:, np.flatnonzero(~flat)].T], format="csr")
    right = rows @ x / unit
    steps = fixed - columns.least(fixed, groups)[columns.group]
    answer = linprog(
        steps / (float(np.max(steps)) or 1.0),
        A_eq=rows,
        b_eq=right,
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if answer.x is None:
        return found
    load = columns.group_flow(x, groups)
    flow = np.where(answer.x > LEAST, answer.x, 0.0)
    return replace(found, flow=flow * unit, rest=None).fitted(load).used()
