"""A certificate that needs no solver: bounds on the true answer from any flow, whoever found it.

Optimum. For any multiplier c, every split carries at least sum_i min_z (f_i(z) - c z) + c load, attained at z = g_i^-1(c): weak duality.
Within bounds of the flows each minimum is over those; rows A x <= b with prices z >= 0 take (A' z)_i from c, and z' b from the sum.
Equilibrium. At any split of the load, the common latency of the true equilibrium lies between the least latency that any server offers and
the largest that a used one has: were it higher, every used server would carry more than it does; were it lower, every one less.
Equilibrium of users who see something else than the latency: the price that they share lies between two prices at which they bring less than
the load and more; their flows rise with it, so the delay is that of a split whose flows lie between two points.

All is counted in spare capacities: next to saturation a float flow does not say them, and the price of what rounding leaves out of the flows
is more than the delay. A flow has shape (..., n) and a load (...): many answers are certified in one pass over their rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ....reference.compensated_sum import TINY
from ....reference.composed import as_bank
from ....reference.errors import Array, InputError
from ....reference.parallel.optimum_equilibrium import check_one_load
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats
from ...core.table import Mask, Table
from .prices import Goal, check_goal, multiplier
from .splits import TRACE, Limits, clip, feasible, missing, total

EPS = float(np.finfo(float).eps)
KINKED = 1e-10  # gap above which other prices than the common one are tried
MANY = 16  # servers above which they are not
SURE = 8 * EPS  # relative rounding error of a sum of products, or of an operating point
ROUNDS = 60  # of a search for a price
WIDER = 4.0  # factor by which a bracket grows until it holds


class Point(NamedTuple):
    """Where servers operate: flow and spare capacity, shape (..., n), each as precise as it is small."""

    flow: Array
    spare_capacity: Array


@dataclass(frozen=True)
class Certificate:
    """How far an answer can be from the truth.

    Attributes
    ----------
    mean_delay : float
        The mean delay that is certified: that of the flow, or the nearest bound, where no more lies between than the rounding of the flow to
        floats can cause.
    lower_bound, upper_bound : float
        The true mean delay lies between them, in the system's unit of time.
    gap : float
        Largest relative error that the mean delay can have.
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
        Within limits: the largest violation of one, in parts of the load or of the bound of a row.
    """

    mean_delay: float
    lower_bound: float
    upper_bound: float
    gap: float
    balance: float
    least_flow: float
    utilisation: float
    deviation_gain: float | None = None
    potential_gap: float | None = None
    violation: float | None = None

    times: ClassVar[tuple[str, ...]] = (
        "mean_delay",
        "lower_bound",
        "upper_bound",
        "deviation_gain",
    )


@dataclass(frozen=True, eq=False)
class Certificates(Table):
    """Certificates of K answers, as arrays of shape (K,); fields as of `Certificate`, NaN for None."""

    mean_delay: Array
    lower_bound: Array
    upper_bound: Array
    gap: Array
    balance: Array
    least_flow: Array
    utilisation: Array
    deviation_gain: Array
    potential_gap: Array
    violation: Array

    def row(self, k: int) -> Certificate:
        """Return the certificate of one answer."""
        numbers: Any = (None if math.isnan(n) else float(n) for n in self.values(k))
        return Certificate(*numbers)


def certify(bank: ServerBank, load: float, flow: Array, goal: Goal) -> Certificate:
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
    check_goal(goal)
    bank, x = as_bank(bank), as_floats("flow", flow)
    if x.shape != (len(bank),):
        raise InputError(
            "flow", x.tolist(), f"has shape {x.shape}", f"give {len(bank)} numbers, one a server"
        )
    return certify_rows(bank, np.array([check_one_load(bank, load)]), x[None], goal).row(0)


def certify_rows(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> Certificates:
    """Return the certificates of K flows, shape (K, n), of K loads, shape (K,); see `certify`."""
    with np.errstate(all="ignore"):  # a row that is no split is told by its gap
        return _certify(bank, load, flow, goal)


def _certify(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> Certificates:
    bounds = _optimum_bounds if goal == "optimum" else _latency_bounds
    lower, upper, potential = (
        np.zeros_like(load),
        np.full_like(load, np.inf),
        np.full_like(load, np.inf),
    )
    x = clip(bank, flow)
    traces = bool(np.any((x > 0) & (x <= TRACE * load[:, None] / x.shape[-1])))
    for trim in (False, True)[: 1 + traces]:
        point, there = feasible(bank, load, flow, trim=trim)
        low, high = bounds(bank, load, point)
        lower, upper = (
            np.where(there, np.fmax(lower, low), lower),
            np.where(there, np.fmin(upper, high), upper),
        )
        if goal == "equilibrium":
            potential = np.where(
                there, np.fmin(potential, _potential_gap(bank, load, point)), potential
            )
    found = _certificates(bank, load, flow, goal, lower, upper)
    if goal == "optimum":
        return found
    finite = np.isfinite(flow).all(axis=-1)
    gain = np.where(finite, deviation_gain(bank, clip(bank, flow)), np.inf)
    return replace(found, deviation_gain=gain, potential_gap=potential)


def _certificates(
    bank: ServerBank,
    load: Array,
    flow: Array,
    goal: Goal,
    lower: Array,
    upper: Array,
    price: Array | None = None,
) -> Certificates:
    """Certificates of flows from bounds of the true mean delays; `price` as in `rounding`."""
    # no user is ever served faster than by the nearest server, empty
    lower = np.maximum(np.where(np.isfinite(lower), lower, 0.0), float(bank.idle_latency.min()))
    upper = np.maximum(np.where(np.isnan(upper), np.inf, upper), lower)
    finite: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    value = mean_delay(bank, np.where(finite[:, None], flow, 0.0))
    nearest = np.clip(value, lower, upper)
    for k in np.flatnonzero(np.isfinite(value) & (np.abs(value - nearest) > SURE * nearest)):
        near = (
            np.abs(value[k] - nearest[k])
            <= rounding(bank, load[k], flow[k], goal, None if price is None else price[k])
            * nearest[k]
        )
        value[k] = nearest[k] if near else value[k]
    worst = np.where(
        np.isfinite(value), np.maximum(np.abs(upper - value), np.abs(value - lower)), np.inf
    )
    none = np.full_like(load, np.nan)
    return Certificates(
        mean_delay=value,
        lower_bound=lower,
        upper_bound=upper,
        # sums of n products are rounded too; and the delay may be too short for a float
        gap=np.where(finite & (lower > 0), worst / lower + SURE, np.where(worst == 0, 0.0, np.inf)),
        balance=np.where(finite, np.abs(missing(load, flow)) / load, np.inf),
        least_flow=np.where(finite, flow.min(axis=-1) / load, -np.inf),
        utilisation=np.where(finite, (flow / bank.rate).max(axis=-1), np.inf),
        deviation_gain=none,
        potential_gap=none,
        violation=none,
    )


def certify_within(
    bank: ServerBank,
    load: float,
    flow: Array,
    limits: Limits,
    price: float,
    row_prices: Array,
    *others: Array,
) -> Certificate:
    """Return the certificate of an optimum within limits; see `certify`.

    Parameters
    ----------
    price : float
        Multiplier of the load; any proves something.
    row_prices : ndarray, shape (m,)
        Multipliers of the rows; so do these.
    *others : ndarray, shape (n,)
        Other flows from which a split within the limits may be made.
    """
    row, at, z = np.asarray(flow, dtype=float)[None], np.array([load]), np.maximum(row_prices, 0.0)
    proved = math.isfinite(price) and bool(np.isfinite(z).all())
    upper, worth = math.inf, 0.0
    with np.errstate(all="ignore"):
        lower = float(lower_bound(bank, at, np.array([price]), limits, z)[0]) if proved else 0.0
        for other in (row, *(np.asarray(o, dtype=float)[None] for o in others)):
            x, there = feasible(bank, at, other, trim=False, limits=limits)
            split = _split(bank, at, x, limits)
            if there[0] and (high := float(_carried(bank, split)[0]) / load) < upper:
                upper, worth = (
                    high,
                    _worth(bank, split, limits, price, z) / load if proved else 0.0,
                )
        found = _certificates(
            bank,
            at,
            row,
            "optimum",
            np.array([lower - worth]),
            np.array([upper + worth]),
            rounding_price(limits, at, row, price, z),
        )
    return replace(found, violation=np.array([limits.violation(load, flow)])).row(0)


def _worth(
    bank: ServerBank, split: Point, limits: Limits, price: float, row_prices: Array
) -> float:
    """What the rounding of limits is worth, in total delay: they are products of floats, and a split keeps them to rounding."""
    binding = (split.flow <= limits.least * (1 + SURE)) | (split.flow >= limits.most * (1 - SURE))
    shadow = np.abs(price - row_prices @ limits.matrix - bank.marginal(*split)) * split.flow
    # products are rounded, in what the split has of a row and, for each row, in the bound below
    over = np.maximum(limits.excess(split.flow), 0.0) + (3 + row_prices.size) * EPS * limits.size(
        split.flow
    )
    rows = float(over[0] @ row_prices)
    return rows + EPS * float(shadow[0] @ binding[0])


def rounding_price(
    limits: Limits, load: Array, flow: Array, price: float, row_prices: Array
) -> Array:
    """What a rounding error of the flows is worth within limits, shape (...): see `rounding`."""
    return np.asarray(
        np.abs(price) + (1 + 0.5 * row_prices.size) * (limits.size(flow) @ row_prices) / load
    )


def certify_seen(
    true: ServerBank,
    seen: ServerBank,
    base: Array,
    load: Array,
    flow: Array,
    lowest: Array,
    highest: Array,
) -> Certificates:
    """Return the certificates, in true delays, of K equilibria of users who see the servers otherwise.

    Parameters
    ----------
    true : Queue
        n servers as they are.
    seen : Queue
        As the users see them: l' in the place of l, increasing with the flow too.
    base : ndarray, shape (n,) or (K, n)
        What the servers carry before; the users see what comes on top of it.
    load : ndarray, shape (K,)
        All of it.
    flow : ndarray, shape (K, n)
        All of it, at each server.
    lowest, highest : ndarray, shape (K,)
        Bounds of what the users see at their equilibrium.
    """
    with np.errstate(all="ignore"):
        low, high, there = _ends(true, seen, base, load, lowest, highest)
        lower, upper = delay_between(true, load, low, high)
        lower, upper = (
            np.where(there, lower * (1 - SURE), 0.0),
            np.where(there, upper * (1 + SURE), np.inf),
        )
        return _certificates(true, load, flow, "equilibrium", lower, upper)


def rounding(
    bank: ServerBank, load: Array, flow: Array, goal: Goal, price: Array | None = None
) -> Array:
    """Gap that the rounding of the flows to floats alone can cause, relative: close to saturation a float cannot say the spare capacity.

    A `price` of the load, within limits, says what a rounding error of the flow is worth where the price that servers share does not.
    """
    x = clip(bank, flow)
    with np.errstate(all="ignore"):
        steep = (
            multiplier(bank, load, x, goal)
            if goal == "optimum"
            else (bank.latency_slope(x) * x).max(axis=-1)
        )
        worth, delay = (
            8 * EPS * (steep if price is None else np.fmax(steep, price)),
            mean_delay(bank, x),
        )
        return np.asarray(np.where(worth > 0, worth / delay, 0.0))


def mean_delay(bank: ServerBank, flow: Array) -> Array:
    """Mean delay sum x_i l_i(x_i) / sum x_i at a flow, shape (...); infinite outside the stable region."""
    inside = np.maximum(flow, 0.0)
    stable = np.all(bank.spare_capacity(inside) > 0, axis=-1) & inside.any(axis=-1)
    x = np.where(stable[..., None], inside, 0.0)
    carried = total(x * bank.latency(x))
    delay: Array = np.divide(
        carried, total(x), out=np.full(np.shape(carried), np.inf), where=stable
    )
    return delay


def supporting_lines(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    """Lines below the least total delay at every load: their values at K loads and their slopes, from any flows, shape (K, n)."""
    nearest = float(bank.idle_latency.min())
    # no job is ever served faster than by the nearest server, empty
    value, slope = nearest * load, np.full_like(load, nearest)
    for trim in (False, True):
        point, there = feasible(bank, load, flow, trim=trim)
        price = multiplier(bank, load, point, "optimum")
        proved = lower_bound(bank, load, price) * load
        better = there & (proved > value)
        value, slope = np.where(better, proved, value), np.where(better, price, slope)
    return value, slope


def deviation_gain(bank: ServerBank, flow: Array) -> Array:
    """Most that a user gains by moving: the largest latency of a used server less the least that any offers; shape (...)."""
    latency = bank.latency(flow)
    largest = np.where(flow > 0, latency, -np.inf).max(axis=-1)
    gain: Array = np.where(np.any(flow > 0, axis=-1), largest - latency.min(axis=-1), np.inf)
    return gain


def _split(bank: ServerBank, load: Array, flow: Array, limits: Limits | None = None) -> Point:
    """Split of exactly the load: what rounding left over goes to the used server with the most room for it."""
    spare_capacity, rest = bank.spare_capacity(flow), missing(load, flow)[..., None]
    least, most = (0.0, np.inf) if limits is None else (limits.least, limits.most)
    room = np.minimum(spare_capacity, np.where(rest < 0, flow - least, most - flow))
    roomy = np.where(flow > 0, room, -1.0).argmax(axis=-1)[..., None]
    rest = np.where(np.arange(flow.shape[-1]) == roomy, rest, 0.0)
    return Point(flow + rest, spare_capacity - rest)


def _carried(bank: ServerBank, point: Point) -> Array:
    """Total delay per unit of time."""
    return total(point.flow * bank.latency(*point))


def _lacking(bank: ServerBank, load: Array, point: Point) -> Array:
    """Load less what servers carry; the flow of one that is closer to full than to empty is its rate less its spare capacity."""
    full = point.spare_capacity < point.flow
    return missing(
        load,
        np.concatenate(
            [
                np.where(full, bank.rate, point.flow),
                np.where(full, bank.rate_error - point.spare_capacity, 0.0),
            ],
            axis=-1,
        ),
    )


def _dual(bank: ServerBank, load: Array, price: Array, point: Point, cost: Array) -> Array:
    """Lagrangian at flows: what they cost, and the price of the load that they leave."""
    return total(np.concatenate([cost, (price * _lacking(bank, load, point))[..., None]], axis=-1))


def _optimum_bounds(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    upper = _carried(bank, _split(bank, load, flow)) / load
    lower = lower_bound(bank, load, multiplier(bank, load, flow, "optimum"))
    if len(bank) <= MANY:
        rows = np.flatnonzero(upper - lower > KINKED * upper)
        if rows.size:
            # at a kink a server has any price between two, and the common one is that of another server
            others = bank.marginal(clip(bank, flow[rows]))
            proved = lower_bound(bank, np.broadcast_to(load[rows, None], others.shape), others)
            lower[rows] = np.fmax(lower[rows], proved.max(axis=-1))
    return lower, upper


def lower_bound(
    bank: ServerBank,
    load: Array,
    price: Array,
    limits: Limits | None = None,
    row_prices: Array | None = None,
) -> Array:
    """Least mean delay that a price of the load proves, and those of rows; minus infinity where they prove none. Shape (...)."""
    if limits is None:
        return _least(bank, load, price)
    # that no server carries more than the load is no new limit, and bounds what a flat price does not
    most = np.minimum(limits.most, load[..., None])
    ends = (
        Point(limits.least, bank.spare_capacity(limits.least)),
        Point(most, bank.spare_capacity(most)),
    )
    if row_prices is None or not row_prices.any():
        return _least(bank, load, price, ends)
    return _least(
        bank, load, price, ends, row_prices @ limits.matrix, math.fsum(row_prices * limits.bound)
    )


def _least(
    bank: ServerBank,
    load: Array,
    price: Array,
    ends: tuple[Point, Point] | None = None,
    charge: Array | None = None,
    money: float = 0.0,
) -> Array:
    """Least mean delay that a price of the load proves over flows between two points; of a `charge` a job there is `money` in all."""
    own = price[..., None] if charge is None else price[..., None] - charge
    shape = np.broadcast_shapes(np.shape(own), (*price.shape, len(bank)))
    found = bank.at_marginal(np.maximum((own - bank.delay) - bank.service, 0.0))
    if ends is None:
        most = np.broadcast_to(load[..., None], shape)
        least, point = (
            np.zeros(shape),
            Point(np.where(np.isinf(found.flow), most, found.flow), found.spare_capacity),
        )
    else:
        (least, widest), (most, narrowest) = ends
        point = Point(
            np.clip(found.flow, least, most), np.clip(found.spare_capacity, narrowest, widest)
        )
    cost = point.flow * bank.latency(*point)
    if bank.uses_finite_differences:
        cost = cost - bank.difference_error_bound(
            np.broadcast_to(own, shape),
            point.flow,
            np.broadcast_to(least, shape),
            np.broadcast_to(most, shape),
        )
    if charge is not None:
        cost = np.concatenate(
            [cost, charge * point.flow, np.full((*price.shape, 1), -money)], axis=-1
        )
    bound = _dual(bank, load, price, point, cost) / load
    return np.where(np.isfinite(bound), bound, -np.inf)


def delay_between(bank: ServerBank, load: Array, low: Point, high: Point) -> tuple[Array, Array]:
    """Bounds of the mean delay of every split of the load whose flows lie between two points.

    With f the convex delay carried, and any c, a split carries sum f(x) - c x + c load, and f - c x is largest at an end.
    """
    width = np.where(
        high.spare_capacity < high.flow,
        low.spare_capacity - high.spare_capacity,
        high.flow - low.flow,
    )
    weight = np.where(width.any(axis=-1, keepdims=True), width, high.flow)
    marginal = np.where(weight > 0, bank.marginal(*high), 0.0)
    c = total(marginal * weight) / total(weight)
    costs = [point.flow * bank.latency(*point) for point in (low, high)]
    dear = costs[1] - costs[0] > c[..., None] * width
    top = Point(*(np.where(dear, b, a) for a, b in zip(low, high, strict=True)))
    upper = _dual(bank, load, c, top, np.where(dear, costs[1], costs[0])) / load
    return _least(bank, load, c, (low, high)), np.where(np.isfinite(upper), upper, np.inf)


def _ends(
    true: ServerBank, seen: ServerBank, base: Array, load: Array, lowest: Array, highest: Array
) -> tuple[Point, Point, Mask]:
    """Points, shape (K, n), below and above where users bring what the base leaves of the loads, and whether there are such.

    The bounds of the prices may be wrong by rounding, so they only say where to look: at either end the sum of the flows decides.
    """
    whole, empty = load[:, None], true.spare_capacity(base)

    def at(price: Array, shift: float = 0.0) -> tuple[Point, Array]:
        """Where the servers operate at prices and the slopes of their flows, or below (shift -1) and above all that rounding may have done.

        The price is moved, not the flow: where a latency is flat, a rounding error of it is worth more flow than its slope says.
        """
        excess = (price[:, None] - seen.delay) - seen.service
        point = seen.at_latency(np.maximum(excess, 0.0))
        if shift:
            # a price above the latency that a server has at any load is no price of its own
            follows = (excess > 0) & np.isfinite(point.flow)
            latency = seen.latency(np.where(follows, point.flow, 0.0), point.spare_capacity)
            off = (
                np.where(follows, np.abs(latency - price[:, None]), 0.0) + 2 * EPS * price[:, None]
            )
            excess = excess + 2 * shift * off
            point = seen.at_latency(np.maximum(excess, 0.0))
        used = excess > 0
        flow = np.where(used, base + np.where(np.isinf(point.flow), 2 * whole, point.flow), base)
        spare_capacity = np.where(used, point.spare_capacity, empty)
        error = np.where(used, shift * SURE * np.minimum(flow, spare_capacity), 0.0)
        return Point(flow + error, spare_capacity - error), np.where(used, point.slope, 0.0)

    there: Mask = np.isfinite(lowest) & np.isfinite(highest)
    low, high = 0.5 * lowest, 2.0 * highest
    price, moves = np.where(there, 0.5 * (lowest + highest), 0.0), there
    for _ in range(ROUNDS):
        point, slope = at(price)
        rest = _lacking(true, load, point)
        low, high = (
            np.where(moves & (rest > 0), price, low),
            np.where(moves & ~(rest > 0), price, high),
        )
        steep = np.minimum(price[:, None] * slope, whole).sum(axis=-1)
        enough = SURE * np.minimum(point.flow, point.spare_capacity).sum(axis=-1) + 2 * EPS * steep
        moves = moves & ~((np.abs(rest) <= enough) | (high - low <= EPS * high))
        if not moves.any():
            break
        grows = slope.sum(axis=-1)
        newton = price + np.divide(rest, grows, out=np.full_like(rest, np.inf), where=grows > 0)
        price = np.where(
            moves, np.where((low < newton) & (newton < high), newton, 0.5 * (low + high)), price
        )
    ends = []
    for side in (-1.0, 1.0):
        step, grows = np.maximum(8 * EPS * price, TINY), there  # a price may be 0
        for _ in range(ROUNDS):
            grows = grows & ~(side * _lacking(true, load, at(price + side * step, -side)[0]) <= 0)
            if not grows.any():
                break
            step = np.where(grows, WIDER * step, step)
        there = there & ~grows
        ends.append(at(price + side * step, side)[0])
    below, above = ends
    # what one server carries is the load less what the others do
    more, less = (_lacking(true, load, end)[:, None] for end in ends)
    sure = SURE * np.minimum(above.flow, above.spare_capacity)
    below, above = (
        Point(
            np.maximum(below.flow, above.flow + less - sure),
            np.minimum(below.spare_capacity, above.spare_capacity - less + sure),
        ),
        Point(
            np.minimum(above.flow, below.flow + more + sure),
            np.maximum(above.spare_capacity, below.spare_capacity - more - sure),
        ),
    )
    # no server carries more than there is
    below, above = (
        Point(np.clip(x, base, whole), np.maximum(y, true.spare_capacity(whole)))
        for x, y in (below, above)
    )
    return below, above, there & np.all(above.spare_capacity > 0, axis=-1)


def _latency_bounds(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Array]:
    split = _split(bank, load, flow)
    latency = bank.latency(*split)
    return latency.min(axis=-1), np.where(split.flow > 0, latency, -np.inf).max(axis=-1)


def _potential_gap(bank: ServerBank, load: Array, flow: Array) -> Array:
    price = multiplier(bank, load, flow, "equilibrium")
    point = bank.at_latency(np.maximum((price[..., None] - bank.delay) - bank.service, 0.0))
    lower = _dual(
        bank,
        load,
        price,
        Point(point.flow, point.spare_capacity),
        bank.potential(clip(bank, point.flow)),
    )
    return np.where(lower > 0, np.abs(total(bank.potential(flow)) - lower) / lower, np.inf)
