"""What a latency family adds to its numbers so that CVXPY can optimise over it: its cones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import cache, cached_property
from itertools import chain, pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from ...reference.compensated_sum import exact_product
from ...reference.composed import Composed, MixedBank, View
from ...reference.errors import Array
from ...reference.server_bank import Operation, ServerBank, store, whole
from ...reference.validation import check_choice
from .cone import Cone, in_unit_of_its_own, tangent_count
from .tangents import placed, tangents

ArrayLike = npt.ArrayLike


WRITTEN = ("total", "potential", "latency")
CONES = tuple(f"{cone}_cone" for cone in WRITTEN)


class Latency(ServerBank):
    """A bank of n servers as numbers (`sojourn.reference.ServerBank`) and as cones.

    To add a family, give `rate`, `delay` and `latency`; and, for a CVXPY variable of shape (n,), those of the three cones that can be
    written, in the bank's own numbers: they are scaled for the solver wherever they are used. A cone that is left out is made of tangents,
    which a system adds to until the certificate is met. `sojourn.models.check_latency` says whether all is right;
    ``notebooks/add_a_latency.ipynb`` shows how.
    """

    forms: tuple[str, ...] = ("default",)
    """Names of the ways in which `total_cone` can be written; the first is the default."""

    rates: ClassVar[tuple[str, ...] | None] = None
    times: ClassVar[tuple[str, ...] | None] = None
    """Fields that are rates, and that are times, of a family that is a dataclass; where they are not said, units are changed around it."""

    example: ClassVar[Mapping[str, Any]] = {}
    """Fields of `sample` beside, or in place of, a rate and a delay."""

    files: ClassVar[tuple[str, ...]] = ()
    """Fields of a scenario file that name a file to read the servers from; see `of_fields`."""

    quantities: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **ServerBank.quantities,
        "full_load": ("rate",),
        "full_load_is": ("words",),
        "caveats": ("rate", "names", "words"),
        "exact": ("plain", "all"),
        "total_cone": ("rate", "form", "total"),
        "potential_cone": ("rate", "total"),
        "latency_cone": ("rate", "time"),
    }

    tangent_points: Array | None = None
    """Where the tangents touch that stand for a cone that is not written, shape (m, n); by default where `placed` puts them."""

    def __init_subclass__(cls, **named: Any) -> None:
        """Scale what the cones of a family are written in."""
        super().__init_subclass__(**named)
        for cone in CONES:
            if cone in vars(cls):
                setattr(cls, cone, in_unit_of_its_own(vars(cls)[cone]))

    @property
    def full_load(self) -> Array:
        """Load that a utilisation is a part of, shape (n,): the rate.

        Infinite where any load is served alike, and NaN where there is no such load.
        """
        endless = np.where(np.isfinite(self.latency_limit), np.inf, np.nan)
        return np.where(np.isfinite(self.rate), self.rate, endless)

    @property
    def full_load_is(self) -> tuple[str, ...]:
        """What the `full_load` of each server is, in a word or two: n of them."""
        return ("rate",) * len(self)

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return what must be said of the latencies at a flow, such as that nothing was ever measured there; nothing, unless a family does."""
        return []

    @classmethod
    def of_fields(cls, servers: Sequence[Mapping[str, Any]]) -> Latency:
        """Return the servers that a scenario file says, each by its fields; servers within servers are banks of one."""
        columns = {name: [s[name] for s in servers] for name in servers[0]}
        return cls(
            **{
                name: column[0] if isinstance(column[0], Latency) else column
                for name, column in columns.items()
            }
        )

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers, as different as users will have them: for benchmarks and examples."""
        return cls(**{"rate": [100.0, 80.0, 200.0], "delay": [0.005, 0.005, 0.02], **cls.example})

    @in_unit_of_its_own
    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried by each server, x l(x); by default its tangents.

        Cones are written in the bank's `unit`, one for all servers, and a solver is their only error. Tangents, of which there are
        ``tangent_points=1400`` a server, are below the function by a part of at most about (G/1400)^2 with G = integral of
        sqrt(f''/(8 f)) dx, even over all flows: 1e-5 up to 99.9 % of a rate, growing to 1e-4 at 99.99 %; beyond, the last tangent
        goes on. Twice as many have a quarter of the error. Beside tangents, all servers of a pool or tandem are tangents.

        Parameters
        ----------
        flow : cvxpy.Expression, shape (n,)
            Affine. Where a bound is known (``cp.Variable(n, bounds=[0, most])``) all tangents touch within; where none is and a
            server has no rate, up to 100 times the flow that doubles its latency.
        form : str, optional
            One of `forms`.
        tangent_points : int, default 1400
            Number of tangents a server, 2 or more, where there is no cone.

        Raises
        ------
        InputError
            On a form that there is not, or a number of tangents that is none.
        """
        return self._tangents(flow, lambda x: x * self.latency(x), self.marginal)

    @in_unit_of_its_own
    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Beckmann potential of each server, the integral of l from 0 to x; by default its tangents, as for `total_cone`."""
        return self._tangents(flow, self.potential, self.latency)

    @in_unit_of_its_own
    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency of each server, l(x); by default its tangents, as for `total_cone`."""
        return self._tangents(flow, self.latency, self.latency_slope)

    @property
    def unit(self) -> float:
        """Unit of time in which the rates are of the size of 1: one for all servers, and a power of 2, which keeps all digits."""
        return float(2.0 ** -np.round(np.log2(self.reach).mean()))

    @property
    def reach(self) -> Array:
        """Rate of each server; where there is none, the flow that doubles the latency, or is 1 where none does; shape (n,)."""
        if np.all(np.isfinite(self.rate)):
            return self.rate
        idle = self.idle_latency
        with np.errstate(all="ignore"):
            price = 2.0 * np.where(
                idle > 0, idle, max(idle.max(), float(self.latency(np.ones(len(self))).min()))
            )
            double = self.inverse_latency(price)
        return np.where(
            np.isfinite(self.rate),
            self.rate,
            np.where(np.isfinite(double) & (double > 0), double, 1.0),
        )

    def exact(self, cone: str) -> bool:
        """Whether ``"total"``, ``"potential"`` or ``"latency"`` is written as a cone, not by tangents."""
        check_choice("cone", cone, WRITTEN, "is not a cone")
        return getattr(type(self), f"{cone}_cone") is not getattr(Latency, f"{cone}_cone")

    def with_tangents_at(self, points: Array) -> Self:
        """Return the same servers with tangents at the points, shape (m, n), where they have no cones."""
        return self._with(tangent_points=points)

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the servers with what are rates multiplied by `rate`, and what are times by `time`; see `in_unit`."""
        known = is_dataclass(
            type(self)
        )  # of the class: asked of the bank, a type checker takes no Latency for one
        if self.rates is None or self.times is None or not known:
            return Scaled(self, rate, time)
        factors = {**dict.fromkeys(self.rates, rate), **dict.fromkeys(self.times, time)}
        return replace(
            self, **{name: getattr(self, name) * factor for name, factor in factors.items()}
        )  # type: ignore[type-var]

    def in_unit(self, unit: float) -> Latency:
        """Return the same servers with time measured in `unit` of today's: rates times `unit`, delays divided by it."""
        return self.scaled(unit, 1.0 / unit)

    def _tangents(
        self, flow: cp.Expression, value: Callable[[Array], Array], slope: Callable[[Array], Array]
    ) -> Cone:
        points = self.tangent_points
        if points is None:
            points = placed(flow, value, slope, self.rate, self.reach, tangent_count())
        return tangents(flow, points, value, slope, self.rate)


