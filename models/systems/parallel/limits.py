"""Side constraints that operators have, all linear in the flow: shares, utilisation, a percentile of the sojourn time, a budget.

A limit is a class with one method, `on`, that says which flows of a bank at a load keep it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....reference.errors import Array, InputError, first_bad, numbers, one_number
from ....reference.mg1 import MM1
from ....reference.parallel.limits import SLACK, cheapest
from ...latency.base import Latency
from .splits import Limits


@dataclass(frozen=True, eq=False)
class Applied:
    """What a limit says of the flows of n servers.

    Attributes
    ----------
    name : str
    bound : ndarray, shape (n,) or ()
        The limit in its own unit.
    per_unit : ndarray, shape (n,) or ()
        By how much the bound on the flow (or the budget) moves when the limit is relaxed by one unit.
    least, most : ndarray, shape (n,)
        Bounds of the flow; 0 and infinity where it sets none.
    price : ndarray, shape (n,), or None
        Money per job of a budget, and then `bound` is the money.
    of_time : bool
        Whether the bound is a time.
    """

    name: str
    bound: Array
    per_unit: Array
    least: Array
    most: Array
    price: Array | None = None
    of_time: bool = False


class Limit(ABC):
    """A side constraint of an optimum, given as ``subject_to=[...]``."""

    @abstractmethod
    def on(self, bank: Latency, load: float) -> Applied:
        """Return what the limit says of the flows; InputError on a limit that does not fit the servers."""

    @abstractmethod
    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return what a split has of that which is limited, in the limit's unit."""


@dataclass(frozen=True)
class MinShare(Limit):
    """At least a share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        From 0 to 1.
    """

    share: Any

    def on(self, bank: Latency, load: float) -> Applied:
        """See `Limit.on`."""
        share = _each(self.share, "MinShare.share", len(bank), 0.0, 1.0)
        return Applied("least share", share, np.full(len(bank), load), share * load, np.full(len(bank), np.inf))

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Share of each server."""
        return flow / load


@dataclass(frozen=True)
class MaxShare(Limit):
    """At most a share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        From 0 to 1; 1 says nothing.
    """

    share: Any

    def on(self, bank: Latency, load: float) -> Applied:
        """See `Limit.on`."""
        share = _each(self.share, "MaxShare.share", len(bank), 0.0, 1.0)
        return Applied("largest share", share, np.full(len(bank), load), np.zeros(len(bank)), share * load)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Share of each server."""
        return flow / load


@dataclass(frozen=True)
class MaxUtilisation(Limit):
    """At most a part of the load that fills every server: its rate, or a measured server's capacity or largest sample.

    A server that serves any load alike, such as `Constant`, has a utilisation of 0.

    Parameters
    ----------
    utilisation : array_like, shape (n,) or ()
        From 0 to 1.

    Raises
    ------
    InputError
        On servers that no load fills, such as `BPR` and `Polynomial`, or where no server can be
        utilised: the limit would do nothing.
    """

    utilisation: Any

    def on(self, bank: Latency, load: float) -> Applied:
        """See `Limit.on`."""
        part = _each(self.utilisation, "MaxUtilisation.utilisation", len(bank), 0.0, 1.0)
        full = bank.full_load
        finite = np.isfinite(full)
        unfilled = np.flatnonzero(np.isnan(full) if finite.any() else ~finite)
        if unfilled.size:
            which = ", ".join(f"servers[{i}]" for i in unfilled[:5]) + ", ..." * (unfilled.size > 5)
            problem = f"is a part of nothing at {which}: no load fills the server"
            remedy = "limit shares with MaxShare, or give samples and a capacity: Measured(..., capacity=)"
            raise InputError("MaxUtilisation.utilisation", self.utilisation, problem, remedy)
        most = np.where(finite, part * np.where(finite, full, 1.0), np.inf)
        return Applied(self._name(bank), part, np.where(finite, full, 0.0), np.zeros(len(bank)), most)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Utilisation of each server."""
        return flow / bank.full_load

    def _name(self, bank: Latency) -> str:
        """Name of the limit; it says of what a utilisation is where that is not the rate alone."""
        of = dict.fromkeys(said for said, full in zip(bank.full_load_is, bank.full_load, strict=True) if np.isfinite(full))
        return "largest utilisation" + (f" (of the {' or '.join(of)})" if set(of) != {"rate"} else "")


@dataclass(frozen=True)
class Percentile(Limit):
    """A percentile of the sojourn time of every server that is used, its delay included: exact and linear for M/M/1, first come first served.

    There the time at the server is exponential with rate mu - x, so the share p of the jobs is back within
    d + log(1/(1 - p))/(mu - x). A server that is too far or too slow even when empty must stay empty.

    Parameters
    ----------
    p : float
        Such as 0.99; above 0 and below 1.
    within : array_like, shape (n,) or ()
        Time, above 0.
    """

    p: float
    within: Any

    def on(self, bank: Latency, load: float) -> Applied:
        """See `Limit.on`."""
        p = one_number("Percentile.p", self.p)
        if not 0 < p < 1:
            raise InputError("Percentile.p", self.p, "is not between 0 and 1", "give a part of the jobs, such as 0.99")
        self._check_family(bank)
        within = _each(self.within, "Percentile.within", len(bank), 0.0, math.inf)
        first_bad("Percentile.within", within, (within > 0) & np.isfinite(within), "is not a time above 0", "give it in the unit of the delays")
        left, need = within - bank.delay, -math.log1p(-p)
        able = left * bank.rate > need
        safe = np.where(able, left, 1.0)
        most = np.where(able, bank.rate - need / safe, 0.0)
        return Applied(f"{100 * p:g}th percentile", within, np.where(able, need / safe**2, 0.0), np.zeros(len(bank)), most, of_time=True)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Percentile at each server; NaN where there is no job."""
        used = flow > 0
        return np.where(used, bank.delay - math.log1p(-self.p) / np.where(used, bank.spare_capacity(flow), 1.0), np.nan)

    def _check_family(self, bank: Latency) -> None:
        start = 0
        for part in bank.banks:
            if not isinstance(part, MM1):  # cv = 1 alone does not make service times exponential
                field, family = f"servers[{start}]", type(part).__name__
                raise InputError(field, family, "has no percentile in closed form", "use M/M/1 servers, or MaxUtilisation")
            start += len(part)


