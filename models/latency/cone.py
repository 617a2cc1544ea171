"""Epigraphs of a bank's functions in CVXPY, written in the unit of time that suits solvers.

A family writes its cones in the numbers of its bank, whatever their unit. `in_solver_unit` wraps
these methods: the caller gets the cone of the bank in `Latency.solver_unit`, one unit for all
servers, with the value converted back. A bank made of other banks is converted as a whole: inside
a wrapped method, and inside `as_written`, the cones of its parts are written in their own numbers.
Inside `as_parameters` they are also written in their own numbers, with a CVXPY parameter for each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any

import cvxpy as cp

from ...reference.errors import InputError
from ...reference.plural import counted
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


class Numbers(dict[str, Any]):
    """Numbers of the cones of a bank by name; a name that the bank does not give is an error."""

    def __init__(self, bank: Any, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.bank = bank

    def __missing__(self, name: str) -> Any:
        given = ", ".join(self.bank.cone_numbers() or ()) or "no number"
        problem = f"is not given by {type(self.bank).__name__}"
        raise InputError(
            f"cone_numbers[{name!r}]", None, problem, f"add it to cone_numbers, or use {given}"
        )


class ParametersOfPart(Numbers):
    """CVXPY parameters in place of the numbers of one bank, each made at its first use."""

    def __init__(self, bank: Any) -> None:
        super().__init__(bank, {})
        self.given = frozenset(bank.cone_numbers())

    def __missing__(self, name: str) -> Any:
        if name not in self.given:
            return super().__missing__(name)
        nonneg = name not in self.bank.signed_cone_numbers
        self[name] = cp.Parameter(len(self.bank), name=name, nonneg=nonneg)
        return self[name]


class ConeParameters:
    """CVXPY parameters in place of the numbers of the cones of one bank; see `as_parameters`."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[int, ParametersOfPart]] | None = None  # by id of the part

    @property
    def parameters(self) -> list[tuple[int, str, cp.Parameter]]:
        """Index of the part in `Latency.cone_parts`, name of the number, and parameter of each.

        The value for a bank of the same `Latency.cone_shape` is
        ``bank.cone_parts[index].cone_numbers()[name]``.
        """
        parts = () if self._parts is None else self._parts.values()
        return [(i, name, made) for i, part in parts for name, made in part.items()]

    def enter(self, bank: Any) -> None:
        """Take the parts of the bank of the first cone, which all further cones must belong to."""
        if self._parts is not None:
            return
        parts = bank.cone_parts
        if parts is None:
            problem = "does not give the numbers of its cones"
            remedy = "define cone_numbers, or write its cones with numbers"
            raise InputError("bank", type(bank).__name__, problem, remedy)
        # where one bank is two parts, the first of them has the parameters
        self._parts = {}
        for i, part in enumerate(parts):
            self._parts.setdefault(id(part), (i, ParametersOfPart(part)))

    def of_part(self, part: Any) -> ParametersOfPart:
        """Return the parameters of one part of the bank."""
        self.enter(part)
        if self._parts is None or id(part) not in self._parts:
            problem = "is no part of the bank whose cones are written with parameters"
            remedy = "write the cones of one bank at a time"
            raise InputError("bank", type(part).__name__, problem, remedy)
        return self._parts[id(part)][1]


_parameters: ContextVar[ConeParameters | None] = ContextVar("parameters of cones", default=None)


@contextmanager
def as_parameters() -> Iterator[ConeParameters]:
    """Write the cones of one bank with parameters in place of its numbers, in its own unit.

    The program then holds for all banks of the same `Latency.cone_shape`.

    Raises
    ------
    InputError
        If the bank has no `Latency.cone_shape`, or a cone by tangents.
    """
    made = ConeParameters()
    token = _parameters.set(made)
    try:
        with as_written():
            yield made
    finally:
        _parameters.reset(token)


def parameters_in_cones() -> ConeParameters | None:
    """Return the parameters of the cones that are being written, or None for numbers."""
    return _parameters.get()


def in_solver_unit(write: Callable[..., Cone]) -> Callable[..., Cone]:
    """Wrap a method that writes a cone: convert its bank to the `Latency.solver_unit` and back.

    The wrapper checks the flow and the form, and takes ``tangent_points`` as a keyword.
    """

    @wraps(write)
    def cone(
        self: Any, flow: cp.Expression, *options: Any, tangent_points: Any = TANGENTS, **named: Any
    ) -> Cone:
        if _tangent_count.get() is not None:
            if (parameters := _parameters.get()) is not None:
                parameters.enter(self)
            return write(self, flow, *options, **named)
        if not isinstance(flow, cp.Expression) or flow.shape != (len(self),):
            problem = f"is not a CVXPY expression of {counted(len(self), 'flow')}"
            raise InputError("flow", flow, problem, f"give one of shape ({len(self)},)")
        for form in (*options, *named.values()):
            problem = f"is not a form of the cone of {type(self).__name__}"
            if form is not None:  # each part of a mixed bank without a common form has its own
                check_choice("form", form, self.forms, problem)
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
        every = [*signature.parameters.values(), added]
        cone.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    return cone