class ComposedLatency(Composed, Latency, mixin=True):
    """Banks seen as one, with their cones: of the parts where all have one, else tangents of the whole."""

    def _made(self, name: str, kinds: tuple[str, ...], *given: Any) -> Any:
        if name not in CONES:
            return super()._made(name, kinds, *given)
        if not self._of_cones(name.removesuffix("_cone")):
            return getattr(Latency, name)(self, *given)
        cones = self._of_parts(name, kinds, *given)
        constraints = tuple(chain.from_iterable(c.constraints for c in cones))
        value = self._join([c.value for c in cones], kinds[-1])
        return Cone(value, constraints, frozenset().union(*(c.kinds for c in cones)))

    def _of_cones(self, cone: str) -> bool:
        """Whether each part writes its own.

        Solvers fail on exponential cones beside many tangents, so that beside some, all are tangents.
        """
        return self.exact(cone) or self.tangent_points is not None

    def with_tangents_at(self, points: Array) -> Self:
        """Return the parts with tangents at the points; see `Latency.with_tangents_at`."""
        each = zip(self.parts, self._each(points, "rate"), strict=True)
        return store(
            self._like([part.with_tangents_at(its) for part, its in each]), tangent_points=points
        )

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the parts in other units; see `Latency.scaled`."""
        return self._like([part.scaled(rate, time) for part in self.parts])


class Scaled(ComposedLatency, View):
    """Servers of any family in other units, where it does not say what its numbers become."""

    worked_out = frozenset()
    scaled = Latency.scaled

    def __init__(self, bank: Latency, rate: float, time: float) -> None:
        super().__init__(bank, rate, time)
        self.rate, self.delay, self.forms = bank.rate * rate, bank.delay * time, bank.forms
        self.per = {"rate": rate, "spare_capacity": rate, "time": time, "total": rate * time}
        self.per["slope"] = time / rate

    @cached_property
    def rate_error(self) -> Array:
        """What rounding left out of the rates in the new unit; see `ServerBank.rate_error`."""
        finite, factor = np.where(np.isfinite(self.rate), self.bank.rate, 0.0), self.per["rate"]
        lost = exact_product(finite, np.array(factor))[1]
        return np.asarray(lost + self.bank.rate_error * factor)

    def _of_cones(self, cone: str) -> bool:
        return self.exact(cone)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        return (value / self.per[kind] if kind in self.per and value is not None else value,)

    def _join(self, values: list[Any], kind: str) -> Any:
        if kind == "point":
            flow, spare_capacity, slope = values[0]
            return Operation(
                flow * self.per["rate"],
                spare_capacity * self.per["rate"],
                slope / self.per["slope"],
            )
        return super()._join([v * self.per[kind] for v in values], kind)


class MixedLatency(MixedBank, ComposedLatency):
    """Banks of different families side by side, as one `Latency`."""

    made_of = (
        Latency,
        "is not a bank with cones",
        "use the classes of sojourn.models, such as MM1",
    )

    @property
    def forms(self) -> tuple[str, ...]:  # type: ignore[override]
        """Forms that every bank has."""
        return tuple(f for f in self.parts[0].forms if all(f in b.forms for b in self.parts))

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        if isinstance(value, cp.Expression):
            return [value[low:high] for low, high in pairwise(self.edges)]
        return super()._each(value, kind)

    def _join(self, values: list[Any], kind: str) -> Any:
        if isinstance(values[0], cp.Expression):
            return cp.hstack(values)
        return super()._join(values, kind)


@cache
def parameters(family: type[Any]) -> Mapping[str, bool]:
    """Return the parameters of a class, such as a family, by name, and whether each is required."""
    given = inspect.signature(family).parameters.values()
    return MappingProxyType(
        {
            p.name: p.default is p.empty
            for p in given
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
    )


def as_latency(servers: tuple[Latency, ...]) -> Latency:
    """Return one `Latency`: a bank as it is, several as their pool."""
    if len(servers) == 1 and isinstance(servers[0], Latency):
        return whole(servers[0])  # type: ignore[no-any-return]
    return MixedLatency(servers)


def product_at_least(
    left: cp.Expression, right: cp.Expression, root: cp.Expression | Array
) -> cp.Constraint:
    """Rotated second-order cones left_i right_i >= root_i^2, left, right >= 0, for all i in one vectorised constraint."""
    return cp.SOC(left + right, cp.vstack([2 * root, left - right]), axis=0)
