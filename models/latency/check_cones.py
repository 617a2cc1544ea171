"""Checks of the cones of a latency family: each returns what was checked, or raises InputError."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.family_checks import worst
from ...reference.plural import counted
from .base import Latency
from .check_numbers import SLOW_STEP
from .cone import Cone, as_written

SOLVER_TOLERANCE = 1e-5  # relative error of a minimised cone
TIGHT_OPTIONS = {
    "tol_gap_abs": 1e-10,
    "tol_gap_rel": 1e-10,
    "tol_feas": 1e-10,
    "accept_unknown": True,
}
OTHER_POINT = 0.9  # fraction of a flow: a tangent there is below the function at the flow
CORRECT_CONE = "correct it, or leave it out: the base class has tangents"
CORRECT_LATENCY = "correct latency and its slopes"


class ConeCase(NamedTuple):
    """A cone of a bank and the function that it stands for.

    Attributes
    ----------
    name : str
        Method, with its form.
    function : {"total", "potential", "latency"}
    write : callable
        From a bank and a flow variable to the cone.
    number : callable
        From flows (m, n) to the values of the function.
    """

    name: str
    function: str
    write: Callable[[Latency, cp.Expression], Cone]
    number: Callable[[Array], Array]


def cone_cases(bank: Latency) -> Iterator[ConeCase]:
    """Yield all cones of a bank, in every form, or in those of its parts without a common one."""
    for form in bank.forms or ("default",):
        default = form == "default"

        def total(
            b: Latency, x: cp.Expression, form: str | None = None if default else form
        ) -> Cone:
            return b.total_cone(x, form)

        name = "total_cone" if default else f"total_cone({form!r})"
        yield ConeCase(name, "total", total, lambda x: x * bank.latency(x))
    yield ConeCase("potential_cone", "potential", lambda b, x: b.potential_cone(x), bank.potential)
    yield ConeCase("latency_cone", "latency", lambda b, x: b.latency_cone(x), bank.latency)


def disciplined(bank: Latency, points: Array) -> str:
    """Check that each cone is convex by CVXPY's rules, also with the load as a parameter."""
    names = []
    for case in cone_cases(bank):
        flow, load = cp.Variable(len(bank), nonneg=True), cp.Parameter(nonneg=True)
        cone = case.write(bank, flow)
        objective = cp.Minimize(cp.sum(cone.value))
        problem = cp.Problem(objective, [cp.sum(flow) == load, *cone.constraints])
        if cone.value.shape != (len(bank),):
            remedy = f"give one number per server, shape ({len(bank)},)"
            raise InputError(case.name, cone.value.shape, "is the shape of its value", remedy)
        for rules, holds in (("DCP", problem.is_dcp()), ("DPP", problem.is_dpp())):
            if not holds:
                remedy = "write it with atoms of known curvature; see cvxpy.org/tutorial/dcp"
                raise InputError(case.name, str(cone.value)[:60], f"is not {rules}", remedy)
        names.append(case.name)
    return ", ".join(names)


def values(bank: Latency, points: Array) -> str:
    """Check that each cone, minimised at given flows, equals the function that it stands for.

    Tangents must not be above the function, and must equal it where they touch.
    """
    flows, by_tangents = points[::SLOW_STEP], []
    for case in cone_cases(bank):
        expected = case.number(flows)
        size = np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max(axis=1, keepdims=True))
        allowed = SOLVER_TOLERANCE * size
        minimum = minimised(bank, case, flows)
        if bank.has_cone(case.function):
            of = "the value of its function"
            worst(case.name, of, minimum, expected, flows, allowed, CORRECT_CONE)
            continue
        by_tangents.append(case.name)
        below = minimised(bank, case, flows, tangents_at=OTHER_POINT)
        of = "at or below the function"
        above = np.maximum(below, expected)
        worst(case.name, of, above, expected, flows, allowed, CORRECT_LATENCY)
        of = "the function, where its tangents touch"
        worst(case.name, of, minimum, expected, flows, allowed, CORRECT_LATENCY)
    tangents = f"; by tangents: {', '.join(by_tangents)}" if by_tangents else ""
    return f"minimised at {counted(len(flows), 'load')} per server{tangents}"


def minimised(bank: Latency, case: ConeCase, flows: Array, tangents_at: float = 1.0) -> Array:
    """Return the minimum of a cone at each of the flows, shape (m, n).

    Tangents touch at `tangents_at` times the flows. One program per server has m copies of it, in
    a unit of time that suits the server: one unit would not suit rates over decades.
    """
    columns = []
    for i, given in enumerate(flows.T):
        scale = bank.rate[i] if np.isfinite(bank.rate[i]) else given.mean()
        unit = float(1.0 / scale)
        copies, flow = bank.take(np.full(given.size, i)).in_unit(unit), cp.Variable(given.size)
        tangent_points = np.tile(tangents_at * given[:, None] * unit, given.size)
        with as_written():
            cone = case.write(copies.with_tangents_at(tangent_points), flow)
        objective = cp.Minimize(cp.sum(cone.value))
        problem = cp.Problem(objective, [flow == given * unit, *cone.constraints])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the comparison of the values decides
            problem.solve(solver="CLARABEL", **TIGHT_OPTIONS)
        value = cone.value.value
        # total and potential are a time multiplied by a rate, the same number in every unit
        factor = unit if case.function == "latency" else 1.0
        missing = np.full(given.size, np.nan)
        columns.append(missing if value is None else np.asarray(value) * factor)
    return np.array(columns).T


def kinds(bank: Latency, points: Array) -> str:
    """Check that the declared kinds of cone are those that CVXPY compiles."""
    details = []
    for case in cone_cases(bank):
        flow = cp.Variable(len(bank))
        cone = case.write(bank, flow)
        problem = epigraph(cone, flow)
        dims = problem.get_problem_data("CLARABEL")[0]["dims"]
        sizes = {"SOC": len(dims.soc), "EXP": dims.exp, "PSD": len(dims.psd), "POW": len(dims.p3d)}
        compiled = {kind for kind, size in sizes.items() if size}
        if compiled != cone.kinds:
            declared = ", ".join(sorted(cone.kinds)) or "none"
            problem_text = f"is declared, but CVXPY makes {', '.join(sorted(compiled)) or 'none'}"
            raise InputError(f"{case.name}.kinds", declared, problem_text, "declare those")
        details.append(f"{case.name} {', '.join(sorted(compiled)) or 'linear'}")
    return "; ".join(details)


def epigraph(cone: Cone, flow: cp.Variable) -> cp.Problem:
    """Return a program with the value of a cone in constraints.

    In the objective, a square could stay quadratic, and numbers of several servers be added up.
    """
    top = cp.Variable(cone.value.shape)
    constraints = [cp.sum(flow) == 1, cone.value <= top, *cone.constraints]
    return cp.Problem(cp.Minimize(cp.sum(top)), constraints)
