"""Certificates: bounds of the true mean delay, computed from flows alone.

A certificate does not depend on who found the flows, nor on any solver's status: ``dual_bounds``
has the bounds and their proofs. The gap of a certificate is the largest relative error that the
reported mean delay can have. Near saturation the float flows themselves are not exact enough to
give the delay; `rounding` is the relative error that this alone can cause.

Flows have shape (..., n) and loads shape (...): many answers are certified in one pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ....reference.composed import as_bank
from ....reference.errors import Array, InputError
from ....reference.parallel.optimum_equilibrium import check_one_load
from ....reference.plural import counted
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats
from ...core.table import Mask, Table
from ...core.tolerance import GapTolerance
from .dual_bounds import (
    EPS,
    SUM_ERROR,
    Point,
    exact_split,
    latency_bounds,
    lower_bound,
    optimum_bounds,
    relative_potential_gap,
    total_delay,
)
from .prices import Goal, check_goal, multiplier
from .splits import (
    RESIDUE_SHARE,
    Limits,
    clip,
    compensated_sum,
    load_residual,
    project_to_load,
    weighted,
)


@dataclass(frozen=True)
class Certificate:
    """Bounds of the true mean delay, and the feasibility of the reported flows.

    Times are in the system's unit of time.

    Attributes
    ----------
    mean_delay : float
        The certified mean delay: that of the flows, or the nearest bound where the flows are off
        by no more than their rounding to floats.
    lower_bound, upper_bound : float
        The true mean delay lies between them.
    gap : float
        Largest relative error that the mean delay can have.
    balance : float
        Distance of the sum of the flows from the load, divided by the load.
    least_flow : float
        Smallest flow divided by the load; below 0 only where a solver returned such a flow.
    utilisation : float
        Largest ratio of a flow to the rate of its server.
    deviation_gain : float or None
        Equilibrium: largest decrease of latency that a user gets by moving to another server.
    potential_gap : float or None
        Equilibrium: relative duality gap of the Beckmann potential.
    violation : float or None
        With limits: the largest violation of one, relative to the load (bounds of flows) or to
        the bound of the row.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> proof = ParallelServers(MM1(rate=[10.0, 5.0])).optimum(load=9.0).certificate
    >>> round(proof.mean_delay, 6), proof.upper_bound / proof.lower_bound - 1 < 1e-9
    (0.317447, True)
    >>> proof.gap < 1e-9, proof.balance < 1e-15
    (True, True)
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
    """Certificates of K answers: arrays of shape (K,), NaN for None; fields as `Certificate`."""

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
        """Return the certificate of answer k."""
        numbers: Any = (None if math.isnan(n) else float(n) for n in self.values(k))
        return Certificate(*numbers)


def certify(bank: ServerBank, load: float, flow: Array, goal: Goal) -> Certificate:
    """Return the certificate of given flows, as tight as the flows allow.

    `ParallelServers.evaluate` compares a user's own split with the optimum.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : float
        Total load, jobs per unit of time, above 0 and below the total rate.
    flow : ndarray, shape (n,)
        The flows to certify; they need not be feasible.
    goal : {"optimum", "equilibrium"}
        The problem that the flows are to solve.

    Raises
    ------
    LoadError, InputError
        On a load, flows or a goal that do not fit.
    """
    check_goal(goal)
    bank, x = as_bank(bank), as_floats("flow", flow)
    if x.shape != (len(bank),):
        remedy = f"give {counted(len(bank), 'number')}, one a server"
        raise InputError("flow", x.tolist(), f"has shape {x.shape}", remedy)
    return certify_rows(bank, np.array([check_one_load(bank, load)]), x[None], goal).row(0)


def certify_rows(
    bank: ServerBank, load: Array, flow: Array, goal: Goal, price: Array | None = None
) -> Certificates:
    """Return the certificates of K flows, shape (K, n), for K loads, shape (K,); see `certify`.

    Parameters
    ----------
    price : ndarray, shape (K,), optional
        Multipliers of the flows, where they are known.
    """
    with np.errstate(all="ignore"):  # flows that are no split get an infinite gap, not a warning
        return _certify(bank, load, flow, goal, price)


def _certify(
    bank: ServerBank, load: Array, flow: Array, goal: Goal, price: Array | None
) -> Certificates:
    """Return certificates from the better of two splits: with and without a solver's residue."""
    lower, upper = np.zeros(load.shape), np.full(load.shape, np.inf)
    potential_gap = np.full(load.shape, np.inf)
    has_residue = bool(((flow > 0) & (flow <= RESIDUE_SHARE * load[:, None] / len(bank))).any())
    for trim in (False, True)[: 1 + has_residue]:
        split, valid = project_to_load(bank, load, flow, trim=trim)
        own = None if price is None or not np.array_equal(split, flow) else price
        c = multiplier(bank, load, split, goal) if own is None else own
        if goal == "optimum":
            low, high = optimum_bounds(bank, load, split, c)
        else:
            low, high = latency_bounds(bank, load, split)
            gap = np.fmin(potential_gap, relative_potential_gap(bank, load, split, c))
            potential_gap = np.where(valid, gap, potential_gap)
        lower = np.where(valid, np.fmax(lower, low), lower)
        upper = np.where(valid, np.fmin(upper, high), upper)
    found = certificates_of(bank, load, flow, goal, lower, upper)
    if goal == "optimum":
        return found
    finite = np.isfinite(flow).all(axis=-1)
    gain = np.where(finite, deviation_gain(bank, clip(bank, flow)), np.inf)
    return replace(found, deviation_gain=gain, potential_gap=potential_gap)


