"""One Newton step on the optimality conditions of a split, with an active set of limits.

The unknowns are the flows x of the *free* servers, which are strictly between their bounds, and
the multipliers. The conditions are price_i(x_i) = c - (A' z)_i for the free servers,
sum x = load, and a'x = b for the *active* rows. Linearised at x, the flow of server i follows its
offered price, c - (A' z)_i, with the response 1/slope_i:

    move_i = (offered_i - price_i) / slope_i.

A convex row h(x) = sum h_i(x_i) has the derivatives a = h'(x) at the flows, and adds z h_i'' to the
slope of server i.

Inserted into the load and the rows, this leaves a system with one unknown for each multiplier: a
single number without rows, cost O(n), and an (m + 1) x (m + 1) matrix with m rows, cost O(n m^2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .prices import Goal, common_price, prices, responses
from .splits import ROUNDING, Limits, load_residual, row_values, weighted

LEAST_SLOPE = 1e-12  # times the price over the load: flatter servers count as this steep
ROW_TOL = 1e-14  # relative residual of a row above which the free servers cannot meet it
SINGULAR = 1e-13  # relative singular value below which multipliers are not determined


class Step(NamedTuple):
    """A Newton step for K answers over n servers and m rows.

    Attributes
    ----------
    offered : ndarray, shape (K, n) or (K, 1)
        Price that each server is offered: the multiplier of the load less the charge of the rows.
    price : ndarray, shape (K, n)
        Price that each server has at its flow.
    dual : ndarray, shape (K, 1 + m)
        Multiplier of the load, and minus those of the rows.
    move : ndarray, shape (K, n)
        Change of the flows.
    unmet : ndarray of bool, shape (K,)
        Whether the free servers cannot meet the load or an active row.
    """

    offered: Array
    price: Array
    dual: Array
    move: Array
    unmet: Mask


def free_step(
    bank: ServerBank,
    load: Array,
    x: Array,
    spare_capacity: Array,
    used: Mask,
    goal: Goal,
    limits: Limits,
) -> Step:
    """Return the step of the used servers to a common price at which they carry the load.

    Parameters
    ----------
    load : ndarray, shape (K,)
        Total loads.
    x, spare_capacity : ndarray, shape (K, n)
        Flows, and the spare capacities that they leave.
    used : ndarray of bool, shape (K, n)
        The free servers.
    goal : {"optimum", "equilibrium"}
        Whether prices are marginal delays or latencies.
    limits : Limits
        Bounds of the flows, without rows.
    """
    price, slope = prices(bank, x, goal, spare_capacity)
    residual = load_residual(load, x)
    response, flat = responses(slope, used)
    common = common_price(price, used, response, flat, residual)
    any_used = used.any(axis=1)
    if np.count_nonzero(any_used) < any_used.size:
        common = np.where(any_used, common, _price_at_bounds(price, x, residual, load, limits))
    move = np.where(response > 0, (common[:, None] - price) * response, 0.0)
    if np.count_nonzero(flat):
        # servers whose price is constant: those above the common price become empty, and those at
        # it take the residual
        cheap = price <= common[:, None]
        move = np.where(flat, np.where(cheap, 0.0, -x), move)
        to_cheap = np.where(flat & cheap, 1.0, 0.0)
        response = np.where(flat.any(axis=1, keepdims=True), to_cheap, response)
    # where the price hardly depends on the flow, the move has few digits: distribute the
    # remaining residual in proportion to the response 1/slope
    total = response.sum(axis=1)
    remaining = np.where(total > 0, (residual - move.sum(axis=1)) / total, 0.0)
    unmet = np.zeros(load.shape, dtype=bool)
    move = move + remaining[:, None] * response
    return Step(common[:, None], price, common[:, None], move, unmet)


def _price_at_bounds(price: Array, x: Array, residual: Array, load: Array, limits: Limits) -> Array:
    """Return the price of the load where every server is at a bound, shape (K,).

    It lies between the prices of the servers at their upper bounds and of those at their lower
    ones; it is infinite, with the sign of the residual, where the flows do not sum to the load.
    """
    free = limits.least < limits.most
    at_most = np.where(free & (x >= limits.most), price, -np.inf).max(axis=1)
    at_least = np.where(free & (x <= limits.least), price, np.inf).min(axis=1)
    lowest = np.where(np.isfinite(at_least), at_least, price.max(axis=1))
    common = np.where(np.isfinite(at_most), at_most, lowest)
    unbalanced = np.abs(residual) > ROUNDING * load
    return np.where(unbalanced, np.copysign(np.inf, residual), common)


def limited_step(
    bank: ServerBank, load: Array, x: Array, used: Mask, active: Mask, limits: Limits, dual: Array
) -> Step:
    """Return the step of the free servers to the offered prices that meets load and active rows.

    With B the matrix of ones (for the load) above the active rows, R the diagonal matrix of
    responses and r the residuals, the change of the multipliers solves (B R B') d = r - B move.
    It is found from the singular values of B R^(1/2), whose condition number is the square root
    of that of the matrix, so it loses half as many digits. Multipliers that the free servers do
    not determine stay as they are in `dual`.

    Parameters
    ----------
    load : ndarray, shape (K,)
        Total loads.
    x : ndarray, shape (K, n)
        Flows.
    used : ndarray of bool, shape (K, n)
        The free servers.
    active : ndarray of bool, shape (K, m)
        The rows that are met with equality.
    limits : Limits
        Bounds of the flows, and rows.
    dual : ndarray, shape (K, 1 + m)
        Multiplier of the load, and minus those of the rows.
    """
    price, slope = prices(bank, x, "optimum")
    slope = slope + limits.curvature(x, np.where(active, np.maximum(-dual[:, 1:], 0.0), 0.0))
    matrix = limits.slopes(x)
    ones = np.ones((*matrix.shape[:-2], 1, x.shape[-1]))
    border = np.concatenate([ones, matrix], axis=-2)
    residual = np.concatenate([load_residual(load, x)[:, None], -limits.excess(x)], axis=-1)
    held = np.concatenate([np.ones_like(active[:, :1]), active], axis=-1)
    least_slope = LEAST_SLOPE * np.where(used, price, 0.0).max(axis=-1) / load
    response = np.where(used, 1.0 / np.maximum(slope, least_slope[:, None]), 0.0)
    root = np.sqrt(response)
    rows = root[:, None, :] * border
    length = np.linalg.norm(rows, axis=-1)
    usable = held & (length > 0) & np.isfinite(length)
    unit = np.where(usable, 1.0 / length, 0.0)
    scaled = rows * unit[:, :, None]
    finite = np.where(np.isfinite(scaled), scaled, 0.0)
    left, values, right = np.linalg.svd(finite, full_matrices=False)
    regular = values > SINGULAR * values[:, :1]
    inverse = np.where(regular, 1.0 / np.where(values > 0, values, 1.0), 0.0)

    def dual_change(residual: Array, by_price: Array | float = 0.0) -> Array:
        """Change of the multipliers that removes residuals and errors of prices."""
        side = np.einsum("krq,kr->kq", left, unit * residual) * inverse + by_price
        out: Array = unit * np.einsum("krq,kq->kr", left, inverse * side)
        return out

    dual = np.where(held, dual, 0.0)
    price_error = np.einsum("kqn,kn->kq", right, root * (price - weighted(dual, border)))
    dual = dual + dual_change(residual, price_error)
    offered = weighted(dual, border)
    move = (offered - price) * response
    for _ in range(2):  # rounding leaves residuals, for example where all servers have one price
        missing = held * (residual - row_values(border, move))
        move = move + weighted(dual_change(missing), border) * response
    remaining = np.abs(held * (residual - row_values(border, move)))
    scale = row_values(np.abs(border), np.abs(x) + np.abs(move))
    return Step(offered, price, dual, move, np.any(remaining > ROW_TOL * scale, axis=-1))


def to_first_limit(
    x: Array, move: Array, used: Mask, active: Mask, scale: Array, limits: Limits
) -> tuple[Array, Mask, Mask]:
    """Return the part of a step up to the first limit, and the servers and rows that meet it.

    Parameters
    ----------
    scale : ndarray, shape (K,)
        Largest part of the step.

    Returns
    -------
    tuple of ndarray
        Parts, shape (K,); servers at a bound there, (K, n); rows that become active, (K, m).
    """
    bound = np.where(move > 0, limits.most, limits.least)
    to_bound = np.where(used & (move != 0), (bound - x) / np.where(move != 0, move, 1.0), np.inf)
    rise = row_values(limits.slopes(x), move)
    distance = np.maximum(-limits.excess(x), 0.0) / np.where(rise > 0, rise, 1.0)
    to_row = np.where(~active & (rise > 0), distance, np.inf)
    first = np.minimum(to_bound.min(axis=1), to_row.min(axis=1, initial=np.inf))
    scale = np.minimum(scale, first)
    return scale, to_bound <= scale[:, None], to_row <= scale[:, None]


def only_best(
    entering: Mask, leaving: Mask, price_error: Array, row_dual: Array, matrix: Array
) -> tuple[Mask, Mask]:
    """Return the one server or row whose release lowers the delay most per job.

    Parameters
    ----------
    entering : ndarray of bool, shape (K, n)
        Servers at a bound that could become free.
    leaving : ndarray of bool, shape (K, m)
        Active rows that could become inactive.
    price_error : ndarray, shape (K, n)
        Offered price less the price of each server.
    row_dual : ndarray, shape (K, m)
        Minus the multipliers of the rows.
    matrix : ndarray, shape (m, n) or (K, m, n)
        Derivatives of the rows in the flows.
    """
    of_rows = row_dual * np.abs(matrix).max(axis=-1, initial=0.0)
    of_servers = np.where(entering, np.abs(price_error), 0.0)
    gains = np.concatenate([of_servers, np.where(leaving, of_rows, 0.0)], axis=1)
    best = np.arange(gains.shape[1]) == gains.argmax(axis=1)[:, None]
    n = entering.shape[1]
    return entering & best[:, :n], leaving & best[:, n:]
