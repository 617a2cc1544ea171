"""Epigraphs of a bank's functions in CVXPY, written in the unit of time that suits solvers.

A family writes its cones in the numbers of its bank, whatever their unit. `in_solver_unit` wraps
these methods: the caller gets the cone of the bank in `Latency.solver_unit`, one unit for all
servers, with the value converted back. A bank made of other banks is converted as a whole: inside
a wrapped method, and inside `as_written`, the cones of its parts are written in their own numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any

import cvxpy as cp

from ...reference.errors import InputError
from ...reference.validation import as_integer, check_choice

TANGENTS = 1400  # default number of tangents of each server that has no cone


@dataclass(frozen=True, eq=False)
class Cone:
    """Epigraph of a convex function of the flows: minimised, `value` equals the function.

    Attributes
    ----------
    value : cvxpy.Expression, shape (n,)
        Upper bound of the function of each server; affine or convex in the flow and in auxiliary
        variables.
    constraints : tuple of cvxpy.Constraint
        Constraints of the flow and the auxiliary variables; a program that uses `value` needs them.
    kinds : frozenset of str
        Cones beside linear ones that a solver must support: ``"SOC"``, ``"EXP"``, ``"POW"``.

    Examples
    --------
    The epigraph of x^2 for two servers:

    >>> import cvxpy as cp
    >>> x = cp.Variable(2)
    >>> cone = Cone(value=cp.square(x), constraints=(), kinds=frozenset({"SOC"}))
    >>> problem = cp.Problem(cp.Minimize(cp.sum(cone.value)), [x == [1.0, 2.0], *cone.constraints])
    >>> round(float(problem.solve(solver="CLARABEL")), 4)
    5.0
    """

    value: cp.Expression
    constraints: tuple[cp.Constraint, ...]
    kinds: frozenset[str]


# None outside of a method that writes a cone; inside it, the number of tangents of each server.
_tangent_count: ContextVar[int | None] = ContextVar("tangents per server", default=None)


def tangent_count() -> int:
    """Return the number of tangents of each server in the cone that is being written."""
    return _tangent_count.get() or TANGENTS


@contextmanager
def as_written(count: int = TANGENTS) -> Iterator[None]:
    """Write cones in the bank's own numbers, with `count` tangents per server without a cone."""
    token = _tangent_count.set(count)
    try:
        yield
    finally:
        _tangent_count.reset(token)


def in_solver_unit(write: Callable[..., Cone]) -> Callable[..., Cone]:
    """Wrap a method that writes a cone: convert its bank to the `Latency.solver_unit` and back.

    The wrapper checks the flow and the form, and takes ``tangent_points`` as a keyword.
    """

    @wraps(write)
    def cone(
        self: Any, flow: cp.Expression, *options: Any, tangent_points: Any = TANGENTS, **named: Any
    ) -> Cone:
        if _tangent_count.get() is not None:
            return write(self, flow, *options, **named)
        if not isinstance(flow, cp.Expression) or flow.shape != (len(self),):
            problem = f"is not a CVXPY expression of {len(self)} flows"
            raise InputError("flow", flow, problem, f"give one of shape ({len(self)},)")
        for form in (*options, *named.values()):
            chosen = self.forms[0] if form is None else form
            problem = f"is not a form of the cone of {type(self).__name__}"
            check_choice("form", chosen, self.forms, problem)
        count = as_integer("tangent_points", tangent_points, "a number of tangents", 2)
        unit = self.solver_unit
        with as_written(count):
            made = getattr(self.in_unit(unit), write.__name__)(unit * flow, *options, **named)
        # total and potential are a time multiplied by a rate, the same number in every unit
        value = unit * made.value if write.__name__ == "latency_cone" else made.value
        return Cone(value, made.constraints, made.kinds)

    signature = inspect.signature(write)
    if "tangent_points" not in signature.parameters:
        added = inspect.Parameter(
            "tangent_points", inspect.Parameter.KEYWORD_ONLY, default=TANGENTS, annotation="int"
        )
        parameters = [*signature.parameters.values(), added]
        cone.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return cone
