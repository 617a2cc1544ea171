"""Latencies without a capacity: polynomials, the power law of road traffic, and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.server_bank import bank_arrays, store
from ...reference.validation import as_floats, raise_at_first
from .base import ArrayLike, Latency
from .cone import Cone

DENOMINATOR = 10  # of a power: up to it, its second-order cones are few
BUSY = 4.0  # capacities, or flows that double a latency, that powers are of for a solver: at ten such flows they are still small


def quotient(excess: Array, steep: Array) -> Array:
    """Quotient of what a price has above the idle latency; infinite where a latency does not rise and is exceeded, 0 where it is not."""
    return np.asarray(
        np.where(
            steep > 0, excess / np.where(steep > 0, steep, 1.0), np.where(excess > 0, np.inf, 0.0)
        )
    )


class Unlimited(Latency):
    """Servers for which no load is too much."""

    @property
    def rate(self) -> Array:  # type: ignore[override]
        """Infinite: no load is too much."""
        return np.full(len(self), np.inf)

    def __len__(self) -> int:
        return len(self.delay)


@dataclass(frozen=True, eq=False)
class Polynomial(Unlimited):
    """l(x) = delay + c_0 + c_1 x + ... + c_q x^q, for any load; affine is Pigou's (1920), and Roughgarden and Tardos' (2002).

    The price of anarchy of affine latencies is at most 4/3.

    Parameters
    ----------
    coefficients : array_like, shape (n, q + 1) or (q + 1,)
        Constant term first, >= 0: so the latency is increasing and convex. c_j is in units of time times (time)^j.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delays, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    Pigou's two roads, a constant and one of latency x:

    >>> from sojourn.models import ParallelServers
    >>> system = ParallelServers(Polynomial([[1.0, 0.0], [0.0, 1.0]]))
    >>> round(system.price_of_anarchy(load=1.0), 6)
    1.333333
    """

    coefficients: Any
    delay: Any = 0.0

    def __post_init__(self) -> None:
        given = as_floats("coefficients", self.coefficients)
        if given.ndim not in (1, 2) or given.size == 0:
            raise InputError(
                "coefficients",
                given.tolist(),
                "is not a row of coefficients a server",
                "give shape (n, degree + 1)",
            )
        rows = np.atleast_2d(given)
        for j, column in enumerate(rows.T):
            remedy = "give a number >= 0: then the latency is increasing and convex"
            raise_at_first(
                f"coefficients[:, {j}]",
                column,
                np.isfinite(column) & (column >= 0),
                "is negative or not finite",
                remedy,
            )
        delay = bank_arrays(rows=np.zeros(len(rows)), delay=self.delay)["delay"]
        raise_at_first("delay", delay, delay >= 0, "a delay cannot be negative", "give 0 or more")
        store(
            self,
            coefficients=np.array(np.broadcast_to(rows, (delay.size, rows.shape[1]))),
            delay=delay,
        )

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(
            coefficients=[[0.01, 0.001, 0.0, 1e-7], [0.02, 0.0, 1e-5, 0.0], [0.0, 0.002, 0.0, 0.0]],
            delay=[0.0, 0.01, 0.0],
        )

    @property
    def service(self) -> Array:
        """Constant term, shape (n,)."""
        return np.asarray(self.coefficients[:, 0])

    @property
    def latency_limit(self) -> Array:
        """The latency itself, where only the constant term is there."""
        return np.where(self.coefficients[:, 1:].any(axis=1), np.inf, self.idle_latency)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Latency; see `ServerBank.latency`."""
        return np.asarray(self._sum(flow, self.coefficients) + self.delay)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay, sum of (j + 1) c_j x^j; see `ServerBank.marginal`."""
        return np.asarray(self._sum(flow, self.coefficients * (1.0 + self._power)) + self.delay)

    def potential(self, flow: ArrayLike) -> Array:
        """Integral, sum of c_j x^(j + 1)/(j + 1); see `ServerBank.potential`."""
        flow = np.asarray(flow, dtype=np.float64)
        return np.asarray(
            flow * (self._sum(flow, self.coefficients / (1.0 + self._power)) + self.delay)
        )

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency."""
        return self._sum(flow, (self.coefficients * self._power)[:, 1:])

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay."""
        return self._sum(flow, (self.coefficients * self._power * (1.0 + self._power))[:, 1:])

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at a latency; in closed form for one power of the flow, see `ServerBank.inverse_latency`."""
        return self._flow(latency, 0.0) if self._one_power else super().inverse_latency(latency)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at a marginal delay; in closed form for one power of the flow, see `ServerBank.inverse_marginal`."""
        return self._flow(marginal, 1.0) if self._one_power else super().inverse_marginal(marginal)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried, as second-order cones from degree 1 on."""
        return self._cone(flow, self.coefficients, 1)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Integral of the latency, as second-order cones from degree 1 on."""
        return self._cone(flow, self.coefficients / (1.0 + self._power), 1)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency, as second-order cones from degree 2 on."""
        return self._cone(flow, self.coefficients, 0)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers with rates and times multiplied; see `Latency.scaled`."""
        return type(self)(self.coefficients * time / rate**self._power, self.delay * time)

    @property
    def _one_power(self) -> bool:
        return bool(np.all((self.coefficients[:, 1:] > 0).sum(axis=1) <= 1))

    def _flow(self, price: ArrayLike, more: float) -> Array:
        """Inverse of c_0 + (1 + more j) c_j x^j, with one j >= 1 a server, or none."""
        excess = np.maximum(
            (np.asarray(price, dtype=np.float64) - self.delay) - self.coefficients[:, 0], 0.0
        )
        power = (
            self.coefficients[:, 1:].argmax(axis=1) + 1.0
            if self.coefficients.shape[1] > 1
            else np.ones(len(self))
        )
        steep = self.coefficients[:, 1:].sum(axis=1) * (1.0 + more * power)
        return quotient(excess, steep) ** (1.0 / power)

    @property
    def _power(self) -> Array:
        return np.arange(self.coefficients.shape[1], dtype=np.float64)

    def _sum(self, flow: ArrayLike, coefficients: Array) -> Array:
        """Horner's rule."""
        flow = np.asarray(flow, dtype=np.float64)
        total = np.zeros(np.broadcast_shapes(flow.shape, (len(self),)))
        for column in coefficients.T[::-1]:
            total = total * flow + column
        return total

    def _cone(self, flow: cp.Expression, coefficients: Array, more: int) -> Cone:
        """Sum of c_j x^(j + more), and the delay."""
        value = cp.multiply(self.delay, flow) if more else cp.Constant(self.delay)
        kinds: frozenset[str] = frozenset()
        for j, column in enumerate(coefficients.T):
            power, used = j + more, np.flatnonzero(column)
            if not used.size:
                continue
            if power > 1:
                kinds = frozenset({"SOC"})
            put = np.zeros((len(self), used.size))
            put[used, np.arange(used.size)] = column[used] * BUSY**power
            value += (
                column
                if power == 0
                else cp.multiply(column, flow)
                if power == 1
                else put @ cp.power(flow[used] / BUSY, power)
            )
        return Cone(value, (), kinds)


