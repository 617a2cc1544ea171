"""Best assignment of jobs to two modes as an exact semidefinite program.

On the stable interval the delay is N(u)/D(u), 0 <= u <= 1, with polynomials N and D of degree 2d
for d stages (see `sojourn.reference.service_modes.segment`). A number g is a lower bound of the
delay if and only if N - g D is nonnegative on [0, 1]. By the theorem of Lukacs, a polynomial of
degree 2d is nonnegative on [0, 1] if and only if it is s0 + u (1 - u) s1 with sums of squares s0
and s1 of degree 2d and 2d - 2. These are z' Q0 z and z' Q1 z with positive semidefinite Q0 and Q1.
All polynomials are written in the Bernstein basis.
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
MAX_STEPS = 60
"""Newton steps: 2 or 3 from a u known to 1e-7, more where the delay is flat near a breakaway."""
MAX_STEP = 1e-2
"""Longest Newton step: a longer one may lead to another critical point."""


@dataclass(frozen=True, eq=False)
class Program:
    """Semidefinite program with its variables; one program serves all systems of d stages.

    Attributes
    ----------
    problem : cvxpy.Problem
        Maximise `bound`.
    bound : cvxpy.Variable
        g, in units of the scale that `coefficients` returns.
    numerator, denominator : cvxpy.Parameter, shape (2d + 1,)
        Bernstein coefficients of N and D, each divided by its largest.
    gram0, gram1 : cvxpy.Variable, shapes (d + 1, d + 1) and (d, d)
        Q0 and Q1.
    identity : cvxpy.Constraint
        N - g D = s0 + u (1 - u) s1; its dual value holds the moments of the best u.
    """

    problem: cp.Problem
    bound: cp.Variable
    numerator: cp.Parameter
    denominator: cp.Parameter
    gram0: cp.Variable
    gram1: cp.Variable
    identity: cp.Constraint


def write(stages: int) -> Program:
    """Write the program for two modes and a number d of stages."""
    d = stages
    numerator = cp.Parameter(2 * d + 1, name="numerator")
    denominator = cp.Parameter(2 * d + 1, name="denominator")
    bound = cp.Variable(name="bound")
    gram0, gram1 = cp.Variable((d + 1, d + 1), PSD=True), cp.Variable((d, d), PSD=True)
    sums = _gram0_map(d) @ cp.vec(gram0, order="C") + _gram1_map(d) @ cp.vec(gram1, order="C")
    identity = numerator - bound * denominator == sums
    problem = cp.Problem(cp.Maximize(bound), [identity])
    return Program(problem, bound, numerator, denominator, gram0, gram1, identity)


@cache
def _gram0_map(d: int) -> Array:
    """Map from Q0 to the Bernstein coefficients of z' Q0 z.

    z_i = sqrt(C(d, i)) u^i (1 - u)^(d - i); shape (2d + 1, (d + 1)^2).
    """
    return _gram_map(d, 2 * d, 0)


@cache
def _gram1_map(d: int) -> Array:
    """Map from Q1 to the Bernstein coefficients of u (1 - u) z' Q1 z, z of degree d - 1."""
    return _gram_map(d - 1, 2 * d, 1)


def _gram_map(d: int, degree: int, shift: int) -> Array:
    out = np.zeros((degree + 1, d + 1, d + 1))
    for i, j in np.ndindex(d + 1, d + 1):
        k = i + j + shift
        out[k, i, j] = np.sqrt(float(comb(d, i)) * float(comb(d, j))) / float(comb(degree, k))
    return out.reshape(degree + 1, -1)


def coefficients(segment: Segment) -> tuple[Array, Array, Array]:
    """Return the values of the program's parameters, and the unit of its bound.

    Returns
    -------
    numerator, denominator : ndarray, shape (..., 2d + 1)
        Bernstein coefficients of N and D, each divided by its largest.
    scale : ndarray, shape (...)
        Largest coefficient of N over that of D, a time.
    """
    numerator, denominator = bernstein(segment)
    top, bottom = numerator.max(axis=-1), denominator.max(axis=-1)
    scale = np.asarray(top / bottom)
    return numerator / top[..., None], denominator / bottom[..., None], scale


