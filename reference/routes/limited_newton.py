"""Steps to the optimum within limits: along a linear program's direction, and Newton steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import block_array, csc_array, csr_array, diags_array, vstack
from scipy.sparse.linalg import splu

from ..compensated_sum import EPS
from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow
from .limited import LimitedFlow, certified, moved_inside, placed, scale_of
from .route_rows import RouteRows
from .routed import RoutedSystem

MOST = 20_000  # unknowns up to which Newton steps are taken
STEPS = 30  # largest number of Newton steps from one point
ROUNDS = 60  # largest number of directions
TRACE = 1e-7  # part of a group's load, or of the largest multiplier, that may be 0
PATIENCE = 6  # number of directions without a smaller gap, after which no more are tried
FLOOR = 1e-13  # relative gap at which rounding takes over
SHIFT = 1e-9  # multiple of the identity that makes the equations of a step regular
REFINEMENTS = 4  # of the solution of these equations
ROUNDING = 64.0 * EPS  # relative rounding error of a sum of changes
NEAR = 0.02  # relative error of the length of a step
HALVINGS = 60  # of the interval that contains the best length of a step


def refined(
    system: RoutedSystem, load: Array, rows: RouteRows, found: RouteFlow, safe: RouteFlow, z: Array
) -> LimitedFlow:
    """Return the optimum within the limits, from flows close to it.

    Each round takes Newton steps on the used routes and the rows that bind; where the certificate
    then has a gap, the flows move towards those of the linear program that proves it, which may
    use further routes.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    rows : RouteRows
        m limits.
    found : RouteFlow
        Flows to start from.
    safe : RouteFlow
        Flows within the limits and below the rates.
    z : ndarray, shape (m,)
        Multipliers to start from.
    """
    here, target = certified(system, load, rows, moved_inside(system, rows, load, found, safe), z)
    best, count, stalled = here, 0, 0
    for _ in range(ROUNDS):
        flow, z, steps = newton(system, load, rows, here.found, here.z)
        flow = moved_inside(system, rows, load, flow, safe)
        here, target = certified(system, load, rows, flow, z)
        stalled, count = (0 if here.gap < 0.9 * best.gap else stalled + 1), count + steps
        best = here if here.gap < best.gap else best
        if best.gap <= FLOOR or stalled > PATIENCE:
            break
        here = replace(here, found=_towards(system, here.found, target))
    return replace(best, steps=count)


def _towards(system: RoutedSystem, found: RouteFlow, target: RouteFlow) -> RouteFlow:
    """Return the flows of least total delay on the line from flows to others, below the rates."""
    columns, _ = found.columns.joined(target.columns)
    x = placed(found, columns)
    direction = placed(target, columns) - x
    return RouteFlow(columns, x + _length(system, RouteFlow(columns, x), direction) * direction)


def _length(system: RoutedSystem, found: RouteFlow, direction: Array, most: float = 1.0) -> float:
    """Return the length of a step, up to `most`, of least total delay below the rates."""
    bank, columns = system.bank, found.columns
    v, dv = found.station_flow, columns.station_flow(direction)
    delays = direction * columns.delay

    def rises(length: float) -> bool:
        at = v + length * dv
        if np.any(bank.spare_capacity(at) <= 0):
            return True
        changes = np.concatenate([bank.marginal(at) * dv, delays])
        return bool(changes.sum() > ROUNDING * np.abs(changes).sum())

    if not rises(most):
        return most
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if rises(middle) else (middle, high)
        if high - low <= NEAR * high:
            break
    return low


def newton(
    system: RoutedSystem, load: Array, rows: RouteRows, found: RouteFlow, z: Array
) -> tuple[RouteFlow, Array, int]:
    """Return flows, multipliers, and the number of Newton steps to the optimum on the used routes.

    The steps solve the conditions of the optimum, with the used routes and the rows that bind, as
    equations. A step ends where a flow becomes 0, and its route is left out; where another row
    binds, which is then added; or where the total delay no longer falls. A row whose multiplier is
    negative after a whole step is left out. With too many unknowns there are no steps.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    rows : RouteRows
        m limits.
    found : RouteFlow
        Flows within the limits and below the rates.
    z : ndarray, shape (m,)
        Multipliers close to those of the optimum.
    """
    columns, scale = found.columns, scale_of(rows, load)
    matrix, x = rows.matrix(columns), found.flow
    slack = rows.bound - matrix @ x
    binds = (z > TRACE * z.max(initial=0.0)) & (slack <= TRACE * scale)
    used, z, steps, error = x > TRACE * load[columns.group], np.where(binds, z, 0.0), 0, np.inf
    if used.sum() + binds.sum() + load.size > MOST:
        return found, z, 0
    x = RouteFlow(columns, np.where(used, x, 0.0)).fitted(load).flow
    best = (x, z)
    while steps < STEPS and np.all(system.bank.spare_capacity(columns.station_flow(x)) > 0):
        on, tight = np.flatnonzero(used), np.flatnonzero(binds)
        here = csr_array(diags_array(1.0 / scale[tight]) @ matrix[tight][:, on])
        part = RouteFlow(columns.only(on), x[on])
        bound, price = rows.bound[tight] / scale[tight], z[tight] * scale[tight]
        off, dx, dz = _newton_step(system.bank, load, part, here, bound, price)
        if off >= 0.5 * error:
            break
        best, error, steps = (x, z), off, steps + 1
        direction = np.zeros(x.size)
        direction[on] = dx
        slack, falls = rows.bound - matrix @ x, matrix @ direction
        reach = np.divide(x[on], -dx, out=np.full(on.size, np.inf), where=dx < 0)
        free = ~binds & (falls > 0)
        until = np.divide(np.maximum(slack, 0), falls, out=np.full(z.size, np.inf), where=free)
        most = min(1.0, float(reach.min(initial=np.inf)), float(until.min(initial=np.inf)))
        length = _length(system, RouteFlow(columns, x), direction, most)
        x, z = np.maximum(x + length * direction, 0.0), z.copy()
        z[tight] += dz / scale[tight]
        gone, met = on[reach <= length], until <= length
        loose = tight[z[tight] < 0] if length == 1.0 else tight[:0]
        z = np.maximum(z, 0.0)
        used[gone], binds[loose], binds[met], x[gone] = False, False, True, 0.0
        changed = gone.size or loose.size or met.any()
        if length == 0.0 and not changed:
            break
        error = np.inf if length < 1.0 or changed else error
    return RouteFlow(columns, best[0]).fitted(load), best[1], steps


def _newton_step(
    bank: ServerBank, load: Array, part: RouteFlow, matrix: csr_array, bound: Array, z: Array
) -> tuple[float, Array, Array]:
    """Return the largest relative residual of the conditions, and a step of flows and multipliers.

    The conditions are W m(v) + d + B'z = the cost of the group, B x = b, and the sums of the
    groups. Flows are in units of the mean load and costs in units of the mean cost. With
    S = W sqrt(m'), the change u = S'dx of the prices is an unknown of its own, so that the matrix
    is sparse. It is singular where routes can replace each other: a small multiple of the identity
    is added, and its effect removed by iterative refinement.
    """
    columns, x, groups = part.columns, part.flow, load.size
    v, unit, routes = part.station_flow, float(np.mean(load)), part.flow.size
    costs = columns.costs(bank.marginal(v)) + matrix.T @ z
    member = csr_array(
        (np.ones(routes), (columns.group, np.arange(routes))), shape=(groups, routes)
    )
    level = np.divide(member @ (x * costs), load)
    most = float(np.mean(level)) or 1.0
    steep = diags_array(np.sqrt(bank.marginal_slope(v) * (unit / most)))
    rows = vstack([(columns.work @ steep).T, matrix * unit, member], format="csc")
    ones = np.concatenate([np.ones(v.size), np.zeros(z.size + groups)])
    kkt = block_array([[None, rows.T], [rows, diags_array(-ones)]], format="csc")
    shift = np.concatenate([np.full(routes, SHIFT), -SHIFT * (1.0 - ones)])
    solver = splu(csc_array(kkt + diags_array(shift)))
    residual = np.concatenate(
        [
            (costs - member.T @ level) / most,
            np.zeros(v.size),
            matrix @ x - bound,
            (member @ x - load) / unit,
        ]
    )
    step = np.zeros(residual.size)
    for _ in range(REFINEMENTS):
        step -= solver.solve(residual + kkt @ step)
    dx, _, dz, _ = np.split(step, np.cumsum([routes, v.size, z.size]))
    return float(np.max(np.abs(residual))), dx * unit, dz * (unit * most)
