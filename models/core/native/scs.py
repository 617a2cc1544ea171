"""SCS by its own Python interface: it factorises again only where the matrix is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words

from .base import ConeProgram, NativeSolver, ParameterUpdates


class SCS(NativeSolver):
    """SCS, an operator-splitting solver: it starts from its last answer and factorisation."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import SCS as INTERFACE
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import dims_to_solver_dict

        super().__init__(program, INTERFACE.parse_solver_options(dict(options)))
        self.statuses = {number: str(status) for number, status in INTERFACE.STATUS_MAP.items()}
        self.dims = dims_to_solver_dict(program.dims)
        self.solver: Any = None
        self.start: dict[str, Any] = {}

    def forget(self) -> None:
        """See `NativeSolver.forget`."""
        self.solver, self.start = None, {}

    def solve_one(self, changes: ParameterUpdates, k: int) -> tuple[Any, Any, str]:
        """Solve from the last answer if that was optimal; a new matrix sets the solver up again."""
        if self.solver is None or changes.new_matrices(k):
            self.solver = self._set_up(changes.apply(self.program, k))
        else:
            self.solver.update(
                changes.right[k], None if changes.linear is None else changes.linear[k]
            )
        result = self.solver.solve(**self.start)
        status = self.statuses.get(result["info"]["status_val"], words.SOLVER_ERROR)
        self.start = (
            {name: result[name] for name in ("x", "y", "s")}
            if status == words.OPTIMAL
            else {"warm_start": False}
        )
        return result["x"], result["y"], status

    def _set_up(self, program: ConeProgram) -> Any:
        import scs

        data = {"A": program.matrix, "b": program.right, "c": program.linear}
        if program.quadratic is not None:
            data["P"] = program.quadratic
        return scs.SCS(data, self.dims, verbose=False, **self.options)


SOLVER_CLASS = SCS
