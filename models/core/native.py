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

from ...reference.errors import Array


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
        matrix = old if self.entries is None else sp.csc_matrix((self.entries[k], old.indices, old.indptr), shape=old.shape)
        return replace(program, right=self.right[k], matrix=matrix, linear=program.linear if self.linear is None else self.linear[k])


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


class Clarabel(Session):
    """Clarabel; as an interior-point solver it starts afresh each time, on data updated in place."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import CLARABEL

        super().__init__(program, options)
        # what is made smaller first cannot be updated
        whole = {"presolve_enable": False, "chordal_decomposition_enable": False}
        self.settings = CLARABEL.parse_solver_opts(False, {**whole, **options})
        self.words = {name: str(word) for name, word in CLARABEL.STATUS_MAP.items()}
        if CLARABEL.ACCEPT_UNKNOWN in options:
            self.words[CLARABEL.INSUFFICIENT_PROGRESS] = words.OPTIMAL_INACCURATE
        self.solver: Any = None

    def one(self, changes: Changes, k: int) -> tuple[Any, Any, str]:
        """Update and solve; set up where there is nothing to update yet."""
        if self.solver is None or not self.solver.is_data_update_allowed():
            self.solver = self.set_up(changes, k)
        else:
            new = {"b": changes.right[k]}
            if changes.linear is not None:
                new["q"] = changes.linear[k]
            if changes.entries is not None:
                new["A"] = changes.entries[k]
            self.solver.update(**new)
        found = self.solver.solve()
        return found.x, found.z, self.words.get(str(found.status), words.SOLVER_ERROR)

    def set_up(self, changes: Changes, k: int) -> Any:
        """Return Clarabel's own solver of the k-th program."""
        import clarabel
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

        program = changes.apply(self.program, k)
        n = program.linear.size
        quadratic = sp.csc_array((n, n)) if program.quadratic is None else program.quadratic
        cones = dims_to_solver_cones(program.dims)
        return clarabel.DefaultSolver(quadratic, program.linear, program.matrix, program.right, cones, self.settings)


class SCS(Session):
    """SCS; it starts from its last answer, on the factorisation that it has."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import SCS as INTERFACE

        super().__init__(program, INTERFACE.parse_solver_options(dict(options)))
        self.words = {number: str(word) for number, word in INTERFACE.STATUS_MAP.items()}
        self.solver: Any = None
        self.start: dict[str, Any] = {}

    def one(self, changes: Changes, k: int) -> tuple[Any, Any, str]:
        """Update, or set up anew where the matrix is another; solve from the last answer, if that was one."""
        if self.solver is None or changes.entries is not None:
            self.solver = self._new(changes.apply(self.program, k))
        else:
            self.solver.update(changes.right[k], None if changes.linear is None else changes.linear[k])
        found = self.solver.solve(**self.start)
        word = self.words.get(found["info"]["status_val"], words.SOLVER_ERROR)
        self.start = {name: found[name] for name in ("x", "y", "s")} if word == words.OPTIMAL else {"warm_start": False}
        return found["x"], found["y"], word

    def _new(self, program: ConeProgram) -> Any:
        import scs
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import dims_to_solver_dict

        data = {"A": program.matrix, "b": program.right, "c": program.linear}
        if program.quadratic is not None:
            data["P"] = program.quadratic
        return scs.SCS(data, dims_to_solver_dict(program.dims), verbose=False, **self.options)


class ECOS(Session):
    """ECOS by its raw call: it has no update."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.ecos_conif import ECOS as INTERFACE
        from cvxpy.reductions.solvers.conic_solvers.ecos_conif import dims_to_solver_dict

        super().__init__(program, options)
        self.words = {number: str(word) for number, word in INTERFACE.STATUS_MAP.items()}
        self.dims = dims_to_solver_dict(program.dims)
        self.equal, self.rest = self._divided(program.matrix)

    def one(self, changes: Changes, k: int) -> tuple[Any, Any, str]:
        """Solve from nothing."""
        import ecos

        program, zero = changes.apply(self.program, k), self.program.dims.zero
        if changes.entries is not None:
            self.equal, self.rest = self._divided(program.matrix)
        equalities = {"A": self.equal, "b": program.right[:zero]} if zero else {}
        found = ecos.solve(program.linear, self.rest, program.right[zero:], self.dims, **equalities, verbose=False, **self.options)
        return found["x"], found["y"], self.words.get(found["info"]["exitFlag"], words.SOLVER_ERROR)

    def _divided(self, matrix: sp.csc_matrix) -> tuple[sp.csc_matrix, sp.csc_matrix]:
        """Equalities, and the rest."""
        zero, rows = self.program.dims.zero, matrix.tocsr()
        return sp.csc_matrix(rows[:zero]), sp.csc_matrix(rows[zero:])


SESSIONS: Mapping[str, type[Session]] = {"CLARABEL": Clarabel, "SCS": SCS, "ECOS": ECOS}
"""Solvers whose data can be handed over without CVXPY, by CVXPY's name."""
