"""Clarabel by its own Python interface: its data are overwritten in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words
import scipy.sparse as sp

from .base import Changes, ConeProgram, Session


class Clarabel(Session):
    """Clarabel; as an interior-point solver it starts afresh each time, on data updated in place."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import (
            CLARABEL,
            dims_to_solver_cones,
        )

        super().__init__(program, options)
        self.cones = dims_to_solver_cones(program.dims)
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

        program = changes.apply(self.program, k)
        n = program.linear.size
        quadratic = sp.csc_array((n, n)) if program.quadratic is None else program.quadratic
        return clarabel.DefaultSolver(
            quadratic, program.linear, program.matrix, program.right, self.cones, self.settings
        )


SESSION = Clarabel
