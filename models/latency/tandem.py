"""Queues one after the other, as one server: a device and then a cloud."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from ...reference.errors import Array, InputError
from ...reference.queues import whole
from .base import ArrayLike, Latency
from .cone import Cone
from .mg1 import MM1
from .mmc import MMc


class Tandem(Latency):
    """n pairs of queues: each job passes the first, then the second, and its latency is the sum of theirs.

    For M/M/1 queues (and M/M/c) this is exact: what leaves one is a Poisson stream again (Burke 1956), and the sojourn times add up in the mean
    (Jackson 1957). For others it takes the second queue's arrivals for Poisson.

    Parameters
    ----------
    first, second : Latency
        Banks of n servers each; more than two queues are a tandem of tandems. The rate is the lesser of both.

    Raises
    ------
    InputError
        On something that is not a bank, or banks of different lengths.

    Examples
    --------
    >>> from sojourn.models import MM1
    >>> Tandem(MM1([10.0]), MM1([20.0], delay=0.05)).latency([5.0]).round(6)
    array([0.316667])
    """

    def __init__(self, first: Latency, second: Latency) -> None:
        for name, bank in (("first", first), ("second", second)):
            if not isinstance(bank, Latency):
                raise InputError(name, bank, "is not a bank of servers", "give MM1 or another family")
        first, second = whole(first), whole(second)
        if len(first) != len(second):
            problem = f"has {len(second)} servers where first has {len(first)}"
            raise InputError("second", second, problem, "give as many of both: each server of the first has its own second")
        self.first, self.second = first, second
        self.rate, self.delay = np.minimum(first.rate, second.rate), first.delay + second.delay

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(MM1.sample(), MMc(rate=[30.0, 90.0, 20.0], servers=[4, 2, 3]))

    def __repr__(self) -> str:
        return f"Tandem({self.first!r}, {self.second!r})"

    @cached_property
    def trusted(self) -> bool:
        """Whether the servers are; see `Queue.trusted`."""
        return self.first.trusted and self.second.trusted

    @property
    def rate_error(self) -> Array:
        """What the lesser rate leaves out; see `Queue.rate_error`."""
        (a, a_error), (b, b_error) = ((q.rate, q.rate_error) for q in (self.first, self.second))
        return np.where(a == b, np.minimum(a_error, b_error), np.where(a < b, a_error, b_error))

    @property
    def service(self) -> Array:
        """Latency of both when empty, beyond the delays, shape (n,)."""
        return self.first.service + self.second.service

    @property
    def ceiling(self) -> Array:
        """Latency that no load exceeds; see `Queue.ceiling`."""
        return self.first.ceiling + self.second.ceiling

    @property
    def full_load(self) -> Array:
        """The lesser load of both, of one alone where the other has none; see `Latency.full_load`."""
        loads = self.first.full_load, self.second.full_load
        least = np.fmin(*loads)
        return np.where(np.isfinite(least), least, np.minimum(*loads))

    @property
    def full_load_is(self) -> tuple[str, ...]:
        """What it is; see `Latency.full_load_is`."""
        second = self.second.full_load < np.nan_to_num(self.first.full_load, nan=np.inf)
        return tuple(np.where(second, self.second.full_load_is, self.first.full_load_is).tolist())

    @property
    def derived(self) -> bool:
        """Whether that of one of them is derived; see `Queue.derived`."""
        return self.first.derived or self.second.derived

    def latency(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Sum of the latencies; see `Queue.latency`."""
        return self._sum("latency", flow, spare)

    def marginal(self, flow: ArrayLike, spare: ArrayLike | None = None) -> Array:
        """Sum of the marginal delays; see `Queue.marginal`."""
        return self._sum("marginal", flow, spare)

    def potential(self, flow: ArrayLike) -> Array:
        """Sum of the potentials; see `Queue.potential`."""
        return self.first.potential(flow) + self.second.potential(flow)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency."""
        return self.first.latency_slope(flow) + self.second.latency_slope(flow)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay."""
        return self.first.marginal_slope(flow) + self.second.marginal_slope(flow)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Sum of what both carry, each in its first form; see `Latency.total_cone`."""
        if not self.exact("total") and self.tangent_points is None:
            return super().total_cone(flow, form)
        return _both(self.first.total_cone(flow), self.second.total_cone(flow))

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Sum of the potentials; see `Latency.potential_cone`."""
        if not self.exact("potential") and self.tangent_points is None:
            return super().potential_cone(flow)
        return _both(self.first.potential_cone(flow), self.second.potential_cone(flow))

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Sum of the latencies; see `Latency.latency_cone`."""
        if not self.exact("latency") and self.tangent_points is None:
            return super().latency_cone(flow)
        return _both(self.first.latency_cone(flow), self.second.latency_cone(flow))

    def exact(self, cone: str) -> bool:
        """Whether both write a cone; see `Latency.exact`."""
        return self.first.exact(cone) and self.second.exact(cone)

    def touching(self, points: Array) -> Tandem:
        """Return the pairs with tangents at the points; see `Latency.touching`."""
        new = Tandem(self.first.touching(points), self.second.touching(points))
        new.tangent_points = points
        return new

    def scaled(self, rate: float, time: float) -> Tandem:
        """Return the pairs in other units; see `Latency.scaled`."""
        return Tandem(self.first.scaled(rate, time), self.second.scaled(rate, time))

    def take(self, index: Any) -> Tandem:
        """Return the pairs at `index`; see `Queue.take`."""
        return Tandem(self.first.take(index), self.second.take(index))

    def farther(self, delay: ArrayLike) -> Tandem:
        """Return the pairs with longer delays; see `Queue.farther`."""
        return Tandem(self.first.farther(delay), self.second)

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate that bounds the pair; in both where they are equal."""
        parts = [np.where(q.rate == self.rate, q.rate_slope(flow), 0.0) for q in (self.first, self.second)]
        out: Array = parts[0] + parts[1]
        return out

    def _sum(self, method: str, flow: ArrayLike, spare: ArrayLike | None) -> Array:
        parts = []
        for queue in (self.first, self.second):
            above = queue.rate - np.where(np.isfinite(self.rate), self.rate, 0.0)
            more = np.where(np.isfinite(self.rate), above + (queue.rate_error - self.rate_error), 0.0)
            parts.append(getattr(queue, method)(flow, None if spare is None else more + np.asarray(spare)))
        out: Array = parts[0] + parts[1]
        return out


def _both(first: Cone, second: Cone) -> Cone:
    return Cone(first.value + second.value, (*first.constraints, *second.constraints), first.kinds | second.kinds)
