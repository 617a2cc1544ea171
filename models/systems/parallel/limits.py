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

from ....reference.errors import Array, InputError, first_bad, numbers, one_number
from ....reference.mg1 import MM1
from ....reference.parallel.limits import SLACK, cheapest
from ...core.registry import Registry
from ...latency.base import Latency
from .solution import ShadowPrice
from .splits import Limits, clip, total

MANY = 2000  # servers above which a linear program is solved sooner by interior points than by pivots
POSSIBLE = 1e-9  # violation, of the load or of what it leaves free, that a linear program may take for none
REMEDY = "relax one of them"


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
        matrix = numbers(f"{self.name}.matrix", self.matrix)
        if matrix.ndim > 2 or (matrix.ndim and matrix.shape[-1] != n) or matrix.shape[:1] == (0,):
            raise InputError(f"{self.name}.matrix", matrix.tolist(), f"is not made of rows of {n} numbers", f"give shape ({n},) or (m, {n})")
        first_bad(f"{self.name}.matrix", matrix, np.isfinite(matrix), "is not finite", "give a number a job")
        if matrix.shape == () and matrix == 0:
            raise InputError(f"{self.name}.matrix", matrix.tolist(), "limits nothing", "give a number that is not 0")
        own = 1 if matrix.ndim == 1 else n if not matrix.ndim else len(matrix)
        shape = () if matrix.ndim == 1 else (own,)
        bound, unit = (self._fit(field, shape) for field in ("bound", "bound_per_unit"))
        first_bad(f"{self.name}.bound", bound, ~(np.isnan(bound) | (bound == -np.inf)), "is not a bound", "give a number")
        shown = self._fit("own_bound", shape) if self.own_bound is not None else _over(bound, unit)
        return replace(self, matrix=np.atleast_2d(matrix) if matrix.ndim else matrix, bound=bound, bound_per_unit=unit, own_bound=shown)

    def measure(self, flow: Array) -> Array:
        """Return what a split has, in the limit's own unit; of a limit that was `checked`."""
        matrix: Any = self.matrix
        has = matrix * flow if self.box else total(matrix * flow)
        return _over(has.reshape(np.shape(self.bound)), self.bound_per_unit)

    def _fit(self, field: str, shape: tuple[int, ...]) -> Array:
        value = numbers(f"{self.name}.{field}", getattr(self, field))
        if value.shape not in ((), shape):
            what = f"one number for each of {shape[0]} rows" if shape else "one number"
            raise InputError(f"{self.name}.{field}", value.tolist(), f"is not {what}", f"give shape {shape} or one number")
        return np.broadcast_to(value, shape)


def _over(value: Array, unit: Any) -> Array:
    """Quotient, 0 where the unit is."""
    return np.asarray(np.divide(value, unit, out=np.zeros(np.broadcast_shapes(np.shape(value), np.shape(unit))), where=np.asarray(unit) != 0))


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
        share = _each(self.share, "MinShare.share", len(bank), 0.0, 1.0)
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
        share = _each(self.share, "MaxShare.share", len(bank), 0.0, 1.0)
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
        return LinearLimit(1.0, most, self._name(bank), np.where(finite, full, 0.0), part)

    def _name(self, bank: Latency) -> str:
        """Name of the limit; it says of what a utilisation is where that is not the rate alone."""
        of = dict.fromkeys(said for said, full in zip(bank.full_load_is, bank.full_load, strict=True) if np.isfinite(full))
        return "largest utilisation" + (f" (of the {' or '.join(of)})" if set(of) != {"rate"} else "")


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
        p = one_number("ServerPercentile.p", self.p)
        if not 0 < p < 1:
            raise InputError("ServerPercentile.p", self.p, "is not between 0 and 1", "give a part of the jobs, such as 0.99")
        self._check_family(bank)
        within = _each(self.within, "ServerPercentile.within", len(bank), 0.0, math.inf)
        first_bad(
            "ServerPercentile.within", within, (within > 0) & np.isfinite(within), "is not a time above 0", "give it in the unit of the delays"
        )
        left, need = within - bank.delay, -math.log1p(-p)
        able = left * bank.rate > need
        safe = np.where(able, left, 1.0)
        most = np.where(able, bank.rate - need / safe, 0.0)
        return LinearLimit(1.0, most, f"{100 * p:g}th percentile", np.where(able, need / safe**2, 0.0), within, of_time=True)

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

    def linearise(self, bank: Latency, load: float) -> LinearLimit:
        """See `Limit.linearise`."""
        price = _each(self.price, "Budget.price", len(bank), 0.0, math.inf)
        first_bad("Budget.price", price, np.isfinite(price), "is not finite", "give money per job")
        money = one_number("Budget.at_most", self.at_most)
        if not (money >= 0 and math.isfinite(money)):
            raise InputError("Budget.at_most", self.at_most, "is not an amount of money", "give money per unit of time, 0 or more")
        return LinearLimit(price, money, "budget")


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
        chosen, n = numbers("GroupShare.servers", self.servers), len(bank)
        if chosen.ndim != 1 or not chosen.size:
            raise InputError("GroupShare.servers", self.servers, "is not a list of servers", "give indices such as [0, 2]")
        fits = (chosen >= 0) & (chosen < n) & (chosen == np.floor(chosen))
        first_bad("GroupShare.servers", chosen, fits, "is not a server", f"give an index from 0 to {n - 1}")
        share = float(_each(self.at_most, "GroupShare.at_most", 1, 0.0, 1.0)[0])
        return LinearLimit(np.isin(np.arange(n), chosen) * 1.0, share * load, self.name, load, share)


