"""The limits that come with the library: shares, utilisations, percentiles and budgets.

Each is a class with the method ``linearise``, which returns the limit as linear inequalities on the
flows; `Limit` describes how to write another one, and `register_limit` gives it a name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from ....reference.amounts import as_server_fractions, as_server_times
from ....reference.errors import Array, InputError
from ....reference.mg1 import MM1
from ....reference.parallel.decisions.percentile import largest_flows, server_percentiles
from ....reference.tails import check_tails, tail_caveats
from ....reference.validation import (
    LARGEST,
    as_floats,
    as_fraction,
    as_server_array,
    check_choice,
    check_instance,
    check_within,
    list_or_none,
    raise_at_first,
)
from ...core.registry import Registry
from ...latency.base import Latency
from .late_share import LateShare
from .linear_limit import Limit, LinearLimit, LoadDependence


@dataclass(frozen=True)
class MinShare(Limit):
    """At least a given share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        Least share, from 0 to 1: one for each server, or one for all.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
    >>> system.optimum(6.0, subject_to=[MinShare(0.4)]).share.round(4)
    array([0.6, 0.4])
    """

    share: Any

    load_dependence: ClassVar[LoadDependence] = "proportional"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        share = as_server_fractions("MinShare.share", self.share, len(bank), "the load")
        return LinearLimit(-1.0, -share * load, "least share", -load, share)


@dataclass(frozen=True)
class MaxShare(Limit):
    """At most a given share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        Largest share, from 0 to 1: one for each server, or one for all; 1 is no limit.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
    >>> system.optimum(6.0, subject_to=[MaxShare([0.7, 1.0])]).share.round(4)
    array([0.7, 0.3])
    """

    share: Any

    load_dependence: ClassVar[LoadDependence] = "proportional"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        share = as_server_fractions("MaxShare.share", self.share, len(bank), "the load")
        return LinearLimit(1.0, share * load, "largest share", load, share)


@dataclass(frozen=True)
class MaxUtilisation(Limit):
    """At most a given utilisation of every server.

    The utilisation is the flow divided by the load that fills the server: its rate, or, for a
    measured server, the capacity or the largest sample. A base load counts: with it the utilisation
    is base and flow divided by the rate. A server with the same latency at every load, such as
    `Constant`, has a utilisation of 0.

    Parameters
    ----------
    utilisation : array_like, shape (n,) or ()
        Largest utilisation, from 0 to 1: one for each server, or one for all.

    Raises
    ------
    InputError
        When it is used with servers that no load fills, such as `BPR` and `Polynomial`, where every
        server has a utilisation of 0, so that the limit does nothing, or where a base load alone is
        a larger utilisation.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
    >>> system.optimum(6.0, subject_to=[MaxUtilisation(0.45)]).flow.round(4)
    array([4.5, 1.5])
    """

    utilisation: Any

    load_dependence: ClassVar[LoadDependence] = "none"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        field = "MaxUtilisation.utilisation"
        part = as_server_fractions(field, self.utilisation, len(bank), "what fills a server")
        full = bank.full_load
        finite = np.isfinite(full)
        unfilled = np.flatnonzero(np.isnan(full) if finite.any() else ~finite)
        if unfilled.size:
            which = ", ".join(f"servers[{i}]" for i in unfilled[:5]) + ", ..." * (unfilled.size > 5)
            problem = f"is a part of nothing at {which}: no load fills the server"
            remedy = (
                "limit shares with MaxShare, "
                "or give samples and a capacity: Measured(..., capacity=)"
            )
            raise InputError(field, self.utilisation, problem, remedy)
        base = bank.base_utilisation
        for i in np.flatnonzero(finite & (part < base)):
            problem = f"is less than the base load alone uses of servers[{i}], {base[i]:.6g}"
            raise InputError(field, self.utilisation, problem, "allow more, or lower the base load")
        whole = np.where(finite, full, 0.0) / (1.0 - base)  # load from no to full utilisation
        most = np.where(finite, (part - base) * whole, np.inf)
        return LinearLimit(1.0, most, self._name(bank), whole, part)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return the utilisation of each server, shape (n,); 0 where its latency is constant."""
        return np.where(np.isfinite(bank.full_load), bank.utilisation(flow), 0.0)

    def _name(self, bank: Latency) -> str:
        """Name of the limit, with the full load where that is not the rate for all servers."""
        kinds = dict.fromkeys(
            kind
            for kind, full in zip(bank.full_load_kind, bank.full_load, strict=True)
            if np.isfinite(full)
        )
        by_rate = set(kinds) == {"rate"}
        return "largest utilisation" + ("" if by_rate else f" (of the {' or '.join(kinds)})")


