"""Which solvers are there, and which cones and options they take."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache

import cvxpy as cp
from cvxpy.reductions.solvers import defines

from .errors import SolverNameError, SolverOptionError
from .solver_specs import SOLVERS, Options, spec

_KINDS = {"SOC": "SOC", "ExpCone": "EXP", "PowCone3D": "POW", "SvecPSD": "PSD", "PSD": "PSD"}


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
    name = solver.upper() if isinstance(solver, str) else ""
    if name not in {*defines.SOLVER_MAP_CONIC, *defines.SOLVER_MAP_QP}:
        raise SolverNameError(
            "solver",
            solver,
            "is not a solver that CVXPY knows",
            f"use one of {', '.join(sorted(installed))}",
        )
    if name not in installed:
        raise SolverNameError(
            "solver",
            solver,
            "is not installed",
            f"install it, or use one of {', '.join(sorted(installed))}",
        )
    return (name,)


@cache  # CVXPY tries every import again each time: 4 ms
def _installed(look: Callable[[], list[str]]) -> tuple[str, ...]:
    return tuple(look())


def supported_cones(name: str) -> frozenset[str]:
    """Return the kinds of cone beyond the linear ones that a solver takes; ``"QP"`` for a quadratic objective."""
    kinds = set()
    conic = defines.SOLVER_MAP_CONIC.get(name)
    if conic is not None:
        kinds |= {_KINDS[c.__name__] for c in conic.SUPPORTED_CONSTRAINTS if c.__name__ in _KINDS}
    if name in defines.SOLVER_MAP_QP or "SOC" in kinds:
        kinds.add("QP")
    return frozenset(kinds)


def capable_solvers(names: tuple[str, ...], options: Options | None) -> tuple[str, ...]:
    """Return the solvers that accept the options of a user, each tried on a program of one variable.

    Raises
    ------
    SolverOptionError
        Where none does, with the option and what the solver raised.
    """
    if not options:
        return names
    refused = {name: error for name in names if (error := _refuses(name, options)) is not None}
    fit = tuple(name for name in names if name not in refused)
    if fit:
        return fit
    first = next(iter(refused))
    key, raised = next(
        ((k, e) for k, v in options.items() if (e := _refuses(first, {k: v})) is not None),
        (None, refused[first]),
    )
    known = {*spec(first).tight, *spec(first).own, spec(first).time_limit}
    near = difflib.get_close_matches(str(key), sorted(known), 1)
    where = "solver_options" if key is None else f"solver_options[{key!r}]"
    value = dict(options) if key is None else options[key]
    remedy = (
        f"did you mean {near[0]}?"
        if near and near[0] != key
        else f"give options of {first} by its own names, with values that it takes"
    )
    raise SolverOptionError(
        where, value, f"is not taken by {' or '.join(refused)}: {raised}", remedy
    )


def _refuses(name: str, options: Options) -> str | None:
    """What a solver raises on options, or None; asked once for each."""
    variable = cp.Variable()
    problem = cp.Problem(cp.Minimize(variable), [variable >= 1])
    try:
        data, chain, _ = problem.get_problem_data(name, solver_opts=dict(options))
        chain.solve_via_data(
            problem,
            data,
            warm_start=False,
            verbose=False,
            solver_opts={**spec(name).tight, **options},
        )
    except Exception as error:  # whatever a solver's own interface raises
        return f"{type(error).__name__}: {error}"
    return None
