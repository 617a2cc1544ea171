"""Splits that meet bounds of flows and rows, as far inside as they can be, at many loads.

One row alone needs no linear program, and neither do most loads: between two loads that have such
splits, the straight line between them serves where it meets the limits, and a sum of rows that no
split meets at one load often proves that there is none at others either.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ...core.table import Mask
from ...latency.base import Latency
from .splits import Limits, compensated_sum

# servers above which an interior-point method solves a linear program sooner than pivots do
MAX_SIMPLEX = 2000
# relative violation that a linear program may take for none
LP_TOL = 1e-9
# part of the distances from the rows at two loads that a split between them must keep
KEPT_DISTANCE = 0.25
# relative distance from the rows from which on a split is far inside without a linear program
FAR = 0.01
MIXTURES = (1.0, 0.5, 0.1)  # parts of the even split in the mixtures that are tried
SURE = 1e-12  # relative rounding error of a sum of rows, below which it proves nothing


def splits_inside(
    bank: Latency, load: Array, least: Array, most: Array, matrix: Array, bound: Array
) -> tuple[Array, Mask]:
    """Return splits that meet bounds and rows, shape (K, n), and whether there is one, (K,).

    Parameters
    ----------
    bank : Latency
        n servers.
    load : ndarray, shape (K,)
        Total loads.
    least, most : ndarray, shape (K, n)
        Bounds of the flows, which some split of the load meets.
    matrix : ndarray, shape (m, n)
        Coefficients of the rows.
    bound : ndarray, shape (K, m)
        Bounds of the rows.
    """
    if len(matrix) < 2:
        row = matrix[0] if len(matrix) else np.zeros(len(bank))
        inside, lowest = cheapest(least, most, row, load)
        if not len(matrix):
            return inside, np.ones(load.size, dtype=bool)
        return inside, lowest <= bound[:, 0] + LIMIT_TOL * (inside @ np.abs(row))
    search = _Search(bank, load, Limits(least, most, matrix, bound, np.zeros_like(least)))
    return search.inside, search.possible


class _Search:
    """The splits inside limits at K loads, by as few linear programs as the loads need."""

    def __init__(self, bank: Latency, load: Array, limits: Limits) -> None:
        self.bank, self.load, self.limits = bank, load, limits
        total_rate, low = bank.total_rate
        self.spare_capacity = (total_rate - load) + low
        self.size = np.abs(limits.matrix).max(axis=1)
        self.scale = np.minimum(self.spare_capacity, load)
        self.inside = np.zeros((load.size, len(bank)))
        self.possible = np.zeros(load.size, dtype=bool)
        self.decided = np.zeros(load.size, dtype=bool)
        self.proofs = list(np.diag(1.0 / self.size))  # sums of rows that no split may meet
        self._try_mixtures()
        self._disprove(np.arange(load.size))
        order = np.argsort(load, kind="stable")
        for end in order[[0, -1]].tolist():
            if not self.decided[end]:
                self._solve(end)
        self._between(order)

    def _try_mixtures(self) -> None:
        """Take mixtures of an even split and of those of least value of each row, where far inside.

        An even split fills the same part of what each server may carry beyond its least flow.
        """
        own, load = self.limits, self.load
        most = np.minimum(own.most, load[:, None])
        width, rest = most - own.least, load - own.least.sum(axis=1)
        even = own.least + width * (rest / width.sum(axis=1))[:, None]
        each = [cheapest(own.least, most, row, load)[0] for row in own.matrix]
        mean = np.mean(each, axis=0)
        for part in MIXTURES:
            rows = np.flatnonzero(~self.decided)
            split = part * even[rows] + (1 - part) * mean[rows]
            far = np.all(self._distance(rows, split) >= FAR, axis=1)
            self.inside[rows[far]] = split[far]
            self.possible[rows[far]] = self.decided[rows[far]] = True

    def _between(self, order: npt.NDArray[np.intp]) -> None:
        """Decide all loads; `order` has them by size, and its ends are decided."""
        todo = [order]
        while todo:
            among = todo.pop()
            first, last = int(among[0]), int(among[-1])
            if self.possible[first] and self.possible[last]:
                self._interpolate(first, last, among[1:-1])
            else:
                self._disprove(among[1:-1])
            left = np.flatnonzero(~self.decided[among])
            if not left.size:
                continue
            middle = left[left.size // 2]
            if self.possible[first] != self.possible[last]:  # the end next to the other kind
                middle = left[-1] if self.possible[first] else left[0]
            self._solve(int(among[middle]))
            todo += [among[: middle + 1], among[middle:]]

    def _interpolate(self, first: int, last: int, rows: npt.NDArray[np.intp]) -> None:
        """Take the straight line between the splits at two loads where it meets the limits."""
        rows = rows[~self.decided[rows]]
        ends, low, high = np.array([first, last]), self.load[first], self.load[last]
        part = ((self.load[rows] - low) / (high - low if high > low else 1.0))[:, None]
        line = self.inside[first] + part * (self.inside[last] - self.inside[first])
        own = self.limits.at(rows)
        split = np.clip(line, own.least, own.most)
        at_ends = self._distance(ends, self.inside[ends])
        enough = KEPT_DISTANCE * at_ends.min(axis=0) - LP_TOL
        far = np.all(self._distance(rows, split) >= enough, axis=1)
        off = np.abs(compensated_sum(split - line)) <= LP_TOL * self.scale[rows]
        rows, split = rows[far & off], split[far & off]
        self.inside[rows] = split
        self.possible[rows] = self.decided[rows] = True

    def _distance(self, rows: npt.NDArray[np.intp], split: Array) -> Array:
        """Return the relative distances of splits from the rows, shape (..., m)."""
        distance = -self.limits.at(rows).excess(split)
        return np.asarray(distance / (self.size * self.scale[rows, None]))

    def _disprove(self, rows: npt.NDArray[np.intp]) -> None:
        """Decide the loads at which a known sum of rows has no split that meets it."""
        for z in self.proofs:
            rows = rows[~self.decided[rows]]
            own, row = self.limits.at(rows), z @ self.limits.matrix
            split, lowest = cheapest(own.least, own.most, row, self.load[rows])
            allowed = own.bound @ z
            rounding = SURE * (split @ np.abs(row) + np.abs(allowed))
            self.decided[rows[lowest - allowed > LP_TOL * self.scale[rows] + rounding]] = True

    def _solve(self, k: int) -> None:
        """Decide one load by a linear program.

        It maximises the part t such that every row keeps the distance t, and every server that
        only its rate bounds keeps the spare capacity t times that of an even utilisation. Its
        unknowns are spare capacities where they are smaller in sum than the load, and flows
        elsewhere, so that they have all digits near saturation.
        """
        from scipy.optimize import linprog  # slow to import, and rarely needed
        from scipy.sparse import coo_array

        bank, n, load, spare_capacity = (
            self.bank,
            len(self.bank),
            self.load[k],
            self.spare_capacity[k],
        )
        own, total_rate = self.limits.at(k), bank.total_rate[0]
        matrix, bound, least, most = own.matrix, own.bound, own.least, own.most
        near_saturation = spare_capacity < load
        side, scale = (-1.0, spare_capacity) if near_saturation else (1.0, load)
        base = bank.rate if near_saturation else np.zeros(n)  # flow = base + side * scale * unknown
        largest = most if near_saturation else np.minimum(most, load)
        ends = [side * (end - base) / scale for end in (least, largest)]
        distance = compensated_sum(np.concatenate([bound[:, None], -matrix * base], axis=-1))
        # far from saturation a server with a rate beyond scale / LP_TOL is empty whatever its flow
        fillable = np.isfinite(bank.rate) & (near_saturation | (bank.rate < scale / LP_TOL))
        only_rate = np.flatnonzero(fillable & (most >= bank.rate))
        even = spare_capacity / total_rate if math.isfinite(spare_capacity) else 1.0
        even_spare = bank.rate[only_rate] * even / scale
        m, keep = bound.size, np.arange(bound.size + only_rate.size)
        of_rows = (side * matrix / self.size[:, None]).ravel()
        columns = np.concatenate([np.tile(np.arange(n), m), only_rate, np.full(keep.size, n)])
        places = (np.concatenate([np.repeat(np.arange(m), n), keep[m:], keep]), columns)
        self.decided[k] = True
        for row_part in (1.0, 0.0):  # equations have no inside: there only servers keep a distance
            parts = (of_rows, np.full(only_rate.size, side), np.full(m, row_part), even_spare)
            sides = [distance / (self.size * scale), (bank.rate - base)[only_rate] / scale]
            solved = linprog(
                np.append(np.zeros(n), -1.0),
                A_ub=coo_array((np.concatenate(parts), places), shape=(keep.size, n + 1)),
                b_ub=np.concatenate(sides),
                A_eq=np.append(np.ones(n), 0.0)[None],
                b_eq=[1.0],
                bounds=[*zip(np.minimum(*ends), np.maximum(*ends), strict=True), (None, 1.0)],
                method="highs-ipm" if n > MAX_SIMPLEX else "highs-ds",
                options={"primal_feasibility_tolerance": LP_TOL / 10},
            )
            if solved.x is None or solved.x[-1] < -LP_TOL:
                if solved.x is not None:
                    self.proofs.append(-solved.ineqlin.marginals[:m] / self.size)
                return
            if solved.x[-1] > LP_TOL:
                break
        self.inside[k] = np.clip(base + side * scale * solved.x[:-1], least, most)
        self.possible[k] = True
