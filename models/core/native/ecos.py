"""ECOS by its own Python interface, which keeps nothing between two solves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words
import numpy as np
import scipy.sparse as sp

from .base import ConeProgram, NativeSolver, ParameterUpdates


class ECOS(NativeSolver):
    """ECOS, an interior-point solver: every solve starts anew."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.ecos_conif import ECOS as INTERFACE
        from cvxpy.reductions.solvers.conic_solvers.ecos_conif import dims_to_solver_dict

        super().__init__(program, options)
        self.statuses = {number: str(status) for number, status in INTERFACE.STATUS_MAP.items()}
        self.dims = dims_to_solver_dict(program.dims)
        self.equalities, self.cones = self._split_rows(program.matrix)

    def solve_one(self, changes: ParameterUpdates, k: int) -> tuple[Any, Any, str]:
        """Solve the program; its equalities and its cone constraints are passed apart."""
        import ecos

        program, zero = changes.apply(self.program, k), self.program.dims.zero
        if changes.entries is not None:
            self.equalities, self.cones = self._split_rows(program.matrix)
        equalities = {"A": self.equalities, "b": program.right[:zero]} if zero else {}
        result = ecos.solve(
            program.linear,
            self.cones,
            program.right[zero:],
            self.dims,
            **equalities,
            verbose=False,
            **self.options,
        )
        status = self.statuses.get(result["info"]["exitFlag"], words.SOLVER_ERROR)
        return result["x"], np.concatenate([result["y"], result["z"]]), status

    def _split_rows(self, matrix: sp.csc_matrix) -> tuple[sp.csc_matrix, sp.csc_matrix]:
        """Return the rows of the equalities, and those of the other cones."""
        zero, rows = self.program.dims.zero, matrix.tocsr()
        return sp.csc_matrix(rows[:zero]), sp.csc_matrix(rows[zero:])


SOLVER_CLASS = ECOS
