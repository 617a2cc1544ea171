"""Whole weights: the best shares among multiples of 1/W, as proxies hold them.

With whole weights w_i of the sum W, server i carries the flow w_i L/W of a load L. The price of the
k-th unit of weight of a server is, with the flow of a unit d = L/W and f(x) = x l(x),

- (f(k d) - f((k - 1) d))/d at the optimum: the mean of the marginal delay over the unit,
- l(k d) at the equilibrium: the latency that the last of k players of one unit each gets.

Both rise with k, since f and l are convex. So the W cheapest units of all servers are the whole
weights: their prices sum to the least mean delay, or to the least potential of R. Rosenthal (*A
class of games possessing pure-strategy Nash equilibria*, 1973). The proof is one comparison: no
unit that is given is dearer than one that is not. Bounds of the shares are bounds of k, and the
argument holds for the units between them. For several loads, each for a part of the time, the
prices are means over the jobs. The cheapest units are found by bisection over the price, with the
weighted median of the middle units of all servers as the next price (D. Johnson and T. Mizoguchi,
*Selecting the Kth element in X + Y and X_1 + X_2 + ... + X_m*, 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...amounts import as_server_fractions
from ...composed import as_bank
from ...errors import Array, InputError
from ...server_bank import ServerBank
from ...validation import as_integer, check_choice, check_list
from ..flow_balance import CELLS
from .several_loads import WeightedLoads, weighted_loads
from .weight_units import LARGEST_TOTAL, Counts, Prices, Units, fit

GOALS = ("optimum", "equilibrium")
MOST_TOTALS = 100_000  # largest number of totals of which the best is chosen
TIE = 1e-14  # relative difference of mean delays that is rounding error


@dataclass(frozen=True, eq=False)
class WholeWeights:
    """Whole weights of n servers.

    Attributes
    ----------
    weights : ndarray of int, shape (n,)
        Weight of each server.
    total : int
        Their sum W.
    mean_delay : float
        Mean delay of a job.
    last_price, next_price : float
        Largest price of a unit that a server has and could give back, and least price of a unit
        that a server could get; -inf and inf where there is none. The weights are exact if the
        first is not above the second.
    """

    weights: Counts
    total: int
    mean_delay: float
    last_price: float
    next_price: float

    @property
    def excess(self) -> float:
        """Largest decrease of the mean delay that other whole weights can bring; 0 if exact."""
        return max(self.last_price - self.next_price, 0.0)


def whole_weights(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike | WeightedLoads,
    total: int | None = None,
    *,
    at_most: int | None = None,
    goal: str = "optimum",
    parts: npt.ArrayLike | None = None,
    least: npt.ArrayLike = 0.0,
    most: npt.ArrayLike = 1.0,
) -> WholeWeights:
    """Return the whole weights of least mean delay, or those of an equilibrium.

    Parameters
    ----------
    servers : ServerBank or sequence of ServerBank
        n servers.
    load : array_like, shape () or (m,), or WeightedLoads
        Total load above 0 and below the total rate, jobs per unit of time; or m loads.
    total : int, optional
        Sum W of the weights. With W equal to the load they are whole jobs per unit of time.
    at_most : int, optional
        Largest total; the weights have the total of least mean delay, the smaller of equal ones.
    goal : {"optimum", "equilibrium"}, default "optimum"
        At the equilibrium no unit of weight, as a player with the flow L/W, has a lower latency at
        another server (a pure Nash equilibrium).
    parts : array_like, shape (m,), optional
        Part of the time in which each of several loads holds; sums to 1. By default equal parts.
    least, most : array_like, shape (n,) or ()
        Bounds of the share of each server.

    Returns
    -------
    WholeWeights

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the total rate.
    InputError
        Unless exactly one of `total` and `at_most` is given; where no whole weights of that total
        keep every flow below the rate and every share within its bounds.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([120.0, 45.0, 20.0], [0.0, 0.002, 0.030])
    >>> whole_weights(bank, 180.0, 100).weights
    array([66, 24, 10])
    >>> best = whole_weights(bank, 180.0, at_most=100)
    >>> best.total, best.weights, round(best.mean_delay, 6)
    (95, array([62, 23, 10]), 0.532346)
    """
    if (total is None) == (at_most is None):
        given = {"total": total, "at_most": at_most}
        problem = "is not one way to give the sum of the weights"
        raise InputError("weights", given, problem, "give total= or at_most=")
    check_choice("goal", goal, GOALS, "is not a goal")
    bank = as_bank(servers)
    loads = load if isinstance(load, WeightedLoads) else weighted_loads(bank, load, parts)
    bounds = Units(bank, loads, *_shares(bank, least, most))
    if total is not None:
        count = as_integer("total", total, "a total of weights", most=LARGEST_TOTAL)
        found = next(_solved(bounds, goal, np.array([count])))
        if not math.isfinite(found.mean_delay[0]):
            raise bounds.error("total", count)
        return found.row(0)
    largest = as_integer("at_most", at_most, "a total of weights", most=MOST_TOTALS)
    best: WholeWeights | None = None
    for rows in _solved(bounds, goal, np.arange(1, largest + 1)):
        k = int(np.argmax(rows.mean_delay <= rows.mean_delay.min() * (1 + TIE)))
        if rows.mean_delay[k] < (best.mean_delay * (1 - TIE) if best else math.inf):
            best = rows.row(k)
    if best is None:
        raise bounds.error("at_most", largest)
    return best


def whole_delays(
    servers: ServerBank | Sequence[ServerBank],
    load: npt.ArrayLike,
    totals: npt.ArrayLike,
    *,
    goal: str = "optimum",
    parts: npt.ArrayLike | None = None,
) -> Array:
    """Return the mean delay of the whole weights of each total, shape (K,).

    It is infinite where no whole weights are stable. Parameters are those of `whole_weights`.

    Parameters
    ----------
    totals : array_like of int, shape (K,)
        Sums of the weights.

    Examples
    --------
    >>> from sojourn.reference import MM1
    >>> bank = MM1([120.0, 45.0, 20.0], [0.0, 0.002, 0.030])
    >>> whole_delays(bank, 180.0, [20, 37, 95, 100]).round(4)
    array([   inf, 0.6037, 0.5323, 0.7368])
    """
    check_choice("goal", goal, GOALS, "is not a goal")
    bank = as_bank(servers)
    bounds = Units(bank, weighted_loads(bank, load, parts), *_shares(bank, 0.0, 1.0))
    counts = [
        as_integer(f"totals[{k}]", total, "a total of weights", most=LARGEST_TOTAL)
        for k, total in enumerate(check_list("totals", totals))
    ]
    rows = [rows.mean_delay for rows in _solved(bounds, goal, np.array(counts, dtype=np.int64))]
    return np.concatenate(rows) if rows else np.empty(0)


def _shares(bank: ServerBank, least: npt.ArrayLike, most: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the bounds of the shares, shape (n,) each; InputError on others than fractions."""
    given = (("least", least), ("most", most))
    low, high = (as_server_fractions(name, value, len(bank), "the load") for name, value in given)
    return low, high


