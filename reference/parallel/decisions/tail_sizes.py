"""Rates at a given split of M/M/1 servers for several targets, shares of late jobs among them.

Money, total delay and late jobs are sums of convex functions of the spare capacities:

    p (x + s),    x (d + 1/s),    x exp(-s tau).

With a price for each target that binds, the best spare capacity of a server is the root of an
increasing, concave function, which Newton steps from below approach from one side. The prices
maximise the concave dual function, by damped Newton steps for each set of targets that may bind.
At any prices the dual function is at most the least value (weak duality), which bounds the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array, InputError
from ...validation import as_shape, check_list
from .late_sizes import rates_for_late_share
from .sizes import Servers, SizedRates, as_opening, deciding, rates_at_split

MOST_LATE = 8  # largest number of shares of late jobs, any of which can bind
STEPS = 100  # largest number of Newton steps, over prices and of each server
NEAR = 1e-12  # relative error up to which a target is met, and binds
HALVINGS = 40  # largest number of halvings of a step over prices
LONGEST = 3.0  # longest step of the logarithm of a price
TINY = 1e-300
CLOSE = 1e-9  # relative Newton step from which on the next one is below rounding


class Terms(NamedTuple):
    """Money, total delay and late jobs of M/M/1 servers.

    Attributes
    ----------
    servers : Servers
        n servers.
    tau : ndarray, shape (m, n)
        Times at the servers until jobs are late, for each of m shares of late jobs; 0 or more.
    """

    servers: Servers
    tau: Array

    def values(self, spare: Array) -> Array:
        """Return money, total delay and late jobs, shape (2 + m,)."""
        jobs = self._late(spare).sum(axis=-1)
        return np.array([self.servers.cost(spare), self.servers.total(spare), *jobs])

    def _late(self, spare: Array) -> Array:
        """Return the late jobs of each server, shape (m, n)."""
        with np.errstate(invalid="ignore"):  # an endless spare capacity where all are late
            used = np.where(self.tau > 0, spare * self.tau, 0.0)
        return np.asarray(self.servers.flow * np.exp(-used))

    def slopes(self, spare: Array) -> tuple[Array, Array]:
        """Return first and second derivatives in the spare capacities, shape (2 + m, n)."""
        x = self.servers.flow
        s = np.where(spare > 0, spare, 1.0)
        late = self.tau * self._late(spare)
        first = np.vstack([self.servers.price, -x / s**2, -late])
        return first, np.vstack([np.zeros(x.size), 2.0 * x / s**3, late * self.tau])

    def best(self, weight: Array) -> Array:
        """Return the spare capacities of least weighted sum of the terms, shape (n,)."""
        servers = self.servers
        free = servers.least < servers.most
        if weight[0] == 0.0:  # money is no matter
            return servers.most
        x, price = servers.flow[free], weight[0] * servers.price[free]
        tau, late = self.tau[:, free], weight[2:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            spare = np.log(late * x * tau / price) / tau
        # every term alone has its root at or below the common one
        spare = np.where(np.isfinite(spare), spare, 0.0).max(axis=0, initial=0.0)
        spare = np.maximum(spare, np.sqrt(weight[1] * x / price))
        for _ in range(STEPS):
            s = np.where(spare > 0, spare, 1.0)
            rest = late * x * tau * np.exp(-spare * tau)
            gain = price - weight[1] * x / s**2 - rest.sum(axis=0)
            bend = 2.0 * weight[1] * x / s**3 + (rest * tau).sum(axis=0)
            step = np.where(bend > 0, gain / np.where(bend > 0, bend, 1.0), 0.0)
            spare = np.maximum(spare - step, 0.5 * spare)
            if np.all(np.abs(step) <= CLOSE * spare):
                break
        out = servers.least.copy()
        out[free] = np.clip(spare, servers.least[free], servers.most[free])
        return out


def rates_for_targets(
    flow: npt.ArrayLike,
    delay: npt.ArrayLike,
    price: npt.ArrayLike,
    low: npt.ArrayLike = 0.0,
    high: npt.ArrayLike = math.inf,
    *,
    late: Sequence[tuple[float, float]],
    budget: float | None = None,
    mean_delay: float | None = None,
    money_price: float | None = None,
    opening: float = 0.0,
) -> SizedRates:
    """Return the best rates of M/M/1 servers at given flows, with few enough late jobs.

    Parameters
    ----------
    flow, delay, price, low, high, budget, mean_delay, money_price, opening
        As for `rates_at_split`. Without the three questions the cost is minimised.
    late : sequence of tuple of float
        Times, each with the largest share of jobs that are later.

    Returns
    -------
    SizedRates
        The price of money is infinite where neither a budget, a mean delay nor a price of money
        decides. A server can then be left without spare capacity; see `rates_for_late_share`.

    Raises
    ------
    InputError
        As `rates_at_split` and `rates_for_late_share`; on a budget below the least cost for the
        late jobs; where no prices are found at which the targets are met up to rounding.

    Examples
    --------
    >>> x, delay, price = [60.0, 40.0, 90.0], [0.005, 0.005, 0.020], [1.0, 1.0, 0.5]
    >>> found = rates_for_targets(x, delay, price, late=[(0.150, 0.01)], mean_delay=0.040)
    >>> found.rate.round(3), round(found.cost, 3), round(found.total_delay / 190.0, 6)
    (array([ 90.409,  64.988, 142.138]), 226.467, 0.04)
    """
    asked = deciding(budget=budget, mean_delay=mean_delay, money_price=money_price)
    bounds, opening = (low, high), as_opening(opening)
    late = [
        as_shape(f"late[{i}]", v, (2,)).tolist() for i, v in enumerate(check_list("late", late))
    ]
    if len(late) > MOST_LATE:
        raise InputError("late", late, f"has more than {MOST_LATE} entries", "give fewer")
    for within, at_most in late:  # refuses a share that no rates meet
        rates_for_late_share(flow, delay, price, *bounds, within=within, at_most=at_most)
    if asked:
        rates_at_split(flow, 1.0, delay, price, *bounds, **asked, opening=opening)
    servers = Servers.checked(flow, 1.0, delay, price, low, high)
    tau = np.array([within for within, _ in late])[:, None] - servers.delay
    terms = Terms(servers, np.where(servers.used, np.maximum(tau, 0.0), 0.0))
    shares = [at_most * servers.load for _, at_most in late]
    goal, bound = np.zeros(2 + len(shares)), np.array([math.inf, math.inf, *shares])
    goal[0] = 1.0
    if "mean_delay" in asked:
        bound[1] = asked["mean_delay"] * servers.load
    if "money_price" in asked:
        goal[1] = 1.0 / asked["money_price"]
    if "budget" in asked:
        money = asked["budget"] - opening
        cheap = servers.cost(terms.best(_weights(terms, goal, bound)))
        if cheap * (1 + NEAR) > money:
            problem, amount = "is not above the least cost for the late jobs", cheap + opening
            raise InputError("budget", budget, problem, f"give more than {amount:.12g}")
        goal[:2], bound[0] = (0.0, 1.0), money
    return _answer(terms, goal, bound, _weights(terms, goal, bound))


def _weights(terms: Terms, goal: Array, bound: Array) -> Array:
    """Return the weights of the terms at the least goal within the bounds, shape (2 + m,).

    Each set of targets is tried as that of those that bind, small sets first.
    """
    rows = np.flatnonzero(np.isfinite(bound)).tolist()
    for chosen in chain.from_iterable(combinations(rows, r) for r in range(len(rows) + 1)):
        weight = _prices(terms, goal, bound, np.array(chosen, dtype=np.intp))
        if weight is not None:
            return weight
    problem, remedy = "are not met at once by any rates that were found", "give fewer at once"
    raise InputError("targets", bound.tolist(), problem, remedy)


def _prices(terms: Terms, goal: Array, bound: Array, chosen: npt.NDArray[np.intp]) -> Array | None:
    """Return the weights of the terms at which the chosen targets bind and all others are met.

    None where there are none.
    """
    scale = np.where(np.isfinite(bound), np.maximum(np.abs(bound), TINY), 1.0)
    spent = terms.servers.cost(terms.servers.least)
    price = np.full(chosen.size, (goal[0] * spent + goal[1]) / scale[chosen])
    weight, spare, value = _dual(terms, goal, bound, chosen, price)
    for _ in range(STEPS):
        excess = terms.values(spare)[chosen] - bound[chosen]
        if not np.all(np.isfinite(excess)) or np.all(np.abs(excess) <= 4 * EPS * scale[chosen]):
            break
        inside = (spare > terms.servers.least) & (spare < terms.servers.most)
        first, second = (d[:, inside] for d in terms.slopes(spare))
        curvature = (first[chosen] / (weight @ second)) @ first[chosen].T
        # steps of the logarithms of the prices, which increase the dual function if short enough
        gain = price * excess
        bend = price[:, None] * curvature * price + np.diag(np.abs(gain) + TINY)
        step = np.linalg.lstsq(bend, gain, rcond=None)[0]
        step *= min(1.0, LONGEST / max(float(np.abs(step).max(initial=0.0)), TINY))
        for _ in range(HALVINGS):
            found = _dual(terms, goal, bound, chosen, price * np.exp(step))
            size = abs(value) + float(price @ np.abs(bound[chosen]))
            if found[2] >= value - 4 * EPS * size:
                break
            step = 0.5 * step
        else:
            break
        price, (weight, spare, value) = price * np.exp(step), found
    value_of = terms.values(spare)
    met = value_of <= bound + NEAR * scale
    binds = np.abs(value_of[chosen] - bound[chosen]) <= NEAR * scale[chosen]
    return weight if np.all(met) and np.all(binds) else None


def _dual(
    terms: Terms, goal: Array, bound: Array, chosen: npt.NDArray[np.intp], price: Array
) -> tuple[Array, Array, float]:
    """Return the weights of the terms, their best spare capacities, and the dual function."""
    weight = goal.copy()
    weight[chosen] += price
    spare = terms.best(weight)
    values = terms.values(spare)
    used = weight > 0
    return weight, spare, float(weight[used] @ values[used] - price @ bound[chosen])


def _answer(terms: Terms, goal: Array, bound: Array, weight: Array) -> SizedRates:
    """Return the record of the rates at the weights of the terms."""
    servers, spare = terms.servers, terms.best(weight)
    values, prices = terms.values(spare), weight - goal
    some, counts = prices > 0, goal > 0
    least = float(goal[counts] @ values[counts])
    lower = least + float(prices[some] @ (values[some] - bound[some]))
    more = least + 2.0 * float(prices[some] @ np.abs(bound[some]))
    money = weight[0] / weight[1] if weight[1] > 0 else math.inf
    return servers.answer(spare, money, min(lower, least), least, more)
