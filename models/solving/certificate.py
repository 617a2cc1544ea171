"""A certificate that needs no solver: bounds on the true answer from any flow, whoever found it.

Optimum. For any multiplier c, every split carries at least sum_i min_z (f_i(z) - c z) + c load, attained at z = g_i^-1(c): weak duality.
Equilibrium. At any split of the load, the common latency of the true equilibrium lies between the least latency that any server offers and
the largest that a used one has: were it higher, every used server would carry more than it does; were it lower, every one less.

A flow has shape (..., n) and a load (...): many answers are certified in one pass over their rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from sojourn.models.solving.prices import Goal, multiplier
from sojourn.models.solving.splits import Mask, clip, feasible, missing, total
from sojourn.models.solving.table import Table
from sojourn.reference.errors import Array, InputError, numbers
from sojourn.reference.parallel import check_one_load
from sojourn.reference.queues import Operation, Queue

EPS = float(np.finfo(float).eps)
KINKED = 1e-10  # gap above which other prices than the common one are tried
MANY = 16  # servers above which they are not


@dataclass(frozen=True)
class Certificate:
    """How far an answer can be from the truth.

    Attributes
    ----------
    lower_bound, upper_bound : float
        The true mean delay lies between them, in the system's unit of time.
    gap : float
        Largest relative error that the reported mean delay can have.
    balance : float
        Distance of the sum of flows from the load, over the load, of the flow as reported.
    least_flow : float
        Smallest flow over the load; below 0 only where a solver left it so.
    utilisation : float
        Largest flow over its server's rate.
    deviation_gain : float or None
        Equilibrium: the most that any user gains by moving, in the unit of time.
    potential_gap : float or None
        Equilibrium: relative duality gap of the Beckmann potential.
    violation : float or None
        Within limits: the largest violation of one, in parts of the load or the budget.
    """

    lower_bound: float
    upper_bound: float
    gap: float
    balance: float
    least_flow: float
    utilisation: float
    deviation_gain: float | None = None
    potential_gap: float | None = None
    violation: float | None = None

    times: ClassVar[tuple[str, ...]] = ("lower_bound", "upper_bound", "deviation_gain")


@dataclass(frozen=True, eq=False)
class Certificates(Table):
    """Certificates of K answers, as arrays of shape (K,); fields as of `Certificate`, NaN for None."""

    lower_bound: Array
    upper_bound: Array
    gap: Array
    balance: Array
    least_flow: Array
    utilisation: Array
    deviation_gain: Array
    potential_gap: Array

    def row(self, k: int) -> Certificate:
        """Return the certificate of one answer."""
        return Certificate(*(None if math.isnan(number) else float(number) for number in self.values(k)))  # type: ignore[arg-type]


def certify(queue: Queue, load: float, flow: Array, goal: Goal) -> Certificate:
    """Return the certificate of a flow, as tight as the flow allows. For the split of a user's own see `ParallelServers.evaluate`.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load, stable.
    flow : ndarray, shape (n,)
        The answer to certify; it need not be feasible.
    goal : {"optimum", "equilibrium"}

    Raises
    ------
    LoadError, InputError
    """
    if goal not in get_args(Goal):
        raise InputError("goal", goal, "is not something to certify", f"use {' or '.join(get_args(Goal))}")
    x = numbers("flow", flow)
    if x.shape != (len(queue),):
        raise InputError("flow", x.tolist(), f"has shape {x.shape}", f"give {len(queue)} numbers, one a server")
    return certify_rows(queue, np.array([check_one_load(queue, load)]), x[None], goal).row(0)


def certify_rows(queue: Queue, load: Array, flow: Array, goal: Goal) -> Certificates:
    """Return the certificates of K flows, shape (K, n), of K loads, shape (K,); see `certify`."""
    with np.errstate(all="ignore"):  # a row that is no split is told by its gap
        return _certify(queue, load, flow, goal)


def _certify(queue: Queue, load: Array, flow: Array, goal: Goal) -> Certificates:
    bounds = _optimum_bounds if goal == "optimum" else _latency_bounds
    nearest = float(queue.idle_latency.min())
    lower, upper, potential = np.zeros_like(load), np.full_like(load, np.inf), np.full_like(load, np.inf)
    for trim in (False, True):
        point, there = feasible(queue, load, flow, trim=trim)
        low, high = bounds(queue, load, point)
        lower, upper = np.where(there, np.fmax(lower, low), lower), np.where(there, np.fmin(upper, high), upper)
        if goal == "equilibrium":
            potential = np.where(there, np.fmin(potential, _potential_gap(queue, load, point)), potential)
    # no user is ever served faster than by the nearest server, empty
    lower = np.maximum(np.where(np.isfinite(lower), lower, 0.0), nearest)
    upper = np.maximum(upper, lower)
    finite: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    value = mean_delay(queue, np.where(finite[:, None], flow, 0.0))
    worst = np.where(np.isfinite(value), np.maximum(np.abs(upper - value), np.abs(value - lower)), np.inf)
    # sums of n products are rounded too; and the delay may be too short for a float
    gap = np.where(finite & (lower > 0), worst / lower + 8 * EPS, np.inf)
    none = np.full_like(load, np.nan)
    return Certificates(
        lower_bound=lower,
        upper_bound=upper,
        gap=gap,
        balance=np.where(finite, np.abs(missing(load, flow)) / load, np.inf),
        least_flow=np.where(finite, flow.min(axis=-1) / load, -np.inf),
        utilisation=np.where(finite, (flow / queue.rate).max(axis=-1), np.inf),
        deviation_gain=np.where(finite, deviation_gain(queue, clip(queue, flow)), np.inf) if goal == "equilibrium" else none,
        potential_gap=potential if goal == "equilibrium" else none,
    )


def rounding(queue: Queue, load: Array, flow: Array, goal: Goal) -> Array:
    """Gap that the rounding of the flows to floats alone can cause, relative: close to saturation a float cannot say the spare capacity."""
    x = clip(queue, flow)
    with np.errstate(all="ignore"):
        steep = multiplier(queue, load, x, goal) if goal == "optimum" else (queue.latency_slope(x) * x).max(axis=-1)
        return np.asarray(8 * EPS * steep / mean_delay(queue, x))


def mean_delay(queue: Queue, flow: Array) -> Array:
    """Mean delay sum x_i l_i(x_i) / sum x_i at a flow, shape (...); infinite outside the stable region."""
    inside = np.maximum(flow, 0.0)
    stable = np.all(queue.spare_capacity(inside) > 0, axis=-1) & inside.any(axis=-1)
    x = np.where(stable[..., None], inside, 0.0)
    carried = total(x * queue.latency(x))
    delay: Array = np.divide(carried, total(x), out=np.full(np.shape(carried), np.inf), where=stable)
    return delay


def supporting_line(queue: Queue, load: float, flow: Array) -> tuple[float, float]:
    """Line below the least total delay at every load: its value at this load and its slope, from any flow and its multiplier."""
    at, row = np.array([float(load)]), np.asarray(flow, dtype=float)[None]
    nearest = float(queue.idle_latency.min())
    lines = []
    for trim in (False, True):
        point, there = feasible(queue, at, row, trim=trim)
        if there[0]:
            slope = multiplier(queue, at, point, "optimum")
            lines.append((float(_lower_bound(queue, at, slope)[0]) * float(load), float(slope[0])))
    # no job is ever served faster than by the nearest server, empty
    return max(lines, default=(nearest * float(load), nearest))


def deviation_gain(queue: Queue, flow: Array) -> Array:
    """Most that a user gains by moving: the largest latency of a used server less the least that any offers; shape (...)."""
    latency = queue.latency(flow)
    largest = np.where(flow > 0, latency, -np.inf).max(axis=-1)
    gain: Array = np.where(np.any(flow > 0, axis=-1), largest - latency.min(axis=-1), np.inf)
    return gain


def _split(queue: Queue, load: Array, flow: Array) -> tuple[Array, Array]:
    """Flow and spare capacity of exactly the load: what rounding left over goes to the used server with the most room."""
    spare = queue.spare_capacity(flow)
    roomy = np.where(flow > 0, spare, -1.0).argmax(axis=-1)[..., None]
    rest = np.where(np.arange(flow.shape[-1]) == roomy, missing(load, flow)[..., None], 0.0)
    return flow + rest, spare - rest


def _dual(queue: Queue, load: Array, price: Array, point: Operation, cost: Array) -> Array:
    """Lagrangian at the minimisers of a price: what they cost, and the price of the load that they leave."""
    full = point.spare < point.flow  # its flow is known best as rate less spare capacity
    carried = np.concatenate([np.where(full, queue.rate, point.flow), np.where(full, queue.rate_error - point.spare, 0.0)], axis=-1)
    return total(np.concatenate([cost, (price * missing(load, carried))[..., None]], axis=-1))


def _optimum_bounds(queue: Queue, load: Array, flow: Array) -> tuple[Array, Array]:
    x, spare = _split(queue, load, flow)
    upper = total(x * queue.latency(x, spare)) / load
    lower = _lower_bound(queue, load, multiplier(queue, load, flow, "optimum"))
    if len(queue) <= MANY:
        for k in np.flatnonzero(upper - lower > KINKED * upper):
            # at a kink a server has any price between two, and the common one is that of another server
            others = np.unique(queue.marginal(clip(queue, flow[k]))[flow[k] > 0])
            lower[k] = np.fmax(lower[k], _lower_bound(queue, np.full(others.shape, load[k]), others).max(initial=-np.inf))
    return lower, upper


def _lower_bound(queue: Queue, load: Array, price: Array) -> Array:
    """Least mean delay that a price of the load proves; minus infinity where it proves none."""
    shape = (*price.shape, len(queue))
    point = queue.at_marginal(np.maximum((price[..., None] - queue.delay) - queue.service, 0.0))
    # that no server carries more than the load is no new limit, and bounds what a flat price does not
    most = np.broadcast_to(load[..., None], shape)
    point = point._replace(flow=np.where(np.isinf(point.flow), most, point.flow))
    cost = point.flow * queue.latency(point.flow, point.spare)
    if queue.derived:
        cost = cost - queue.overshoot(np.broadcast_to(price[..., None], shape), point.flow, np.zeros(shape), most)
    bound = _dual(queue, load, price, point, cost) / load
    return np.where(np.isfinite(bound), bound, -np.inf)


def _latency_bounds(queue: Queue, load: Array, flow: Array) -> tuple[Array, Array]:
    x, spare = _split(queue, load, flow)
    latency = queue.latency(x, spare)
    return latency.min(axis=-1), np.where(x > 0, latency, -np.inf).max(axis=-1)


def _potential_gap(queue: Queue, load: Array, flow: Array) -> Array:
    price = multiplier(queue, load, flow, "equilibrium")
    point = queue.at_latency(np.maximum((price[..., None] - queue.delay) - queue.service, 0.0))
    lower = _dual(queue, load, price, point, queue.potential(clip(queue, point.flow)))
    return np.where(lower > 0, np.abs(total(queue.potential(flow)) - lower) / lower, np.inf)
