"""Splits of the load near given flows, and the limits that a split may have to meet.

The flows that a solver returns do not sum to the load exactly, and may violate a bound by the
solver's tolerance. The functions here return nearby flows that are feasible up to rounding.
Flows have shape (..., n) and loads shape (...): one split, or one in each row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ....reference.compensated_sum import EPS, FEW_TERMS, exact_sum
from ....reference.errors import Array
from ....reference.server_bank import ServerBank
from ...core.table import Mask, Rows

if TYPE_CHECKING:
    from .convex_limit import ConvexRows

ROUNDING = 2 * EPS  # relative rounding error of a load or a budget that is a sum of floats
LAST_DIGIT = 0.5 * EPS  # part of a load below which a residual is its own rounding error
# a flow below this part of an even share may be a solver's residue on an unused server
RESIDUE_SHARE = 1e-6
# largest part of the way to the interior split that is worth moving because of rounding alone
INWARD_STEP = 1e-6
TINY_BOUND = 1e-300  # the least number that a violation is divided by
PASSES = 3  # the residual of the load is distributed this often, each time up to rounding


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of a split: bounds of each flow, rows ``matrix @ flow <= bound``, and convex rows.

    A convex row is a sum of convex functions of the flows below a bound; the p convex rows follow
    the m - p linear ones. The shapes are those of limits that all splits have; limits that differ
    between K splits have one more axis in front, but for the matrix.

    Attributes
    ----------
    least, most : ndarray, shape (n,) or (K, n)
        Bounds of the flow of each server, jobs per unit of time.
    matrix : ndarray, shape (m - p, n)
        Coefficients of the linear rows.
    bound : ndarray, shape (m,) or (K, m)
        Bounds of the rows.
    inside : ndarray, shape (n,) or (K, n)
        A split that meets all limits, and the rows strictly where a split can; unused where there
        are no rows.
    convex : ConvexRows, optional
        The convex rows, of K splits.
    """

    least: Array
    most: Array
    matrix: Array
    bound: Array
    inside: Array
    convex: ConvexRows | None = None

    @classmethod
    @lru_cache(64)
    def none(cls, n: int) -> Limits:
        """Return the limits of n servers that have none but flow >= 0."""
        return cls(np.zeros(n), np.full(n, np.inf), np.zeros((0, n)), np.zeros(0), np.zeros(n))

    @property
    def bounded(self) -> bool:
        """Whether there is any limit but flow >= 0."""
        return bool(self.bound.size or self.least.any() or np.isfinite(self.most).any())

    def at(self, rows: Rows) -> Limits:
        """Return the limits of some of K splits: an array of indices or of bools, or a slice."""
        if self.least.ndim == 1:
            return self
        own = (values[rows] for values in (self.least, self.most, self.bound, self.inside))
        least, most, bound, inside = own
        convex = None if self.convex is None else self.convex.at(rows)
        return Limits(least, most, self.matrix, bound, inside, convex)

    @property
    def without_rows(self) -> Limits:
        """The bounds of flows alone."""
        return Limits(self.least, self.most, self.matrix[:0], self.bound[..., :0], self.inside)

    def excess(self, flow: Array, spare_capacity: Array | None = None) -> Array:
        """Return the value of each row less its bound, exact to the last digit, shape (..., m).

        The value of a linear row is ``matrix @ flow``. Convex rows count with the spare capacity
        where it is given, since it may be known better than by subtraction.
        """
        terms = self.matrix * flow[..., None, :]
        if self.convex is not None:
            of_convex = self.convex.terms(flow, spare_capacity).value
            terms = np.concatenate([terms, of_convex], axis=-2)
        side = np.broadcast_to(-self.bound[..., None], (*terms.shape[:-1], 1))
        return compensated_sum(np.concatenate([terms, side], axis=-1))

    def slopes(self, flow: Array, spare_capacity: Array | None = None) -> Array:
        """Return the derivatives of the rows in the flows, shape (m, n), or (..., m, n)."""
        if self.convex is None:
            return self.matrix
        slope = self.convex.terms(flow, spare_capacity).slope
        matrix = np.broadcast_to(self.matrix, (*slope.shape[:-2], *self.matrix.shape))
        return np.concatenate([matrix, slope], axis=-2)

    def curvature(self, flow: Array, row_prices: Array) -> Array | float:
        """Return the second derivatives of the rows, summed with prices (..., m), shape (..., n).

        They are 0 where all rows are linear.
        """
        if self.convex is None:
            return 0.0
        return weighted(row_prices[..., len(self.matrix) :], self.convex.terms(flow).curvature)

    def row_scale(self, flow: Array) -> Array:
        """Return the size of the terms of each row, shape (..., m): the unit of rounding errors."""
        size = row_values(np.abs(self.slopes(flow)), np.abs(flow))
        return np.asarray(np.maximum(size, np.abs(self.bound)))

    def row_error(self, flow: Array, spare_capacity: Array | None = None) -> Array:
        """Return the largest rounding error of the terms or the bound of each row, shape (..., m).

        It is that at a flow and a spare capacity of which each has full relative accuracy.
        """
        error = EPS * row_values(np.abs(self.matrix), np.abs(flow))
        if self.convex is not None:
            of_convex = self.convex.terms(flow, spare_capacity).error.sum(axis=-1)
            error = np.concatenate([error, of_convex], axis=-1)
        return np.asarray(np.maximum(error, EPS * np.abs(self.bound)))

    def violation(self, load: Array, flow: Array) -> Array:
        """Return the largest violation of a limit or of sum x = load by flows, shape (...).

        It is relative: to the load for the balance and the bounds of flows, to the bound of the
        row for rows. It is 0 where everything is met.
        """
        of_bounds = np.maximum(self.least - flow, flow - self.most).max(axis=-1)
        off = np.maximum(np.abs(load_residual(load, flow)), of_bounds)
        unit = np.where(self.bound != 0, np.abs(self.bound), self.row_scale(flow))
        over = (self.excess(flow) / np.maximum(unit, TINY_BOUND)).max(axis=-1, initial=0.0)
        return np.asarray(np.maximum(off / load, over))


