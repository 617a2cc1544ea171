"""What a queue costs, in numbers: latency, marginal delay, their inverses and the potential.

An object stands for a *bank* of n servers of one family, so that every function is one vectorised expression.
Time is in any unit, rates in jobs per that unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from .compensated_sum import TINY, exact_sum
from .errors import Array, InputError
from .family_checks import fit_together
from .finite_differences import curvature, difference_error_bound, flow_at, integral, slope
from .guards import guard
from .pickling import given, state
from .validation import as_floats, check_choice, raise_at_first

ArrayLike = npt.ArrayLike
Bank = TypeVar("Bank")
NO_RATE, DRAINED = "a server needs a rate above 0", ", or leave a drained server out"
HALVINGS = 100  # of a bracket, until its ends are neighbouring floats


class Operation(NamedTuple):
    """Where servers operate at a given price.

    Attributes
    ----------
    flow : ndarray
        Load x of each server, jobs per unit of time.
    spare : ndarray
        Capacity left, rate - x, accurate where the subtraction would cancel.
    slope : ndarray
        Derivative of the flow in the price.
    """

    flow: Array
    spare_capacity: Array
    slope: Array


QUANTITIES: Mapping[str, tuple[str, ...]] = {
    "rate_error": ("rate",),
    "service": ("time",),
    "latency_limit": ("time",),
    "uses_finite_differences": ("any",),
    "validated": ("all",),
    "latency": ("rate", "spare_capacity", "time"),
    "marginal": ("rate", "spare_capacity", "time"),
    "potential": ("rate", "total"),
    "latency_slope": ("rate", "slope"),
    "marginal_slope": ("rate", "slope"),
    "rate_slope": ("rate", "slope"),
    "inverse_latency": ("time", "rate"),
    "inverse_marginal": ("time", "rate"),
    "at_latency": ("time", "point"),
    "at_marginal": ("time", "point"),
    "at_player": ("time", "plain", "point"),
    "difference_error_bound": ("time", "rate", "rate", "rate", "total"),
}
"""Numbers that every bank has, but those that are sums of others: the kinds of what each takes, and of what it is."""


class ServerBank(ABC):
    """A bank of n servers whose latency is increasing and convex in their load.

    A family gives `rate` (infinite where no load is too much) and `delay`, arrays of shape (n,), and `latency`; a number
    stands for all servers, and a delay that is left out is 0. All else is worked out from
    these, by differences, quadrature and bracketed roots; what a family knows in closed form it overrides, for speed and for the last digits.
    What it computes from the rate on does not count: there every latency is infinite, with its marginal delay, potential and slopes. Below no
    load a family may return what its formula does.
    The reference algorithms (`sojourn.reference.parallel`) work for any such class. A family that knows its spare capacity more
    precisely than by subtraction also overrides `at_latency` and `at_marginal`.
    """

    rate: Array
    delay: Array
    quantities: ClassVar[Mapping[str, tuple[str, ...]]] = QUANTITIES

    __getstate__ = state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check what the methods of a family get; from the rate on what they compute is infinite."""
        super().__init_subclass__(**kwargs)
        guard(cls)

    def __len__(self) -> int:
        return int(self.rate.size)

    @property
    def banks(self) -> tuple[Any, ...]:
        """Banks of one family that this one is made of, side by side: itself, but for a `MixedBank`."""
        return (self,)

    @property
    def rate_error(self) -> Array:
        """What the float `rate` leaves out of the true rate, shape (n,): 0 but for families whose rate is computed."""
        return np.broadcast_to(0.0, (len(self),))

    @property
    def _inexact(self) -> bool:
        """Whether `rate` may leave anything out."""
        return type(self).rate_error is not ServerBank.rate_error

    def spare_capacity(self, flow: ArrayLike) -> Array:
        """Rate less flow, shape (..., n), with what rounding left out of the rate: the one way to say how far a server is from full."""
        spare_capacity = self.rate - np.asarray(flow, dtype=np.float64)
        return spare_capacity + self.rate_error if self._inexact else spare_capacity

    @cached_property
    def service(self) -> Array:
        """Latency beyond the delay of a job that finds its server empty, shape (n,)."""
        return self.latency(np.zeros(len(self))) - self.delay

    @property
    def latency_limit(self) -> Array:
        """Latency that no load exceeds, shape (n,): infinite but for servers that serve any load alike."""
        return np.full(len(self), np.inf)

    @cached_property
    def idle_latency(self) -> Array:
        """Latency m = l(0) = delay + service of an empty server, shape (n,); eq. (1) of Mancuso et al."""
        return self.delay + self.service

    @cached_property
    def total_rate(self) -> tuple[Array, Array]:
        """Sum of the rates as a number and its rounding error, so that the slack left by a load close to it is exact."""
        if not np.all(np.isfinite(self.rate)):
            return np.array(np.inf), np.array(0.0)
        high, low = exact_sum(self.rate)
        if self._inexact:
            low = low + self.rate_error.sum()
        total = high + low
        return total, (high - total) + low

    @abstractmethod
    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Mean time l(x) from sending a job to having its answer; infinite from the rate on, where there is no spare capacity.

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server.
        spare : array_like, optional
            ``rate - flow``, where the caller knows it better than `spare_capacity` does (close to saturation).

        Returns
        -------
        ndarray, shape (..., n)
        """

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay g(x) = d(x l(x))/dx = l(x) + x l'(x); parameters as `latency`."""
        flow = np.asarray(flow, dtype=np.float64)
        return self.latency(flow, spare_capacity) + flow * self.latency_slope(flow)

    def potential(self, flow: ArrayLike) -> Array:
        """Beckmann potential, the integral of l from 0 to x; by adaptive quadrature where it is not said."""
        return integral(self.latency, flow, self.rate)

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at which the latency is as given; 0 below the idle latency, infinite from the `latency_limit` on."""
        return flow_at(self.latency, latency, self.idle_latency, self.rate)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at which the marginal delay is as given; 0 below the idle latency, infinite from the `latency_limit` on."""
        return flow_at(self.marginal, marginal, self.idle_latency, self.rate)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency, l'(x)."""
        return slope(self.latency, flow, self.rate)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay, g'(x) = 2 l'(x) + x l''(x)."""
        if self.overrides("marginal"):
            return slope(self.marginal, flow, self.rate)
        # differences of differences would be slow, and have few digits
        bend = (
            curvature(self.latency, flow, self.rate)
            if self.uses_finite_differences
            else slope(self.latency_slope, flow, self.rate)
        )
        return 2.0 * self.latency_slope(flow) + np.asarray(flow, dtype=np.float64) * bend

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point where the latency is `excess` >= 0 above the idle latency."""
        flow = self.inverse_latency(self.idle_latency + np.asarray(excess, dtype=np.float64))
        return self._operation(flow, self.latency_slope)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point where the marginal delay is `excess` >= 0 above the idle latency."""
        flow = self.inverse_marginal(self.idle_latency + np.asarray(excess, dtype=np.float64))
        return self._operation(flow, self.marginal_slope)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point where the latency as one of K equal players sees it, l(x) + x l'(x)/K, is `excess` >= 0 above the idle latency.

        It lies between those of the marginal delay (K = 1) and the latency (K infinite), which bracket the search.
        """
        excess = np.asarray(excess, dtype=np.float64)
        own, price = 1.0 / players, self.idle_latency + excess
        low, high = self.at_marginal(excess).flow, self.at_latency(excess).flow
        bounded = np.isfinite(high)
        low, high = np.where(bounded, low, 0.0), np.where(bounded, high, 0.0)
        ends = halved(
            lambda x: own * self.marginal(x) + (1.0 - own) * self.latency(x) - price, low, high
        )
        flow = np.where(bounded, 0.5 * (ends[0] + ends[1]), np.inf)
        return self._operation(
            flow, lambda x: own * self.marginal_slope(x) + (1.0 - own) * self.latency_slope(x)
        )

    @property
    def uses_finite_differences(self) -> bool:
        """Whether the marginal delay is made of differences: right where the latency has no kink."""
        return not self.overrides("marginal") and not self.overrides("latency_slope")

    def overrides(self, name: str) -> bool:
        """Whether the family has a method of its own, not that of this class, which derives it."""
        check_choice("name", name, QUANTITIES, "is not a number that every bank has")
        return getattr(type(self), name) is not getattr(ServerBank, name)

    @cached_property
    def validated(self) -> bool:
        """True; those of a family that is not of this library are looked at once a bank, and an InputError says what is wrong with them."""
        if not type(self).__module__.startswith("sojourn."):
            fit_together(self)
        return True

    def difference_error_bound(self, price: Array, flow: Array, least: Array, most: Array) -> Array:
        """How far x l(x) - price x, within [least, most], can fall below its value at `flow`; 0 where the marginal delay is said."""
        if not self.uses_finite_differences:
            return np.zeros(np.shape(flow))
        return difference_error_bound(
            lambda x: x * self.latency(x), price, flow, self.rate, least, most
        )

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate at a fixed flow, -(g(x) - d)/mu.

        It holds where a faster server does the same work in less time: l - d = phi(x/mu)/mu. It is 0 where the rate is infinite.
        """
        finite = np.isfinite(self.rate)
        return np.where(
            finite, -(self.marginal(flow) - self.delay) / np.where(finite, self.rate, 1.0), 0.0
        )

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the same servers with their delays longer by `delay`, shape (n,)."""
        return self._with(delay=self.delay + np.asarray(delay, dtype=np.float64))

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the bank of the servers at `index`, in that order."""
        stored = ((name, getattr(self, name)) for name in self._stored())
        return self._with(
            **{name: value[index] for name, value in stored if isinstance(value, np.ndarray)}
        )

    def _with(self, **changed: Any) -> Self:
        """Return a bank of the same servers but for some of what they are made of."""
        stored = {name: getattr(self, name) for name in self._stored()}
        return store(object.__new__(type(self)), **{**stored, **changed})

    def _point(
        self, flow: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Flow and spare capacity as arrays."""
        flow = np.asarray(flow, dtype=np.float64)
        spare_capacity = (
            self.spare_capacity(flow)
            if spare_capacity is None
            else np.asarray(spare_capacity, dtype=np.float64)
        )
        return flow, spare_capacity

    def _operation(self, flow: Array, slope: Callable[[Array], Array]) -> Operation:
        """Operating point at a flow: that of a price rises by one over the slope of the price."""
        bounded = np.isfinite(flow)
        steep = np.where(bounded, slope(np.where(bounded, flow, 0.0)), np.inf)
        return Operation(
            flow, self.spare_capacity(np.where(bounded, flow, 0.0)), 1.0 / np.maximum(steep, TINY)
        )

    def _stored(self) -> list[str]:
        """Names of what a bank is made of: not of what is derived from all its servers and kept."""
        bank: object = self  # else a type checker takes every Queue for a dataclass
        if is_dataclass(bank):
            return [field.name for field in fields(bank)]
        return list(given(self))