class _Rows(NamedTuple):
    """Whole weights of K totals, as columns; a mean delay is infinite where there are none."""

    total: Counts
    weights: Counts
    mean_delay: Array
    last_price: Array
    next_price: Array

    def row(self, k: int) -> WholeWeights:
        """Return the weights of one total."""
        return WholeWeights(
            self.weights[k],
            int(self.total[k]),
            *(float(c[k]) for c in (self.mean_delay, self.last_price, self.next_price)),
        )


def _solved(units: Units, goal: str, totals: Counts) -> Iterator[_Rows]:
    """Yield the whole weights of totals, shape (K,), in blocks."""
    n = len(units.bank)
    nearest, size = float(units.bank.idle_latency.min()), max(1, CELLS // n)
    for first in range(0, len(totals), size):
        block = totals[first : first + size]
        low, high = units.range_of(block)
        good = fit(low, high, block)
        weights = np.zeros((len(block), n), dtype=np.int64)
        mean, last, after = np.full((3, len(block)), np.inf)
        if good.any():
            low, high, count = low[good], high[good], block[good]
            found = _cheapest(units, goal, low, high, count)
            price = units.prices(goal, count)
            given = np.where(found > low, price(np.maximum(found, 1)), -np.inf)
            free = np.where(found < high, price(np.minimum(found + 1, high)), np.inf)
            weights[good], mean[good] = found, units.mean_delay(found, count)
            last[good], after[good] = given.max(axis=1) + nearest, free.min(axis=1) + nearest
        yield _Rows(block, weights, mean, last, after)


def _cheapest(units: Units, goal: str, low: Counts, high: Counts, totals: Counts) -> Counts:
    """Return the weights between bounds whose units are the cheapest, shape (K, n)."""
    low, high, out = low.copy(), high.copy(), low.copy()
    rows = np.arange(len(totals))
    while rows.size:
        least, most, total = low[rows], high[rows], totals[rows]
        price = units.prices(goal, total)
        middle = (least + most + 1) // 2
        at_middle = np.where(least < most, price(np.maximum(middle, 1)), np.inf)
        pivot = _weighted_median(at_middle, most - least)
        below = _count(price, least, most, middle, at_middle < pivot, np.less, pivot)
        upto = _count(price, least, most, middle, at_middle <= pivot, np.less_equal, pivot)
        upto = np.maximum(upto, below)
        cheaper, at_pivot = below.sum(axis=1), upto.sum(axis=1)
        done = (cheaper <= total) & (total <= at_pivot)
        # of units of one price, those of the first servers
        ties = upto - below
        before = np.cumsum(ties, axis=1) - ties
        taken = np.clip((total - cheaper)[:, None] - before, 0, ties)
        out[rows[done]] = (below + taken)[done]
        few, many = rows[at_pivot < total], rows[cheaper > total]
        low[few], high[many] = upto[at_pivot < total], below[cheaper > total]
        rows = rows[~done]
    return out


def _weighted_median(values: Array, weight: Counts) -> Array:
    """Return the weighted median of each row of values, shape (K, 1)."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = np.argmax(2 * reached >= reached[:, -1:], axis=1)[:, None]
    chosen: Array = np.take_along_axis(values, np.take_along_axis(order, place, axis=1), axis=1)
    return chosen


def _count(
    price: Prices,
    low: Counts,
    high: Counts,
    middle: Counts,
    known: npt.NDArray[np.bool_],
    holds: Callable[[Array, Array], npt.NDArray[np.bool_]],
    pivot: Array,
) -> Counts:
    """Return the numbers of units whose price holds a comparison with the pivot, shape (K, n).

    `known` is whether the unit `middle` does.
    """
    high = np.where(known, high, np.maximum(middle - 1, low))
    low = np.where(known, np.maximum(middle, low), low)
    while np.any(low < high):
        middle = (low + high + 1) // 2
        kept = holds(price(np.maximum(middle, 1)), pivot)
        low, high = np.where(kept, middle, low), np.where(kept, high, np.maximum(middle - 1, low))
    return low
