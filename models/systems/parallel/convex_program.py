"""Convex limits in CVXPY: their cones, or tangents at points that the answers of a program add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np

from ....reference.errors import Array
from ...latency.cone import Cone
from ...latency.tangents import tangent_cone
from .convex_limit import ConvexRows

GRID = np.linspace(0.0, 1.0, 500)
TANGENTS = 30  # tangents of each server at first
MAX_ROUNDS = 6  # times that tangents are added


@dataclass(frozen=True, eq=False)
class ConvexProgram:
    """The convex limits of a program at one load.

    Attributes
    ----------
    convex : ConvexRows
        p limits at one load.
    size : ndarray, shape (p,)
        Number of the size of each bound, which becomes 1 in the program.
    points : tuple of ndarray, shape (m, n)
        For each limit the flows at which its tangents touch.
    rounds : int
        Times that tangents were added.
    """

    convex: ConvexRows
    size: Array
    points: Sequence[Array]
    rounds: int = 0

    @classmethod
    def of(cls, convex: ConvexRows, size: Array, least: Array, most: Array) -> ConvexProgram:
        """Return the limits with tangents at points of even error.

        Between tangents at a distance d the maximum is below the function h by h'' d^2/8.
        """
        end = np.minimum(most, convex.load[:, None])
        grid = least + GRID[:, None] * (end - least)
        curvature = np.moveaxis(convex.terms(grid).curvature, -2, 0)
        points = []
        for bend in curvature:
            steps = np.sqrt(np.maximum(0.5 * (bend[1:] + bend[:-1]), 0.0))
            total = np.vstack([np.zeros(bend.shape[1]), np.cumsum(steps, axis=0)])
            straight = total[-1] == 0
            total = np.where(straight, GRID[:, None], total)
            even = np.linspace(0.0, 1.0, TANGENTS)
            columns = zip(total.T, grid.T, strict=True)
            points.append(np.array([np.interp(even * t[-1], t, x) for t, x in columns]).T)
        return cls(convex, size, points)

    def cones(self, flow: cp.Variable, unit: float) -> list[Cone]:
        """Return the epigraph of every limit, divided by the size of its bound.

        Parameters
        ----------
        flow : cvxpy.Variable, shape (n,)
            Flows in the unit of the program.
        unit : float
            Unit of time of the program, in that of the bank.
        """
        bank, load = self.convex.bank, float(self.convex.load[0])
        cones = []
        for j, (limit, size) in enumerate(zip(self.convex.limits, self.size, strict=True)):
            own = limit.cone(bank, flow / unit, load, float(size))
            if own is None:
                alone = self.convex.only([j])
                own = tangent_cone(
                    flow,
                    self.points[j] * unit,
                    lambda x, of=alone, by=size: of.terms(x / unit).value[:, 0] / by,
                    lambda x, of=alone, by=size: of.terms(x / unit).slope[:, 0] / (by * unit),
                    bank.rate * unit,
                )
            cones.append(own)
        return cones

    def refined(self, flow: Array) -> ConvexProgram | None:
        """Return the limits with tangents at a program's answer too; None after many rounds."""
        if self.rounds >= MAX_ROUNDS:
            return None
        points = [np.vstack([own, np.maximum(flow, 0.0)]) for own in self.points]
        return replace(self, points=points, rounds=self.rounds + 1)
