"""Lower bounds of the least total delay from prices of the stations.

For any prices p >= 0 of the stations, the total delay of any feasible flow is at least

    sum_k q_k SP_k(p) + sum_a min_z [z l_a(z) - p_a z],

where q_k is the load of group k and SP_k(p) the cost of its cheapest route at the prices, with the
fixed delay: a flow pays at least the cheapest route, and the second sum is the least of what it
carries less what it pays at the stations. This is Lagrangian duality: Boyd and Vandenberghe,
*Convex Optimization*, section 5.1.

Near saturation z l(z) - p z is a small difference of large terms; they are added without rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compensated_sum import EPS, exact_product, exact_sum
from ..errors import Array
from .columns import Columns
from .routed import RoutedSystem
from .station_loads import BITS, grouped_sum

ROUNDING = 8.0 * EPS  # relative rounding error of a value of a bank, or of a sum of products
LONG = 200_000  # stations of all listed routes up to which costs are exact


def price_bound(system: RoutedSystem, multiple: float, price: Array) -> float:
    """Return a lower bound of the optimum's mean delay, in units of time.

    Parameters
    ----------
    system : RoutedSystem
        A stations and G groups.
    multiple : float
        Multiple of the loads, above 0.
    price : ndarray, shape (A,)
        Any prices of the stations, such as the dual values of a solver, in units of time; the
        nearer to the marginal delays of the optimum, the higher the bound. Prices outside the range
        of marginal delays are moved into it.
    """
    load = multiple * system.load
    with np.errstate(all="ignore"):
        usable = in_range(system, np.asarray(price, dtype=np.float64))
        cost = system.routes.least_cost(usable)
        price = exact_prices(system, usable, float(np.max(cost)))
        total, slack = total_delay_bound(system, load, price, least_costs(system, price))
        bound = (total - slack) / float(np.sum(load)) * (1.0 - ROUNDING)
    return max(float(bound), 0.0) if np.isfinite(bound) else 0.0


def in_range(system: RoutedSystem, price: Array) -> Array:
    """Return prices moved to the range of marginal delays, shape (A,).

    Below the idle latency a higher price only raises the bound; above the limit of a constant
    latency the bound is minus infinity.
    """
    bank = system.bank
    idle = bank.idle_latency * (1.0 - ROUNDING)
    limit = bank.latency_limit * (1.0 - ROUNDING)
    return np.minimum(np.maximum(np.where(np.isfinite(price), price, idle), idle), limit)


def exact_prices(system: RoutedSystem, price: Array, largest: float) -> Array:
    """Return prices at which the costs of routes have no rounding error, shape (A,).

    In a graph they are rounded down to multiples of one power of 2, so that their sums up to the
    cost `largest` are exact, however many links a route has. The costs of listed routes are
    computed with more digits than floats instead.
    """
    if has_exact_costs(system) or not 0 < largest < np.inf:
        return price
    unit = np.ldexp(1.0, int(np.frexp(largest)[1]) - BITS)
    return np.asarray(np.floor(price / unit) * unit)


def has_exact_costs(system: RoutedSystem) -> bool:
    """Return whether the routes are a list that is short enough for costs with more digits."""
    listed = system.routes.listed
    return listed is not None and listed.work.nnz <= LONG


class LeastCosts(NamedTuple):
    """Cost of the cheapest route of each group at `exact_prices`.

    Attributes
    ----------
    high, low : ndarray, shape (G,)
        The costs as unevaluated pairs high + low.
    error : float
        Relative rounding error of these costs and of those of `route_costs`.
    """

    high: Array
    low: Array
    error: float


def least_costs(system: RoutedSystem, price: Array, rest: Array | None = None) -> LeastCosts:
    """Return the cost of the cheapest route of each group at `exact_prices`.

    Those of graphs are exact, and those of lists that are not too long nearly so.

    Parameters
    ----------
    price : ndarray, shape (A,)
    rest : ndarray, shape (A,), optional
        What the prices have beyond these floats, where `has_exact_costs`.
    """
    listed, routes = system.routes.listed, system.routes
    if listed is None or not has_exact_costs(system):
        high, stations = routes.least_cost(price), most_stations(system)
        error = EPS * (2.0 + stations) if stations else 0.0
        return LeastCosts(high, np.zeros(high.size), error)
    cost, low = route_costs(system, listed, price, rest)
    high = listed.least(cost, routes.groups)
    tied = np.where(cost == high[listed.group], low, np.inf)
    error = float((EPS * (3.0 + most_stations(system))) ** 2)
    return LeastCosts(high, listed.least(tied, routes.groups), error)


def route_costs(
    system: RoutedSystem, columns: Columns, price: Array, rest: Array | None = None
) -> tuple[Array, Array]:
    """Return the costs of routes as unevaluated pairs, each of shape (R,); see `least_costs`."""
    if not has_exact_costs(system):
        return columns.costs(price), np.zeros(len(columns))
    work = columns.work
    route = np.repeat(np.arange(len(columns)), np.diff(work.indptr))
    terms, errors = exact_product(work.data, price[work.indices])
    if rest is not None:
        errors = errors + work.data * rest[work.indices]
    high, low = grouped_sum(route, terms, len(columns))
    low = low + np.bincount(route, weights=errors, minlength=len(columns))
    return added(*added(high, columns.delay), low)


def most_stations(system: RoutedSystem) -> int:
    """Return the largest number of stations of a listed route; 0 for a graph."""
    listed = system.routes.listed
    return 0 if listed is None else int(np.max(np.diff(listed.work.indptr), initial=0))


def added(high: Array, low: Array, more: Array | float = 0.0) -> tuple[Array, Array]:
    """Return high + low + more as a pair of the nearest float and the rest; Knuth's two-sum."""
    total = high + low
    part = total - high
    rest = (high - (total - part)) + (low - part) + more
    return total + rest, rest - ((total + rest) - total)


