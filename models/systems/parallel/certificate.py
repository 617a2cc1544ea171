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
from typing import Any, ClassVar

import numpy as np

from ....reference.composed import as_bank
from ....reference.errors import Array, InputError
from ....reference.parallel.optimum_equilibrium import check_one_load
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats
from ...core.table import Mask, Table
from .dual_bounds import (
    EPS,
    SURE,
    Point,
    exact_split,
    latency_bounds,
    lower_bound,
    optimum_bounds,
    potential_gap_of,
    total_delay,
)
from .prices import Goal, check_goal, multiplier
from .splits import TRACE, Limits, clip, feasible, missing, total


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
    bounds = optimum_bounds if goal == "optimum" else latency_bounds
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
                there, np.fmin(potential, potential_gap_of(bank, load, point)), potential
            )
    found = certificates_of(bank, load, flow, goal, lower, upper)
    if goal == "optimum":
        return found
    finite = np.isfinite(flow).all(axis=-1)
    gain = np.where(finite, deviation_gain(bank, clip(bank, flow)), np.inf)
    return replace(found, deviation_gain=gain, potential_gap=potential)


def certificates_of(
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
            split = exact_split(bank, at, x, limits)
            if there[0] and (high := float(total_delay(bank, split)[0]) / load) < upper:
                upper, worth = (
                    high,
                    _worth(bank, split, limits, price, z) / load if proved else 0.0,
                )
        found = certificates_of(
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


def deviation_gain(bank: ServerBank, flow: Array) -> Array:
    """Most that a user gains by moving: the largest latency of a used server less the least that any offers; shape (...)."""
    latency = bank.latency(flow)
    largest = np.where(flow > 0, latency, -np.inf).max(axis=-1)
    gain: Array = np.where(np.any(flow > 0, axis=-1), largest - latency.min(axis=-1), np.inf)
    return gain
