"""The equations of Newton's method on route flows, with the prices of the stations as unknowns.

They are those of ``link_space``, in which the sums over the routes leave no digits where the cost
of a station is very steep. Here the route flows, the prices and the levels are the unknowns of one
symmetric matrix,

    dx/theta + W dp - du = a
    W' dx - dp/D         = -excess - lag/D
    sum of dx in each group = missing,

in which a steep station has an entry near 0. It has more rows, R + A + G, and is for few routes.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

from ..errors import Array
from .columns import Columns
from .link_space import Step

BALANCINGS = 6  # of the rows and columns
REFINEMENTS = 3  # of the solution


class Augmented:
    """The equations as one matrix, factored; see ``Differences`` for the parameters."""

    def __init__(self, columns: Columns, groups: int, weight: Array, slope: Array) -> None:
        self.columns, self.flat = columns, slope <= 0
        self.flatness = np.where(self.flat, 0.0, 1.0 / np.where(self.flat, 1.0, slope))
        routes, stations = len(columns), slope.size
        prices, member = slice(routes, routes + stations), routes + stations + columns.group
        row = np.arange(routes)
        matrix = np.zeros((routes + stations + groups,) * 2)
        # the price of a station of constant cost is known
        matrix[:routes, prices] = np.where(self.flat, 0.0, columns.dense)
        matrix[prices, :routes] = matrix[:routes, prices].T
        matrix[row, row] = 1.0 / weight
        matrix[row, member] = matrix[member, row] = -1.0
        place = np.arange(routes, routes + stations)
        matrix[place, place] = -np.where(self.flat, 1.0, self.flatness)
        self.matrix, self.scale = matrix, np.ones(matrix.shape[0])
        for _ in range(BALANCINGS):
            largest = np.max(np.abs(matrix) * self.scale, axis=1) * self.scale
            self.scale /= np.sqrt(largest)
        # a singular matrix has steps that are not finite
        self.factors, self.pivots, _ = dgetrf(self.scale[:, None] * matrix * self.scale)

    def solve(self, pull: Array, missing: Array, excess: Array, lag: Array) -> Step:
        """Return the step; see ``Differences.solve``."""
        known = np.where(self.flat, lag, 0.0)
        right = np.concatenate(
            [
                pull - self.columns.work @ known,
                np.where(self.flat, 0.0, -excess - lag * self.flatness),
                -missing,
            ]
        )
        found = np.zeros(right.size)
        for _ in range(REFINEMENTS):
            rest = self.scale * (right - self.matrix @ found)
            found += self.scale * dgetrs(self.factors, self.pivots, rest)[0]
        flow, price, level = np.split(found, [pull.size, pull.size + lag.size])
        station_flow = self.columns.station_flow(flow) + excess
        return Step(flow, station_flow, np.where(self.flat, lag, price), level)
