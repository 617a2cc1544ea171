"""All limits of a system at many loads: bounds of flows, rows, splits inside, shadow prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ....reference.errors import Array, LoadError
from ....reference.parallel.limits import LIMIT_TOL, cheapest
from ...core.table import Mask
from ...latency.base import Latency
from .inequalities import (
    Indices,
    Inequality,
    bounds_error,
    bounds_meet,
    bounds_of,
    contradictions,
    inequalities,
    patterns,
    rows_of,
)
from .inside_limits import splits_inside
from .limits import limits_of
from .linear_limit import Limit
from .solution import ShadowPrice
from .splits import Limits, clip

# bounds of flows above which one compilation for all loads takes longer than a program for each
MAX_PARAMETERS = 1000
LOOSE = 2.0  # times the load: a bound of a flow that no split reaches


@dataclass(frozen=True, eq=False)
class CombinedLimits:
    """All limits of a bank at K loads, as bounds of the flows and rows of one matrix.

    Attributes
    ----------
    bank : Latency
        n servers.
    given : tuple of Limit
        The limits as they were given.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.
    least, most : ndarray, shape (K, n)
        Bounds of the flows.
    matrix : ndarray, shape (m, n)
        Rows of all limits.
    bound : ndarray, shape (K, m)
        Bounds of the rows.
    largest : ndarray, shape (K, m)
        A number for each row that no split within the bounds of flows reaches.
    kept : ndarray of bool, shape (K, m)
        Which rows can bind; every split meets the others, and they are left out.
    inside : ndarray, shape (K, n)
        Splits that meet all limits.
    """

    bank: Latency
    given: tuple[Limit, ...]
    load: Array
    least: Array
    most: Array
    matrix: Array
    bound: Array
    largest: Array
    kept: Mask
    inside: Array

    def at(self, rows: Indices) -> CombinedLimits:
        """Return the limits at some of the loads."""
        return replace(
            self,
            load=self.load[rows],
            least=self.least[rows],
            most=self.most[rows],
            bound=self.bound[rows],
            largest=self.largest[rows],
            kept=self.kept[rows],
            inside=self.inside[rows],
        )

    def limits(self, rows: Indices) -> Limits:
        """Return the limits at some of the loads, with the rows that can bind at any of all K."""
        kept = self.in_program[2]
        bound = self.numbers["bound"][rows]
        inside = self.inside[rows]
        return Limits(self.least[rows], self.most[rows], self.matrix[kept], bound, inside)

    @cached_property
    def _tight(self) -> Mask:
        """Whether the upper bound of a flow is below the load and the rate, shape (K, n)."""
        return np.asarray(self.most < np.minimum(self.bank.rate, self.load[:, None]))

    @cached_property
    def in_program(self) -> tuple[Indices, Indices, Indices]:
        """Indices of servers with a lower and an upper bound, and of rows, at any of the loads."""
        masks = (self.least > 0, self._tight, self.kept)
        low, high, rows = (np.flatnonzero(mask.any(axis=0)) for mask in masks)
        return low, high, rows

    @property
    def shared(self) -> bool:
        """Whether the loads share a program; with very many bounds each has one of its own."""
        low, high, _ = self.in_program
        return low.size + high.size <= MAX_PARAMETERS

    @cached_property
    def pattern(self) -> tuple[bytes, ...]:
        """What loads must have in common to share a program with numbers of its limits."""
        return (*(own.tobytes() for own in self.in_program), self.matrix.tobytes())

    @cached_property
    def numbers(self) -> Mapping[str, Array]:
        """Numbers of one program for all loads, by name: bounds that do not bind are loose."""
        low, high, rows = self.in_program
        most = np.where(self._tight, self.most, LOOSE * self.load[:, None])
        bound = np.where(self.kept, self.bound, self.largest)
        return {"least": self.least[:, low], "most": most[:, high], "bound": bound[:, rows]}

    @np.errstate(all="ignore")
    def shadow_prices(
        self, optimum: Array, flow: Array, price: float, row_prices: Array
    ) -> tuple[ShadowPrice, ...]:
        """Return the shadow price of every limit at the first load.

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
            Multipliers of the rows; 0 for those that are left out.
        """
        load, all_least, all_most = float(self.load[0]), self.least[0], self.most[0]
        marginal = self.bank.marginal(clip(self.bank, optimum))
        bound_price = price - row_prices @ self.matrix - marginal
        of_most = np.where(optimum >= all_most, np.maximum(bound_price, 0.0), 0.0)
        at_least = (optimum <= all_least) & (all_least > 0)
        of_least = np.where(at_least, np.maximum(-bound_price, 0.0), 0.0)
        row_price, shadow_prices = np.maximum(row_prices, 0.0), []
        for limit in self.given:
            linear = limit.linearise(self.bank, load)._checked(len(self.bank))
            if linear._per_server:
                least, most = (bounds[0] for bounds in Inequality.of([linear]).flow_bounds)
                is_most, is_least = most <= all_most, least >= all_least
                own = np.where(is_most, of_most, 0.0) + np.where(is_least, of_least, 0.0)
                of_most = np.where(is_most, 0.0, of_most)
                of_least = np.where(is_least, 0.0, of_least)
                own = own / np.abs(linear.matrix)
            else:
                count = np.size(linear.bound)
                own, row_price = row_price[:count], row_price[count:]
                own = own.reshape(np.shape(linear.bound))
            shadow_prices.append(
                ShadowPrice(
                    linear.name,
                    np.asarray(linear.own_bound),
                    limit.value(self.bank, flow, load),
                    own * np.abs(linear.bound_per_unit) / load,
                    linear.of_time,
                    "server" if linear._per_server else "row",
                )
            )
        return tuple(shadow_prices)


Found = tuple[CombinedLimits, int] | LoadError


@np.errstate(all="ignore")  # a limit may be as large as the largest float
def combine_limits(limits: Sequence[Limit], bank: Latency, load: Array) -> list[Found]:
    """Return the limits at each of K loads, or the error of a load that no split meets them at.

    Parameters
    ----------
    limits : sequence of Limit
        The limits.
    bank : Latency
        n servers.
    load : ndarray, shape (K,)
        Total loads, jobs per unit of time.

    Returns
    -------
    list
        For each load the combined limits that it is among and its index there, or a `LoadError`
        that names limits that contradict each other.

    Raises
    ------
    InputError
        On something that is not a limit, or a limit that does not fit.
    """
    given, found = limits_of(limits), dict[int, Found]()
    errors: dict[int, LoadError] = {}
    for places, linear in inequalities(given, bank, load, errors):
        least, most = bounds_of(linear, bank, places.size)
        met = np.logical_and.reduce(bounds_meet(load[places], least, most))
        for k in np.flatnonzero(~met).tolist():
            own, total = [one.at(np.array([k])) for one in linear], float(load[places[k]])
            errors[int(places[k])] = bounds_error(own, bank, total, least[k], most[k])
        within = np.flatnonzero(met)
        combined, possible = _combined(
            given,
            [one.at(within) for one in linear],
            bank,
            load[places[within]],
            least[within],
            most[within],
        )
        found |= {int(places[within[k]]): (combined, k) for k in np.flatnonzero(possible).tolist()}
        rest = within[~possible]
        if rest.size:
            here = [one.at(rest) for one in linear]
            named = contradictions(here, bank, load[places[rest]])
            errors |= dict(zip(places[rest].tolist(), named, strict=True))
    return [errors[k] if k in errors else found[k] for k in range(load.size)]


def _combined(
    given: tuple[Limit, ...],
    linear: Sequence[Inequality],
    bank: Latency,
    load: Array,
    least: Array,
    most: Array,
) -> tuple[CombinedLimits, Mask]:
    """Return the limits at K loads, and whether any split meets them, shape (K,)."""
    matrix, bound = rows_of(linear, bank, load.size)
    largest, kept = np.empty_like(bound), np.empty(bound.shape, dtype=bool)
    for j, row in enumerate(matrix):  # can a split within the bounds of flows violate the row?
        flow, lowest = cheapest(least, most, -row, load)
        size = flow @ np.abs(row)
        kept[:, j], largest[:, j] = -lowest > bound[:, j] + LIMIT_TOL * size, size - lowest
    inside, possible = np.empty_like(least), np.empty(load.shape, dtype=bool)
    for pattern, rows in patterns(kept) if load.size else ():
        bounds = (least[rows], most[rows], matrix[pattern], bound[rows][:, pattern])
        inside[rows], possible[rows] = splits_inside(bank, load[rows], *bounds)
    combined = CombinedLimits(bank, given, load, least, most, matrix, bound, largest, kept, inside)
    return combined, possible
