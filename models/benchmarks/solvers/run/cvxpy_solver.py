"""Solvers that CVXPY finds, on cone programs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cvxpy as cp
from cvxpy.reductions.solvers import defines

from .....reference.errors import Array
from ....core.run import run
from ....core.solver_specs import SolverSpec, merged, spec
from ....core.solvers import supported_cones
from ..programs.cone_program import ConeProgram
from ..programs.to_cvxpy import as_problem, dual_of
from ..row import INFEASIBLE
from ..settings import Settings
from .solver import Answer, failed

TWINS: Mapping[str, str] = {"ECOS_BB": "ECOS", "GLPK_MI": "GLPK", "DIFFCP": "SCS"}
"""Names under which another solver runs on programs without integers; run where named."""
CONES: Mapping[str, str] = {
    "second_order": "SOC",
    "semidefinite": "PSD",
    "exponential": "EXP",
    "power": "POW",
}
"""Names of cones in `supported_cones` by their field in `Cones`."""


@dataclass(frozen=True)
class CvxpySolver:
    """A solver by its name in CVXPY.

    Attributes
    ----------
    name : str
        CVXPY's name of an installed solver.
    """

    name: str

    @property
    def record(self) -> SolverSpec:
        """Options of the solver by purpose."""
        return spec(self.name)

    @cached_property
    def version(self) -> str:
        """Version of the solver's package; empty where it has none."""
        try:
            return version(self.record.package or self.name.lower())
        except PackageNotFoundError:
            return ""

    def refusal(self, program: ConeProgram) -> str:
        """Return why CVXPY does not give the program to the solver; empty where it does."""
        if self.name not in {*defines.SOLVER_MAP_CONIC, *defines.SOLVER_MAP_QP}:
            return "CVXPY gives it programs of smooth functions alone"
        needed = [kind for field, kind in CONES.items() if getattr(program.cones, field)]
        needed += ["QP"] * bool(program.P.nnz)
        missing = [kind for kind in needed if kind not in supported_cones(self.name)]
        return f"does not take {', '.join(missing)}" if missing else ""

    def settings_refusal(self, settings: Settings) -> str:
        """Return why the solver has no options under some settings; empty where it has."""
        if settings.given is not None:
            known = self.name in settings.given
            return "" if known else f"no options for it in {settings.name}.toml"
        if settings.tolerance is not None:
            least, largest = self.record.range
            if not self.record.tolerances:
                return "no option for a tolerance is known"
            if not least <= settings.tolerance <= largest:
                return f"takes tolerances from {least:g} to {largest:g} alone"
        if settings.name == "sojourn" and not self.record.tight:
            return "the library has no options for it: as under default"
        return ""

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return the options of settings, with one thread and a limit of time where it has one."""
        record = self.record
        limit = record.limit(seconds)
        chosen: Mapping[str, Any] = {}
        if settings.given is not None:
            chosen = settings.given[self.name]
        elif settings.tolerance is not None:
            chosen = record.accuracy(settings.tolerance)
        elif settings.name == "sojourn":
            chosen = record.tight
        return merged(record.one_thread, limit, chosen)

    def effective(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options, and those that CVXPY adds to them and that are not the solver's own."""
        return merged(self.record.cvxpy, options)

    def solve(self, program: ConeProgram, options: Mapping[str, Any]) -> Answer:
        """Solve a program; an error or a panic of the solver becomes the status."""
        started = time.perf_counter()
        try:
            problem, x, constraints = _problem(program, self.name, repr(options))
            stated = time.perf_counter()
            # a solver may change the options that it is given
            done = run(problem, self.name, deepcopy(dict(options)), effort=None)
            statistics = problem.solver_stats
            found: Array | None = x.value
            proof = done.status in INFEASIBLE  # of solvers whose proof CVXPY hands over
            return Answer(
                done.status,
                found,
                None if found is None and not proof else dual_of(program, constraints),
                stated - started + done.compile,
                done.solve,
                None if statistics is None else _as_count(statistics.num_iters),
                # 0 where the solver was not asked to look at the clock, as PIQP and PROXQP
                (statistics and statistics.solve_time) or math.nan,
            )
        except BaseException as error:  # a panic of a solver in Rust is no Exception
            return failed(error, time.perf_counter() - started)


@lru_cache(maxsize=2)
def _problem(
    program: ConeProgram, name: str, _options: str
) -> tuple[cp.Problem, cp.Variable, list[cp.Constraint]]:
    """Return the problem of a program for one cell, whose repeated runs do not state it again."""
    return as_problem(program, quadratic=takes_squares(name))


def takes_squares(name: str) -> bool:
    """Return whether CVXPY gives a solver quadratic objectives as such, not as cones."""
    conic = defines.SOLVER_MAP_CONIC.get(name)
    return name in defines.SOLVER_MAP_QP or (conic is not None and conic.supports_quad_obj())


def _as_count(number: Any) -> int | None:
    return None if number is None else int(number)


def default_solvers() -> list[CvxpySolver]:
    """Return all installed solvers, without those that run as others."""
    return [CvxpySolver(name) for name in cp.installed_solvers() if name not in TWINS]
