"""The best assignment of jobs to two modes as an exact semidefinite program.

The delay along the stable interval is N(u)/D(u), 0 <= u <= 1 (see `sojourn.reference.dual_mode.segment`). A number g is a lower bound of it
exactly when N - g D is nonnegative there, and a polynomial of even degree 2d is so exactly when it is s0 + u (1 - u) s1 with s0, s1 sums of
squares of degree 2d and 2d - 2 (Lukacs): z' Q0 z and z' Q1 z with Q0, Q1 positive semidefinite. All is written in the Bernstein basis.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import comb
from typing import Any

import cvxpy as cp
import numpy as np

from sojourn.models.solving.engine import run
from sojourn.models.solving.solution import Attempt, Timing
from sojourn.reference.dual_mode import Segment
from sojourn.reference.errors import Array

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
    bound, outer, inner = cp.Variable(name="bound"), cp.Variable((d + 1, d + 1), PSD=True), cp.Variable((d, d), PSD=True)
    squares = _outer(d) @ cp.vec(outer, order="C") + _inner(d) @ cp.vec(inner, order="C")
    identity = above - bound * below == squares
    return Program(cp.Problem(cp.Maximize(bound), [identity]), bound, above, below, outer, inner, identity)


def _outer(d: int) -> Array:
    """Map from Q0 to the Bernstein coefficients of z' Q0 z, z_i = sqrt(C(d, i)) u^i (1-u)^(d-i)."""
    return _square(d, 2 * d, 0)


def _inner(d: int) -> Array:
    """Map from Q1 to the Bernstein coefficients of u (1 - u) z' Q1 z, z of degree d - 1."""
    return _square(d - 1, 2 * d, 1)


def _square(d: int, degree: int, shift: int) -> Array:
    out = np.zeros((degree + 1, d + 1, d + 1))
    for i, j in np.ndindex(d + 1, d + 1):
        out[i + j + shift, i, j] = np.sqrt(float(comb(d, i)) * float(comb(d, j))) / float(comb(degree, i + j + shift))
    return out.reshape(degree + 1, -1)


@dataclass(frozen=True, eq=False)
class Bounded:
    """What a solver said of a segment.

    Attributes
    ----------
    lower_bound : float
        Certified: no delay on the segment is below it, whatever the solver's word for its answer.
    points : ndarray
        Where on the segment the moments say that the least delay is: candidates, one or two of them right.
    status : str
    timing : Timing
    problem : cvxpy.Problem
    """

    lower_bound: float
    points: Array
    status: str
    timing: Timing
    problem: cp.Problem