@dataclass(frozen=True, eq=False)
class CombinedLimits(Limits):
    """All limits of a bank at a load, as one.

    Attributes
    ----------
    bank : Latency
    load : float
    limits : tuple of Limit
        As they were given.
    linear : tuple of LinearLimit
        The same as rows.
    rows : tuple of ndarray of int
        Where in `matrix` the rows of each are; -1 for one that every split keeps.
    """

    bank: Latency
    load: float
    limits: tuple[Limit, ...]
    linear: tuple[LinearLimit, ...]
    rows: tuple[npt.NDArray[np.intp], ...]

    def shadow_prices(self, at: Array, flow: Array, price: float, row_prices: Array) -> tuple[ShadowPrice, ...]:
        """Return the shadow price of every limit; a server's bound is priced at the tightest limit on it.

        Parameters
        ----------
        at : ndarray, shape (n,)
            Optimum that the multipliers are of.
        flow : ndarray, shape (n,)
            Split whose values are reported.
        price, row_prices
            Multipliers of the load and of the rows.
        """
        left = price - row_prices @ self.matrix - self.bank.marginal(clip(self.bank, at))
        above = np.where(at >= self.most, np.maximum(left, 0.0), 0.0)
        below = np.where((at <= self.least) & (self.least > 0), np.maximum(-left, 0.0), 0.0)
        with_idle, out = np.append(np.maximum(row_prices, 0.0), 0.0), []
        for limit, linear, rows in zip(self.limits, self.linear, self.rows, strict=True):
            if linear.box:
                least, most = _bounds(linear, len(at))
                own = np.where(most <= self.most, above, 0.0) + np.where(least >= self.least, below, 0.0)
                above, below = np.where(most <= self.most, 0.0, above), np.where(least >= self.least, 0.0, below)
                own = own / np.abs(linear.matrix)
            else:
                own = with_idle[rows].reshape(np.shape(linear.bound))
            worth = own * np.abs(linear.bound_per_unit) / self.load
            value, bound = limit.value(self.bank, flow, self.load), np.asarray(linear.own_bound)
            out.append(ShadowPrice(linear.name, bound, value, worth, linear.of_time, "server" if linear.box else "row"))
        return tuple(out)


def no_limits(how: Mapping[str, Any]) -> None:
    """Raise InputError on side constraints of something that selfish users take part in."""
    if how.get("subject_to"):
        problem = "selfish users keep no operator's limits: with them there are many equilibria, or none"
        raise InputError("subject_to", how["subject_to"], problem, "ask for the optimum within limits; tolls can bring a split about")


