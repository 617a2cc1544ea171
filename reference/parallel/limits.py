"""The optimum within linear limits: bounds on the flow of each server, and rows A x <= b.

Minimise sum f_i(x_i) with sum x = load, least <= x <= most, A x <= b. With a multiplier c of the
load and z >= 0 of the rows, server i carries g_i^-1(c - (A' z)_i), clipped to its bounds. At given
z the flows rise with c, so c is one scalar root. For one row, a x falls with its multiplier, so
that is another root. For several rows the multipliers maximise the concave dual function, by the
ellipsoid method, which also bounds the remaining gain (R. Bland, D. Goldfarb and M. Todd, *The
ellipsoid method: a survey*, Operations Research 29 (1981)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..composed import as_bank
from ..errors import Array, InputError
from ..plural import counted
from ..server_bank import ServerBank
from ..validation import as_floats, as_server_array, raise_at_first
from .optimum_equilibrium import check_one_load

NEIGHBOURS = (1e-15, 1e-14, 1e-13, 1e-12)  # relative steps of a multiplier to beside its root
JUMP = 1e-9  # relative imbalance above which the flow jumps at the multiplier
LIMIT_TOL = 1e-12  # relative tolerance of limits that exactly one split keeps
CLOSE = 1e-14  # possible gain of the dual function, relative, at which the ellipsoid method stops
TRACE = 1e-9  # multiplier of a row, relative to the largest possible, that counts as 0
CUTS = 20_000  # largest number of steps of the ellipsoid method


@dataclass(frozen=True, eq=False)
class LimitedSplit:
    """Split of least mean delay within limits.

    Attributes
    ----------
    flow : ndarray, shape (n,)
        Load of each server, jobs per unit of time.
    mean_delay : float
        Mean delay of a job.
    multiplier : float
        Multiplier c of the load, a marginal delay.
    least_price, most_price : ndarray, shape (n,)
        Shadow prices, in time: fall of the total delay per unit by which the least flow of a server
        is lowered, or its largest flow raised.
    row_price : ndarray, shape (m,)
        Shadow prices z: fall of the total delay per unit by which the bound of a row is raised.
    """

    flow: Array
    mean_delay: float
    multiplier: float
    least_price: Array
    most_price: Array
    row_price: Array


def limited_optimum(
    servers: ServerBank | Sequence[ServerBank],
    load: float,
    *,
    least: npt.ArrayLike = 0.0,
    most: npt.ArrayLike = math.inf,
    matrix: npt.ArrayLike = (),
    bound: npt.ArrayLike = (),
) -> LimitedSplit:
    """Return the split of least mean delay within limits.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : float
        Total load above 0 and below the total rate, jobs per unit of time.
    least, most : array_like, shape (n,) or ()
        Least and largest flow of each server, jobs per unit of time; default 0 and infinity.
    matrix : array_like, shape (m, n) or (n,)
        Rows A, such as the money per job at each server; default none.
    bound : array_like, shape (m,) or ()
        Bounds b of A x, such as the money per unit of time; one for each row.

    Returns
    -------
    LimitedSplit

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        On limits that no split of the load keeps.

    Notes
    -----
    The equations and the method are in the header of `sojourn.reference.parallel.limits`.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020])
    >>> limited_optimum(bank, 190.0, most=[100.0, 80.0, 90.0]).flow.round(3)
    array([57.771, 42.229, 90.   ])
    """
    bank = as_bank(servers)
    total = check_one_load(bank, load)
    low = as_server_array("least", least, len(bank))
    high = np.minimum(as_server_array("most", most, len(bank)), bank.rate)
    check_limits(low, high, total)
    rows, bounds = _rows(matrix, bound, len(bank))
    _check_rows(rows, bounds, low, high, total, name_rows=bool(np.ndim(bound)))
    z = np.zeros(bounds.size)
    flow, c = _flow(bank, total, low, high, np.zeros(len(bank)))
    delay = None
    if bounds.size == 1 and rows[0] @ flow > bounds[0]:
        row = rows[0]
        z[0] = _row_multiplier(bank, total, low, high, row, bounds[0])
        flow, c = _flow_at_bound(
            lambda price: _flow(bank, total, low, high, price * row), row, bounds[0], z[0]
        )
    elif np.any(rows @ flow > bounds):
        z, delay = _row_multipliers(bank, total, low, high, rows, bounds, flow)
        flow, c = _flow(bank, total, low, high, z @ rows)
        flow = _project(bank, total, low, high, rows[z > 0], bounds[z > 0], flow)
    reduced = c - z @ rows - bank.marginal(np.minimum(flow, np.nextafter(bank.rate, 0)))
    most_price = np.where(flow >= high, np.maximum(reduced, 0.0), 0.0)
    least_price = np.where((flow <= low) & (low > 0), np.maximum(-reduced, 0.0), 0.0)
    delay = float(flow @ bank.latency(flow)) / total if delay is None else delay
    return LimitedSplit(flow, delay, c, least_price, most_price, z)


def _rows(matrix: npt.ArrayLike, bound: npt.ArrayLike, n: int) -> tuple[Array, Array]:
    """Return the rows and their bounds, shapes (m, n) and (m,), without infinite bounds."""
    bounds = np.atleast_1d(as_floats("bound", bound))
    rows = as_floats("matrix", matrix)
    rows = rows.reshape(-1, n) if rows.size % n == 0 else rows
    if rows.shape != (*bounds.shape, n):
        problem = f"is not {counted(bounds.size, 'row')} of {counted(n, 'number')}"
        remedy = "give a row for each bound, with one number a server"
        raise InputError("matrix", rows.tolist(), problem, remedy)
    raise_at_first("matrix", rows, np.isfinite(rows), "is not finite", "give a number a job")
    problem, remedy = "is not a number", "give the bound of the row"
    raise_at_first("bound", bounds, ~np.isnan(bounds), problem, remedy)
    return rows[np.isfinite(bounds)], bounds[np.isfinite(bounds)]


def _check_rows(
    rows: Array, bounds: Array, low: Array, high: Array, load: float, *, name_rows: bool
) -> None:
    """Raise InputError on a row whose bound no split of the load keeps."""
    for j, (row, bound) in enumerate(zip(rows, bounds, strict=True)):
        split, lowest = cheapest(low, high, row, load)
        if lowest > bound + LIMIT_TOL * float(np.abs(row) @ split):
            field = f"bound[{j}]" if name_rows else "bound"
            problem = f"is below {lowest:.6g}, the least value of its row at this load"
            raise InputError(field, float(bound), problem, "raise it or lower the load")


def check_limits(least: Array, most: Array, load: float) -> None:
    """Raise InputError on bounds of flows, shape (n,) each, that no split of the load keeps."""
    good, remedy = ~(least < 0) & np.isfinite(least), "give a flow in jobs per unit of time"
    raise_at_first("least", least, good, "is not 0 or more", remedy)
    problem = "is above the most that the server may carry"
    raise_at_first("least", least, least <= most, problem, "lower it")
    if least.sum() > load * (1 + LIMIT_TOL):
        problem = f"the least flows sum to more than the load {load:g}"
        raise InputError("least", float(least.sum()), problem, "lower them")
    if most.sum() < load * (1 - LIMIT_TOL):
        problem = f"the most flows sum to less than the load {load:g}"
        raise InputError("most", float(most.sum()), problem, "raise them or lower the load")


def cheapest(
    least: Array, most: Array, price: Array, load: npt.ArrayLike
) -> tuple[Array, npt.NDArray[np.float64]]:
    """Return the flows that carry the load at the least cost, shape (..., n), and that cost, (...).

    The cheapest servers are filled first.

    Parameters
    ----------
    least, most : ndarray, shape (..., n)
        Bounds of the flows.
    price : ndarray, shape (n,)
        Cost of a job at each server.
    load : array_like, shape (...)
    """
    order = np.argsort(price)
    width, rest = (most - least)[..., order], np.asarray(load) - least.sum(axis=-1)
    before = np.zeros_like(width)
    np.cumsum(width[..., :-1], axis=-1, out=before[..., 1:])
    flow = least.copy()
    flow[..., order] += np.clip(rest[..., None] - before, 0.0, width)
    return flow, flow @ price


def _flow(
    bank: ServerBank, load: float, low: Array, high: Array, charge: Array
) -> tuple[Array, float]:
    """Return the optimal flows that sum to the load, and the multiplier of the load.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
    low, high : ndarray, shape (n,)
        Bounds of the flows.
    charge : ndarray, shape (n,)
        Charge per job on top of the marginal delay of each server.
    """
    if high.sum() <= load * (1 + LIMIT_TOL):
        return high.copy(), float((bank.marginal(high) + charge).max())
    idle = bank.idle_latency + charge
    start, step = float(idle.min()), _positive_price(bank, load)
    behind, most = start - idle, np.minimum(high, 2.0 * load)

    def flows(excess: float) -> Array:
        """Return the flows at a price above the least idle price."""
        # the excess over the least idle price keeps digits that c itself loses at a light load
        point = bank.at_marginal(np.maximum(behind + excess, 0.0))
        flow: Array = np.clip(point.flow, low, most)
        return flow

    def surplus(excess: float) -> float:
        """Return the total flow at a price, less the load."""
        return math.fsum([*flows(excess), -load])

    while surplus(step) < 0:
        step *= 4.0
    excess = _root(surplus, step) if surplus(0.0) < 0 else 0.0
    flow, c = flows(excess), start + excess
    if abs(math.fsum([*flow, -load])) > JUMP * load:
        flow = _split_at_flat_price(flows, load, excess)
    free = (flow > low) & (flow < high)
    if free.any():  # distribute the imbalance that the last digit of c leaves
        slope = bank.marginal_slope(np.where(free, flow, 0.0))
        flat = free & (slope <= 0)
        if flat.any():
            rise = flat.astype(np.float64)
        else:
            rise = np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0)
        flow = np.clip(flow - math.fsum([*flow, -load]) * rise / rise.sum(), low, high)
    return flow, c


def _split_at_flat_price(flows: Callable[[float], Array], load: float, excess: float) -> Array:
    """Return the mixture of the flows just below and just above a price that carries the load.

    At such a price the flow of a server of constant latency jumps.
    """
    below, above = (flows(excess * (1.0 + step)) for step in (-1e-14, 1e-14))
    jump = math.fsum([*above, *-below])
    weight = math.fsum([load, *-below]) / jump if jump > 0 else 0.0
    out: Array = below + min(max(weight, 0.0), 1.0) * (above - below)
    return out


def _positive_price(bank: ServerBank, load: float) -> float:
    """Return a marginal delay above 0, from which a search starts."""
    idle = float(bank.idle_latency.min())
    return idle or float(bank.marginal(np.minimum(load, 0.5 * bank.rate)).max()) or 1.0


def _row_multiplier(
    bank: ServerBank, load: float, low: Array, high: Array, row: Array, bound: float
) -> float:
    """Return the multiplier of one row at which the optimal flows meet its bound."""

    def excess(z: float) -> float:
        """Return the value of the row at a multiplier, less its bound."""
        return float(row @ _flow(bank, load, low, high, z * row)[0]) - bound

    top = _positive_price(bank, load) / max(float(np.ptp(row)), 1e-300)
    for _ in range(400):
        if excess(top) <= 0:
            break
        top *= 4.0
    else:
        problem = "is so close to the least value of its row that rounding hides its multiplier"
        raise InputError("bound", bound, problem, "raise it a little")
    return _root(excess, top)


def _row_multipliers(
    bank: ServerBank, load: float, low: Array, high: Array, rows: Array, bound: Array, best: Array
) -> tuple[Array, float]:
    """Return the multipliers of several rows, and the lower bound of the mean delay at them.

    The ellipsoid method with deep cuts, on multipliers in units of their largest possible value.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
    low, high : ndarray, shape (n,)
        Bounds of the flows.
    rows : ndarray, shape (m, n)
    bound : ndarray, shape (m,)
    best : ndarray, shape (n,)
        Optimal flows without the rows.
    """

    def dual(z: Array) -> tuple[float, Array]:
        """Return the dual function and its gradient, the excess of the rows over their bounds."""
        flow = _flow(bank, load, low, high, z @ rows)[0]
        excess = rows @ flow - bound
        return float(flow @ bank.latency(flow) + z @ excess), excess

    inside = _interior_split(load, low, high, rows, bound)
    excess, distance = rows @ best - bound, bound - rows @ inside
    weight = 0.5 * distance / (distance + np.maximum(excess, 0.0))
    split = inside + float(np.min(np.where(excess > 0, weight, 0.5))) * (best - inside)
    # no row has a multiplier above the cost of a split that keeps all rows, over its distance
    cost = max(float(split @ bank.latency(split)) - dual(np.zeros(bound.size))[0], 1e-300)
    unit = cost / (bound - rows @ split)
    m = bound.size
    # the unit ball around this centre contains the simplex of multipliers
    centre, shape = np.full(m, 1.0 / (m + 1)), np.eye(m)
    best_z, value = np.zeros(m), -math.inf
    for _ in range(CUTS):
        if (centre < 0).any():
            gradient = np.where(np.arange(m) == centre.argmin(), 1.0, 0.0)
            depth = -float(centre.min())
        else:
            reached, excess = dual(centre * unit)
            gradient = excess * unit
            if reached > value:
                best_z, value = centre * unit, reached
            depth = max(value - reached, 0.0)
        size = math.sqrt(max(float(gradient @ shape @ gradient), 0.0))
        if depth >= size or ((centre >= 0).all() and size - depth <= CLOSE * abs(value)):
            break
        cut = min(depth / size, 1.0 - 1e-9)
        step = shape @ gradient / size
        centre = centre + (1.0 + m * cut) / (m + 1.0) * step
        narrower = 2.0 * (1.0 + m * cut) / ((m + 1.0) * (1.0 + cut)) * np.outer(step, step)
        shape = m**2 / (m**2 - 1.0) * (1.0 - cut**2) * (shape - narrower)
        shape = 0.5 * (shape + shape.T)
    return np.where(best_z > TRACE * unit, best_z, 0.0), value / load


def _interior_split(load: float, low: Array, high: Array, rows: Array, bound: Array) -> Array:
    """Return the split of the largest distance to all bounds of rows, by a linear program.

    Distances are relative to the largest entry of each row.
    """
    # imported here, so that the import of the package is fast
    from scipy.optimize import linprog

    size, n = np.abs(rows).max(axis=1), rows.shape[1]
    found = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.column_stack([rows / size[:, None], np.ones(len(size))]),
        b_ub=bound / size / load,
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[*zip(low / load, np.minimum(high / load, 1.0), strict=True), (None, 1.0)],
    )
    if found.x is None or found.x[-1] <= 0:
        problem, remedy = "has no split strictly within all rows", "raise some, or lower the load"
        raise InputError("bound", bound.tolist(), problem, remedy)
    out: Array = load * np.clip(found.x[:-1], low / load, high / load)
    return out


def _project(
    bank: ServerBank, load: float, low: Array, high: Array, rows: Array, bound: Array, flow: Array
) -> Array:
    """Return flows that carry the load and meet the bounds of rows to the last digits.

    The flows move by a weighted least-squares step, where that changes their marginal delays least.
    """
    for _ in range(3):
        free = (flow > low) & (flow < high)
        slope = bank.marginal_slope(np.where(free, flow, 0.0))
        if not free.any() or np.any(free & (slope <= 0)):
            break
        weight = np.sqrt(np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0))
        system = np.vstack([np.ones(flow.size), rows]) * weight
        residual = np.append(math.fsum([load, *-flow]), bound - rows @ flow)
        flow = np.clip(flow + weight * np.linalg.lstsq(system, residual)[0], low, high)
    return flow


def _flow_at_bound(
    flows: Callable[[float], tuple[Array, float]], row: Array, bound: float, z: float
) -> tuple[Array, float]:
    """Return the flows at the multiplier of a row, and the multiplier of the load.

    Where a latency is constant, the value of the row jumps at the multiplier. The flows on both
    sides have the same total cost, so a mixture of them meets the bound.
    """
    flow, c = flows(z)
    for step in NEIGHBOURS:
        other = flows(z * (1.0 + math.copysign(step, row @ flow - bound)))[0]
        excess, excess_other = float(row @ flow) - bound, float(row @ other) - bound
        if excess * excess_other <= 0 and excess != excess_other:
            return flow + excess / (excess - excess_other) * (other - flow), c
    return flow, c


def _root(function: Callable[[float], float], top: float) -> float:
    """Return the root between 0 and `top`."""
    # imported here, so that the import of the package is fast
    from scipy.optimize import brentq

    return float(brentq(function, 0.0, top, xtol=1e-300, rtol=1e-15, maxiter=500))