def row_values(matrix: Array, flow: Array) -> Array:
    """Return the value of each row, shape (..., m), of a matrix (m, n) or of one a split."""
    return flow @ matrix.T if matrix.ndim == 2 else np.einsum("...mn,...n->...m", matrix, flow)


def weighted(row_prices: Array, matrix: Array) -> Array:
    """Return the sum of rows times prices, shape (..., n), of a matrix (m, n) or of one a split."""
    if matrix.ndim == 2:
        return np.asarray(row_prices @ matrix)
    return np.asarray(np.einsum("...m,...mn->...n", row_prices, matrix))


def compensated_sum(terms: Array) -> Array:
    """Return the sum over the last axis, exact to the last digit also where terms cancel.

    Few terms are summed one row at a time, and rounded once; this is faster than in arrays.
    """
    if terms.size <= FEW_TERMS:
        try:
            rows = terms if terms.ndim == 2 else terms.reshape(-1, terms.shape[-1])
            sums = [math.fsum(row) for row in rows.tolist()]
        except (OverflowError, ValueError):  # terms or sums are infinite
            sums = [math.inf]
        if all(map(math.isfinite, sums)):
            exact = np.array(sums)
            return exact if terms.ndim == 2 else exact.reshape(terms.shape[:-1])
    high, low = exact_sum(terms)
    out: Array = high + low
    return out


def load_residual(load: Array, flow: Array) -> Array:
    """Return the load less the sum of the flows, exact to the last digit, shape (...)."""
    return compensated_sum(np.concatenate([load[..., None], -flow], axis=-1))


def clip(bank: ServerBank, flow: Array) -> Array:
    """Return the flow moved into [0, rate): at most the last float below the rate."""
    return np.minimum(np.maximum(flow, 0.0), np.nextafter(bank.rate, 0.0))


