"""What a latency family adds to its numbers so that CVXPY can optimise over it: its cones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import cvxpy as cp

from sojourn.reference.errors import Array, InputError
from sojourn.reference.queues import Pool, Queue


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
        Cones that a solver must take beside the linear ones: ``"SOC"``, ``"EXP"``.
    """

    value: cp.Expression
    constraints: tuple[cp.Constraint, ...]
    kinds: frozenset[str]


class Latency(Queue):
    """A bank of n servers as numbers (`sojourn.reference.Queue`) and as cones.

    To add a family, give the numbers and the three cones for a CVXPY variable of shape (n,). See `sojourn.models.latency.mg1`.
    """

    forms: tuple[str, ...] = ("default",)
    """Names of the ways in which `total_cone` can be written; the first is the default."""

    @abstractmethod
    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried by each server, x l(x)."""

    @abstractmethod
    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Beckmann potential of each server, the integral of l from 0 to x."""

    @abstractmethod
    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency of each server, l(x)."""

    @abstractmethod
    def in_unit(self, unit: float) -> Self:
        """Return the same servers with time measured in `unit` of today's: rates times `unit`, delays divided by it."""


class LatencyPool(Pool, Latency):
    """Banks of different families side by side, as one `Latency`."""

    banks: tuple[Any, ...]

    def __init__(self, banks: Sequence[Latency]) -> None:
        for i, bank in enumerate(banks):
            if not isinstance(bank, Latency):
                raise InputError(f"servers[{i}]", bank, "is not a bank with cones", "use the classes of sojourn.models, such as MM1")
        super().__init__(banks)

    @property
    def forms(self) -> tuple[str, ...]:  # type: ignore[override]
        """Forms that every bank has."""
        return tuple(f for f in self.banks[0].forms if all(f in b.forms for b in self.banks))

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried by each server; see `Latency.total_cone`."""
        return self._stack([b.total_cone(x, form) for b, x in self._parts(flow)])

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Beckmann potential of each server; see `Latency.potential_cone`."""
        return self._stack([b.potential_cone(x) for b, x in self._parts(flow)])

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency of each server; see `Latency.latency_cone`."""
        return self._stack([b.latency_cone(x) for b, x in self._parts(flow)])

    def in_unit(self, unit: float) -> LatencyPool:
        """Return the servers with time in another unit; see `Latency.in_unit`."""
        return LatencyPool([b.in_unit(unit) for b in self.banks])

    def take(self, index: Any) -> LatencyPool:
        """Return the pool of the servers at `index`, grouped by family."""
        return LatencyPool(super().take(index).banks)  # type: ignore[arg-type]

    def _parts(self, flow: cp.Expression) -> list[tuple[Any, cp.Expression]]:
        return [(b, flow[int(lo) : int(hi)]) for b, lo, hi in zip(self.banks, self.edges[:-1], self.edges[1:], strict=True)]

    @staticmethod
    def _stack(cones: list[Cone]) -> Cone:
        constraints = tuple(c for cone in cones for c in cone.constraints)
        return Cone(cp.hstack([c.value for c in cones]), constraints, frozenset().union(*(c.kinds for c in cones)))


def as_latency(servers: tuple[Latency, ...]) -> Latency:
    """Return one `Latency`: a bank as it is, several as their pool."""
    if len(servers) == 1 and isinstance(servers[0], Latency):
        return servers[0]
    return LatencyPool(servers)


def product_at_least(left: cp.Expression, right: cp.Expression, root: cp.Expression | Array) -> cp.Constraint:
    """Rotated second-order cones left_i right_i >= root_i^2, left, right >= 0, for all i in one vectorised constraint."""
    return cp.SOC(left + right, cp.vstack([2 * root, left - right]), axis=0)
