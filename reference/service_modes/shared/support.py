"""Loads of the modes in use at one load, by Newton's method on a changing set of modes.

The optimum (K = 1), the equilibrium of K equal players and that of selfish users (K infinite)
minimise sum_s phi(rho_s) + sum_m x_m d_m over loads x >= 0 of the modes of sum ``load``, with
rho_s = sum_m a_sm x_m and the price of a stage phi' = c, where

    c(rho) = 1/(1 - rho) + rho / (K (1 - rho)^2),
    c'(rho) = 1/(1 - rho)^2 + (1 + rho) / (K (1 - rho)^3).

A mode in use costs sum_s a_sm c(rho_s) + d_m, the same for all in use, and no other mode less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...compensated_sum import EPS
from ...errors import Array

MOST_STEPS = 500
CHEAPER = 64 * EPS  # relative difference of costs from which an unused mode is cheaper
SOFTNESS = 1e-6  # of steps among modes whose works depend on each other
DEPENDENT = 1e-12  # relative size of a pivot from which on they do
SHORTENED = 0.9  # part of the way to a full stage that a step goes at most


@dataclass(frozen=True, eq=False)
class Prices:
    """Works and delays of M modes at S shared stages, and the players.

    Attributes
    ----------
    work : ndarray, shape (S, M)
    delay : ndarray, shape (M,)
    own : float
        1/K of K players: 1 at the optimum, 0 of selfish users.
    """

    work: Array
    delay: Array
    own: float

    def price(self, utilisation: Array) -> Array:
        """Return c of each stage, shape (S,)."""
        spare = 1.0 - utilisation
        return np.asarray(1.0 / spare + self.own * utilisation / spare**2)

    def slope(self, utilisation: Array) -> Array:
        """Return c' of each stage, shape (S,)."""
        spare = 1.0 - utilisation
        return np.asarray(1.0 / spare**2 + self.own * (1.0 + utilisation) / spare**3)

    def costs(self, price: Array) -> Array:
        """Return the cost of each mode at prices of the stages, shape (M,)."""
        return np.asarray(price @ self.work + self.delay)


@dataclass(frozen=True, eq=False)
class Point:
    """Loads of the modes at one load.

    Attributes
    ----------
    prices : Prices
    load : float
    flow : ndarray, shape (M,)
        Load of each mode, jobs per unit of time; 0 of those that are not in use.
    used : tuple of int
        Modes in use, ascending.
    """

    prices: Prices
    load: float
    flow: Array
    used: tuple[int, ...]

    @cached_property
    def utilisation(self) -> Array:
        """Utilisation of each stage, shape (S,)."""
        return self.prices.work @ self.flow

    @cached_property
    def price(self) -> Array:
        """Price of each stage, shape (S,)."""
        return self.prices.price(self.utilisation)

    @cached_property
    def costs(self) -> Array:
        """Cost of each mode, shape (M,)."""
        return self.prices.costs(self.price)


def at_no_load(prices: Prices) -> Point:
    """Return the limit as the load tends to 0: the mode that is fastest alone."""
    m = int(np.argmin(prices.costs(np.ones(prices.work.shape[0]))))
    return Point(prices, 0.0, np.zeros(prices.delay.size), (m,))


def solved(prices: Prices, load: float, start: Array) -> Point:
    """Return the loads of the modes from others with the same sum.

    Parameters
    ----------
    prices : Prices
    load : float
        Above 0 and below the largest load.
    start : ndarray, shape (M,)
        Loads of sum ``load`` under which no stage is full.
    """
    x = start * (load / start.sum())
    used = x > 0
    for _ in range(MOST_STEPS):
        direction = _direction(prices, x, used)
        step = _longest(prices, x, direction)
        blocked = step < 1.0
        x = np.maximum(x + step * direction, 0.0)
        small = np.abs(step * direction).max() <= 4 * EPS * load
        if blocked:
            left = used & (x <= 4 * EPS * load) & (direction < 0)
            if left.any():
                x[left], used = 0.0, used & ~left
                continue
            if not small:
                continue
        if not small:
            continue
        costs = prices.costs(prices.price(prices.work @ x))
        worst = int(np.argmin(costs))
        if used[worst] or costs[worst] >= costs[used].min() * (1.0 - CHEAPER):
            break
        used = used.copy()
        used[worst] = True
    x *= load / x.sum()
    return Point(prices, load, x, tuple(np.flatnonzero(used).tolist()))


def _direction(prices: Prices, x: Array, used: npt.NDArray[np.bool_]) -> Array:
    """Return a step of Newton's method on the modes in use, whose entries sum to 0."""
    at = prices.work @ x
    work, n = prices.work[:, used], int(used.sum())
    cost = (prices.price(at) @ work) + prices.delay[used]
    out = np.zeros(x.size)
    if n > 1:
        # the square root of the curvature keeps the digits of the slopes
        root = np.sqrt(prices.slope(at))[:, None] * (work[:, 1:] - work[:, :1])
        right = cost[1:] - cost[0]
        size = np.linalg.norm(root, axis=0)
        size = np.where(size > 0, size, 1.0)
        # a square root of their product, softened where the works depend on each other
        softness = 0.0 if root.shape[0] >= n - 1 else SOFTNESS
        r = _triangle(root / size, softness)
        if np.abs(np.diag(r)).min() <= DEPENDENT:
            r = _triangle(root / size, SOFTNESS)
        step = np.linalg.solve(r, np.linalg.solve(r.T, right / size)) / size
        out[used] = np.concatenate([[step.sum()], -step])
    return out


def _triangle(root: Array, softness: float) -> Array:
    """Return the triangle R with R'R = root'root + softness^2 I."""
    rows = np.vstack([root, softness * np.eye(root.shape[1])]) if softness else root
    return np.asarray(np.linalg.qr(rows, mode="r"), dtype=np.float64)


def _longest(prices: Prices, x: Array, direction: Array) -> float:
    """Return the longest step up to 1 that keeps loads at 0 or more, stages not full, and falls."""
    step = 1.0
    down = direction < 0
    if down.any():
        step = min(step, float((x[down] / -direction[down]).min()))
    at, change = prices.work @ x, prices.work @ direction
    up = change > 0
    if up.any():
        room = float(((1.0 - at[up]) / change[up]).min())
        step = min(step, SHORTENED * room) if room < 1.0 / SHORTENED else step
    # along the step the cost is convex: halve until its slope is not clearly above 0
    slope = float(direction @ prices.costs(prices.price(at)))
    for _ in range(60):
        if float(direction @ prices.costs(prices.price(at + step * change))) <= -0.5 * slope:
            break
        step *= 0.5
    return step
