"""The best assignment of jobs to two modes as an exact semidefinite program.

The delay along the stable interval is N(u)/D(u), 0 <= u <= 1 (see `sojourn.reference.service_modes.segment`). A number g is a lower bound of it
exactly when N - g D is nonnegative there, and a polynomial of even degree 2d is so exactly when it is s0 + u (1 - u) s1 with s0, s1 sums of
squares of degree 2d and 2d - 2 (Lukacs): z' Q0 z and z' Q1 z with Q0, Q1 positive semidefinite. All is written in the Bernstein basis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb, prod

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ....reference.errors import Array
from ....reference.service_modes import Segment

EPS = float(np.finfo(float).eps)
NEWTON = 60  # steps: 2 or 3 for a p known to 1e-7; they slow down where the delay is flat, as at a breakaway without a jump
BRACKET = 1e-2  # distance up to which a Newton step is that of the same critical point


@dataclass(frozen=True, eq=False)
class Program:
    """The semidefinite program with its handles; one serves all loads of a system.

    Attributes
    ----------
    problem : cvxpy.Problem
        Maximise the bound.
    bound : cvxpy.Variable
        g, in units of the ratio of the scales.
    above, below : cvxpy.Parameter, shape (2d + 1,)
        Bernstein coefficients of N and D, each divided by its largest.
    outer, inner : cvxpy.Variable, shapes (d + 1, d + 1) and (d, d)
        Q0 and Q1.
    identity : cvxpy.Constraint
        N - g D = s0 + u (1 - u) s1; its dual are the moments of the best u.
    """

    problem: cp.Problem
    bound: cp.Variable
    above: cp.Parameter
    below: cp.Parameter
    outer: cp.Variable
    inner: cp.Variable
    identity: cp.Constraint


def write(stages: int) -> Program:
    """Write the program for two modes at a number of stages: polynomials of degree 2 stages."""
    d = stages
    above, below = cp.Parameter(2 * d + 1, name="above"), cp.Parameter(2 * d + 1, name="below")
    bound, outer, inner = (
        cp.Variable(name="bound"),
        cp.Variable((d + 1, d + 1), PSD=True),
        cp.Variable((d, d), PSD=True),
    )
    squares = _outer(d) @ cp.vec(outer, order="C") + _inner(d) @ cp.vec(inner, order="C")
    identity = above - bound * below == squares
    return Program(
        cp.Problem(cp.Maximize(bound), [identity]), bound, above, below, outer, inner, identity
    )


@cache
def _outer(d: int) -> Array:
    """Map from Q0 to the Bernstein coefficients of z' Q0 z, z_i = sqrt(C(d, i)) u^i (1-u)^(d-i)."""
    return _square(d, 2 * d, 0)


@cache
def _inner(d: int) -> Array:
    """Map from Q1 to the Bernstein coefficients of u (1 - u) z' Q1 z, z of degree d - 1."""
    return _square(d - 1, 2 * d, 1)


def _square(d: int, degree: int, shift: int) -> Array:
    out = np.zeros((degree + 1, d + 1, d + 1))
    for i, j in np.ndindex(d + 1, d + 1):
        out[i + j + shift, i, j] = np.sqrt(float(comb(d, i)) * float(comb(d, j))) / float(
            comb(degree, i + j + shift)
        )
    return out.reshape(degree + 1, -1)


def coefficients(along: Segment) -> tuple[Array, Array, Array]:
    """Values of the program's parameters, shape (..., 2d + 1), and the ratio of their scales, shape (...)."""
    above, below = bernstein(along)
    top, bottom = above.max(axis=-1), below.max(axis=-1)
    return above / top[..., None], below / bottom[..., None], np.asarray(top / bottom)


def bernstein(along: Segment) -> tuple[Array, Array]:
    """Bernstein coefficients of N and D; a zero that they share at an end, where two stages fill up at once, is divided out."""
    above, below = along.numerator, along.denominator
    shared = np.any((above == 0) & (below == 0) & _at_end(above.shape[-1]), axis=-1)
    if shared.any():
        above, below = above.copy(), below.copy()
        for k in np.argwhere(shared):
            above[tuple(k)], below[tuple(k)] = _divided_out(above[tuple(k)], below[tuple(k)])
    choose = _choose(above.shape[-1] - 1)
    return above / choose, below / choose


