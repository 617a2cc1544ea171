"""What a latency family adds to its numbers so that CVXPY can optimise over it: its cones."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from sojourn.models.latency.cone import Cone
from sojourn.models.latency.tangents import general_points, tangents
from sojourn.reference.errors import Array, InputError
from sojourn.reference.queues import Pool, Queue
from sojourn.reference.sums import exact_product

ArrayLike = npt.ArrayLike


class Latency(Queue):
    """A bank of n servers as numbers (`sojourn.reference.Queue`) and as cones.

    To add a family, give `rate`, `delay` and `latency`; and, for a CVXPY variable of shape (n,), those of the three cones that can be
    written. A cone that is left out is made of tangents, added until the certificate is met. `sojourn.models.check_latency` says whether all
    is right; ``notebooks/add_a_latency.ipynb`` shows how.
    """

    forms: tuple[str, ...] = ("default",)
    """Names of the ways in which `total_cone` can be written; the first is the default."""

    rates: ClassVar[tuple[str, ...] | None] = None
    times: ClassVar[tuple[str, ...] | None] = None
    """Fields that are rates, and that are times, of a family that is a dataclass; where they are not said, units are changed around it."""

    files: ClassVar[tuple[str, ...]] = ()
    """Fields of a scenario file that name a file to read the servers from; see `of_fields`."""

    tangent_points: Array | None = None
    """Where the tangents touch that stand for a cone that is not written, shape (m, n); by default 60, for any load."""

    @property
    def kinks(self) -> Array:
        """Loads at which the second derivative of the latency jumps, shape (m, n): none, unless a family says so."""
        return np.empty((0, len(self)))

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return what must be said of the latencies at a flow, such as that nothing was ever measured there; nothing, unless a family does."""
        return []

    @classmethod
    def of_fields(cls, servers: Sequence[Mapping[str, Any]]) -> Latency:
        """Return the servers that a scenario file says, each by its fields; servers within servers are banks of one."""
        columns = {name: [s[name] for s in servers] for name in servers[0]}
        return cls(**{name: column[0] if isinstance(column[0], Latency) else column for name, column in columns.items()})

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers, as different as users will have them: for benchmarks and examples."""
        return cls(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.02])  # type: ignore[call-arg]

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried by each server, x l(x); by default its tangents."""
        return tangents(flow, self._points(), lambda x: x * self.latency(x), self.marginal, self.rate)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Beckmann potential of each server, the integral of l from 0 to x; by default its tangents."""
        return tangents(flow, self._points(), self.potential, self.latency, self.rate)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency of each server, l(x); by default its tangents."""
        return tangents(flow, self._points(), self.latency, self.latency_slope, self.rate)

    def exact(self, cone: str) -> bool:
        """Whether ``"total"``, ``"potential"`` or ``"latency"`` is written as a cone, not by tangents."""
        return getattr(type(self), f"{cone}_cone") is not getattr(Latency, f"{cone}_cone")

    def touching(self, points: Array) -> Self:
        """Return the same servers with tangents at the points, shape (m, n), where they have no cones."""
        new = self.take(slice(None))
        object.__setattr__(new, "tangent_points", points)
        return new

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the servers with what are rates multiplied by `rate`, and what are times by `time`; see `in_unit`."""
        known = is_dataclass(type(self))  # of the class: asked of the bank, a type checker takes no Latency for one
        if self.rates is None or self.times is None or not known:
            return Scaled(self, rate, time)
        factors = {**dict.fromkeys(self.rates, rate), **dict.fromkeys(self.times, time)}
        return replace(self, **{name: getattr(self, name) * factor for name, factor in factors.items()})  # type: ignore[type-var]

    def in_unit(self, unit: float) -> Latency:
        """Return the same servers with time measured in `unit` of today's: rates times `unit`, delays divided by it."""
        return self.scaled(unit, 1.0 / unit)

    def _points(self) -> Array:
        return general_points(self) if self.tangent_points is None else self.tangent_points