def certificates_of(
    bank: ServerBank,
    load: Array,
    flow: Array,
    goal: Goal,
    lower: Array,
    upper: Array,
    price: Array | None = None,
) -> Certificates:
    """Return the certificates of K flows, shape (K, n), from bounds of the true mean delays.

    Parameters
    ----------
    lower, upper : ndarray, shape (K,)
        Bounds of the true mean delay, in units of time.
    price : ndarray, shape (K,), optional
        As for `rounding`.
    """
    # no user is faster than in the empty server with the least idle latency
    lower = np.maximum(np.where(np.isfinite(lower), lower, 0.0), bank.idle_latency.min(axis=-1))
    upper = np.maximum(np.where(np.isnan(upper), np.inf, upper), lower)
    finite: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    value = mean_delay(bank, np.where(finite[:, None], flow, 0.0))
    nearest = np.minimum(np.maximum(value, lower), upper)
    off = np.abs(value - nearest)
    rows = np.flatnonzero(np.isfinite(value) & (off > SUM_ERROR * nearest))
    if rows.size:
        row_price = None if price is None else price[rows]
        by_rounding = rounding(bank.at(rows), load[rows], flow[rows], goal, row_price)
        rows = rows[off[rows] <= by_rounding * nearest[rows]]
        value[rows] = nearest[rows]
    farthest = np.maximum(np.abs(upper - value), np.abs(value - lower))
    error = np.where(np.isfinite(value), farthest, np.inf)
    none = np.full(load.shape, np.nan)
    # SUM_ERROR covers the rounding of the sums; a delay may also be so short that it is the float 0
    gap = np.where(
        finite & (lower > 0), error / lower + SUM_ERROR, np.where(error == 0, 0.0, np.inf)
    )
    return Certificates(
        mean_delay=value,
        lower_bound=lower,
        upper_bound=upper,
        gap=gap,
        balance=np.where(finite, np.abs(load_residual(load, flow)) / load, np.inf),
        least_flow=np.where(finite, flow.min(axis=-1) / load, -np.inf),
        utilisation=np.where(finite, (flow / bank.rate).max(axis=-1), np.inf),
        deviation_gain=none,
        potential_gap=none,
        violation=none,
    )


def certify_within(
    bank: ServerBank,
    load: Array,
    flow: Array,
    limits: Limits,
    price: Array,
    row_prices: Array,
    *others: Array,
) -> Certificates:
    """Return the certificates of K optima within limits; see `certify`.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    flow : ndarray, shape (K, n)
        The flows to certify.
    limits : Limits
        Bounds of the flows, and rows.
    price : ndarray, shape (K,)
        Multipliers of the load, in units of time; any multiplier gives a valid lower bound.
    row_prices : ndarray, shape (K, m)
        Multipliers of the rows; any numbers >= 0 give a valid lower bound.
    *others : ndarray, shape (K, n)
        Other flows near which a split within the limits may be found, for the upper bound.
    """
    usable = np.isfinite(price) & np.isfinite(row_prices).all(axis=-1)
    c, z = np.where(usable, price, 0.0), np.where(usable[:, None], np.maximum(row_prices, 0.0), 0.0)
    upper, error = np.full_like(load, np.inf), np.zeros_like(load)
    with np.errstate(all="ignore"):
        # the best of the flows for the tangents of convex rows
        x = clip(bank, others[-1] if others else flow)
        touch = Point(x, bank.spare_capacity(x))
        proved = lower_bound(bank, load, c, limits, z, touch)
        proved = proved - _limits_error(bank, touch, limits, c, z) / load
        lower = np.where(usable, proved, 0.0)
        for candidate in (flow, *others):
            x, valid = project_to_load(bank, load, candidate, trim=False, limits=limits)
            split = exact_split(bank, load, x, limits)
            delay = total_delay(bank, split) / load
            lower_delay = valid & (delay < upper)
            upper = np.where(lower_delay, delay, upper)
            over = (np.maximum(limits.excess(*split), 0.0) * z).sum(axis=-1)
            own_error = (over + _limits_error(bank, split, limits, c, z)) / load
            error = np.where(lower_delay, np.where(usable, own_error, 0.0), error)
        found = certificates_of(
            bank,
            load,
            flow,
            "optimum",
            lower,
            upper + error,
            rounding_price(limits, load, flow, price, z),
        )
        return replace(found, violation=limits.violation(load, flow))