def ask(program: Program, along: Segment, solver: str, options: Any) -> tuple[Bounded | None, Attempt]:
    """Return a solver's bound and moments, if it has them, and the record of the attempt."""
    started = time.perf_counter()
    above, below = bernstein(along)
    top, bottom = above.max(), below.max()
    program.above.value, program.below.value = above / top, below / bottom
    built = time.perf_counter()
    ran = run(program.problem, solver, options)
    finishing = time.perf_counter()
    answer = (program.bound.value, program.outer.value, program.inner.value, program.identity.dual_value)
    if any(v is None or not np.all(np.isfinite(v)) for v in answer):
        return None, Attempt(solver, "sos", ran.status, np.inf, finishing - started)
    bound, outer, inner, moments = (np.asarray(v, dtype=float) for v in answer)
    lower = float(certified_bound(above / top, below / bottom, float(bound), outer, inner) * top / bottom)
    points = candidates(moments, len(above) // 2)
    found = Bounded(
        lower, points, ran.status, Timing(built - started, ran.compile, ran.solve, time.perf_counter() - finishing), program.problem
    )
    return found, Attempt(solver, "sos", ran.status, np.inf, time.perf_counter() - started)


def bernstein(along: Segment) -> tuple[Array, Array]:
    """Bernstein coefficients of N and D; a zero that they share at an end, where two stages fill up at once, is divided out."""
    above, below = along.numerator, along.denominator
    for _ in range(2):
        while above[0] == 0 and below[0] == 0 and len(above) > 1 and above.any():
            # what u is divided out of is raised to its degree again by u + (1 - u) = 1
            above, below = np.convolve(above[1:], [1.0, 1.0]), np.convolve(below[1:], [1.0, 1.0])
        above, below = above[::-1], below[::-1]
    choose = np.array([comb(len(above) - 1, k) for k in range(len(above))], dtype=float)
    return above / choose, below / choose


def certified_bound(above: Array, below: Array, bound: float, outer: Array, inner: Array) -> float:
    """Lower bound of above/below from the bound and the Gram matrices that a solver returned, right whatever their accuracy.

    With their negative eigenvalues cut off, what remains of the identity is a polynomial with coefficients r. Where r >= -e above, coefficient
    by coefficient, (1 + e) N - g D is nonnegative, and N/D >= g / (1 + e). Rounding is counted in.
    """
    d = len(above) // 2
    squares = _outer(d) @ _nonnegative(outer).ravel() + _inner(d) @ _nonnegative(inner).ravel()
    size = np.abs(above) + abs(bound) * np.abs(below) + np.abs(squares)
    lacking = np.maximum(-(above - bound * below - squares - 8 * len(above) * EPS * size), 0.0)
    excess = min(_largest_ratio(lacking, floor) for floor in (above, _evened(above)))
    return max(bound, 0.0) / (1 + excess)


def _largest_ratio(some: Array, other: Array) -> float:
    return float(np.divide(some, other, out=np.where(some > 0, np.inf, 0.0), where=other > 0).max())


def _evened(coefficients: Array) -> Array:
    """Coefficients of a polynomial that is nowhere larger, in which a small one leans on its neighbours.

    Half of each is kept, a quarter lent to each side, where x^(k-1) and x^(k+1) together exceed x^k: the arithmetic mean the geometric one.
    Two modes that share no server (f = 0 and 1) have every second coefficient 0.
    """
    n = len(coefficients) - 1
    choose = np.array([comb(n, k) for k in range(n + 1)], dtype=float)
    scaled = choose * coefficients
    out: Array = 0.5 * scaled
    out[1:-1] += 0.5 * np.sqrt(scaled[:-2] * scaled[2:])
    return np.asarray(out / choose)


def _nonnegative(gram: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (gram + gram.T))
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def candidates(moments: Array, d: int) -> Array:
    """Points u in [0, 1] that the moments speak of, and both ends.

    A dual answer is a mixture of point masses at the best u, one or (where two are equally good) two of them. The polynomial of least mean
    square under it vanishes there, its mean is the point itself where there is one.
    """
    n = 2 * d
    mass = moments if moments.sum() > 0 else -moments
    mean = (mass @ np.arange(n + 1)) / (n * mass.sum())
    root = np.sqrt(np.array([comb(d, i) for i in range(d + 1)], dtype=float))
    k = np.add.outer(np.arange(d + 1), np.arange(d + 1))
    matrix = np.outer(root, root) * (mass / np.array([comb(n, j) for j in range(n + 1)], dtype=float))[k]
    least = np.linalg.eigh(matrix)[1][:, 0]
    ratio = np.roots((least * root)[::-1])
    real = ratio.real[(ratio.real > 0) & np.isfinite(ratio.real)]
    points: Array = np.clip(np.concatenate([[0.0, 1.0, mean], real / (1 + real)]), 0.0, 1.0)
    return points


def polish(along: Segment, point: float) -> tuple[float, int]:
    """Newton steps on the slope of the delay from a point inside; the point itself where they lead away or gain nothing."""
    slope = along.slope_numerator()
    k = np.arange(len(slope))
    best, steps = point, 0
    u = point
    for _ in range(NEWTON):
        value = float((slope * u**k * (1 - u) ** k[::-1]).sum())
        rate = _derivative(slope, u)
        if rate <= 0 or not 0 < u - value / rate < 1 or abs(value / rate) > BRACKET:
            break
        u -= value / rate
        if float(along.delay(u)) > float(along.delay(best)) * (1 + 4 * EPS):
            break
        best, steps = u, steps + 1
        if abs(value / rate) <= EPS * u:
            break
    return best, steps


def _derivative(coefficients: Array, u: float) -> float:
    """d/du of sum c_k u^k (1-u)^(n-k)."""
    n = len(coefficients) - 1
    k = np.arange(n)
    by_u, by_rest = coefficients[1:] * (k + 1), coefficients[:-1] * (n - k)
    return float(((by_u - by_rest) * u**k * (1 - u) ** k[::-1]).sum())
