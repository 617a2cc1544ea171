"""Units of weight of servers: the range of stable ones, and the price of each.

`sojourn.reference.parallel.decisions.weights` has the definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from ...compensated_sum import exact_product, exact_sum
from ...errors import Array, InputError
from ...pollaczek_khinchine import PollaczekKhinchine
from ...server_bank import ServerBank
from ..flow_balance import CELLS
from ..limits import LIMIT_TOL
from .several_loads import WeightedLoads

SEARCHED = 8_000_000  # largest number of servers times totals in the search for a stable total
LARGEST_TOTAL = 10**9  # of weights
FEW = 64  # totals whose stability is decided at once

Counts = npt.NDArray[np.int64]
Prices = Callable[[Counts], Array]


@dataclass(frozen=True, eq=False)
class Units:
    """Units of weight that each server can have, and their prices.

    Attributes
    ----------
    bank : ServerBank
        n servers.
    loads : WeightedLoads
        The loads that the weights are for.
    least, most : ndarray, shape (n,)
        Bounds of the shares.
    """

    bank: ServerBank
    loads: WeightedLoads
    least: Array
    most: Array

    @cached_property
    def _rates(self) -> tuple[npt.NDArray[np.object_], int]:
        """Rates over the largest load as fractions of whole numbers: n numerators, a denominator.

        A server of infinite rate has the numerator None.
        """
        top, bottom = float(self.loads.load.max()).as_integer_ratio()
        errors = np.broadcast_to(self.bank.rate_error, self.bank.rate.shape).tolist()
        numerators: list[int | None] = []
        scale = 2**1080  # every float is a whole multiple of its inverse
        for rate, error in zip(self.bank.rate.tolist(), errors, strict=True):
            if math.isinf(rate):
                numerators.append(None)
                continue
            above, below = rate.as_integer_ratio()
            more, under = error.as_integer_ratio()
            numerators.append((above * (scale // below) + more * (scale // under)) * bottom)
        return np.array(numerators, dtype=object), scale * top

    def stable(self, totals: Counts) -> Counts:
        """Return the largest stable weight of each server, shape (K, n), in exact arithmetic.

        A weight k is stable where k L < mu W; at and above that the queue grows without bound.
        """
        numerators, denominator = self._rates
        finite = np.array([number is not None for number in numerators])
        counts = np.repeat(totals[:, None], len(self.bank), axis=1)
        if finite.any():
            products = totals.astype(object)[:, None] * numerators[finite]
            largest = (products - 1) // denominator
            counts[:, finite] = np.minimum(largest, totals[:, None]).astype(np.int64)
        return counts

    def range_of(self, totals: Counts) -> tuple[Counts, Counts]:
        """Return the least and the largest weight of each server, shape (K, n) each."""
        low, high = self._within(totals, self.most)
        return low, np.minimum(high, self.stable(totals))

    def _within(self, totals: Counts, most: Array) -> tuple[Counts, Counts]:
        """Return the least and the largest weight within bounds of the shares."""
        size = totals[:, None].astype(np.float64)
        low = np.ceil(size * self.least * (1 - LIMIT_TOL)).astype(np.int64)
        return low, np.floor(size * most * (1 + LIMIT_TOL)).astype(np.int64)

    def first_total(self, start: int = 1) -> int | None:
        """Return the least total from `start` on that has weights, None where none was found."""
        most = np.minimum(self.most, self.bank.rate / self.loads.load.max())
        n = len(self.bank)
        last, size = start + max(SEARCHED // n, 1), max(CELLS // n, 1)
        if most.sum() < 1 - LIMIT_TOL or self.least.sum() > 1 + LIMIT_TOL:
            return None
        for first in range(start, last, size):
            totals = np.arange(first, first + size)
            # floats exclude most totals, exact arithmetic decides on the others
            near = totals[fit(*self._within(totals, most), totals)]
            for few in (near[i : i + FEW] for i in range(0, near.size, FEW)):
                if (good := fit(*self.range_of(few), few)).any():
                    return int(few[np.argmax(good)])
        return None

    def _enough(self) -> int | None:
        """Return a total that has weights; None where none is known.

        Rounding takes less than 1 from the largest weight of each server, and adds less than 1 to
        the least one.
        """
        most = np.minimum(self.most, self.bank.rate / self.loads.load.max())
        spare = min(float(most.sum()) - 1.0, 1.0 - float(self.least.sum()))
        total = len(self.bank) / spare if spare > 0 else math.inf
        if not total < LARGEST_TOTAL:
            return None
        enough = np.array([math.ceil(total * (1 + LIMIT_TOL)) + 1])
        return int(enough[0]) if fit(*self.range_of(enough), enough).all() else None

    def error(self, field: str, total: int) -> InputError:
        """Return the error of a total without weights; it names totals that have some."""
        bounded = bool(np.any(self.least > 0) or np.any(self.most < 1))
        load = float(self.loads.load.max())
        problem = f"has no whole weights that are stable at the load {load:g}"
        problem += " and within the limits" * bounded
        least, after = self.first_total(), self.first_total(total + 1)
        if least is not None:
            more = f", the next one above is {after}" if least < total and after else ""
            remedy = f"give {field}={least}, the least total that has some{more}"
        elif (enough := self._enough()) is not None:
            remedy = f"give total={enough}, which has some, or lower the load"
        else:
            remedy = "lower the load, or relax the limits" if bounded else "lower the load"
        return InputError(field, total, problem, remedy)

    def prices(self, goal: str, totals: Counts) -> Prices:
        """Return the function from weights, shape (K, n), to the prices of their last units.

        A price is above the idle latency of the nearest server, without cancellation.
        """
        banks = self.bank.banks
        cuts = [slice(*edges) for edges in pairwise(accumulate(map(len, banks), initial=0))]
        idle = self.bank.idle_latency - self.bank.idle_latency.min()
        parts = [Part(bank, totals) for bank in banks]

        def price(weights: Counts) -> Array:
            out = np.zeros(weights.shape)
            for load, jobs in self.loads.counted:
                for part, cut in zip(parts, cuts, strict=True):
                    out[:, cut] += jobs * part.rise(goal, weights[:, cut], load)
            out += idle
            return out

        return price

    def mean_delay(self, weights: Counts, totals: Counts) -> Array:
        """Return the mean delay of weights, shape (K, n), over all jobs, shape (K,)."""
        share = weights / totals[:, None]
        mean, servers = np.zeros(len(totals)), Part(self.bank, totals)
        for load, jobs in self.loads.counted:
            latency = servers.latency(weights, load)
            mean += jobs * exact_sum(share * np.where(weights > 0, latency, 0.0))[0]
        return mean


class Part:
    """Servers at whole weights of K totals.

    Parameters
    ----------
    bank : ServerBank
        n servers.
    totals : ndarray of int, shape (K,)
        Sums of the weights.
    """

    def __init__(self, bank: ServerBank, totals: Counts) -> None:
        self.bank = bank
        self.size = totals[:, None].astype(np.float64)
        with np.errstate(all="ignore"):
            self.high, low = exact_product(bank.rate, self.size)
            self.low = np.where(np.isfinite(low), low + bank.rate_error * self.size, 0.0)

    def point(self, weights: Counts, load: float) -> tuple[Array, Array]:
        """Return flows and spare capacities, shape (K, n), right up to the last digit."""
        used, used_low = exact_product(weights.astype(np.float64), np.asarray(load))
        spare_capacity = ((self.high - used) + (self.low - used_low)) / self.size
        return used / self.size, spare_capacity

    def latency(self, weights: Counts, load: float) -> Array:
        """Return the latency of each server, shape (K, n)."""
        return self.bank.latency(*self.point(weights, load))

    def rise(self, goal: str, weights: Counts, load: float) -> Array:
        """Return the price of the last unit of weights, from 1, above the idle latency, (K, n)."""
        bank, (flow, spare_capacity) = self.bank, self.point(weights, load)
        before, more = (weights - 1) * load / self.size, spare_capacity + load / self.size
        if isinstance(bank, PollaczekKhinchine):
            # l(x) = e + k/(R - x) rises by k x/(R (R - x)), and between flows y < x by
            # k (x - y)/((R - x) (R - y)); k is R^2 l'(0)
            nothing = np.zeros(len(bank))
            empty = bank.spare_capacity(nothing)
            with np.errstate(all="ignore"):
                rise = flow + before * (empty / more) if goal == "optimum" else flow
                rise = bank.latency_slope(nothing) * empty / spare_capacity * rise
            return np.where(spare_capacity > 0, rise, np.inf)
        latency = bank.latency(flow, spare_capacity)
        rise = latency - bank.idle_latency
        if goal == "optimum":
            # (x l(x) - y l(y))/d is l(x) plus the number of earlier units times the rise of l
            with np.errstate(all="ignore"):
                rise = rise + (weights - 1) * (latency - bank.latency(before, more))
        return np.where(np.isnan(rise), np.inf, rise)


def fit(low: Counts, high: Counts, totals: Counts) -> npt.NDArray[np.bool_]:
    """Return whether weights between bounds, shape (K, n), have each total, shape (K,)."""
    sums = (low.sum(axis=1) <= totals) & (totals <= high.sum(axis=1))
    return np.asarray(sums & np.all(low <= high, axis=1))
