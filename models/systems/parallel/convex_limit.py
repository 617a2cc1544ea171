"""Convex limits: a sum of convex functions of the flows, one for each server, below a bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, NoReturn, Self

import cvxpy as cp
import numpy as np

from ....reference.errors import Array, InputError
from ....reference.server_bank import ServerBank
from ....reference.validation import as_floats
from ...core.table import Rows
from ...latency.base import Latency
from ...latency.cone import Cone
from .linear_limit import Limit
from .splits import clip, compensated_sum


class ConvexTerms(NamedTuple):
    """The convex function h_i of each server at a flow, with its derivatives: shape (..., n) each.

    Attributes
    ----------
    value, slope, curvature : ndarray, shape (..., n)
        h_i(x_i), h_i'(x_i) and h_i''(x_i) >= 0.
    """

    value: Any
    slope: Any
    curvature: Any


class ConvexLimit(Limit):
    """A limit on a sum of convex functions of the flows: ``sum of h_i(x_i) <= bound``.

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

    Examples
    --------
    At most 6000 watts, where a server with the flow x takes x^2/4 watts:

    >>> from dataclasses import dataclass
    >>> from sojourn.models import MM1, ConvexLimit, ParallelServers, ConvexTerms
    >>> @dataclass(frozen=True)
    ... class Power(ConvexLimit):
    ...     at_most: float  # watts
    ...     name = "power"
    ...
    ...     def terms(self, bank, flow, load):
    ...         return ConvexTerms(flow**2 / 4, flow / 2, 0.5)
    ...
    ...     def bound_at(self, load):
    ...         return self.at_most
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[Power(3100)]).limits[0])
    power: binds at 3100, shadow price 4.4e-05
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

    @abstractmethod
    def bound_at(self, load: float) -> float:
        """Return the bound of the sum at a load."""

    def unit_at(self, load: float) -> float:
        """Return the change of the bound when the limit is relaxed by one unit of its own.

        For a share it is the load; by default 1.
        """
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
        problem = f"the limit {self.name} is not linear in the flows"
        remedy = "use it for the optimum of ParallelServers, or a limit on the flows"
        raise InputError(type(self).__name__, self, problem, remedy)

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
    bank : ServerBank
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    bound, unit : ndarray, shape (K, p)
        Bounds of the sums, and their changes by one unit of the limit.
    """

    limits: tuple[ConvexLimit, ...]
    bank: ServerBank
    load: Array
    bound: Array
    unit: Array

    @classmethod
    def of(cls, limits: Sequence[Limit], bank: ServerBank, load: Array) -> ConvexRows:
        """Return the convex ones of limits."""
        own = tuple(limit for limit in limits if isinstance(limit, ConvexLimit))
        shape = (load.size, len(own))
        bound = [[limit.bound_at(one) for limit in own] for one in load.tolist()]
        unit = [[limit.unit_at(one) for limit in own] for one in load.tolist()]
        bounds = as_floats("bound_at", bound).reshape(shape)
        return cls(own, bank, load, bounds, as_floats("unit_at", unit).reshape(shape))

    def at(self, rows: Rows) -> Self:
        """Return the limits at some of the loads."""
        return replace(self, load=self.load[rows], bound=self.bound[rows], unit=self.unit[rows])

    def only(self, chosen: Any) -> Self:
        """Return some of the limits, by an array of indices."""
        limits = tuple(self.limits[j] for j in np.asarray(chosen).tolist())
        return replace(self, limits=limits, bound=self.bound[:, chosen], unit=self.unit[:, chosen])

    def terms(self, flow: Array) -> ConvexTerms:
        """Return the functions of all limits at flows (..., n), shape (..., p, n) each."""
        x, load = clip(self.bank, flow), self.load[:, None]
        each = [limit.terms(self.bank, x, load) for limit in self.limits]
        columns = ([np.broadcast_to(column, x.shape) for column in row] for row in each)
        return ConvexTerms(*(np.stack(column, axis=-2) for column in zip(*columns, strict=True)))
