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
from .convex_inside import can_bind, split_inside
from .convex_limit import ConvexLimit, ConvexRows
from .convex_program import ConvexProgram
from .inequalities import (
    Indices,
    Inequality,
    Together,
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
from .splits import TINY_BOUND, Limits, clip

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
    matrix : ndarray, shape (m - p, n)
        Rows of all linear limits; p convex ones follow them.
    bound : ndarray, shape (K, m)
        Bounds of the rows.
    largest : ndarray, shape (K, m)
        A number for each row that no split within the bounds of flows reaches.
    kept : ndarray of bool, shape (K, m)
        Which rows can bind; every split meets the others, and they are left out.
    inside : ndarray, shape (K, n)
        Splits that meet all limits.
    convex : ConvexRows
        The convex limits.
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
    convex: ConvexRows

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
            convex=self.convex.at(rows),
        )

    def limits(self, rows: Indices) -> Limits:
        """Return the limits at some of the loads, with the rows that can bind at any of all K."""
        linear, convex = self.kinds_in_program
        return Limits(
            self.least[rows],
            self.most[rows],
            self.matrix[linear],
            self.numbers["bound"][rows],
            self.inside[rows],
            self.convex.only(convex).at(rows) if convex.size else None,
        )

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

    @cached_property
    def kinds_in_program(self) -> tuple[Indices, Indices]:
        """Indices of the linear rows, and of the convex limits, that can bind at any load."""
        rows, linear = self.in_program[2], len(self.matrix)
        return rows[rows < linear], rows[rows >= linear] - linear

    @property
    def shared(self) -> bool:
        """Whether the loads share a program.

        Each has one of its own with very many bounds, or where a convex limit can bind.
        """
        low, high, _ = self.in_program
        return low.size + high.size <= MAX_PARAMETERS and not self.kinds_in_program[1].size

    def row_units(self, unit: float) -> Array:
        """Return what the bound of each row in a program is multiplied by, shape (m,).

        That of a convex limit becomes a number of size 1. `unit` is the unit of time of the
        program.
        """
        linear, convex = self.kinds_in_program
        return np.append(np.full(linear.size, unit), 1.0 / self._sizes[0, convex])

    @cached_property
    def _sizes(self) -> Array:
        """Size of the bound of each convex limit, shape (K, p): its value inside where it is 0."""
        size = np.abs(self.convex.bound)
        if not size.all():
            value = np.abs(self.convex.terms(self.inside).value).sum(axis=-1)
            size = np.where(size > 0, size, np.maximum(value, TINY_BOUND))
        return size

    def convex_in_program(self, k: int) -> ConvexProgram | None:
        """Return the convex limits that can bind at the load k, or None without any."""
        rows = self.kinds_in_program[1]
        if not rows.size:
            return None
        own, at = self.convex.only(rows).at([k]), slice(k, k + 1)
        return ConvexProgram.of(own, self._sizes[k, rows], self.least[at], self.most[at])

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
        charge, linear_rows = row_prices[: len(self.matrix)] @ self.matrix, len(self.matrix)
        if self.convex.limits:
            slope = self.convex.terms(optimum[None])[1][0]
            charge = charge + row_prices[linear_rows:] @ slope
        bound_price = price - charge - self.bank.marginal(clip(self.bank, optimum))
        of_most = np.where(optimum >= all_most, np.maximum(bound_price, 0.0), 0.0)
        at_least = (optimum <= all_least) & (all_least > 0)
        of_least = np.where(at_least, np.maximum(-bound_price, 0.0), 0.0)
        row_price, shadow_prices = np.maximum(row_prices[:linear_rows], 0.0), []
        of_convex = iter(np.maximum(row_prices[linear_rows:], 0.0) / load)
        for limit in self.given:
            if isinstance(limit, ConvexLimit):
                unit, value = limit.unit_at(load), limit.value(self.bank, flow, load)
                bound, own = np.asarray(limit.bound_at(load) / unit), next(of_convex) * abs(unit)
                shadow_prices.append(
                    ShadowPrice(limit.name, bound, value, np.asarray(own), limit.of_time, "row")
                )
                continue
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
    convex = ConvexRows.of(given, bank, load)
    rows = [limit for limit in given if not isinstance(limit, ConvexLimit)]
    for places, linear in inequalities(rows, bank, load, errors):
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
            convex.at(places[within]),
        )
        found |= {int(places[within[k]]): (combined, k) for k in np.flatnonzero(possible).tolist()}
        rest = within[~possible]
        if rest.size:
            here = [one.at(rest) for one in linear]
            at, own = load[places[rest]], convex.at(places[rest])
            named = contradictions(Together(bank, at, here, own))
            errors |= dict(zip(places[rest].tolist(), named, strict=True))
    return [errors[k] if k in errors else found[k] for k in range(load.size)]


def _combined(
    given: tuple[Limit, ...],
    linear: Sequence[Inequality],
    bank: Latency,
    load: Array,
    least: Array,
    most: Array,
    convex: ConvexRows,
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
    if convex.limits:
        binding = can_bind(convex, least, most)
        columns = (kept, binding), (bound, convex.bound), (largest, np.zeros(binding.shape))
        kept, bound, largest = (np.concatenate(pair, axis=1) for pair in columns)
    combined = CombinedLimits(
        bank, given, load, least, most, matrix, bound, largest, kept, inside, convex
    )
    for k in np.flatnonzero(possible & kept[:, len(matrix) :].any(axis=1)).tolist():
        own = combined.at(np.array([k])).limits(np.array([0]))
        inside[k], possible[k], _ = split_inside(own, float(load[k]), inside[k])
    return combined, possible
