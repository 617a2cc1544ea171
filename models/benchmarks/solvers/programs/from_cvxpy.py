"""The cone program of a CVXPY problem, by CVXPY's own reduction.

The reduction is the one for SCS, which has all `Cones` and a quadratic objective, and whose order
of rows and layout of semidefinite cones are those of `ConeProgram`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .....reference.errors import InputError
from ....core.parametric import Reduced, reduced
from ..problem import Written
from .cone_program import ConeProgram, Cones


def cone_program(
    name: str, written: Written, optimum: float = math.nan, build_seconds: float = 0.0
) -> ConeProgram:
    """Return the cone program of a problem.

    The map from x to a variable of the answer is read off an equation, ``variable == 0``, that is
    added to the problem and taken out of the reduced program again. It is right for a variable of
    any attributes, such as ``PSD=True``, which CVXPY replaces by others.

    Parameters
    ----------
    name : str
        Name of the instance.
    written : Written
        The problem, with values of all its parameters, and the variables of the answer.
    optimum : float, default nan
        ``ProblemInstance.optimum``, the true optimum of the problem's own objective.
    build_seconds : float, default 0.0
        Time that it took to write the problem.

    Raises
    ------
    InputError
        On a variable with integer values.
    sojourn.models.core.parametric.UnsupportedCvxpyError
        Where the installed CVXPY lacks the private names that are used.
    """
    started = time.perf_counter()
    problem, named = written.problem, written.variables
    if problem.is_mixed_integer():
        remedy = "give a problem with real variables"
        raise InputError("problem", name, "has integer variables", remedy)
    maps = {key: variable == 0 for key, variable in named.items()}
    form = reduced(cp.Problem(problem.objective, [*problem.constraints, *maps.values()]), "SCS")
    A, places = sp.csr_array(form.A), {key: form.rows(equation) for key, equation in maps.items()}
    kept = np.ones(A.shape[0], dtype=bool)
    kept[np.concatenate([*places.values()])] = False
    maximise = isinstance(problem.objective, cp.Maximize)
    return ConeProgram(
        name=name,
        P=_columns(sp.csc_array((A.shape[1],) * 2) if form.P is None else form.P),
        q=form.q,
        A=_columns(A[kept]),
        b=form.b[kept],
        cones=_cones(form, int(A.shape[0] - kept.sum())),
        constant=form.constant,
        variables=_variables(A, named, places),
        optimum=-optimum if maximise else optimum,
        maximise=maximise,
        build_seconds=build_seconds,
        compile_seconds=time.perf_counter() - started,
    )


def _columns(matrix: sp.sparray) -> sp.csc_array:
    """Return a matrix by columns, with sorted indices and without entries that are 0."""
    columns = sp.csc_array(matrix, dtype=np.float64)
    columns.sum_duplicates()
    columns.eliminate_zeros()
    return columns


def _cones(form: Reduced, left_out: int) -> Cones:
    """Return the cones, without a number of equations."""
    dims = form.dims
    return Cones(
        zero=dims.zero - left_out,
        nonnegative=dims.nonneg,
        second_order=tuple(dims.soc),
        semidefinite=tuple(dims.psd),
        exponential=dims.exp,
        power=tuple(map(float, dims.p3d)),
    )


def _variables(
    A: sp.csr_array,
    named: Mapping[str, cp.Variable],
    places: Mapping[str, npt.NDArray[np.intp]],
) -> dict[str, tuple[sp.csc_array, tuple[int, ...]]]:
    """Return the map from x to each variable: the rows of its equation."""
    return {key: (_columns(A[places[key]]), variable.shape) for key, variable in named.items()}
