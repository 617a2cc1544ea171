"""A lower bound of the delay over a cone of assignments, and its search by bisection.

With w = sqrt(p) the delay of the best partition is

    T(w) = sum_s (r_s.w)^2 / D_s(w) + sum_m d_m w_m^2 / |w|^2,   D_s(w) = sum_m kappa_sm w_m^2,

where r_sm = sqrt(a_sm), kappa_sm = 1 - load a_sm for service times a, and d are fixed delays. It
does not depend on the length of w.

**Bound.** For any c >= 0, n^2 / D >= 2 c n - c^2 D. With q_m = sum_s c_s r_sm and k_m = sum_s c_s^2
kappa_sm, and any point z >= 0 for the tangents of -x^2 at modes with k_m < 0,

    T(w) >= 2 q.w - sum_m k_m w_m^2 >= 2 (q + k^- z).w - sum_m k_m^+ w_m^2 - k^-.z^2.

The last one is concave in w, so over the simplex of vertices v_i u_i it is least at a vertex, and
the lengths v_i > 0 are free, because T does not depend on them. The best lengths give

    T >= min_i ((q + k^- z).u_i)^2 / (k^+.u_i^2) - k^-.z^2   on the cone of the u_i.

Every c and z proves a bound. Here z is a point of the cell and c_s = (r_s.z) / D_s(z), at most
2 T_best / (r_s.z): then the bound at z is T(z), or at least twice T_best where z is not stable, and
the error over the cell is of second order in its size. Where the cell is wide, the tangents at a
multiple of z, with the same c, give more. A fixed delay is a stage for each mode of root sqrt(d_m)
and D = |w|^2.

**Rounding.** k is rounded up by its rounding error, q and the quotient down, so that the bound
holds for the exact numbers. A vertex is a sum of products of numbers of 0 or more, so that each of
its coordinates has a small relative error, which is subtracted too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array
from .modes import Modes

Ints = npt.NDArray[np.intp]
SCALES = (1.0, 0.6, 0.3, 0.0)  # multiples of z for the tangents of a wide cell
SHORT = 1e-4  # weight of an edge's length beside the error it causes
TINY = 1e-150  # a price below is 0: its square would lose digits


@dataclass(frozen=True, eq=False)
class Problem:
    """Modes at K loads, in units in which the roots are of size 1.

    Attributes
    ----------
    modes : Modes
        S stages, M modes.
    loads : ndarray, shape (K,)
    """

    modes: Modes
    loads: Array

    @cached_property
    def unit(self) -> float:
        """Unit of the delays, the largest time of any mode."""
        return max(float(self.modes.time.max()), float(self.modes.delay.max()))

    @cached_property
    def root(self) -> Array:
        """Square roots of the service times, shape (S, M)."""
        return np.sqrt(self.modes.time / self.unit)

    @cached_property
    def fixed(self) -> Array | None:
        """Fixed delays, shape (M,); None where all are 0."""
        return self.modes.delay / self.unit if self.modes.delay.any() else None

    @property
    def support(self) -> int:
        """Number of modes that are enough for an optimum: S, or S + 1 with fixed delays."""
        return min(self.modes.stages + (self.fixed is not None), self.modes.modes)

    def at(self, support: Ints, point: Ints) -> Faces:
        """Return the numbers of n faces of V modes, each at one of the loads.

        Parameters
        ----------
        support : ndarray of int, shape (V, n)
        point : ndarray of int, shape (n,)
            Which load.
        """
        use = self.loads[point] * self.modes.time[:, support]
        fixed = None if self.fixed is None else self.fixed[support]
        return Faces(self.root[:, support], 1.0 - use, 1.0 + use, fixed)


@dataclass(frozen=True, eq=False)
class Faces:
    """The numbers of n faces of V modes; the last axis is that of the faces.

    Attributes
    ----------
    root, spare, size : ndarray, shape (S, V, n)
        r, kappa = 1 - load a and 1 + load a, the size of the terms of kappa.
    fixed : ndarray, shape (V, n), or None
        Fixed delays.
    """

    root: Array
    spare: Array
    size: Array
    fixed: Array | None

    @property
    def rounding(self) -> float:
        """Relative rounding error of a sum of products over stages and then modes, at most."""
        stages, modes, _ = self.root.shape
        return float(stages + modes + 8) * EPS

    def take(self, some: npt.NDArray[np.bool_] | Ints) -> Faces:
        """Return some of the faces."""
        fixed = None if self.fixed is None else self.fixed[:, some]
        return Faces(self.root[..., some], self.spare[..., some], self.size[..., some], fixed)

    def forms(self, w: Array) -> tuple[Array, Array]:
        """Return r_s.w and D_s(w), shape (S, n), at points w of shape (V, n)."""
        return _dot("svn,vn->sn", self.root, w), _dot("svn,vn->sn", self.spare, w * w)

    @np.errstate(all="ignore")
    def delay(self, w: Array) -> Array:
        """Return T(w), shape (n,), at points of shape (V, n); infinite where a stage is full."""
        n, d = self.forms(w)
        total = np.where(d > 0, n * n / d, np.inf).sum(axis=0)
        if self.fixed is not None:
            total = total + (self.fixed * w * w).sum(axis=0) / (w * w).sum(axis=0)
        return np.asarray(total)

    @np.errstate(all="ignore")
    def slopes(self, z: Array, best: Array) -> Array:
        """Return c_s = (r_s.z) / D_s(z) of the points z, limited, shape (S, n); see `prices`."""
        n, d = self.forms(z)
        offset = 0.0 if self.fixed is None else self.fixed.min(axis=0)
        c = np.minimum(np.where(d > 0, n / d, np.inf), 2 * (best - offset) / n)
        return np.where((n > 0) & (c > TINY), c, 0.0)

    @np.errstate(all="ignore")
    def prices(
        self, z: Array, best: Array, c: Array | None = None
    ) -> tuple[Array, Array, Array, Array]:
        """Return q and k of the points z, rounded to the safe side, and their other parts.

        Parameters
        ----------
        z : ndarray, shape (V, n)
        best : ndarray, shape (n,)
            A delay that is attained.
        c : ndarray, shape (S, n), optional
            By default `slopes` of z.

        Returns
        -------
        q, k : ndarray, shape (V, n)
        error : ndarray, shape (V, n)
            The rounding error by which k has been raised.
        offset : ndarray, shape (n,)
            The least fixed delay of the face, which the bound of q and k leaves out.
        """
        offset = np.zeros(z.shape[1]) if self.fixed is None else self.fixed.min(axis=0)
        c = self.slopes(z, best) if c is None else c
        q = _dot("sn,svn->vn", c, self.root)
        c = c * c
        k = _dot("sn,svn->vn", c, self.spare)
        error = _dot("sn,svn->vn", c, self.size)
        if self.fixed is not None:
            extra, length = self.fixed - offset, (z * z).sum(axis=0)
            mean = (extra * z * z).sum(axis=0) / length
            q = q + extra * z / length
            k, error = k + mean / length, error + mean / length
        error *= self.rounding
        return q, k + error, error, offset

    @np.errstate(all="ignore")
    def lengths(self, vertices: Array, z: Array, best: Array) -> Array:
        """Return the lengths of the vertices that give the bound, shape (V, n); see `bounds`."""
        bounds = self.bounds(vertices, z, best)
        above = _dot("vn,ivn->in", bounds.slope, vertices)
        under = _dot("vn,ivn->in", bounds.curve, vertices * vertices)
        return np.where(under > 0, above / under, 1.0)

    @np.errstate(all="ignore")
    def bounds(
        self,
        vertices: Array,
        z: Array,
        best: Array,
        c: Array | None = None,
        error: Array | float = 0.0,
        scales: tuple[float, ...] = (1.0,),
    ) -> Bounds:
        """Return bounds on the cones of the vertices, those of the scale with the best least value.

        Parameters
        ----------
        vertices : ndarray, shape (V, V, n)
            Vertex, coordinate, cell.
        z, best, c : ndarray
            As for `prices`.
        error : ndarray, shape (n,), optional
            Relative errors of the coordinates of the vertices, at most.
        scales : tuple of float, optional
            The tangents are at these multiples of z.
        """
        q, k, _, offset = self.prices(z, best, c)
        curve, below = np.maximum(k, 0.0), np.maximum(-k, 0.0) * z
        tangent = (below * z).sum(axis=0)
        above, more = _dot("vn,ivn->in", q, vertices), _dot("vn,ivn->in", below, vertices)
        under = _dot("vn,ivn->in", curve, vertices * vertices)
        chosen, rest = np.zeros(z.shape[1]), np.full(z.shape[1], -np.inf)
        values = np.full(under.shape, -np.inf)
        for scale in scales:
            less = scale * scale * tangent
            own = offset - less - 4 * self.rounding * (offset + less)
            tried = _values(above + scale * more, under, own, self.rounding + error)
            better = tried.min(axis=0) > values.min(axis=0)
            values = np.where(better, tried, values)
            chosen, rest = np.where(better, scale, chosen), np.where(better, own, rest)
        return Bounds(q + chosen * below, curve, rest, values, self.rounding)

    @np.errstate(all="ignore")
    def edge_losses(self, vertices: Array, z: Array, best: Array) -> Array:
        """Return how much of the bound's error each edge of the cells causes, shape (E, n).

        The error at z + h is sum_s (r_s.h - c_s (D_s(z + h) - D_s(z)))^2 / D_s(z), to leading
        order; an edge gets the sizes of the linear and the quadratic part of it. Edges are in the
        order of `numpy.triu_indices`.
        """
        q, k, _, _ = self.prices(z, best)
        flat = vertices * (_dot("vn,vn->n", q, z) / _dot("vn,ivn->in", q, vertices))[:, None]
        i, j = np.triu_indices(len(vertices), 1)
        edge = flat[i] - flat[j]
        n, d = self.forms(z)
        c = np.minimum(np.where(d > 0, n / d, np.inf), 2 * best / n)
        pull = np.where(n > 0, c, 0.0)[:, None] * self.spare
        squares = edge * edge
        linear = _dot("svn,evn->esn", self.root - 2 * pull * z, edge)
        quadratic = _dot("svn,evn->esn", np.abs(pull), squares)
        size = np.maximum(np.abs(d), 1e-300)
        loss = ((linear**2 + quadratic**2) / size).sum(axis=1)
        loss += _dot("vn,evn->en", np.maximum(-k, 0.0) + SHORT * best, squares)
        if self.fixed is not None:
            loss += _dot("vn,evn->en", self.fixed, squares) / (z * z).sum(axis=0)
        return np.asarray(loss)

    @np.errstate(all="ignore")
    def precision(self, w: Array) -> Array:
        """Return the relative rounding error of the delay and its bound at stable points."""
        value = self.delay(w)
        _, _, error, _ = self.prices(w, value)
        return np.asarray((error * w * w).sum(axis=0) / value + 8 * self.rounding)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Lower bounds B(w) = (q.w)^2 / k.w^2 + rest of the delay on n cells of V vertices, k >= 0.

    The points with B >= b, for any b, are a convex cone, so that the least value at the vertices
    holds on the cell.

    Attributes
    ----------
    slope, curve : ndarray, shape (V, n)
        q and k.
    rest : ndarray, shape (n,)
        Rounded down.
    values : ndarray, shape (V, n)
        B at the vertices, rounded down.
    rounding : float
        Relative rounding error of q.w and k.w^2.
    """

    slope: Array
    curve: Array
    rest: Array
    values: Array
    rounding: float

    @property
    def least(self) -> Array:
        """The bound of each cell, shape (n,)."""
        return np.asarray(self.values.min(axis=0))

    def at(self, vertices: Array, error: Array) -> Array:
        """Return B at other vertices with coordinates of some relative error, shape (V, n)."""
        above = _dot("vn,ivn->in", self.slope, vertices)
        under = _dot("vn,ivn->in", self.curve, vertices * vertices)
        return _values(above, under, self.rest, self.rounding + error)

    def take(self, some: npt.NDArray[np.bool_]) -> Bounds:
        """Return the bounds of some of the cells."""
        slope, curve, values = (a[:, some] for a in (self.slope, self.curve, self.values))
        return Bounds(slope, curve, self.rest[some], values, self.rounding)

    def improve(self, some: Ints, other: Bounds) -> None:
        """Put other bounds of some of the cells in the place of lesser ones."""
        better = other.least > self.least[some]
        for name in ("slope", "curve", "rest", "values"):
            getattr(self, name)[..., some[better]] = getattr(other, name)[..., better]


