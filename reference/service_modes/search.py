"""Least delay over all assignments by bisection of cells, with a lower bound that is a proof.

By Theorem 1 of `sojourn.reference.service_modes.many_modes` an optimum is on a face of S modes
(S + 1 with fixed delays). A face is the cone of its unit vectors in w = sqrt(p). A cell whose bound
(see `sojourn.reference.service_modes.cells`) is as high as the best delay found, less the gap, is
done; others are cut to a corner (see `sojourn.reference.service_modes.cuts`) or halved across their
longest edge, all cells of a batch at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array
from .cells import SCALES, Bounds, Faces, Ints, Problem, descend
from .cuts import ROUNDINGS, cut, has_all_digits

CELLS = 2048  # cells of a batch: their arrays fit the cache
POLISH = 12  # Newton steps from a better point, at most
FINE = 40  # Newton steps at the end
TRIES = 3  # points nearer the low vertices of a cell, at most
MOST_HALVES = 2_000_000  # of each load: some 10 s
DEEPEST = 400  # roundings of the coordinates of a vertex, at most
PRECISION = 3.0  # gap over the rounding error at the optimum, at least
NOTHING = 1e-9  # a root of a share that is left out unless the delay rises


@dataclass(frozen=True, eq=False)
class Cells:
    """Cones of n cells; the last axis is that of the cells.

    Attributes
    ----------
    support : ndarray of int, shape (V, n)
        Modes of the face.
    point : ndarray of int, shape (n,)
        Which load.
    vertices : ndarray, shape (V, V, n)
        Vertex, coordinate, cell.
    depth : ndarray of int, shape (n,)
        Roundings of the coordinates, at most: each is right within so many relative errors.
    """

    support: Ints
    point: Ints
    vertices: Array
    depth: Ints

    @classmethod
    def whole(cls, support: Ints, point: Ints) -> Cells:
        """Return whole faces as cells."""
        modes, n = support.shape
        vertices = np.broadcast_to(np.eye(modes)[:, :, None], (modes, modes, n))
        return cls(support, point, vertices, np.zeros(n, dtype=np.intp))

    def take(self, some: npt.NDArray[np.bool_] | slice) -> Cells:
        """Return some of the cells."""
        support, vertices = self.support[:, some], self.vertices[..., some]
        return Cells(support, self.point[some], vertices, self.depth[some])

    @staticmethod
    def join(parts: list[Cells]) -> Cells:
        """Return the cells of several."""
        if len(parts) == 1:
            return parts[0]
        axes = zip(*((c.support, c.point, c.vertices, c.depth) for c in parts), strict=True)
        return Cells(*(np.concatenate(arrays, axis=-1) for arrays in axes))

    def unit_vertices(self) -> Array:
        """Return the vertices at length 1."""
        unit: Array = (
            self.vertices / np.sqrt(np.einsum("ivn,ivn->in", *2 * [self.vertices]))[:, None]
        )
        return unit

    def halves(self, losses: Array) -> tuple[Cells, npt.NDArray[np.bool_]]:
        """Return both halves of each cell, and which of the cells are large enough for that.

        The edge of largest loss is divided; `losses` is of shape (E, n).
        """
        size, n = self.support.shape
        if size == 1:
            return self, np.zeros(n, dtype=bool)
        first, second = np.triu_indices(size, 1)
        longest = np.nan_to_num(losses, nan=-1.0).argmax(axis=0)
        i, j, row = first[longest], second[longest], np.arange(n)
        a, b = self.vertices[i, :, row], self.vertices[j, :, row]
        middle = 0.5 * (a + b)
        apart = np.any(middle != a, axis=1) & np.any(middle != b, axis=1)
        apart &= has_all_digits(middle) & (self.depth < DEEPEST)
        vertices = np.concatenate([self.vertices, self.vertices], axis=2)
        vertices[i, :, row] = middle
        vertices[j, :, n + row] = middle
        both = Cells(
            np.tile(self.support, 2), np.tile(self.point, 2), vertices, np.tile(self.depth + 1, 2)
        )
        return both, apart

    def cut(self, bounds: Bounds, target: Array) -> tuple[Cells, npt.NDArray[np.bool_]]:
        """Return what a cut leaves of some of the cells, and which.

        See `sojourn.reference.service_modes.cuts.cut`.
        """
        vertices, is_cut = cut(self.vertices, bounds, target, self.depth)
        some = self.take(is_cut)
        left = Cells(some.support, some.point, vertices[..., is_cut], some.depth + ROUNDINGS)
        return left, is_cut


class Best:
    """Best points found at K loads, on faces of V modes.

    Attributes
    ----------
    support : ndarray of int, shape (V, K)
    w : ndarray, shape (V, K)
        sqrt(p).
    delay, gap : ndarray, shape (K,)
        Delay in the unit of the problem, and the relative gap to prove: as asked, or what rounding
        allows.
    """

    def __init__(self, problem: Problem, support: Ints, w: Array, gap: float) -> None:
        self.problem, self.asked = problem, gap
        self.support, self.w = support.copy(), w
        self.gap = np.full(support.shape[1], gap)
        self.delay = np.full(support.shape[1], np.inf)
        self.descend(POLISH)

    def faces(self) -> Faces:
        """Return the faces of the best points."""
        return self.problem.at(self.support, np.arange(self.w.shape[1]))

    def slopes(self) -> Array:
        """Return the slopes c of the best points, shape (S, K)."""
        return self.faces().slopes(self.w, self.delay)

    def parts(self, modes: int) -> Array:
        """Return the best points as assignments to the modes of the problem, shape (K, M)."""
        squares = self.w * self.w
        out = np.zeros((squares.shape[1], modes))
        np.put_along_axis(out, self.support.T, (squares / squares.sum(axis=0)).T, axis=1)
        return out

    def proven(self, lower: Array) -> Array:
        """Return the relative gaps to lower bounds, with the rounding error of the delays."""
        value = self.delay * (1 + self.faces().precision(self.w))
        ratio = np.divide(value, lower, out=np.full(lower.shape, np.inf), where=lower > 0)
        return np.asarray(ratio - 1)

    def descend(self, steps: int) -> None:
        """Improve the best points by Newton's method."""
        faces = self.faces()
        self.w, self.delay = descend(faces, self.w, steps)
        fewer = np.where(self.w < NOTHING * self.w.max(axis=0), 0.0, self.w)
        delay = faces.delay(fewer)
        better = delay <= self.delay
        self.w, self.delay = np.where(better, fewer, self.w), np.where(better, delay, self.delay)
        self._set_gap(faces, slice(None))

    def put(self, point: int, support: Ints, w: Array, delay: float) -> None:
        """Set the best point at a load."""
        self.support[:, point], self.w[:, point], self.delay[point] = support, w, delay
        self._set_gap(self.faces().take(np.array([point])), np.array([point]))

    def _set_gap(self, faces: Faces, some: Ints | slice) -> None:
        rounding = faces.precision(self.w[:, some])
        self.gap[some] = np.maximum(self.asked - 2 * rounding, PRECISION * rounding)

    def try_points(self, cells: Cells, faces: Faces, w: Array) -> None:
        """Take the points that are better than the best, and go on from them."""
        value = faces.delay(w)
        better = np.flatnonzero(value < self.delay[cells.point])
        if not better.size:
            return
        better = better[np.argsort(value[better], kind="stable")]
        point, at = np.unique(cells.point[better], return_index=True)
        chosen = better[at]
        some = faces.take(chosen)
        self.support[:, point] = cells.support[:, chosen]
        self.w[:, point], self.delay[point] = descend(some, w[:, chosen], POLISH)
        self._set_gap(some, point)


