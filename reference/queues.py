"""What a queue costs, in numbers: latency, marginal delay, their inverses and the potential.

An object stands for a *bank* of n servers of one family, so that every function is one vectorised expression.
Time is in any unit, rates in jobs per that unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from sojourn.reference.errors import Array, InputError, first_bad, numbers
from sojourn.reference.sums import exact_sum

ArrayLike = npt.ArrayLike
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
    spare: Array
    slope: Array


class Queue(ABC):
    """A bank of n servers whose latency is increasing and convex in their load.

    A family gives `rate` and `delay` (arrays of shape (n,)), `service`, `latency`, `marginal`, `potential` and the two inverses.
    The reference algorithms (`sojourn.reference.parallel`) work for any such class. A family that knows its spare capacity more
    precisely than by subtraction also overrides `at_latency` and `at_marginal`.
    """

    rate: Array
    delay: Array

    def __len__(self) -> int:
        return int(self.rate.size)

    @property
    @abstractmethod
    def service(self) -> Array:
        """Latency beyond the delay of a job that finds its server empty, shape (n,)."""

    @cached_property
    def idle_latency(self) -> Array:
        """Latency m = l(0) = delay + service of an empty server, shape (n,); eq. (1) of Mancuso et al."""
        return self.delay + self.service

    @cached_property
    def total_rate(self) -> tuple[Array, Array]:
        """Sum of the rates as an unevaluated pair high + low, so that the slack left by a load close to it is exact."""
        return exact_sum(self.rate) if np.all(np.isfinite(self.rate)) else (np.array(np.inf), np.array(0.0))

    @abstractmethod
    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Mean time l(x) from sending a job to having its answer.

        Parameters
        ----------
        flow : array_like, shape (..., n)
            Load x of each server.
        spare : array_like, optional
            ``rate - flow``, where the caller knows it better than the subtraction does (close to saturation).

        Returns
        -------
        ndarray, shape (..., n)
        """

    @abstractmethod
    def marginal(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Marginal delay g(x) = d(x l(x))/dx; parameters as `latency`."""

    @abstractmethod
    def potential(self, flow: ArrayLike) -> Array:
        """Beckmann potential, the integral of l from 0 to x."""

    @abstractmethod
    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at which the latency is as given; 0 below the idle latency."""

    @abstractmethod
    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at which the marginal delay is as given; 0 below the idle latency."""

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency, l'(x)."""
        return self._difference(self.latency, flow)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay, g'(x)."""
        return self._difference(self.marginal, flow)

    def _difference(self, function: Callable[[ArrayLike], Array], flow: ArrayLike) -> Array:
        flow = np.asarray(flow, dtype=np.float64)
        step = 1e-6 * np.where(np.isfinite(self.rate), np.minimum(self.rate, self.rate - flow), 1.0 + flow)
        return (function(flow + step) - function(flow)) / step

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point where the latency is `excess` >= 0 above the idle latency."""
        return self._operation(self.inverse_latency, excess)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point where the marginal delay is `excess` >= 0 above the idle latency."""
        return self._operation(self.inverse_marginal, excess)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point where the latency as one of K equal players sees it, l(x) + x l'(x)/K, is `excess` >= 0 above the idle latency.

        It lies between those of the marginal delay (K = 1) and the latency (K infinite), which bracket the search.
        """
        excess = np.asarray(excess, dtype=np.float64)
        own, price = 1.0 / players, self.idle_latency + excess
        low, high = self.at_marginal(excess).flow, self.at_latency(excess).flow
        for _ in range(HALVINGS):
            flow = 0.5 * (low + high)
            above = own * self.marginal(flow) + (1.0 - own) * self.latency(flow) > price
            low, high = np.where(above, low, flow), np.where(above, flow, high)
            if np.all(high - low <= 2 * np.spacing(high)):
                break
        flow = 0.5 * (low + high)
        slope = own * self.marginal_slope(flow) + (1.0 - own) * self.latency_slope(flow)
        return Operation(flow, self.rate - flow, 1.0 / slope)

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate at a fixed flow, -(g(x) - d)/mu.

        It holds where a faster server does the same work in less time: l - d = phi(x/mu)/mu. It is 0 where the rate is infinite.
        """
        finite = np.isfinite(self.rate)
        return np.where(finite, -(self.marginal(flow) - self.delay) / np.where(finite, self.rate, 1.0), 0.0)

    def farther(self, delay: ArrayLike) -> Self:
        """Return the same servers with their delays longer by `delay`, shape (n,)."""
        new = self.take(slice(None))
        object.__setattr__(new, "delay", self.delay + np.asarray(delay, dtype=np.float64))
        return new

    def _operation(self, inverse: Callable[[ArrayLike], Array], excess: ArrayLike) -> Operation:
        excess = np.asarray(excess, dtype=np.float64)
        flow = inverse(self.idle_latency + excess)
        # a latency of 0 at no load has no scale of its own
        scale = np.where(self.service > 0, self.service, max(float(self.idle_latency.max()), np.finfo(float).tiny))
        step = 1e-6 * excess + 1e-9 * scale
        slope = (inverse(self.idle_latency + excess + step) - flow) / step
        return Operation(flow, self.rate - flow, slope)

    def take(self, index: npt.NDArray[np.intp] | slice) -> Self:
        """Return the bank of the servers at `index`, in that order."""
        new = object.__new__(type(self))
        for name in self._stored():
            value = getattr(self, name)
            object.__setattr__(new, name, value[index] if isinstance(value, np.ndarray) else value)
        return new

    def _stored(self) -> list[str]:
        """Names of what a bank is made of: not of what is derived from all its servers and kept."""
        bank: object = self  # else a type checker takes every Queue for a dataclass
        if is_dataclass(bank):
            return [field.name for field in fields(bank)]
        return [name for name in vars(self) if not isinstance(getattr(type(self), name, None), cached_property)]


def bank_arrays(**given: object) -> dict[str, Array]:
    """Return the fields of a bank as arrays of one length n; a single number stands for all servers.

    Raises
    ------
    InputError
        On an empty bank, mismatched lengths, or anything that is not finite.
    """
    arrays = {name: np.atleast_1d(numbers(name, value)) for name, value in given.items()}
    n = max((a.size for a in arrays.values()), default=0)
    for name, a in arrays.items():
        if a.ndim != 1:
            raise InputError(name, a.tolist(), f"has {a.ndim} dimensions", "give one number per server")
        if a.size == 0:
            raise InputError(name, [], "the system has no server", "give at least one")
        if a.size not in (1, n):
            other = next(k for k, b in arrays.items() if b.size == n)
            raise InputError(
                name,
                a.tolist(),
                f"has {a.size} values where {other} has {n}",
                "give one value per server, or one for all",
            )
        first_bad(name, a, np.isfinite(a), "is not finite", "give a finite number")
    out = {name: np.ascontiguousarray(np.broadcast_to(a, (n,))) for name, a in arrays.items()}
    for a in out.values():
        a.flags.writeable = False
    return out


def _log_excess(used: Array) -> Array:
    """-log(1 - u) - u for 0 <= u < 1 to rounding error; at light load the plain difference keeps none of its digits.

    With s = u/(2 - u) the logarithm is 2 atanh(s) and u is 2 s/(1 + s), so what is left is 2 s^2/(1 + s) + 2 (s^3/3 + s^5/5 + ...).
    """
    s = np.minimum(used, 0.25) / (2.0 - np.minimum(used, 0.25))
    square = s * s
    tail = np.zeros_like(s)
    for power in range(19, 1, -2):
        tail = tail * square + 1.0 / power
    light = 2.0 * square * (1.0 / (1.0 + s) + s * tail)
    return np.where(used <= 0.25, light, -np.log1p(-used) - used)


class PollaczekKhinchine(Queue):
    """M/G/1 in its general form, l(x) = d + 1/mu + k x / (mu (mu - x)); M/M/1 and M/D/1 differ in k alone.

    Pollaczek and Khinchine's mean; eq. (28) of Mancuso et al. k = (1 + cv^2)/2, with cv the coefficient of variation of the service time.
    """

    rate: Array
    delay: Array

    @property
    @abstractmethod
    def k(self) -> Array:
        """Variability (1 + cv^2)/2, shape (n,)."""

    @cached_property
    def service(self) -> Array:
        """Mean service time 1/mu, shape (n,)."""
        return 1.0 / self.rate

    @cached_property
    def _pace(self) -> Array:
        """Rate over variability, shape (n,)."""
        return self.rate / self.k

    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Mean time l(x) = d + 1/mu + k x / (mu (mu - x)); see `Queue.latency`."""
        flow, spare = self._point(flow, spare)
        return self.delay + (1.0 + self.k * flow / spare) / self.rate

    def marginal(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Marginal delay g(x) = d + 1/mu + k (mu^2/(mu - x)^2 - 1)/mu; see `Queue.marginal`."""
        flow, spare = self._point(flow, spare)
        return self.delay + (1.0 + self.k * flow * (self.rate + spare) / spare**2) / self.rate

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of the latency, (d + 1/mu) x - k (x/mu + log(1 - x/mu))."""
        used = np.asarray(flow, dtype=np.float64) / self.rate
        return self.idle_latency * self.rate * used + self.k * _log_excess(used)

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at a latency L: (L - m) mu^2 / (k + (L - m) mu); eqs. (25), (33)."""
        return self.at_latency(self._excess(latency)).flow

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at a marginal delay c: mu (1 - 1/sqrt(1 + (c - m) mu/k)); eqs. (22), (31)."""
        return self.at_marginal(self._excess(marginal)).flow

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency, k/(mu - x)^2."""
        flow, spare = self._point(flow, None)
        return self.k / spare**2

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay, 2 k mu/(mu - x)^3."""
        flow, spare = self._point(flow, None)
        return 2.0 * self.k * self.rate / spare**3

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point at a latency above the idle one; no cancellation at light or heavy load."""
        z = np.asarray(excess) * self._pace
        spare = self.rate / (1.0 + z)
        return Operation(spare * z, spare, spare * spare / self.k)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point at a marginal delay above the idle latency; no cancellation at light or heavy load."""
        z = np.asarray(excess) * self._pace
        root = np.sqrt(1.0 + z)
        spare = self.rate / root
        return Operation(spare * (z / (1.0 + root)), spare, spare * spare / (2.0 * self.k * root))

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point as one of K players sees it: with v = mu/spare, (v - 1) (1 + v/K) = excess mu/k; see `Queue.at_player`."""
        z, own = np.asarray(excess) * self._pace, 1.0 / players
        root = np.sqrt((1.0 + own) ** 2 + 4.0 * own * z)
        above = 2.0 * z / (1.0 + own + root)
        spare = self.rate / (1.0 + above)
        return Operation(spare * above, spare, spare * spare / (self.k * root))

    def _point(self, flow: ArrayLike, spare: ArrayLike | None) -> tuple[Array, Array]:
        flow = np.asarray(flow, dtype=np.float64)
        return flow, self.rate - flow if spare is None else np.asarray(spare, dtype=np.float64)

    def _excess(self, price: ArrayLike) -> Array:
        return np.maximum((np.asarray(price, dtype=np.float64) - self.delay) - self.service, 0.0)

    def _check(self, **more: object) -> None:
        """Store the fields as checked arrays; called once, at construction."""
        arrays = bank_arrays(rate=self.rate, delay=self.delay, **more)
        first_bad("rate", arrays["rate"], arrays["rate"] > 0, "a server needs a rate above 0", "give a positive service rate")
        first_bad("delay", arrays["delay"], arrays["delay"] >= 0, "a delay cannot be negative", "give 0 or more")
        if "cv" in arrays:
            first_bad("cv", arrays["cv"], arrays["cv"] >= 0, "a coefficient of variation cannot be negative", "give 0 or more")
        for name, array in arrays.items():
            object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class MM1(PollaczekKhinchine):
    """M/M/1 servers at a distance: l(x) = delay + 1/(rate - x); eq. (20) of Mancuso et al.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MM1(rate=[100.0, 80.0], delay=0.005).latency([50.0, 0.0])
    array([0.025 , 0.0175])
    """

    rate: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        self._check()

    @property
    def k(self) -> Array:
        """Variability, 1."""
        return np.broadcast_to(1.0, self.rate.shape)

    @property
    def cv(self) -> Array:
        """Coefficient of variation of the service time, 1."""
        return np.broadcast_to(1.0, self.rate.shape)


@dataclass(frozen=True, eq=False)
class MD1(PollaczekKhinchine):
    """M/D/1 servers at a distance: `MG1` with cv = 0; parameters as `MM1`.

    Examples
    --------
    >>> MD1(rate=100.0).latency([50.0])
    array([0.015])
    """

    rate: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        self._check()

    @property
    def k(self) -> Array:
        """Variability, 1/2."""
        return np.broadcast_to(0.5, self.rate.shape)

    @property
    def cv(self) -> Array:
        """Coefficient of variation of the service time, 0."""
        return np.broadcast_to(0.0, self.rate.shape)


@dataclass(frozen=True, eq=False)
class MG1(PollaczekKhinchine):
    """M/G/1 servers at a distance: l(x) = delay + 1/rate + (1 + cv^2)/2 x / (rate (rate - x)); eq. (28) of Mancuso et al.

    Parameters
    ----------
    rate : array_like, shape (n,)
        Service rates, jobs per unit of time, > 0.
    cv : array_like, shape (n,) or ()
        Coefficients of variation of the service time, >= 0: standard deviation over mean.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> MG1(rate=100.0, cv=3.0).latency([50.0])
    array([0.06])
    """

    rate: Any
    cv: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        self._check(cv=self.cv)

    @property
    def k(self) -> Array:
        """Variability (1 + cv^2)/2, shape (n,)."""
        variability: Array = (1.0 + self.cv**2) / 2.0
        return variability


class Pool(Queue):
    """Banks of different families, side by side: one Queue whose servers are theirs, in order.

    Parameters
    ----------
    banks : sequence of Queue
        At least one.
    """

    def __init__(self, banks: Sequence[Queue]) -> None:
        if not banks:
            raise InputError("servers", [], "the system has no server", "give at least one bank")
        for i, bank in enumerate(banks):
            if not isinstance(bank, Queue):
                raise InputError(f"servers[{i}]", bank, "is not a bank of servers", "give MM1, MD1, MG1 or another Queue")
        self.banks = tuple(banks)
        self.edges = np.cumsum([0, *(len(b) for b in banks)])
        self.rate = np.concatenate([b.rate for b in banks])
        self.delay = np.concatenate([b.delay for b in banks])

    @cached_property
    def service(self) -> Array:
        """Latency beyond the delay of an empty server, shape (n,)."""
        return np.concatenate([b.service for b in self.banks])

    def _each(self, method: str, *args: ArrayLike | None) -> list[Any]:
        """Call a method of each bank on its slice of the last axis."""
        parts = [None if a is None else np.broadcast_to(a, (*np.shape(a)[:-1], len(self))) for a in args]
        slices = zip(self.banks, self.edges[:-1], self.edges[1:], strict=True)
        return [getattr(b, method)(*(None if p is None else p[..., lo:hi] for p in parts)) for b, lo, hi in slices]

    def _join(self, method: str, *args: ArrayLike | None) -> Array:
        return np.concatenate(self._each(method, *args), axis=-1)

    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Latency of each server; see `Queue.latency`."""
        return self._join("latency", flow, spare)

    def marginal(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Marginal delay of each server; see `Queue.marginal`."""
        return self._join("marginal", flow, spare)

    def potential(self, flow: ArrayLike) -> Array:
        """Beckmann potential of each server; see `Queue.potential`."""
        return self._join("potential", flow)

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at a latency; see `Queue.inverse_latency`."""
        return self._join("inverse_latency", latency)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at a marginal delay; see `Queue.inverse_marginal`."""
        return self._join("inverse_marginal", marginal)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency; see `Queue.latency_slope`."""
        return self._join("latency_slope", flow)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay; see `Queue.marginal_slope`."""
        return self._join("marginal_slope", flow)

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating points; see `Queue.at_latency`."""
        return Operation(*(np.concatenate(a, axis=-1) for a in zip(*self._each("at_latency", excess), strict=True)))

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating points; see `Queue.at_marginal`."""
        return Operation(*(np.concatenate(a, axis=-1) for a in zip(*self._each("at_marginal", excess), strict=True)))

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating points; see `Queue.at_player`."""
        parts = [
            b.at_player(np.asarray(excess)[..., lo:hi], players) for b, lo, hi in zip(self.banks, self.edges, self.edges[1:], strict=False)
        ]
        return Operation(*(np.concatenate(a, axis=-1) for a in zip(*parts, strict=True)))

    def farther(self, delay: ArrayLike) -> Self:
        """Return the pool with longer delays; see `Queue.farther`."""
        more = np.broadcast_to(np.asarray(delay, dtype=np.float64), self.rate.shape)
        return type(self)([b.farther(more[lo:hi]) for b, lo, hi in zip(self.banks, self.edges, self.edges[1:], strict=False)])

    @property
    def k(self) -> Array:
        """Variability of each server, where all families have one, shape (n,)."""
        return np.concatenate([b.k for b in self.banks])  # type: ignore[attr-defined]

    def take(self, index: npt.NDArray[np.intp] | slice) -> Pool:
        """Return the pool of the servers at `index`, grouped by family (their order within a family kept)."""
        index = np.arange(len(self))[index] if isinstance(index, slice) else index
        owner = np.searchsorted(self.edges, index, side="right") - 1
        parts = [b.take(index[owner == j] - self.edges[j]) for j, b in enumerate(self.banks) if np.any(owner == j)]
        return Pool(parts)


def as_queue(servers: Queue | Sequence[Queue]) -> Queue:
    """Return one Queue: a bank as it is, several banks as their `Pool`."""
    return servers if isinstance(servers, Queue) else Pool(list(servers))
