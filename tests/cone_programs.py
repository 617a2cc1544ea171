"""Random cone programs with a known optimum, for the tests of programs."""

import numpy as np
import scipy.sparse as sp

from sojourn.models.benchmarks.solvers.programs.cone_program import ConeProgram, Cones, triangle

KINDS = {
    "linear": Cones(zero=2, nonnegative=5),
    "second_order": Cones(zero=1, nonnegative=2, second_order=(3, 3, 4, 2, 3)),
    "one_row": Cones(second_order=(1, 1, 3, 1), nonnegative=6),
    "semidefinite": Cones(zero=1, semidefinite=(3, 1, 2)),
    "exponential": Cones(nonnegative=2, exponential=3),
    "power": Cones(zero=1, power=(0.2, 0.5, 0.9)),
    "all": Cones(2, 3, (2, 5, 5), (2, 3), 2, (0.3, 0.7)),
}
BY_SOLVER = {
    "CLARABEL": tuple(KINDS),
    "SCS": tuple(KINDS),
    "ECOS": ("linear", "second_order", "one_row", "exponential"),
}
"""The kinds of cones that each solver takes."""


def pair(cones, rng):
    """Return s in the cones and y in the dual cones with s'y = 0."""
    s, y = np.zeros(cones.rows), np.zeros(cones.rows)
    parts = cones.parts()
    y[parts["zero"]] = rng.normal(size=cones.zero)
    active = rng.random(cones.nonnegative) < 0.5
    size = rng.uniform(0.5, 2, cones.nonnegative)
    s[parts["nonnegative"]], y[parts["nonnegative"]] = size * ~active, size * active
    start = parts["second_order"].start
    for k in cones.second_order:
        u = rng.normal(size=k - 1)
        norm = np.linalg.norm(u)
        block = slice(start, start + k)
        s[block], y[block] = [norm, *u], rng.uniform(0.5, 2) * np.array([norm, *-u])
        start += k
    for k, rows in zip(cones.semidefinite, cones.triangles, strict=True):
        vectors = np.linalg.qr(rng.normal(size=(k, k)))[0]
        rank = rng.integers(0, k + 1)
        values = rng.uniform(0.5, 2, k)
        block = slice(start, start + rows)
        s[block] = packed(vectors * (values * (np.arange(k) < rank)) @ vectors.T)
        y[block] = packed(vectors * (values * (np.arange(k) >= rank)) @ vectors.T)
        start += rows
    for _ in range(cones.exponential):
        r, block = rng.uniform(-1, 1), slice(start, start + 3)
        s[block] = rng.uniform(0.5, 2) * np.array([r, 1, np.exp(r)])
        y[block] = rng.uniform(0.5, 2) * np.array([-1, r - 1, np.exp(-r)])
        start += 3
    for p in cones.power:
        a, b, sign, block = *rng.uniform(0.5, 2, 2), rng.choice([-1, 1]), slice(start, start + 3)
        c = a**p * b ** (1 - p)
        s[block] = [a, b, sign * c]
        y[block] = rng.uniform(0.5, 2) * np.array([p * c / a, (1 - p) * c / b, -sign])
        start += 3
    return s, y


def packed(matrix):
    """Return the rows of a semidefinite cone."""
    rows, columns, factor = triangle(len(matrix))
    return matrix[rows, columns] * factor


def random_program(cones, rng, n=6, *, quadratic=False):
    """Return a program, and an x and a y that are optimal by its conditions of optimality."""
    s, y = pair(cones, rng)
    A = rng.normal(size=(cones.rows, n)) * (rng.random((cones.rows, n)) < 0.7)
    x = rng.normal(size=n)
    root = rng.normal(size=(2, n)) if quadratic else np.zeros((0, n))
    root[:, ::3] = 0  # columns of zeros in P
    P = root.T @ root
    q = -(P @ x + A.T @ y)
    optimum = x @ P @ x / 2 + q @ x + 1.5
    program = ConeProgram(
        "random", sp.csc_array(P), q, sp.csc_array(A), A @ x + s, cones, 1.5, optimum=optimum
    )
    return program, x, y
