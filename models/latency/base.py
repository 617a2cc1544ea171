"""Base class of latency families: banks of servers as numbers and as CVXPY cones."""

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

from ...reference.bank_fields import store, whole
from ...reference.compensated_sum import exact_product
from ...reference.composed import Composed, MixedBank, View
from ...reference.errors import Array, InputError
from ...reference.server_bank import Operation, ServerBank
from ...reference.tails import LateJobs
from ...reference.validation import check_choice
from .cone import Cone, in_solver_unit, parameters_in_cones, tangent_count
from .cone_numbers import CONE_METHODS, FUNCTIONS, ConeNumbers, numbers_of_parts
from .tangents import place_tangents, tangent_cone

ArrayLike = npt.ArrayLike


class Latency(ConeNumbers):
    """Base class of latency families: n servers as numbers and as CVXPY cones.

    To add a family, subclass it and give three attributes:

    ``rate`` : ndarray, shape (n,)
        Load that each server must stay below, jobs per unit of time, > 0; infinite where any load
        is possible.
    ``delay`` : ndarray, shape (n,)
        Part of the latency that does not depend on the load, in units of time, >= 0; 0 if missing.
    ``latency(flow, spare_capacity=None)``
        Mean time of a job, shape (..., n), in units of time, at loads of shape (..., n), in jobs
        per unit of time; increasing and convex. `spare_capacity` is ``rate - flow``, given where
        the caller knows it better than the subtraction: use it for terms that diverge at the rate.

    All else is optional. Flows, times and results of methods have the shape (..., n):

    ``marginal(flow, spare_capacity=None)``
        Marginal delay d(x l(x))/dx, a time. Without it: l(x) + x l'(x).
    ``latency_slope(flow)``, ``marginal_slope(flow)``
        Derivatives of both in the load, time per rate. Without them: finite differences.
    ``potential(flow)``
        Integral of the latency from 0, a number of jobs. Without it: adaptive quadrature.
    ``inverse_latency(latency)``, ``inverse_marginal(marginal)``
        Flow at a latency or marginal delay. Without them: a bracketed search.
    ``at_latency(excess)``, ``at_marginal(excess)``, ``at_player(excess, players)``
        Flow, accurate spare capacity and slope (`sojourn.reference.server_bank.Operation`) at a
        price ``excess`` above the idle latency. Without them: from the inverses.
    ``rate_slope(flow)``, ``marginal_rate_slope(flow)``
        Derivatives of the latency and of the marginal delay g in the rate at a fixed flow. Without
        them: those where a faster server does the same work in less time, -(g(x) - delay)/rate for
        the latency.
    ``service``, ``latency_limit``
        l(0) - delay, and the limit of the latency at high load, times of shape (n,). Without them:
        the latency at 0, and infinity.
    ``total_cone(flow, form=None)``, ``potential_cone(flow)``, ``latency_cone(flow)``
        Epigraphs (`Cone`) of x l(x), of the potential and of l(x) for a CVXPY expression of shape
        (n,), in the bank's own units: the base class converts them to a unit that suits solvers.
        Without them: tangents, which a system adds until its certificate is met.
    ``cone_numbers()``
        Numbers of these cones by name, arrays of shape (n,), 0 or more but for those named in
        `signed_cone_numbers`. The cones then take them by name from ``self.numbers_in_cones()`` and
        multiply no two of them: a product is a number of its own. Where the family also tells how
        its units change (below), a program is compiled once for all banks of the class with as many
        servers and an equal `cone_structure`, which is all that the cones depend on beside the
        numbers. Without them: once for each bank.
    ``full_load``, ``full_load_kind``, ``base_utilisation``, ``caveats(flow, names)``
        Load at a utilisation of 1, its kind, the utilisation without a load, and warnings at a
        flow. Without them: the rate, ``"rate"``, 0, and no warnings.
    ``rates``, ``times`` or ``scaled(rate, time)``
        How the parameters change with the units. Without them: a view converts every number.
    ``example`` or ``sample()``
        Parameters of three servers, for benchmarks and the list of families.

    The base class checks the arguments of these methods and returns infinity from the rate on,
    whatever a family computes there. `sojourn.models.check_latency` checks a family;
    `sojourn.models.register` gives it a name in scenario files; ``notebooks/add_a_latency.ipynb``
    is a guide.

    Attributes
    ----------
    forms : tuple of str
        Names of the forms of `total_cone`; the first is the default.
    rates, times : tuple of str or None
        Names of the parameters that are rates, and that are times, of a family that is a dataclass.
    example : mapping of str to value
        Parameters of `sample` besides, or instead of, a rate and a delay.
    texts : tuple of str
        Parameters that are words, not numbers.
    files : tuple of str
        Parameters in scenario files that name a file with the servers' data; see `from_fields`.

    See Also
    --------
    sojourn.reference.ServerBank : the numbers without the cones, and their default methods.

    Examples
    --------
    Jobs that arrive three at a time at M/M/1 servers:

    >>> from dataclasses import dataclass
    >>> from sojourn.models import ParallelServers
    >>> @dataclass(frozen=True, eq=False)
    ... class Triples(Latency):
    ...     rate: np.ndarray
    ...     delay: np.ndarray
    ...
    ...     def latency(self, flow, spare_capacity=None):
    ...         spare = self.rate - flow if spare_capacity is None else spare_capacity
    ...         return self.delay + 2.0 / spare
    >>> bank = Triples(rate=np.array([10.0, 5.0]), delay=np.zeros(2))
    >>> ParallelServers(bank).optimum(load=6.0).certified
    True
    """

    forms: tuple[str, ...] = ("default",)
    rates: ClassVar[tuple[str, ...] | None] = None
    times: ClassVar[tuple[str, ...] | None] = None
    example: ClassVar[Mapping[str, Any]] = {}
    texts: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()

    _quantities: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **ServerBank._quantities,
        "full_load": ("rate",),
        "full_load_kind": ("words",),
        "caveats": ("rate", "names", "words"),
        "has_cone": ("plain", "all"),
        "total_cone": ("rate", "form", "total"),
        "potential_cone": ("rate", "total"),
        "latency_cone": ("rate", "time"),
    }

    # points of the tangents of missing cones, shape (m, n); None: those of `place_tangents`
    _tangent_points: Array | None = None

    def __init_subclass__(cls, **named: Any) -> None:
        """Convert the cones that a family defines to the unit that suits solvers."""
        super().__init_subclass__(**named)
        for name in CONE_METHODS:
            if name in vars(cls):
                setattr(cls, name, in_solver_unit(vars(cls)[name]))

    @property
    def full_load(self) -> Array:
        """Load of each server at a utilisation of 1, shape (n,): the rate.

        Without a rate it is infinite where the latency is bounded, and NaN elsewhere, where a
        utilisation has no meaning.
        """
        unbounded = np.where(np.isfinite(self.latency_limit), np.inf, np.nan)
        return np.where(np.isfinite(self.rate), self.rate, unbounded)

    def utilisation(self, flow: ArrayLike) -> Array:
        """Return the utilisation of each server at a flow: (b + x)/mu with a base load b.

        It is NaN where it has no meaning; see `full_load`.

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server.
        """
        base, flow = self.base_utilisation, np.asarray(flow, dtype=np.float64)
        return np.asarray(base + (1.0 - base) * (flow / self.full_load))

    @property
    def full_load_kind(self) -> tuple[str, ...]:
        """Kind of the `full_load` of each server, such as ``"rate"``: n strings."""
        return ("rate",) * len(self)

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return warnings about the latencies at a flow, such as extrapolation beyond samples.

        The base class returns none.

        Parameters
        ----------
        flow : array_like, shape (n,)
            Load of each server.
        names : sequence of n str
            Names of the servers, for the warnings.
        """
        return []

    @property
    def _has_caveats(self) -> bool:
        """Whether a family of the bank defines `caveats`."""
        return any(bank._gives_caveats for bank in self.banks)

    @property
    def _gives_caveats(self) -> bool:
        """Whether the family defines `caveats`."""
        return type(self).caveats is not Latency.caveats

    @classmethod
    def from_fields(cls, servers: Sequence[Mapping[str, Any]]) -> Latency:
        """Return the bank of the servers of a scenario file, given the parameters of each.

        A parameter that is itself a server, as in `Tandem`, is a bank of one.
        """
        columns = {name: [server[name] for server in servers] for name in servers[0]}
        return cls(
            **{
                name: column[0] if isinstance(column[0], Latency) else column
                for name, column in columns.items()
            }
        )

    @classmethod
    def sample(cls) -> Latency:
        """Return a bank of three servers with different parameters, for benchmarks and examples.

        It has a rate, a delay, and the parameters of `example`.
        """
        return cls(**{"rate": [100.0, 80.0, 200.0], "delay": [0.005, 0.005, 0.02], **cls.example})

    @in_solver_unit
    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Return the total delay x l(x) of each server as an epigraph; here, by tangents.

        A family's own cones are exact: the solver is their only error. The maximum of
        ``tangent_points=1400`` tangents per server is below the function by a relative error of at
        most about (G/1400)^2 with G the integral of sqrt(f''/(8 f)), even over all flows: 1e-5 up
        to a utilisation of 99.9 %, growing to 1e-4 at 99.99 %; beyond that it is the last tangent.
        Twice as many tangents have a quarter of the error. In a mixed bank or a tandem, one family
        without cones makes all servers use tangents.

        Parameters
        ----------
        flow : cvxpy.Expression, shape (n,)
            Load of each server, affine. With bounds (``cp.Variable(n, bounds=[0, high])``) the
            tangents touch within them; without, up to the rate, or up to 100 times the flow that
            doubles the latency.
        form : str, optional
            One of `forms`.
        tangent_points : int, default 1400
            Number of tangents per server without a cone, 2 or more.

        Returns
        -------
        Cone

        Raises
        ------
        InputError
            If the flow has another shape, the form is none of `forms`, or the number of tangents
            is not a whole number from 2.
        """
        return self._tangent_cone(flow, lambda x: x * self.latency(x), self.marginal)

    @in_solver_unit
    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the integral of the latency from 0 to x as an epigraph; see `total_cone`."""
        return self._tangent_cone(flow, self.potential, self.latency)

    @in_solver_unit
    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Return the latency l(x) of each server as an epigraph; see `total_cone`."""
        return self._tangent_cone(flow, self.latency, self.latency_slope)

    @property
    def solver_unit(self) -> float:
        """Unit of time that suits solvers, in the bank's unit: in it, rates are about 1.

        It is one for all servers, and a power of 2, so that a conversion is exact.
        """
        return float(2.0 ** -np.round(np.log2(self._flow_scale).mean()))

    @property
    def _flow_scale(self) -> Array:
        """Typical flow, shape (n,): the rate, else the flow that doubles the latency, else 1."""
        bounded = np.isfinite(self.rate)
        if np.all(bounded):
            return self.rate
        idle = self.idle_latency
        with np.errstate(all="ignore"):
            lowest = float(self.latency(np.ones(len(self))).min())
            doubled = 2.0 * np.where(idle > 0, idle, max(idle.max(), lowest))
            flow = self.inverse_latency(doubled)
        scale = np.where(np.isfinite(flow) & (flow > 0), flow, 1.0)
        return np.where(bounded, self.rate, scale)

    def has_cone(self, cone: str) -> bool:
        """Return whether a cone, not tangents, represents a function of the bank.

        Parameters
        ----------
        cone : {"total", "potential", "latency"}
        """
        check_choice("cone", cone, FUNCTIONS, "is not a cone")
        return getattr(type(self), f"{cone}_cone") is not getattr(Latency, f"{cone}_cone")

    def with_tangents_at(self, points: Array) -> Self:
        """Return the bank with tangents at `points`, shape (m, n), for the cones it lacks."""
        return self._with(_tangent_points=points)

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the bank with rates multiplied by `rate` and times by `time`; see `in_unit`."""
        replaceable = is_dataclass(type(self))  # in a variable: mypy does not narrow self by it
        if self.rates is None or self.times is None or not replaceable:
            return Scaled(self, rate, time)
        factors = {**dict.fromkeys(self.rates, rate), **dict.fromkeys(self.times, time)}
        given = ((name, getattr(self, name), factor) for name, factor in factors.items())
        changed = {name: value * factor for name, value, factor in given if value is not None}
        if type(self).__module__.startswith("sojourn."):
            return self._with(**changed)  # valid as these are: no need to check them again
        return replace(self, **changed)  # type: ignore[type-var]

    def in_unit(self, unit: float) -> Latency:
        """Return the bank in a unit of time of `unit` present ones (60: seconds to minutes)."""
        return self.scaled(unit, 1.0 / unit)

    def _tangent_cone(
        self, flow: cp.Expression, value: Callable[[Array], Array], slope: Callable[[Array], Array]
    ) -> Cone:
        if parameters_in_cones() is not None:
            problem, remedy = "has no such cone, only tangents", "write them with numbers"
            raise InputError("cone", type(self).__name__, problem, remedy)
        points = self._tangent_points
        if points is None:
            scale, count = self._flow_scale, tangent_count()
            points = place_tangents(flow, value, slope, self.rate, scale, count)
        return tangent_cone(flow, points, value, slope, self.rate)


class ComposedLatency(Composed, Latency, mixin=True):
    """A bank made of other banks, with their cones where all have them, else with tangents."""

    def _made(self, name: str, kinds: tuple[str, ...], *given: Any) -> Any:
        if name not in CONE_METHODS:
            return super()._made(name, kinds, *given)
        if not self._uses_cones_of_parts(name.removesuffix("_cone")):
            return getattr(Latency, name)(self, *given)
        cones = self._of_parts(name, kinds, *given)
        constraints = tuple(chain.from_iterable(c.constraints for c in cones))
        value = self._join([c.value for c in cones], kinds[-1])
        return Cone(value, constraints, frozenset().union(*(c.kinds for c in cones)))

    def _uses_cones_of_parts(self, function: str) -> bool:
        """Return whether the cone is made of those of the parts.

        If one part uses tangents then so does the whole bank: solvers fail on exponential cones
        beside many tangents. Where a system chose the points, there are few tangents.
        """
        return self.has_cone(function) or self._tangent_points is not None

    def with_tangents_at(self, points: Array) -> Self:
        """Return the bank of the parts with tangents at the points; see `Latency`."""
        each = zip(self.parts, self._each(points, "rate"), strict=True)
        changed = [part.with_tangents_at(own_points) for part, own_points in each]
        return store(self._like(changed), _tangent_points=points)

    def scaled(self, rate: float, time: float) -> Latency:
        """Return the bank of the parts in other units; see `Latency.scaled`."""
        return self._like([part.scaled(rate, time) for part in self.parts])


class Scaled(ComposedLatency, View):
    """A view of a bank in other units, for a family without `rates`, `times` and `scaled`.

    Parameters
    ----------
    bank : Latency
    rate, time : float
        Factors of the rates and of the times.
    """

    worked_out = frozenset()
    scaled = Latency.scaled

    def __init__(self, bank: Latency, rate: float, time: float) -> None:
        super().__init__(bank, rate, time)
        self.rate, self.delay, self.forms = bank.rate * rate, bank.delay * time, bank.forms
        # factor of each kind of number; a kind without one does not depend on the units
        self._factors = {
            "rate": rate,
            "spare_capacity": rate,
            "time": time,
            "total": rate * time,
            "slope": time / rate,
            "part": 1.0,
        }

    @cached_property
    def rate_error(self) -> Array:
        """Rounding error of the rates in the new unit, shape (n,); see `ServerBank.rate_error`."""
        finite, factor = (
            np.where(np.isfinite(self.rate), self.bank.rate, 0.0),
            self._factors["rate"],
        )
        error = exact_product(finite, np.array(factor))[1]
        return np.asarray(error + self.bank.rate_error * factor)

    def _uses_cones_of_parts(self, function: str) -> bool:
        return self.has_cone(function)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return an argument in the bank's units."""
        convert = kind in self._factors and value is not None
        return (value / self._factors[kind] if convert else value,)

    def _join(self, values: list[Any], kind: str) -> Any:
        """Return a value of the bank in the new units."""
        if kind == "point":
            flow, spare_capacity, slope = values[0]
            rate = self._factors["rate"]
            return Operation(flow * rate, spare_capacity * rate, slope / self._factors["slope"])
        if kind == "late":
            share, slope, curvature = values[0]
            rate = self._factors["rate"]
            return LateJobs(share, slope / rate, curvature / rate**2)
        return super()._join([value * self._factors[kind] for value in values], kind)