@dataclass(frozen=True)
class Budget(Limit):
    """At most so much money per unit of time, with a price per job at every server.

    Parameters
    ----------
    price : array_like, shape (n,) or ()
        Money per job, 0 or more.
    at_most : float
        Money per unit of time.
    """

    price: Any
    at_most: float

    def on(self, bank: Latency, load: float) -> Applied:
        """See `Limit.on`."""
        price = _each(self.price, "Budget.price", len(bank), 0.0, math.inf)
        first_bad("Budget.price", price, np.isfinite(price), "is not finite", "give money per job")
        money = one_number("Budget.at_most", self.at_most)
        if not (money >= 0 and math.isfinite(money)):
            raise InputError("Budget.at_most", self.at_most, "is not an amount of money", "give money per unit of time, 0 or more")
        return Applied("budget", np.array(money), np.array(1.0), np.zeros(len(bank)), np.full(len(bank), np.inf), price)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Money per unit of time."""
        return np.array(math.fsum(np.broadcast_to(numbers("Budget.price", self.price), flow.shape) * flow))


@dataclass(frozen=True, eq=False)
class Box(Limits):
    """All limits together.

    Attributes
    ----------
    applied : tuple of Applied
        Each of them.
    """

    applied: tuple[Applied, ...]


def no_limits(how: Mapping[str, Any]) -> None:
    """Raise InputError on side constraints of something that selfish users take part in."""
    if how.get("subject_to"):
        problem = "selfish users keep no operator's limits: with them there are many equilibria, or none"
        raise InputError("subject_to", how["subject_to"], problem, "ask for the optimum within limits; tolls can bring a split about")


def together(limits: Any, bank: Latency, load: float) -> Box:
    """Return the limits as one.

    Raises
    ------
    InputError
        On something that is not a limit, a limit that does not fit, two budgets, or limits that no split keeps.
    """
    if isinstance(limits, Limit) or not isinstance(limits, Sequence):
        raise InputError("subject_to", limits, "is not a list of limits", "write subject_to=[MaxShare(0.5)]")
    for i, limit in enumerate(limits):
        if not isinstance(limit, Limit):
            problem = "is not a limit"
            raise InputError(f"subject_to[{i}]", limit, problem, "use MinShare, MaxShare, MaxUtilisation, Percentile or Budget")
    applied = tuple(limit.on(bank, load) for limit in limits)
    budgets = [i for i, a in enumerate(applied) if a.price is not None]
    if len(budgets) > 1:
        raise InputError(f"subject_to[{budgets[1]}]", limits[budgets[1]], "is a second budget", "give one")
    least = np.max([a.least for a in applied], axis=0)
    most = np.minimum(np.min([a.most for a in applied], axis=0), bank.rate)
    _check_together(applied, bank, least, most, load)
    if not budgets:
        return Box(least, most, np.zeros(len(bank)), math.inf, applied)
    budget = applied[budgets[0]]
    price, money = np.asarray(budget.price), float(budget.bound)
    lowest, dearest = cheapest(least, most, price, load)[1], -cheapest(least, most, -price, load)[1]
    if lowest > money * (1 + SLACK):
        problem = f"is below {lowest:.6g}, what the load costs at the cheapest servers that the other limits leave"
        raise InputError("Budget.at_most", money, problem, "raise the budget or lower the load")
    if dearest <= money * (1 + SLACK):  # no split within the other limits costs more
        return Box(least, most, np.zeros(len(bank)), math.inf, applied)
    return Box(least, most, price, money, applied)


def _check_together(applied: Sequence[Applied], bank: Latency, least: Array, most: Array, load: float) -> None:
    """Raise InputError on limits that no split of the load keeps, naming those that are in each other's way."""
    remedy = "relax one of them"
    torn = np.flatnonzero(least > most)
    if torn.size:
        i = int(torn[0])
        names = [a.name for a in applied if a.least[i] >= least[i] > 0 or a.most[i] <= most[i]]
        raise InputError("subject_to", names, f"ask for at least {least[i]:.6g} and at most {most[i]:.6g} jobs at server {i + 1}", remedy)
    if least.sum() > load * (1 + SLACK):
        names = [a.name for a in applied if a.least.any()]
        raise InputError("subject_to", names, f"ask for at least {least.sum():.6g} jobs in all where the load is {load:.6g}", remedy)
    if most.sum() < load * (1 - SLACK):
        names = [a.name for a in applied if np.any(a.most < bank.rate)]
        raise InputError("subject_to", names, f"leave room for {most.sum():.6g} jobs where the load is {load:.6g}", remedy)


def _each(value: Any, field: str, n: int, low: float, high: float) -> Array:
    """Return one number a server, each from `low` to `high`."""
    array = numbers(field, value)
    if array.ndim > 1 or array.size not in (1, n):
        raise InputError(field, array.tolist(), f"is not one number for each of {n} servers", "give one per server, or one for all")
    first_bad(field, array, (array >= low) & (array <= high), f"is not from {low:g} to {high:g}", "give a number in that range")
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))
