"""The installed solvers, and the cones and options that they support."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cvxpy as cp
from cvxpy.reductions.solvers import defines

from .errors import SolverNameError, SolverOptionError
from .solver_specs import SOLVERS, Options, spec
from .suggest import suggest

_KINDS = {"SOC": "SOC", "ExpCone": "EXP", "PowCone3D": "POW", "SvecPSD": "PSD", "PSD": "PSD"}


def solver_names(solver: str | None, own: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the solvers to run: the named one, or the installed default ones.

    Parameters
    ----------
    solver : str, optional
        Name of a solver, in any case.
    own : tuple of str
        Names that the error offers beside those of installed solvers.

    Raises
    ------
    SolverNameError
        Where CVXPY does not know the name, or the solver is not installed.
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
            f"use one of {', '.join(sorted((*installed, *own)))}",
        )
    if name not in installed:
        raise SolverNameError(
            "solver",
            solver,
            "is not installed",
            f"install it, or use one of {', '.join(sorted((*installed, *own)))}",
        )
    return (name,)


@cache  # CVXPY imports every solver again at each call: 4 ms
def _installed(look: Callable[[], list[str]]) -> tuple[str, ...]:
    return tuple(look())


@cache
def supported_cones(name: str) -> frozenset[str]:
    """Return the cones beyond the linear ones that a solver supports, by CVXPY's records.

    The names are ``"SOC"`` (second-order), ``"EXP"`` (exponential), ``"POW"`` (power), ``"PSD"``
    (semidefinite), and ``"QP"`` for a quadratic objective.
    """
    kinds = set()
    conic = defines.SOLVER_MAP_CONIC.get(name)
    if conic is not None:
        kinds |= {_KINDS[c.__name__] for c in conic.SUPPORTED_CONSTRAINTS if c.__name__ in _KINDS}
    if name in defines.SOLVER_MAP_QP or "SOC" in kinds:
        kinds.add("QP")
    return frozenset(kinds)


def capable_solvers(names: tuple[str, ...], options: Options | None) -> tuple[str, ...]:
    """Return the solvers that accept the options of the user; each solves a tiny program with them.

    A solver that fails without them in the same way, as where its licence is missing, is kept.

    Parameters
    ----------
    names : tuple of str
        CVXPY's names of installed solvers.
    options : mapping or None
        Options under the solvers' own names.

    Raises
    ------
    SolverOptionError
        Where none accepts them, with the first wrong option and the error of the solver.
    """
    if not options:
        return names
    errors = {
        name: error
        for name in names
        if (error := _error_on(name, options)) is not None and error != _error_on(name, {})
    }
    capable = tuple(name for name in names if name not in errors)
    if capable:
        return capable
    first = next(iter(errors))
    key, raised = next(
        ((k, e) for k, v in options.items() if (e := _error_on(first, {k: v})) is not None),
        (None, errors[first]),
    )
    record = spec(first)
    known = {*record.tight, *record.own, *record.tolerances, record.time_limit}
    where = "solver_options" if key is None else f"solver_options[{key!r}]"
    value = dict(options) if key is None else options[key]
    remedy = f"give options under the names of {first}, with values that it accepts"
    if key not in known:
        remedy = suggest(str(key), sorted(known), remedy)
    raise SolverOptionError(
        where, value, f"is not taken by {' or '.join(errors)}: {raised}", remedy
    )


def _error_on(name: str, options: Options) -> str | None:
    """Return the error of a solver that runs with the options, or None."""
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
    except Exception as error:  # the interfaces of solvers raise errors of many types
        return f"{type(error).__name__}: {error}"
    return None
