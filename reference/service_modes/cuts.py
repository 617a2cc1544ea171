"""Cells that are cut to the corner at their only low vertex.

Let a bound B, see `sojourn.reference.service_modes.cells.Bounds`, be at least b at all vertices u_j
of a cell but u_i. On the edge from u_i to u_j it is at least b from some c_j = u_i + t_j u_j
onwards. The points with B >= b are a convex cone, so that they hold the cone of all c_j and u_j,
and only the cone of u_i and the c_j is left.

*Proof.* A point sum_j x_j u_j with sum_(j != i) x_j / t_j <= x_i is one of the cone of u_i and the
c_j, with the weights x_j / t_j of c_j. Else, with f = x_i / sum_(j != i) x_j / t_j < 1, it is the
sum of f x_j / t_j c_j and (1 - f) x_j u_j over j != i.

Halves leave the others of V - 1 edges as they are; a cut shortens all at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..compensated_sum import EPS
from ..errors import Array
from .cells import Bounds, Ints

MARGIN = 0.1  # of t: what is left then passes the next bound more often
SMALLER = 0.8  # product of the parts of the edges that are left, at most: else a cell is halved
LEAST_PART = 1e-100  # of the largest coordinate of a vertex: squares of smaller ones lose digits
ROUNDINGS = 2  # of each coordinate of a cut vertex


@np.errstate(all="ignore")
def cut(
    vertices: Array, bounds: Bounds, target: Array, depth: Ints
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the vertices of the cells that are left, and which cells are worth the cut.

    Parameters
    ----------
    vertices : ndarray, shape (V, V, n)
        Vertex, coordinate, cell.
    bounds : Bounds
        Of the cells.
    target : ndarray, shape (n,)
        b: the delay is at least this on what is cut off.
    depth : ndarray of int, shape (n,)
        Roundings of the coordinates of the vertices, at most.

    Returns
    -------
    vertices : ndarray, shape (V, V, n)
        Their coordinates have `ROUNDINGS` roundings more.
    is_cut : ndarray of bool, shape (n,)
        Where all but one of the vertices reach the target, and much is cut off.
    """
    failed = bounds.values < target
    corner, row = failed.argmax(axis=0), np.arange(target.size)
    apex = vertices[corner, :, row].T
    moved = apex + _lengths(vertices, apex, bounds, target - bounds.rest)[:, None] * vertices
    moved = np.ldexp(moved, -np.frexp(moved.max(axis=1, keepdims=True))[1])
    error: Array = np.multiply(depth + ROUNDINGS, EPS, dtype=float)
    good = np.isfinite(moved).all(axis=1) & has_all_digits(moved)
    good &= (bounds.at(moved, error) >= target) & (np.arange(len(vertices))[:, None] != corner)
    moved = np.where(good[:, None], moved, vertices)
    home = apex / apex.sum(axis=0)
    ends = (a / a.sum(axis=1, keepdims=True) for a in (moved, vertices))
    new, old = (np.abs(end - home).sum(axis=1) for end in ends)
    part = np.where(good, new / old, 1.0).prod(axis=0)
    return moved, (failed.sum(axis=0) == 1) & (part <= SMALLER)


def has_all_digits(vertices: Array) -> npt.NDArray[np.bool_]:
    """Return whether the coordinates of vertices, along axis 1, are 0 or not too small."""
    small = vertices < LEAST_PART * vertices.max(axis=1, keepdims=True)
    return np.asarray(~(small & (vertices > 0)).any(axis=1))


def _lengths(vertices: Array, apex: Array, bounds: Bounds, level: Array) -> Array:
    """Return t_j, the root of (q.c_j)^2 = level k.c_j^2, shape (V, n)."""
    q, k = bounds.slope, bounds.curve
    along, home = np.einsum("vn,ivn->in", q, vertices), (q * apex).sum(axis=0)
    a = along**2 - level * np.einsum("vn,ivn->in", k, vertices * vertices)
    b = along * home - level * np.einsum("vn,ivn->in", k * apex, vertices)
    c = home**2 - level * (k * apex * apex).sum(axis=0)
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    t: Array = np.where(b > 0, -c / (b + root), (root - b) / a)
    return t * (1 + MARGIN)
