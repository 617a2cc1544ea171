"""Targets of sizes: an amount of money, and mean delays of all jobs or at each server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ......reference.amounts import TIME_REMEDY, as_amount, as_server_times
from ......reference.errors import Array


@dataclass(frozen=True)
class RateBudget:
    """At most a given amount of money per unit of time, for `ParallelServers.size`.

    It pays for the rates, the sum of rate times price, and for opening the servers that are open.

    Parameters
    ----------
    money : float
        Money per unit of time, above 0.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0]))
    >>> system.size(90.0, rate_price=[1.0, 2.0], subject_to=[RateBudget(200.0)]).rate.round(3)
    array([85.512, 57.244])
    """

    money: float

    def _checked(self) -> float:
        """Return the amount of money; InputError unless it is a finite number above 0."""
        return as_amount("RateBudget.money", self.money, "give money per unit of time")


@dataclass(frozen=True)
class MeanDelay:
    """At most a given mean delay over all jobs, for `ParallelServers.size`.

    Parameters
    ----------
    time : float
        Time above 0, in the unit of the delays; network delays count.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0]))
    >>> round(system.size(90.0, rate_price=[1.0, 2.0], subject_to=[MeanDelay(0.05)]).cost, 3)
    183.732
    """

    time: float

    times: ClassVar[tuple[str, ...]] = ("time",)

    def _checked(self) -> float:
        """Return the time; InputError unless it is a finite number above 0."""
        return as_amount("MeanDelay.time", self.time, TIME_REMEDY)


@dataclass(frozen=True)
class ServerDelay:
    """At most a given mean delay at every server that has jobs, for `ParallelServers.size`.

    Parameters
    ----------
    time : array_like, shape (n,) or ()
        Times above 0, in the unit of the delays; the network delay of the server counts. Infinity
        is no limit.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0]))
    >>> found = system.size(90.0, rate_price=1.0, split=[0.5, 0.5], subject_to=[ServerDelay(0.04)])
    >>> found.rate
    array([70., 70.])
    """

    time: Any

    times: ClassVar[tuple[str, ...]] = ("time",)

    def _checked(self, n: int) -> Array:
        """Return the time of each of n servers; InputError unless each is above 0."""
        return as_server_times("ServerDelay.time", self.time, n, finite=False)
