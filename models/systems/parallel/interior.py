"""The optimum within limits by an interior-point method, where no active set leads to it.

Every limit is a distance v(x) >= 0: of a row from its bound, or of a flow from its ends. With a
multiplier u >= 0 for each of them the optimum within limits has

    f_i'(x_i) - c - (v'(x) u)_i = 0,   sum x = load,   u v = 0.

The primal-dual method takes Newton steps on these conditions with u v = 1/t, which keep all
distances and multipliers above 0, and lets t grow (Boyd and Vandenberghe, *Convex optimization*,
section 11.7). The gap of the multipliers is the sum of u v, whether or not other multipliers are as
good. No step decides which limits bind: near the optimum a limit does whose multiplier is larger
than its distance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ....reference.compensated_sum import EPS
from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from .splits import TINY_BOUND, Limits, load_residual

STEPS = 200  # some 20 are usual
HALVES = 60  # times that a step, or a way to a start, is halved
GROWTH = 10.0  # factor of t, relative to the one that the present gap stands for
KEPT = 0.01  # part of a distance or multiplier that a step leaves
MAX_STALLED = 12  # steps that do not halve the residual: rounding errors are all that is left
LONG = 0.3  # part of a full step from which on a step is not short
EVEN = 1e-3  # least product of a multiplier and its distance, relative to their mean
DECREASE = 0.01  # of the residuals by a step, relative to its length
CLOSE = 1e-13  # gap relative to the total delay at which the steps end
SLACK = 64 * EPS  # relative distance from a row that a start has at least


class Interior(NamedTuple):
    """An optimum within limits, but for a small gap.

    Attributes
    ----------
    flow : ndarray, shape (n,)
        Flows, strictly inside the limits.
    at_bounds : ndarray, shape (n,)
        Flows, those at a bound that seem to be: a start for an active set.
    price : float
        Multiplier of the load.
    row_prices : ndarray, shape (m,)
        Multipliers of the rows; 0 where they do not bind.
    """

    flow: Array
    at_bounds: Array
    price: float
    row_prices: Array


class _State(NamedTuple):
    """Flows, shape (n,), the price of the load, and multipliers and distances, shape (m + 2 n,)."""

    x: Array
    price: float
    multiplier: Array
    distance: Array

    @property
    def gap(self) -> float:
        """The sum of multipliers times distances."""
        return float(self.multiplier @ self.distance)


def interior_optimum(bank: ServerBank, load: Array, limits: Limits) -> Interior:
    """Return the optimum within limits at one load.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (1,)
        Total load, jobs per unit of time.
    limits : Limits
        Limits of one split, with one row in each array.
    """
    program = _Program(bank, float(load[0]), limits)
    state = program.start()
    part, least, stalled = 1.0, np.inf, 0
    for _ in range(STEPS):
        residual = program.residual(state, 0.0, program.bend(state))
        least, stalled = (residual, 0) if residual < 0.5 * least else (least, stalled + 1)
        if residual <= CLOSE * program.cost(state) or stalled >= MAX_STALLED:
            break
        # after a short step the next one makes the products even again
        product = state.gap / state.distance.size / (GROWTH if part > LONG else 1.0)
        following, part = program.step(state, product)
        if part == 0.0:  # rounding errors are all that is left
            break
        state = following
    return program.finish(state)


class _Program:
    """The conditions at one load; distances are parts of the load and of the bounds of rows."""

    def __init__(self, bank: ServerBank, load: float, limits: Limits) -> None:
        self.bank, self.load, self.limits = bank, load, limits
        self.least = limits.least[0]
        self.most = np.minimum(np.minimum(limits.most[0], bank.rate).reshape(-1), 2.0 * load)
        self.free = self.least < self.most
        bound, scale = np.abs(limits.bound[0]), limits.row_scale(limits.inside)[0]
        self.size = np.where(bound > 0, bound, np.maximum(scale, TINY_BOUND))
        self.slack: Array | float = 0.0
        self.first = self._inside()
        ends = np.append(self.least, self.most) / load
        floor = SLACK * np.append(scale / self.size, np.maximum(ends, TINY_BOUND))
        self.slack = np.maximum(floor - self.distance(self.first), 0.0)

    def _inside(self) -> Array:
        """Return a split off all ends that keeps half the distance of `Limits.inside` from rows."""
        inside: Array = self.limits.inside[0]
        room = self.most - self.least
        even = self.least + room * ((self.load - self.least.sum()) / room.sum())
        rows, part = self.distance(inside)[: self.size.size], 1.0
        for _ in range(HALVES):
            part *= 0.5
            split: Array = inside + part * (even - inside)
            if np.all(self.distance(split)[: self.size.size] >= 0.5 * rows):
                break
        return split

    def distance(self, x: Array) -> Array:
        """Return the distances of flows from all limits, shape (m + 2 n,); 1 of flows not free."""
        of_rows = -self.limits.excess(x[None])[0] / self.size
        of_ends = np.array([x - self.least, self.most - x]) / self.load
        return np.asarray(np.append(of_rows, np.where(self.free, of_ends, 1.0)) + self.slack)

    def slopes(self, x: Array) -> Array:
        """Return the derivatives of the rows, shape (m, n)."""
        return np.asarray(self.limits.slopes(x[None]).reshape(-1, x.size) / self.size[:, None])

    def cost(self, state: _State) -> float:
        """Return the total delay."""
        return float(state.x @ self.bank.latency(state.x[None])[0])

    def start(self) -> _State:
        """Return the first split with multipliers of a gap of the size of the marginal delays."""
        x, distance = self.first, self.distance(self.first)
        gap = float(x @ self.bank.marginal(x[None])[0])
        return _State(x, gap / self.load, gap / distance.size / distance, distance)

    def parts(self, numbers: Any) -> tuple[Any, Any, Any]:
        """Return the numbers of rows, lower ends and upper ends."""
        m, n = self.size.size, self.least.size
        return numbers[:m], numbers[m : m + n], numbers[m + n :]

    def errors(self, state: _State) -> Array:
        """Return the error of the price of each free server, times the load, shape (n,)."""
        rows, lower, upper = self.parts(state.multiplier)
        price = self.bank.marginal(state.x[None])[0] + rows @ self.slopes(state.x) - state.price
        return np.where(self.free, price * self.load + upper - lower, 0.0)

    def bend(self, state: _State) -> Array:
        """Return the derivative of each price in its flow, with those of limits, shape (n,)."""
        rows, lower, upper = self.parts(state.multiplier)
        _, above, below = self.parts(state.distance)
        x = state.x[None]
        of_rows = np.reshape(self.limits.curvature(x, (rows / self.size)[None]), -1)
        of_ends = (lower / above + upper / below) / self.load**2
        return np.asarray(self.bank.marginal_slope(x)[0] + of_rows + of_ends)

    def residual(self, state: _State, product: float, bend: Array) -> float:
        """Return what other flows save at the multipliers, and how far products are from one."""
        errors = self.errors(state) / self.load
        off = np.abs(state.multiplier * state.distance - product)
        return float(errors @ (errors / bend) + off.sum())

    def step(self, state: _State, product: float) -> tuple[_State, float]:
        """Return the state after a step to multipliers times distances of `product`; None if stuck.

        The step is short enough to leave a part of each number and to lower the residuals.
        """
        bend = self.bend(state)
        move, price_move, change = self._direction(state, product, bend)
        of_ends = np.where(self.free, np.array([move, -move]) / self.load, 0.0).ravel()
        numbers = np.append(state.distance[self.size.size :], state.multiplier)
        rise = np.append(of_ends, change)
        falls = rise < 0
        part = min(1.0, (1.0 - KEPT) * float(np.min(numbers[falls] / -rise[falls], initial=np.inf)))
        residual = self.residual(state, product, bend)
        for _ in range(HALVES):
            x = state.x + part * move
            distance = self.distance(x)
            if np.all(distance >= 0.5 * KEPT * state.distance):
                multiplier = state.multiplier + part * change
                following = _State(x, state.price + part * price_move, multiplier, distance)
                even = np.all(multiplier * distance >= EVEN * following.gap / distance.size)
                allowed = (1.0 - DECREASE * part) * residual
                if even and self.residual(following, product, bend) <= allowed:
                    return following, part
            part *= 0.5
        return state, 0.0

    def _direction(self, state: _State, product: float, bend: Array) -> tuple[Array, float, Array]:
        """Return the changes of flows, of the price and of the multipliers by a full step.

        The distances and flows are eliminated, which leaves a system for the price and the rows.
        """
        x, load = state.x, self.load
        rows, lower, upper = self.parts(state.multiplier)
        of_rows, above, below = self.parts(state.distance)
        slopes = self.slopes(x)
        response = np.where(self.free, 1.0 / bend, 0.0)
        of_ends = product / below - product / above
        error = self.bank.marginal(x[None])[0] + rows @ slopes - state.price + of_ends / load
        border = np.vstack([np.ones(x.size), slopes])
        missing = np.append(load_residual(np.array([load]), x[None]), of_rows - product / rows)
        matrix = (border * response) @ border.T + np.diag(np.append(0.0, of_rows / rows))
        unit = 1.0 / np.sqrt(np.diag(matrix))
        side = -(border * response) @ error - missing
        dual = unit * np.linalg.lstsq(unit[:, None] * matrix * unit, unit * side, rcond=None)[0]
        move = -response * (error + dual @ border)
        of_lower = product / above - lower - lower / above * move / load
        of_upper = product / below - upper + upper / below * move / load
        return move, -float(dual[0]), np.concatenate([dual[1:], of_lower, of_upper])

    def finish(self, state: _State) -> Interior:
        """Return the answer: a limit binds whose multiplier is larger than its distance."""
        binds = state.multiplier > self.cost(state) * state.distance
        rows, lower, upper = self.parts(binds)
        at_bounds = np.where(upper & self.free, self.most, state.x)
        at_bounds = np.where(lower & self.free, self.least, at_bounds)
        row_prices = self.parts(state.multiplier)[0] / self.size
        return Interior(state.x, at_bounds, state.price, np.where(rows, row_prices, 0.0))
