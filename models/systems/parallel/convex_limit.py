"""Convex limits: a sum of convex functions of the flows, one for each server, below a bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, NoReturn, Self

import cvxpy as cp
import numpy as np

from ....reference.compensated_sum import EPS
from ....reference.errors import Array, InputError
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats
from ...core.table import Rows
from ...latency.base import Latency
from ...latency.cone import Cone
from .linear_limit import Limit, load_dependence
from .splits import clip, compensated_sum


class ConvexTerms(NamedTuple):
    """The convex function h_i of each server at a flow, with its derivatives: shape (..., n) each.

    Attributes
    ----------
    value, slope, curvature : ndarray, shape (..., n)
        h_i(x_i), h_i'(x_i) and h_i''(x_i) >= 0.
    error : ndarray, shape (..., n), optional
        Largest rounding error of `value`; see `ConvexLimit.terms_at`.
    """

    value: Any
    slope: Any
    curvature: Any
    error: Any = None


class ConvexLimit(Limit):
    """A limit on a sum of convex functions of the flows: ``sum of h_i(x_i) <= unit * bound``.

    To write one of your own, derive a frozen dataclass and give it the methods `terms`, the
    functions h_i with their first two derivatives, and `bound_at`, the bound at a load. All else
    follows as for `Limit`: the solver gets tangents of the functions, Newton steps find the last
    digits, and the certificate holds for the true functions.

    Attributes
    ----------
    name : str
        Name in messages and results.
    of_time : bool
        Whether the limited quantity is a time.
    load_dependence : {"any", "none"}
        How `terms` depends on the load. With ``"none"`` the loads of a curve share a program.

    Examples
    --------
    At most 6000 watts, where a server with the flow x takes x^2/4 watts:

    >>> from dataclasses import dataclass
    >>> from sojourn.models import MM1, ConvexLimit, ParallelServers, ConvexTerms
    >>> @dataclass(frozen=True)
    ... class Power(ConvexLimit):
    ...     at_most: float  # watts
    ...     name = "power"
    ...     load_dependence = "none"
    ...
    ...     def terms(self, bank, flow, load):
    ...         return ConvexTerms(flow**2 / 4, flow / 2, 0.5)
    ...
    ...     def bound_at(self, load):
    ...         return self.at_most
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[Power(3100)]).limits[0])
    power: binds at 3100, shadow price 2.557e-05
    """

    name: ClassVar[str] = "convex limit"
    of_time: ClassVar[bool] = False

    @abstractmethod
    def terms(self, bank: ServerBank, flow: Array, load: Any) -> ConvexTerms:
        """Return the convex functions and their derivatives at flows.

        Parameters
        ----------
        bank : ServerBank
            The n servers.
        flow : ndarray, shape (..., n)
            Flows from 0 to below the rate, jobs per unit of time.
        load : float or ndarray, shape (..., 1)
            Total load of each split.

        Raises
        ------
        InputError
            On numbers that do not fit the servers.
        """

    def terms_at(
        self, bank: ServerBank, flow: Array, spare_capacity: Array, load: Any
    ) -> ConvexTerms:
        """Return `terms` at flows whose spare capacities are known better than by subtraction.

        By default the terms are those at the flow, whose rounding error is one of the value: up to
        ``slope * flow`` times that of a float. Near saturation that is more than the functions
        themselves lose where they depend on the spare capacity: a limit that computes with it
        overrides this method, and returns the error of its values.

        Parameters
        ----------
        bank, flow, load
            As for `terms`.
        spare_capacity : ndarray, shape (..., n)
            ``rate - flow``, above 0. It and the flow have full relative accuracy each.

        Returns
        -------
        ConvexTerms
            With the field `ConvexTerms.error`.
        """
        found = self.terms(bank, flow, load)
        return found._replace(error=EPS * np.abs(found.slope) * flow)

    @abstractmethod
    def bound_at(self, load: float) -> float:
        """Return the bound at a load, in the limit's own unit."""

    def unit_at(self, load: float) -> float:
        """Return the own unit of the limit in that of the sum: the load for a share; default 1."""
        return 1.0

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return the limited quantity at a split, shape (); see `Limit.value`."""
        total = compensated_sum(np.broadcast_to(self.terms(bank, flow, load).value, flow.shape))
        return np.asarray(total / self.unit_at(load))

    def cone(self, bank: Latency, flow: cp.Expression, load: float, scale: float) -> Cone | None:
        """Return the epigraph of ``h_i(x_i) / scale``, or None for tangents, the default.

        Parameters
        ----------
        bank : Latency
            The n servers.
        flow : cvxpy.Expression, shape (n,)
            Flows in the unit of the bank.
        load : float
            Total load.
        scale : float
            Number of the size of the bound.
        """
        return None

    def linearise(self, bank: Latency, load: float) -> NoReturn:
        """Raise InputError: the limit is not linear in the flows."""
        problem = "is not linear in the flows: only the optimum of ParallelServers takes it"
        remedy = "use limits on the flow of each server, such as MaxUtilisation"
        raise InputError("subject_to", self.name, problem, remedy)

    def check(self, bank: Latency, load: float) -> None:
        """Raise InputError where the limit does not fit the servers."""
        ConvexRows.of([self], bank, np.array([load])).terms(np.zeros((1, len(bank))))


@dataclass(frozen=True, eq=False)
class ConvexRows:
    """p convex limits of one bank at K loads.

    Attributes
    ----------
    limits : tuple of ConvexLimit
        The limits.
    bank : Latency
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    bound, unit : ndarray, shape (K, p)
        Bounds of the sums, and the units of the limits.
    """

    limits: tuple[ConvexLimit, ...]
    bank: Latency
    load: Array
    bound: Array
    unit: Array
    _last: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    @classmethod
    def of(cls, limits: Sequence[Limit], bank: Latency, load: Array) -> ConvexRows:
        """Return the convex ones of limits."""
        own = tuple(limit for limit in limits if isinstance(limit, ConvexLimit))
        shape = (load.size, len(own))
        bound = [[limit.bound_at(one) for limit in own] for one in load.tolist()]
        unit = [[limit.unit_at(one) for limit in own] for one in load.tolist()]
        units = as_floats("unit_at", unit).reshape(shape)
        return cls(own, bank, load, as_floats("bound_at", bound).reshape(shape) * units, units)

    @property
    def of_load(self) -> bool:
        """Whether the functions of any limit depend on the load."""
        return any(load_dependence(limit, "terms") != "none" for limit in self.limits)

    def at(self, rows: Rows) -> Self:
        """Return the limits at some of the loads."""
        return replace(self, load=self.load[rows], bound=self.bound[rows], unit=self.unit[rows])

    def only(self, chosen: Any) -> Self:
        """Return some of the limits, by an array of indices."""
        limits = tuple(self.limits[j] for j in np.asarray(chosen).tolist())
        return replace(self, limits=limits, bound=self.bound[:, chosen], unit=self.unit[:, chosen])

    def terms(self, flow: Array, spare_capacity: Array | None = None) -> ConvexTerms:
        """Return the functions of all limits at flows (..., n), shape (..., p, n) each.

        Those of the last flows are kept, since a step of a search needs them several times.

        Parameters
        ----------
        flow : ndarray, shape (..., n)
            Flows, jobs per unit of time.
        spare_capacity : ndarray, shape (..., n), optional
            ``rate - flow``, where it is known better than by subtraction.
        """
        x = clip(self.bank, flow)
        point = (x, self.bank.spare_capacity(x) if spare_capacity is None else spare_capacity)
        if not self._last or not all(map(np.array_equal, self._last["point"], point)):
            self._last.update(point=tuple(v.copy() for v in point), terms=self._terms(*point))
        last: ConvexTerms = self._last["terms"]
        return last

    def _terms(self, x: Array, spare_capacity: Array) -> ConvexTerms:
        """Return `terms` at operating points."""
        load = self.load[:, None]
        each = [limit.terms_at(self.bank, x, spare_capacity, load) for limit in self.limits]
        columns = ([np.broadcast_to(column, x.shape) for column in row] for row in each)
        return ConvexTerms(*(np.stack(column, axis=-2) for column in zip(*columns, strict=True)))
