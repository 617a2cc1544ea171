"""Travel times of roads: the power law of the Bureau of Public Roads."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import cvxpy as cp
import numpy as np

from ...reference.bank_fields import bank_arrays, store
from ...reference.errors import Array
from ...reference.validation import raise_at_first
from .base import ArrayLike, Latency
from .cone import Cone
from .polynomial import Unlimited, inverse_rise, power_scale

MAX_DENOMINATOR = 10  # of a power that is written with a few second-order cones per server


@dataclass(frozen=True, eq=False)
class BPR(Unlimited):
    """Travel time of a road: l(x) = free_flow (1 + b (x/capacity)^power).

    Bureau of Public Roads, *Traffic Assignment Manual* (1964). The capacity is the practical one:
    more traffic than that passes ever more slowly, so any load is possible. A road with power 0 or
    b = 0 has one travel time, whatever the load. A road without a free-flow time, such as a
    connector, has travel time 0: a system with one has a mean delay of 0 and a price of anarchy
    of 1.

    Parameters
    ----------
    free_flow : array_like, shape (n,)
        Travel time on an empty road, in units of time, >= 0.
    capacity : array_like, shape (n,) or ()
        Practical capacity, jobs per unit of time, > 0.
    b : array_like, shape (n,) or (), default 0.15
        Relative increase of the travel time at the capacity, >= 0.
    power : array_like, shape (n,) or (), default 4
        Exponent, >= 1, or 0.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range; it names the field, index and value.

    Notes
    -----
    Powers that are fractions with a denominator of at most 10, such as 4 or 2.5, are second-order
    cones; others are power cones.

    Examples
    --------
    >>> BPR(free_flow=10.0, capacity=100.0).latency([100.0])
    array([11.5])
    """

    free_flow: Any
    capacity: Any
    b: Any = 0.15
    power: Any = 4.0
    delay: Any = field(default=0.0, init=False, repr=False)  # of `with_extra_delay`

    def __post_init__(self) -> None:
        arrays = bank_arrays(
            free_flow=self.free_flow, capacity=self.capacity, b=self.b, power=self.power
        )
        free_flow, capacity = arrays["free_flow"], arrays["capacity"]
        b, power = arrays["b"], arrays["power"]
        raise_at_first("free_flow", free_flow, free_flow >= 0, "is negative", "give 0 or more")
        remedy = "give a positive number, or leave a closed road out"
        raise_at_first("capacity", capacity, capacity > 0, "is not above 0", remedy)
        remedy = "give 0 or more; of 0 the road has one travel time"
        raise_at_first("b", b, b >= 0, "is negative", remedy)
        problem = "below 1 and not 0 the latency is not convex"
        remedy = "give 1 or more, or 0 for one travel time"
        raise_at_first("power", power, (power >= 1) | (power == 0), problem, remedy)
        store(self, **arrays, delay=np.zeros(power.size))

    @classmethod
    def sample(cls) -> Latency:
        """Return a bank of three servers; see `Latency.sample`."""
        return cls(
            free_flow=[0.01, 0.02, 0.03],
            capacity=[100.0, 50.0, 80.0],
            b=[0.15, 0.2, 0.3],
            power=[4.0, 2.5, 1.0],
        )

    @property
    def service(self) -> Array:
        """Travel time on an empty road, shape (n,); with a power of 0, that at any load."""
        constant = self.free_flow + self.free_flow * self.b
        return np.asarray(np.where(self.power > 0, self.free_flow, constant))

    @property
    def latency_limit(self) -> Array:
        """Limit of the latency, shape (n,): finite where it is constant, else infinite."""
        return np.where(self._rise > 0, np.inf, self.idle_latency)

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the travel time; see `ServerBank.latency`."""
        return self._price(flow, 1.0)

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay, free_flow (1 + (power + 1) b (x/capacity)^power)."""
        return self._price(flow, self._power + 1.0)

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral, free_flow x (1 + b (x/capacity)^power/(power + 1))."""
        return np.asarray(flow, dtype=np.float64) * self._price(flow, 1.0 / (self._power + 1.0))

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the travel time; see `ServerBank.latency_slope`."""
        used = flow / self.capacity
        return np.asarray(self._rise * self._power / self.capacity * used ** (self._power - 1.0))

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay; see `ServerBank.marginal_slope`."""
        return np.asarray((self._power + 1.0) * self.latency_slope(flow))

    def inverse_latency(self, latency: ArrayLike) -> Array:
        """Return the flow at a travel time; see `ServerBank.inverse_latency`."""
        return self._flow(latency, 1.0)

    def inverse_marginal(self, marginal: ArrayLike) -> Array:
        """Return the flow at a marginal delay; see `ServerBank.inverse_marginal`."""
        return self._flow(marginal, self._power + 1.0)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Return free_flow x + free_flow b capacity (x/capacity)^(power + 1), x l(x)."""
        return self._cone(flow, 1.0)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the integral of the latency: the total with b/(power + 1) for b."""
        return self._cone(flow, 1.0 / (self._power + 1.0))

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Return the travel time; see `Latency.latency_cone`."""
        numbers = self.numbers_in_cones()
        congestion, constraints, kinds = self._powered(flow, self._power, numbers["rise"], 1.0)
        return Cone(numbers["idle_latency"] + congestion, constraints, kinds)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the roads in other units; see `Latency.scaled`."""
        free_flow, capacity = self.free_flow * time, self.capacity * rate
        return self._with(free_flow=free_flow, capacity=capacity, delay=self.delay * time)

    @property
    def cone_structure(self) -> Hashable:
        """Power of each road, and which roads have one travel time; see `Latency`."""
        return self.power.tobytes(), (self._rise > 0).tobytes()

    def cone_numbers(self) -> Mapping[str, Array]:
        """Return the numbers of the cones by name; see `Latency`."""
        rise = self._rise
        return {
            "idle_latency": self.idle_latency,
            "rise": rise,
            "rise_times_capacity": rise * self.capacity,
            "per_capacity": 1.0 / self.capacity,
        }

    @property
    def _rise(self) -> Array:
        """Increase of the travel time at the capacity, shape (n,); 0 where it is constant."""
        return np.where(self.power > 0, self.free_flow * self.b, 0.0)

    @property
    def _power(self) -> Array:
        """Power of the flow, shape (n,); 1 in place of 0."""
        return np.where(self.power > 0, self.power, 1.0)

    def _price(self, flow: ArrayLike, factor: Array | float) -> Array:
        """Return the idle latency plus a factor times the increase of the travel time."""
        used = np.asarray(flow, dtype=np.float64) / self.capacity
        return np.asarray(self.delay + self.service + self._rise * factor * used**self._power)

    def _flow(self, price: ArrayLike, factor: Array | float) -> Array:
        """Return the flow at which `_price` with this factor has a value."""
        excess = np.maximum((np.asarray(price, dtype=np.float64) - self.delay) - self.service, 0.0)
        used = inverse_rise(excess, factor * self._rise) ** (1.0 / self._power)
        return np.asarray(self.capacity * used)

    def _cone(self, flow: cp.Expression, factor: Array | float) -> Cone:
        """Return x times `_price` with this factor."""
        numbers = self.numbers_in_cones()
        rise, power = numbers["rise_times_capacity"], self._power + 1.0
        congestion, constraints, kinds = self._powered(flow, power, rise, factor)
        return Cone(cp.multiply(numbers["idle_latency"], flow) + congestion, constraints, kinds)

    def _powered(
        self, flow: cp.Expression, power: Array, rise: Any, factor: Array | float
    ) -> tuple[cp.Expression, tuple[cp.Constraint, ...], frozenset[str]]:
        """Return factor rise (x/capacity)^power as an epigraph; it is 0 where the rise is 0.

        A simple fraction is an atom of CVXPY (second-order cones), any other power a power cone.
        """
        scale = power_scale(power)
        used = cp.multiply(self.numbers_in_cones()["per_capacity"] / scale, flow)
        top, kinds, rising = cp.Variable(len(self)), set(), self._rise > 0
        constraints: list[cp.Constraint] = []
        if not rising.all():
            constraints.append(top[np.flatnonzero(~rising)] == 0)
        for p in np.unique(power[rising]):
            servers = np.flatnonzero((power == p) & rising)
            simple = Fraction(p).limit_denominator(MAX_DENOMINATOR)
            if abs(p - simple) <= 4.0 * np.spacing(p):
                constraints.append(cp.power(used[servers], simple) <= top[servers])
                kinds |= {"SOC"} if p > 1 else set()
            else:
                ones, alpha = cp.Constant(np.ones(servers.size)), np.full(servers.size, 1.0 / p)
                constraints.append(cp.PowCone3D(top[servers], ones, used[servers], alpha))
                kinds.add("POW")
        congestion = cp.multiply(cp.multiply(factor * scale**power, rise), top)
        return congestion, tuple(constraints), frozenset(kinds)