guard(ServerBank)


class Operated(ServerBank):
    """A bank that says its operating points, and finds the flow at a price by them."""

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at a latency; see `ServerBank.inverse_latency`."""
        return self.at_latency(self._excess(latency)).flow

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at a marginal delay; see `ServerBank.inverse_marginal`."""
        return self.at_marginal(self._excess(marginal)).flow

    def _excess(self, price: ArrayLike) -> Array:
        """How far a price is above the idle latency, or 0."""
        price = np.asarray(price, dtype=np.float64)
        above = (price - self.delay) - self.service  # the delay may be much longer than all else
        return np.where(price > self.idle_latency, np.maximum(above, 0.0), 0.0)


def halved(function: Callable[[Array], Array], low: Array, high: Array) -> tuple[Array, Array]:
    """Return neighbouring floats between which an increasing function reaches 0."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        above = function(middle) >= 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return low, high


def bank_arrays(**given: object) -> dict[str, Array]:
    """Return the fields of a bank as arrays of one length n; a single number stands for all servers.

    Raises
    ------
    InputError
        On an empty bank, mismatched lengths, or anything that is not finite.
    """
    arrays = {name: np.atleast_1d(as_floats(name, value)) for name, value in given.items()}
    n = max((a.size for a in arrays.values()), default=0)
    for name, a in arrays.items():
        if a.ndim != 1:
            raise InputError(
                name, a.tolist(), f"has {a.ndim} dimensions", "give one number per server"
            )
        if a.size == 0:
            raise InputError(name, [], "the system has no server", "give at least one")
        if a.size not in (1, n):
            problem = f"has {a.size} values where {next(k for k, b in arrays.items() if b.size == n)} has {n}"
            raise InputError(name, a.tolist(), problem, "give one value per server, or one for all")
        raise_at_first(name, a, np.isfinite(a), "is not finite", "give a finite number")
    out = {name: np.ascontiguousarray(np.broadcast_to(a, (n,))) for name, a in arrays.items()}
    for a in out.values():
        a.flags.writeable = False
    return out


def store(bank: Bank, **values: Any) -> Bank:
    """Return a bank, frozen or not, after some of its fields were set."""
    for name, value in values.items():
        object.__setattr__(bank, name, value)
    return bank


def check_servers(bank: Any, *nonnegative: str, **more: object) -> None:
    """Store the fields of a bank as checked arrays: `rate` above 0; `delay` and those named 0 or more; `more` finite, its own to check."""
    names = ("delay", *nonnegative)
    arrays = bank_arrays(rate=bank.rate, **{name: getattr(bank, name) for name in names}, **more)
    raise_at_first(
        "rate",
        arrays["rate"],
        arrays["rate"] > 0,
        NO_RATE,
        f"give a positive service rate{DRAINED}",
    )
    for name in names:
        what = (
            "a delay"
            if name == "delay"
            else "a coefficient of variation"
            if name.endswith("cv")
            else "it"
        )
        raise_at_first(
            name, arrays[name], arrays[name] >= 0, f"{what} cannot be negative", "give 0 or more"
        )
    store(bank, **arrays)


def rates_and_delays(rate: object, delay: object, servers: int = 1) -> tuple[Array, Array]:
    """Return rates, which may be infinite, and delays, shape (n,) each; a number stands for all servers. InputError as `bank_arrays`."""
    rates = np.atleast_1d(as_floats("rate", rate))
    arrays = bank_arrays(
        rate=np.where(np.isposinf(rates), 1.0, rates), delay=delay, servers=np.zeros(servers)
    )
    raise_at_first(
        "rate",
        arrays["rate"],
        arrays["rate"] > 0,
        NO_RATE,
        f"give a load to stay below, or infinity{DRAINED}",
    )
    raise_at_first(
        "delay",
        arrays["delay"],
        arrays["delay"] >= 0,
        "a delay cannot be negative",
        "give 0 or more",
    )
    return np.array(np.broadcast_to(rates, arrays["rate"].shape)), arrays["delay"]


def whole(bank: Any) -> Any:
    """Return a bank after its rate and delay were made arrays of one shape (n,), where a family gives numbers or lists, or no delay.

    Raises
    ------
    InputError
        On a family without a rate, or values that do not fit.
    """
    given: list[Any] = [getattr(bank, name, None) for name in ("rate", "delay")]
    if all(_a_row(value) for value in given) and given[0].size == given[1].size:
        return bank
    rate, delay = given[0], 0.0 if given[1] is None else given[1]
    if rate is None:
        remedy = "store the load that each server must stay below, or infinity, in an array of shape (n,)"
        raise InputError("rate", None, f"is not given by {type(bank).__name__}", remedy)
    _keep(bank, *rates_and_delays(rate, delay))
    if (
        np.ndim(rate) == np.ndim(delay) == 0
    ):  # how many servers there are is told by the latency alone
        shape = np.shape(bank.latency(np.zeros(1)))
        _keep(bank, *rates_and_delays(rate, delay, shape[-1] if shape else 1))
    return bank


def _a_row(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1


def _keep(bank: ServerBank, rate: Array, delay: Array) -> None:
    for name, array in (("rate", rate), ("delay", delay)):
        given: Any = getattr(bank, name, None)
        try:
            if not (_a_row(given) and given.size == array.size):
                store(bank, **{name: array})
        except AttributeError:
            value, problem = (
                getattr(bank, name),
                "is a property that gives no array of one float a server",
            )
            raise InputError(name, value, problem, f"give shape ({array.size},)") from None