def combine_limits(limits: Any, bank: Latency, load: float) -> CombinedLimits:
    """Return the limits as one; what every split keeps is left out of the rows.

    Raises
    ------
    InputError
        On something that is not a limit, a limit that does not fit, or limits that no split keeps, with those that are in each other's way.
    """
    if isinstance(limits, Limit) or not isinstance(limits, Sequence):
        raise InputError("subject_to", limits, "is not a list of limits", "write subject_to=[MaxShare(0.5)]")
    for i, limit in enumerate(limits):
        if not isinstance(limit, Limit):
            raise InputError(f"subject_to[{i}]", limit, "is not a limit", f"use {', '.join(REGISTRY.names())}, or a class of your own")
    linear = tuple(limit.linearise(bank, load).checked(len(bank)) for limit in limits)
    least, most = _box(linear, bank)
    _check_box(linear, bank, least, most, load)
    matrix, bound = _rows(linear, len(bank))
    # what no split within the bounds is over says nothing
    kept = np.array([_over_somewhere(a, b, least, most, load) for a, b in zip(matrix, bound, strict=True)], dtype=bool)
    inside, possible = _inside(bank, load, least, most, matrix[kept], bound[kept])
    if not possible:
        raise _contradiction(linear, bank, load)
    ends = np.cumsum([0 if own.box else np.size(own.bound) for own in linear])
    rows = tuple(np.split(np.where(kept, np.cumsum(kept) - 1, -1), ends[:-1]))
    return CombinedLimits(least, most, matrix[kept], bound[kept], inside, bank, load, tuple(limits), linear, rows)


def _rows(linear: Sequence[LinearLimit], n: int) -> tuple[Array, Array]:
    """Rows of all limits but bounds of servers, and their bounds."""
    rows = [own for own in linear if not own.box]
    return np.concatenate([np.zeros((0, n)), *(np.asarray(own.matrix) for own in rows)]), np.concatenate(
        [np.zeros(0), *(np.atleast_1d(own.bound) for own in rows)]
    )


def _bounds(linear: LinearLimit, n: int) -> tuple[Array, Array]:
    """Least and most flow of each server that a limit allows."""
    side: Array = np.asarray(linear.bound) / np.asarray(linear.matrix)
    none = np.zeros(n), np.full(n, np.inf)
    return (none[0], side) if float(np.asarray(linear.matrix)) > 0 else (side, none[1])


def _box(linear: Sequence[LinearLimit], bank: Latency) -> tuple[Array, Array]:
    """Least and most flow of each server that all limits allow."""
    pairs = [_bounds(own, len(bank)) for own in linear if own.box]
    least = np.max([np.zeros(len(bank)), *(p[0] for p in pairs)], axis=0)
    return least, np.min([bank.rate, *(p[1] for p in pairs)], axis=0)


def _check_box(linear: Sequence[LinearLimit], bank: Latency, least: Array, most: Array, load: float) -> None:
    """Raise InputError on bounds of servers that no split of the load keeps, naming those that are in each other's way."""
    boxes = [(own.name, *_bounds(own, len(bank))) for own in linear if own.box]
    torn = np.flatnonzero(least > most)
    if torn.size:
        i = int(torn[0])
        names = [name for name, low, high in boxes if low[i] >= least[i] > 0 or high[i] <= most[i]]
        raise InputError("subject_to", names, f"ask for at least {least[i]:.6g} and at most {most[i]:.6g} jobs at server {i + 1}", REMEDY)
    if least.sum() > load * (1 + SLACK):
        names = [name for name, low, _ in boxes if low.any()]
        raise InputError("subject_to", names, f"ask for at least {least.sum():.6g} jobs in all where the load is {load:.6g}", REMEDY)
    if most.sum() < load * (1 - SLACK):
        names = [name for name, _, high in boxes if np.any(high < bank.rate)]
        raise InputError("subject_to", names, f"leave room for {most.sum():.6g} jobs where the load is {load:.6g}", REMEDY)


def _over_somewhere(row: Array, bound: float, least: Array, most: Array, load: float) -> bool:
    """Whether a split within the bounds of servers has more of a row than its bound."""
    flow, lowest = cheapest(least, most, -row, load)
    return bool(-lowest > bound + SLACK * float(np.abs(row) @ flow))


