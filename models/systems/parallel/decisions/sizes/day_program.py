"""The convex program of one set of rates for m loads, compiled once for any flows.

At given flows x_ti the cost p.mu + sum_ti w_t x_ti l_i(mu_i, x_ti) is convex in the rates. It is a
*disciplined parametrised* program (DPP), which CVXPY compiles once, if the parameters x enter no
function but by products with it: the spare capacity s = mu - x is a variable of its own, and

- ``multiply(multiply(k w, x), inv_pos(s))`` is the wait for k <= 1, besides (1 - k)/mu,
- ``multiply(k w y, power(u, -2))``, with a second parameter y = x^2 and u^2 <= mu s, else.

Other days, such as those of a forecast, are then new numbers for the same program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from ......reference.errors import Array


@dataclass(frozen=True, eq=False)
class DayProgram:
    """A program with the flows as parameters.

    Attributes
    ----------
    problem : cvxpy.Problem
        The program; its objective is the cost per unit of time without network delays, in `unit`.
    rate : cvxpy.Variable, shape (n,)
        Rates in `unit`.
    flow, square : cvxpy.Parameter, shape (m, n)
        Flows in `unit`, and their squares.
    unit : float
        Rate that is 1 in the program.
    """

    problem: cp.Problem
    rate: cp.Variable
    flow: cp.Parameter
    square: cp.Parameter
    unit: float

    def solve(self, flows: Array, **options: Any) -> Array:
        """Return the rates of least cost for flows of shape (m, n).

        Parameters
        ----------
        flows : ndarray, shape (m, n)
            Flow of each server at each load.
        **options
            Arguments of ``cvxpy.Problem.solve``, such as ``solver="CLARABEL"``.
        """
        scaled = flows / self.unit
        self.flow.value, self.square.value = scaled, scaled**2
        self.problem.solve(**options)
        return np.asarray(self.rate.value) * self.unit


def day_program(
    weight: Array, k: Array, price: Array, low: Array, high: Array, unit: float
) -> DayProgram:
    """Return the program of one set of rates.

    Parameters
    ----------
    weight : ndarray, shape (m,)
        Delay cost times the part of the time of each load.
    k, price, low, high : ndarray, shape (n,)
        Variability (1 + cv^2)/2, money per unit of rate, and bounds of the rates.
    unit : float
        A rate near those of the answer, by which the program is scaled.
    """
    shape = m, n = len(weight), len(k)
    rate, spare, u = cp.Variable(n, nonneg=True), cp.Variable(shape), cp.Variable(shape)
    flow, square = (cp.Parameter(shape, nonneg=True) for _ in range(2))
    each = cp.vstack([rate] * m)
    constraints = [spare == each - flow, rate >= low / unit]
    if np.any(bounded := np.isfinite(high)):
        constraints.append(rate[bounded] <= high[bounded] / unit)
    wide, rows = k > 1.0, weight[:, None]
    service = cp.multiply(rows * np.maximum(1.0 - k, 0.0) + rows * wide, flow)
    cost = unit * (price @ rate) + cp.sum(cp.multiply(service, cp.inv_pos(each)))
    if not wide.all():
        cost += cp.sum(cp.multiply(cp.multiply(rows * k * ~wide, flow), cp.inv_pos(spare)))
    if wide.any():
        # |(u, x/2)| <= mu - x/2 is u^2 <= mu s
        parts = cp.vstack([cp.vec(u, order="C"), cp.vec(flow, order="C") / 2])
        constraints.append(cp.SOC(cp.vec(each - flow / 2, order="C"), parts, axis=0))
        cost += cp.sum(cp.multiply(cp.multiply(rows * k * wide, square), cp.power(u, -2)))
    return DayProgram(cp.Problem(cp.Minimize(cost), constraints), rate, flow, square, unit)
