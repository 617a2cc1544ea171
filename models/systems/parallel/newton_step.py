"""One Newton step on the optimality conditions of a split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask
from .prices import Goal, common_price, prices
from .splits import ROUNDING, Limits, load_residual

FLAT = 1e-12  # of the price over the load: the least slope that several prices are found by
APART = 1e-14  # relative: what a step leaves of a row that no server in use can move
SINGULAR = 1e-13


class Step(NamedTuple):
    """A step: prices that servers are offered, shape (K, n) or (K, 1), and have; multipliers; the move; whether it misses load or rows."""

    offered: Array
    price: Array
    dual: Array
    move: Array
    short: Mask


def free_step(
    bank: ServerBank, load: Array, x: Array, used: Mask, goal: Goal, limits: Limits
) -> Step:
    """Common price of the used servers, and the step that takes them there and carries the load."""
    price, slope = prices(bank, x, goal)
    lacking = load_residual(load, x)
    common = common_price(price, slope, used, lacking)
    if not used.any(axis=1).all():
        common = np.where(
            used.any(axis=1), common, _price_at_bounds(price, x, lacking, load, limits)
        )
    flat = used & (slope <= 0)
    follow = np.where(used & ~flat, 1.0 / np.where(slope > 0, slope, 1.0), 0.0)
    move = np.where(follow > 0, (common[:, None] - price) * follow, 0.0)
    if flat.any():
        # where a price does not rise with the flow, the cheapest take what is left
        cheap = price <= common[:, None]
        move = np.where(flat, np.where(cheap, 0.0, -x), move)
        follow = np.where(flat.any(axis=1, keepdims=True), np.where(flat & cheap, 1.0, 0.0), follow)
    # a price nearly flat says its flow in too few digits: what rounding leaves over goes where it moves the price least
    whole = follow.sum(axis=1)
    rest = np.where(whole > 0, (lacking - move.sum(axis=1)) / whole, 0.0)
    return Step(
        common[:, None],
        price,
        common[:, None],
        move + rest[:, None] * follow,
        np.zeros(load.shape, dtype=bool),
    )


def _price_at_bounds(price: Array, x: Array, lacking: Array, load: Array, limits: Limits) -> Array:
    """Price of the load where all servers are at bounds: between those that would take less and more, or beyond all if load is left."""
    free = limits.least < limits.most
    top = np.where(free & (x >= limits.most), price, -np.inf).max(axis=1)
    bottom = np.where(free & (x <= limits.least), price, np.inf).min(axis=1)
    common = np.where(
        np.isfinite(top), top, np.where(np.isfinite(bottom), bottom, price.max(axis=1))
    )
    return np.where(np.abs(lacking) > ROUNDING * load, np.copysign(np.inf, lacking), common)


def limited_step(
    bank: ServerBank, load: Array, x: Array, used: Mask, tight: Mask, limits: Limits, dual: Array
) -> Step:
    """Prices of the load and of the tight rows, and the step that takes the used servers there, carries the load and keeps these rows.

    What the used servers say nothing of stays as it is in `dual`.
    """
    price, slope = prices(bank, x, "optimum")
    border = np.concatenate([np.ones((1, x.shape[-1])), limits.matrix])
    lacking = np.concatenate([load_residual(load, x)[:, None], -limits.excess(x)], axis=-1)
    held = np.concatenate([np.ones_like(tight[:, :1]), tight], axis=-1)
    least = FLAT * np.where(used, price, 0.0).max(axis=-1) / load
    follow = np.where(used, 1.0 / np.maximum(slope, least[:, None]), 0.0)
    # least squares, whose matrix is the root of that of the conditions: it keeps the digits that this loses
    root = np.sqrt(follow)
    rows = root[:, None, :] * border
    size = np.linalg.norm(rows, axis=-1)
    unit = np.where(held & (size > 0) & np.isfinite(size), 1.0 / size, 0.0)
    scaled = rows * unit[:, :, None]
    left, values, right = np.linalg.svd(
        np.where(np.isfinite(scaled), scaled, 0.0), full_matrices=False
    )
    inverse = np.where(
        values > SINGULAR * values[:, :1], 1.0 / np.where(values > 0, values, 1.0), 0.0
    )

    def met(lacking: Array, by_price: Array | float = 0.0) -> Array:
        """Change of the multipliers that gives rows what they lack, and servers their prices."""
        side = np.einsum("krq,kr->kq", left, unit * lacking) * inverse + by_price
        out: Array = unit * np.einsum("krq,kq->kr", left, inverse * side)
        return out

    dual = np.where(held, dual, 0.0)
    dual = dual + met(lacking, np.einsum("kqn,kn->kq", right, root * (price - dual @ border)))
    offered = dual @ border
    move = (offered - price) * follow
    for _ in range(2):  # what rounding leaves over, as where all servers have one price
        move = move + (met(held * (lacking - move @ border.T)) @ border) * follow
    left_over = np.abs(held * (lacking - move @ border.T))
    short = np.any(left_over > APART * ((np.abs(x) + np.abs(move)) @ np.abs(border).T), axis=-1)
    return Step(offered, price, dual, move, short)


def first_limit(
    x: Array, move: Array, used: Mask, tight: Mask, scale: Array, limits: Limits
) -> tuple[Array, Mask, Mask]:
    """Part of a step up to the first limit that it meets, and the servers and rows that meet theirs there."""
    ends = np.where(move > 0, limits.most, limits.least)
    way = np.where(used & (move != 0), (ends - x) / np.where(move != 0, move, 1.0), np.inf)
    rise = move @ limits.matrix.T
    along = np.where(
        ~tight & (rise > 0),
        np.maximum(-limits.excess(x), 0.0) / np.where(rise > 0, rise, 1.0),
        np.inf,
    )
    scale = np.minimum(scale, np.minimum(way.min(axis=1), along.min(axis=1, initial=np.inf)))
    return scale, way <= scale[:, None], along <= scale[:, None]


def dearest(
    late: Mask, idle: Mask, gain: Array, row_prices: Array, limits: Limits
) -> tuple[Mask, Mask]:
    """Of the servers and rows that could be let go, the one that gains most by a job."""
    weight = row_prices * np.abs(limits.matrix).max(axis=1, initial=0.0)
    gains = np.concatenate([np.where(late, np.abs(gain), 0.0), np.where(idle, weight, 0.0)], axis=1)
    first = np.arange(gains.shape[1]) == gains.argmax(axis=1)[:, None]
    return late & first[:, : late.shape[1]], idle & first[:, late.shape[1] :]
