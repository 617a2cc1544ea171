"""The price that the used servers share.

The price of a server is its marginal delay l + x l' at the optimum, and its latency l at the
equilibrium. At the solution all used servers have one price, the multiplier of the load, and
unused servers have at least this price.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ....reference.validation import check_choice
from ...core.table import Mask
from .splits import RESIDUE_SHARE, clip

Goal = Literal["optimum", "equilibrium"]
GOALS: tuple[Goal, Goal] = ("optimum", "equilibrium")
PASSES = 20  # servers that turn out unused are left out this often


def check_goal(goal: object) -> None:
    """Raise InputError unless the goal is ``"optimum"`` or ``"equilibrium"``."""
    check_choice("goal", goal, GOALS, "is not something to solve for")


def prices(
    bank: ServerBank, flow: Array, goal: Goal, spare_capacity: Array | None = None
) -> tuple[Array, Array]:
    """Return the price of each server and its derivative in the flow, both of shape (..., n)."""
    rest = () if spare_capacity is None else (spare_capacity,)
    if goal == "optimum":
        return bank.marginal(flow, *rest), bank.marginal_slope(flow)
    return bank.latency(flow, *rest), bank.latency_slope(flow)


def responses(slope: Array, used: Mask) -> tuple[Array, Mask]:
    """Return the change of each used flow per unit of price, 1/slope, and which prices are flat.

    A price is flat where it does not rise with the flow; the response is 0 there.
    """
    flat = used & (slope <= 0)
    rising = used & ~flat
    return np.where(rising, 1.0 / np.where(rising, slope, 1.0), 0.0), flat


def common_price(
    price: Array, used: Mask, response: Array, flat: Mask, residual: Array | float = 0.0
) -> Array:
    """Return the price that a Newton step sets for the used servers, shape (...).

    It is the price c at which their linearised flows, x_i + (c - price_i)/slope_i, add up to the
    load: the mean of the prices, weighted by 1/slope, plus residual / (sum of 1/slope). Where
    the price of a used server is flat, the least such price is the common one.

    Parameters
    ----------
    price : ndarray, shape (..., n)
        Prices.
    used : ndarray of bool, shape (..., n)
        The used servers.
    response : ndarray, shape (..., n)
        Their responses 1/slope; see `responses`.
    flat : ndarray of bool, shape (..., n)
        Which of their prices are flat.
    residual : ndarray, shape (...), default 0
        Load that the flows do not carry, jobs per unit of time.
    """
    weights = response.sum(axis=-1)
    weighted = (response * np.where(used, price, 0.0)).sum(axis=-1) + residual
    common: Array = weighted / np.where(weights > 0, weights, 1.0)
    if not np.count_nonzero(flat):
        return common
    least_flat = np.where(flat, price, np.inf).min(axis=-1)
    return np.asarray(np.where(flat.any(axis=-1), least_flat, common))


def multiplier(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> Array:
    """Return the common price of the used servers at a flow, shape (...), in units of time.

    The mean of their prices, weighted by 1/slope as in a Newton step. Servers with no more than a
    solver's residue, or with an idle latency above the common price, do not count as used.
    """
    inside = clip(bank, flow)
    most = inside.max(axis=-1)
    residue = np.minimum(RESIDUE_SHARE * load / inside.shape[-1], 0.5 * most)
    used = inside > residue[..., None]
    price, slope = prices(bank, inside, goal)
    for _ in range(PASSES):
        common = common_price(price, used, *responses(slope, used))
        stays = used & (bank.idle_latency < common[..., None])
        leaves = used & ~stays & stays.any(axis=-1, keepdims=True)
        if not np.count_nonzero(leaves):
            break
        used = used & ~leaves
    largest = np.minimum(common, bank.latency_limit.min(axis=-1))
    return np.asarray(np.where(most == 0, bank.idle_latency.min(axis=-1), largest))
