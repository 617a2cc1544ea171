"""The optimum within linear limits: a least and a most flow per server, and rows A x <= b.

Minimise sum f_i(x_i) with sum x = load, least <= x <= most, A x <= b. With a multiplier c of the load and z >= 0 of the rows,
server i carries g_i^-1(c - (A' z)_i), clipped to its limits. For given z the flows rise with c, so c is one scalar root; what
they have of one row falls with its price, so that is another. Of several rows the prices maximise the least of the Lagrangian,
concave, by the ellipsoid method, which bounds what is left to gain (R. Bland, D. Goldfarb and M. Todd, *The ellipsoid method:
a survey*, Operations Research 29 (1981)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..composed import as_bank
from ..errors import Array, InputError
from ..server_bank import ServerBank
from ..validation import as_floats, as_server_array, raise_at_first
from .optimum_equilibrium import check_one_load

JUMPS = (1e-15, 1e-14, 1e-13, 1e-12)  # relative, of a price, within which its root is
JUMP = 1e-9  # relative imbalance that rounding does not leave: there the flow jumps
SLACK = 1e-12  # relative: limits that leave exactly one split leave it up to rounding
CLOSE = 1e-14  # relative, of the total delay, that the prices of several rows may still gain
TRACE = 1e-9  # of the largest price that a row may have: none, to the accuracy of the ellipsoid
CUTS = 20_000  # of an ellipsoid


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
    row_price : ndarray, shape (m,)
        The same per unit by which the bound of a row is raised.
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
    """Split of least mean delay within limits.

    Parameters
    ----------
    servers : Queue or sequence of Queue
        n servers.
    load : float
        Above 0 and below the total rate.
    least, most : array_like, shape (n,) or ()
        Limits of each server's flow, jobs per unit of time.
    matrix : array_like, shape (m, n) or (n,)
        Rows, such as the money per job.
    bound : array_like, shape (m,) or ()
        What the flows may have of each, such as money per unit of time.

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
    bank = as_bank(servers)
    total = check_one_load(bank, load)
    low, high = (
        as_server_array(name, v, len(bank)) for name, v in (("least", least), ("most", most))
    )
    high = np.minimum(high, bank.rate)
    check_limits(low, high, total)
    rows, side = _rows(matrix, bound, len(bank))
    for j, (row, most_of) in enumerate(zip(rows, side, strict=True)):
        split, lowest = cheapest(low, high, row, total)
        if lowest > most_of + SLACK * float(np.abs(row) @ split):
            problem = f"is below {lowest:.6g}, the least that the load has of the row"
            raise InputError(
                f"bound[{j}]" if np.ndim(bound) else "bound",
                float(most_of),
                problem,
                "raise it or lower the load",
            )
    z = np.zeros(side.size)
    flow, c = _flow(bank, total, low, high, np.zeros(len(bank)))
    delay = None
    if side.size == 1 and rows[0] @ flow > side[0]:
        z[0] = _row_price(bank, total, low, high, rows[0], side[0])
        flow, c = _spend(
            lambda price: _flow(bank, total, low, high, price * rows[0]), rows[0], side[0], z[0]
        )
    elif np.any(rows @ flow > side):
        z, delay = _row_prices(bank, total, low, high, rows, side, flow)
        flow, c = _flow(bank, total, low, high, z @ rows)
        flow = _onto(bank, total, low, high, rows[z > 0], side[z > 0], flow)
    left = c - z @ rows - bank.marginal(np.minimum(flow, np.nextafter(bank.rate, 0)))
    above, below = (
        np.where(flow >= high, np.maximum(left, 0.0), 0.0),
        np.where(flow <= low, np.maximum(-left, 0.0), 0.0),
    )
    delay = float(flow @ bank.latency(flow)) / total if delay is None else delay
    return LimitedSplit(flow, delay, c, np.where(low > 0, below, 0.0), above, z)


