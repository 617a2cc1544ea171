"""A cone program as arrays: what every solver of the benchmark gets, and what files hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .....reference.errors import Array


@dataclass(frozen=True)
class Cones:
    """The cone K of the rows, a product in this order.

    Attributes
    ----------
    zero, nonnegative : int
        Numbers of rows in {0} and in R_+.
    second_order : tuple of int
        Sizes of the second-order cones {(t, u): ||u|| <= t}.
    semidefinite : tuple of int
        Orders k of the semidefinite cones. A cone has k (k + 1) / 2 rows: the columns of the lower
        triangle one after another, entries off the diagonal times sqrt(2) (as in SCS).
    exponential : int
        Number of exponential cones cl {(a, b, c): b > 0, b exp(a / b) <= c}.
    power : tuple of float
        Exponents p of the power cones {(a, b, c): a, b >= 0, a^p b^(1 - p) >= |c|}.
    """

    zero: int = 0
    nonnegative: int = 0
    second_order: tuple[int, ...] = ()
    semidefinite: tuple[int, ...] = ()
    exponential: int = 0
    power: tuple[float, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows of all cones."""
        return int(self.parts()["power"].stop)

    @property
    def triangles(self) -> tuple[int, ...]:
        """Numbers of rows of the semidefinite cones."""
        return tuple(k * (k + 1) // 2 for k in self.semidefinite)

    def parts(self) -> dict[str, slice]:
        """Return the rows of each kind of cone, by the names of the attributes."""
        sizes = {
            "zero": self.zero,
            "nonnegative": self.nonnegative,
            "second_order": sum(self.second_order),
            "semidefinite": sum(self.triangles),
            "exponential": 3 * self.exponential,
            "power": 3 * len(self.power),
        }
        start, parts = 0, {}
        for name, size in sizes.items():
            parts[name] = slice(start, start + size)
            start += size
        return parts


@cache
def triangle(k: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array]:
    """Return the row i, the column j <= i and the factor of each entry of a semidefinite cone.

    The entries are those of the lower triangle of a matrix of order k, column after column; the
    factor is 1 on the diagonal and sqrt(2) off it.
    """
    columns, rows = np.triu_indices(k)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))


@dataclass(frozen=True, eq=False)
class ConeProgram:
    """Minimise x'Px / 2 + q'x + constant subject to Ax + s = b, s in K.

    The dual variable y of the rows has Px + q + A'y = 0, y in the dual cone of K, s'y = 0.

    Attributes
    ----------
    name : str
        Name of the instance.
    P : scipy.sparse.csc_array, shape (n, n)
        Symmetric and positive semidefinite, both triangles; without entries in a conic program.
    q : ndarray, shape (n,)
    A : scipy.sparse.csc_array, shape (m, n)
    b : ndarray, shape (m,)
    cones : Cones
    constant : float
    variables : mapping of str to (scipy.sparse.csc_array, tuple of int)
        By the name of a variable of the answer, the matrix R and the shape for which its value is
        ``(R @ x).reshape(shape, order="F")``.
    optimum : float
        The true optimum of the objective as it is minimised here; NaN where it is not known.
    maximise : bool
        Whether the user's problem maximises, so that its objective is minus this one.
    build_seconds, compile_seconds : float
        Times to write the problem, and of CVXPY's reduction to this form.
    """

    name: str
    P: sp.csc_array
    q: Array
    A: sp.csc_array
    b: Array
    cones: Cones
    constant: float = 0.0
    variables: Mapping[str, tuple[sp.csc_array, tuple[int, ...]]] = field(default_factory=dict)
    optimum: float = float("nan")
    maximise: bool = False
    build_seconds: float = 0.0
    compile_seconds: float = 0.0

    def objective(self, x: Array) -> float:
        """Return x'Px / 2 + q'x + constant, the objective as it is minimised here."""
        return float(x @ (self.P @ x) / 2 + self.q @ x + self.constant)

    def values(self, x: Array) -> dict[str, Array]:
        """Return the values of the variables of the answer at x, shape (n,), by name."""
        return {
            name: (matrix @ x).reshape(shape, order="F")
            for name, (matrix, shape) in self.variables.items()
        }
