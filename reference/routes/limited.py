"""The optimum of flows over routes within linear limits: flows inside, Newton steps, lower bound.

Minimise C(x) = sum f_a(v_a) + sum x_r d_r with the loads q of the groups as sums, v = W'x,
f_a(v) = v l_a(v), and rows B x <= b. For prices p of the stations and multipliers z >= 0 of the
rows, f_a(v) >= p_a v - f_a*(p_a), with the conjugate f_a*, and z.(B x - b) <= 0. So for every x
within the limits

    C(x) >= sum_r x_r (W p + d + B'z)_r - sum f_a*(p_a) - z.b
         >= q.SP(p, z) - sum f_a*(p_a) - z.b,

with the costs SP of cheapest routes. At p = m(v), the marginal delays of any flow v, the conjugate
is f_a*(p_a) = v_a (m_a(v_a) - l_a(v_a)): no inverse is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from ..compensated_sum import exact_sum
from ..errors import Array
from .columns import Columns, RouteFlow
from .route_rows import LeastRows, RouteRows, least
from .routed import RoutedSystem

LIMIT_TOL = 1e-12  # part of its scale by which rounding may break a limit
CONTRADICTION = 1e-9  # least part of its scale by which a limit is broken that cannot be met
STEPS = 30  # largest number of Newton steps
TRACE = 1e-7  # part of a group's load, or of the largest multiplier, that may be 0


@dataclass(frozen=True, eq=False)
class Inside:
    """Flows within the limits, or the proof that there are none.

    Attributes
    ----------
    found : RouteFlow or None
        Flows within the limits, below the rates of the stations, and away from both where
        possible; None where there are none.
    z : ndarray, shape (m,)
        Multipliers of the rows that prove that there are none.
    station : ndarray, shape (A,)
        Prices of the stations of that proof.
    least : float
        ``q.SP(station, z)`` without fixed delays: no flow of the loads has a smaller value of
        ``station.v + z.(B x)``; the limits and rates allow no more than ``station.rate + z.b``.
    """

    found: RouteFlow | None
    z: Array
    station: Array
    least: float


def scale_of(rows: RouteRows, load: Array) -> Array:
    """Return the value of each row at a flow of all loads with its largest weight, shape (m,)."""
    weights = np.abs(rows.station).max(axis=1).toarray().ravel()
    return np.asarray(np.where(weights > 0, weights, 1.0) * load.sum())


def inside(system: RoutedSystem, load: Array, rows: RouteRows) -> Inside:
    """Return flows of the loads within the limits and below the rates, or why there are none.

    Two linear programs: the least relative excess over a limit, and the least largest utilisation
    within the limits. See `Inside` for the proof.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time, above 0.
    rows : RouteRows
        m limits.
    """
    stations, one = len(system.bank), np.ones(1)
    scale = scale_of(rows, load)
    roomy = least(system.routes, load, rows, csr_array(-scale[:, None]), one, free=True)
    if roomy.value > CONTRADICTION:
        bound = float(roomy.lower_bound + roomy.z @ rows.bound)
        return Inside(None, roomy.z, np.zeros(stations), bound)
    full = np.flatnonzero(np.isfinite(system.bank.rate))
    chosen = csr_array((np.ones(full.size), (np.arange(full.size), full)), (full.size, stations))
    relaxed = replace(rows, bound=rows.bound + max(roomy.value, 0.0) * scale)
    both = RouteRows.joined([RouteRows.of_stations(chosen, np.zeros(full.size)), relaxed])
    fill = csr_array(np.concatenate([-system.bank.rate[full], np.zeros(len(rows))])[:, None])
    flat = least(system.routes, load, both, fill, one, start=roomy.columns)
    if flat.value >= 1.0:
        price = np.zeros(stations)
        price[full], z = np.split(flat.z, [full.size])
        return Inside(None, z, price, float(flat.lower_bound + z @ relaxed.bound))
    columns, _ = flat.columns.joined(roomy.columns)
    ends = [_placed(answer, columns) for answer in (flat, roomy)]
    busy = [
        float(np.max(columns.station_flow(x)[full] / system.bank.rate[full], initial=0.0))
        for x in ends
    ]
    rise = busy[1] - busy[0]
    part = min(0.5, 0.5 * (1.0 - busy[0]) / rise if rise > 0 else 1.0)
    x = ends[0] + part * (ends[1] - ends[0])
    return Inside(RouteFlow(columns, x).fitted(load), np.zeros(len(rows)), np.zeros(stations), 0.0)


def _placed(answer: LeastRows, columns: Columns) -> Array:
    """Return the flows of a linear program as those of more routes."""
    return placed(RouteFlow(answer.columns, answer.flow), columns)


def placed(found: RouteFlow, columns: Columns) -> Array:
    """Return flows as those of more routes, shape (R,)."""
    flow = np.zeros(len(columns))
    flow[columns.places(found.columns)] = found.flow
    return flow


@dataclass(frozen=True, eq=False)
class LimitedFlow:
    """Flows within the limits, with the multipliers of the rows and a bound of the optimum.

    Attributes
    ----------
    found : RouteFlow
        Flows of routes within the limits.
    z : ndarray, shape (m,)
        Multipliers of the rows, 0 or more, in units of time.
    total_delay, lower_bound : float
        Sum of flow times delay, a number of jobs, and a lower bound of the optimum's.
    steps : int
        Number of Newton steps.
    """

    found: RouteFlow
    z: Array
    total_delay: float
    lower_bound: float
    steps: int = 0

    @property
    def gap(self) -> float:
        """Distance of the total delay from the lower bound, relative to the bound."""
        rest = self.total_delay - self.lower_bound
        return rest / self.lower_bound if self.lower_bound > 0 else float("inf")


def total_delay(system: RoutedSystem, found: RouteFlow) -> float:
    """Return the sum of flow times delay, a number of jobs."""
    v = found.station_flow
    used = v > 0
    latency = np.where(used, system.bank.latency(v), 0.0)
    return float(exact_sum(v * latency)[0]) + found.fixed_delay


def lower_bound(
    system: RoutedSystem, load: Array, rows: RouteRows, station_flow: Array, z: Array
) -> float:
    """Return a lower bound of the total delay of every flow within the limits.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    load : ndarray, shape (G,)
        Load of each group, jobs per unit of time.
    rows : RouteRows
        m limits.
    station_flow : ndarray, shape (A,)
        Flow of each station, below its rate: the prices are the marginal delays there.
    z : ndarray, shape (m,)
        Multipliers of the rows, 0 or more. On a graph the prices with them must be 0 or more.
    """
    v, bank = station_flow, system.bank
    price = bank.marginal(v)
    least_cost = rows.cheapest(system.routes, z, price)[1]
    terms = [load * least_cost, -v * (price - bank.latency(v)), -z * rows.bound]
    return float(exact_sum(np.concatenate(terms))[0])


def certified(
    system: RoutedSystem, load: Array, rows: RouteRows, found: RouteFlow, z: Array | None = None
) -> tuple[LimitedFlow, RouteFlow]:
    """Return flows within the limits with a lower bound, and the flows of a linear program.

    The linear program minimises the first-order change of the total delay within the limits; its
    multipliers are the best ones at the marginal delays of the flows.

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
    z : ndarray, shape (m,), optional
        Further multipliers to try, such as those of a solver.
    """
    v, none = found.station_flow, csr_array((len(rows), 0))
    price = system.bank.marginal(v)
    best = least(system.routes, load, rows, none, np.zeros(0), price=price, start=found.columns)
    tried = [best.z] if z is None else [best.z, z]
    bounds = [lower_bound(system, load, rows, v, each) for each in tried]
    i = int(np.argmax(bounds))
    answer = LimitedFlow(found, tried[i], total_delay(system, found), bounds[i])
    return answer, RouteFlow(best.columns, best.flow)


def moved_inside(
    system: RoutedSystem, rows: RouteRows, load: Array, found: RouteFlow, safe: RouteFlow
) -> RouteFlow:
    """Return flows moved towards safe ones, as far as needed to be within limits and rates.

    Parameters
    ----------
    system : RoutedSystem
        A stations, and the routes of G groups.
    rows : RouteRows
        m limits.
    load : ndarray, shape (G,)
        Load of each group.
    found : RouteFlow
        Flows that keep the limits up to the accuracy of a solver.
    safe : RouteFlow
        Flows within the limits and below the rates.
    """
    columns = found.columns.joined(safe.columns)[0]
    ends = placed(found, columns), placed(safe, columns)
    matrix, rate = rows.matrix(columns), system.bank.rate
    part = 0.0
    x, y = (matrix @ flow - rows.bound for flow in ends)
    broken = x > LIMIT_TOL * scale_of(rows, load)
    if broken.any():
        part = float(np.max(x[broken] / (x - np.minimum(y, 0.0))[broken]))
    v, w = map(columns.station_flow, ends)
    full = v >= rate
    if full.any():  # halfway from the rate to the safe flow
        part = max(part, float(np.max((v - 0.5 * (rate + w))[full] / (v - w)[full])))
    if part == 0.0:
        return found
    return RouteFlow(columns, ends[0] + min(part, 1.0) * (ends[1] - ends[0])).fitted(load)