def bernstein(segment: Segment) -> tuple[Array, Array]:
    """Return the Bernstein coefficients of N and D, shape (..., 2d + 1).

    Where two stages fill up at the same end, N and D share a zero there, which is cancelled.
    """
    numerator, denominator = segment.numerator, segment.denominator
    is_end = np.isin(np.arange(numerator.shape[-1]), (0, numerator.shape[-1] - 1))
    shared = np.any((numerator == 0) & (denominator == 0) & is_end, axis=-1)
    if shared.any():
        numerator, denominator = numerator.copy(), denominator.copy()
        for index in map(tuple, np.argwhere(shared)):
            numerator[index], denominator[index] = _cancel_common_zeros(
                numerator[index], denominator[index]
            )
    choose = _binomials(numerator.shape[-1] - 1)
    return numerator / choose, denominator / choose


def _cancel_common_zeros(numerator: Array, denominator: Array) -> tuple[Array, Array]:
    """Cancel common factors u and 1 - u; coefficients of u^k (1 - u)^(n - k), shape (n + 1,)."""
    for _ in range(2):  # the zero at u = 0, then, with the coefficients reversed, that at u = 1
        while numerator[0] == 0 and denominator[0] == 0 and len(numerator) > 1 and numerator.any():
            # multiplying by u + (1 - u) = 1 restores the degree
            numerator = np.convolve(numerator[1:], [1.0, 1.0])
            denominator = np.convolve(denominator[1:], [1.0, 1.0])
        numerator, denominator = numerator[::-1], denominator[::-1]
    return numerator, denominator


@cache
def _binomials(n: int) -> Array:
    """Binomial coefficients C(n, k), shape (n + 1,)."""
    return np.array([comb(n, k) for k in range(n + 1)], dtype=float)


def certified_bound(
    numerator: Array, denominator: Array, bound: npt.ArrayLike, gram0: Array, gram1: Array
) -> Array:
    """Return a lower bound of N/D that holds whatever the accuracy of the solver; shape (...).

    Parameters
    ----------
    numerator, denominator : ndarray, shape (..., 2d + 1)
        Values of the program's parameters.
    bound : array_like, shape (...)
    gram0, gram1 : ndarray, shapes (..., d + 1, d + 1) and (..., d, d)
        The solver's values of the variables.

    Notes
    -----
    Replace Q0 and Q1 by their positive semidefinite parts. The identity then leaves a remainder
    with Bernstein coefficients r. Where r >= -e N, coefficient by coefficient, (1 + e) N - g D is
    nonnegative and N/D >= g / (1 + e). The rounding error of the remainder is subtracted from r.
    """
    d, g = numerator.shape[-1] // 2, np.asarray(bound, dtype=float)[..., None]
    positive = squares(_psd_part(gram0), _psd_part(gram1))
    size = np.abs(numerator) + np.abs(g) * np.abs(denominator) + np.abs(positive)
    remainder = numerator - g * denominator - positive - 8 * (2 * d + 1) * EPS * size
    deficit = np.maximum(-remainder, 0.0)
    excess = np.minimum(
        _largest_ratio(deficit, numerator),
        _largest_ratio(deficit, _borrow_from_neighbours(numerator)),
    )
    return np.asarray(np.maximum(g[..., 0], 0.0) / (1 + excess))


def squares(gram0: Array, gram1: Array) -> Array:
    """Return the Bernstein coefficients of z' Q0 z + u (1 - u) z' Q1 z, shape (..., 2d + 1).

    Parameters
    ----------
    gram0, gram1 : ndarray, shapes (..., d + 1, d + 1) and (..., d, d)
        Q0 and Q1.
    """
    d = gram1.shape[-1]
    found = _flatten(gram0) @ _gram0_map(d).T + _flatten(gram1) @ _gram1_map(d).T
    return np.asarray(found)


