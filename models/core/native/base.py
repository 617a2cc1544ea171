"""One problem in a solver's hands, solved again and again with new data: what stays is handed over once.

A session is the solver's own Python interface and nothing else. Clarabel and SCS overwrite their data in place; SCS starts from its last
answer, and factors again only where the matrix is new; ECOS keeps nothing.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cvxpy.settings as words
import numpy as np
import scipy.sparse as sp

from ....reference.errors import Array


@dataclass(frozen=True, eq=False)
class ConeProgram:
    """Minimise x'Px/2 + c'x subject to Ax + s = b, s in a product of cones.

    Attributes
    ----------
    quadratic : csc_array or None
        Upper triangle of P.
    linear : ndarray, shape (n,)
        c.
    matrix : csc_matrix, shape (m, n)
        A; its pattern stays.
    right : ndarray, shape (m,)
        b.
    dims : cvxpy ConeDims
        The cones, in the order of the rows.
    """

    quadratic: sp.csc_array | None
    linear: Array
    matrix: sp.csc_matrix
    right: Array
    dims: Any


@dataclass(frozen=True, eq=False)
class Changes:
    """K times new data: `right` of shape (K, m), `linear` of shape (K, n) and `entries` of A of shape (K, nnz), None where they stay."""

    right: Array
    linear: Array | None
    entries: Array | None

    def apply(self, program: ConeProgram, k: int) -> ConeProgram:
        """Return the k-th program."""
        old = program.matrix
        matrix = (
            old
            if self.entries is None
            else sp.csc_matrix((self.entries[k], old.indices, old.indptr), shape=old.shape)
        )
        return replace(
            program,
            right=self.right[k],
            matrix=matrix,
            linear=program.linear if self.linear is None else self.linear[k],
        )


@dataclass(frozen=True, eq=False)
class Raw:
    """What a solver returned K times.

    Attributes
    ----------
    x : ndarray, shape (K, n)
        NaN where there is no answer.
    dual : ndarray, shape (K, zero)
        Duals of the equalities, in the order and sign of the solver.
    status : tuple of str
        CVXPY's word for each outcome, or the error that the solver raised.
    seconds : ndarray, shape (K,)
    """

    x: Array
    dual: Array
    status: tuple[str, ...]
    seconds: Array


class Session(ABC):
    """A solver at work on programs of one pattern.

    Parameters
    ----------
    program : ConeProgram
    options : mapping
        The solver's own.
    """

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        self.program, self.options = program, dict(options)

    @abstractmethod
    def one(self, changes: Changes, k: int) -> tuple[Any, Any, str]:
        """Return x, the duals (those of the equalities first) and the word for the k-th program."""

    def solve(self, changes: Changes) -> Raw:
        """Return the raw answers."""
        count, zero = len(changes.right), self.program.dims.zero
        x, dual = np.full((count, self.program.linear.size), np.nan), np.full((count, zero), np.nan)
        status, ticks = [], [time.perf_counter()]
        for k in range(count):
            try:
                found, duals, word = self.one(changes, k)
                if word in words.SOLUTION_PRESENT and found is not None:
                    x[k], dual[k] = found, duals[:zero]
            except (ArithmeticError, ValueError, TypeError) as error:
                word = f"{type(error).__name__}: {error}"
            status.append(word)
            ticks.append(time.perf_counter())
        return Raw(x, dual, tuple(status), np.diff(ticks))
