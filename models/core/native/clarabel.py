"""Clarabel by its own Python interface: new data overwrite the old ones in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words
import scipy.sparse as sp

from .base import ConeProgram, NativeSolver, ParameterUpdates


class Clarabel(NativeSolver):
    """Clarabel, an interior-point solver: its data are updated, but it starts anew each time."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import (
            CLARABEL,
            dims_to_solver_cones,
        )

        super().__init__(program, options)
        self.cones = dims_to_solver_cones(program.dims)
        # Clarabel cannot update a program that its presolve has reduced
        unreduced = {"presolve_enable": False, "chordal_decomposition_enable": False}
        self.settings = CLARABEL.parse_solver_opts(False, {**unreduced, **options})
        self.statuses = {name: str(status) for name, status in CLARABEL.STATUS_MAP.items()}
        if CLARABEL.ACCEPT_UNKNOWN in options:
            self.statuses[CLARABEL.INSUFFICIENT_PROGRESS] = words.OPTIMAL_INACCURATE
        self.solver: Any = None
        self.no_curvature = sp.csc_array((program.linear.size, program.linear.size))

    def forget(self) -> None:
        """See `NativeSolver.forget`."""
        self.solver = None

    def solve_one(self, changes: ParameterUpdates, k: int) -> tuple[Any, Any, str]:
        """Update the data and solve; the first call sets the solver up."""
        if self.solver is None or not self.solver.is_data_update_allowed():
            self.solver = self.set_up(changes, k)
        else:
            new = {"b": changes.right[k]}
            if changes.linear is not None:
                new["q"] = changes.linear[k]
            self.solver.update(**new, **changes.new_matrices(k))
        result = self.solver.solve()
        status = self.statuses.get(str(result.status), words.SOLVER_ERROR)
        return result.x, result.z, status

    def set_up(self, changes: ParameterUpdates, k: int) -> Any:
        """Return a Clarabel solver for the program with the data of row `k`."""
        import clarabel

        program = changes.apply(self.program, k)
        return clarabel.DefaultSolver(
            self.no_curvature if program.quadratic is None else program.quadratic,
            program.linear,
            program.matrix,
            program.right,
            self.cones,
            self.settings,
        )


SOLVER_CLASS = Clarabel