def _at_end(size: int) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(size), (0, size - 1))


def _divided_out(above: Array, below: Array) -> tuple[Array, Array]:
    for _ in range(2):
        while above[0] == 0 and below[0] == 0 and len(above) > 1 and above.any():
            # what u is divided out of is raised to its degree again by u + (1 - u) = 1
            above, below = np.convolve(above[1:], [1.0, 1.0]), np.convolve(below[1:], [1.0, 1.0])
        above, below = above[::-1], below[::-1]
    return above, below


@cache
def _choose(n: int) -> Array:
    """Binomial coefficients C(n, k)."""
    return np.array([comb(n, k) for k in range(n + 1)], dtype=float)


def certified_bound(
    above: Array, below: Array, bound: npt.ArrayLike, outer: Array, inner: Array
) -> Array:
    """Lower bound of above/below from the bound and the Gram matrices that a solver returned, right whatever their accuracy; shape (...).

    With their negative eigenvalues cut off, what remains of the identity is a polynomial with coefficients r. Where r >= -e above, coefficient
    by coefficient, (1 + e) N - g D is nonnegative, and N/D >= g / (1 + e). Rounding is counted in.
    """
    d, g = above.shape[-1] // 2, np.asarray(bound, dtype=float)[..., None]
    squares = _flat(_nonnegative(outer)) @ _outer(d).T + _flat(_nonnegative(inner)) @ _inner(d).T
    size = np.abs(above) + np.abs(g) * np.abs(below) + np.abs(squares)
    lacking = np.maximum(-(above - g * below - squares - 8 * (2 * d + 1) * EPS * size), 0.0)
    excess = np.minimum(_largest_ratio(lacking, above), _largest_ratio(lacking, _evened(above)))
    return np.asarray(np.maximum(g[..., 0], 0.0) / (1 + excess))


def _flat(matrix: Array) -> Array:
    return matrix.reshape(*matrix.shape[:-2], matrix.shape[-2] * matrix.shape[-1])


def _largest_ratio(some: Array, other: Array) -> Array:
    return np.asarray(
        np.divide(some, other, out=np.where(some > 0, np.inf, 0.0), where=other > 0).max(axis=-1)
    )


def _evened(coefficients: Array) -> Array:
    """Coefficients of a polynomial that is nowhere larger, in which a small one leans on its neighbours.

    Half of each is kept, a quarter lent to each side, where x^(k-1) and x^(k+1) together exceed x^k: the arithmetic mean the geometric one.
    Two modes that share no server (f = 0 and 1) have every second coefficient 0.
    """
    choose = _choose(coefficients.shape[-1] - 1)
    scaled = choose * coefficients
    out: Array = 0.5 * scaled
    out[..., 1:-1] += 0.5 * np.sqrt(scaled[..., :-2] * scaled[..., 2:])
    return np.asarray(out / choose)


