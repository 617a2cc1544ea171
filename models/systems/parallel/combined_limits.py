"""All limits of a system at a load as one: bounds of servers and rows, a split inside them, and their shadow prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, LoadError
from ....reference.parallel.limits import SLACK, cheapest
from ...latency.base import Latency
from .limits import limits_of
from .linear_limit import Limit, LinearLimit
from .solution import ShadowPrice
from .splits import Limits, clip, compensated_sum

MANY = (
    2000  # servers above which a linear program is solved sooner by interior points than by pivots
)
POSSIBLE = 1e-9  # violation, of the load or of what it leaves free, that a linear program may take for none
REMEDY = "relax one of them"


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

    @np.errstate(all="ignore")
    def shadow_prices(
        self, at: Array, flow: Array, price: float, row_prices: Array
    ) -> tuple[ShadowPrice, ...]:
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
                own = np.where(most <= self.most, above, 0.0) + np.where(
                    least >= self.least, below, 0.0
                )
                above, below = (
                    np.where(most <= self.most, 0.0, above),
                    np.where(least >= self.least, 0.0, below),
                )
                own = own / np.abs(linear.matrix)
            else:
                own = with_idle[rows].reshape(np.shape(linear.bound))
            worth = own * np.abs(linear.bound_per_unit) / self.load
            value, bound = limit.value(self.bank, flow, self.load), np.asarray(linear.own_bound)
            out.append(
                ShadowPrice(
                    linear.name,
                    bound,
                    value,
                    worth,
                    linear.of_time,
                    "server" if linear.box else "row",
                )
            )
        return tuple(out)


@np.errstate(all="ignore")  # limits may be as large as floats are
def combine_limits(limits: Sequence[Limit], bank: Latency, load: float) -> CombinedLimits:
    """Return the limits as one; what every split keeps is left out of the rows.

    Raises
    ------
    InputError
        On something that is not a limit, or a limit that does not fit.
    LoadError
        On limits that no split of the load keeps, with those that are in each other's way.
    """
    linear = tuple(limit.linearise(bank, load).checked(len(bank)) for limit in limits_of(limits))
    least, most = _box(linear, bank)
    _check_box(linear, bank, least, most, load)
    matrix, bound = _rows(linear, len(bank))
    # what no split within the bounds is over says nothing
    kept = np.array(
        [_over_somewhere(a, b, least, most, load) for a, b in zip(matrix, bound, strict=True)],
        dtype=bool,
    )
    inside, possible = _inside(bank, load, least, most, matrix[kept], bound[kept])
    if not possible:
        raise _contradiction(linear, bank, load)
    ends = np.cumsum([0 if own.box else np.size(own.bound) for own in linear])
    rows = tuple(np.split(np.where(kept, np.cumsum(kept) - 1, -1), ends[:-1]))
    return CombinedLimits(
        least, most, matrix[kept], bound[kept], inside, bank, load, tuple(limits), linear, rows
    )


def _rows(linear: Sequence[LinearLimit], n: int) -> tuple[Array, Array]:
    """Rows of all limits but bounds of servers, and their bounds."""
    rows = [own for own in linear if not own.box]
    return np.concatenate(
        [np.zeros((0, n)), *(np.asarray(own.matrix) for own in rows)]
    ), np.concatenate([np.zeros(0), *(np.atleast_1d(own.bound) for own in rows)])


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


def _check_box(
    linear: Sequence[LinearLimit], bank: Latency, least: Array, most: Array, load: float
) -> None:
    """Raise LoadError on bounds of servers that no split of the load keeps, naming those that are in each other's way."""
    boxes = [(own.name, *_bounds(own, len(bank))) for own in linear if own.box]
    torn = np.flatnonzero(least > most)
    if torn.size:
        i = int(torn[0])
        names = [name for name, low, high in boxes if low[i] >= least[i] > 0 or high[i] <= most[i]]
        raise LoadError(
            "subject_to",
            names,
            f"ask for at least {least[i]:.6g} and at most {most[i]:.6g} jobs at server {i + 1}",
            REMEDY,
        )
    if least.sum() > load * (1 + SLACK):
        names = [name for name, low, _ in boxes if low.any()]
        raise LoadError(
            "subject_to",
            names,
            f"ask for at least {least.sum():.6g} jobs in all where the load is {load:.6g}",
            REMEDY,
        )
    if most.sum() < load * (1 - SLACK):
        names = [name for name, _, high in boxes if np.any(high < bank.rate)]
        raise LoadError(
            "subject_to",
            names,
            f"leave room for {most.sum():.6g} jobs where the load is {load:.6g}",
            REMEDY,
        )


def _over_somewhere(row: Array, bound: float, least: Array, most: Array, load: float) -> bool:
    """Whether a split within the bounds of servers has more of a row than its bound."""
    flow, lowest = cheapest(least, most, -row, load)
    return bool(-lowest > bound + SLACK * float(np.abs(row) @ flow))


def _inside(
    bank: Latency, load: float, least: Array, most: Array, matrix: Array, bound: Array
) -> tuple[Array, bool]:
    """Split that keeps bounds and rows, the rows with the most room, and whether there is one; for several rows by a linear program.

    It is in spare capacities where these are less than the load, so that it knows next to saturation what is possible.
    """
    if bound.size < 2:
        inside, has = cheapest(least, most, matrix[0] if bound.size else np.zeros(len(bank)), load)
        return inside, not bound.size or bool(
            has <= bound[0] + SLACK * float(np.abs(matrix[0]) @ inside)
        )
    from scipy.optimize import (
        linprog,
    )  # here, so that the import of the package does not wait for it
    from scipy.sparse import csr_array, hstack, vstack

    n, (whole, low) = len(bank), bank.total_rate
    left = float((whole - load) + low)
    side, scale, base = (-1.0, left, bank.rate) if left < load else (1.0, load, np.zeros(n))
    ends = [
        side * (end - base) / scale
        for end in (least, np.minimum(most, load if side > 0 else np.inf))
    ]
    size = np.abs(matrix).max(axis=1)
    room = compensated_sum(np.concatenate([bound[:, None], -matrix * base], axis=-1)) / (
        size * scale
    )
    # room t of the rows, and of servers that no bound but their rate keeps from full in parts of what an even split leaves them
    fills = np.isfinite(bank.rate) & (
        (side < 0) | (bank.rate < scale / POSSIBLE)
    )  # to others the load is next to nothing
    full = np.flatnonzero(fills & (most >= bank.rate))
    even = bank.rate[full] * (left / whole if math.isfinite(left) else 1.0) / scale
    own = csr_array((np.full(full.size, side), (np.arange(full.size), full)), shape=(full.size, n))
    flows = vstack([csr_array(side * matrix / size[:, None]), own])
    for part in (1.0, 0.0):  # rows without room, as of an equation, leave servers theirs
        found = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=hstack(
                [flows, csr_array(np.concatenate([np.full(bound.size, part), even])[:, None])]
            ),
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


def _contradiction(linear: Sequence[LinearLimit], bank: Latency, load: float) -> LoadError:
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
    return LoadError(
        "subject_to", names, problem, REMEDY if len(names) > 1 else "relax it or lower the load"
    )


def _possible(linear: Sequence[LinearLimit], bank: Latency, load: float) -> bool:
    """Whether any split keeps the limits."""
    least, most = _box(linear, bank)
    try:
        _check_box(linear, bank, least, most, load)
    except LoadError:
        return False
    return _inside(bank, load, least, most, *_rows(linear, len(bank)))[1]
