"""Base class of banks of servers in numbers: latency, marginal delay, inverses and potential.

A *bank* is n servers of one family, so that every function is one vectorised NumPy expression.
Times are in any one unit, rates in jobs per that unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from .bank_fields import constant, store
from .bank_tails import BankTails
from .compensated_sum import TINY, exact_sum
from .errors import Array
from .family_checks import fit_together
from .finite_differences import curvature, difference_error_bound, flow_at, integral, slope
from .guards import guard
from .joined_fields import agrees, joined_fields, one_a_server
from .pickling import state, stored_attributes
from .validation import check_choice

ArrayLike = npt.ArrayLike
HALVINGS = 100  # largest number of halvings of a bracket, until its ends are neighbouring floats


class Operation(NamedTuple):
    """Operating points of servers at a given price (a latency or a marginal delay).

    Attributes
    ----------
    flow : ndarray, shape (..., n)
        Load x of each server, jobs per unit of time.
    spare_capacity : ndarray, shape (..., n)
        ``rate - x``, accurate where the subtraction would cancel.
    slope : ndarray, shape (..., n)
        Derivative of the flow in the price, jobs per unit of time squared.
    """

    flow: Array
    spare_capacity: Array
    slope: Array


QUANTITIES: Mapping[str, tuple[str, ...]] = {
    "rate_error": ("rate",),
    "service": ("time",),
    "latency_limit": ("time",),
    "base_utilisation": ("part",),
    "uses_finite_differences": ("any",),
    "_validated": ("all",),
    "latency": ("rate", "spare_capacity", "time"),
    "marginal": ("rate", "spare_capacity", "time"),
    "potential": ("rate", "total"),
    "latency_slope": ("rate", "slope"),
    "marginal_slope": ("rate", "slope"),
    "rate_slope": ("rate", "slope"),
    "marginal_rate_slope": ("rate", "slope"),
    "inverse_latency": ("time", "rate"),
    "inverse_marginal": ("time", "rate"),
    "at_latency": ("time", "point"),
    "at_marginal": ("time", "point"),
    "at_player": ("time", "plain", "point"),
    "difference_error_bound": ("time", "rate", "rate", "rate", "total"),
    "tail_kind": ("words",),
    "late_jobs": ("rate", "time", "spare_capacity", "late"),
    "late_waits": ("rate", "time", "spare_capacity", "late"),
}
"""Properties and methods of every bank: the kind of each argument, and last the kind of the value.

Those that are sums or differences of others are left out. The kinds:

- ``"rate"``, ``"time"``, ``"slope"`` (time per rate) and ``"total"`` (time times rate): arrays of
  shape (..., n) in that unit.
- ``"spare_capacity"``: an array as of ``"rate"``, or None.
- ``"point"``: an `Operation`.
- ``"late"``: `sojourn.reference.tails.LateJobs`.
- ``"words"``: a tuple of n strings.
- ``"part"``: an array of shape (n,) without a unit.
- ``"plain"``: an argument that is the same for all servers, such as the number of players.
- ``"any"``, ``"all"``: one bool for the bank, true where it is true of any or of all of its parts.