def _rows(matrix: npt.ArrayLike, bound: npt.ArrayLike, n: int) -> tuple[Array, Array]:
    """Rows and their bounds, shapes (m, n) and (m,)."""
    side = np.atleast_1d(as_floats("bound", bound))
    rows = as_floats("matrix", matrix)
    rows = rows.reshape(-1, n) if rows.size % n == 0 else rows
    if rows.shape != (*side.shape, n):
        raise InputError(
            "matrix",
            rows.tolist(),
            f"is not {side.size} rows of {n} numbers",
            "give a row for each bound, with one number a server",
        )
    raise_at_first("matrix", rows, np.isfinite(rows), "is not finite", "give a number a job")
    raise_at_first(
        "bound", side, ~np.isnan(side), "is not a number", "give what the flows may have of the row"
    )
    return rows[np.isfinite(side)], side[np.isfinite(side)]


def check_limits(least: Array, most: Array, load: float) -> None:
    """Raise InputError on limits that no split of the load keeps."""
    raise_at_first(
        "least",
        least,
        ~(least < 0) & np.isfinite(least),
        "is not 0 or more",
        "give a flow in jobs per unit of time",
    )
    raise_at_first(
        "least", least, least <= most, "is above the most that the server may carry", "lower it"
    )
    if least.sum() > load * (1 + SLACK):
        raise InputError(
            "least",
            float(least.sum()),
            f"the least flows sum to more than the load {load:g}",
            "lower them",
        )
    if most.sum() < load * (1 - SLACK):
        raise InputError(
            "most",
            float(most.sum()),
            f"the most flows sum to less than the load {load:g}",
            "raise them or lower the load",
        )


def cheapest(least: Array, most: Array, price: Array, load: float) -> tuple[Array, float]:
    """Flows that carry the load at the least cost, the cheapest servers first, and that cost."""
    order = np.argsort(price)
    room, rest = (most - least)[order], load - least.sum()
    flow = least.copy()
    flow[order] += np.clip(rest - np.concatenate([[0.0], np.cumsum(room)[:-1]]), 0.0, room)
    return flow, float(price @ flow)


def _flow(
    bank: ServerBank, load: float, low: Array, high: Array, charge: Array
) -> tuple[Array, float]:
    """Flows that sum to the load, each server charged on top of its marginal delay, and the multiplier of the load."""
    if high.sum() <= load * (1 + SLACK):
        return high.copy(), float((bank.marginal(high) + charge).max())
    idle = bank.idle_latency + charge
    start, step = float(idle.min()), _some_price(bank, load)
    behind = start - idle

    def flows(
        excess: float,
    ) -> (
        Array
    ):  # the excess over the least idle delay keeps the digits that c itself loses at a light load
        flow: Array = np.clip(
            bank.at_marginal(np.maximum(behind + excess, 0.0)).flow,
            low,
            np.minimum(high, 2.0 * load),
        )
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
        slope = bank.marginal_slope(np.where(free, flow, 0.0))
        flat = free & (slope <= 0)
        rise = (
            np.where(flat, 1.0, 0.0)
            if flat.any()
            else np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0)
        )
        flow = np.clip(flow - math.fsum([*flow, -load]) * rise / rise.sum(), low, high)
    return flow, c


def _share_jump(flows: Callable[[float], Array], load: float, excess: float) -> Array:
    """Flows between those just below and just above a price at which a server of constant latency fills."""
    less, more = (flows(excess * (1.0 + side)) for side in (-1e-14, 1e-14))
    gap = math.fsum([*more, *-less])
    part = math.fsum([load, *-less]) / gap if gap > 0 else 0.0
    out: Array = less + min(max(part, 0.0), 1.0) * (more - less)
    return out


def _some_price(bank: ServerBank, load: float) -> float:
    """A marginal delay above 0, to start a search from."""
    idle = float(bank.idle_latency.min())
    return idle or float(bank.marginal(np.minimum(load, 0.5 * bank.rate)).max()) or 1.0


def _row_price(
    bank: ServerBank, load: float, low: Array, high: Array, row: Array, bound: float
) -> float:
    """Multiplier of one row at which the flows have exactly its bound."""

    def over(z: float) -> float:
        return float(row @ _flow(bank, load, low, high, z * row)[0]) - bound

    top = _some_price(bank, load) / max(float(np.ptp(row)), 1e-300)
    for _ in range(400):
        if over(top) <= 0:
            break
        top *= 4.0
    else:
        raise InputError(
            "bound",
            bound,
            "is so close to the least of its row that rounding hides its price",
            "raise it a little",
        )
    return _root(over, top)


