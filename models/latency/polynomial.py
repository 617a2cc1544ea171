"""Latencies without a capacity: polynomials and constants."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import cvxpy as cp
import numpy as np
from scipy import sparse

from ...reference.bank_fields import bank_arrays, store
from ...reference.errors import Array, InputError
from ...reference.validation import as_floats, raise_at_first
from .base import ArrayLike, Latency
from .cone import Cone

# Powers in cones are of x/(4 c), with a capacity c, or c = 1: at a flow of ten c, far above the
# usual, a solver still works with small numbers.
POWER_SCALE = 4.0
LARGEST_POWER = 1e100  # of the scale: a higher power has a smaller scale


def power_scale(power: Array | float) -> Array:
    """Return the scale of flows in cones with a power; its power is a number of float range."""
    return np.minimum(POWER_SCALE, LARGEST_POWER ** (1.0 / np.asarray(power)))


def inverse_rise(excess: Array, slope: Array) -> Array:
    """Return excess/slope; where the slope is 0, infinity for a positive excess and else 0."""
    flat = np.where(excess > 0, np.inf, 0.0)
    return np.asarray(np.where(slope > 0, excess / np.where(slope > 0, slope, 1.0), flat))


class Unlimited(Latency):
    """Servers without a rate: any load is possible."""

    @property
    def rate(self) -> Array:  # type: ignore[override]
        """Infinite, shape (n,): any load is possible."""
        return np.full(len(self), np.inf)

    def __len__(self) -> int:
        return len(self.delay)


@dataclass(frozen=True, eq=False)
class Polynomial(Unlimited):
    """Polynomial latency, l(x) = delay + c_0 + c_1 x + ... + c_q x^q, for any load.

    Affine latencies are those of Pigou (1920) and of Roughgarden and Tardos (2002): their price of
    anarchy is at most 4/3.

    Parameters
    ----------
    coefficients : array_like, shape (n, q + 1) or (q + 1,)
        Coefficients, the constant term first, >= 0, so that the latency is increasing and convex.
        With the load in jobs per unit of time, c_j is in units of time to the power 1 + j.
    delay : array_like, shape (n,) or (), default 0
        Two-way network delay of each server, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    Second-order cones for powers of 2 and more: of the total delay and the potential from degree 1,
    of the latency from degree 2. All else is linear.

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
            problem, remedy = (
                "is not a row of coefficients per server",
                "give shape (n, degree + 1)",
            )
            raise InputError("coefficients", given.tolist(), problem, remedy)
        rows = np.atleast_2d(given)
        problem = "is negative or not finite"
        remedy = "give a number >= 0: then the latency is increasing and convex"
        for j, column in enumerate(rows.T):
            valid = np.isfinite(column) & (column >= 0)
            raise_at_first(f"coefficients[:, {j}]", column, valid, problem, remedy)
        delay = bank_arrays(rows=np.zeros(len(rows)), delay=self.delay)["delay"]
        raise_at_first("delay", delay, delay >= 0, "a delay cannot be negative", "give 0 or more")
        coefficients = np.array(np.broadcast_to(rows, (delay.size, rows.shape[1])))
        store(self, coefficients=coefficients, delay=delay)

    @classmethod
    def sample(cls) -> Latency:
        """Return a bank of three servers; see `Latency.sample`."""
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
        """Limit of the latency, shape (n,): finite where it is constant, else infinite."""
        return np.where(self.coefficients[:, 1:].any(axis=1), np.inf, self.idle_latency)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the latency; see `ServerBank.latency`."""
        return np.asarray(self._evaluate(flow, self.coefficients) + self.delay)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay, sum of (j + 1) c_j x^j; see `ServerBank.marginal`."""
        return np.asarray(
            self._evaluate(flow, self.coefficients * (1.0 + self._powers)) + self.delay
        )

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral, sum of c_j x^(j + 1)/(j + 1); see `ServerBank.potential`."""
        flow = np.asarray(flow, dtype=np.float64)
        mean = self._evaluate(flow, self.coefficients / (1.0 + self._powers)) + self.delay
        return np.asarray(flow * mean)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency; see `ServerBank.latency_slope`."""
        return self._evaluate(flow, (self.coefficients * self._powers)[:, 1:])

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay; see `ServerBank.marginal_slope`."""
        factors = self.coefficients * self._powers * (1.0 + self._powers)
        return self._evaluate(flow, factors[:, 1:])

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow at a latency, in closed form for one power of the flow per server."""
        return self._flow(latency, 0.0) if self._one_power else super().inverse_latency(latency)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Return the flow at a marginal delay, in closed form for one power per server."""
        return self._flow(marginal, 1.0) if self._one_power else super().inverse_marginal(marginal)

    @property
    def cone_structure(self) -> Hashable:
        """Degree, and which coefficients of powers of the load are 0; see `Latency`."""
        used = self.coefficients[:, 1:] > 0
        return used.shape[1], used.tobytes()

    def cone_numbers(self) -> Mapping[str, Array]:
        """Return the idle latency and the coefficients from degree 1 on; see `Latency`."""
        columns = self.coefficients.T[1:]
        powers = {f"c_{j}": column for j, column in enumerate(columns, start=1)}
        return {"idle_latency": self.idle_latency, **powers}

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Return the total delay x l(x), as second-order cones from degree 1 on."""
        return self._cone(flow, 1)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the integral of the latency, as second-order cones from degree 1 on."""
        return self._cone(flow, 1, integral=True)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Return the latency, as second-order cones from degree 2 on."""
        return self._cone(flow, 0)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.coefficients * time / rate**self._powers, self.delay * time)

    @property
    def _one_power(self) -> bool:
        """Whether each latency has at most one power of the flow beside the constant."""
        return bool(np.all((self.coefficients[:, 1:] > 0).sum(axis=1) <= 1))

    def _flow(self, price: ArrayLike, weight: float) -> Array:
        """Return the flow where c_0 + (1 + weight j) c_j x^j, with one j >= 1, is the price."""
        price = np.asarray(price, dtype=np.float64)
        excess = np.maximum((price - self.delay) - self.coefficients[:, 0], 0.0)
        powers = self.coefficients[:, 1:]
        power = powers.argmax(axis=1) + 1.0 if powers.size else np.ones(len(self))
        rise = powers.sum(axis=1) * (1.0 + weight * power)
        return inverse_rise(excess, rise) ** (1.0 / power)

    @property
    def _powers(self) -> Array:
        """Powers j of the flow, shape (q + 1,)."""
        return np.arange(self.coefficients.shape[1], dtype=np.float64)

    def _evaluate(self, flow: ArrayLike, coefficients: Array) -> Array:
        """Return polynomials at a flow of shape (..., n), by Horner's rule."""
        flow = np.asarray(flow, dtype=np.float64)
        total = np.zeros(np.broadcast_shapes(flow.shape, (len(self),)))
        for column in coefficients.T[::-1]:
            total = total * flow + column
        return total

    def _cone(self, flow: cp.Expression, shift: int, *, integral: bool = False) -> Cone:
        """Return the sum of c_j x^(j + shift), and the delay times x^shift, or their integral."""
        numbers, kinds = self.numbers_in_cones(), frozenset[str]()
        value = cp.Expression.cast_to_const(numbers["idle_latency"])
        if shift:
            value = cp.multiply(value, flow)
        for j in range(1, self.coefficients.shape[1]):
            power, used = j + shift, np.flatnonzero(self.coefficients[:, j])
            if not used.size:
                continue
            coefficient = numbers[f"c_{j}"] / (1.0 + j if integral else 1.0)
            if power == 1:
                value += cp.multiply(coefficient, flow)
                continue
            terms = sparse.eye_array(len(self), format="csc")[:, used]
            scale = float(power_scale(power))
            value += cp.multiply(
                scale**power * coefficient, terms @ cp.power(flow[used] / scale, power)
            )
            kinds = frozenset({"SOC"})
        return Cone(value, (), kinds)


@dataclass(frozen=True, eq=False)
class Constant(Polynomial):
    """Infinitely many servers: l(x) = delay, whatever the load (M/G/infinity).

    Parameters
    ----------
    delay : array_like, shape (n,) or ()
        Time from sending a job to receiving its answer, in the unit of time, >= 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    All cones are linear.

    Examples
    --------
    >>> Constant(delay=0.05).latency([1e6])
    array([0.05])
    """

    def __init__(self, delay: Any) -> None:
        store(self, coefficients=[0.0], delay=delay).__post_init__()

    @classmethod
    def sample(cls) -> Latency:
        """Return a bank of three servers; see `Latency.sample`."""
        return cls(delay=[0.05, 0.08, 0.1])

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units; see `Latency.scaled`."""
        return type(self)(self.delay * time)
