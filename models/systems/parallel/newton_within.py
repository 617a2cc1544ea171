"""Polish of an optimum within limits, bounds of the flows and a budget, by the polish of an optimum without; `certify_within` certifies it.

Bounds: an optimum that violates some is pegged there, on the side that it violates by more in all, and the rest of the load is split anew over
the others (G. Bitran and A. Hax, *Disaggregation and resource allocation using convex knapsack problems*, Management Science 27 (1981)).
Budget: with the price z of money, the servers are z p_i farther away; z is the root at which what they cost is the money.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.queues import Queue
from .newton import polish
from .prices import multiplier
from .splits import Limits, clip

EPS = float(np.finfo(float).eps)
ROUNDS = 100  # of the search for the price of a budget
WIDER = 4.0  # factor by which a price grows that is not high enough


class Pegged(NamedTuple):
    """A split within bounds: flow, the multiplier of the load, Newton steps, and how fast what it costs falls with the price of money."""

    flow: Array
    price: float
    steps: int
    fall: float


def polish_within(queue: Queue, load: float, flow: Array, limits: Limits, budget_price: float) -> tuple[Array, float, float, int]:
    """Return the polished flow, the multipliers of the load and of the budget, and the number of Newton steps.

    Parameters
    ----------
    queue : Queue
        n servers.
    load : float
        Total load.
    flow : ndarray, shape (n,)
        A solver's answer.
    limits : Limits
    budget_price : float
        The solver's multiplier of the budget; where the search for it begins.
    """
    found = _pegged(queue, load, flow, limits)
    steps, over = found.steps, limits.over(found.flow)
    if over <= EPS * limits.money or not limits.budgeted:
        return found.flow, found.price, 0.0, steps
    low, high, dear = 0.0, math.inf, (found.flow, over)
    cheap: tuple[Array, float] | None = None
    z = budget_price if budget_price > 0 else over / found.fall if found.fall > 0 else found.price / float(np.ptp(limits.price) or 1.0)
    for _ in range(ROUNDS):
        found = _pegged(queue.farther(z * limits.price), load, found.flow, limits)
        steps, over = steps + found.steps, limits.over(found.flow)
        met = abs(over) <= EPS * limits.money
        if met and found.fall > 0:
            return found.flow, found.price, z, steps
        # where no flow moves with the price, the least that does is what more money is worth
        low, high, dear, cheap = (low, z, dear, (found.flow, over)) if met or over < 0 else (z, high, (found.flow, over), cheap)
        if math.isfinite(high) and high - low <= 2 * EPS * high:
            break
        newton = z + over / found.fall if found.fall > 0 else math.inf
        z = newton if low < newton < high else WIDER * z if math.isinf(high) else max(math.sqrt(low * high), high / WIDER**4)
    flow, over = cheap or dear
    if over < -EPS * limits.money:  # where what it costs jumps, the two sides of the price cost the same in all
        flow = dear[0] + dear[1] / (dear[1] - over) * (flow - dear[0])
    return flow, found.price, z, steps


def _pegged(queue: Queue, load: float, flow: Array, limits: Limits) -> Pegged:
    """Polish within the bounds alone."""
    x, free, steps, price = np.clip(flow, limits.least, limits.most), np.ones(len(queue), dtype=bool), 1, math.nan
    while free.any():
        bank, rest = queue.take(np.flatnonzero(free)), -math.fsum([*x[~free], -load])
        found = polish(bank, rest, x[free], "optimum") if rest > 0 else None
        if found is None and rest > 0:  # no way from there, as where those that were used are pegged: the nearest is the next
            found = polish(bank, rest, np.where(np.arange(len(bank)) == np.argmin(bank.idle_latency), rest, 0.0), "optimum")
        if found is None:
            break
        x[free], steps = found[0], steps + found[1]
        price = float(multiplier(bank, np.array(rest), found[0], "optimum"))
        over, under = free & (x > limits.most), free & (x < limits.least)
        if not (over.any() or under.any()):
            break
        more = math.fsum((x - limits.most)[over]) >= math.fsum((limits.least - x)[under])
        free &= ~(over if more else under)
        x = np.where(free, x, np.clip(x, limits.least, limits.most))
    x = np.clip(x, limits.least, limits.most)
    if not math.isfinite(price):  # all are pegged
        marginal, above = queue.marginal(clip(queue, x)), x >= limits.most
        price = float(marginal[above].max() if above.any() else marginal.min())
    with np.errstate(all="ignore"):
        slope = queue.marginal_slope(clip(queue, x))
    follow = np.where(free & (x > 0) & (slope > 0), 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    whole = follow.sum()
    apart = limits.price - (float(follow @ limits.price) / whole if whole > 0 else 0.0)
    return Pegged(x, price, steps, float(follow @ apart**2))
