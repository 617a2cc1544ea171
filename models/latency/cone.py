"""An epigraph in CVXPY: the value, what ties it to the flow, and the cones that a solver must take for it."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp


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
