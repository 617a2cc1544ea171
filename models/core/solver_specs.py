"""Options of the known solvers, one record each; no solver is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effort = Literal["quick", "tight", "retry"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class SolverSpec:
    """Options with which the library runs one solver.

    To add a solver that CVXPY supports, add its record to `SOLVERS`. For fast curves, add a file
    with its native interface to `sojourn.models.core.native` as well. A solver without a record can
    still be named by a user; it then runs with its own tolerances.

    Attributes
    ----------
    name : str
        CVXPY's name of the solver, in upper case.
    default : bool
        Whether it is run where the user names no solver; in the order of `SOLVERS`.
    quick : mapping
        Options of a first run whose answer Newton steps refine: the solver's own tolerances.
    tight : mapping
        Options of every other run. They are tight because a gap of 1e-8 in the objective is an
        error of about 1e-4 in the flows.
    retry : mapping
        Options that replace some of `tight` in a second run of a degenerate program. An empty
        mapping means that there is no second run.
    own : mapping
        The solver's defaults where CVXPY is given no options, by the names in `tight`.
    time_limit : str
        Name of its option for a time limit in seconds; empty where it has none.
    tolerances : tuple of str
        Names of the options that set its accuracy; empty where it has none that CVXPY passes on.
        Here and in `time_limit`, ``outer.inner`` is the entry ``inner`` of an option ``outer`` that
        is a dictionary.
    range : (float, float)
        Smallest and largest tolerance that these options take.
    cvxpy : mapping
        Options that CVXPY sets where it is given none, and that differ from the solver's own
        defaults; known for the solvers that are free.
    iterations : mapping
        Options beside `tolerances` that leave the end of a run to them and to the limit of time,
        not to a number of iterations.
    one_thread : mapping
        Options of a run with one thread, where environment variables do not limit it.
    package : str
        Name of its Python package, which has its version; empty for the name in lower case.
    method : str
        Method, as its documentation names it; empty where that is not known.
    """

    name: str
    default: bool = False
    quick: Options = field(default_factory=dict)
    tight: Options = field(default_factory=dict)
    retry: Options = field(default_factory=dict)
    own: Options = field(default_factory=dict)
    time_limit: str = ""
    tolerances: tuple[str, ...] = ()
    range: tuple[float, float] = (0.0, math.inf)
    cvxpy: Options = field(default_factory=dict)
    iterations: Options = field(default_factory=dict)
    one_thread: Options = field(default_factory=dict)
    package: str = ""
    method: str = ""

    def accuracy(self, tolerance: float) -> dict[str, Any]:
        """Return the options of a run that ends at a tolerance.

        Raises
        ------
        ValueError
            Where the solver has no options for it.
        """
        if not self.tolerances:
            raise ValueError(f"{self.name} has no option for a tolerance")
        return merged(self.iterations, *(named(name, tolerance) for name in self.tolerances))

    def limit(self, seconds: float) -> dict[str, Any]:
        """Return the options of a limit of time; none where the solver has no option for it."""
        return named(self.time_limit, seconds) if self.time_limit else {}

    def options(self, effort: Effort, given: Options | None = None) -> dict[str, Any]:
        """Return the options of a run.

        Parameters
        ----------
        effort : {"quick", "tight", "retry"}
            Which of the library's options to use.
        given : mapping, optional
            Options of the user; they take precedence.
        """
        again = {**self.tight, **self.retry}
        chosen = {"quick": self.quick, "tight": self.tight, "retry": again}
        return {**chosen[effort], **(given or {})}


_CLARABEL = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
_ECOS = ("abstol", "reltol", "feastol")
_EPS = ("eps_abs", "eps_rel")
_ENDLESS = 2_000_000_000  # iterations: the largest round number that solvers keep in 32 bits
_MOSEK = tuple(
    f"mosek_params.MSK_DPAR_INTPNT_{kind}TOL_{part}"
    for kind in ("", "QO_", "CO_")  # linear, quadratic and conic programs
    for part in ("PFEAS", "DFEAS", "REL_GAP")
)
_CPLEX = tuple(
    f"cplex_params.{name}"
    for name in (
        "barrier.convergetol",
        "barrier.qcpconvergetol",
        "simplex.tolerances.feasibility",
        "simplex.tolerances.optimality",
    )
)
_XPRESS = (
    *("barprimalstop", "bardualstop", "bargapstop", "bargaptarget"),
    *("feastol", "optimalitytol"),
)

SOLVERS: tuple[SolverSpec, ...] = (
    SolverSpec(
        "CLARABEL",
        default=True,
        # accept "insufficient progress": the certificate decides on the answer
        quick={"accept_unknown": True},
        tight={**dict.fromkeys(_CLARABEL, 1e-11), "accept_unknown": True},
        retry=dict.fromkeys(_CLARABEL, 1e-8),
        own={**dict.fromkeys(_CLARABEL, 1e-8), "accept_unknown": False},
        time_limit="time_limit",
        tolerances=_CLARABEL,
        iterations={"max_iter": _ENDLESS},
        one_thread={"max_threads": 1},
        method="interior point, homogeneous embedding",
    ),
    SolverSpec(
        "ECOS",
        default=True,
        tight={**dict.fromkeys(_ECOS, 1e-10), "max_iters": 200},
        own={**dict.fromkeys(_ECOS, 1e-8), "max_iters": 100},
        tolerances=_ECOS,
        iterations={"max_iters": _ENDLESS},
        method="interior point, self-dual embedding",
    ),
    SolverSpec(
        "SCS",
        default=True,
        tight={**dict.fromkeys(_EPS, 1e-7), "max_iters": 5000},
        retry={**dict.fromkeys(_EPS, 1e-9), "max_iters": 200_000},
        own={**dict.fromkeys(_EPS, 1e-5), "max_iters": 100_000},
        time_limit="time_limit_secs",
        tolerances=_EPS,
        cvxpy=dict.fromkeys(_EPS, 1e-5),
        iterations={"max_iters": _ENDLESS},
        method="ADMM on the homogeneous self-dual embedding",
    ),
    SolverSpec(
        "OSQP",
        time_limit="time_limit",
        tolerances=_EPS,
        cvxpy={**dict.fromkeys(_EPS, 1e-5), "max_iter": 10_000, "polishing": True},
        iterations={"max_iter": _ENDLESS},
        method="ADMM",
    ),
    SolverSpec(
        "HIGHS",
        time_limit="time_limit",
        tolerances=("primal_feasibility_tolerance", "dual_feasibility_tolerance"),
        one_thread={"threads": 1},
        package="highspy",
        method="simplex; active set for quadratic programs",
    ),
    SolverSpec(
        "QOCO",
        tolerances=("abstol", "reltol"),
        iterations={"max_iters": _ENDLESS},
        method="interior point",
    ),
    SolverSpec(
        "CVXOPT",
        tolerances=_ECOS,
        cvxpy={"kktsolver": "chol", "refinement": 1},
        iterations={"max_iters": _ENDLESS},
        method="interior point",
    ),
    SolverSpec(
        "SDPA",
        tolerances=("epsilonStar", "epsilonDash"),
        iterations={"maxIteration": _ENDLESS},
        one_thread={"numThreads": 1},
        package="sdpa-python",
        method="interior point",
    ),
    SolverSpec(
        "PIQP",
        tolerances=(*_EPS, "eps_duality_gap_abs", "eps_duality_gap_rel"),
        cvxpy={"backend": "sparse"},
        iterations={"max_iter": _ENDLESS, "check_duality_gap": True},
        method="interior point with a proximal term",
    ),
    SolverSpec(
        "PROXQP",  # CVXPY does not pass on its check_duality_gap
        tolerances=_EPS,
        cvxpy={"backend": "dense", "eps_abs": 1e-8},
        iterations={"max_iter": _ENDLESS},
        package="proxsuite",
        method="proximal augmented Lagrangian",
    ),
    SolverSpec(
        "DAQP",
        tolerances=("primal_tol", "dual_tol"),
        cvxpy={"eps_prox": 1e-5},  # 0 where P is positive definite
        iterations={"iter_limit": _ENDLESS},
        method="dual active set",
    ),
    SolverSpec(
        "QPALM",
        time_limit="time_limit",
        tolerances=_EPS,
        cvxpy={"eps_abs": 1e-8, "eps_rel": 1e-9, "eps_dual_inf": 1e-8, "eps_prim_inf": 1e-8},
        iterations={"max_iter": _ENDLESS},
        method="proximal augmented Lagrangian",
    ),
    SolverSpec(
        "MOREAU",
        time_limit="time_limit",
        tolerances=tuple(f"ipm_settings.{name}" for name in _CLARABEL),
        iterations={"max_iter": _ENDLESS},
        method="interior point",
    ),
    SolverSpec(
        "SCIPY",
        method="simplex or interior point of HiGHS",
    ),
    SolverSpec(
        "GLPK",
        package="cvxopt",
        method="simplex",
    ),
    SolverSpec(
        "SCIP",
        time_limit="limits/time",
        tolerances=("numerics/feastol", "numerics/dualfeastol"),
        package="PySCIPOpt",
        method="simplex or an outer approximation, with branch and bound",
    ),
    SolverSpec(
        "MOSEK",
        time_limit="mosek_params.MSK_DPAR_OPTIMIZER_MAX_TIME",
        # not "eps", which sets those of integers, too, which have other ranges
        tolerances=_MOSEK,
        range=(1e-14, 1.0),
        iterations={"mosek_params": {"MSK_IPAR_INTPNT_MAX_ITERATIONS": _ENDLESS}},
        one_thread={"mosek_params": {"MSK_IPAR_NUM_THREADS": 1}},
        method="interior point, homogeneous model",
    ),
    SolverSpec(
        "GUROBI",
        time_limit="TimeLimit",
        tolerances=("FeasibilityTol", "OptimalityTol", "BarConvTol", "BarQCPConvTol"),
        range=(1e-9, 0.01),
        iterations={"BarIterLimit": _ENDLESS},
        one_thread={"Threads": 1},
        package="gurobipy",
        method="simplex or interior point",
    ),
    SolverSpec(
        "COPT",
        time_limit="TimeLimit",
        # those of the barrier, then those of the simplex method, kept between 1e-9 and 1e-4
        tolerances=("BarPrimalTol", "BarDualTol", "BarGapTol", "FeasTol", "DualTol"),
        iterations={"BarIterLimit": _ENDLESS},
        one_thread={"Threads": 1},
        package="coptpy",
        method="simplex or interior point",
    ),
    SolverSpec(
        "XPRESS",
        time_limit="timelimit",
        tolerances=_XPRESS,
        iterations={"bariterlimit": _ENDLESS},
        one_thread={"threads": 1},
        method="simplex or interior point",
    ),
    SolverSpec(
        "CPLEX",
        time_limit="cplex_params.timelimit",
        tolerances=_CPLEX,
        range=(1e-9, 0.1),
        one_thread={"cplex_params": {"threads": 1}},
        method="simplex or interior point",
    ),
    SolverSpec(
        "CBC",
        package="cylp",
        method="simplex",
    ),
    SolverSpec(
        "GLOP",
        package="ortools",
        method="simplex",
    ),
    SolverSpec(
        "PDLP",
        package="ortools",
        method="primal-dual hybrid gradient",
    ),
)
"""The known solvers; the default ones first, in the order in which they are run."""


def merged(*options: Options) -> dict[str, Any]:
    """Return options of which a later one takes precedence, also inside of dictionaries."""
    found: dict[str, Any] = {}
    for name, value in (pair for one in options for pair in one.items()):
        before = found.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            found[name] = merged(before, value)
        else:
            found[name] = value
    return found


def named(name: str, value: float) -> dict[str, Any]:
    """Return an option by its name, or by ``outer.inner`` where it is in a dictionary."""
    outer, dot, inner = name.partition(".")
    return {outer: {inner: value}} if dot else {name: value}


def spec(name: str) -> SolverSpec:
    """Return the record of a solver; one without options where `SOLVERS` has none."""
    return next((s for s in SOLVERS if s.name == name), SolverSpec(name))
