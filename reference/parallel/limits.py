"""The optimum within limits: a least and a most flow per server, and a budget.

Minimise sum f_i(x_i) with sum x = load, least <= x <= most, price . x <= budget. With a multiplier c of the load and z >= 0 of the budget,
server i carries g_i^-1(c - z price_i), clipped to its limits. For a given z the flows rise with c, so c is one scalar root; what they cost
falls with z, so z is another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..composed import as_queue
from ..errors import Array, InputError, first_bad, numbers, one_number
from ..queues import Queue
from .optimum_equilibrium import check_one_load

JUMPS = (1e-15, 1e-14, 1e-13, 1e-12)  # relative, of a price, within which its root is
JUMP = 1e-9  # relative imbalance that rounding does not leave: there the flow jumps
SLACK = 1e-12  # relative: limits that leave exactly one split leave it up to rounding


@dataclass(frozen=True, eq=False)
class LimitedSplit:
    """Best split within the limits.

    Attributes
    ----------
    flow : ndarray, shape (n,)
    mean_delay : float
    multiplier : float
        Marginal delay of the load, c.
    least_price, most_price : ndarray, shape (n,)
        By how much the total delay falls per unit by which a server's least flow is lowered, or its most flow raised.
    budget_price : float
        The same per unit of budget.
    """

    flow: Array
    mean_delay: float
    multiplier: float
    least_price: Array
    most_price: Array
    budget_price: float


def limited_optimum(
    servers: Queue | Sequence[Queue],
    load: float,
    *,
    least: npt.ArrayLike = 0.0,
    most: npt.ArrayLike = math.inf,
    price: npt.ArrayLike = 0.0,
    budget: float = math.inf,
) -> LimitedSplit:
    """Split of least mean delay within limits.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers.
    load : float
        Above 0 and below the total rate.
    least, most : array_like, shape (n,) or ()
        Limits of each server's flow, jobs per unit of time.
    price : array_like, shape (n,) or ()
        Money per job.
    budget : float
        Money per unit of time.

    Returns
    -------
    LimitedSplit

    Raises
    ------
    LoadError
    InputError
        On limits that no split keeps.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> limited_optimum(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]), 190.0, most=[100.0, 80.0, 90.0]).flow.round(3)
    array([57.771, 42.229, 90.   ])
    """
    queue = as_queue(servers)
    total = check_one_load(queue, load)
    low, high, cost = (np.broadcast_to(numbers(name, v), (len(queue),)) for name, v in (("least", least), ("most", most), ("price", price)))
    high = np.minimum(high, queue.rate)
    check_limits(low, high, total)
    money = one_number("budget", budget)
    lowest = cheapest(low, high, cost, total)[1]
    if lowest > money * (1 + SLACK):
        problem = f"is below {lowest:.6g}, what the load costs at the cheapest servers"
        raise InputError("budget", budget, problem, "raise the budget or lower the load")
    flow, c = _flow(queue, total, low, high, np.zeros_like(cost))
    z = 0.0
    if cost @ flow > money:
        z = _budget_price(queue, total, low, high, cost, money)
        flow, c = _spend(lambda price: _flow(queue, total, low, high, price * cost), cost, money, z)
    left = c - z * cost - queue.marginal(np.minimum(flow, np.nextafter(queue.rate, 0)))
    above, below = np.where(flow >= high, np.maximum(left, 0.0), 0.0), np.where(flow <= low, np.maximum(-left, 0.0), 0.0)
    delay = float(flow @ queue.latency(flow)) / total
    return LimitedSplit(flow, delay, c, np.where(low > 0, below, 0.0), above, z)


def check_limits(least: Array, most: Array, load: float) -> None:
    """Raise InputError on limits that no split of the load keeps."""
    first_bad("least", least, ~(least < 0) & np.isfinite(least), "is not 0 or more", "give a flow in jobs per unit of time")
    first_bad("least", least, least <= most, "is above the most that the server may carry", "lower it")
    if least.sum() > load * (1 + SLACK):
        raise InputError("least", float(least.sum()), f"the least flows sum to more than the load {load:g}", "lower them")
    if most.sum() < load * (1 - SLACK):
        raise InputError("most", float(most.sum()), f"the most flows sum to less than the load {load:g}", "raise them or lower the load")


def cheapest(least: Array, most: Array, price: Array, load: float) -> tuple[Array, float]:
    """Flows that carry the load at the least cost, the cheapest servers first, and that cost."""
    order = np.argsort(price)
    room, rest = (most - least)[order], load - least.sum()
    flow = least.copy()
    flow[order] += np.clip(rest - np.concatenate([[0.0], np.cumsum(room)[:-1]]), 0.0, room)
    return flow, float(price @ flow)


def _flow(queue: Queue, load: float, low: Array, high: Array, charge: Array) -> tuple[Array, float]:
    """Flows that sum to the load, each server charged on top of its marginal delay, and the multiplier of the load."""
    if high.sum() <= load * (1 + SLACK):
        return high.copy(), float((queue.marginal(high) + charge).max())
    idle = queue.idle_latency + charge
    start, step = float(idle.min()), _some_price(queue, load)
    behind = start - idle

    def flows(excess: float) -> Array:  # the excess over the least idle delay keeps the digits that c itself loses at a light load
        flow: Array = np.clip(queue.at_marginal(np.maximum(behind + excess, 0.0)).flow, low, np.minimum(high, 2.0 * load))
        return flow

    def missing(excess: float) -> float:
        return math.fsum([*flows(excess), -load])

    while missing(step) < 0:
        step *= 4.0
    excess = _root(missing, step) if missing(0.0) < 0 else 0.0
    flow, c = flows(excess), start + excess
    if abs(math.fsum([*flow, -load])) > JUMP * load:
        flow = _share_jump(flows, load, excess)
    free = (flow > low) & (flow < high)
    if free.any():  # what the last digit of c leaves
        slope = queue.marginal_slope(np.where(free, flow, 0.0))
        flat = free & (slope <= 0)
        rise = np.where(flat, 1.0, 0.0) if flat.any() else np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0)
        flow = np.clip(flow - math.fsum([*flow, -load]) * rise / rise.sum(), low, high)
    return flow, c


def _share_jump(flows: Callable[[float], Array], load: float, excess: float) -> Array:
    """Flows between those just below and just above a price at which a server of constant latency fills."""
    less, more = (flows(excess * (1.0 + side)) for side in (-1e-14, 1e-14))
    gap = math.fsum([*more, *-less])
    part = math.fsum([load, *-less]) / gap if gap > 0 else 0.0
    out: Array = less + min(max(part, 0.0), 1.0) * (more - less)
    return out


def _some_price(queue: Queue, load: float) -> float:
    """A marginal delay above 0, to start a search from."""
    idle = float(queue.idle_latency.min())
    return idle or float(queue.marginal(np.minimum(load, 0.5 * queue.rate)).max()) or 1.0


def _budget_price(queue: Queue, load: float, low: Array, high: Array, cost: Array, money: float) -> float:
    """Multiplier of the budget at which the flows cost exactly that."""

    def over(z: float) -> float:
        return float(cost @ _flow(queue, load, low, high, z * cost)[0]) - money

    top = _some_price(queue, load) / max(float(np.ptp(cost)), 1e-300)
    for _ in range(400):
        if over(top) <= 0:
            break
        top *= 4.0
    else:
        raise InputError("budget", money, "is so close to the least cost that rounding hides its price", "raise it a little")
    return _root(over, top)


def _spend(flows: Callable[[float], tuple[Array, float]], cost: Array, money: float, z: float) -> tuple[Array, float]:
    """Flows at the price of a budget, and the multiplier of the load.

    Where a latency is flat, what the flows cost jumps there: on both sides the two cost the same in all, so a mixture spends the money.
    """
    flow, c = flows(z)
    for side in JUMPS:
        other = flows(z * (1.0 + math.copysign(side, cost @ flow - money)))[0]
        over, under = float(cost @ flow) - money, float(cost @ other) - money
        if over * under <= 0 and over != under:
            return flow + over / (over - under) * (other - flow), c
    return flow, c


def _root(function: Callable[[float], float], top: float) -> float:
    """Root between 0 and `top`."""
    from scipy.optimize import brentq  # here, so that the import of the package does not wait for it

    return float(brentq(function, 0.0, top, xtol=1e-300, rtol=1e-15, maxiter=500))
