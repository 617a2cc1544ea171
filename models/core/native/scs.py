"""SCS by its own Python interface: it factors again only where the matrix is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy.settings as words

from .base import Changes, ConeProgram, Session


class SCS(Session):
    """SCS; it starts from its last answer, on the factorisation that it has."""

    def __init__(self, program: ConeProgram, options: Mapping[str, Any]) -> None:
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import SCS as INTERFACE
        from cvxpy.reductions.solvers.conic_solvers.scs_conif import dims_to_solver_dict

        super().__init__(program, INTERFACE.parse_solver_options(dict(options)))
        self.words = {number: str(word) for number, word in INTERFACE.STATUS_MAP.items()}
        self.dims = dims_to_solver_dict(program.dims)
        self.solver: Any = None
        self.start: dict[str, Any] = {}

    def one(self, changes: Changes, k: int) -> tuple[Any, Any, str]:
        """Update, or set up anew where the matrix is another; solve from the last answer, if that was one."""
        if self.solver is None or changes.entries is not None:
            self.solver = self._new(changes.apply(self.program, k))
        else:
            self.solver.update(
                changes.right[k], None if changes.linear is None else changes.linear[k]
            )
        found = self.solver.solve(**self.start)
        word = self.words.get(found["info"]["status_val"], words.SOLVER_ERROR)
        self.start = (
            {name: found[name] for name in ("x", "y", "s")}
            if word == words.OPTIMAL
            else {"warm_start": False}
        )
        return found["x"], found["y"], word

    def _new(self, program: ConeProgram) -> Any:
        import scs

        data = {"A": program.matrix, "b": program.right, "c": program.linear}
        if program.quadratic is not None:
            data["P"] = program.quadratic
        return scs.SCS(data, self.dims, verbose=False, **self.options)


SESSION = SCS