def _limits_error(
    bank: ServerBank, point: Point, limits: Limits, price: Array, row_prices: Array
) -> Array:
    """Return the total delay that the rounding of limits can change, shape (K,).

    Limits are products of floats, and a split meets them only up to rounding: the multiplier of
    each limit times its rounding error.
    """
    # The point has the spare capacity y = mu - x to full relative accuracy, so that a term h(x) of
    # a row is wrong only by what `Limits.row_error` states, and not by h'(x) times the rounding
    # eps x of a flow: that error is eps y h'(x), for late jobs eps h(x) |log h(x)/x|.
    binding = (point.flow <= limits.least * (1 + SUM_ERROR)) | (
        point.flow >= limits.most * (1 - SUM_ERROR)
    )
    charge = weighted(row_prices, limits.slopes(*point))
    bound_price = np.abs(price[:, None] - charge - bank.marginal(*point))
    of_bounds = EPS * np.where(binding, bound_price * point.flow, 0.0).sum(axis=-1)
    # one rounding for each product: in the row of the split, and in z' b of the lower bound
    charged = np.count_nonzero(row_prices, axis=-1)[:, None]
    product_error = (3 + charged) * limits.row_error(*point)
    return np.asarray((product_error * row_prices).sum(axis=-1) + of_bounds)


def rounding_price(
    limits: Limits, load: Array, flow: Array, price: Array, row_prices: Array
) -> Array:
    """Return the total delay per unit of rounding error of the flows, shape (K,); see `rounding`.

    The multiplier of the load, and the multipliers of the rows times the size of their terms.
    """
    of_rows = (limits.row_scale(flow) * row_prices).sum(axis=-1)
    charged = np.count_nonzero(row_prices, axis=-1)
    return np.asarray(np.abs(price) + (1 + 0.5 * charged) * of_rows / load)


def rounding(
    bank: ServerBank, load: Array, flow: Array, goal: Goal, price: Array | None = None
) -> Array:
    """Return the relative gap that rounding the flows to floats alone can cause, shape (...).

    Close to saturation a float flow does not determine the spare capacity of its server, and so
    not the delay.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (...)
        Total loads.
    flow : ndarray, shape (..., n)
        Flows.
    goal : {"optimum", "equilibrium"}
        The problem that the flows solve.
    price : ndarray, shape (...), optional
        Within limits: delay per unit of rounding error of the flows, see `rounding_price`; it
        counts where it is larger than the multiplier of the flows.
    """
    x = clip(bank, flow)
    with np.errstate(all="ignore"):
        if goal == "optimum":
            per_unit = multiplier(bank, load, x, goal)
        else:
            per_unit = (bank.latency_slope(x) * x).max(axis=-1)
        error = 8 * EPS * (per_unit if price is None else np.fmax(per_unit, price))
        return np.asarray(np.where(error > 0, error / mean_delay(bank, x), 0.0))


def accepted(
    tolerance: GapTolerance,
    bank: ServerBank,
    load: Array,
    flow: Array,
    goal: Goal,
    gap: Array,
    price: Array | None = None,
) -> Mask:
    """Return which of K gaps certify an answer, shape (K,).

    The gap that rounding alone can cause is computed only where the gap exceeds the tolerance.

    Parameters
    ----------
    tolerance : GapTolerance
        Largest gap of a certified answer.
    load : ndarray, shape (K,)
        Total loads.
    flow : ndarray, shape (K, n)
        The certified flows.
    gap : ndarray, shape (K,)
        Gaps of their certificates.
    price : ndarray, shape (K,), optional
        As for `rounding`.
    """
    met = tolerance.met(gap)
    rows = np.flatnonzero(~met)
    if rows.size:
        own = None if price is None else price[rows]
        by_rounding = rounding(bank.at(rows), load[rows], flow[rows], goal, own)
        met[rows] = tolerance.met(gap[rows], by_rounding)
    return met


def mean_delay(bank: ServerBank, flow: Array) -> Array:
    """Return sum x_i l_i(x_i) / sum x_i, shape (...); infinite outside the stable region."""
    inside = np.maximum(flow, 0.0)
    stable = np.asarray((bank.spare_capacity(inside) > 0).all(axis=-1) & inside.any(axis=-1))
    x = np.where(stable[..., None], inside, 0.0)
    carried = np.where(stable, compensated_sum(x), 1.0)
    return np.where(stable, compensated_sum(x * bank.latency(x)) / carried, np.inf)


def deviation_gain(bank: ServerBank, flow: Array) -> Array:
    """Return the largest decrease of latency that a user gets by moving, shape (...).

    The largest latency of a used server less the least latency of all servers; infinite where no
    server is used.
    """
    latency = bank.latency(flow)
    largest = np.where(flow > 0, latency, -np.inf).max(axis=-1)
    gain: Array = np.where(np.any(flow > 0, axis=-1), largest - latency.min(axis=-1), np.inf)
    return gain
