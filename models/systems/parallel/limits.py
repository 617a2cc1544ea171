"""Side constraints that operators have, all linear in the flow: shares, utilisation, percentiles of the sojourn time, budgets, any other.

A limit is a class with one method, `linearise`, that says which flows x of a bank at a load keep it: ``matrix @ x <= bound``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.mg1 import MM1
from ....reference.validation import (
    LARGEST,
    as_floats,
    as_fraction,
    as_fractions,
    as_server_array,
    check_flag,
    check_instance,
    check_text,
    check_within,
    list_or_none,
    raise_at_first,
)
from ...core.registry import Registry
from ...latency.base import Latency
from .splits import total


class Limit(ABC):
    """A linear limit on the flows, given as ``subject_to=[...]``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from sojourn.models import MM1, Limit, LinearLimit, ParallelServers
    >>> @dataclass(frozen=True)
    ... class Carbon(Limit):
    ...     grams: list  # a job
    ...     at_most: float  # per unit of time
    ...
    ...     def linearise(self, bank, load):
    ...         return LinearLimit(self.grams, self.at_most, name="carbon")
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[Carbon([1, 1, 4], 400)]).limits[0])
    carbon: binds at 400, shadow price 0.0001278
    """

    times: ClassVar[tuple[str, ...]] = ()
    """Fields that are times, which a scenario file gives in its unit of delays."""

    @abstractmethod
    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit as rows on the flows; InputError on a limit that does not fit the servers."""

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Return what a split has of that which is limited, in the limit's unit."""
        return self.linearise(bank, load).checked(len(bank)).measure(flow)


@dataclass(frozen=True, eq=False)
class LinearLimit(Limit):
    """Any linear limit on the flows: ``matrix @ flow <= bound``.

    Parameters
    ----------
    matrix : array_like, shape (n,), (m, n) or ()
        One row or more; a number stands for this multiple of the identity, a bound for each server, whatever n.
    bound : array_like, shape (m,) or (); (n,) or () for bounds of servers
    name : str
        What is limited, in messages and results.
    bound_per_unit : array_like, of the shape of `bound` or ()
        By how much `bound` moves when the limit is relaxed by one unit of its own: a share of 1 is a flow of the whole load. Negative for a
        limit from below.
    own_bound : array_like, optional
        The limit in its own unit; by default ``bound / bound_per_unit``.
    of_time : bool
        Whether the own unit is a time.

    Examples
    --------
    >>> from sojourn.models import MM1, ParallelServers
    >>> system = ParallelServers(MM1(rate=[100.0, 80.0, 200.0], delay=[0.005, 0.005, 0.020]))
    >>> print(system.optimum(190, subject_to=[LinearLimit([[1, 1, 0], [0, 1, 1]], [80, 170], name="sites")]).limits[0])
    sites: binds at 1 of 2 rows, shadow price up to 2.001e-05 (row 1)
    """

    matrix: npt.ArrayLike
    bound: npt.ArrayLike
    name: str = "linear limit"
    bound_per_unit: npt.ArrayLike = 1.0
    own_bound: npt.ArrayLike | None = None
    of_time: bool = False

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """Return the limit itself."""
        return self

    @property
    def box(self) -> bool:
        """Whether it bounds the flow of each server."""
        return np.ndim(self.matrix) == 0

    def checked(self, n: int) -> LinearLimit:
        """Return the same with arrays that fit n servers: rows have two dimensions, and a bound, an own unit and an own bound each."""
        check_text("LinearLimit.name", self.name)
        check_flag("LinearLimit.of_time", self.of_time)
        matrix = as_floats(f"{self.name}.matrix", self.matrix)
        if matrix.ndim > 2 or (matrix.ndim and matrix.shape[-1] != n) or matrix.shape[:1] == (0,):
            raise InputError(
                f"{self.name}.matrix",
                matrix.tolist(),
                f"is not made of rows of {n} numbers",
                f"give shape ({n},) or (m, {n})",
            )
        raise_at_first(
            f"{self.name}.matrix",
            matrix,
            np.isfinite(matrix),
            "is not finite",
            "give a number a job",
        )
        if matrix.shape == () and matrix == 0:
            raise InputError(
                f"{self.name}.matrix",
                matrix.tolist(),
                "limits nothing",
                "give a number that is not 0",
            )
        own = 1 if matrix.ndim == 1 else n if not matrix.ndim else len(matrix)
        shape = () if matrix.ndim == 1 else (own,)
        bound, unit = (self._fit(field, shape) for field in ("bound", "bound_per_unit"))
        raise_at_first(
            f"{self.name}.bound",
            bound,
            ~(np.isnan(bound) | (bound == -np.inf)),
            "is not a bound",
            "give a number",
        )
        shown = self._fit("own_bound", shape) if self.own_bound is not None else _over(bound, unit)
        return replace(
            self,
            matrix=np.atleast_2d(matrix) if matrix.ndim else matrix,
            bound=bound,
            bound_per_unit=unit,
            own_bound=shown,
        )

    def measure(self, flow: Array) -> Array:
        """Return what a split has, in the limit's own unit; of a limit that was `checked`."""
        matrix: Any = self.matrix
        has = matrix * flow if self.box else total(matrix * flow)
        return _over(has.reshape(np.shape(self.bound)), self.bound_per_unit)

    def _fit(self, field: str, shape: tuple[int, ...]) -> Array:
        value = as_floats(f"{self.name}.{field}", getattr(self, field))
        if value.shape not in ((), shape):
            what = f"one number for each of {shape[0]} rows" if shape else "one number"
            raise InputError(
                f"{self.name}.{field}",
                value.tolist(),
                f"is not {what}",
                f"give shape {shape} or one number",
            )
        return np.broadcast_to(value, shape)