def project_to_load(
    bank: ServerBank,
    load: Array,
    flow: Array,
    *,
    trim: bool,
    limits: Limits | None = None,
    tolerance: float | None = None,
) -> tuple[Array, Mask]:
    """Return nearby splits of exactly the load, shape (..., n), and whether each is valid.

    A positive residual goes to the used servers in proportion to their spare capacity (or to the
    distance from their upper bound), or to all servers where the used ones have too little. A
    negative residual is taken away in proportion to the flows. Residuals up to half the distance
    of floats at the load are those of rounding, and stay. A row is not valid where the flow is too
    far from any split of the load.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    load : ndarray, shape (...)
        Total loads.
    flow : ndarray, shape (..., n)
        Flows to start from.
    trim : bool
        Whether to set flows below a solver's residue to 0 first.
    limits : Limits, optional
        Limits that the splits meet up to rounding.
    tolerance : float, optional
        Part of the load, and of the spare capacity of all servers, up to which a residual stays.
    """
    valid: Mask = np.asarray(np.isfinite(flow).all(axis=-1))
    x = clip(bank, flow if valid.all() else np.where(valid[..., None], flow, 0.0))
    if trim:
        x = np.where(x > RESIDUE_SHARE * load[..., None] / x.shape[-1], x, 0.0)
    if limits is not None:
        x = np.clip(x, limits.least, np.minimum(limits.most, bank.rate))
    small = LAST_DIGIT * load
    if tolerance is not None:
        small = tolerance * np.minimum(load, bank.spare_capacity(x).sum(axis=-1))
    for _ in range(PASSES):
        residual = load_residual(load, x)
        off = valid & (np.abs(residual) > small)
        if not np.count_nonzero(off):
            break
        weight = _weights(bank, load, x, residual, limits)
        weights = weight.sum(axis=-1)
        valid = valid & (weights + ROUNDING * load >= np.abs(residual))
        moves = off & valid & (weights > 0)
        part = np.where(moves, residual / np.where(moves, weights, 1.0), 0.0)
        x = x + weight * np.minimum(np.maximum(part, -1.0), 1.0)[..., None]
    if limits is not None and limits.bound.size:
        x, near = _move_inside_rows(limits, x)
        valid = valid & near
    return x, valid & ((bank.spare_capacity(x) > 0) & (x >= 0)).all(axis=-1)


def _weights(
    bank: ServerBank, load: Array, x: Array, residual: Array, limits: Limits | None
) -> Array:
    """Return the largest change of each flow by which a residual of the load is distributed."""
    removable = x if limits is None else x - limits.least
    gains = residual > 0
    if not np.count_nonzero(gains):
        return removable
    most = bank.rate if limits is None else np.minimum(limits.most, bank.rate)
    to_bound = np.where(most < bank.rate, most - x, bank.spare_capacity(x))
    addable = np.where(np.isfinite(most), to_bound, 2.0 * load[..., None])
    of_used = np.where(x > 0, addable, 0.0)
    addable = np.where((of_used.sum(axis=-1) > residual)[..., None], of_used, addable)
    return np.where(gains[..., None], addable, removable)


def _move_inside_rows(limits: Limits, flow: Array) -> tuple[Array, Mask]:
    """Return splits moved towards ``limits.inside`` until the rows hold, and whether they do.

    Moved by the part t of the way, a row has the excess (1 - t) excess(flow) + t excess(inside),
    and a convex one no more. Where ``limits.inside`` meets a row up to rounding, that is enough.
    """
    over, rounding = limits.excess(flow), ROUNDING * limits.row_scale(flow)
    distance = -limits.excess(limits.inside)
    gain, step = over + distance, INWARD_STEP * np.maximum(distance, 0.0)
    # near saturation a term may have more digits than the flow, and needs no wider margin
    margin = np.minimum(np.minimum(rounding, 2.0 * limits.row_error(flow)), step)
    part = np.where(gain > 0, (over + margin) / np.where(gain > 0, gain, 1.0), np.inf)
    part = np.where(distance >= -rounding, np.minimum(part, 1.0), part)
    part = np.where(over > -margin, part, 0.0).max(axis=-1)
    kept = np.all(over <= rounding, axis=-1)
    # a long way for the sake of rounding alone costs more than it repairs
    moves = (part <= 1) & ~(kept & (part > INWARD_STEP))
    moved = flow + np.where(moves, part, 0.0)[..., None] * (limits.inside - flow)
    return moved, np.asarray(moves | kept)


def interior_point(bank: ServerBank, load: Array, flow: Array) -> tuple[Array, Mask]:
    """Return splits half way between the flow and an even utilisation, and whether each is valid.

    They are strictly inside the stable region whatever the flow is. The mean is taken of spare
    capacities, which near saturation keep the digits that flows lose.
    """
    valid: Mask = np.asarray(np.isfinite(flow).all(axis=-1) & np.isfinite(bank.rate).all(axis=-1))
    if not valid.any():
        return np.zeros_like(flow), valid
    total_rate, low = bank.total_rate
    unused = ((total_rate - load) + low)[..., None]  # spare capacity of all servers
    finite_flow = np.where(valid[..., None], flow, 0.0)
    spare_capacity = np.clip(bank.spare_capacity(finite_flow), 0.0, bank.rate)
    even = bank.rate * (unused / total_rate[..., None])
    spare = compensated_sum(spare_capacity)[..., None]
    scaled = np.where(spare > 0, spare_capacity * (unused / np.where(spare > 0, spare, 1.0)), even)
    inner = bank.rate - np.minimum(0.5 * (scaled + even), bank.rate)
    x, found = project_to_load(bank, load, inner, trim=False)
    return x, found & valid