`sojourn.reference.composed` combines the values of several banks by these kinds, and
`sojourn.models` converts units by them and adds kinds of its own.
"""


class ServerBank(BankTails, ABC):
    """A bank of n servers in numbers, by NumPy; `sojourn.models.Latency` adds the cones of CVXPY.

    The latency l(x) of each server is increasing and convex in its load x. A family defines

    - `rate`: service rates, jobs per unit of time, shape (n,); infinite where every load is stable,
    - `delay`: network delays, shape (n,), default 0,
    - `latency`.

    A single number holds for all servers; a stored array with n entries has one for each, by which
    `take` chooses servers. This class derives the other methods by finite differences, quadrature
    and bracketed roots. A family overrides those that it has in closed form, for speed and for the
    last digits; and `at_latency` and `at_marginal` where it computes its spare capacity more
    precisely than by subtraction.

    At and above the rate every latency is infinite, with its marginal delay, potential and slopes,
    whatever the methods of the family compute. At negative loads they may return anything.

    Every function of `sojourn.reference` takes such a class.
    """

    rate: Array
    delay: Array
    _quantities: ClassVar[Mapping[str, tuple[str, ...]]] = QUANTITIES

    __getstate__ = state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap the methods of a family: arguments are checked, values infinite from the rate on."""
        super().__init_subclass__(**kwargs)
        guard(cls)

    def __len__(self) -> int:
        try:
            return int(self.rate.shape[-1])
        except (AttributeError, IndexError):  # a list, or one number
            return int(np.size(self.rate))

    @property
    def banks(self) -> tuple[Any, ...]:
        """Banks of one family, side by side: of a mixed bank its banks, else itself."""
        return (self,)

    @cached_property
    def rate_error(self) -> Array:
        """True rate less the float `rate`, shape (n,); 0 unless a family computes its rate."""
        return constant(0.0, len(self))

    @cached_property
    def _inexact(self) -> bool:
        """Whether `rate` may have a rounding error."""
        return type(self).rate_error is not ServerBank.rate_error

    def spare_capacity(self, flow: ArrayLike) -> Array:
        """Return the rate less the flow, corrected by the `rate_error`, shape (..., n).

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server, jobs per unit of time.
        """
        spare_capacity = self.rate - np.asarray(flow, dtype=np.float64)
        return spare_capacity + self.rate_error if self._inexact else spare_capacity

    @cached_property
    def service(self) -> Array:
        """Latency of an empty server less its delay, shape (n,)."""
        return self.latency(np.zeros(len(self))) - self.delay

    @cached_property
    def latency_limit(self) -> Array:
        """Least upper bound of the latency, shape (n,): infinite unless the latency is constant."""
        return np.full(len(self), np.inf)

    @property
    def base_utilisation(self) -> Array:
        """Utilisation of each server without a flow, shape (n,): 0 but for a base load."""
        return constant(0.0, len(self))

    @cached_property
    def idle_latency(self) -> Array:
        """Latency m = l(0) = delay + service, shape (n,); eq. (1) of Mancuso et al."""
        return self.delay + self.service

    @cached_property
    def total_rate(self) -> tuple[Array, Array]:
        """Sum of the rates and its rounding error, each of shape (); of rows of shape (K,).

        With the error, the spare capacity at a load close to the total rate is exact.
        """
        finite = np.asarray(np.isfinite(self.rate).all(axis=-1))
        rates = self.rate if finite.all() else np.where(finite[..., None], self.rate, 0.0)
        high, low = exact_sum(rates)
        if self._inexact:
            low = low + self.rate_error.sum(axis=-1)
        total = high + low
        return np.where(finite, total, np.inf), np.where(finite, (high - total) + low, 0.0)

    @abstractmethod
    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the mean time l(x) from sending a job to receiving its answer.

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server, jobs per unit of time.
        spare_capacity : array_like, shape (..., n), optional
            ``rate - flow``, where the caller has more digits of it than the subtraction gives
            (close to saturation).

        Returns
        -------
        ndarray, shape (..., n)
            Infinite at and above the rate.
        """

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay g(x) = d(x l(x))/dx = l(x) + x l'(x), shape (..., n).

        Parameters are those of `latency`.
        """
        flow = np.asarray(flow, dtype=np.float64)
        return self.latency(flow, spare_capacity) + flow * self.latency_slope(flow)

    def potential(self, flow: ArrayLike) -> Array:
        """Return the Beckmann potential, the integral of l from 0 to x, in jobs, shape (..., n).

        By adaptive quadrature unless a family overrides it.
        """
        return integral(self.latency, flow, self.rate)

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow at which the latency has a given value, shape (..., n).

        It is 0 below the idle latency and infinite from the `latency_limit` on.
        """
        return flow_at(self.latency, latency, self.idle_latency, self.rate)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Return the flow at which the marginal delay has a given value, shape (..., n).

        It is 0 below the idle latency and infinite from the `latency_limit` on.
        """
        return flow_at(self.marginal, marginal, self.idle_latency, self.rate)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency, l'(x), shape (..., n)."""
        return slope(self.latency, flow, self.rate)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the slope of the marginal delay, g'(x) = 2 l'(x) + x l''(x), shape (..., n)."""
        if self.overrides("marginal"):
            return slope(self.marginal, flow, self.rate)
        if self.uses_finite_differences:
            # differences of differences would be slow, and have few digits
            second = curvature(self.latency, flow, self.rate)
        else:
            second = slope(self.latency_slope, flow, self.rate)
        return 2.0 * self.latency_slope(flow) + np.asarray(flow, dtype=np.float64) * second

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point of latency `excess` >= 0 above the idle latency."""
        flow = self.inverse_latency(self.idle_latency + np.asarray(excess, dtype=np.float64))
        return self._operation(flow, self.latency_slope)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Return the operating point of marginal delay `excess` >= 0 above the idle latency."""
        flow = self.inverse_marginal(self.idle_latency + np.asarray(excess, dtype=np.float64))
        return self._operation(flow, self.marginal_slope)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Return the operating point of K equal players at a price.

        The price of one of K players is its marginal delay, l(x) + x l'(x)/K. The flow lies between
        those at the marginal delay (K = 1) and at the latency (K infinite), which bracket the
        search.

        Parameters
        ----------
        excess : array_like, shape (..., n)
            Price less the idle latency, >= 0.
        players : float
            Number of players K, 1 or more.
        """
        excess = np.asarray(excess, dtype=np.float64)
        own, price = 1.0 / players, self.idle_latency + excess

        def above(x: Array) -> Array:
            return np.asarray(own * self.marginal(x) + (1.0 - own) * self.latency(x) - price)

        def price_slope(x: Array) -> Array:
            return own * self.marginal_slope(x) + (1.0 - own) * self.latency_slope(x)

        low, high = self.at_marginal(excess).flow, self.at_latency(excess).flow
        bounded = np.isfinite(high)
        low, high = np.where(bounded, low, 0.0), np.where(bounded, high, 0.0)
        below, beyond = halved(above, low, high)
        return self._operation(np.where(bounded, 0.5 * (below + beyond), np.inf), price_slope)

    @property
    def uses_finite_differences(self) -> bool:
        """Whether the marginal delay is a finite difference, wrong at a kink of the latency."""
        return not self.overrides("marginal") and not self.overrides("latency_slope")

    def overrides(self, name: str) -> bool:
        """Return whether the family overrides a method of this class, which derives its values."""
        check_choice("name", name, QUANTITIES, "is not a number that every bank has")
        return getattr(type(self), name) is not getattr(ServerBank, name)

    @cached_property
    def _validated(self) -> bool:
        """True after the methods of a family from outside this library were checked, once a bank.

        Raises
        ------
        InputError
            Where the methods contradict each other.
        """
        if not type(self).__module__.startswith("sojourn."):
            fit_together(self)
        return True

    def difference_error_bound(self, price: Array, flow: Array, least: Array, most: Array) -> Array:
        """Return how far x l(x) - price x can fall below its value at `flow`, within [least, most].

        It is 0 where the marginal delay is exact: where the family overrides it, or the slope.
        """
        if not self.uses_finite_differences:
            return np.zeros(np.shape(flow))
        return difference_error_bound(
            lambda x: x * self.latency(x), price, flow, self.rate, least, most
        )

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the rate mu at a fixed flow, -(g(x) - d)/mu.

        It holds where a faster server does the same work in less time: l - d = phi(x/mu)/mu.
        It is 0 where the rate is infinite.
        """
        finite = np.isfinite(self.rate)
        rate = np.where(finite, self.rate, 1.0)
        return np.where(finite, -(self.marginal(flow) - self.delay) / rate, 0.0)

    def marginal_rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay g in the rate, -(g(x) - d + x g'(x))/mu.

        It holds where that of `ServerBank.rate_slope` does. Of a family with a `rate_slope` of its
        own it is r(x) + x r'(x) with that slope r, by finite differences.
        """
        flow = np.asarray(flow, dtype=np.float64)
        if self.overrides("rate_slope"):
            bend = slope(self.rate_slope, flow, self.rate)
            return np.asarray(self.rate_slope(flow) + flow * bend)
        finite = np.isfinite(self.rate)
        rate = np.where(finite, self.rate, 1.0)
        work = self.marginal(flow) - self.delay + flow * self.marginal_slope(flow)
        return np.where(finite, -work / rate, 0.0)

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the same servers with delays longer by `delay`, shape (n,)."""
        return self._with(delay=self.delay + np.asarray(delay, dtype=np.float64))

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the bank of the servers at `index`, in that order."""
        return self._mapped(lambda values: values[index])

    @classmethod
    def _joined(cls, banks: Sequence[Self]) -> Self | None:
        """Return the servers of several banks of this class as one bank: the inverse of `take`.

        Stored arrays with one entry a server are concatenated; other stored values must be equal.

        Parameters
        ----------
        banks : sequence of ServerBank
            Banks of n servers each.

        Returns
        -------
        ServerBank or None
            None where the banks have other values that differ.
        """
        stored = joined_fields(banks)
        if stored is None:
            return None
        bank = store(object.__new__(cls), **stored)
        return bank if cls.__module__.startswith("sojourn.") or agrees(bank, banks) else None

    def _mapped(self, function: Callable[[Array], Array]) -> Self:
        """Return the bank with a function of every stored array that has one entry a server."""
        n, stored = len(self), ((name, getattr(self, name)) for name in self._stored())
        return self._with(**{name: function(v) for name, v in stored if one_a_server(v, n)})

    def at(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Self:
        """Return the bank of some rows of flows: this bank, the same servers in every row.

        A bank whose numbers differ from row to row, of shape (K, n), returns those of the rows.

        Parameters
        ----------
        rows : ndarray of int or bool, or slice
            Rows of flows of shape (K, n).
        """
        return self

    def _with(self, **changed: Any) -> Self:
        """Return a bank with some of the stored fields changed."""
        stored = {name: getattr(self, name) for name in self._stored()}
        return store(object.__new__(type(self)), **{**stored, **changed})

    def _point(
        self, flow: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return flow and spare capacity as arrays."""
        flow = np.asarray(flow, dtype=np.float64)
        if spare_capacity is None:
            return flow, self.spare_capacity(flow)
        return flow, np.asarray(spare_capacity, dtype=np.float64)

    def _operation(self, flow: Array, slope: Callable[[Array], Array]) -> Operation:
        """Return the operating point at a flow, from the slope of the price in the flow."""
        bounded = np.isfinite(flow)
        finite = np.where(bounded, flow, 0.0)
        price_slope = np.where(bounded, slope(finite), np.inf)
        return Operation(flow, self.spare_capacity(finite), 1.0 / np.maximum(price_slope, TINY))

    def _stored(self) -> list[str]:
        """Return the names of the stored fields, without those of cached properties."""
        bank: object = self  # else a type checker takes every ServerBank for a dataclass
        if is_dataclass(bank):
            return [field.name for field in fields(bank)]
        return list(stored_attributes(self))


guard(ServerBank)


class Operated(ServerBank):
    """A bank with operating points in closed form, from which its inverses follow."""

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow at a latency; see `ServerBank.inverse_latency`."""
        return self.at_latency(self._excess(latency)).flow

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Return the flow at a marginal delay; see `ServerBank.inverse_marginal`."""
        return self.at_marginal(self._excess(marginal)).flow

    def _excess(self, price: ArrayLike) -> Array:
        """Return a price less the idle latency, or 0 where the price is lower."""
        price = np.asarray(price, dtype=np.float64)
        # the delay may be much longer than the service time: subtract it first
        above = (price - self.delay) - self.service
        return np.where(price > self.idle_latency, np.maximum(above, 0.0), 0.0)


def halved(function: Callable[[Array], Array], low: Array, high: Array) -> tuple[Array, Array]:
    """Return neighbouring floats between which an increasing function changes sign."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        above = function(middle) >= 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return low, high
