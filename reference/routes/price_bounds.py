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

import numpy as np

from ..compensated_sum import EPS, exact_product, exact_sum
from ..errors import Array
from .routed import RoutedSystem
from .station_loads import BITS

ROUNDING = 8.0 * EPS  # relative rounding error of a value of a bank, or of a sum of products


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
        price = on_grid(usable, float(np.max(cost)))
        cost = system.routes.least_cost(price)
        total, slack = total_delay_bound(system, load, price, cost)
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


def on_grid(price: Array, largest: float) -> Array:
    """Return prices rounded down to multiples of one power of 2, shape (A,).

    Sums of such prices up to the cost `largest` have no rounding error: the cost of the cheapest
    route in a graph is exact, however many links it has.
    """
    if not 0 < largest < np.inf:
        return price
    unit = np.ldexp(1.0, int(np.frexp(largest)[1]) - BITS)
    return np.asarray(np.floor(price / unit) * unit)


def cost_error(system: RoutedSystem) -> float:
    """Return the relative rounding error of the cost of a route at prices `on_grid`."""
    listed = system.routes.listed
    if listed is None:
        return EPS
    return EPS * (2.0 + float(np.max(np.diff(listed.work.indptr), initial=0)))


def largest_load(system: RoutedSystem, load: Array) -> Array:
    """Return a load that no station exceeds, shape (A,), or (1,) where it is the same for all."""
    listed, total = system.routes.listed, np.sum(load)
    if listed is None:
        return np.array([total])
    most = np.zeros(listed.work.shape[1])
    np.maximum.at(most, listed.work.indices, listed.work.data)
    return np.asarray(total * most)


def total_delay_bound(
    system: RoutedSystem, load: Array, price: Array, cost: Array
) -> tuple[float, float]:
    """Return a lower bound of the least total delay up to a rounding error, and that error.

    Parameters
    ----------
    load : ndarray, shape (G,)
        Load of each group.
    price : ndarray, shape (A,)
        Prices of the stations.
    cost : ndarray, shape (G,)
        Cost of the cheapest route of each group at the prices.
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
            *exact_product(load, cost),
            *exact_product(-price, np.where(full, bank.rate, flow)),
            paid,
            carried,
        ]
    )
    total = float(exact_sum(terms)[0])
    # the flow has a rounding error, and so is not exactly the best at the price
    mismatch = np.abs(bank.marginal(flow, spare_capacity) - price) * flow
    slack = np.sum(carried + np.abs(paid) + np.where(flow > 0, mismatch, 0.0))
    slack = ROUNDING * slack + cost_error(system) * float(load @ cost)
    if bank.uses_finite_differences:
        most = np.broadcast_to(largest_load(system, load), flow.shape)
        slack += np.sum(bank.difference_error_bound(price, flow, np.zeros_like(flow), most))
    return total, float(slack)
