"""Which solvers there are, which cones they take, and how tight to run them: a record each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import cvxpy as cp
from cvxpy.reductions.solvers import defines

from .errors import SolverNameError, SolverOptionError

Effort = Literal["quick", "tight", "retry"]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class SolverSpec:
    """How the library runs a solver. Its native interface, where it has one, is the file of its name in `core.native`.

    Attributes
    ----------
    name : str
        CVXPY's name for it.
    default : bool
        Whether it is asked when no solver is named, in the order of `SOLVERS`.
    quick : mapping
        Options of a first try that Newton steps finish: the solver's own tolerances.
    tight : mapping
        Options of any other try: a gap of 1e-8 in the potential is 1e-4 in the flows.
    retry : mapping
        What goes over `tight` in a second try of a degenerate program; empty where there is none.
    own : mapping
        What the solver runs with when CVXPY is given no options; these undo `tight`.
    time_limit : str
        The option by which it is told to stop after some seconds; empty where it has none.
    """

    name: str
    default: bool = False
    quick: Options = field(default_factory=dict)
    tight: Options = field(default_factory=dict)
    retry: Options = field(default_factory=dict)
    own: Options = field(default_factory=dict)
    time_limit: str = ""

    def options(self, effort: Effort, given: Options | None = None) -> dict[str, Any]:
        """Return the options of a try; those that the user gave go over the library's."""
        chosen = {"quick": self.quick, "tight": self.tight, "retry": {**self.tight, **self.retry}}[effort]
        return {**chosen, **(given or {})}


SOLVERS: tuple[SolverSpec, ...] = (
    SolverSpec(
        "CLARABEL",
        default=True,
        # an answer that ended in "insufficient progress" is judged by its certificate as any other
        quick={"accept_unknown": True},
        tight={"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "accept_unknown": True},
        retry={"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8},
        own={"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8, "accept_unknown": False},
        time_limit="time_limit",
    ),
    SolverSpec(
        "ECOS",
        default=True,
        tight={"abstol": 1e-10, "reltol": 1e-10, "feastol": 1e-10, "max_iters": 200},
        own={"abstol": 1e-8, "reltol": 1e-8, "feastol": 1e-8, "max_iters": 100},
    ),
    SolverSpec(
        "SCS",
        default=True,
        tight={"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 5000},
        retry={"max_iters": 200_000},
        own={"eps_abs": 1e-5, "eps_rel": 1e-5, "max_iters": 100_000},
        time_limit="time_limit_secs",
    ),
    SolverSpec("OSQP", time_limit="time_limit"),
    SolverSpec("HIGHS", time_limit="time_limit"),
)
"""The solvers that the library knows more of than CVXPY's name; the default ones first, in the order in which they are tried."""

_KINDS = {"SOC": "SOC", "ExpCone": "EXP", "PowCone3D": "POW", "SvecPSD": "PSD", "PSD": "PSD"}


def spec(name: str) -> SolverSpec:
    """Return the record of a solver; an empty one where the library has none."""
    return next((s for s in SOLVERS if s.name == name), SolverSpec(name))


def solver_names(solver: str | None) -> tuple[str, ...]:
    """Return the solvers to try: the one named, or the default ones that are installed.

    Raises
    ------
    SolverNameError
        On a name that CVXPY does not know, or a solver that is not installed.
    """
    installed = _installed(cp.installed_solvers)
    if solver is None:
        return tuple(s.name for s in SOLVERS if s.default and s.name in installed)
    name = str(solver).upper()
    if name not in {*defines.SOLVER_MAP_CONIC, *defines.SOLVER_MAP_QP}:
        raise SolverNameError("solver", solver, "is not a solver that CVXPY knows", f"use one of {', '.join(sorted(installed))}")
    if name not in installed:
        raise SolverNameError("solver", solver, "is not installed", f"install it, or use one of {', '.join(sorted(installed))}")
    return (name,)


@cache  # CVXPY tries every import again each time: 4 ms
def _installed(look: Callable[[], list[str]]) -> tuple[str, ...]:
    return tuple(look())


def takes(name: str) -> frozenset[str]:
    """Return the kinds of cone beyond the linear ones that a solver takes; ``"QP"`` for a quadratic objective."""
    kinds = set()
    conic = defines.SOLVER_MAP_CONIC.get(name)
    if conic is not None:
        kinds |= {_KINDS[c.__name__] for c in conic.SUPPORTED_CONSTRAINTS if c.__name__ in _KINDS}
    if name in defines.SOLVER_MAP_QP or "SOC" in kinds:
        kinds.add("QP")
    return frozenset(kinds)


def that_take(names: tuple[str, ...], options: Options | None) -> tuple[str, ...]:
    """Return the solvers that accept the options of a user, each tried on a program of one variable.

    Raises
    ------
    SolverOptionError
        Where none does, with the option and what the solver raised.
    """
    if not options:
        return names
    if not isinstance(options, Mapping):
        raise SolverOptionError("solver_options", options, "is not a mapping", 'give names and values, such as {"max_iter": 100}')
    refused = {name: error for name in names if (error := _refuses(name, options)) is not None}
    fit = tuple(name for name in names if name not in refused)
    if fit:
        return fit
    first = next(iter(refused))
    key, raised = next(((k, e) for k, v in options.items() if (e := _refuses(first, {k: v})) is not None), (None, refused[first]))
    known = {*spec(first).tight, *spec(first).own, spec(first).time_limit}
    near = difflib.get_close_matches(str(key), sorted(known), 1)
    where = "solver_options" if key is None else f"solver_options[{key!r}]"
    value = dict(options) if key is None else options[key]
    remedy = f"did you mean {near[0]}?" if near and near[0] != key else f"give options of {first} by its own names, with values that it takes"
    raise SolverOptionError(where, value, f"is not taken by {' or '.join(refused)}: {raised}", remedy)


def _refuses(name: str, options: Options) -> str | None:
    """What a solver raises on options, or None; asked once for each."""
    variable = cp.Variable()
    problem = cp.Problem(cp.Minimize(variable), [variable >= 1])
    try:
        data, chain, _ = problem.get_problem_data(name, solver_opts=dict(options))
        chain.solve_via_data(problem, data, warm_start=False, verbose=False, solver_opts={**spec(name).tight, **options})
    except Exception as error:  # whatever a solver's own interface raises
        return f"{type(error).__name__}: {error}"
    return None
