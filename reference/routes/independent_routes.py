"""Flows on independent routes: the same loads of stations on fewer routes, at no more fixed cost.

Next to capacity the costs of full stations have no digits left for the fixed delays of routes, and
for the latencies of stations that their loads do not change. But where a change of route flows
moves no other load, these fixed costs alone decide: along the change, in the direction in which the
sum of flow times fixed cost does not rise, a route is left without flow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow

MOST = 200  # routes up to which flows are moved


def independent(bank: ServerBank, found: RouteFlow, groups: int) -> RouteFlow:
    """Return flows on independent routes, or the same where there are many routes.

    Parameters
    ----------
    bank : ServerBank
        Stations with the cost as latency.
    found : RouteFlow
    groups : int
        Number of groups G, whose loads stay the same.
    """
    flow = found.used()
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
    columns, v = found.columns, found.station_flow
    flat = bank.latency_slope(v) == 0
    fixed = columns.costs(np.where(flat, bank.latency(v), 0.0))
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