def _over(value: Array, unit: Any) -> Array:
    """Quotient, 0 where the unit is."""
    return np.asarray(
        np.divide(
            value,
            unit,
            out=np.zeros(np.broadcast_shapes(np.shape(value), np.shape(unit))),
            where=np.asarray(unit) != 0,
        )
    )


@dataclass(frozen=True)
class MinShare(Limit):
    """At least a share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        From 0 to 1.
    """

    share: Any

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        share = as_server_array(
            "MinShare.share", as_fractions("MinShare.share", self.share, "the load"), len(bank)
        )
        return LinearLimit(-1.0, -share * load, "least share", -load, share)


@dataclass(frozen=True)
class MaxShare(Limit):
    """At most a share of the load for every server.

    Parameters
    ----------
    share : array_like, shape (n,) or ()
        From 0 to 1; 1 says nothing.
    """

    share: Any

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        share = as_server_array(
            "MaxShare.share", as_fractions("MaxShare.share", self.share, "the load"), len(bank)
        )
        return LinearLimit(1.0, share * load, "largest share", load, share)


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

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        field = "MaxUtilisation.utilisation"
        part = as_server_array(
            field, as_fractions(field, self.utilisation, "what fills a server"), len(bank)
        )
        full = bank.full_load
        finite = np.isfinite(full)
        unfilled = np.flatnonzero(np.isnan(full) if finite.any() else ~finite)
        if unfilled.size:
            which = ", ".join(f"servers[{i}]" for i in unfilled[:5]) + ", ..." * (unfilled.size > 5)
            problem = f"is a part of nothing at {which}: no load fills the server"
            remedy = "limit shares with MaxShare, or give samples and a capacity: Measured(..., capacity=)"
            raise InputError(field, self.utilisation, problem, remedy)
        most = np.where(finite, part * np.where(finite, full, 1.0), np.inf)
        return LinearLimit(1.0, most, self._name(bank), np.where(finite, full, 0.0), part)

    def _name(self, bank: Latency) -> str:
        """Name of the limit; it says of what a utilisation is where that is not the rate alone."""
        of = dict.fromkeys(
            said
            for said, full in zip(bank.full_load_is, bank.full_load, strict=True)
            if np.isfinite(full)
        )
        return "largest utilisation" + (
            f" (of the {' or '.join(of)})" if set(of) != {"rate"} else ""
        )