class Scaled(Latency):
    """Servers of any family with other units of rate and time, where the family does not say what its numbers become."""

    def __init__(self, queue: Latency, rate: float, time: float) -> None:
        self.queue, self.per_rate, self.per_time = queue, rate, time
        self.rate, self.delay, self.forms = queue.rate * rate, queue.delay * time, queue.forms

    @cached_property
    def rate_error(self) -> Array:
        """What rounding left out of the rates in the new unit; see `Queue.rate_error`."""
        finite = np.where(np.isfinite(self.rate), self.queue.rate, 0.0)
        return exact_product(finite, np.array(self.per_rate))[1] + self.queue.rate_error * self.per_rate

    @property
    def service(self) -> Array:
        """Latency of an empty server beyond its delay, shape (n,)."""
        return self.queue.service * self.per_time

    @property
    def ceiling(self) -> Array:
        """Latency that no load exceeds; see `Queue.ceiling`."""
        return self.queue.ceiling * self.per_time

    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Latency of each server; see `Queue.latency`."""
        return self.queue.latency(*self._there(flow, spare)) * self.per_time

    def marginal(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Marginal delay; see `Queue.marginal`."""
        return self.queue.marginal(*self._there(flow, spare)) * self.per_time

    def potential(self, flow: ArrayLike) -> Array:
        """Beckmann potential; see `Queue.potential`."""
        return self.queue.potential(self._there(flow, None)[0]) * (self.per_rate * self.per_time)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried; see `Latency.total_cone`."""
        return _times(self.queue.total_cone(flow / self.per_rate, form), self.per_rate * self.per_time)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Beckmann potential; see `Latency.potential_cone`."""
        return _times(self.queue.potential_cone(flow / self.per_rate), self.per_rate * self.per_time)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency of each server; see `Latency.latency_cone`."""
        return _times(self.queue.latency_cone(flow / self.per_rate), self.per_time)

    def exact(self, cone: str) -> bool:
        """Whether a cone is written; see `Latency.exact`."""
        return self.queue.exact(cone)

    def touching(self, points: Array) -> Scaled:
        """Return the servers with tangents at the points; see `Latency.touching`."""
        return Scaled(self.queue.touching(points / self.per_rate), self.per_rate, self.per_time)

    def take(self, index: Any) -> Scaled:
        """Return the servers at `index`; see `Queue.take`."""
        return Scaled(self.queue.take(index), self.per_rate, self.per_time)

    def farther(self, delay: ArrayLike) -> Scaled:
        """Return the servers with longer delays; see `Queue.farther`."""
        return Scaled(self.queue.farther(np.asarray(delay) / self.per_time), self.per_rate, self.per_time)

    def _there(self, flow: ArrayLike, spare: ArrayLike | None) -> tuple[Array, Array | None]:
        return np.asarray(flow) / self.per_rate, None if spare is None else np.asarray(spare) / self.per_rate


def _times(cone: Cone, factor: float) -> Cone:
    return Cone(factor * cone.value, cone.constraints, cone.kinds)


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

    def scaled(self, rate: float, time: float) -> LatencyPool:
        """Return the servers in other units; see `Latency.scaled`."""
        return LatencyPool([b.scaled(rate, time) for b in self.banks])

    @property
    def kinks(self) -> Array:
        """Kinks of all banks; see `Latency.kinks`."""
        parts = [b.kinks for b in self.banks]
        most = max(len(p) for p in parts)
        return np.concatenate([np.pad(p, ((0, most - len(p)), (0, 0)), constant_values=np.inf) for p in parts], axis=1)

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """What each bank has to say; see `Latency.caveats`."""
        ends = zip(self.banks, self.edges[:-1], self.edges[1:], strict=True)
        return [said for b, lo, hi in ends for said in b.caveats(np.asarray(flow)[lo:hi], names[lo:hi])]

    def exact(self, cone: str) -> bool:
        """Whether every bank writes a cone; see `Latency.exact`."""
        return all(b.exact(cone) for b in self.banks)

    def touching(self, points: Array) -> LatencyPool:
        """Return the pool with tangents at the points; see `Latency.touching`."""
        ends = zip(self.banks, self.edges[:-1], self.edges[1:], strict=True)
        return LatencyPool([b.touching(points[:, lo:hi]) for b, lo, hi in ends])

    def take(self, index: Any) -> LatencyPool:
        """Return the pool of the servers at `index`, grouped by family."""
        return LatencyPool(super().take(index).banks)  # type: ignore[arg-type]

    def _parts(self, flow: cp.Expression) -> list[tuple[Any, cp.Expression]]:
        return [(b, flow[int(lo) : int(hi)]) for b, lo, hi in zip(self.banks, self.edges[:-1], self.edges[1:], strict=True)]

    @staticmethod
    def _stack(cones: list[Cone]) -> Cone:
        constraints = tuple(c for cone in cones for c in cone.constraints)
        return Cone(cp.hstack([c.value for c in cones]), constraints, frozenset().union(*(c.kinds for c in cones)))


def parameters(family: type[Latency]) -> dict[str, bool]:
    """Return the parameters of a family by name, and whether each is required."""
    given = inspect.signature(family).parameters.values()
    return {p.name: p.default is p.empty for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def as_latency(servers: tuple[Latency, ...]) -> Latency:
    """Return one `Latency`: a bank as it is, several as their pool."""
    if len(servers) == 1 and isinstance(servers[0], Latency):
        return servers[0]
    return LatencyPool(servers)


def product_at_least(left: cp.Expression, right: cp.Expression, root: cp.Expression | Array) -> cp.Constraint:
    """Rotated second-order cones left_i right_i >= root_i^2, left, right >= 0, for all i in one vectorised constraint."""
    return cp.SOC(left + right, cp.vstack([2 * root, left - right]), axis=0)