def _row_prices(
    bank: ServerBank, load: float, low: Array, high: Array, rows: Array, bound: Array, best: Array
) -> tuple[Array, float]:
    """Multipliers of several rows, and the mean delay that they prove; `best` is the split without rows."""

    def least(z: Array) -> tuple[float, Array]:
        flow = _flow(bank, load, low, high, z @ rows)[0]
        over = rows @ flow - bound
        return float(flow @ bank.latency(flow) + z @ over), over

    inside = _inside(load, low, high, rows, bound)
    over, room = rows @ best - bound, bound - rows @ inside
    part = float(np.min(np.where(over > 0, 0.5 * room / (room + np.maximum(over, 0.0)), 0.5)))
    split = inside + part * (best - inside)
    # no price is worth more than what keeping to such a split costs
    worth = max(float(split @ bank.latency(split)) - least(np.zeros(bound.size))[0], 1e-300)
    unit = worth / (bound - rows @ split)
    m = bound.size
    # n of them are those of a ball around the simplex of prices; each cut halves an ellipsoid
    centre, shape = np.full(m, 1.0 / (m + 1)), np.eye(m)
    found, value = np.zeros(m), -math.inf
    for _ in range(CUTS):
        if (centre < 0).any():
            slope, depth = np.where(np.arange(m) == centre.argmin(), 1.0, 0.0), -float(centre.min())
        else:
            reached, over = least(centre * unit)
            slope = over * unit
            found, value = (centre * unit, reached) if reached > value else (found, value)
            depth = max(value - reached, 0.0)
        size = math.sqrt(max(float(slope @ shape @ slope), 0.0))
        if depth >= size or ((centre >= 0).all() and size - depth <= CLOSE * abs(value)):
            break
        cut = min(depth / size, 1.0 - 1e-9)
        step = shape @ slope / size
        centre = centre + (1.0 + m * cut) / (m + 1.0) * step
        shape = (
            m**2
            / (m**2 - 1.0)
            * (1.0 - cut**2)
            * (shape - 2.0 * (1.0 + m * cut) / ((m + 1.0) * (1.0 + cut)) * np.outer(step, step))
        )
        shape = 0.5 * (shape + shape.T)
    return np.where(found > TRACE * unit, found, 0.0), value / load


def _inside(load: float, low: Array, high: Array, rows: Array, bound: Array) -> Array:
    """Split that leaves all rows room, the most in parts of their largest entries, by a linear program."""
    from scipy.optimize import (
        linprog,
    )  # here, so that the import of the package does not wait for it

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
        raise InputError(
            "bound",
            bound.tolist(),
            "leaves no split room in all rows",
            "raise some of it, or lower the load",
        )
    out: Array = load * np.clip(found.x[:-1], low / load, high / load)
    return out


def _onto(
    bank: ServerBank, load: float, low: Array, high: Array, rows: Array, bound: Array, flow: Array
) -> Array:
    """Flows moved, where that moves their prices least, to carry the load and to have the bounds of rows to the last digits."""
    for _ in range(3):
        free = (flow > low) & (flow < high)
        slope = bank.marginal_slope(np.where(free, flow, 0.0))
        if not free.any() or np.any(free & (slope <= 0)):
            break
        border = np.vstack([np.ones(flow.size), rows]) * np.sqrt(
            np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0)
        )
        lacking = np.append(math.fsum([load, *-flow]), bound - rows @ flow)
        flow = np.clip(
            flow
            + np.sqrt(np.where(free, 1.0 / np.where(free, slope, 1.0), 0.0))
            * np.linalg.lstsq(border, lacking)[0],
            low,
            high,
        )
    return flow


def _spend(
    flows: Callable[[float], tuple[Array, float]], cost: Array, money: float, z: float
) -> tuple[Array, float]:
    """Flows at the price of a row, and the multiplier of the load.

    Where a latency is flat, what the flows have of the row jumps there: both sides cost the same in all, so a mixture meets the bound.
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
    from scipy.optimize import (
        brentq,
    )  # here, so that the import of the package does not wait for it

    return float(brentq(function, 0.0, top, xtol=1e-300, rtol=1e-15, maxiter=500))