@dataclass(frozen=True)
class ServerPercentile(Limit):
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

    times: ClassVar[tuple[str, ...]] = ("within",)

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        p = as_fraction("ServerPercentile.p", self.p, "the jobs", ends=False)
        self._check_family(bank)
        field = "ServerPercentile.within"
        time = as_floats(field, self.within)
        raise_at_first(
            field,
            time,
            (time > 0) & np.isfinite(time),
            "is not a time above 0",
            "give it in the unit of the delays",
        )
        within = as_server_array(field, time, len(bank))
        left, need = within - bank.delay, -math.log1p(-p)
        able = left * bank.rate > need
        safe = np.where(able, left, 1.0)
        most = np.where(able, bank.rate - need / safe, 0.0)
        return LinearLimit(
            1.0,
            most,
            f"{100 * p:g}th percentile",
            np.where(able, need / safe**2, 0.0),
            within,
            of_time=True,
        )

    def value(self, bank: Latency, flow: Array, load: float) -> Array:
        """Percentile at each server; NaN where there is no job."""
        used = flow > 0
        return np.where(
            used,
            bank.delay - math.log1p(-self.p) / np.where(used, bank.spare_capacity(flow), 1.0),
            np.nan,
        )

    def _check_family(self, bank: Latency) -> None:
        start = 0
        for part in bank.banks:
            if not isinstance(part, MM1):  # cv = 1 alone does not make service times exponential
                field, family = f"servers[{start}]", type(part).__name__
                raise InputError(
                    field,
                    family,
                    "has no percentile in closed form",
                    "use M/M/1 servers, or MaxUtilisation",
                )
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
    """At most a share of the load for a group of servers together.

    Parameters
    ----------
    servers : sequence of int
        Indices of the group, from 0; in a scenario file names.
    at_most : float
        From 0 to 1.
    name : str
    """

    servers: Sequence[int]
    at_most: float
    name: str = "share of a group"

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        chosen, n = as_floats("GroupShare.servers", self.servers), len(bank)
        if chosen.ndim != 1 or not chosen.size:
            raise InputError(
                "GroupShare.servers",
                self.servers,
                "is not a list of servers",
                "give indices such as [0, 2]",
            )
        fits = (chosen >= 0) & (chosen < n) & (chosen == np.floor(chosen))
        raise_at_first(
            "GroupShare.servers",
            chosen,
            fits,
            "is not a server",
            f"give an index from 0 to {n - 1}",
        )
        share = as_fraction("GroupShare.at_most", self.at_most, "the load")
        return LinearLimit(
            np.isin(np.arange(n), chosen) * 1.0, share * load, self.name, load, share
        )


def limits_of(given: object) -> tuple[Limit, ...]:
    """Return limits, given as ``subject_to``; InputError on something that is no limit."""
    limits = [] if given is None else list_or_none(given)
    if limits is None:
        raise InputError(
            "subject_to", given, "is not a list of limits", "write subject_to=[MaxShare(0.5)]"
        )
    for i, limit in enumerate(limits):
        check_instance(
            f"subject_to[{i}]",
            limit,
            Limit,
            "is not a limit",
            f"use {', '.join(REGISTRY.names())}, or a class of your own",
        )
    return tuple(limits)


SELFISH = (
    "selfish users keep no operator's limits: with them there are many equilibria, or none",
    "ask for the optimum within limits; tolls can bring a split about",
)


def no_limits(options: Mapping[str, Any], why: tuple[str, str] = SELFISH) -> None:
    """Raise InputError on limits of what has none, by default since users take part in it."""
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
            LinearLimit,
        )
    },
)
"""Limits by name, as scenario files say them: those that come along, and those that packages add as entry points ``sojourn.limits``."""

register_limit = REGISTRY.register