class MixedLatency(MixedBank, ComposedLatency):
    """Banks of different families side by side, as one `Latency`.

    Parameters
    ----------
    banks : sequence of Latency
        At least one; its servers are theirs, in order.

    Examples
    --------
    >>> from sojourn.models import MM1, Constant
    >>> MixedLatency([MM1([10.0, 5.0]), Constant(0.3)]).latency([6.0, 1.0, 40.0])
    array([0.25, 0.25, 0.3 ])
    """

    made_of = (
        Latency,
        "is not a bank with cones",
        "use the classes of sojourn.models, such as MM1, one after another and not in a list",
    )
    cone_numbers = numbers_of_parts

    @property
    def forms(self) -> tuple[str, ...]:  # type: ignore[override]
        """Forms of the total cone that every bank has."""
        first, *others = self.parts
        return tuple(form for form in first.forms if all(form in bank.forms for bank in others))

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
    """Return the parameters of a class by name, and whether each is required."""
    given = inspect.signature(family).parameters.values()
    named = (p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    public = (p for p in named if not p.name.startswith("_"))
    return MappingProxyType({p.name: p.default is p.empty for p in public})


def as_latency(servers: tuple[Latency, ...]) -> Latency:
    """Return one bank: a single one as it is, several as a `MixedLatency`."""
    if len(servers) == 1 and isinstance(servers[0], Latency):
        return whole(servers[0])  # type: ignore[no-any-return]
    return MixedLatency(servers)


def product_at_least(
    left: cp.Expression, right: cp.Expression, root: cp.Expression | Array
) -> cp.Constraint:
    """Return the rotated second-order cones left_i right_i >= root_i^2 with left, right >= 0.

    They are one vectorised constraint for all i; each argument has shape (n,).
    """
    return cp.SOC(left + right, cp.vstack([2 * root, left - right]), axis=0)
