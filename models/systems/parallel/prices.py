"""The price that the used servers share: their marginal delay at the optimum, their latency at the equilibrium."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ....reference.validation import check_choice
from ...core.table import Mask
from .splits import TRACE, clip

Goal = Literal["optimum", "equilibrium"]
GOALS: tuple[Goal, Goal] = ("optimum", "equilibrium")


def check_goal(goal: object) -> None:
    """Raise InputError on what is no goal."""
    check_choice("goal", goal, GOALS, "is not something to solve for")


def prices(bank: ServerBank, flow: Array, goal: Goal) -> tuple[Array, Array]:
    """Price of each server, marginal delay or latency, and its derivative in the flow; shapes (..., n)."""
    if goal == "optimum":
        return bank.marginal(flow), bank.marginal_slope(flow)
    return bank.latency(flow), bank.latency_slope(flow)


def common_price(price: Array, slope: Array, used: Mask, lacking: Array) -> Array:
    """Price that a Newton step sets for the used servers so that they carry what is lacking; shape (...).

    Each is weighted by how fast its flow follows the price; one whose price no flow raises sets it alone.
    """
    flat = used & (slope <= 0)
    rising = used & ~flat
    weight = np.where(rising, 1.0 / np.where(rising, slope, 1.0), 0.0)
    weights = weight.sum(axis=-1)
    common: Array = ((weight * np.where(used, price, 0.0)).sum(axis=-1) + lacking) / np.where(
        weights > 0, weights, 1.0
    )
    if not flat.any():
        return common
    return np.asarray(
        np.where(flat.any(axis=-1), np.where(flat, price, np.inf).min(axis=-1), common)
    )


def multiplier(bank: ServerBank, load: Array, flow: Array, goal: Goal) -> Array:
    """Common price of the used servers, shape (...): each weighted by how fast its flow follows the price, as in a Newton step."""
    inside = clip(bank, flow)
    some = inside.any(axis=-1)
    used = (
        inside > np.minimum(TRACE * load / inside.shape[-1], 0.5 * inside.max(axis=-1))[..., None]
    )
    price, slope = prices(bank, inside, goal)
    none = np.zeros(flow.shape[:-1])
    for _ in range(20):
        common = common_price(price, slope, used, none)
        keep = used & (bank.idle_latency < common[..., None])
        moves = np.any(keep != used, axis=-1) & keep.any(axis=-1)
        if not moves.any():
            break
        used = np.where(moves[..., None], keep, used)
    return np.asarray(
        np.where(some, np.minimum(common, bank.latency_limit.min()), bank.idle_latency.min())
    )