def _nonnegative(gram: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (gram + np.swapaxes(gram, -1, -2)))
    return np.asarray(
        (vectors * np.maximum(values, 0.0)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    )


def candidates(moments: Array, d: int) -> Array:
    """Points u in [0, 1] that the moments speak of, and both ends; shape (..., d + 3), NaN for those that are none.

    A dual answer is a mixture of point masses at the best u, one or (where two are equally good) two of them. The polynomial of least mean
    square under it vanishes there, its mean is the point itself where there is one.
    """
    n = 2 * d
    whole = moments.sum(axis=-1, keepdims=True)
    mass = np.where(whole > 0, moments, -moments)
    mean = (mass @ np.arange(n + 1.0)) / (n * np.abs(whole[..., 0]))
    root, k = np.sqrt(_choose(d)), np.add.outer(np.arange(d + 1), np.arange(d + 1))
    matrix = np.outer(root, root) * (mass / _choose(n))[..., k]
    least = np.linalg.eigh(matrix)[1][..., 0]
    ratio = _roots((least * root)[..., ::-1])
    real = np.where((ratio.real > 0) & np.isfinite(ratio.real), ratio.real, np.nan)
    ends = np.broadcast_to([0.0, 1.0], (*mean.shape, 2))
    points: Array = np.clip(
        np.concatenate([ends, mean[..., None], real / (1 + real)], axis=-1), 0.0, 1.0
    )
    return points


def _roots(coefficients: Array) -> npt.NDArray[np.complex128]:
    """Roots of polynomials, the highest power first, shape (..., degree), NaN where there are fewer; of companion matrices, as `np.roots`."""
    degree = coefficients.shape[-1] - 1
    flat = coefficients.reshape(prod(coefficients.shape[:-1]), degree + 1)
    out = np.full((len(flat), degree), np.nan, dtype=complex)
    whole = (flat[:, 0] != 0) & np.isfinite(flat).all(axis=1)
    companion = np.zeros((int(whole.sum()), degree, degree))
    companion[:, 0] = -flat[whole, 1:] / flat[whole, :1]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    finite = np.isfinite(companion).all(axis=(1, 2))
    out[np.flatnonzero(whole)[finite]] = np.linalg.eigvals(companion[finite])
    for row in np.flatnonzero(np.isfinite(flat).all(axis=1) & np.isnan(out).all(axis=1)):
        fewer = np.roots(flat[row])
        out[row, : fewer.size] = fewer
    return out.reshape(*coefficients.shape[:-1], degree)


def polish(along: Segment, points: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.intp]]:
    """Newton steps on the slope of the delay from points inside, and their number; the point itself where they lead away or gain nothing.

    Points have shape (...), at K loads (K, ...).
    """
    shape, best = np.shape(points), np.atleast_1d(np.array(points, dtype=float))
    steps = np.zeros(best.shape, dtype=np.intp)
    many = along.start.ndim > 1
    slope = along.slope_numerator()
    where = np.argwhere((best > 0) & (best < 1))
    rows = where[:, 0] if many else np.zeros(len(where), dtype=np.intp)
    # every point beside its own load
    lines, slopes = (
        (along.rows(rows), slope[rows])
        if many
        else (along, np.broadcast_to(slope, (len(where), slope.size)))
    )
    u = best[tuple(where.T)]
    delay = _delay_at(lines, u, many=many)
    on = np.arange(len(where))
    for _ in range(NEWTON):
        rate = _value(_differences(slopes[on]), u[on])
        ahead = rate > 0
        on, rate = on[ahead], rate[ahead]
        step = _value(slopes[on], u[on]) / rate
        new = u[on] - step
        near = (new > 0) & (new < 1) & (np.abs(step) <= BRACKET)
        on, new, step = on[near], new[near], step[near]
        there = _delay_at(lines.rows(on) if many else lines, new, many=many)
        better = there <= delay[on] * (1 + 4 * EPS)
        on, new, step, there = on[better], new[better], step[better], there[better]
        u[on], delay[on] = new, there
        index = tuple(where[on].T)
        best[index] = new
        steps[index] += 1
        on = on[np.abs(step) > EPS * new]
        if not on.size:
            break
    return best.reshape(shape), steps.reshape(shape)


def _delay_at(lines: Segment, u: Array, *, many: bool) -> Array:
    return lines.delay(u[:, None])[:, 0] if many else lines.delay(u)


def _differences(coefficients: Array) -> Array:
    """Coefficients of the derivative of sum c_k u^k (1-u)^(n-k), of degree n - 1."""
    n = coefficients.shape[-1] - 1
    k = np.arange(n)
    return np.asarray(coefficients[..., 1:] * (k + 1) - coefficients[..., :-1] * (n - k))


def _value(coefficients: Array, u: Array) -> Array:
    """Value of sum c_k u^k (1-u)^(n-k) at u, shape (...), each with its own coefficients: Horner's rule in both."""
    total, power = np.zeros_like(u), np.ones_like(u)
    for k in range(coefficients.shape[-1]):
        total = total * (1 - u) + coefficients[..., k] * power
        power = power * u
    return total