@dataclass(frozen=True, eq=False)
class Constant(Polynomial):
    """Infinitely many servers: l(x) = delay, whatever the load (M/G/infinity).

    Parameters
    ----------
    delay : array_like, shape (n,) or ()
        Time from sending a job to having its answer, >= 0.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> Constant(delay=0.05).latency([1e6])
    array([0.05])
    """

    def __init__(self, delay: Any) -> None:
        store(self, coefficients=[0.0], delay=delay).__post_init__()

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(delay=[0.05, 0.08, 0.1])

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers with times multiplied; see `Polynomial.scaled`."""
        return type(self)(self.delay * time)


@dataclass(frozen=True, eq=False)
class BPR(Unlimited):
    """Travel time of a road: l(x) = free_flow (1 + b (x/capacity)^power); Bureau of Public Roads, *Traffic Assignment Manual* (1964).

    The capacity is that of the practice: more than it gets through, ever more slowly, so that no load is too much.
    A power of 0, or a `b` of 0, is a road of one travel time whatever the load; without a free-flow time, as of a connector, it is free.
    Where a road beside others is free, the mean delay is 0, and the price of anarchy is 1.

    Parameters
    ----------
    free_flow : array_like, shape (n,)
        Time on an empty road, >= 0.
    capacity : array_like, shape (n,) or ()
        Practical capacity, jobs per unit of time, > 0.
    b : array_like, shape (n,) or (), default 0.15
        >= 0.
    power : array_like, shape (n,) or (), default 4
        >= 1, or 0. Fractions with a denominator up to 10, such as 4 or 2.5, are second-order cones, others power cones.

    Raises
    ------
    InputError
        Naming the field, the index and the value.

    Examples
    --------
    >>> BPR(free_flow=10.0, capacity=100.0).latency([100.0])
    array([11.5])
    """

    free_flow: Any
    capacity: Any
    b: Any = 0.15
    power: Any = 4.0
    delay: Any = field(default=0.0, init=False, repr=False)  # what `with_extra_delay` adds

    def __post_init__(self) -> None:
        arrays = bank_arrays(
            free_flow=self.free_flow, capacity=self.capacity, b=self.b, power=self.power
        )
        raise_at_first(
            "free_flow",
            arrays["free_flow"],
            arrays["free_flow"] >= 0,
            "is negative",
            "give 0 or more",
        )
        raise_at_first(
            "capacity",
            arrays["capacity"],
            arrays["capacity"] > 0,
            "is not above 0",
            "give a positive number, or leave a closed road out",
        )
        raise_at_first(
            "b",
            arrays["b"],
            arrays["b"] >= 0,
            "is negative",
            "give 0 or more; of 0 the road has one travel time",
        )
        convex = (arrays["power"] >= 1) | (arrays["power"] == 0)
        raise_at_first(
            "power",
            arrays["power"],
            convex,
            "below 1 and not 0 the latency is not convex",
            "give 1 or more, or 0 for one travel time",
        )
        store(self, **arrays, delay=np.zeros(arrays["power"].size))

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(
            free_flow=[0.01, 0.02, 0.03],
            capacity=[100.0, 50.0, 80.0],
            b=[0.15, 0.2, 0.3],
            power=[4.0, 2.5, 1.0],
        )

    @property
    def service(self) -> Array:
        """Time on an empty road, shape (n,); with a power of 0 that on any."""
        return np.asarray(
            np.where(self.power > 0, self.free_flow, self.free_flow + self.free_flow * self.b)
        )

    @property
    def latency_limit(self) -> Array:
        """The travel time itself, where it is the same whatever the load."""
        return np.where(self._steep > 0, np.inf, self.idle_latency)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Latency; see `ServerBank.latency`."""
        return self._price(flow, 1.0)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay, free_flow (1 + (power + 1) b (x/capacity)^power)."""
        return self._price(flow, self._power + 1.0)

    def potential(self, flow: ArrayLike) -> Array:
        """Integral of the latency."""
        return np.asarray(flow, dtype=np.float64) * self._price(flow, 1.0 / (self._power + 1.0))

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency."""
        return np.asarray(
            self._steep
            * self._power
            / self.capacity
            * (flow / self.capacity) ** (self._power - 1.0)
        )

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay."""
        return np.asarray((self._power + 1.0) * self.latency_slope(flow))

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Flow at a latency; see `ServerBank.inverse_latency`."""
        return self._flow(latency, 1.0)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Flow at a marginal delay; see `ServerBank.inverse_marginal`."""
        return self._flow(marginal, self._power + 1.0)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried, free_flow x + free_flow b capacity (x/capacity)^(power + 1)."""
        return self._cone(flow, 1.0)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Integral of the latency: the same, with the power over power + 1."""
        return self._cone(flow, 1.0 / (self._power + 1.0))

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency."""
        powered, constraints, kinds = self._powered(flow, self._power, self._steep)
        return Cone(self.idle_latency + powered, constraints, kinds)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers with rates and times multiplied; see `Latency.scaled`."""
        return self._with(
            free_flow=self.free_flow * time, capacity=self.capacity * rate, delay=self.delay * time
        )

    @property
    def _steep(self) -> Array:
        """Free flow times b; 0 where the latency does not rise."""
        return np.where(self.power > 0, self.free_flow * self.b, 0.0)

    @property
    def _power(self) -> Array:
        """Power of the flow; 1 where the latency does not rise."""
        return np.where(self.power > 0, self.power, 1.0)

    def _price(self, flow: ArrayLike, factor: Array | float) -> Array:
        """Delay and free flow, and a factor times what congestion adds."""
        used = np.asarray(flow, dtype=np.float64) / self.capacity
        return np.asarray(self.delay + self.service + self._steep * factor * used**self._power)

    def _flow(self, price: ArrayLike, factor: Array | float) -> Array:
        excess = np.maximum((np.asarray(price, dtype=np.float64) - self.delay) - self.service, 0.0)
        return np.asarray(
            self.capacity * quotient(excess, factor * self._steep) ** (1.0 / self._power)
        )

    def _cone(self, flow: cp.Expression, factor: Array | float) -> Cone:
        powered, constraints, kinds = self._powered(
            flow, self._power + 1.0, factor * self._steep * self.capacity
        )
        return Cone(cp.multiply(self.idle_latency, flow) + powered, constraints, kinds)

    def _powered(
        self, flow: cp.Expression, power: Array, by: Array
    ) -> tuple[cp.Expression, tuple[cp.Constraint, ...], frozenset[str]]:
        """Epigraph of (x/capacity)^power times `by` where that is not 0: an atom for simple fractions, a power cone for the others."""
        used, top, kinds = (
            cp.multiply(1.0 / (BUSY * self.capacity), flow),
            cp.Variable(len(self)),
            set(),
        )
        constraints: list[cp.Constraint] = (
            [top[np.flatnonzero(by == 0)] == 0] if np.any(by == 0) else []
        )
        for p in np.unique(power[by > 0]):
            at = np.flatnonzero((power == p) & (by > 0))
            simple = Fraction(p).limit_denominator(DENOMINATOR)
            if abs(p - simple) <= 4.0 * np.spacing(p):
                constraints.append(cp.power(used[at], simple) <= top[at])
                kinds |= {"SOC"} if p > 1 else set()
            else:
                constraints.append(
                    cp.PowCone3D(
                        top[at], cp.Constant(np.ones(at.size)), used[at], np.full(at.size, 1.0 / p)
                    )
                )
                kinds.add("POW")
        return cp.multiply(by * BUSY**power, top), tuple(constraints), frozenset(kinds)