def largest_load(system: RoutedSystem, load: Array) -> Array:
    """Return a load that no station exceeds, shape (A,), or (1,) where it is the same for all."""
    listed, total = system.routes.listed, np.sum(load)
    if listed is None:
        return np.array([total])
    most = np.zeros(listed.work.shape[1])
    np.maximum.at(most, listed.work.indices, listed.work.data)
    return np.asarray(total * most)


def total_delay_bound(
    system: RoutedSystem, load: Array, price: Array, cost: LeastCosts
) -> tuple[float, float]:
    """Return a lower bound of the least total delay up to a rounding error, and that error.

    Parameters
    ----------
    load : ndarray, shape (G,)
        Load of each group.
    price : ndarray, shape (A,)
        Prices of the stations.
    cost : LeastCosts
        At the prices.
    """
    bank = system.bank
    flow, spare_capacity, _ = bank.at_marginal(np.maximum((price - bank.delay) - bank.service, 0))
    flow = np.where(np.isinf(flow), 0.0, flow)  # a constant latency: any flow has the same value
    spare_capacity = np.where(flow > 0, spare_capacity, bank.rate)
    carried = flow * bank.latency(flow, spare_capacity)
    full = spare_capacity < flow
    paid = np.where(full, price * (spare_capacity - bank.rate_error), 0.0)
    terms = np.concatenate(
        [
            *exact_product(load, cost.high),
            load * cost.low,
            *exact_product(-price, np.where(full, bank.rate, flow)),
            paid,
            carried,
        ]
    )
    total = float(exact_sum(terms)[0])
    # the flow has a rounding error, and so is not exactly the best at the price
    mismatch = np.abs(bank.marginal(flow, spare_capacity) - price) * flow
    slack = np.sum(carried + np.abs(paid) + np.where(flow > 0, mismatch, 0.0))
    slack = ROUNDING * slack + cost.error * float(load @ cost.high)
    if bank.uses_finite_differences:
        most = np.broadcast_to(largest_load(system, load), flow.shape)
        slack += np.sum(bank.difference_error_bound(price, flow, np.zeros_like(flow), most))
    return total, float(slack)