def _flatten(matrix: Array) -> Array:
    return matrix.reshape(*matrix.shape[:-2], matrix.shape[-2] * matrix.shape[-1])


def _largest_ratio(dividend: Array, divisor: Array) -> Array:
    """Largest ratio along the last axis; 0/0 counts as 0."""
    unbounded = np.where(dividend > 0, np.inf, 0.0)
    return np.asarray(np.divide(dividend, divisor, out=unbounded, where=divisor > 0).max(axis=-1))


def _borrow_from_neighbours(coefficients: Array) -> Array:
    """Bernstein coefficients of a polynomial that is nowhere larger, and has fewer zeros.

    With a_k the coefficient of x^k, x = u / (1 - u), half of each a_k is kept and a quarter lent to
    each neighbour: (a_(k-1) x^(k-1) + a_(k+1) x^(k+1)) / 4 >= sqrt(a_(k-1) a_(k+1)) x^k / 2, by the
    inequality of the arithmetic and geometric mean. Two modes that share no server (f = 0 and 1)
    have every second coefficient 0.
    """
    choose = _binomials(coefficients.shape[-1] - 1)
    scaled = choose * coefficients
    out: Array = 0.5 * scaled
    out[..., 1:-1] += 0.5 * np.sqrt(scaled[..., :-2] * scaled[..., 2:])
    return np.asarray(out / choose)


def _psd_part(gram: Array) -> Array:
    """Symmetric part of a matrix with its negative eigenvalues replaced by 0."""
    values, vectors = np.linalg.eigh(0.5 * (gram + np.swapaxes(gram, -1, -2)))
    scaled = vectors * np.maximum(values, 0.0)[..., None, :]
    return np.asarray(scaled @ np.swapaxes(vectors, -1, -2))


def moment_candidates(moments: Array, d: int) -> Array:
    """Return the points u of [0, 1] that the moments indicate, and both ends of the interval.

    Parameters
    ----------
    moments : ndarray, shape (..., 2d + 1)
        Dual value of `Program.identity`.
    d : int
        Number of stages.

    Returns
    -------
    ndarray, shape (..., d + 3)
        NaN in the place of a root that is not real and positive.

    Notes
    -----
    The dual solution holds the moments of a mixture of point masses at the best u: of one point, or
    of two where both are equally good. The polynomial of least mean square under this mixture
    vanishes at these points. Where there is one point, the mean of the mixture is that point.
    """
    n = 2 * d
    total = moments.sum(axis=-1, keepdims=True)
    mass = np.where(total > 0, moments, -moments)
    mean = (mass @ np.arange(n + 1.0)) / (n * np.abs(total[..., 0]))
    root, k = np.sqrt(_binomials(d)), np.add.outer(np.arange(d + 1), np.arange(d + 1))
    moment_matrix = np.outer(root, root) * (mass / _binomials(n))[..., k]
    least = np.linalg.eigh(moment_matrix)[1][..., 0]
    ratio = _roots((least * root)[..., ::-1])
    real = np.where((ratio.real > 0) & np.isfinite(ratio.real), ratio.real, np.nan)
    ends = np.broadcast_to([0.0, 1.0], (*mean.shape, 2))
    points = np.concatenate([ends, mean[..., None], real / (1 + real)], axis=-1)
    return np.asarray(np.clip(points, 0.0, 1.0))