def faces_of(
    modes: int, size: int, points: int, skip: tuple[int, ...] | None = None
) -> Iterator[Cells]:
    """Return all faces of `size` modes but one at each load, in batches."""
    subsets = (s for s in combinations(range(modes), size) if s != skip)
    count = max(1, CELLS // points)
    while some := list(islice(subsets, count)):
        support = np.repeat(np.array(some, dtype=np.intp).T, points, axis=1)
        yield Cells.whole(support, np.tile(np.arange(points), len(some)))


def prove(best: Best, roots: Iterator[Cells]) -> tuple[Array, int]:
    """Return a lower bound of the delay over cells at each load, and the number of cells examined.

    Parameters
    ----------
    best : Best
        Stable points; better ones are put in their place.
    roots : iterator of Cells
        Batches of cells; their union is searched.

    Returns
    -------
    lower : ndarray, shape (K,)
        In the unit of the problem; infinite where there is no cell. After many halves no more are
        made, and the bound is that of the cells as they are.
    examined : int
    """
    lower, examined, halves = np.full(best.delay.size, np.inf), 0, 0
    stack: list[Cells] = []
    while True:
        batch: list[Cells] = []
        room = CELLS
        while room > 0 and (cells := stack.pop() if stack else next(roots, None)) is not None:
            if cells.point.size > room:
                stack.append(cells.take(slice(room, None)))
                cells = cells.take(slice(0, room))
            batch.append(cells)
            room -= cells.point.size
        if not batch:
            return np.maximum(lower, 0.0), examined
        examined += CELLS - room
        rest = _examine(best, Cells.join(batch), lower, halves < MOST_HALVES * best.delay.size)
        if rest is not None:
            stack.append(rest)
            halves += rest.point.size


def _examine(best: Best, cells: Cells, lower: Array, divide: bool) -> Cells | None:
    """Return parts of the cells whose bound is too low; put the others' bounds in `lower`.

    Without `divide` all bounds are put there.
    """
    faces = best.problem.at(cells.support, cells.point)
    centre = cells.unit_vertices().mean(axis=0)
    best.try_points(cells, faces, centre)
    bounds, low, target = _bounds(best, cells, faces, centre)
    failed = low < target
    done = ~failed if divide else np.full(failed.shape, True)
    np.minimum.at(lower, cells.point[done], low[done])
    if done.all():
        return None
    some = cells.take(failed)
    left, is_cut = some.cut(bounds.take(failed), target[failed])
    np.minimum.at(lower, left.point, target[failed][is_cut])
    failed[failed] = ~is_cut
    some, delay = cells.take(failed), best.delay[cells.point[failed]]
    losses = faces.take(failed).edge_losses(some.vertices, centre[:, failed], delay)
    halves, apart = some.halves(losses)
    np.minimum.at(lower, some.point[~apart], low[failed][~apart])
    left = Cells.join([left, halves.take(np.tile(apart, 2))])
    return left if left.point.size else None


def _bounds(best: Best, cells: Cells, faces: Faces, centre: Array) -> tuple[Bounds, Array, Array]:
    """Return bounds of cells, the least of each, and what they have to reach."""
    unit, error = cells.unit_vertices(), np.multiply(cells.depth, EPS, dtype=float)
    delay, gap = best.delay[cells.point], best.gap[cells.point]
    target = delay * (1 - gap)
    found = faces.bounds(cells.vertices, centre, delay, None, error, SCALES)
    last, weight = found.values.copy(), np.ones(found.values.shape)
    for attempt in range(TRIES + 1):
        some = np.flatnonzero(found.least < target)
        if not some.size:
            break
        few, c = faces.take(some), None
        if attempt < TRIES:  # again, from points nearer the low vertices
            weight[:, some] *= _towards_low(last[:, some])
            near = weight[:, some] / weight[:, some].sum(axis=0)
            z = np.einsum("in,ivn->vn", near, unit[..., some])
        else:  # and with the slopes of the best point, as few centres are stable near full
            z, c = centre[:, some], best.slopes()[:, cells.point[some]]
        more = few.bounds(cells.vertices[..., some], z, delay[some], c, error[some], SCALES)
        last[:, some] = more.values
        found.improve(some, more)
    return found, found.least, target


@np.errstate(all="ignore")
def _towards_low(bounds: Array) -> Array:
    """Return weights of the vertices of each cell, larger for those of low bounds, shape (V, n)."""
    least, most = bounds.min(axis=0), np.where(np.isfinite(bounds), bounds, -np.inf).max(axis=0)
    apart = (bounds - least) / np.where(most > least, most - least, 1.0)
    weights: Array = np.exp(-3 * np.nan_to_num(apart, nan=1.0, posinf=10.0))
    return weights
