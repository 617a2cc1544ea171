"""Distances of vectors from the cones of a program, and from their dual cones.

The distances from linear, second-order and semidefinite cones are exact. Those from exponential
and power cones are distances to a point of the cone: upper bounds, equal to the distance up to the
accuracy of a bisection (in exponential cones where the nearest ray has a ratio a / b to 700). The
dual exponential and dual power cones are linear images of the cones themselves; the distance is
that in the image, at least the distance, and at most its product with e or 1 / min(p, 1 - p).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .....reference.errors import Array
from .cone_program import Cones, triangle

STEPS = 90
"""Halvings of an interval: more than the bits of a float."""
STEEPEST = 700.0
"""Largest ratio a / b in an exponential cone that is looked at: above, exp(a / b) overflows."""


def distances(cones: Cones, s: Array, *, dual: bool = False) -> Array:
    """Return the Euclidean distance of each block of a vector from its cone.

    Parameters
    ----------
    cones : Cones
    s : ndarray, shape (m,)
        Finite numbers.
    dual : bool, default False
        Whether to take the dual cones.

    Returns
    -------
    ndarray
        One distance for each row of the linear cones and for each other cone, 0 inside.
    """
    with np.errstate(all="ignore"):  # overflow leads to a distance of infinity or to no point
        parts = list(_parts(cones, s, dual=dual))
    return np.concatenate(parts)


def _parts(cones: Cones, s: Array, *, dual: bool) -> Iterator[Array]:
    rows = cones.parts()
    yield np.zeros(cones.zero) if dual else abs(s[rows["zero"]])
    yield np.maximum(-s[rows["nonnegative"]], 0.0)
    yield second_order(np.array(cones.second_order, dtype=np.intp), s[rows["second_order"]])
    yield semidefinite(cones, s[rows["semidefinite"]])
    a, b, c = s[rows["exponential"]].reshape(-1, 3).T
    yield exponential(-b, -a, np.e * c) if dual else exponential(a, b, c)
    a, b, c = s[rows["power"]].reshape(-1, 3).T
    p = np.array(cones.power)
    yield power(a / p, b / (1 - p), c, p) if dual else power(a, b, c, p)


def second_order(sizes: Array, s: Array) -> Array:
    """Return the distances of blocks of the given sizes from second-order cones."""
    if not sizes.size:
        return np.empty(0)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    t, squares = s[first], s * s
    squares[first] = 0.0
    length = np.sqrt(np.add.reduceat(squares, first))
    inside, polar = length <= t, length <= -t
    return np.where(inside, 0.0, np.where(polar, np.hypot(t, length), (length - t) / np.sqrt(2)))


def semidefinite(cones: Cones, s: Array) -> Array:
    """Return the distances of blocks from semidefinite cones."""
    found, start = [], 0
    for k, size in zip(cones.semidefinite, cones.triangles, strict=True):
        rows, columns, factor = triangle(k)
        square = np.zeros((k, k))
        square[rows, columns] = s[start : start + size] / factor
        start += size
        largest = abs(square).max() or 1.0  # eigenvalues of numbers near the largest overflow
        negative = np.minimum(np.linalg.eigvalsh(square / largest, UPLO="L"), 0.0)
        found.append(largest * float(np.linalg.norm(negative)))
    return np.array(found)


def exponential(a: Array, b: Array, c: Array) -> Array:
    """Return the distances of points (a, b, c), shape (n,) each, from the exponential cone.

    The nearest point is on the face {a <= 0, b = 0, c >= 0} or on a ray (r, 1, exp(r)) times
    l >= 0; r is the zero of an increasing function (H. A. Friberg, *Projection onto the exponential
    cone: a univariate root-finding problem*, 2023). Any ray gives a point of the cone.
    """
    face = _length(np.maximum(a, 0), b, np.minimum(c, 0))
    up = np.where(b > 0, np.maximum(b * np.exp(a / b) - c, 0), np.inf)
    across = np.where((b > 0) & (c > 0), np.maximum(a - b * np.log(c / b), 0), np.inf)
    best = np.fmin(face, np.fmin(np.fmin(up, across), _length(a, b, c)))
    open_ = np.flatnonzero((best > 0) & ~((a <= 0) & (b <= 0)))
    if open_.size:
        best[open_] = np.fmin(best[open_], _to_ray(a[open_], b[open_], c[open_]))
    return np.asarray(best)


def _length(a: Array, b: Array, c: Array) -> Array:
    """Return the distances from the vertex."""
    return np.hypot(np.hypot(a, b), c)


def _to_ray(a: Array, b: Array, c: Array) -> Array:
    """Return the distances to the ray that a bisection finds."""
    low = np.where(a > 0, 1 - b / a, -STEEPEST)
    high = np.where(b > 0, a / b, STEEPEST)
    low, high = np.clip(low, -STEEPEST, STEEPEST), np.clip(high, -STEEPEST, STEEPEST)
    for _ in range(STEPS):
        r = (low + high) / 2
        scale = r * r - r + 1
        primal, polar = ((r - 1) * a + b) / scale, (a - r * b) / scale
        above = primal * np.exp(r) - polar * np.exp(-r) > c
        low, high = np.where(above, low, r), np.where(above, r, high)
    # the ray in a scale in which its longest entry is near 1
    shrink = np.exp(-np.maximum(r, 0.0))
    ray = np.array([r * shrink, shrink, np.exp(np.minimum(r, 0.0))])
    along = np.maximum((ray * [a, b, c]).sum(axis=0), 0.0) / (ray * ray).sum(axis=0)
    return _length(*(along * ray - [a, b, c]))


def power(a: Array, b: Array, c: Array, p: Array) -> Array:
    """Return the distances of points (a, b, c) from the cones a^p b^(1 - p) >= |c|, shape (n,).

    The nearest point has the coordinates ``(a + sqrt(a^2 + 4 p r (|c| - r))) / 2`` and the same of
    b with 1 - p, where r <= |c| is the size of its third one (L. T. K. Hien, *Differential
    properties of Euclidean projection onto power cone*, 2015). Any r gives a point of the cone.
    """
    size = abs(c)
    short = np.maximum(size - _mean(np.maximum(a, 0), np.maximum(b, 0), p), 0)
    plain = _length(np.minimum(a, 0), np.minimum(b, 0), short)
    low, high = np.zeros_like(size), size.copy()  # of |c| - r, small where the point is near
    for _ in range(STEPS):
        gap = (low + high) / 2
        enough = _mean(_moved(a, p, size, gap), _moved(b, 1 - p, size, gap), p) >= size - gap
        low, high = np.where(enough, low, gap), np.where(enough, gap, high)
    x, y = _moved(a, p, size, high), _moved(b, 1 - p, size, high)
    short = np.maximum(size - _mean(x, y, p), 0.0)
    near = _length(x - a, y - b, short)
    return np.asarray(np.where(plain > 0, np.fmin(plain, near), 0.0))


def _mean(a: Array, b: Array, p: Array) -> Array:
    """Return the weighted geometric mean."""
    return np.asarray(a**p * b ** (1 - p))


def _moved(a: Array, p: Array, size: Array, gap: Array) -> Array:
    """Return the coordinate of the nearest point at a gap |c| - r, without cancellation."""
    product = p * (size - gap) * gap
    root = np.hypot(a, 2 * np.sqrt(product))
    return np.where(a >= 0, (a + root) / 2, 2 * product / np.where(a >= 0, 1.0, root - a))
