"""ECOS by its own Python interface, which keeps nothing between two calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words
import scipy.sparse as sp

from .base import Changes, ConeProgram, Session


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
        found = ecos.solve(
            program.linear,
            self.rest,
            program.right[zero:],
            self.dims,
            **equalities,
            verbose=False,
            **self.options,
        )
        return found["x"], found["y"], self.words.get(found["info"]["exitFlag"], words.SOLVER_ERROR)

    def _divided(self, matrix: sp.csc_matrix) -> tuple[sp.csc_matrix, sp.csc_matrix]:
        """Equalities, and the rest."""
        zero, rows = self.program.dims.zero, matrix.tocsr()
        return sp.csc_matrix(rows[:zero]), sp.csc_matrix(rows[zero:])


SESSION = ECOS