@np.errstate(all="ignore")
def _values(above: Array, under: Array, rest: Array, rounding: Array | float) -> Array:
    """Return above^2 / under + rest, rounded down; that of a vertex without numbers is 0."""
    ratio = np.where(under > 0, above * above / under, np.where(above > 0, np.inf, 0.0))
    values = ratio * (1 - 4 * rounding) + rest
    return np.where(np.isnan(values), 0.0, values)


def _dot(form: str, a: Array, b: Array) -> Array:
    """Return a sum of products as `numpy.einsum` does."""
    out: Array = np.einsum(form, a, b)
    return out


@np.errstate(all="ignore")
def descend(faces: Faces, w: Array, steps: int) -> tuple[Array, Array]:
    """Return points of lower delay by Newton's method within the faces, and their delays.

    Each step tries a fixed set of lengths and keeps the best; a coordinate at 0 whose slope is
    positive stays there.

    Parameters
    ----------
    faces : Faces
    w : ndarray, shape (V, n)
        Stable points.
    steps : int
    """
    w = w / np.sqrt((w * w).sum(axis=0))
    value = faces.delay(w)
    lengths = 0.5 ** np.array([0, 1, 2, 4, 8, 16, 24])
    for _ in range(steps):
        slope, hessian = derivatives(faces, w)
        fixed = (w <= 0) & (slope >= 0)
        move = _newton_move(np.where(fixed, 0.0, slope), hessian, fixed)
        trial = np.maximum(w[..., None] + move[..., None] * lengths, 0.0)
        trial /= np.sqrt((trial * trial).sum(axis=0))
        tried = np.stack([faces.delay(trial[..., i]) for i in range(lengths.size)], axis=-1)
        pick = np.nanargmin(np.where(np.isnan(tried), np.inf, tried), axis=-1)
        rows = np.arange(w.shape[1])
        better = tried[rows, pick] < value
        if not better.any():
            break
        w = np.where(better, trial[:, rows, pick], w)
        value = np.where(better, tried[rows, pick], value)
    return w, value


