"""An epigraph in CVXPY: the value, what ties it to the flow, and the cones that a solver must take for it.

A family writes its cones in the numbers of its bank, whatever their unit. What a caller gets is written for the bank in a unit of time
that suits a solver, one for all servers, and multiplied back: `in_unit_of_its_own`. What is built of other banks is scaled as a
whole: within a cone that is being written, and within `as_written`, cones are those of the bank as it is.
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

TANGENTS = 1400  # a server, where there is no cone


@dataclass(frozen=True, eq=False)
class Cone:
    """An epigraph: minimised, `value` equals the function it stands for.

    Attributes
    ----------
    value : cvxpy.Expression, shape (n,)
        Affine or convex in the flow and its own auxiliary variables.
    constraints : tuple of cvxpy.Constraint
        What ties the auxiliary variables to the flow.
    kinds : frozenset of str
        Cones that a solver must take beside the linear ones: ``"SOC"``, ``"EXP"``, ``"POW"``.
    """

    value: cp.Expression
    constraints: tuple[cp.Constraint, ...]
    kinds: frozenset[str]


_count: ContextVar[int | None] = ContextVar(
    "tangents a server of the cone that is being written", default=None
)


def tangent_count() -> int:
    """Return the number of tangents a server of the cone that is being written."""
    return _count.get() or TANGENTS


@contextmanager
def as_written(count: int = TANGENTS) -> Iterator[None]:
    """Within it, cones are written in the bank's own numbers, with `count` tangents a server where there is no cone."""
    token = _count.set(count)
    try:
        yield
    finally:
        _count.reset(token)


def in_unit_of_its_own(write: Callable[..., Cone]) -> Callable[..., Cone]:
    """Make a method that writes a cone scale its bank first, and the value back; it takes `tangent_points` too."""

    @wraps(write)
    def cone(
        self: Any, flow: cp.Expression, *options: Any, tangent_points: Any = TANGENTS, **named: Any
    ) -> Cone:
        if _count.get() is not None:
            return write(self, flow, *options, **named)
        if not isinstance(flow, cp.Expression) or flow.shape != (len(self),):
            raise InputError(
                "flow",
                flow,
                f"is no CVXPY expression of {len(self)} flows",
                f"give one of shape ({len(self)},)",
            )
        for form in (*options, *named.values()):
            check_choice(
                "form",
                self.forms[0] if form is None else form,
                self.forms,
                f"is not a way to write {type(self).__name__}",
            )
        count, unit = (
            as_integer("tangent_points", tangent_points, "a number of tangents", 2),
            self.unit,
        )
        with as_written(count):
            made = getattr(self.in_unit(unit), write.__name__)(unit * flow, *options, **named)
        value = (
            unit * made.value if write.__name__ == "latency_cone" else made.value
        )  # the others are a time by a rate
        return Cone(value, made.constraints, made.kinds)

    known = inspect.signature(write)
    if "tangent_points" not in known.parameters:
        more = inspect.Parameter(
            "tangent_points", inspect.Parameter.KEYWORD_ONLY, default=TANGENTS, annotation="int"
        )
        cone.__signature__ = known.replace(parameters=[*known.parameters.values(), more])  # type: ignore[attr-defined]
    return cone