@dataclass(frozen=True)
class ServerPercentile(Limit):
    """At most a given percentile of the time at every used server, or of the wait for service.

    Parameters
    ----------
    p : float
        Share of the jobs, above 0 and below 1, such as 0.99.
    within : array_like, shape (n,) or ()
        Time above 0, in the unit of the delays, within which this share of the jobs has its
        answer, the network delay included; or within which their service starts.
    of : {"sojourn", "wait"}, default "sojourn"
        Whether the time until the answer counts, or the wait at the server for service alone.

    Raises
    ------
    InputError
        When it is used with servers other than M/M/1, M/D/1, M/G/1 and M/M/c, or with priorities or
        batches: their percentiles are not known.

    Notes
    -----
    At an M/M/1 server, first come first served, the time at the server is exponential with the
    rate mu - x. So the share p of the jobs is back within d + log(1/(1 - p))/(mu - x), and the
    limit is linear: x <= mu - log(1/(1 - p))/(within - d). At all these servers the percentile
    rises with the flow, so that the limit is a largest flow, a root for the others. A server whose
    percentile is larger even when it is empty gets no jobs. For M/G/1 servers it is an
    approximation; see `sojourn.reference.ServerBank.tail_kind`.

    Examples
    --------
    >>> from sojourn.models import MM1, MMc, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
    >>> limit = ServerPercentile(p=0.95, within=1.0)
    >>> print(system.optimum(8.0, subject_to=[limit]).limits[0].value.round(4))
    [0.7481 1.    ]
    >>> calls = ParallelServers(MMc(rate=[12.0, 20.0], servers=[10, 3]))
    >>> limit = ServerPercentile(p=0.9, within=0.05, of="wait")
    >>> calls.optimum(125.0, subject_to=[limit]).flow.round(4)
    array([89.5975, 35.4025])
    """

    p: float
    within: Any
    of: Literal["sojourn", "wait"] = "sojourn"

    times: ClassVar[tuple[str, ...]] = ("within",)
    load_dependence: ClassVar[LoadDependence] = "none"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        p = as_fraction("ServerPercentile.p", self.p, "the jobs", ends=False)
        check_choice("ServerPercentile.of", self.of, TIMES_OF, "is no time that has a percentile")
        check_tails(bank)
        within = as_server_times("ServerPercentile.within", self.within, len(bank))
        most, slope = (
            np.concatenate(column)
            for column in zip(
                *(self._largest(part, within[cut], p) for part, cut in _parts(bank)), strict=True
            )
        )
        name = f"{100 * p:g}th percentile" + (" of the wait" if self.of == "wait" else "")
        return LinearLimit(1.0, most, name, slope, within, of_time=True)

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return the percentile at each server, shape (n,), in units of time; NaN where unused."""
        columns = (self._percentiles(part, flow[cut]) for part, cut in _parts(bank))
        return np.concatenate(list(columns))

    def caveats(self, bank: Latency, names: Sequence[str]) -> list[str]:
        """See `Limit.caveats`."""
        return tail_caveats(bank, names)

    def _largest(self, part: Latency, within: Array, p: float) -> tuple[Array, Array]:
        """Return the largest flows of a bank of one family, and their derivatives in the time."""
        if not self._in_closed_form(part):
            return largest_flows(part, within, p, of_wait=self.of == "wait")
        at_server, quantile = within - part.delay, -math.log1p(-p)
        usable = at_server * part.rate > quantile
        time = np.where(usable, at_server, 1.0)
        most = np.where(usable, part.rate - quantile / time, 0.0)
        return most, np.where(usable, quantile / time**2, 0.0)

    def _percentiles(self, part: Latency, flow: Array) -> Array:
        """Return the percentiles at the servers of a bank of one family."""
        if not self._in_closed_form(part):
            return server_percentiles(part, flow, self.p, of_wait=self.of == "wait")
        used = flow > 0
        spare_capacity = np.where(used, part.spare_capacity(flow), 1.0)
        return np.where(used, part.delay - math.log1p(-self.p) / spare_capacity, np.nan)

    def _in_closed_form(self, part: Latency) -> bool:
        """Return whether the time at the servers of a bank is exponential."""
        return isinstance(part, MM1) and self.of == "sojourn"


TIMES_OF = ("sojourn", "wait")


def _parts(bank: Latency) -> list[tuple[Any, slice]]:
    """Return the banks of one family in a bank, with the places of their servers."""
    edges = accumulate(map(len, bank.banks), initial=0)
    return [(part, slice(*ends)) for part, ends in zip(bank.banks, pairwise(edges), strict=True)]


@dataclass(frozen=True)
class Budget(Limit):
    """At most a given amount of money per unit of time, where each job costs money.

    Parameters
    ----------
    price : array_like, shape (n,) or ()
        Money per job at each server, 0 or more.
    at_most : float
        Money per unit of time, 0 or more.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0]))
    >>> print(system.optimum(6.0, subject_to=[Budget([3.0, 1.0], 15.0)]).limits[0])
    budget: binds at 15, shadow price 0.006465
    """

    price: Any
    at_most: float

    load_dependence: ClassVar[LoadDependence] = "none"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        price = as_floats("Budget.price", self.price)
        raise_at_first(
            "Budget.price",
            price,
            (price >= 0) & np.isfinite(price),
            "is not a price",
            "give money per job, 0 or more",
        )
        remedy = "give money per unit of time, 0 or more"
        money = check_within(
            "Budget.at_most", self.at_most, 0, LARGEST, "is not an amount of money", remedy
        )
        return LinearLimit(as_server_array("Budget.price", price, len(bank)), money, "budget")


@dataclass(frozen=True)
class GroupShare(Limit):
    """At most a given share of the load for a group of servers together.

    Parameters
    ----------
    servers : sequence of int
        Indices of the servers, from 0; in a scenario file their names.
    at_most : float
        Largest share of the group, from 0 to 1.
    name : str, default "share of a group"
        Name in messages and results.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[10.0, 5.0, 5.0]))
    >>> system.optimum(6.0, subject_to=[GroupShare([1, 2], 0.1)]).flow.round(4)
    array([5.4, 0.3, 0.3])
    """

    servers: Sequence[int]
    at_most: float
    name: str = "share of a group"

    load_dependence: ClassVar[LoadDependence] = "proportional"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        field, given, n = "GroupShare.servers", list_or_none(self.servers), len(bank)
        if not given or any(isinstance(name, str) for name in given):
            problem, remedy = "is not a list of servers", "give indices such as [0, 2]"
            raise InputError(field, self.servers, problem, remedy)
        chosen = as_floats(field, given)
        fits = (chosen >= 0) & (chosen < n) & (chosen == np.floor(chosen))
        remedy = f"give an index from 0 to {n - 1}"
        raise_at_first(field, chosen, fits, "is not a server", remedy)
        share = as_fraction("GroupShare.at_most", self.at_most, "the load")
        return LinearLimit(
            np.isin(np.arange(n), chosen) * 1.0, share * load, self.name, load, share
        )


def limits_of(given: object) -> tuple[Limit, ...]:
    """Return the limits of ``subject_to`` as a tuple; InputError on anything but limits."""
    limits = [] if given is None else list_or_none(given)
    if limits is None:
        raise InputError(
            "subject_to", given, "is not a list of limits", "write subject_to=[MaxShare(0.5)]"
        )
    remedy = "give one such as MaxShare(0.5), or one of a class of your own"
    for i, limit in enumerate(limits):
        check_instance(f"subject_to[{i}]", limit, Limit, "is not a limit", remedy)
    return tuple(limits)


SELFISH = (
    "selfish users keep no operator's limits: with them there are many equilibria, or none",
    "ask for the optimum within limits; tolls can bring a split about",
)


def no_limits(options: Mapping[str, Any], why: tuple[str, str] = SELFISH) -> None:
    """Raise InputError on limits where none are allowed; `why` has the problem and the remedy."""
    if limits_of(options.get("subject_to")):
        raise InputError("subject_to", options["subject_to"], *why)


REGISTRY: Registry[type[Limit]] = Registry(
    "kind",
    "limits",
    Limit,
    "sojourn.limits",
    {
        c.__name__: c
        for c in (
            MinShare,
            MaxShare,
            MaxUtilisation,
            ServerPercentile,
            Budget,
            GroupShare,
            LateShare,
            LinearLimit,
        )
    },
)
"""Limits by the name that scenario files use: those of this module, and those that other packages
register or declare as entry points ``sojourn.limits``."""

register_limit = REGISTRY.register