def _roots(coefficients: Array) -> npt.NDArray[np.complex128]:
    """Roots of polynomials, the highest power first, as `numpy.roots` of each; shape (..., degree).

    NaN in the last places where a polynomial has fewer roots.
    """
    degree = coefficients.shape[-1] - 1
    flat = coefficients.reshape(prod(coefficients.shape[:-1]), degree + 1)
    out = np.full((len(flat), degree), np.nan, dtype=complex)
    usable = np.isfinite(flat).all(axis=1)
    full_degree = usable & (flat[:, 0] != 0)
    companion = np.zeros((int(full_degree.sum()), degree, degree))
    companion[:, 0] = -flat[full_degree, 1:] / flat[full_degree, :1]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    finite = np.isfinite(companion).all(axis=(1, 2))
    out[np.flatnonzero(full_degree)[finite]] = np.linalg.eigvals(companion[finite])
    for row in np.flatnonzero(usable & np.isnan(out).all(axis=1)):
        roots = np.roots(flat[row])
        out[row, : roots.size] = roots
    return out.reshape(*coefficients.shape[:-1], degree)


def polish(segment: Segment, points: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.intp]]:
    """Improve points inside (0, 1) by Newton steps on the slope of the delay.

    Parameters
    ----------
    segment : Segment
        Of one load, or of K loads.
    points : array_like, shape (...) or (K, ...)
        Values of u; 0, 1 and NaN stay as they are.

    Returns
    -------
    u, steps : ndarray, shape of `points`
        A step that leads out of (0, 1), is longer than 0.01 or increases the delay is not taken and
        ends the iteration of its point.
    """
    shape, best = np.shape(points), np.atleast_1d(np.array(points, dtype=float))
    steps = np.zeros(best.shape, dtype=np.intp)
    many_loads = segment.start.ndim > 1
    slope = segment.slope_numerator()
    inside = np.argwhere((best > 0) & (best < 1))
    # one line and one row of slope coefficients for each point inside
    if many_loads:
        load_rows = inside[:, 0]
        lines, slopes = segment.rows(load_rows), slope[load_rows]
    else:
        lines, slopes = segment, np.broadcast_to(slope, (len(inside), slope.size))
    u = best[tuple(inside.T)]
    delay = _delay_at(lines, u, many_loads=many_loads)
    active = np.arange(len(inside))
    for _ in range(MAX_STEPS):
        curvature = _evaluate(_derivative(slopes[active]), u[active])
        convex = curvature > 0
        active, curvature = active[convex], curvature[convex]
        step = _evaluate(slopes[active], u[active]) / curvature
        new = u[active] - step
        near = (new > 0) & (new < 1) & (np.abs(step) <= MAX_STEP)
        active, new, step = active[near], new[near], step[near]
        active_lines = lines.rows(active) if many_loads else lines
        new_delay = _delay_at(active_lines, new, many_loads=many_loads)
        better = new_delay <= delay[active] * (1 + 4 * EPS)
        active, new, step = active[better], new[better], step[better]
        u[active], delay[active] = new, new_delay[better]
        index = tuple(inside[active].T)
        best[index] = new
        steps[index] += 1
        active = active[np.abs(step) > EPS * new]
        if not active.size:
            break
    return best.reshape(shape), steps.reshape(shape)


def _delay_at(lines: Segment, u: Array, *, many_loads: bool) -> Array:
    return lines.delay(u[:, None])[:, 0] if many_loads else lines.delay(u)


def _derivative(coefficients: Array) -> Array:
    """Coefficients of the derivative of sum c_k u^k (1 - u)^(n - k), of degree n - 1."""
    n = coefficients.shape[-1] - 1
    k = np.arange(n)
    return np.asarray(coefficients[..., 1:] * (k + 1) - coefficients[..., :-1] * (n - k))


def _evaluate(coefficients: Array, u: Array) -> Array:
    """Value of sum c_k u^k (1 - u)^(n - k) at u, shape (...), each u with its own coefficients.

    Horner's rule in u and in 1 - u.
    """
    total, power = np.zeros_like(u), np.ones_like(u)
    for k in range(coefficients.shape[-1]):
        total = total * (1 - u) + coefficients[..., k] * power
        power = power * u
    return total