def derivatives(faces: Faces, w: Array) -> tuple[Array, Array]:
    """Return the slope of T in w, shape (V, n), and its second derivatives, shape (n, V, V)."""
    n, d = faces.forms(w)
    busy = n > 0
    c = np.where(busy, n / d, 0.0)[:, None]
    pull = c * faces.spare * w
    slope = 2 * (c * (faces.root - pull)).sum(axis=0)
    turn = (faces.root - 2 * pull) / np.sqrt(np.where(busy, d, np.inf))[:, None]
    hessian = 2 * _dot("svn,sun->nvu", turn, turn)
    curve = -2 * (c * c * faces.spare).sum(axis=0)
    if faces.fixed is not None:  # |w| is 1
        apart = faces.fixed - (faces.fixed * w * w).sum(axis=0)
        slope = slope + 2 * apart * w
        both = _dot("vn,un->nvu", apart * w, w)
        hessian = hessian - 4 * (both + both.transpose(0, 2, 1))
        curve = curve + 2 * apart
    diagonal = np.arange(w.shape[0])
    hessian[:, diagonal, diagonal] += curve.T
    return slope, hessian


def _newton_move(slope: Array, hessian: Array, fixed: npt.NDArray[np.bool_]) -> Array:
    """Return the Newton step with the absolute values of the curvatures, shape (V, n)."""
    keep = (~fixed).T
    hessian = hessian * keep[:, :, None] * keep[:, None, :]
    hessian = np.where(np.isfinite(hessian), hessian, 0.0)
    curvature, axes = np.linalg.eigh(hessian)
    curvature = np.abs(curvature)
    curvature = np.maximum(curvature, 1e-9 * curvature.max(axis=1, keepdims=True) + 1e-300)
    along = _dot("nvk,vn->nk", axes, np.where(np.isfinite(slope), slope, 0.0))
    return -_dot("nvk,nk->vn", axes, along / curvature)
