"""Steps to the optimum within limits: along a linear program's direction, and Newton steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import Array
from ..server_bank import ServerBank
from .columns import RouteFlow
from .limited import LimitedFlow, certified, moved_inside, placed, scale_of
from .route_rows import RouteRows
from .routed import RoutedSystem

MOST_DENSE = 1000  # unknowns up to which Newton steps are taken
STEPS = 30  # largest number of Newton steps from one point
ROUNDS = 60  # largest number of directions
TRACE = 1e-7  # part of a group's load, or of the largest multiplier, that may be 0
FLOOR = 1e-13  # relative gap at which rounding takes over
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
    found = moved_inside(system, rows, load, found, safe)
    best, target = certified(system, load, rows, found, z)
    count, here = 0, best
    for _ in range(ROUNDS):
        flow, z, steps = newton(system, load, rows, here.found, here.z)
        if steps:
            flow = moved_inside(system, rows, load, flow, safe)
            here, target = certified(system, load, rows, flow, z)
            best, count = (here if here.gap < best.gap else best), count + steps
        if best.gap <= FLOOR:
            break
        here = replace(here, found=_towards(system, here.found, target))
    return replace(best, steps=count)


def _towards(system: RoutedSystem, found: RouteFlow, target: RouteFlow) -> RouteFlow:
    """Return the flows of least total delay on the line from flows to others, below the rates."""
    columns, _ = found.columns.joined(target.columns)
    x, y = placed(found, columns), placed(target, columns)
    direction, bank = y - x, system.bank
    v, dv = columns.station_flow(x), columns.station_flow(direction)
    delay, low, high = float(direction @ columns.delay), 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        at = v + middle * dv
        rises = np.any(bank.spare_capacity(at) <= 0) or bank.marginal(at) @ dv + delay > 0
        low, high = (low, middle) if rises else (middle, high)
    return RouteFlow(columns, x + low * direction)


def newton(
    system: RoutedSystem, load: Array, rows: RouteRows, found: RouteFlow, z: Array
) -> tuple[RouteFlow, Array, int]:
    """Return flows, multipliers, and the number of Newton steps to the optimum on the used routes.

    The steps solve the conditions of the optimum with the used routes, and the rows that bind, as
    equations; a route whose flow, or a row whose multiplier, becomes negative is left out. They
    return what they were given where there are too many unknowns.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    rows : RouteRows
        m limits.
    found : RouteFlow
        Flows close to the optimum.
    z : ndarray, shape (m,)
        Multipliers close to those of the optimum.
    """
    columns, bank = found.columns, system.bank
    matrix, scale = rows.matrix(columns), scale_of(rows, load)
    slack = rows.bound - matrix @ found.flow
    binds = (z > TRACE * z.max(initial=0.0)) & (slack < 1e-3 * scale)
    used = found.flow > TRACE * load[columns.group]
    x, z, steps = np.where(used, found.flow, 0.0), np.where(binds, z, 0.0), 0
    best, error = (found, z), np.inf
    if used.sum() + binds.sum() + load.size > MOST_DENSE:
        return found, z, 0
    while steps < STEPS and np.all(bank.spare_capacity(columns.station_flow(x)) > 0):
        on, tight = np.flatnonzero(used), np.flatnonzero(binds)
        here = matrix[tight][:, on].toarray() / scale[tight][:, None]
        part = RouteFlow(columns.only(on), x[on])
        off, dx, dz = _newton_step(
            bank, load, part, here, rows.bound[tight] / scale[tight], z[tight] * scale[tight]
        )
        if off >= 0.5 * error:
            break
        best, error = (RouteFlow(columns, x.copy()), z.copy()), off
        # as far as the first flow that reaches 0, which is then left out
        falls = dx < 0
        reach = np.divide(x[on], -dx, out=np.full(on.size, np.inf), where=falls)
        length = min(1.0, float(reach.min(initial=np.inf)))
        x[on] = np.maximum(x[on] + length * dx, 0.0)
        z[tight] += length * dz / scale[tight]
        gone, loose = on[reach <= length] if length < 1.0 else on[:0], tight[z[tight] < 0]
        used[gone], binds[loose], x[gone], z[loose] = False, False, 0.0, 0.0
        error = np.inf if gone.size or loose.size else error
        steps += 1
    return best[0].fitted(load), best[1], steps


def _newton_step(
    bank: ServerBank, load: Array, part: RouteFlow, matrix: Array, bound: Array, z: Array
) -> tuple[float, Array, Array]:
    """Return the largest relative residual of the conditions, and a step of flows and multipliers.

    The conditions are W m(v) + d + B'z = the cost of the group, B x = b, and the sums of the
    groups. Flows are in units of the mean load and costs in units of the mean cost.
    """
    columns, x, groups = part.columns, part.flow, load.size
    v, unit = part.station_flow, float(np.mean(load))
    costs = columns.costs(bank.marginal(v)) + matrix.T @ z
    member = (columns.group == np.arange(groups)[:, None]).astype(float)
    level = np.divide(member @ (x * costs), load)
    most = float(np.mean(level)) or 1.0
    work = columns.work.toarray()
    hessian = work @ (bank.marginal_slope(v)[:, None] * work.T) * (unit / most)
    corner = np.vstack([matrix * unit, member])
    kkt = np.block([[hessian, corner.T], [corner, np.zeros((len(corner),) * 2)]])
    residual = np.concatenate(
        [(costs - level @ member) / most, matrix @ x - bound, (member @ x - load) / unit]
    )
    step = np.linalg.lstsq(kkt, -residual, rcond=1e-13)[0]
    return (
        float(np.max(np.abs(residual))),
        step[: x.size] * unit,
        step[x.size : x.size + z.size] * most,
    )
