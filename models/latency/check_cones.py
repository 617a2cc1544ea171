"""The cones of a latency family, one property a function: what was looked at, or an InputError with what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.family_checks import worst
from .base import Latency
from .check_numbers import SOME
from .cone import Cone, as_written

SOLVER = 1e-5  # what a solver's answer may be off, relative
TIGHT = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10, "accept_unknown": True}
ELSEWHERE = 0.9  # of a flow: a tangent there is below the function here
FIX = "correct it, or leave it out: the base class has tangents"


class Written(NamedTuple):
    """A cone of a bank: its name, which of the three it is, how it is written, and the number that it stands for."""

    name: str
    kind: str
    write: Callable[[Latency, cp.Expression], Cone]
    number: Callable[[Array], Array]


def written(bank: Latency) -> Iterator[Written]:
    """All cones of a bank, in every form."""
    for form in bank.forms:
        name = "total_cone" if form == "default" else f"total_cone({form!r})"

        def total(b: Latency, x: cp.Expression, form: str = form) -> Cone:
            return b.total_cone(x, None if form == "default" else form)

        yield Written(name, "total", total, lambda x: x * bank.latency(x))
    yield Written("potential_cone", "potential", lambda b, x: b.potential_cone(x), bank.potential)
    yield Written("latency_cone", "latency", lambda b, x: b.latency_cone(x), bank.latency)


def disciplined(bank: Latency, points: Array) -> str:
    """Convex by CVXPY's rules, and with the load as a parameter."""
    for cone in written(bank):
        flow, load = cp.Variable(len(bank), nonneg=True), cp.Parameter(nonneg=True)
        made = cone.write(bank, flow)
        problem = cp.Problem(
            cp.Minimize(cp.sum(made.value)), [cp.sum(flow) == load, *made.constraints]
        )
        if made.value.shape != (len(bank),):
            raise InputError(
                cone.name,
                made.value.shape,
                "is the shape of its value",
                f"give one number a server, shape ({len(bank)},)",
            )
        for what, holds in (("DCP", problem.is_dcp()), ("DPP", problem.is_dpp())):
            if not holds:
                remedy = "write it with atoms of known curvature; see cvxpy.org/tutorial/dcp"
                raise InputError(cone.name, str(made.value)[:60], f"is not {what}", remedy)
    return ", ".join(cone.name for cone in written(bank))


def values(bank: Latency, points: Array) -> str:
    """Minimised with the flow given, each is the number it stands for; tangents are never above it, and equal where they touch."""
    some, by_tangents = points[::SOME], []
    for cone in written(bank):
        expected = cone.number(some)
        allowed = SOLVER * np.maximum(
            np.abs(expected), 1e-3 * np.abs(expected).max(axis=1, keepdims=True)
        )
        if bank.exact(cone.kind):
            worst(
                cone.name,
                "the number that it stands for",
                minimised(bank, cone, some),
                expected,
                some,
                allowed,
                FIX,
            )
            continue
        by_tangents.append(cone.name)
        low = np.maximum(minimised(bank, cone, some, with_tangents_at=ELSEWHERE), expected)
        worst(
            cone.name,
            "at or below the function",
            low,
            expected,
            some,
            allowed,
            "correct latency and its slopes",
        )
        touch = minimised(bank, cone, some)
        worst(
            cone.name,
            "the function, where its tangents touch",
            touch,
            expected,
            some,
            allowed,
            "correct latency and its slopes",
        )
    return f"minimised at {len(some)} loads a server" + (
        f"; by tangents: {', '.join(by_tangents)}" if by_tangents else ""
    )


def minimised(bank: Latency, cone: Written, points: Array, with_tangents_at: float = 1.0) -> Array:
    """Values of a cone minimised at flows of shape (m, n), where there are tangents, they touch at `with_tangents_at` times the flows.

    Server by server, as a bank of its copies in a unit of time that suits a solver: one unit does not suit rates over decades.
    """
    columns = []
    for i, at in enumerate(points.T):
        unit = float(1.0 / bank.rate[i]) if np.isfinite(bank.rate[i]) else float(1.0 / at.mean())
        copies, flow = bank.take(np.full(at.size, i)).in_unit(unit), cp.Variable(at.size)
        with as_written():
            made = cone.write(
                copies.with_tangents_at(np.tile(with_tangents_at * at[:, None] * unit, at.size)),
                flow,
            )
        problem = cp.Problem(
            cp.Minimize(cp.sum(made.value)), [flow == at * unit, *made.constraints]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the numbers say whether it is accurate
            problem.solve(solver="CLARABEL", **TIGHT)
        value = made.value.value
        back = unit if cone.kind == "latency" else 1.0  # the others are a time by a rate
        columns.append(np.full(at.size, np.nan) if value is None else np.asarray(value) * back)
    return np.array(columns).T


def kinds(bank: Latency, points: Array) -> str:
    """The cones that CVXPY makes are those that are declared: by them the solvers are chosen."""
    seen = []
    for cone in written(bank):
        flow, top = cp.Variable(len(bank)), cp.Variable(len(bank))
        made = cone.write(bank, flow)
        # in a constraint: in the objective a square could stay one
        problem = cp.Problem(
            cp.Minimize(cp.sum(top)), [cp.sum(flow) == 1, made.value <= top, *made.constraints]
        )
        dims = problem.get_problem_data("CLARABEL")[0]["dims"]
        sizes = {"SOC": len(dims.soc), "EXP": dims.exp, "PSD": len(dims.psd), "POW": len(dims.p3d)}
        true = {kind for kind, size in sizes.items() if size}
        if true != made.kinds:
            said, found = (", ".join(sorted(k)) or "none" for k in (made.kinds, true))
            raise InputError(
                f"{cone.name}.kinds", said, f"is declared, but CVXPY makes {found}", "declare those"
            )
        seen.append(f"{cone.name} {', '.join(sorted(true)) or 'linear'}")
    return "; ".join(seen)
