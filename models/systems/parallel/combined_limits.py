"""All limits of a system at one load: bounds of flows, rows, a split inside, shadow prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, LoadError
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ...latency.base import Latency
from .limits import limits_of
from .linear_limit import Limit, LinearLimit
from .solution import ShadowPrice
from .splits import Limits, clip, compensated_sum

# servers above which an interior-point method solves a linear program sooner than pivots do
MAX_SIMPLEX = 2000
# relative violation that a linear program may take for none
LP_TOL = 1e-9
REMEDY = "relax one of them"


@dataclass(frozen=True, eq=False)
class CombinedLimits(Limits):
    """All limits of a bank at a load, as bounds of the flows and rows.

    Attributes
    ----------
    bank : Latency
        n servers.
    load : float
        Total load, jobs per unit of time.
    limits : tuple of Limit
        The limits as they were given.
    linear : tuple of LinearLimit
        The same limits as linear inequalities, in the same order.
    rows : tuple of ndarray of int
        For each limit the indices of its rows in `matrix`; -1 for a row that every split meets,
        which is left out.
    """

    bank: Latency
    load: float
    limits: tuple[Limit, ...]
    linear: tuple[LinearLimit, ...]
    rows: tuple[npt.NDArray[np.intp], ...]

    @np.errstate(all="ignore")
    def shadow_prices(
        self, optimum: Array, flow: Array, price: float, row_prices: Array
    ) -> tuple[ShadowPrice, ...]:
        """Return the shadow price of every limit.

        A bound of a server's flow has the multiplier c - (A' z)_i - f_i'(x_i). Where several
        limits bound the flow of a server, the tightest one gets it.

        Parameters
        ----------
        optimum : ndarray, shape (n,)
            The optimum that the multipliers belong to.
        flow : ndarray, shape (n,)
            The split whose values are reported.
        price : float
            Multiplier of the load.
        row_prices : ndarray, shape (m,)
            Multipliers of the rows.
        """
        marginal = self.bank.marginal(clip(self.bank, optimum))
        bound_price = price - row_prices @ self.matrix - marginal
        of_most = np.where(optimum >= self.most, np.maximum(bound_price, 0.0), 0.0)
        at_least = (optimum <= self.least) & (self.least > 0)
        of_least = np.where(at_least, np.maximum(-bound_price, 0.0), 0.0)
        row_price, shadow_prices = np.append(np.maximum(row_prices, 0.0), 0.0), []
        for limit, linear, rows in zip(self.limits, self.linear, self.rows, strict=True):
            if linear._per_server:
                least, most = _bounds(linear, len(optimum))
                is_most, is_least = most <= self.most, least >= self.least
                own = np.where(is_most, of_most, 0.0) + np.where(is_least, of_least, 0.0)
                of_most = np.where(is_most, 0.0, of_most)
                of_least = np.where(is_least, 0.0, of_least)
                own = own / np.abs(linear.matrix)
            else:
                own = row_price[rows].reshape(np.shape(linear.bound))
            shadow_prices.append(
                ShadowPrice(
                    linear.name,
                    np.asarray(linear.own_bound),
                    limit.value(self.bank, flow, self.load),
                    own * np.abs(linear.bound_per_unit) / self.load,
                    linear.of_time,
                    "server" if linear._per_server else "row",
                )
            )
        return tuple(shadow_prices)


@np.errstate(all="ignore")  # a limit may be as large as the largest float
def combine_limits(limits: Sequence[Limit], bank: Latency, load: float) -> CombinedLimits:
    """Return all limits as bounds and rows, without the rows that every split meets.

    Parameters
    ----------
    limits : sequence of Limit
        The limits.
    bank : Latency
        n servers.
    load : float
        Total load, jobs per unit of time.

    Raises
    ------
    InputError
        On something that is not a limit, or a limit that does not fit.
    LoadError
        On limits that no split of the load meets; it names limits that contradict each other.
    """
    linear = tuple(limit.linearise(bank, load)._checked(len(bank)) for limit in limits_of(limits))
    least, most = _all_bounds(linear, bank)
    _check_bounds(linear, bank, least, most, load)
    matrix, bound = _rows(linear, len(bank))
    kept = np.array(
        [_can_bind(a, b, least, most, load) for a, b in zip(matrix, bound, strict=True)],
        dtype=bool,
    )
    inside, possible = _split_inside(bank, load, least, most, matrix[kept], bound[kept])
    if not possible:
        raise _contradiction(linear, bank, load)
    ends = np.cumsum([0 if own._per_server else np.size(own.bound) for own in linear])
    rows = tuple(np.split(np.where(kept, np.cumsum(kept) - 1, -1), ends[:-1]))
    return CombinedLimits(
        least, most, matrix[kept], bound[kept], inside, bank, load, tuple(limits), linear, rows
    )


def _rows(linear: Sequence[LinearLimit], n: int) -> tuple[Array, Array]:
    """Return the rows of all limits but bounds of flows, shape (m, n), and their bounds, (m,)."""
    rows = [own for own in linear if not own._per_server]
    matrix = np.concatenate([np.zeros((0, n)), *(np.asarray(own.matrix) for own in rows)])
    return matrix, np.concatenate([np.zeros(0), *(np.atleast_1d(own.bound) for own in rows)])


def _bounds(linear: LinearLimit, n: int) -> tuple[Array, Array]:
    """Return the least and most flow of each server that a bound of flows allows."""
    bound: Array = np.asarray(linear.bound) / np.asarray(linear.matrix)
    if float(np.asarray(linear.matrix)) > 0:
        return np.zeros(n), bound
    return bound, np.full(n, np.inf)


def _all_bounds(linear: Sequence[LinearLimit], bank: Latency) -> tuple[Array, Array]:
    """Return the least and most flow of each server that all limits allow."""
    pairs = [_bounds(own, len(bank)) for own in linear if own._per_server]
    least = np.max([np.zeros(len(bank)), *(p[0] for p in pairs)], axis=0)
    return least, np.min([bank.rate, *(p[1] for p in pairs)], axis=0)


def _check_bounds(
    linear: Sequence[LinearLimit], bank: Latency, least: Array, most: Array, load: float
) -> None:
    """Raise LoadError where no split meets the bounds of flows, naming those in contradiction."""
    bounds = [(own.name, *_bounds(own, len(bank))) for own in linear if own._per_server]
    crossed = np.flatnonzero(least > most)
    if crossed.size:
        i = int(crossed[0])
        names = [name for name, low, high in bounds if low[i] >= least[i] > 0 or high[i] <= most[i]]
        raise LoadError(
            "subject_to",
            names,
            f"ask for at least {least[i]:.6g} and at most {most[i]:.6g} jobs at server {i + 1}",
            REMEDY,
        )
    if least.sum() > load * (1 + LIMIT_TOL):
        names = [name for name, low, _ in bounds if low.any()]
        raise LoadError(
            "subject_to",
            names,
            f"ask for at least {least.sum():.6g} jobs in all where the load is {load:.6g}",
            REMEDY,
        )
    if most.sum() < load * (1 - LIMIT_TOL):
        names = [name for name, _, high in bounds if np.any(high < bank.rate)]
        raise LoadError(
            "subject_to",
            names,
            f"allow at most {most.sum():.6g} jobs in all where the load is {load:.6g}",
            REMEDY,
        )


def _can_bind(row: Array, bound: float, least: Array, most: Array, load: float) -> bool:
    """Whether a split within the bounds of flows violates the row."""
    flow, lowest = cheapest(least, most, -row, load)
    return bool(-lowest > bound + LIMIT_TOL * float(np.abs(row) @ flow))


def _split_inside(
    bank: Latency, load: float, least: Array, most: Array, matrix: Array, bound: Array
) -> tuple[Array, bool]:
    """Return a split that meets bounds and rows, and whether there is one.

    It is far from the rows and from saturation: a linear program maximises the part t such that
    every row keeps the distance t, and every server that only its rate bounds keeps the spare
    capacity t times that of an even utilisation. Its unknowns are spare capacities where they are
    smaller in sum than the load, and flows elsewhere, so that they have all digits near
    saturation. One row alone needs no linear program.
    """
    if bound.size < 2:
        row = matrix[0] if bound.size else np.zeros(len(bank))
        inside, lowest = cheapest(least, most, row, load)
        if not bound.size:
            return inside, True
        return inside, bool(lowest <= bound[0] + LIMIT_TOL * float(np.abs(row) @ inside))
    from scipy.optimize import linprog  # slow to import, and rarely needed
    from scipy.sparse import csr_array, hstack, vstack

    n, (total_rate, low) = len(bank), bank.total_rate
    spare_capacity = float((total_rate - load) + low)
    near_saturation = spare_capacity < load
    side, scale = (-1.0, spare_capacity) if near_saturation else (1.0, load)
    base = bank.rate if near_saturation else np.zeros(n)  # flow = base + side * scale * unknown
    largest = most if near_saturation else np.minimum(most, load)
    ends = [side * (end - base) / scale for end in (least, largest)]
    size = np.abs(matrix).max(axis=1)
    distance = compensated_sum(np.concatenate([bound[:, None], -matrix * base], axis=-1))
    # far from saturation a server with a rate beyond scale / LP_TOL is empty whatever its flow
    fillable = np.isfinite(bank.rate) & (near_saturation | (bank.rate < scale / LP_TOL))
    only_rate = np.flatnonzero(fillable & (most >= bank.rate))
    even = spare_capacity / total_rate if math.isfinite(spare_capacity) else 1.0
    even_spare = bank.rate[only_rate] * even / scale
    index = (np.arange(only_rate.size), only_rate)
    of_rates = csr_array((np.full(only_rate.size, side), index), shape=(only_rate.size, n))
    flows = vstack([csr_array(side * matrix / size[:, None]), of_rates])
    for row_part in (1.0, 0.0):  # equations have no inside: there only servers keep a distance
        parts = np.concatenate([np.full(bound.size, row_part), even_spare])
        solved = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=hstack([flows, csr_array(parts[:, None])]),
            b_ub=np.concatenate([distance / (size * scale), (bank.rate - base)[only_rate] / scale]),
            A_eq=csr_array(np.append(np.ones(n), 0.0)[None]),
            b_eq=[1.0],
            bounds=[*zip(np.minimum(*ends), np.maximum(*ends), strict=True), (None, 1.0)],
            method="highs-ipm" if n > MAX_SIMPLEX else "highs-ds",
            options={"primal_feasibility_tolerance": LP_TOL / 10},
        )
        if solved.x is None or solved.x[-1] < -LP_TOL:
            return np.zeros(n), False
        if solved.x[-1] > LP_TOL:
            break
    return np.clip(base + side * scale * solved.x[:-1], least, most), True


def _contradiction(linear: Sequence[LinearLimit], bank: Latency, load: float) -> LoadError:
    """Return the error of limits that no split meets.

    It names a smallest set of limits in contradiction: without any one of them there is a split.
    """
    kept = list(linear)
    for own in linear:
        others = [other for other in kept if other is not own]
        if not _possible(others, bank, load):
            kept = others
    names, (matrix, bound) = [own.name for own in kept], _rows(kept, len(bank))
    if bound.size == 1:
        own = next(own for own in kept if not own._per_server)
        unit = float(np.asarray(own.bound_per_unit).ravel()[0])
        lowest = cheapest(*_all_bounds(kept, bank), matrix[0], load)[1] / unit
        worse, better = ("less", "at most") if unit > 0 else ("more", "at least")
        problem = (
            f"leave the {own.name} no {worse} than {lowest:.6g} "
            f"where it is to be {better} {bound[0] / unit:.6g}"
        )
    else:
        problem = f"cannot be met together by any split of the load {load:.6g}"
    remedy = REMEDY if len(names) > 1 else "relax it or lower the load"
    return LoadError("subject_to", names, problem, remedy)


def _possible(linear: Sequence[LinearLimit], bank: Latency, load: float) -> bool:
    """Whether any split of the load meets the limits."""
    least, most = _all_bounds(linear, bank)
    try:
        _check_bounds(linear, bank, least, most, load)
    except LoadError:
        return False
    return _split_inside(bank, load, least, most, *_rows(linear, len(bank)))[1]
