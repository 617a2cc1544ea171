"""Two servers in series as one server, such as a device and then a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ...reference.bank_fields import whole
from ...reference.composed import INVERSES
from ...reference.errors import Array, InputError
from ...reference.tails import NO_TAIL, LateJobs
from ...reference.validation import check_instance
from .base import ArrayLike, ComposedLatency, Latency
from .cone_numbers import numbers_of_parts
from .mg1 import MM1
from .mmc import MMc


class Tandem(ComposedLatency):
    """Pairs of servers in series, whose latencies add up: a job passes the first, then the second.

    For M/M/1 and M/M/c servers this is exact: the departures of the first are a Poisson stream
    again (Burke 1956), and the mean sojourn times add up (Jackson 1957). For other families it
    assumes that the arrivals at the second server are Poisson.

    Parameters
    ----------
    first, second : Latency
        Banks of n servers each; for more than two servers in series, a tandem of tandems.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        The smaller of both rates.
    delay : ndarray, shape (n,)
        Sum of both delays.

    Raises
    ------
    InputError
        If `first` or `second` is not a bank, or they have different numbers of servers.

    Notes
    -----
    A cone is the sum of the cones of both banks where both have it; else tangents stand for it.

    Examples
    --------
    >>> from sojourn.models import MM1
    >>> Tandem(MM1([10.0]), MM1([20.0], delay=0.05)).latency([5.0]).round(6)
    array([0.316667])
    """

    worked_out = INVERSES
    cone_numbers = numbers_of_parts

    def __init__(self, first: Latency, second: Latency) -> None:
        problem, remedy = "is not a bank of servers", "give MM1 or another family"
        self.first: Latency = whole(check_instance("first", first, Latency, problem, remedy))
        self.second: Latency = whole(check_instance("second", second, Latency, problem, remedy))
        if len(self.first) != len(self.second):
            problem = f"has {len(self.second)} servers where first has {len(self.first)}"
            remedy = "give as many of both: each server of the first has its own second"
            raise InputError("second", second, problem, remedy)
        self.parts = self.first, self.second
        self.rate = np.minimum(self.first.rate, self.second.rate)
        self.delay = self.first.delay + self.second.delay

    @classmethod
    def sample(cls) -> Latency:
        """Return a bank of three servers; see `Latency.sample`."""
        return cls(MM1.sample(), MMc(rate=[30.0, 90.0, 20.0], servers=[4, 2, 3]))

    def __repr__(self) -> str:
        return f"Tandem({self.first!r}, {self.second!r})"

    @property
    def rate_error(self) -> Array:
        """Rounding error of the smaller rate, shape (n,); see `ServerBank.rate_error`."""
        first, second = self.first, self.second
        errors = first.rate_error, second.rate_error  # once: in tandems of tandems it would double
        smaller = np.where(first.rate < second.rate, *errors)
        return np.where(first.rate == second.rate, np.minimum(*errors), smaller)

    @property
    def full_load(self) -> Array:
        """Smaller full load of both, or that of one where the other has none, shape (n,)."""
        loads = self.first.full_load, self.second.full_load
        smaller = np.fmin(*loads)
        return np.where(np.isfinite(smaller), smaller, np.minimum(*loads))

    @property
    def full_load_kind(self) -> tuple[str, ...]:
        """Kind of the full load of each pair, n strings; see `Latency.full_load_kind`."""
        kinds = self.second.full_load_kind, self.first.full_load_kind
        return tuple(np.where(self._second_fills, *kinds).tolist())

    @property
    def base_utilisation(self) -> Array:
        """Utilisation without a flow of the server that fills first, shape (n,)."""
        parts = self.second.base_utilisation, self.first.base_utilisation
        return np.where(self._second_fills, *parts)

    @property
    def _second_fills(self) -> Array:
        """Whether the second server of each pair has the smaller full load, shape (n,)."""
        first = np.nan_to_num(self.first.full_load, nan=np.inf)
        return np.asarray(self.second.full_load < first)

    @property
    def tail_kind(self) -> tuple[str, ...]:
        """Empty words: the tail of a sum is not the sum of the tails."""
        return (NO_TAIL,) * len(self)

    def late_jobs(
        self, flow: ArrayLike, time: ArrayLike, spare_capacity: ArrayLike | None = None
    ) -> LateJobs:
        """Raise InputError; see `tail_kind`."""
        return Latency.late_jobs(self, flow, time, spare_capacity)

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the pairs with longer delays; see `ServerBank.with_extra_delay`."""
        return self._like([self.first.with_extra_delay(delay), self.second])

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the rate of the pair.

        It is that of the server with the smaller rate; of both where the rates are equal.
        """
        return self._of_smaller([bank.rate_slope(flow) for bank in self.parts])

    def marginal_rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay in the rate of the pair; see `rate_slope`."""
        return self._of_smaller([bank.marginal_rate_slope(flow) for bank in self.parts])

    def _of_smaller(self, values: list[Array]) -> Array:
        """Return the value of the server with the smaller rate; the sum where both are equal."""
        pairs = zip(self.parts, values, strict=True)
        first, second = (np.where(bank.rate == self.rate, v, 0.0) for bank, v in pairs)
        return np.asarray(first + second)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """Return the argument for each bank: the spare capacity is its own, the form the first."""
        if value is None or kind == "form":
            return None, None
        if kind == "spare_capacity":
            return [self._extra_capacity(bank) + np.asarray(value) for bank in self.parts]
        return value, value

    def _extra_capacity(self, bank: Latency) -> Array:
        """Return the rate of one of both banks less that of the pair, shape (n,)."""
        finite = np.isfinite(self.rate)
        extra = bank.rate - np.where(finite, self.rate, 0.0)
        return np.where(finite, extra + (bank.rate_error - self.rate_error), 0.0)

    def _join(self, values: list[Any], kind: str) -> Any:
        return values[0] + values[1]
