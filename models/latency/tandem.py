"""Queues one after the other, as one server: a device and then a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ...reference.composed import INVERSES
from ...reference.errors import Array, InputError
from ...reference.server_bank import whole
from ...reference.validation import check_instance
from .base import ArrayLike, ComposedLatency, Latency
from .mg1 import MM1
from .mmc import MMc


class Tandem(ComposedLatency):
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

    worked_out = INVERSES

    def __init__(self, first: Latency, second: Latency) -> None:
        first, second = (
            whole(
                check_instance(
                    name, bank, Latency, "is not a bank of servers", "give MM1 or another family"
                )
            )
            for name, bank in (("first", first), ("second", second))
        )
        if len(first) != len(second):
            problem = f"has {len(second)} servers where first has {len(first)}"
            raise InputError(
                "second",
                second,
                problem,
                "give as many of both: each server of the first has its own second",
            )
        self.parts = self.first, self.second = first, second
        self.rate, self.delay = np.minimum(first.rate, second.rate), first.delay + second.delay

    @classmethod
    def sample(cls) -> Latency:
        """Return three servers; see `Latency.sample`."""
        return cls(MM1.sample(), MMc(rate=[30.0, 90.0, 20.0], servers=[4, 2, 3]))

    def __repr__(self) -> str:
        return f"Tandem({self.first!r}, {self.second!r})"

    @property
    def rate_error(self) -> Array:
        """What the lesser rate leaves out; see `ServerBank.rate_error`."""
        (a, a_error), (b, b_error) = ((q.rate, q.rate_error) for q in (self.first, self.second))
        return np.where(a == b, np.minimum(a_error, b_error), np.where(a < b, a_error, b_error))

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

    def with_extra_delay(self, delay: ArrayLike) -> Self:
        """Return the pairs with longer delays; see `ServerBank.with_extra_delay`."""
        return self._like([self.first.with_extra_delay(delay), self.second])

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency in the rate that bounds the pair; in both where they are equal."""
        one, other = (
            np.where(q.rate == self.rate, q.rate_slope(flow), 0.0)
            for q in (self.first, self.second)
        )
        return np.asarray(one + other)

    def _each(self, value: Any, kind: str) -> Sequence[Any]:
        """The same for both, but its own spare capacity and its own first form of a cone."""
        if value is None or kind == "form":
            return None, None
        if kind == "spare_capacity":
            return [self._more(bank) + np.asarray(value) for bank in self.parts]
        return value, value

    def _more(self, bank: Latency) -> Array:
        """What one of both has of spare capacity beyond that of the pair."""
        finite = np.isfinite(self.rate)
        above = bank.rate - np.where(finite, self.rate, 0.0)
        return np.where(finite, above + (bank.rate_error - self.rate_error), 0.0)

    def _join(self, values: list[Any], kind: str) -> Any:
        return values[0] + values[1]
