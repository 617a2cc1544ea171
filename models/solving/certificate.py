"""A certificate that needs no solver: bounds on the true answer from any flow, whoever found it.

Optimum. For any multiplier c, every split carries at least sum_i min_z (f_i(z) - c z) + c load, attained at z = g_i^-1(c): weak duality.
Equilibrium. At any split of the load, the common latency of the true equilibrium lies between the least latency that any server offers and
the largest that a used one has: were it higher, every used server would carry more than it does; were it lower, every one less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sojourn.reference.errors import Array
from sojourn.reference.queues import Operation, Queue

Goal = Literal["optimum", "equilibrium"]
EPS = float(np.finfo(float).eps)
KINKED = 1e-10  # gap above which other prices than the common one are tried
MANY = 16  # servers above which they are not
TRACE = 1e-6  # a flow below this part of an even share may be a solver's residue


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


def certify(queue: Queue, load: float, flow: Array, goal: Goal) -> Certificate:
    """Return the certificate of a flow, as tight as the flow allows.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load, stable.
    flow : ndarray, shape (n,)
        The answer to certify; it need not be feasible.
    goal : {"optimum", "equilibrium"}
    """
    if not np.all(np.isfinite(flow)):
        nothing = (float(queue.idle_latency.min()), math.inf, math.inf, math.inf, -math.inf, math.inf)
        return Certificate(*nothing, *((math.inf, math.inf) if goal == "equilibrium" else (None, None)))
    points = [p for trim in (False, True) if (p := feasible(queue, load, flow, trim=trim)) is not None]
    lower = upper = gain = None
    for point in points:
        low, high = _optimum_bounds(queue, load, point) if goal == "optimum" else _latency_bounds(queue, load, point)
        lower = low if lower is None else max(lower, low)
        upper = high if upper is None else min(upper, high)
    # no user is ever served faster than by the nearest server, empty
    lower = max(lower if lower is not None and math.isfinite(lower) else 0.0, float(queue.idle_latency.min()))
    upper = math.inf if upper is None else max(upper, lower)
    value = mean_delay(queue, flow)
    worst = max(abs(upper - value), abs(value - lower)) if math.isfinite(value) else math.inf
    # sums of n products are rounded too
    gap = worst / lower + 8 * EPS if lower > 0 else math.inf  # where the delay is too short for a float
    inside = clip(queue, flow)
    potential = None
    if goal == "equilibrium":
        gain = deviation_gain(queue, inside)
        potential = min((_potential_gap(queue, load, p) for p in points), default=math.inf)
    return Certificate(
        lower_bound=float(lower),
        upper_bound=float(upper),
        gap=float(gap),
        balance=abs(math.fsum([*flow, -load])) / load,
        least_flow=float(flow.min() / load),
        utilisation=float((flow / queue.rate).max()),
        deviation_gain=gain,
        potential_gap=potential,
    )


def rounding(queue: Queue, load: float, flow: Array, goal: Goal) -> float:
    """Gap that the rounding of the flows to floats alone can cause, relative: close to saturation a float cannot say the spare capacity."""
    x = clip(queue, flow)
    if goal == "optimum":
        return 8 * EPS * multiplier(queue, load, x, goal) / mean_delay(queue, x)
    return 8 * EPS * float((queue.latency_slope(x) * x).max()) / mean_delay(queue, x)


def mean_delay(queue: Queue, flow: Array) -> float:
    """Mean delay sum x_i l_i(x_i) / sum x_i at a flow; infinite outside the stable region."""
    inside = np.maximum(flow, 0.0)
    if not np.all(inside < queue.rate) or not inside.any():
        return math.inf
    return math.fsum(inside * queue.latency(inside)) / math.fsum(inside)


def multiplier(queue: Queue, load: float, flow: Array, goal: Goal) -> float:
    """Common price of the used servers: each weighted by how fast its flow follows the price, as in a Newton step."""
    inside = clip(queue, flow)
    if not inside.any():
        return float(queue.idle_latency.min())
    used = inside > min(TRACE * load / inside.size, 0.5 * inside.max())
    price, slope = prices(queue, inside, goal)
    for _ in range(20):
        common = common_price(price, slope, used)
        keep = used & (queue.idle_latency < common)
        if np.array_equal(keep, used) or not keep.any():
            break
        used = keep
    return min(common, float(queue.ceiling.min()))


def prices(queue: Queue, flow: Array, goal: Goal) -> tuple[Array, Array]:
    """Price of each server, marginal delay or latency, and its derivative in the flow."""
    if goal == "optimum":
        return queue.marginal(flow), queue.marginal_slope(flow)
    return queue.latency(flow), queue.latency_slope(flow)


def common_price(price: Array, slope: Array, used: npt.NDArray[np.bool_], missing: float = 0.0) -> float:
    """Price that a Newton step sets for the used servers: each weighted by how fast its flow follows, one that no flow raises alone."""
    if np.any(flat := used & (slope <= 0)):
        return float(price[flat].min())
    weight = np.where(used, 1.0 / np.where(used, slope, 1.0), 0.0)
    return (math.fsum(weight * price) + missing) / math.fsum(weight)


def clip(queue: Queue, flow: Array) -> Array:
    """Flow moved into [0, rate)."""
    return np.clip(flow, 0.0, queue.rate * (1 - 1e-15))


def feasible(queue: Queue, load: float, flow: Array, *, trim: bool) -> Array | None:
    """Nearby split of exactly the load, or None where the flow is too far from any.

    What is missing goes to the used servers by spare capacity; what is too much is taken by flow. `trim` first empties servers with a trace.
    """
    if not np.all(np.isfinite(flow)):
        return None
    x = clip(queue, flow)
    if trim:
        x = np.where(x > TRACE * load / x.size, x, 0.0)
    for _ in range(3):
        missing = -math.fsum([*x, -load])
        weight = np.where(x > 0, np.where(np.isfinite(queue.rate), queue.rate - x, 1.0), 0.0) if missing > 0 else x
        total = math.fsum(weight)
        if missing == 0:
            break
        if total <= abs(missing) or total == 0:
            return None
        x = x + missing * (weight / total)
    return x if np.all(x < queue.rate) and np.all(x >= 0) else None


def interior(queue: Queue, load: float, flow: Array) -> Array | None:
    """Split half way from the flow to an even utilisation: strictly inside the stable region, whatever the flow."""
    if not np.all(np.isfinite(flow)) or not np.all(np.isfinite(queue.rate)):
        return None
    # in spare capacities, which near saturation keep the digits that flows lose
    slack, spare = math.fsum([*queue.rate, -load]), np.clip(queue.rate - flow, 0.0, queue.rate)
    even = queue.rate * (slack / math.fsum(queue.rate))
    own = spare * (slack / math.fsum(spare)) if spare.any() else even
    return feasible(queue, load, queue.rate - np.minimum(0.5 * (own + even), queue.rate), trim=False)


def _split(queue: Queue, load: float, flow: Array) -> tuple[Array, Array]:
    """Flow and spare capacity of exactly the load: what rounding left over goes to the used server with the most room."""
    spare = queue.rate - flow
    rest = -math.fsum([*flow, -load])
    roomy = int(np.argmax(np.where(flow > 0, spare, -1.0)))
    flow, spare = flow.copy(), spare.copy()
    flow[roomy] += rest
    spare[roomy] -= rest
    return flow, spare


def _dual(queue: Queue, load: float, price: float, point: Operation, cost: Array) -> float:
    """Lagrangian at the minimisers of a price: what they cost, and the price of the load that they leave."""
    full = point.spare < point.flow  # its flow is known best as rate less spare capacity
    left = -math.fsum([*np.where(full, queue.rate, point.flow), *np.where(full, -point.spare, 0.0), -load])
    return math.fsum([*cost, price * left])


def _optimum_bounds(queue: Queue, load: float, flow: Array) -> tuple[float, float]:
    x, spare = _split(queue, load, flow)
    upper = math.fsum(x * queue.latency(x, spare)) / load
    lower = _lower_bound(queue, load, multiplier(queue, load, flow, "optimum"))
    if upper - lower > KINKED * upper and len(queue) <= MANY:
        # at a kink a server has any price between two, and the common one is that of another server
        others = np.unique(queue.marginal(clip(queue, flow))[flow > 0])
        lower = max([lower, *(_lower_bound(queue, load, float(price)) for price in others)])
    return lower, upper


def _lower_bound(queue: Queue, load: float, price: float) -> float:
    """Least mean delay that a price of the load proves."""
    point = queue.at_marginal(np.maximum((price - queue.delay) - queue.service, 0.0))
    # that no server carries more than the load is no new limit, and bounds what a flat price does not
    point = point._replace(flow=np.where(np.isinf(point.flow), load, point.flow))
    cost = point.flow * queue.latency(point.flow, point.spare)
    if queue.derived:
        cost = cost - queue.overshoot(np.full(len(queue), price), point.flow, np.zeros(len(queue)), np.full(len(queue), load))
    bound = _dual(queue, load, price, point, cost) / load
    return bound if math.isfinite(bound) else -math.inf


def _latency_bounds(queue: Queue, load: float, flow: Array) -> tuple[float, float]:
    x, spare = _split(queue, load, flow)
    latency = queue.latency(x, spare)
    return float(latency.min()), float(latency[x > 0].max())


def supporting_line(queue: Queue, load: float, flow: Array) -> tuple[float, float]:
    """Line below the least total delay at every load: its value at this load and its slope, from any flow and its multiplier."""
    points = [p for trim in (False, True) if (p := feasible(queue, load, flow, trim=trim)) is not None]
    slopes = [multiplier(queue, load, p, "optimum") for p in points]
    lines = [(_lower_bound(queue, load, slope) * load, slope) for slope in slopes]
    # no job is ever served faster than by the nearest server, empty
    return max(lines, default=(float(queue.idle_latency.min()) * load, float(queue.idle_latency.min())))


def deviation_gain(queue: Queue, flow: Array) -> float:
    """Most that a user gains by moving: the largest latency of a used server less the least that any offers."""
    latency = queue.latency(flow)
    return float(latency[flow > 0].max() - latency.min()) if np.any(flow > 0) else math.inf


def _potential_gap(queue: Queue, load: float, flow: Array) -> float:
    price = multiplier(queue, load, flow, "equilibrium")
    point = queue.at_latency(np.maximum((price - queue.delay) - queue.service, 0.0))
    lower = _dual(queue, load, price, point, queue.potential(clip(queue, point.flow)))
    return abs(math.fsum(queue.potential(flow)) - lower) / lower if lower > 0 else math.inf