def _inside(bank: Latency, load: float, least: Array, most: Array, matrix: Array, bound: Array) -> tuple[Array, bool]:
    """Split that keeps bounds and rows, the rows with the most room, and whether there is one; for several rows by a linear program.

    It is in spare capacities where these are less than the load, so that it knows next to saturation what is possible.
    """
    if bound.size < 2:
        inside, has = cheapest(least, most, matrix[0] if bound.size else np.zeros(len(bank)), load)
        return inside, not bound.size or bool(has <= bound[0] + SLACK * float(np.abs(matrix[0]) @ inside))
    from scipy.optimize import linprog  # here, so that the import of the package does not wait for it
    from scipy.sparse import csr_array, hstack, vstack

    n, (whole, low) = len(bank), bank.total_rate
    left = float((whole - load) + low)
    side, scale, base = (-1.0, left, bank.rate) if left < load else (1.0, load, np.zeros(n))
    ends = [side * (end - base) / scale for end in (least, np.minimum(most, load if side > 0 else np.inf))]
    size = np.abs(matrix).max(axis=1)
    room = total(np.concatenate([bound[:, None], -matrix * base], axis=-1)) / (size * scale)
    # room t of the rows, and of servers that no bound but their rate keeps from full in parts of what an even split leaves them
    full = np.flatnonzero(np.isfinite(bank.rate) & (most >= bank.rate))
    even = bank.rate[full] * (left / whole if math.isfinite(left) else 1.0) / scale
    own = csr_array((np.full(full.size, side), (np.arange(full.size), full)), shape=(full.size, n))
    flows = vstack([csr_array(side * matrix / size[:, None]), own])
    for part in (1.0, 0.0):  # rows without room, as of an equation, leave servers theirs
        found = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=hstack([flows, csr_array(np.concatenate([np.full(bound.size, part), even])[:, None])]),
            b_ub=np.concatenate([room, (bank.rate - base)[full] / scale]),
            A_eq=csr_array(np.append(np.ones(n), 0.0)[None]),
            b_eq=[1.0],
            bounds=[*zip(np.minimum(*ends), np.maximum(*ends), strict=True), (None, 1.0)],
            method="highs-ipm" if n > MANY else "highs-ds",
            options={"primal_feasibility_tolerance": POSSIBLE / 10},
        )
        if found.x is None or found.x[-1] < -POSSIBLE:
            return np.zeros(n), False
        if found.x[-1] > POSSIBLE:
            break
    return np.clip(base + side * scale * found.x[:-1], least, most), True


def _contradiction(linear: Sequence[LinearLimit], bank: Latency, load: float) -> InputError:
    """The error of limits that no split keeps: a few of them that are in each other's way, none of which can be missed."""
    left = list(linear)
    for own in linear:
        others = [o for o in left if o is not own]
        if not _possible(others, bank, load):
            left = others
    names, (matrix, bound) = [own.name for own in left], _rows(left, len(bank))
    if bound.size == 1:
        own = next(own for own in left if not own.box)
        unit = float(np.asarray(own.bound_per_unit).ravel()[0])
        lowest = cheapest(*_box(left, bank), matrix[0], load)[1] / unit
        worse, better = ("less", "at most") if unit > 0 else ("more", "at least")
        problem = f"leave the {own.name} no {worse} than {lowest:.6g} where it is to be {better} {bound[0] / unit:.6g}"
    else:
        problem = f"are kept together by no split of the load {load:.6g}"
    return InputError("subject_to", names, problem, REMEDY if len(names) > 1 else "relax it or lower the load")


def _possible(linear: Sequence[LinearLimit], bank: Latency, load: float) -> bool:
    """Whether any split keeps the limits."""
    least, most = _box(linear, bank)
    try:
        _check_box(linear, bank, least, most, load)
    except InputError:
        return False
    return _inside(bank, load, least, most, *_rows(linear, len(bank)))[1]


def _each(value: Any, field: str, n: int, low: float, high: float) -> Array:
    """Return one number a server, each from `low` to `high`."""
    array = numbers(field, value)
    if array.ndim > 1 or array.size not in (1, n):
        raise InputError(field, array.tolist(), f"is not one number for each of {n} servers", "give one per server, or one for all")
    first_bad(field, array, (array >= low) & (array <= high), f"is not from {low:g} to {high:g}", "give a number in that range")
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))


REGISTRY: Registry[type[Limit]] = Registry(
    "kind",
    "limits",
    Limit,
    "sojourn.limits",
    {c.__name__: c for c in (MinShare, MaxShare, MaxUtilisation, ServerPercentile, Budget, GroupShare, LinearLimit)},
)
"""Limits by name, as scenario files say them: those that come along, and those that packages add as entry points ``sojourn.limits``."""

register_limit = REGISTRY.register
